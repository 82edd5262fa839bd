// Attention over the pages of a key/value cache (docs/kernels.md): keys and values are packed weights there.
import { product } from "./product";
import { loadSome, multiplyAdd, storeSome } from "./simd";
import { divideRow, paddedExponentials, rowMaximum } from "./softmax";

const PAGE = 64;
/** Rows that are worked on together: their scores for all keys lie in scratch. */
const ROWS = 24;
/** Keys whose weighted values are summed before the sum joins the total. */
const VALUE_BLOCK = 16;
/** Heads up to this width take shorter ways while few rows are decoded: there the product's loops are mostly overhead. */
const SMALL_HEAD = 16;
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
  return (rows == 1 ? H / K : min(rows, ROWS)) * (roundUp8(S) + 1);
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
  // Behind a row's scores lies the sum of their exponentials.
  const scoreStride = <usize>(roundUp8(S) + 1) * 4;
  const keys = <usize>(head * PAGE * E) * 4,
    values = <usize>(K * PAGE * E + head * PAGE * E8) * 4;
  for (let start = 0; start < S; start += PAGE) {
    const page = <usize>load<u32>(pages + (start / PAGE) * 4) + keys;
    const count = min(S - start, PAGE);
    const scores = scratch + start * 4;
    if (rows < 4 && E <= SMALL_HEAD && count == PAGE) {
      for (let row = 0; row < rows; row++) scoreWholePage(q + row * qStride, page, scores + row * scoreStride, E);
    } else {
      product<f32>(q, qStride, page, <usize>E * 32, 0, scores, scoreStride, rows, count, E, SCORE_BLOCK, false, 0);
    }
  }
  weigh(scratch, scoreStride, y, yStride, rows, limit, step, pages, values, E, scale);
}

/** Scores to probabilities, and the values' sum by them; the division by the sum of the exponentials comes last. */
function weigh(
  scores: usize,
  scoreStride: usize,
  y: usize,
  yStride: usize,
  rows: i32,
  limit: i32,
  step: i32,
  pages: usize,
  values: usize,
  E: i32,
  scale: f32,
): void {
  for (let row = 0; row < rows; row++) {
    const visible = limit + row * step;
    const line = scores + row * scoreStride;
    const sum = paddedExponentials(line, visible, rowMaximum(line, visible), scale);
    store<f32>(line + scoreStride - 4, <f32>sum);
  }
  // Blocks that every row sees whole are weighed together, what is left row by row: a key that a row does not see never
  // reaches it, not even as zero times infinity.
  const common = limit & ~(VALUE_BLOCK - 1);
  for (let start = 0; start < common; start += PAGE) {
    const page = <usize>load<u32>(pages + (start / PAGE) * 4) + values;
    const count = min(common - start, PAGE);
    if (rows < 4 && E <= SMALL_HEAD && count == PAGE) {
      for (let row = 0; row < rows; row++) weighWholePage(scores + row * scoreStride + start * 4, page, y + row * yStride, E, start > 0);
    } else {
      product<f32>(scores + start * 4, scoreStride, page, PAGE * 32, 0, y, yStride, rows, E, count, VALUE_BLOCK, start > 0, 0);
    }
  }
  for (let row = 0; row < rows; row++) {
    const visible = limit + row * step;
    let at = common;
    while (at < visible) {
      const page = <usize>load<u32>(pages + (at / PAGE) * 4) + values + (at % PAGE) * 32;
      const count = min(visible - at, PAGE - at % PAGE);
      product<f32>(scores + row * scoreStride + at * 4, 0, page, PAGE * 32, 0, y + row * yStride, 0, 1, E, count, VALUE_BLOCK, at > 0, 0);
      at += count;
    }
  }
  for (let row = 0; row < rows; row++) divideRow(y + row * yStride, E, load<f32>(scores + (row + 1) * scoreStride - 4));
}

