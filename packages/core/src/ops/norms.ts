import { expectShape, type Tensor } from "../tensor.ts";
import type { VectorWeight } from "../weights.ts";

type TD = Tensor<readonly [T: number, D: number]>;

/**
 * Scales each row to unit root mean square: `x / sqrt(mean(x²) + eps) * weight`, `[T, D] -> [T, D]`.
 * @see Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019
 */
export function rmsNorm(x: TD, weight: VectorWeight, eps: number): TD {
  expectShape("rmsNorm", "x", x, [x.shape[0], weight.shape[0]]);
  const y = x.backend.allocate(x.shape);
  x.backend.rmsNorm(x, weight, eps, y);
  return y;
}

/**
 * Gives each row mean 0 and variance 1, then scales and shifts: `[T, D] -> [T, D]`.
 * @see Ba, Kiros and Hinton, "Layer Normalization", 2016
 */
export function layerNorm(x: TD, weight: VectorWeight, bias: VectorWeight | undefined, eps: number): TD {
  expectShape("layerNorm", "x", x, [x.shape[0], weight.shape[0]]);
  const y = x.backend.allocate(x.shape);
  x.backend.layerNorm(x, weight, bias, eps, y);
  return y;
}
