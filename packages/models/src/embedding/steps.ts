// What stands behind the pooling, in float64.
import { gelu, gemm, relu, sigmoid, silu } from "@kiloformer/core/reference";

/** From one vector to another. */
export type Step = (vector: Float64Array) => Float64Array;

/** Functions by the names of PyTorch's classes, with what these do when they are given no options. */
export const activations: Readonly<Record<string, (x: number) => number>> = {
  Identity: (x) => x,
  Tanh: Math.tanh,
  Sigmoid: sigmoid,
  ReLU: relu,
  GELU: gelu,
  SiLU: silu,
  ELU: (x) => (x > 0 ? x : Math.expm1(x)),
  LeakyReLU: (x) => (x > 0 ? x : 0.01 * x),
  Softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
};

/** To length 1, as `torch.nn.functional.normalize` does: what is shorter than 1e-12 is divided by that. */
export const normalize: Step = (vector) => {
  // Loops, as engines take several times as long to call a function for each value.
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
  const length = Math.max(Math.sqrt(sum), 1e-12);
  const normalized = new Float64Array(vector.length);
  for (let i = 0; i < vector.length; i++) normalized[i] = vector[i] / length;
  return normalized;
};

/** `torch.nn.LayerNorm`: `[D] -> [D]`. */
export function layerNorm(weight: Float64Array, bias: Float64Array): Step {
  return (vector) => {
    const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length;
    const variance = vector.reduce((sum, value) => sum + (value - mean) ** 2, 0) / vector.length;
    return vector.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i]);
  };
}

export interface DenseWeights {
  /** `[out, in]` */
  readonly weight: Float64Array;
  readonly bias?: Float64Array;
  readonly activation: (x: number) => number;
  /** What is added to the result: the vector itself, or its projection `[out, in]`. */
  readonly residual?: "itself" | Float64Array;
}

/**
 * `activation(W x + b)`, and what it started from beside it where that is asked for: `[in] -> [out]`.
 * @see sentence-transformers 6.2, base/modules/dense.py
 */
export function dense({ weight, bias, activation, residual }: DenseWeights): Step {
  const project = (matrix: Float64Array, vector: Float64Array, offsets?: Float64Array) => {
    const width = matrix.length / vector.length;
    const result = new Float64Array(width);
    gemm(vector, matrix, offsets, result, 1, width, vector.length);
    return result;
  };
  return (vector) => {
    const result = project(weight, vector, bias).map(activation);
    if (!residual) return result;
    const added = residual === "itself" ? vector : project(residual, vector);
    return result.map((value, i) => value + added[i]);
  };
}
