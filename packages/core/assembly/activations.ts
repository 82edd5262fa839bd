// Element by element. The tail runs through the same vector code, so an element's result does not depend on its place.
import { exponential, gelu, geluTanh, hyperbolicTangent, sigmoid, silu } from "./functions";
import { loadSome, storeSome } from "./simd";

/** Numbers of the activations, as products take them; `kernel-names.ts` has the same. */
const enum Unary { None, Silu, Gelu, GeluTanh, Relu, Tanh, Sigmoid, Exp }

@inline
function apply(operation: Unary, x: v128): v128 {
  if (operation == Unary.Exp) return exponential(x);
  if (operation == Unary.Gelu) return gelu(x);
  if (operation == Unary.GeluTanh) return geluTanh(x);
  // NaN stays NaN: the comparison 0 > x is false for it.
  if (operation == Unary.Relu) return f32x4.pmax(x, f32x4.splat(0));
  if (operation == Unary.Sigmoid) return sigmoid(x);
  if (operation == Unary.Silu) return silu(x);
  return hyperbolicTangent(x);
}

@inline
function unary(operation: Unary, x: usize, y: usize, n: i32): void {
  for (; n >= 4; n -= 4, x += 16, y += 16) v128.store(y, apply(operation, v128.load(x)));
  if (n > 0) storeSome(y, apply(operation, loadSome(x, n)), n);
}

/** `y[n] = e ** x[n]`. For all of these, y may be x. */
// The exponential by itself: no op needs it, the accuracy tests of all that is made of it do.
export function exp_f32(x: usize, y: usize, n: i32): void { unary(Unary.Exp, x, y, n); }
/** `x * (1 + erf(x / sqrt 2)) / 2` */
export function gelu_f32(x: usize, y: usize, n: i32): void { unary(Unary.Gelu, x, y, n); }
/** `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))) / 2` */
export function gelu_tanh_f32(x: usize, y: usize, n: i32): void { unary(Unary.GeluTanh, x, y, n); }
/** `max(x, 0)` */
export function relu_f32(x: usize, y: usize, n: i32): void { unary(Unary.Relu, x, y, n); }
/** `1 / (1 + e ** -x)` */
export function sigmoid_f32(x: usize, y: usize, n: i32): void { unary(Unary.Sigmoid, x, y, n); }
/** `x / (1 + e ** -x)` */
export function silu_f32(x: usize, y: usize, n: i32): void { unary(Unary.Silu, x, y, n); }
/** `tanh x` */
export function tanh_f32(x: usize, y: usize, n: i32): void { unary(Unary.Tanh, x, y, n); }

/** One of the kernels above. */
function activate(activation: i32, x: usize, y: usize, n: i32): void {
  if (activation == Unary.Silu) silu_f32(x, y, n);
  else if (activation == Unary.Gelu) gelu_f32(x, y, n);
  else if (activation == Unary.GeluTanh) gelu_tanh_f32(x, y, n);
  else if (activation == Unary.Relu) relu_f32(x, y, n);
  else if (activation == Unary.Tanh) tanh_f32(x, y, n);
  else sigmoid_f32(x, y, n);
}

/** How far a residual lies behind y; 0 is none. */
@inline
export function shiftOf(residual: usize, y: usize): usize {
  return residual ? residual - y : 0;
}

/**
 * What follows a block of rows of a product while it is near: n outputs become `activation(y) + residual`. Activation 0 is none; the
 * residual lies `shift` bytes behind y (0: none).
 */
export function finish(activation: i32, shift: usize, y: usize, n: i32): void {
  if (activation) activate(activation, y, y, n);
  if (shift) add_f32(y + shift, y, y, n);
}

function gate(activation: i32, gateUp: usize, y: usize, rows: i32, F: i32): void {
  for (; rows > 0; rows--, gateUp += <usize>F * 8, y += <usize>F * 4) {
    activate(activation, gateUp, y, F);
    mul_f32(y, gateUp + <usize>F * 4, y, F);
  }
}

/** `y[rows, F] = silu(gate) * up`; gateUp is `[rows, 2 * F]`, the gates first. */
export function swiglu_f32(gateUp: usize, y: usize, rows: i32, F: i32): void { gate(Unary.Silu, gateUp, y, rows, F); }
/** `gelu(gate) * up` */
export function geglu_f32(gateUp: usize, y: usize, rows: i32, F: i32): void { gate(Unary.Gelu, gateUp, y, rows, F); }
/** `geluTanh(gate) * up` */
export function geglu_tanh_f32(gateUp: usize, y: usize, rows: i32, F: i32): void { gate(Unary.GeluTanh, gateUp, y, rows, F); }
/** `relu(gate) * up` */
export function reglu_f32(gateUp: usize, y: usize, rows: i32, F: i32): void { gate(Unary.Relu, gateUp, y, rows, F); }

/** `y[n] = x[n] * factor`; y may be x. */
export function scale_f32(x: usize, y: usize, n: i32, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (; n >= 4; n -= 4, x += 16, y += 16) v128.store(y, f32x4.mul(v128.load(x), factors));
  if (n > 0) storeSome(y, f32x4.mul(loadSome(x, n), factors), n);
}

/** `y[c, r] = x[r, c]`. */
export function transpose_f32(x: usize, y: usize, rows: i32, columns: i32): void {
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++, y += 4) store<f32>(y, load<f32>(x + (row * columns + column) * 4));
  }
}

/** `y[d] = sum of x[r, d]` over the rows, in their order. */
export function sum_rows_f32(x: usize, y: usize, rows: i32, D: i32): void {
  memory.fill(y, 0, <usize>D * 4);
  for (; rows > 0; rows--, x += <usize>D * 4) add_f32(x, y, y, D);
}

/** `y[n] = a[n] + b[n]`; y may be a or b. */
export function add_f32(a: usize, b: usize, y: usize, n: i32): void {
  for (; n >= 4; n -= 4, a += 16, b += 16, y += 16) v128.store(y, f32x4.add(v128.load(a), v128.load(b)));
  if (n > 0) storeSome(y, f32x4.add(loadSome(a, n), loadSome(b, n)), n);
}

/** `y[n] = a[n] * b[n]`; y may be a or b. */
export function mul_f32(a: usize, b: usize, y: usize, n: i32): void {
  for (; n >= 4; n -= 4, a += 16, b += 16, y += 16) v128.store(y, f32x4.mul(v128.load(a), v128.load(b)));
  if (n > 0) storeSome(y, f32x4.mul(loadSome(a, n), loadSome(b, n)), n);
}
