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

// After N. Juffa's erff: one polynomial up to 0.93, the exponential of another above.
const ERF = memory.data<f32>([
  0.927734375, -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1,
  -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1, 1, 0.5,
  0.707106781186547524, 2,
]);

/** `x * (1 + erf(x / sqrt 2)) / 2`, without the cancellation that the formula has for large negative x. */
export function gelu(x: v128): v128 {
  const one = constant(ERF + 56);
  const z = f32x4.mul(x, constant(ERF + 64));
  const size = f32x4.abs(z),
    square = f32x4.mul(z, z);
  let near = multiplyAdd(square, constant(ERF + 4), constant(ERF + 8));
  near = multiplyAdd(square, near, constant(ERF + 12));
  near = multiplyAdd(square, near, constant(ERF + 16));
  near = multiplyAdd(square, near, constant(ERF + 20));
  near = multiplyAdd(square, near, constant(ERF + 24));
  near = f32x4.add(multiplyAdd(near, z, z), one);
  let far = multiplyAdd(size, constant(ERF + 28), constant(ERF + 32));
  far = multiplyAdd(far, square, multiplyAdd(size, constant(ERF + 36), constant(ERF + 40)));
  far = multiplyAdd(far, size, constant(ERF + 44));
  far = multiplyAdd(far, size, constant(ERF + 48));
  far = multiplyAdd(far, size, constant(ERF + 52));
  far = exponential(f32x4.sub(f32x4.mul(far, size), size));
  far = v128.bitselect(far, f32x4.sub(constant(ERF + 68), far), i32x4.shr_s(x, 31));
  const sum = v128.bitselect(near, far, f32x4.lt(size, constant(ERF)));
  return f32x4.mul(f32x4.mul(x, constant(ERF + 60)), sum);
}

const SIGMOID = memory.data<f32>([1, -1.59576912160573071, 0.044715]);

/** `x / (1 + e ** -z)`. */
function gated(x: v128, minusZ: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(SIGMOID), exponential(minusZ)));
}

export function sigmoid(x: v128): v128 {
  return gated(constant(SIGMOID), f32x4.neg(x));
}

export function silu(x: v128): v128 {
  return gated(x, f32x4.neg(x));
}

/** `x * (1 + tanh z) / 2` is `x / (1 + e ** -2z)`; here z = sqrt(2 / pi) * (x + 0.044715 * x ** 3). */
export function geluTanh(x: v128): v128 {
  const cubic = multiplyAdd(f32x4.mul(constant(SIGMOID + 8), f32x4.mul(x, x)), x, x);
  return gated(x, f32x4.mul(cubic, constant(SIGMOID + 4)));
}
