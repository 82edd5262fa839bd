// Softmax of rows, and its parts for attention.
import { exponential } from "./functions";
import { constant, loadSome, storeSome } from "./simd";

const LOWEST = memory.data<f32>([-Infinity]);

/** Replaces the lanes from `count` on by `filler`. */
function firstLanes(values: v128, count: i32, filler: v128): v128 {
  return v128.bitselect(values, filler, i32x4.gt_s(i32x4.splat(count), v128.load(LANES)));
}

const LANES = memory.data<i32>([0, 1, 2, 3]);

/** The largest of n values. */
export function rowMaximum(x: usize, n: i32): f32 {
  const lowest = constant(LOWEST);
  let largest = lowest;
  for (; n >= 4; n -= 4, x += 16) largest = f32x4.pmax(largest, v128.load(x));
  if (n > 0) largest = f32x4.pmax(largest, firstLanes(loadSome(x, n), n, lowest));
  largest = f32x4.pmax(largest, i64x2.shuffle(largest, largest, 1, 0));
  return max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1));
}

/** `y = e ** ((x - shift) * factor)`, and the sum of all n, whose order depends on the places only. */
export function rowExponentials(x: usize, y: usize, n: i32, shift: f32, factor: f32): f64 {
  const shifts = f32x4.splat(shift),
    factors = f32x4.splat(factor);
  let low = f64x2.splat(0),
    high = low;
  for (; n >= 4; n -= 4, x += 16, y += 16) {
    const powers = exponential(f32x4.mul(f32x4.sub(v128.load(x), shifts), factors));
    v128.store(y, powers);
    low = f64x2.add(low, f64x2.promote_low_f32x4(powers));
    high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(powers, powers, 1, 1)));
  }
  if (n > 0) {
    const powers = firstLanes(exponential(f32x4.mul(f32x4.sub(loadSome(x, n), shifts), factors)), n, f32x4.splat(0));
    storeSome(y, powers, n);
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
    const sum = rowExponentials(x, y, columns, rowMaximum(x, columns), 1);
    divideRow(y, columns, <f32>sum);
  }
}
