// Linear layers over packed weights (docs/kernels.md), and packing.
import { product } from "./product";
import { BFloat16, Float16 } from "./weights";

/** Inputs that are summed before the sum joins the total. */
const BLOCK = 256;

/** `y[M, N] = x[M, K] · w[N, K]ᵀ + bias[N]`; bias 0 is none. */
export function gemm_f32(x: usize, w: usize, bias: usize, y: usize, M: i32, N: i32, K: i32): void {
  product<f32>(x, <usize>K * 4, w, <usize>K * 32, bias, y, <usize>N * 4, M, N, K, BLOCK, false, 0);
}

/** The same with f16 weights, and the same bits as with those weights widened to f32. `scratch` holds 8 * 256 floats. */
export function gemm_f16(x: usize, w: usize, bias: usize, y: usize, M: i32, N: i32, K: i32, scratch: usize): void {
  product<Float16>(x, <usize>K * 4, w, <usize>K * 16, bias, y, <usize>N * 4, M, N, K, BLOCK, false, scratch);
}

/** The same with bf16 weights. */
export function gemm_bf16(x: usize, w: usize, bias: usize, y: usize, M: i32, N: i32, K: i32, scratch: usize): void {
  product<BFloat16>(x, <usize>K * 4, w, <usize>K * 16, bias, y, <usize>N * 4, M, N, K, BLOCK, false, scratch);
}
