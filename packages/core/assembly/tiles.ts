// Register tiles of the matrix product: a few rows of x times one or more panels of weights, for one block of inputs.
// Each output has one accumulator that starts at zero and takes the inputs in order.
import { loadSome, multiplyAdd, storeSome } from "./simd";
import { highWeights, lowWeights, panelStep } from "./weights";

/** Adds a row's sums to what earlier blocks left in y (`continued`), adds the bias (if any), and writes the columns that exist. */
function finish(y: usize, low: v128, high: v128, columns: i32, continued: bool, bias: usize): void {
  if (columns >= 8) {
    if (continued) {
      low = f32x4.add(v128.load(y), low);
      high = f32x4.add(v128.load(y, 16), high);
    }
    if (bias) {
      low = f32x4.add(low, v128.load(bias));
      high = f32x4.add(high, v128.load(bias, 16));
    }
    v128.store(y, low);
    v128.store(y, high, 16);
    return;
  }
  if (columns >= 4) {
    if (continued) low = f32x4.add(v128.load(y), low);
    if (bias) low = f32x4.add(low, v128.load(bias));
    v128.store(y, low);
    columns -= 4;
    y += 16;
    if (bias) bias += 16;
    low = high;
  }
  if (continued) low = f32x4.add(loadSome(y, columns), low);
  if (bias) low = f32x4.add(low, loadSome(bias, columns));
  storeSome(y, low, columns);
}

/** 4 to 6 rows times one panel. `rows` is a constant in each copy. */
@inline
function tall<T>(rows: i32, x0: usize, xStride: usize, w: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  const x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride, x4 = x3 + xStride, x5 = x4 + xStride;
  let low0 = f32x4.splat(0), low1 = low0, low2 = low0, low3 = low0, low4 = low0, low5 = low0;
  let high0 = low0, high1 = low0, high2 = low0, high3 = low0, high4 = low0, high5 = low0;
  const end = <usize>depth * 4;
  for (let k: usize = 0; k < end; k += 4, w += panelStep<T>()) {
    const low = lowWeights<T>(w), high = highWeights<T>(w);
    let value = v128.load32_splat(x0 + k);
    low0 = multiplyAdd(value, low, low0);
    high0 = multiplyAdd(value, high, high0);
    value = v128.load32_splat(x1 + k);
    low1 = multiplyAdd(value, low, low1);
    high1 = multiplyAdd(value, high, high1);
    value = v128.load32_splat(x2 + k);
    low2 = multiplyAdd(value, low, low2);
    high2 = multiplyAdd(value, high, high2);
    value = v128.load32_splat(x3 + k);
    low3 = multiplyAdd(value, low, low3);
    high3 = multiplyAdd(value, high, high3);
    if (rows > 4) {
      value = v128.load32_splat(x4 + k);
      low4 = multiplyAdd(value, low, low4);
      high4 = multiplyAdd(value, high, high4);
    }
    if (rows > 5) {
      value = v128.load32_splat(x5 + k);
      low5 = multiplyAdd(value, low, low5);
      high5 = multiplyAdd(value, high, high5);
    }
  }
  finish(y, low0, high0, columns, continued, bias);
  finish((y += yStride), low1, high1, columns, continued, bias);
  finish((y += yStride), low2, high2, columns, continued, bias);
  finish((y += yStride), low3, high3, columns, continued, bias);
  if (rows > 4) finish((y += yStride), low4, high4, columns, continued, bias);
  if (rows > 5) finish((y += yStride), low5, high5, columns, continued, bias);
}

