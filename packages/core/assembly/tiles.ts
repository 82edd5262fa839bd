// Register tiles of the matrix product: a few rows of x times one or more panels of weights, for one block of inputs.
// Each output has one accumulator, which starts at zero and takes the inputs in order; `put` joins it to y.
// Fewer than eight accumulators wait for the multiplier; more than twelve do not fit the registers that V8 allots.
// Pointers step from input to input, and all calls at the end are in one branch: else V8 of Node 20 and 22 computes addresses anew in
// each step, and keeps sums in memory for the sake of the calls. `npm run tiles` tells.
// The tiles that read half weights take no f16 infinity or NaN for what it is.
// `depth` is the number of inputs, strides are in bytes; `columns` is the number of outputs that there are, or 0 where `put` will do.
import { loadSome, multiplyAdd, storeSome } from "./simd";
import { highWeights, inputFor, lowWeights, maskOf, panelStep } from "./weights";

/** Writes the sums of one row and one panel: the first block of a product without bias, all eight outputs. */
@inline
function put(y: usize, low: v128, high: v128): void {
  v128.store(y, low);
  v128.store(y, high, 16);
}

/** The same for every other case: added to what earlier blocks left (`continued`), plus the bias (0: none), `columns` outputs. */
function putSome(y: usize, low: v128, high: v128, columns: i32, continued: bool, bias: usize): void {
  for (let lane = 0; lane < 2; lane++) {
    if (columns >= 4) {
      if (continued) low = f32x4.add(v128.load(y), low);
      if (bias) low = f32x4.add(low, v128.load(bias));
      v128.store(y, low);
    } else if (columns > 0) {
      if (continued) low = f32x4.add(loadSome(y, columns), low);
      if (bias) low = f32x4.add(low, loadSome(bias, columns));
      storeSome(y, low, columns);
    }
    y += 16;
    if (bias) bias += 16;
    columns -= 4;
    low = high;
  }
}

/** Three to six rows, eight outputs: the functions below, each with a loop of its own, as `rows` is a constant there. */
@inline
function tile(
  rows: i32,
  x: usize,
  xStride: usize,
  w: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  let x4 = x3 + xStride;
  let x5 = x4 + xStride;
  let low0 = f32x4.splat(0), high0 = low0;
  let low1 = low0, high1 = low0;
  let low2 = low0, high2 = low0;
  let low3 = low0, high3 = low0;
  let low4 = low0, high4 = low0;
  let low5 = low0, high5 = low0;
  const end = x + <usize>depth * 4;
  for (; x < end; x += 4, x1 += 4, x2 += 4, w += 32) {
    const low = v128.load(w), high = v128.load(w, 16);
    let value = v128.load32_splat(x);
    low0 = multiplyAdd(value, low, low0);
    high0 = multiplyAdd(value, high, high0);
    value = v128.load32_splat(x1);
    low1 = multiplyAdd(value, low, low1);
    high1 = multiplyAdd(value, high, high1);
    value = v128.load32_splat(x2);
    low2 = multiplyAdd(value, low, low2);
    high2 = multiplyAdd(value, high, high2);
    if (rows > 3) {
      value = v128.load32_splat(x3);
      low3 = multiplyAdd(value, low, low3);
      high3 = multiplyAdd(value, high, high3);
      x3 += 4;
    }
    if (rows > 4) {
      value = v128.load32_splat(x4);
      low4 = multiplyAdd(value, low, low4);
      high4 = multiplyAdd(value, high, high4);
      x4 += 4;
    }
    if (rows > 5) {
      value = v128.load32_splat(x5);
      low5 = multiplyAdd(value, low, low5);
      high5 = multiplyAdd(value, high, high5);
      x5 += 4;
    }
  }
  if (!columns) {
    put(y, low0, high0);
    put(y += yStride, low1, high1);
    put(y += yStride, low2, high2);
    if (rows > 3) put(y += yStride, low3, high3);
    if (rows > 4) put(y += yStride, low4, high4);
    if (rows > 5) put(y += yStride, low5, high5);
  } else {
    putSome(y, low0, high0, columns, continued, bias);
    putSome(y += yStride, low1, high1, columns, continued, bias);
    putSome(y += yStride, low2, high2, columns, continued, bias);
    if (rows > 3) putSome(y += yStride, low3, high3, columns, continued, bias);
    if (rows > 4) putSome(y += yStride, low4, high4, columns, continued, bias);
    if (rows > 5) putSome(y += yStride, low5, high5, columns, continued, bias);
  }
}

