// Softmax of rows, and its parts for attention.
import { exponential } from "./functions";
import { constant, loadSome, multiplyAdd, storeSome } from "./simd";

const LOWEST = memory.data<f32>([-Infinity]);
const LANES = memory.data<i32>([0, 1, 2, 3]);
/** Terms that are summed in f32 before their sum joins the f64 total. */
const SUM_BLOCK = 64;

/** Replaces the lanes from `count` on by `filler`. */
function firstLanes(values: v128, count: i32, filler: v128): v128 {
  return v128.bitselect(values, filler, i32x4.gt_s(i32x4.splat(count), v128.load(LANES)));
}

/** The largest of n values. */
export function rowMaximum(x: usize, n: i32): f32 {
  const lowest = constant(LOWEST);
  let largest0 = lowest, largest1 = lowest, largest2 = lowest, largest3 = lowest;
  for (; n >= 16; n -= 16, x += 64) {
    largest0 = f32x4.pmax(largest0, v128.load(x));
    largest1 = f32x4.pmax(largest1, v128.load(x, 16));
    largest2 = f32x4.pmax(largest2, v128.load(x, 32));
    largest3 = f32x4.pmax(largest3, v128.load(x, 48));
  }
  let largest = f32x4.pmax(f32x4.pmax(largest0, largest1), f32x4.pmax(largest2, largest3));
  for (; n >= 4; n -= 4, x += 16) largest = f32x4.pmax(largest, v128.load(x));
  if (n > 0) largest = f32x4.pmax(largest, firstLanes(loadSome(x, n), n, lowest));
  largest = f32x4.pmax(largest, i64x2.shuffle(largest, largest, 1, 0));
  return max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1));
}

const DECAY = memory.data<f32>([
  -86, 1.44269504088896341, 12582912, -0.693147180559945309, 1.3814590638503432e-3, 8.368725888431072e-3,
  4.166838899254799e-2, 1.666652113199234e-1, 4.999999403953552e-1, 1,
]);

/**
 * `x = e ** ((x - largest) * factor)` in place, for n values in room for a multiple of eight; zeros behind them. Gives their sum,
 * whose order depends on the places only: f32 within 64 terms, f64 beyond. No x is above `largest`, so that the largest term is 1:
 * the errors are below 2^-24 of that, and what lies below e^-86 is zero. NaN stays NaN.
 */
export function paddedExponentials(x: usize, n: i32, largest: f32, factor: f32): f64 {
  const shifts = f32x4.splat(largest), factors = f32x4.splat(factor);
  let total: f64 = 0;
  while (n > 0) {
    let even = f32x4.splat(0), odd = even;
    let left = min(n, SUM_BLOCK);
    n -= left;
    for (; left > 0; left -= 8, x += 32) {
      // Two vectors at a time, as one alone waits for itself and each constant is loaded once.
      const x0 = f32x4.mul(f32x4.sub(v128.load(x), shifts), factors), x1 = f32x4.mul(f32x4.sub(v128.load(x, 16), shifts), factors);
      const magic = constant(DECAY + 8);
      let c = constant(DECAY + 4);
      const shifted0 = multiplyAdd(x0, c, magic), shifted1 = multiplyAdd(x1, c, magic);
      c = constant(DECAY + 12);
      const r0 = multiplyAdd(f32x4.sub(shifted0, magic), c, x0), r1 = multiplyAdd(f32x4.sub(shifted1, magic), c, x1);
      c = constant(DECAY + 16);
      let d = constant(DECAY + 20);
      let p0 = multiplyAdd(r0, c, d), p1 = multiplyAdd(r1, c, d);
      c = constant(DECAY + 24);
      p0 = multiplyAdd(r0, p0, c);
      p1 = multiplyAdd(r1, p1, c);
      c = constant(DECAY + 28);
      p0 = multiplyAdd(r0, p0, c);
      p1 = multiplyAdd(r1, p1, c);
      c = constant(DECAY + 32);
      p0 = multiplyAdd(r0, p0, c);
      p1 = multiplyAdd(r1, p1, c);
      c = constant(DECAY + 36);
      p0 = multiplyAdd(multiplyAdd(r0, p0, c), r0, c);
      p1 = multiplyAdd(multiplyAdd(r1, p1, c), r1, c);
      // Times 2^n: n stands in the low bits of the shifted number.
      c = constant(DECAY);
      p0 = v128.andnot(i32x4.add(p0, i32x4.shl(shifted0, 23)), f32x4.lt(x0, c));
      p1 = v128.andnot(i32x4.add(p1, i32x4.shl(shifted1, 23)), f32x4.lt(x1, c));
      if (left < 8) {
        p0 = firstLanes(p0, left, f32x4.splat(0));
        p1 = firstLanes(p1, left - 4, f32x4.splat(0));
      }
      v128.store(x, p0);
      v128.store(x, p1, 16);
      even = f32x4.add(even, p0);
      odd = f32x4.add(odd, p1);
    }
    even = f32x4.add(even, odd);
    even = f32x4.add(even, i64x2.shuffle(even, even, 1, 0));
    total += <f64>f32x4.extract_lane(even, 0) + <f64>f32x4.extract_lane(even, 1);
  }
  return total;
}

/** `y = e ** (x - largest)`, and the sum of all n, whose order depends on the places only. */
function rowExponentials(x: usize, y: usize, n: i32, largest: f32): f64 {
  const shifts = f32x4.splat(largest);
  let low = f64x2.splat(0), high = low;
  for (; n > 0; n -= 4, x += 16, y += 16) {
    const values = n >= 4 ? v128.load(x) : loadSome(x, n);
    const powers = firstLanes(exponential(f32x4.sub(values, shifts)), n, f32x4.splat(0));
    if (n >= 4) v128.store(y, powers);
    else storeSome(y, powers, n);
    low = f64x2.add(low, f64x2.promote_low_f32x4(powers));
    high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(powers, powers, 1, 1)));
  }
  low = f64x2.add(low, high);
  return f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
}

/** `x / divisor` in place. */
export function divideRow(x: usize, n: i32, divisor: f32): void {
  const divisors = f32x4.splat(divisor);
  for (; n >= 4; n -= 4, x += 16) v128.store(x, f32x4.div(v128.load(x), divisors));
  if (n > 0) storeSome(x, f32x4.div(loadSome(x, n), divisors), n);
}

/** Softmax of each row; y may be x. A row that is all minus infinity becomes NaN, as in PyTorch. */
export function softmax_f32(x: usize, y: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--, x += <usize>columns * 4, y += <usize>columns * 4) {
    const sum = rowExponentials(x, y, columns, rowMaximum(x, columns));
    divideRow(y, columns, <f32>sum);
  }
}
