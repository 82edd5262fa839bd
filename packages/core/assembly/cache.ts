// The pages of a key/value cache (docs/kernels.md): keys and values are packed weights there.

/** Positions of a page. */
export const PAGE = 64;

export function roundUp8(n: i32): i32 {
  return (n + 7) & ~7;
}

export function roundUp16(n: i32): i32 {
  return (n + 15) & ~15;
}

/** Appends keys and values of `rows` positions from `position` on; row r, head h is at `4 * (r * rowStride + h * E)`. */
export function cache_append_f32(
  k: usize,
  v: usize,
  pages: usize,
  rows: i32,
  rowStride: i32,
  position: i32,
  K: i32,
  E: i32,
): void {
  const E8 = roundUp8(E);
  for (; rows > 0; rows--, position++, k += <usize>rowStride * 4, v += <usize>rowStride * 4) {
    const page = <usize>load<u32>(pages + (position / PAGE) * 4);
    const place = position % PAGE;
    for (let head = 0; head < K; head++) {
      const from = <usize>(head * E) * 4;
      const keys = page + <usize>(head * PAGE * E + (place >> 3) * E * 8 + (place & 7)) * 4;
      for (let e = 0; e < E; e++) store<f32>(keys + e * 32, load<f32>(k + from + e * 4));
      const values = page + <usize>(K * PAGE * E + head * PAGE * E8 + place * 8) * 4;
      for (let e = 0; e < E8; e++) {
        store<f32>(values + ((e >> 3) * PAGE * 8 + (e & 7)) * 4, e < E ? load<f32>(v + from + e * 4) : 0);
      }
    }
  }
}
