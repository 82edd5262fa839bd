// Which kernel computes what, by the types that operations are asked for with, where the names are looked up for each layer:
// to put a name together takes longer.
import type { Activation, GatedActivation } from "./backend.ts";
import type { Kernels } from "./kernels.ts";
import type { WeightDtype } from "./weights.ts";

const dtypes: readonly WeightDtype[] = ["f32", "f16", "bf16", "q8", "q4"];

/** Names that begin alike and end with the dtype. */
function byDtype<P extends string>(prefix: P) {
  const names = dtypes.map((dtype) => [dtype, prefix + dtype]);
  return Object.fromEntries(names) as { readonly [D in WeightDtype]: `${P}${D}` };
}

export const productKernels = byDtype("gemm_");
/** Rows of tables in panels, and of those that lie as in the file, which 8 and 4 bits have other kernels for. */
export const panelKernels = byDtype("embed_panels_");
export const rowKernels = byDtype("embed_rows_");
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
