import type { Activation, GatedActivation } from "../backend.ts";
import { RuntimeError } from "../errors.ts";
import { expectLive, expectShape, type Shape, type Tensor } from "../tensor.ts";

/** Throws unless two tensors are alive, of one shape, and of one backend: places in two memories have nothing to do with each other. */
function expectAlike(op: string, a: Tensor, b: Tensor): void {
  expectLive(op, "a", a);
  expectShape(op, "b", b, a.shape);
  if (a.backend === b.backend) return;
  throw new RuntimeError("other-backend", `${op}: expected tensors of one backend, got two`, { op });
}

/** `a + b`, element by element. */
export function add<S extends Shape>(a: Tensor<S>, b: Tensor<S>): Tensor<S> {
  expectAlike("add", a, b);
  const y = a.backend.allocate(a.shape);
  a.backend.add(a, b, y);
  return y;
}

/** `a * b`, element by element. */
export function multiply<S extends Shape>(a: Tensor<S>, b: Tensor<S>): Tensor<S> {
  expectAlike("multiply", a, b);
  const y = a.backend.allocate(a.shape);
  a.backend.multiply(a, b, y);
  return y;
}

/** `x * factor`, element by element. */
export function scale<S extends Shape>(x: Tensor<S>, factor: number): Tensor<S> {
  expectLive("scale", "x", x);
  const y = x.backend.allocate(x.shape);
  x.backend.scale(x, factor, y);
  return y;
}

/** Throws unless a tensor is alive and has so many rows. */
function expectRows(op: string, x: Tensor, rows: number): void {
  expectLive(op, "x", x);
  if (rows <= x.shape[0]) return;
  throw new RuntimeError("misshaped", `${op}: expected at most the ${x.shape[0]} rows of x, got ${rows}`, { op });
}

/** Sums of blocks of `block` rows, the last one with what is left: `[T, D] -> [floor(T / block), D]`. */
export function sumBlocks(
  x: Tensor<readonly [T: number, D: number]>,
  begin: number,
  rows: number,
  block: number,
): Tensor<readonly [G: number, D: number]> {
  expectRows("sumBlocks", x, begin + rows);
  const count = Math.floor(rows / block);
  const y = x.backend.allocate([count, x.shape[1]] as const);
  for (let index = 0; index < count; index++) {
    const first = index * block;
    x.backend.sumRows(x, begin + first, index === count - 1 ? rows - first : block, y, index);
  }
  return y;
}

/** The mean of each sequence's rows: `[T, D] -> [B, D]`, T the sum of `lengths`. */
export function meanRows(
  x: Tensor<readonly [T: number, D: number]>,
  lengths: readonly number[],
): Tensor<readonly [B: number, D: number]> {
  expectRows(
    "meanRows",
    x,
    lengths.reduce((sum, length) => sum + length, 0),
  );
  const y = x.backend.allocate([lengths.length, x.shape[1]] as const);
  let row = 0;
  for (const [index, length] of lengths.entries()) {
    x.backend.sumRows(x, row, length, y, index);
    const sum = x.backend.rows(y, index, 1);
    x.backend.scale(sum, 1 / length, sum);
    row += length;
  }
  return y;
}

/** `activation(x)`, element by element. `gelu` is the exact one, `gelu_tanh` its usual approximation. */
export function activate<S extends Shape>(x: Tensor<S>, kind: Activation): Tensor<S> {
  expectLive(kind, "x", x);
  const y = x.backend.allocate(x.shape);
  x.backend.activate(kind, x, y);
  return y;
}

/**
 * Gated feed-forward activation: `activation(gate) * up`, with gate and up side by side in each row:
 * `[T, 2F] -> [T, F]`. With `silu` this is SwiGLU (Shazeer, "GLU Variants Improve Transformer", 2020).
 */
export function gated(
  gateUp: Tensor<readonly [T: number, F2: number]>,
  kind: GatedActivation,
): Tensor<readonly [T: number, F: number]> {
  expectLive("gated", "gateUp", gateUp);
  const [T, width] = gateUp.shape;
  if (width % 2 !== 0) {
    throw new RuntimeError("misshaped", `gated: expected gateUp with an even last axis, got [${T}, ${width}]`);
  }
  const y = gateUp.backend.allocate([T, width / 2] as const);
  gateUp.backend.gate(kind, gateUp, y);
  return y;
}

/** Softmax over the last axis. */
export function softmax<S extends Shape>(x: Tensor<S>): Tensor<S> {
  expectLive("softmax", "x", x);
  const y = x.backend.allocate(x.shape);
  x.backend.softmax(x, y);
  return y;
}
