import { RuntimeError } from "../errors.ts";
import { expectLive, expectShape, type Tensor } from "../tensor.ts";
import type { EmbeddingWeight, LinearWeight } from "../weights.ts";

/** `x · Wᵀ + b`: `[T, K] -> [T, N]`. The order of each sum depends only on K. */
export function linear(
  x: Tensor<readonly [T: number, K: number]>,
  weight: LinearWeight,
): Tensor<readonly [T: number, N: number]> {
  const [N, K] = weight.shape;
  expectShape("linear", "x", x, [x.shape[0], K]);
  const y = x.backend.allocate([x.shape[0], N] as const);
  x.backend.linear(x, weight, y);
  return y;
}

/** Multiply-adds between two chances to stop within a layer: about 25 ms' worth. */
export const STEP_WORK = 5e8;

/** `linear` that yields between slices of rows, for texts so long that one layer takes its time; the same bits. */
export function* linearSteps(
  x: Tensor<readonly [T: number, K: number]>,
  weight: LinearWeight,
): Generator<undefined, Tensor<readonly [T: number, N: number]>> {
  const [N, K] = weight.shape;
  const [T] = x.shape;
  const step = Math.max(1, Math.floor(STEP_WORK / (N * K)));
  if (T <= step) return linear(x, weight);
  expectShape("linear", "x", x, [T, K]);
  const { backend } = x;
  const y = backend.allocate([T, N] as const);
  for (let row = 0; row < T; row += step) {
    const count = Math.min(step, T - row);
    backend.linear(backend.rows(x, row, count), weight, backend.rows(y, row, count));
    yield;
  }
  return y;
}

/** Rows of a table: ids `[T] -> [T, D]`. Ids are trusted: they are checked where they enter. */
export function embedding(
  ids: Tensor<readonly [T: number]>,
  table: EmbeddingWeight,
): Tensor<readonly [T: number, D: number]> {
  expectIds("embedding", ids);
  const y = ids.backend.allocate([ids.shape[0], table.shape[1]] as const);
  ids.backend.embedding(ids, table, y);
  return y;
}

/** Some rows of an activation: `[T, D]`, rows `[R] -> [R, D]`. */
export function gatherRows(
  x: Tensor<readonly [T: number, D: number]>,
  rows: Tensor<readonly [R: number]>,
): Tensor<readonly [R: number, D: number]> {
  expectLive("gatherRows", "x", x);
  expectIds("gatherRows", rows);
  const y = x.backend.allocate([rows.shape[0], x.shape[1]] as const);
  x.backend.gatherRows(x, rows, y);
  return y;
}

function expectIds(op: string, ids: Tensor): void {
  expectLive(op, "ids", ids);
  if (ids.dtype === "i32") return;
  throw new RuntimeError("misplaced-dtype", `${op}: expected ids of dtype i32, got ${ids.dtype}`, { op });
}
