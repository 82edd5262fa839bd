// Attention over the pages of a key/value cache, plain or with what some families add: a window, a bias by distance, and global keys
// before all others that every row sees.
import { attendSmall } from "./attention-small";
import { PAGE, roundUp8, roundUp16 } from "./cache";
import { product } from "./product";
import { loadSome, multiplyAdd, storeSome } from "./simd";
import { divideRow, paddedExponentials, rowMaximum } from "./softmax";

/** Rows that are worked on together: their scores for all keys lie in scratch. */
const ROWS = 24;
/** Inputs of a score that are summed before the sum joins the total. */
const SCORE_BLOCK = 256;
/** Heads up to this width are decoded by loops of their own. */
const SMALL_HEAD = 16;
/** A window that holds everything. */
const UNLIMITED = 1 << 29;

/** Room for the scores of so many keys: exponentials are written in fours, and rows begin where their windows do. */
function room(keys: i32): i32 {
  return keys > 0 ? roundUp8(keys) + 8 : 0;
}

/** Floats that `attention_general_f32` needs as scratch. */
export function attention_general_scratch_f32(rows: i32, S: i32, before: i32, after: i32, globals: i32, H: i32, K: i32): i32 {
  const lines = rows == 1 ? H : min(rows, ROWS);
  return lines * (room(globals) + room(min(S, before + after + ROWS) + 8) + 1);
}

/**
 * Scores of keys `begin` (a multiple of eight) to `end` by `rows` queries for each of `groups` heads of keys, which take turns in every page:
 * so a page is read from its begin to its end.
 */
function score(q: usize, qStride: usize, rows: i32, groups: i32, begin: i32, end: i32, pages: usize, keys: usize, E: i32, scores: usize, stride: usize): void {
  while (begin < end) {
    const inPage = begin % PAGE;
    const count = min(end - begin, PAGE - inPage);
    let panels = <usize>load<u32>(pages + (begin / PAGE) * 4) + keys + <usize>(inPage * E) * 4;
    let from = q, to = scores;
    for (let group = 0; group < groups; group++) {
      product<f32>(from, qStride, panels, <usize>E * 32, 0, to, stride, rows, count, E, SCORE_BLOCK, false, 0, 0, true, 0);
      from += rows * qStride;
      to += rows * stride;
      panels += <usize>(PAGE * E) * 4;
    }
    begin += count;
    scores += count * 4;
  }
}

/** Adds to y the values of keys `begin` to `end` by their weights: each page's are summed before the sum joins the total. */
function weigh(weights: usize, stride: usize, y: usize, yStride: usize, rows: i32, groups: i32, begin: i32, end: i32, pages: usize, values: usize, E: i32): void {
  while (begin < end) {
    const inPage = begin % PAGE;
    const count = min(end - begin, PAGE - inPage);
    let panels = <usize>load<u32>(pages + (begin / PAGE) * 4) + values + inPage * 32;
    let from = weights, to = y;
    for (let group = 0; group < groups; group++) {
      product<f32>(from, stride, panels, PAGE * 32, 0, to, yStride, rows, E, count, PAGE, true, 0, 0, true, 0);
      from += rows * stride;
      to += rows * yStride;
      panels += <usize>(PAGE * roundUp8(E)) * 4;
    }
    begin += count;
    weights += count * 4;
  }
}

/** `x = x * scale + bias`, n values. */
function shift(x: usize, bias: usize, n: i32, scale: f32): void {
  const factor = f32x4.splat(scale);
  for (; n >= 4; n -= 4, x += 16, bias += 16) v128.store(x, multiplyAdd(v128.load(x), factor, v128.load(bias)));
  if (n > 0) storeSome(x, multiplyAdd(loadSome(x, n), factor, loadSome(bias, n)), n);
}

/**
 * `y[r, h] = softmax(scale * q[r, h] · keys + bias) · values`. The cache holds `globals` keys that every row sees, then S keys, of
 * which row r, at position p = position + r, sees p - before to p + after.
 * `bias[h, s - p + center]` is added to the score of key s (0: none), rows of it are `biasStride` floats apart;
 * `globalBias[h, g - b + globals - 1]` to that of global key g, where b is p / globalBlock, at most globals - 1.
 */
