import type { Numbers } from "./numbers.ts";

/** `y[M, N] = x[M, K] · w[N, K]ᵀ + bias[N]`. */
export function gemm(
  x: Numbers,
  w: Numbers,
  bias: Numbers | undefined,
  y: Numbers,
  M: number,
  N: number,
  K: number,
): void {
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[m * K + k] * w[n * K + k];
      y[m * N + n] = bias ? sum + bias[n] : sum;
    }
  }
}

/** `[N, K]` to panels of eight outputs, `[ceil(N / 8)][K][8]`; outputs that do not exist are zero. */
export function packPanels(w: Float32Array, N: number, K: number): Float32Array {
  const panels = new Float32Array(Math.ceil(N / 8) * K * 8);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) panels[((n >> 3) * K + k) * 8 + (n & 7)] = w[n * K + k];
  }
  return panels;
}

/** The same for f16 and bf16 bits: of the eight outputs of a panel, j and j + 4 share a 32-bit lane, j in its low half. */
export function packHalfPanels(w: Uint16Array, N: number, K: number): Uint16Array {
  const panels = new Uint16Array(Math.ceil(N / 8) * K * 8);
  for (let n = 0; n < N; n++) {
    const lane = n & 3;
    const half = (n >> 2) & 1;
    for (let k = 0; k < K; k++) panels[((n >> 3) * K + k) * 8 + lane * 2 + half] = w[n * K + k];
  }
  return panels;
}

/** `y[t] = table[ids[t]]` for rows of D. */
export function embedRows(ids: Int32Array, table: Numbers, y: Numbers, T: number, D: number): void {
  for (let t = 0; t < T; t++) {
    for (let d = 0; d < D; d++) y[t * D + d] = table[ids[t] * D + d];
  }
}