/** One to three rows times one to four panels that lie `panelStride` bytes apart; both counts are constants in each copy. */
@inline
function wide<T>(rows: i32, panels: i32, x0: usize, xStride: usize, w0: usize, panelStride: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  const x1 = x0 + xStride, x2 = x1 + xStride;
  const w1 = w0 + panelStride, w2 = w1 + panelStride, w3 = w2 + panelStride;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
  let c0 = a0, c1 = a0, c2 = a0, c3 = a0;
  const end = <usize>depth * 4;
  let w: usize = 0;
  for (let k: usize = 0; k < end; k += 4, w += panelStep<T>()) {
    let a = v128.load32_splat(x0 + k);
    let b = rows > 1 ? v128.load32_splat(x1 + k) : a;
    let c = rows > 2 ? v128.load32_splat(x2 + k) : a;
    let weights = lowWeights<T>(w0 + w);
    a0 = multiplyAdd(a, weights, a0);
    if (rows > 1) b0 = multiplyAdd(b, weights, b0);
    if (rows > 2) c0 = multiplyAdd(c, weights, c0);
    weights = highWeights<T>(w0 + w);
    a1 = multiplyAdd(a, weights, a1);
    if (rows > 1) b1 = multiplyAdd(b, weights, b1);
    if (rows > 2) c1 = multiplyAdd(c, weights, c1);
    if (panels > 1) {
      weights = lowWeights<T>(w1 + w);
      a2 = multiplyAdd(a, weights, a2);
      if (rows > 1) b2 = multiplyAdd(b, weights, b2);
      if (rows > 2) c2 = multiplyAdd(c, weights, c2);
      weights = highWeights<T>(w1 + w);
      a3 = multiplyAdd(a, weights, a3);
      if (rows > 1) b3 = multiplyAdd(b, weights, b3);
      if (rows > 2) c3 = multiplyAdd(c, weights, c3);
    }
    if (panels > 2) {
      weights = lowWeights<T>(w2 + w);
      a4 = multiplyAdd(a, weights, a4);
      if (rows > 1) b4 = multiplyAdd(b, weights, b4);
      weights = highWeights<T>(w2 + w);
      a5 = multiplyAdd(a, weights, a5);
      if (rows > 1) b5 = multiplyAdd(b, weights, b5);
    }
    if (panels > 3) {
      a6 = multiplyAdd(a, lowWeights<T>(w3 + w), a6);
      a7 = multiplyAdd(a, highWeights<T>(w3 + w), a7);
    }
  }
  const y1 = y + yStride, y2 = y1 + yStride;
  finish(y, a0, a1, columns, continued, bias);
  if (rows > 1) finish(y1, b0, b1, columns, continued, bias);
  if (rows > 2) finish(y2, c0, c1, columns, continued, bias);
  if (panels > 1) {
    const next = bias ? bias + 32 : 0;
    finish(y + 32, a2, a3, columns - 8, continued, next);
    if (rows > 1) finish(y1 + 32, b2, b3, columns - 8, continued, next);
    if (rows > 2) finish(y2 + 32, c2, c3, columns - 8, continued, next);
  }
  if (panels > 2) {
    const next = bias ? bias + 64 : 0;
    finish(y + 64, a4, a5, columns - 16, continued, next);
    if (rows > 1) finish(y1 + 64, b4, b5, columns - 16, continued, next);
  }
  if (panels > 3) finish(y + 96, a6, a7, columns - 24, continued, bias ? bias + 96 : 0);
}

export function tile6x8<T>(x: usize, xStride: usize, w: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  tall<T>(6, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

export function tile5x8<T>(x: usize, xStride: usize, w: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  tall<T>(5, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

export function tile4x8<T>(x: usize, xStride: usize, w: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  tall<T>(4, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

export function tile3x16<T>(x: usize, xStride: usize, w: usize, panelStride: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  wide<T>(3, 2, x, xStride, w, panelStride, depth, y, yStride, columns, continued, bias);
}

export function tile3x8<T>(x: usize, xStride: usize, w: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  wide<T>(3, 1, x, xStride, w, 0, depth, y, yStride, columns, continued, bias);
}

export function tile2x24<T>(x: usize, xStride: usize, w: usize, panelStride: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  wide<T>(2, 3, x, xStride, w, panelStride, depth, y, yStride, columns, continued, bias);
}

export function tile2x8<T>(x: usize, xStride: usize, w: usize, depth: i32, y: usize, yStride: usize, columns: i32, continued: bool, bias: usize): void {
  wide<T>(2, 1, x, xStride, w, 0, depth, y, yStride, columns, continued, bias);
}

export function tile1x32<T>(x: usize, w: usize, panelStride: usize, depth: i32, y: usize, columns: i32, continued: bool, bias: usize): void {
  wide<T>(1, 4, x, 0, w, panelStride, depth, y, 0, columns, continued, bias);
}

export function tile1x8<T>(x: usize, w: usize, depth: i32, y: usize, columns: i32, continued: bool, bias: usize): void {
  wide<T>(1, 1, x, 0, w, 0, depth, y, 0, columns, continued, bias);
}
