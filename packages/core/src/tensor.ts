import type { Backend } from "./backend.ts";
import { RuntimeError } from "./errors.ts";

/** A shape with its axes named in the type, `[T: number, D: number]`. */
export type Shape = readonly number[];

/** How activations are held: numbers, or token ids. */
export type ActivationDtype = "f32" | "i32";

/**
 * An activation: a backend, a dtype, a shape, and a place that only the backend understands (in WebAssembly, a byte
 * address on the activation stack). Its values leave through `read`, never as a view.
 */
export class Tensor<S extends Shape = Shape> {
  readonly backend: Backend;
  readonly dtype: ActivationDtype;
  readonly shape: S;
  readonly place: number;
  /** True once the stack went below this tensor; only tracked in debug runtimes. */
  released = false;

  constructor(backend: Backend, dtype: ActivationDtype, shape: S, place: number) {
    this.backend = backend;
    this.dtype = dtype;
    this.shape = shape;
    this.place = place;
  }
}

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const axis of shape) size *= axis;
  return size;
}

/** Throws unless a tensor has the shape that an operation needs, and is still alive. */
export function expectShape(op: string, operand: string, actual: Tensor, expected: Shape): void {
  expectLive(op, operand, actual);
  const { shape } = actual;
  let same = shape.length === expected.length;
  for (let axis = 0; same && axis < expected.length; axis++) same = shape[axis] === expected[axis];
  if (same) return;
  throw new RuntimeError(
    "misshaped",
    `${op}: expected ${operand} of shape [${expected.join(", ")}], got [${shape.join(", ")}]`,
    { op, operand, expected, actual: shape },
  );
}

/** Throws when a tensor's place was already given to another one. */
export function expectLive(op: string, operand: string, tensor: Tensor): void {
  if (!tensor.released) return;
  throw new RuntimeError("released", `${op}: expected a live ${operand}, got one that was released`, { op, operand });
}
