// Exponential, error function and tanh of four floats, from polynomials that are good to about one unit in the last place.
import { constant, multiplyAdd } from "./simd";

const EXP = memory.data<f32>([
  -104, 89, 1.44269504088896341, 12582912, -0.693359375, 2.1219444e-4, 1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3,
  4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1,
]);

/** `e ** x`: zero from -104 down, infinity above 88.73, NaN for NaN; subnormal results are rounded once. */
export function exponential(x: v128): v128 {
  // x = n * ln 2 + r, and |r| <= ln 2 / 2. Adding 1.5 * 2^23 leaves n in the low bits.
  x = f32x4.pmin(f32x4.pmax(x, constant(EXP)), constant(EXP + 4));
  const magic = constant(EXP + 12),
    one = constant(EXP + 48);
  const shifted = f32x4.add(f32x4.mul(x, constant(EXP + 8)), magic);
  const n = f32x4.sub(shifted, magic);
  let r = multiplyAdd(n, constant(EXP + 16), x);
  r = multiplyAdd(n, constant(EXP + 20), r);
  const square = f32x4.mul(r, r);
  let p = multiplyAdd(r, constant(EXP + 24), constant(EXP + 28));
  const middle = multiplyAdd(r, constant(EXP + 32), constant(EXP + 36));
  const last = multiplyAdd(r, constant(EXP + 40), constant(EXP + 44));
  p = multiplyAdd(multiplyAdd(p, square, middle), square, last);
  p = f32x4.add(multiplyAdd(square, p, r), one);
  // 2^n in two factors: n reaches -150 and 128.
  const exponent = i32x4.sub(shifted, magic);
  const half = i32x4.shr_s(exponent, 1);
  const scale0 = i32x4.add(i32x4.shl(half, 23), one);
  const scale1 = i32x4.add(i32x4.shl(i32x4.sub(exponent, half), 23), one);
  return f32x4.mul(f32x4.mul(p, scale0), scale1);
}

const TANH = memory.data<f32>([
  0.625, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1, 2, 1,
]);

export function hyperbolicTangent(x: v128): v128 {
  const size = f32x4.abs(x);
  const square = f32x4.mul(x, x);
  let near = multiplyAdd(square, constant(TANH + 4), constant(TANH + 8));
  near = multiplyAdd(square, near, constant(TANH + 12));
  near = multiplyAdd(square, near, constant(TANH + 16));
  near = multiplyAdd(square, near, constant(TANH + 20));
  near = multiplyAdd(f32x4.mul(near, square), x, x);
  const one = constant(TANH + 28);
  const power = exponential(f32x4.add(size, size));
  const far = f32x4.sub(one, f32x4.div(constant(TANH + 24), f32x4.add(power, one)));
  const signed = v128.or(far, v128.and(x, f32x4.splat(-0.0)));
  return v128.bitselect(near, signed, f32x4.lt(size, constant(TANH)));
}

/** The lowest exponent that a float has with room to spare, 1.5 * 2^23, 2^r for |r| <= 1/2 as a polynomial, and the first exponent beyond all floats. */
export const POWER = memory.data<f32>([
  -124, 12582912, 1.5353321214206517e-4, 1.3398926239460707e-3, 9.618437848985195e-3, 5.5503323674201965e-2,
  2.4022647738456726e-1, 6.931471824645996e-1, 1, 128,
]);

/** `2 ** t` for t from -124 to 128, which gives infinity; NaN for NaN. */
@inline
export function powerOfTwo(t: v128): v128 {
  const magic = constant(POWER + 4);
  const n = f32x4.add(t, magic);
  const r = f32x4.sub(t, f32x4.sub(n, magic));
  let p = multiplyAdd(r, constant(POWER + 8), constant(POWER + 12));
  p = multiplyAdd(r, p, constant(POWER + 16));
  p = multiplyAdd(r, p, constant(POWER + 20));
  p = multiplyAdd(r, p, constant(POWER + 24));
  p = multiplyAdd(r, p, constant(POWER + 28));
  p = multiplyAdd(r, p, constant(POWER + 32));
  // Times 2^n: n stands in the low bits of the shifted number.
  return i32x4.add(p, i32x4.shl(n, 23));
}

// In a normal distribution the odds of more than x to less are 2^-(2 * x + x * T(x * x)). T is least squares up to |x| = 5.7, weighted
// until the largest error of what becomes of the odds is smallest (verify/python/gelu_odds.py); 2 * x stands apart, as it needs no rounding.
// The square of the limit, -T with the highest power first, -2.
const GELU = memory.data<f32>([
  32.49, -4.4630808448050935e-13, 4.491737572382987e-11, -1.718702593687299e-9, 2.7388800803280116e-8, 5.337923698735503e-8,
  -9.639315258927656e-6, 1.5442358572718902e-4, 1.0101388562815534e-4, -0.10483865534337836, -0.3022089451762757, -2,
]);

/** `x * (1 + erf(x / sqrt 2)) / 2`, without the cancellation that the formula has for large negative x. */
export function gelu(x: v128): v128 {
  const s = f32x4.pmin(f32x4.mul(x, x), constant(GELU)), square = f32x4.mul(s, s);
  let high = multiplyAdd(s, constant(GELU + 4), constant(GELU + 8));
  high = multiplyAdd(square, high, multiplyAdd(s, constant(GELU + 12), constant(GELU + 16)));
  let low = multiplyAdd(s, constant(GELU + 20), constant(GELU + 24));
  low = multiplyAdd(square, low, multiplyAdd(s, constant(GELU + 28), constant(GELU + 32)));
  high = multiplyAdd(f32x4.mul(square, square), high, low);
  const t = multiplyAdd(square, high, multiplyAdd(s, constant(GELU + 36), constant(GELU + 40)));
  return byOdds(x, multiplyAdd(x, t, f32x4.mul(x, constant(GELU + 44))));
}

// -2 * sqrt(2 / pi) / ln 2 times 0.044715, and by itself.
const GELU_TANH = memory.data<f32>([-0.10294323957, -2.30220819814]);

/** `x * (1 + tanh z) / 2` is `x / (1 + e ** -2z)`; here z = sqrt(2 / pi) * (x + 0.044715 * x ** 3). */
export function geluTanh(x: v128): v128 {
  const t = multiplyAdd(f32x4.mul(x, x), constant(GELU_TANH), constant(GELU_TANH + 4));
  return byOdds(x, f32x4.mul(x, t));
}

/** `x / (1 + 2 ** t)`: of t beyond what floats hold, x or 0. */
@inline
function byOdds(x: v128, t: v128): v128 {
  t = f32x4.pmin(f32x4.pmax(t, constant(POWER)), constant(POWER + 36));
  return f32x4.div(x, f32x4.add(powerOfTwo(t), constant(POWER + 32)));
}

export function sigmoid(x: v128): v128 {
  return gated(constant(POWER + 32), x);
}

export function silu(x: v128): v128 {
  return gated(x, x);
}

/** `x / (1 + e ** -z)` */
function gated(x: v128, z: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(POWER + 32), exponential(f32x4.neg(z))));
}
