// Rotary position embedding, the rotate-half form.

/**
 * Turns the first R channels of each head by its row's angles, in place: channels i and i + R / 2 are a pair.
 * x has `heads` heads of E channels at the start of each row of `rowStride` floats; cos and sin are `[rows, R / 2]`.
 */
export function rope_f32(
  x: usize,
  cos: usize,
  sin: usize,
  rows: i32,
  heads: i32,
  E: i32,
  R: i32,
  rowStride: i32,
): void {
  const half = <usize>(R >> 1) * 4;
  for (; rows > 0; rows--, x += <usize>rowStride * 4, cos += half, sin += half) {
    for (let head = 0; head < heads; head++) {
      const low = x + <usize>head * E * 4,
        high = low + half;
      let i: usize = 0;
      for (; i + 16 <= half; i += 16) {
        const a = v128.load(low + i),
          b = v128.load(high + i),
          c = v128.load(cos + i),
          s = v128.load(sin + i);
        v128.store(low + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(high + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      for (; i < half; i += 4) {
        const a = load<f32>(low + i),
          b = load<f32>(high + i),
          c = load<f32>(cos + i),
          s = load<f32>(sin + i);
        store<f32>(low + i, a * c - b * s);
        store<f32>(high + i, b * c + a * s);
      }
    }
  }
}
