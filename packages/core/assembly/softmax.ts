// Softmax of rows, and its parts for attention.
import { exponential, POWER, powerOfTwo } from "./functions";
import { constant, loadSome, multiplyAdd, storeSome } from "./simd";

const LOWEST = memory.data<f32>([-Infinity]);
const LANES = memory.data<i32>([0, 1, 2, 3]);
/** Terms that are summed in f32 before their sum joins the f64 total. */
const SUM_BLOCK = 64;

/** Replaces the lanes from `count` on by `filler`. */
@inline
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
  return lanesMaximum(largest);
}

/** The largest of four values. */
export function lanesMaximum(largest: v128): f32 {
  largest = f32x4.pmax(largest, i64x2.shuffle(largest, largest, 1, 0));
  return max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1));
}

const LOG2_E: f32 = 1.44269504088896341;

/**
 * `x = e ** ((x - largest) * factor)` in place, for n values in room for a multiple of eight; zeros behind them. Gives their sum,
 * whose order depends on the places only: f32 within 64 terms, f64 beyond. No x is above `largest`, so that the largest term is 1:
 * errors are about 2^-24 of that, and nothing is below 2^-125. NaN stays NaN.
 */
export function paddedExponentials(x: usize, n: i32, largest: f32, factor: f32): f64 {
  const factors = f32x4.splat(factor * LOG2_E);
  // Fused, the product is not rounded by itself, and the shift's own rounding is common to all terms.
  const shifts = ASC_FEATURE_RELAXED_SIMD ? f32x4.splat(-largest * (factor * LOG2_E)) : f32x4.splat(largest);
  let total: f64 = 0;
  while (n > 0) {
    let even = f32x4.splat(0), odd = even;
    let left = min(n, SUM_BLOCK);
    n -= left;
    // Two or four vectors at a time, as one alone waits for itself and each constant is loaded once.
    for (; left >= 16; left -= 16, x += 64) {
      const lowest = constant(POWER), magic = constant(POWER + 4);
      let t0 = f32x4.pmax(exponent(x, factors, shifts), lowest), t1 = f32x4.pmax(exponent(x + 16, factors, shifts), lowest);
      let t2 = f32x4.pmax(exponent(x + 32, factors, shifts), lowest), t3 = f32x4.pmax(exponent(x + 48, factors, shifts), lowest);
      const n0 = f32x4.add(t0, magic), n1 = f32x4.add(t1, magic), n2 = f32x4.add(t2, magic), n3 = f32x4.add(t3, magic);
      t0 = f32x4.sub(t0, f32x4.sub(n0, magic));
      t1 = f32x4.sub(t1, f32x4.sub(n1, magic));
      t2 = f32x4.sub(t2, f32x4.sub(n2, magic));
      t3 = f32x4.sub(t3, f32x4.sub(n3, magic));
      let c = constant(POWER + 8);
      let p0 = c, p1 = c, p2 = c, p3 = c;
      for (let term = POWER + 12; term < POWER + 36; term += 4) {
        c = constant(term);
        p0 = multiplyAdd(t0, p0, c);
        p1 = multiplyAdd(t1, p1, c);
        p2 = multiplyAdd(t2, p2, c);
        p3 = multiplyAdd(t3, p3, c);
      }
      // Times 2^n: n stands in the low bits of the shifted number.
      p0 = i32x4.add(p0, i32x4.shl(n0, 23));
      p1 = i32x4.add(p1, i32x4.shl(n1, 23));
      p2 = i32x4.add(p2, i32x4.shl(n2, 23));
      p3 = i32x4.add(p3, i32x4.shl(n3, 23));
      v128.store(x, p0);
      v128.store(x, p1, 16);
      v128.store(x, p2, 32);
      v128.store(x, p3, 48);
      even = f32x4.add(f32x4.add(even, p0), p2);
      odd = f32x4.add(f32x4.add(odd, p1), p3);
    }
    for (; left > 0; left -= 4, x += 16) {
      const t = f32x4.pmax(exponent(x, factors, shifts), constant(POWER));
      const p = firstLanes(powerOfTwo(t), left, f32x4.splat(0));
      v128.store(x, p);
      const next = f32x4.add(even, p);
      even = odd;
      odd = next;
    }
    even = f32x4.add(even, odd);
    even = f32x4.add(even, i64x2.shuffle(even, even, 1, 0));
    total += <f64>f32x4.extract_lane(even, 0) + <f64>f32x4.extract_lane(even, 1);
  }
  return total;
}

/** Four exponents to the base of 2. */
@inline
function exponent(x: usize, factors: v128, shifts: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return multiplyAdd(v128.load(x), factors, shifts);
  return f32x4.mul(f32x4.sub(v128.load(x), shifts), factors);
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
