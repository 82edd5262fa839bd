// Attention over the pages of a key/value cache (docs/kernels.md): keys and values are packed weights there.
import { product } from "./product";
import { constant, multiplyAdd, storeSome } from "./simd";
import { divideRow, lanesMaximum, paddedExponentials, rowMaximum } from "./softmax";

const PAGE = 64;
const LOWEST = memory.data<f32>([-Infinity]);
/** Rows that are worked on together: their scores for all keys lie in scratch. */
const ROWS = 24;
/** Keys whose weighted values are summed before the sum joins the total. */
const VALUE_BLOCK = 16;
/** Heads up to this width are decoded by loops of their own. */
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
  return (rows == 1 ? max(H / K, 2) : min(rows, ROWS)) * (roundUp8(S) + 1);
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
    product<f32>(q, qStride, page, <usize>E * 32, 0, scratch + start * 4, scoreStride, rows, count, E, SCORE_BLOCK, false, 0);
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
    product<f32>(scores + start * 4, scoreStride, page, PAGE * 32, 0, y, yStride, rows, E, count, VALUE_BLOCK, start > 0, 0);
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

/**
 * The same for a few rows that all see S keys of small heads, as in decoding, where the product's loops are mostly overhead.
 * Two rows go together (an odd last one with itself), with two panels or two blocks side by side: eight sums, in the product's
 * order.
 */
function attendSmall(q: usize, stride: usize, y: usize, rows: i32, S: i32, pages: usize, head: i32, K: i32, E: i32, scale: f32, scratch: usize): void {
  const E8 = roundUp8(E);
  const keys = <usize>(head * PAGE * E) * 4, values = <usize>(K * PAGE * E + head * PAGE * E8) * 4;
  const headBytes = <usize>E * 4;
  const first = scratch, second = scratch + <usize>roundUp8(S) * 4;
  for (let row = 0; row < rows; row += 2) {
    const next = min(row + 1, rows - 1);
    const q0 = q + <usize>row * stride, q1 = q + <usize>next * stride;
    const y0 = y + <usize>row * stride, y1 = y + <usize>next * stride;
    // Pairs of panels that are whole give the maximum on the way; what is behind them holds more than scores.
    const whole = S & ~15;
    let largest0 = constant(LOWEST), largest1 = largest0;
    for (let start = 0; start < S; start += 16) {
      const page = <usize>load<u32>(pages + (start / PAGE) * 4) + keys;
      const two = S - start > 8;
      const panel: usize = two ? <usize>E * 32 : 0;
      let at = page + <usize>((start % PAGE) * E) * 4;
      let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      for (let k: usize = 0; k < headBytes; k += 4, at += 32) {
        const a = v128.load32_splat(q0 + k), b = v128.load32_splat(q1 + k);
        let key = v128.load(at);
        a0 = multiplyAdd(a, key, a0);
        b0 = multiplyAdd(b, key, b0);
        key = v128.load(at, 16);
        a1 = multiplyAdd(a, key, a1);
        b1 = multiplyAdd(b, key, b1);
        key = v128.load(at + panel);
        a2 = multiplyAdd(a, key, a2);
        b2 = multiplyAdd(b, key, b2);
        key = v128.load(at + panel, 16);
        a3 = multiplyAdd(a, key, a3);
        b3 = multiplyAdd(b, key, b3);
      }
      const score0 = first + start * 4, score1 = second + start * 4;
      v128.store(score0, a0);
      v128.store(score0, a1, 16);
      v128.store(score1, b0);
      v128.store(score1, b1, 16);
      if (two) {
        v128.store(score0, a2, 32);
        v128.store(score0, a3, 48);
        v128.store(score1, b2, 32);
        v128.store(score1, b3, 48);
      }
      if (start >= whole) continue;
      largest0 = f32x4.pmax(largest0, f32x4.pmax(f32x4.pmax(a0, a1), f32x4.pmax(a2, a3)));
      largest1 = f32x4.pmax(largest1, f32x4.pmax(f32x4.pmax(b0, b1), f32x4.pmax(b2, b3)));
    }
    const maximum0 = max(lanesMaximum(largest0), rowMaximum(first + whole * 4, S - whole));
    const maximum1 = max(lanesMaximum(largest1), rowMaximum(second + whole * 4, S - whole));
    const sum0 = <f32>paddedExponentials(first, S, maximum0, scale);
    const sum1 = <f32>paddedExponentials(second, S, maximum1, scale);
    for (let channel = 0; channel < E; channel += 8) {
      const place = <usize>channel * 4;
      weighPair(first, second, pages, values + place * PAGE, y0 + place, y1 + place, E - channel, S, sum0, sum1);
    }
  }
}

