// Every kernel that the module exports.
export {
  add_f32,
  exp_f32,
  geglu_f32,
  geglu_tanh_f32,
  gelu_f32,
  gelu_tanh_f32,
  mul_f32,
  reglu_f32,
  relu_f32,
  scale_f32,
  sigmoid_f32,
  silu_f32,
  sum_rows_f32,
  swiglu_f32,
  tanh_f32,
  transpose_f32,
} from "./activations";
export {
  attention_f32,
  attention_general_f32,
  attention_general_scratch_f32,
  attention_scratch_f32,
} from "./attention";
export { cache_append_f32 } from "./cache";
export { gemm_bf16, gemm_f16, gemm_f32 } from "./gemm";
export { layer_norm_f32, rms_norm_f32, rms_norm_heads_f32 } from "./norms";
export {
  embed_panels_bf16,
  embed_panels_f16,
  embed_panels_f32,
  embed_rows_bf16,
  embed_rows_f16,
  embed_rows_f32,
  pack_f32,
  pack_u16,
  widen_bf16,
  widen_f16,
} from "./packing";
export {
  dequantize_rows_q4,
  dequantize_rows_q8,
  embed_panels_q4,
  embed_panels_q8,
  narrow_bf16,
  narrow_f16,
  pack_q4,
  pack_q8,
  pack_scales_q4,
  quantize_inputs_q4,
  quantize_inputs_q8,
  quantize_rows_q4,
  quantize_rows_q8,
} from "./quantize";
export { DOT_STEPS, gemm_q4, gemm_q8 } from "./quantized";
export { rope_f32 } from "./rope";
export { softmax_f32 } from "./softmax";
export { is_finite_f16 } from "./weights";

/** Which build this is: 1 with fused multiply-add, 0 without. */
export const RELAXED: i32 = ASC_FEATURE_RELAXED_SIMD ? 1 : 0;