/** One query times a whole page of keys, four panels side by side, in the product's order. */
function scoreWholePage(q: usize, keys: usize, scores: usize, E: i32): void {
  const panel = <usize>E * 32;
  const end = q + <usize>E * 4;
  for (let group = 0; group < PAGE / 32; group++, scores += 128, keys += 3 * panel) {
    let low0 = f32x4.splat(0), low1 = low0, low2 = low0, low3 = low0;
    let high0 = low0, high1 = low0, high2 = low0, high3 = low0;
    for (let at = q; at < end; at += 4, keys += 32) {
      const value = v128.load32_splat(at);
      low0 = multiplyAdd(value, v128.load(keys), low0);
      high0 = multiplyAdd(value, v128.load(keys, 16), high0);
      low1 = multiplyAdd(value, v128.load(keys + panel), low1);
      high1 = multiplyAdd(value, v128.load(keys + panel, 16), high1);
      low2 = multiplyAdd(value, v128.load(keys + 2 * panel), low2);
      high2 = multiplyAdd(value, v128.load(keys + 2 * panel, 16), high2);
      low3 = multiplyAdd(value, v128.load(keys + 3 * panel), low3);
      high3 = multiplyAdd(value, v128.load(keys + 3 * panel, 16), high3);
    }
    v128.store(scores, low0);
    v128.store(scores, high0, 16);
    v128.store(scores, low1, 32);
    v128.store(scores, high1, 48);
    v128.store(scores, low2, 64);
    v128.store(scores, high2, 80);
    v128.store(scores, low3, 96);
    v128.store(scores, high3, 112);
  }
}

/**
 * One row of weights times a whole page of values: the four blocks of a page are summed side by side, as one alone would
 * wait for itself, and then added in order, as the product does.
 */
function weighWholePage(weights: usize, values: usize, y: usize, E: i32, continued: bool): void {
  for (let channel = 0; channel < E; channel += 8, values += PAGE * 32, y += 32) {
    let low0 = f32x4.splat(0), low1 = low0, low2 = low0, low3 = low0;
    let high0 = low0, high1 = low0, high2 = low0, high3 = low0;
    for (let key = 0; key < VALUE_BLOCK; key++) {
      const weight = weights + <usize>key * 4, value = values + <usize>key * 32;
      const weight0 = v128.load32_splat(weight);
      low0 = multiplyAdd(weight0, v128.load(value), low0);
      high0 = multiplyAdd(weight0, v128.load(value, 16), high0);
      const weight1 = v128.load32_splat(weight, VALUE_BLOCK * 4);
      low1 = multiplyAdd(weight1, v128.load(value, VALUE_BLOCK * 32), low1);
      high1 = multiplyAdd(weight1, v128.load(value, VALUE_BLOCK * 32 + 16), high1);
      const weight2 = v128.load32_splat(weight, VALUE_BLOCK * 8);
      low2 = multiplyAdd(weight2, v128.load(value, VALUE_BLOCK * 64), low2);
      high2 = multiplyAdd(weight2, v128.load(value, VALUE_BLOCK * 64 + 16), high2);
      const weight3 = v128.load32_splat(weight, VALUE_BLOCK * 12);
      low3 = multiplyAdd(weight3, v128.load(value, VALUE_BLOCK * 96), low3);
      high3 = multiplyAdd(weight3, v128.load(value, VALUE_BLOCK * 96 + 16), high3);
    }
    addTo(y, low0, low1, low2, low3, min(E - channel, 4), continued);
    if (E - channel > 4) addTo(y + 16, high0, high1, high2, high3, min(E - channel - 4, 4), continued);
  }
}

/** Four sums in order, on what is there when `continued`; writes `count` floats (1 to 4). */
function addTo(y: usize, sum0: v128, sum1: v128, sum2: v128, sum3: v128, count: i32, continued: bool): void {
  if (continued) sum0 = f32x4.add(count == 4 ? v128.load(y) : loadSome(y, count), sum0);
  const sum = f32x4.add(f32x4.add(f32x4.add(sum0, sum1), sum2), sum3);
  if (count == 4) v128.store(y, sum);
  else storeSome(y, sum, count);
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