export function attention_general_f32(
  q: usize, y: usize, pages: usize, rows: i32, qStride: i32, yStride: i32, position: i32, S: i32, before: i32, after: i32,
  globals: i32, globalBlock: i32, H: i32, K: i32, E: i32, scale: f32,
  bias: usize, biasStride: i32, center: i32, globalBias: usize, scratch: usize,
): void {
  // Decoding: the rows are the heads that share keys, and all heads of keys go together. Otherwise rows of one head do.
  const isOne = rows == 1;
  const heads = isOne ? H : 1, groups = isOne ? K : 1, step = isOne ? 0 : 1;
  const queryStride = <usize>(isOne ? E : qStride) * 4, resultStride = <usize>(isOne ? E : yStride) * 4;
  const globalRoom = room(globals);
  const factor: f32 = bias ? 1 : scale;
  for (let head = 0; head < H; head += heads) {
    const shared = head / (H / K);
    const keys = <usize>(shared * PAGE * E) * 4;
    const values = <usize>(K * PAGE * E + shared * PAGE * roundUp8(E)) * 4;
    for (let row = 0; row < rows; row += ROWS) {
      const count = isOne ? H / K : min(rows - row, ROWS), lines = count * groups;
      const p = position + row, lastP = p + (count - 1) * step;
      const first = globals + max(p - before, 0), lastFirst = globals + max(lastP - before, 0);
      const firstEnd = globals + min(S, p + after + 1), end = globals + min(S, lastP + after + 1);
      const base = first & ~7;
      const stride = <usize>(globalRoom + room(end - base) + 1) * 4;
      const local = scratch + globalRoom * 4;
      const queries = q + (<usize>row * qStride + head * E) * 4, out = y + (<usize>row * yStride + head * E) * 4;
      score(queries, queryStride, count, groups, 0, globals, pages, keys, E, scratch, stride);
      score(queries, queryStride, count, groups, base, end, pages, keys, E, local, stride);
      for (let r = 0; r < lines; r++) {
        const at = p + r * step, h = head + r * (1 - step);
        const from = globals + max(at - before, 0);
        const n = globals + min(S, at + after + 1) - from;
        const line = local + r * stride + (from - base) * 4, globalLine = scratch + r * stride;
        if (bias) shift(line, bias + (h * biasStride + from - globals - at + center) * 4, n, scale);
        let largest = rowMaximum(line, n);
        let sum: f64 = 0;
        if (globals > 0) {
          const block = min(at / globalBlock, globals - 1);
          if (globalBias) shift(globalLine, globalBias + (h * (2 * globals - 1) + globals - 1 - block) * 4, globals, scale);
          largest = max(largest, rowMaximum(globalLine, globals));
          sum = paddedExponentials(globalLine, globals, largest, factor);
        }
        sum += paddedExponentials(line, n, largest, factor);
        store<f32>(globalLine + stride - 4, <f32>sum);
        memory.fill(out + r * resultStride, 0, E * 4);
      }
      weigh(scratch, stride, out, resultStride, count, groups, 0, globals, pages, values, E);
      // What every row sees is weighed together, what is left row by row.
      let commonBegin = (lastFirst + PAGE - 1) & ~(PAGE - 1), commonEnd = firstEnd & ~(PAGE - 1);
      if (first == lastFirst && firstEnd == end) {
        commonBegin = first;
        commonEnd = end;
      }
      const anyCommon = commonBegin < commonEnd;
      for (let r = 0; r < count; r++) {
        const from = globals + max(p + r * step - before, 0), to = globals + min(S, p + r * step + after + 1);
        weigh(local + r * stride + (from - base) * 4, 0, out + r * resultStride, 0, 1, 1, from, anyCommon ? commonBegin : to, pages, values, E);
      }
      if (anyCommon) {
        weigh(local + (commonBegin - base) * 4, stride, out, resultStride, count, groups, commonBegin, commonEnd, pages, values, E);
        for (let r = 0; r < count; r++) {
          const to = globals + min(S, p + r * step + after + 1);
          weigh(local + r * stride + (commonEnd - base) * 4, 0, out + r * resultStride, 0, 1, 1, commonEnd, to, pages, values, E);
        }
      }
      for (let r = 0; r < lines; r++) divideRow(out + r * resultStride, E, load<f32>(scratch + (r + 1) * stride - 4));
    }
  }
}

/** Floats that `attention_f32` needs as scratch for `rows` queries over S keys. */
export function attention_scratch_f32(rows: i32, S: i32, H: i32, K: i32, E: i32): i32 {
  if (rows == 1 && E <= SMALL_HEAD) return 2 * roundUp16(S);
  return attention_general_scratch_f32(rows, S, UNLIMITED, 0, 0, H, K);
}

/**
 * `y[r, h] = softmax(scale * q[r, h] · keys) · values` for `rows` queries at positions from `position` on, H heads that share
 * K key/value heads. Causal: row r sees keys 0 to position + r; otherwise all position + rows.
 */
export function attention_f32(
  q: usize, y: usize, pages: usize, rows: i32, qStride: i32, yStride: i32, position: i32, causal: i32,
  H: i32, K: i32, E: i32, scale: f32, scratch: usize,
): void {
  const S = position + rows, group = H / K;
  if (rows == 1 && E <= SMALL_HEAD) {
    const headBytes = <usize>E * 4;
    for (let head = 0; head < K; head++) {
      const offset = <usize>(head * group) * headBytes;
      attendSmall(q + offset, headBytes, y + offset, group, S, pages, head, K, E, scale, scratch);
    }
    return;
  }
  // Without a mask every row is at the last position.
  const first = causal ? position : S - 1;
  attention_general_f32(
    q, y, pages, rows, qStride, yStride, first, S, UNLIMITED, causal ? 0 : UNLIMITED, 0, 1, H, K, E, scale, 0, 0, 0, 0, scratch,
  );
}