/** Two rows of S weights times eight channels of the values, divided by the weights' sums: two whole blocks at a time. */
function weighPair(weights0: usize, weights1: usize, pages: usize, values: usize, y0: usize, y1: usize, channels: i32, S: i32, sum0: f32, sum1: f32): void {
  let low0 = f32x4.splat(0), high0 = low0, low1 = low0, high1 = low0;
  for (let start = 0; start < S; start += VALUE_BLOCK) {
    const page = <usize>load<u32>(pages + (start / PAGE) * 4);
    let value = page + values + (start % PAGE) * 32;
    let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
    if (S - start >= 2 * VALUE_BLOCK && start % (2 * VALUE_BLOCK) == 0) {
      let a2 = a0, a3 = a0, b2 = a0, b3 = a0;
      for (const end = value + VALUE_BLOCK * 32; value < end; value += 32, weights0 += 4, weights1 += 4) {
        let a = v128.load32_splat(weights0), b = v128.load32_splat(weights1);
        let v = v128.load(value);
        a0 = multiplyAdd(a, v, a0);
        b0 = multiplyAdd(b, v, b0);
        v = v128.load(value, 16);
        a1 = multiplyAdd(a, v, a1);
        b1 = multiplyAdd(b, v, b1);
        a = v128.load32_splat(weights0, VALUE_BLOCK * 4);
        b = v128.load32_splat(weights1, VALUE_BLOCK * 4);
        v = v128.load(value, VALUE_BLOCK * 32);
        a2 = multiplyAdd(a, v, a2);
        b2 = multiplyAdd(b, v, b2);
        v = v128.load(value, VALUE_BLOCK * 32 + 16);
        a3 = multiplyAdd(a, v, a3);
        b3 = multiplyAdd(b, v, b3);
      }
      low0 = f32x4.add(f32x4.add(low0, a0), a2);
      high0 = f32x4.add(f32x4.add(high0, a1), a3);
      low1 = f32x4.add(f32x4.add(low1, b0), b2);
      high1 = f32x4.add(f32x4.add(high1, b1), b3);
      weights0 += VALUE_BLOCK * 4;
      weights1 += VALUE_BLOCK * 4;
      start += VALUE_BLOCK;
      continue;
    }
    for (const end = value + <usize>min(S - start, VALUE_BLOCK) * 32; value < end; value += 32, weights0 += 4, weights1 += 4) {
      const a = v128.load32_splat(weights0), b = v128.load32_splat(weights1);
      let v = v128.load(value);
      a0 = multiplyAdd(a, v, a0);
      b0 = multiplyAdd(b, v, b0);
      v = v128.load(value, 16);
      a1 = multiplyAdd(a, v, a1);
      b1 = multiplyAdd(b, v, b1);
    }
    low0 = f32x4.add(low0, a0);
    high0 = f32x4.add(high0, a1);
    low1 = f32x4.add(low1, b0);
    high1 = f32x4.add(high1, b1);
  }
  storeQuotients(y0, low0, high0, sum0, channels);
  storeQuotients(y1, low1, high1, sum1, channels);
}

function storeQuotients(y: usize, low: v128, high: v128, sum: f32, channels: i32): void {
  const sums = f32x4.splat(sum);
  low = f32x4.div(low, sums);
  if (channels < 4) return storeSome(y, low, channels);
  v128.store(y, low);
  high = f32x4.div(high, sums);
  if (channels < 8) storeSome(y + 16, high, channels - 4);
  else v128.store(y, high, 16);
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
      if (E <= SMALL_HEAD) attendSmall(q + offset, headBytes, y + offset, group, position + 1, pages, head, K, E, scale, scratch);
      else attend(q + offset, headBytes, y + offset, headBytes, group, position + 1, 0, pages, head, K, E, scale, scratch);
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
