/** The kernels as plain loops: their definition, and what they are tested against. */
export * from "./activations.ts";
export * from "./attention.ts";
export * from "./halves.ts";
export * from "./linear.ts";
export * from "./norms.ts";
export type { Numbers } from "./numbers.ts";
export * from "./quantized.ts";
