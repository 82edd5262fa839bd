import type { Numbers } from "./numbers.ts";

/** `y = x / sqrt(mean(x ** 2) + eps) * weight`, row by row. */
export function rmsNorm(x: Numbers, weight: Numbers, y: Numbers, rows: number, D: number, eps: number): void {
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let d = 0; d < D; d++) squares += x[row * D + d] ** 2;
    const factor = 1 / Math.sqrt(squares / D + eps);
    for (let d = 0; d < D; d++) y[row * D + d] = x[row * D + d] * factor * weight[d];
  }
}

/** `y = (x - mean) / sqrt(variance + eps) * weight + bias`, row by row. */
export function layerNorm(
  x: Numbers,
  weight: Numbers,
  bias: Numbers | undefined,
  y: Numbers,
  rows: number,
  D: number,
  eps: number,
): void {
  for (let row = 0; row < rows; row++) {
    let mean = 0;
    for (let d = 0; d < D; d++) mean += x[row * D + d] / D;
    let variance = 0;
    for (let d = 0; d < D; d++) variance += (x[row * D + d] - mean) ** 2 / D;
    const factor = 1 / Math.sqrt(variance + eps);
    for (let d = 0; d < D; d++) y[row * D + d] = (x[row * D + d] - mean) * factor * weight[d] + (bias ? bias[d] : 0);
  }
}
