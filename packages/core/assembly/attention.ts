// Attention over the pages of a key/value cache (docs/kernels.md): keys and values are packed weights there.
import { product } from "./product";
import { divideRow, rowExponentials, rowMaximum } from "./softmax";

const PAGE = 64;
/** Rows that are worked on together: their scores for all keys lie in scratch. */
const ROWS = 24;
/** Keys whose weighted values are summed before the sum joins the total. */
const VALUE_BLOCK = 16;
/** Inputs of a score that are summed before the sum joins the total. */
const SCORE_BLOCK = 256;

function roundUp8(n: i32): i32 {
  return (n + 7) & ~7;
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

/** Floats that `attention_f32` needs as scratch for `rows` queries over S keys. */
export function attention_scratch_f32(rows: i32, S: i32, H: i32, K: i32, E: i32): i32 {
  return (rows == 1 ? H / K : min(rows, ROWS)) * roundUp8(S);
}

/** The queries of one key/value head: rows of x and y, `limit + r * step` keys visible to row r. */
function attend(
  q: usize,
  qStride: usize,
  y: usize,
  yStride: usize,
  rows: i32,
  limit: i32,
  step: i32,
  pages: usize,
  head: i32,
  K: i32,
  E: i32,
  scale: f32,
  scratch: usize,
): void {
  const E8 = roundUp8(E);
  const S = limit + (rows - 1) * step;
  const scoreStride = <usize>roundUp8(S) * 4;
  const keys = <usize>(head * PAGE * E) * 4,
    values = <usize>(K * PAGE * E + head * PAGE * E8) * 4;
  for (let start = 0; start < S; start += PAGE) {
    const page = <usize>load<u32>(pages + (start / PAGE) * 4);
    product<f32>(
      q,
      qStride,
      page + keys,
      <usize>E * 32,
      0,
      scratch + start * 4,
      scoreStride,
      rows,
      min(S - start, PAGE),
      E,
      SCORE_BLOCK,
      false,
      0,
    );
  }
  for (let row = 0; row < rows; row++) {
    const visible = limit + row * step;
    const scores = scratch + row * scoreStride;
    const sum = rowExponentials(scores, scores, visible, rowMaximum(scores, visible), scale);
    divideRow(scores, visible, <f32>sum);
    const out = y + row * yStride;
    for (let start = 0; start < visible; start += PAGE) {
      const page = <usize>load<u32>(pages + (start / PAGE) * 4);
      product<f32>(
        scores + start * 4,
        0,
        page + values,
        PAGE * 32,
        0,
        out,
        0,
        1,
        E,
        min(visible - start, PAGE),
        VALUE_BLOCK,
        start > 0,
        0,
      );
    }
  }
}

/**
 * `y[r, h] = softmax(scale * q[r, h] · keys) · values` for `rows` queries at positions from `position` on, H heads that share
 * K key/value heads. Causal: row r sees keys 0 to position + r; otherwise all position + rows.
 */
export function attention_f32(
  q: usize,
  y: usize,
  pages: usize,
  rows: i32,
  qStride: i32,
  yStride: i32,
  position: i32,
  causal: i32,
  H: i32,
  K: i32,
  E: i32,
  scale: f32,
  scratch: usize,
): void {
  const group = H / K;
  const headBytes = <usize>E * 4;
  if (rows == 1) {
    for (let head = 0; head < K; head++) {
      const offset = <usize>(head * group) * headBytes;
      attend(q + offset, headBytes, y + offset, headBytes, group, position + 1, 0, pages, head, K, E, scale, scratch);
    }
    return;
  }
  const limit = causal ? position + 1 : position + rows;
  for (let head = 0; head < H; head++) {
    for (let row = 0; row < rows; row += ROWS) {
      const first = limit + (causal ? row : 0);
      const x = q + (<usize>row * qStride + head * E) * 4,
        out = y + (<usize>row * yStride + head * E) * 4;
      attend(
        x,
        <usize>qStride * 4,
        out,
        <usize>yStride * 4,
        min(rows - row, ROWS),
        first,
        causal ? 1 : 0,
        pages,
        head / group,
        K,
        E,
        scale,
        scratch,
      );
    }
  }
}
