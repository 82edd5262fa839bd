import type { Numbers } from "./numbers.ts";

/** `2 / sqrt(pi)` times the integral of `e ** -t²` from x on, accurate also where it is tiny. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2) {
    // 1 - erf, erf from its series of positive terms.
    let term = x;
    let sum = x;
    for (let n = 1; n < 60; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = x;
  for (let n = 120; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

/** `max(x, 0)` */
export const relu = (x: number) => (x < 0 ? 0 : x);
/** `1 / (1 + e ** -x)` */
export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
/** `x / (1 + e ** -x)` */
export const silu = (x: number) => x / (1 + Math.exp(-x));
/** `x * (1 + erf(x / sqrt 2)) / 2` */
export const gelu = (x: number) => (x * erfc(-x * Math.SQRT1_2)) / 2;
/** The tanh form: `x * (1 + tanh z) / 2`, which is `x * sigmoid(2z)`. */
export const geluTanh = (x: number) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

/** `y[n] = f(x[n])`. */
export function elementwise(f: (x: number) => number, x: Numbers, y: Numbers, n: number): void {
  for (let i = 0; i < n; i++) y[i] = f(x[i]);
}

/** `y[rows, F] = f(gate) * up`; gateUp is `[rows, 2 * F]`, the gates first. */
export function gated(f: (x: number) => number, gateUp: Numbers, y: Numbers, rows: number, F: number): void {
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < F; i++) y[row * F + i] = f(gateUp[row * 2 * F + i]) * gateUp[row * 2 * F + F + i];
  }
}

/** `y = a + b`, for n values. */
export function add(a: Numbers, b: Numbers, y: Numbers, n: number): void {
  for (let i = 0; i < n; i++) y[i] = a[i] + b[i];
}

/** `y = a * b`, for n values. */
export function mul(a: Numbers, b: Numbers, y: Numbers, n: number): void {
  for (let i = 0; i < n; i++) y[i] = a[i] * b[i];
}