export function tile6x8(
  x: usize,
  xStride: usize,
  w: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  tile(6, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

export function tile5x8(
  x: usize,
  xStride: usize,
  w: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  tile(5, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

export function tile4x8(
  x: usize,
  xStride: usize,
  w: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  tile(4, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

export function tile3x8(
  x: usize,
  xStride: usize,
  w: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  tile(3, x, xStride, w, depth, y, yStride, columns, continued, bias);
}

/** Two rows, sixteen outputs of panels that lie `panelStride` apart. */
export function tile2x16<T>(
  x: usize,
  xStride: usize,
  w: usize,
  panelStride: usize,
  depth: i32,
  y: usize,
  yStep: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  let w1 = w + panelStride;
  let x1 = x + xStride;
  let low00 = f32x4.splat(0), high00 = low00;
  let low01 = low00, high01 = low00;
  let low10 = low00, high10 = low00;
  let low11 = low00, high11 = low00;
  const mask = maskOf<T>();
  const end = x + <usize>depth * 4;
  for (; x < end; x += 4, x1 += 4, w += panelStep<T>(), w1 += panelStep<T>()) {
    const value0 = inputFor<T>(x);
    const value1 = inputFor<T>(x1);
    let lanes = v128.load(w);
    let weights = lowWeights<T>(lanes, mask);
    low00 = multiplyAdd(value0, weights, low00);
    low10 = multiplyAdd(value1, weights, low10);
    weights = highWeights<T>(lanes, w, mask);
    high00 = multiplyAdd(value0, weights, high00);
    high10 = multiplyAdd(value1, weights, high10);
    lanes = v128.load(w1);
    weights = lowWeights<T>(lanes, mask);
    low01 = multiplyAdd(value0, weights, low01);
    low11 = multiplyAdd(value1, weights, low11);
    weights = highWeights<T>(lanes, w1, mask);
    high01 = multiplyAdd(value0, weights, high01);
    high11 = multiplyAdd(value1, weights, high11);
  }
  const y1 = y + yStride;
  const bias1 = bias ? bias + yStep : 0;
  if (!columns) {
    put(y, low00, high00);
    put(y + yStep, low01, high01);
    put(y1, low10, high10);
    put(y1 + yStep, low11, high11);
  } else {
    putSome(y, low00, high00, 8, continued, bias);
    putSome(y + yStep, low01, high01, columns, continued, bias1);
    putSome(y1, low10, high10, 8, continued, bias);
    putSome(y1 + yStep, low11, high11, columns, continued, bias1);
  }
}

/** Two rows, eight outputs. */
export function tile2x8<T>(
  x: usize,
  xStride: usize,
  w: usize,
  depth: i32,
  y: usize,
  yStride: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  let x1 = x + xStride;
  let low0 = f32x4.splat(0), high0 = low0;
  let low1 = low0, high1 = low0;
  const mask = maskOf<T>();
  const end = x + <usize>depth * 4;
  for (; x < end; x += 4, x1 += 4, w += panelStep<T>()) {
    const value0 = inputFor<T>(x);
    const value1 = inputFor<T>(x1);
    let lanes = v128.load(w);
    let weights = lowWeights<T>(lanes, mask);
    low0 = multiplyAdd(value0, weights, low0);
    low1 = multiplyAdd(value1, weights, low1);
    weights = highWeights<T>(lanes, w, mask);
    high0 = multiplyAdd(value0, weights, high0);
    high1 = multiplyAdd(value1, weights, high1);
  }
  const y1 = y + yStride;
  if (!columns) {
    put(y, low0, high0);
    put(y1, low1, high1);
  } else {
    putSome(y, low0, high0, columns, continued, bias);
    putSome(y1, low1, high1, columns, continued, bias);
  }
}

/** One row, thirty-two outputs of panels that lie `panelStride` apart. */
export function tile1x32<T>(
  x: usize,
  w: usize,
  panelStride: usize,
  depth: i32,
  y: usize,
  yStep: usize,
  columns: i32,
  continued: bool,
  bias: usize,
): void {
  let w1 = w + panelStride;
  let w2 = w1 + panelStride;
  let w3 = w2 + panelStride;
  let low0 = f32x4.splat(0), high0 = low0;
  let low1 = low0, high1 = low0;
  let low2 = low0, high2 = low0;
  let low3 = low0, high3 = low0;
  const mask = maskOf<T>();
  const end = x + <usize>depth * 4;
  for (; x < end; x += 4, w += panelStep<T>(), w1 += panelStep<T>(), w2 += panelStep<T>(), w3 += panelStep<T>()) {
    const value = inputFor<T>(x);
    let lanes = v128.load(w);
    low0 = multiplyAdd(value, lowWeights<T>(lanes, mask), low0);
    high0 = multiplyAdd(value, highWeights<T>(lanes, w, mask), high0);
    lanes = v128.load(w1);
    low1 = multiplyAdd(value, lowWeights<T>(lanes, mask), low1);
    high1 = multiplyAdd(value, highWeights<T>(lanes, w1, mask), high1);
    lanes = v128.load(w2);
    low2 = multiplyAdd(value, lowWeights<T>(lanes, mask), low2);
    high2 = multiplyAdd(value, highWeights<T>(lanes, w2, mask), high2);
    lanes = v128.load(w3);
    low3 = multiplyAdd(value, lowWeights<T>(lanes, mask), low3);
    high3 = multiplyAdd(value, highWeights<T>(lanes, w3, mask), high3);
  }
  const y1 = y + yStep, y2 = y1 + yStep, y3 = y2 + yStep;
  if (!columns) {
    put(y, low0, high0);
    put(y1, low1, high1);
    put(y2, low2, high2);
    put(y3, low3, high3);
  } else {
    putSome(y, low0, high0, 8, continued, bias);
    putSome(y1, low1, high1, 8, continued, bias ? bias + yStep : 0);
    putSome(y2, low2, high2, 8, continued, bias ? bias + 2 * yStep : 0);
    putSome(y3, low3, high3, columns, continued, bias ? bias + 3 * yStep : 0);
  }
}

/** One row, eight outputs. */
export function tile1x8<T>(x: usize, w: usize, depth: i32, y: usize, columns: i32, continued: bool, bias: usize): void {
  let low0 = f32x4.splat(0), high0 = low0;
  const mask = maskOf<T>();
  const end = x + <usize>depth * 4;
  for (; x < end; x += 4, w += panelStep<T>()) {
    const value = inputFor<T>(x);
    let lanes = v128.load(w);
    low0 = multiplyAdd(value, lowWeights<T>(lanes, mask), low0);
    high0 = multiplyAdd(value, highWeights<T>(lanes, w, mask), high0);
  }
  if (!columns) put(y, low0, high0);
  else putSome(y, low0, high0, columns, continued, bias);
}
