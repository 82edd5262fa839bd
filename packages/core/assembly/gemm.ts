// Linear layers over packed weights (docs/kernels.md), and packing.
import { shiftOf } from "./activations";
import { product } from "./product";
import { BFloat16, Float16 } from "./weights";

/** Inputs that are summed before the sum joins the total. */
const BLOCK = 256;

/**
 * `y[M, N] = activation(x[M, K] · w[N, K]ᵀ + bias[N]) + residual[M, N]`; bias, activation and residual 0 are none. The residual is read
 * behind all sums of its outputs, and must not lie in y.
 */
export function gemm_f32(
  x: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  activation: i32,
  residual: usize,
): void {
  const shift = shiftOf(residual, y);
  product<f32>(x, <usize>K * 4, w, <usize>K * 32, bias, y, <usize>N * 4, M, N, K, BLOCK, false, activation, shift, true, 0);
}

/**
 * The same with f16 weights, and the same bits as with those weights widened to f32. `scratch` holds 8 * 256 floats. Up to six rows are
 * faster where `isFinite` says that `is_finite_f16` holds for the weights; 0 where it does not, or nobody asked.
 */
export function gemm_f16(
  x: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  activation: i32,
  residual: usize,
  scratch: usize,
  isFinite: i32,
): void {
  const shift = shiftOf(residual, y);
  product<Float16>(x, <usize>K * 4, w, <usize>K * 16, bias, y, <usize>N * 4, M, N, K, BLOCK, false, activation, shift, isFinite != 0, scratch);
}

/** The same with bf16 weights. */
export function gemm_bf16(
  x: usize,
  w: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  activation: i32,
  residual: usize,
  scratch: usize,
): void {
  const shift = shiftOf(residual, y);
  product<BFloat16>(x, <usize>K * 4, w, <usize>K * 16, bias, y, <usize>N * 4, M, N, K, BLOCK, false, activation, shift, true, scratch);
}
