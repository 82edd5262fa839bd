// Which kernel computes what, by the types that operations are asked for with, where the names are looked up for each layer:
// to put a name together takes longer.
import type { Activation, GatedActivation } from "./backend.ts";
import type { Kernels } from "./kernels.ts";
import type { WeightDtype } from "./weights.ts";

export const productKernels = {
  f32: "gemm_f32",
  f16: "gemm_f16",
  bf16: "gemm_bf16",
  q8: "gemm_q8",
  q4: "gemm_q4",
} as const satisfies Record<WeightDtype, keyof Kernels>;
/** Rows of tables that lie as in the file, and of those in panels. */
export const rowKernels = { f32: "embed_rows_f32", f16: "embed_rows_f16", bf16: "embed_rows_bf16" } as const;
export const panelKernels = {
  f32: "embed_panels_f32",
  f16: "embed_panels_f16",
  bf16: "embed_panels_bf16",
  q8: "embed_panels_q8",
  q4: "embed_panels_q4",
} as const satisfies Record<WeightDtype, keyof Kernels>;
export const inputKernels = { q8: "quantize_inputs_q8", q4: "quantize_inputs_q4" } as const;
/** What products take for an activation; 0 is none. */
export const activationNumbers: Readonly<Record<Activation, number>> = {
  silu: 1,
  gelu: 2,
  gelu_tanh: 3,
  relu: 4,
  tanh: 5,
  sigmoid: 6,
};
export const gateKernels = {
  silu: "swiglu_f32",
  gelu: "geglu_f32",
  gelu_tanh: "geglu_tanh_f32",
  relu: "reglu_f32",
} as const satisfies Record<GatedActivation, keyof Kernels>;
