import type { Backend, Epilogue } from "../backend.ts";
import { RuntimeError } from "../errors.ts";
import { expectLive, expectShape, type Tensor } from "../tensor.ts";
import { FEW_ROWS, TILE_ROWS } from "../weight-layout.ts";
import type { EmbeddingWeight, LinearWeight } from "../weights.ts";

/** `activation(x · Wᵀ + b) + residual`, in one kernel: `[T, K] -> [T, N]`. The order of each sum depends only on K. */
export function linear(
  x: Tensor<readonly [T: number, K: number]>,
  weight: LinearWeight,
  epilogue: Epilogue = NONE,
): Tensor<readonly [T: number, N: number]> {
  const y = outputs(x, weight, epilogue);
  x.backend.linear(x, weight, y, epilogue);
  return y;
}

/** Whether a product takes so long that it is better cut: for others a generator costs too much. */
export function isLong(
  { shape: [T], backend }: Tensor<readonly [T: number, K: number]>,
  weight: LinearWeight,
): boolean {
  const [N, K] = weight.shape;
  return T * N * K > workOfStep(weight, backend);
}

/** `linear` that yields between slices of rows, for texts so long that one layer takes its time; the same bits. */
export function* linearSteps(
  x: Tensor<readonly [T: number, K: number]>,
  weight: LinearWeight,
  epilogue: Epilogue = NONE,
): Generator<undefined, Tensor<readonly [T: number, N: number]>> {
  const [T] = x.shape;
  if (!isLong(x, weight)) return linear(x, weight, epilogue);
  const step = rowsOfStep(weight, x.backend);
  const y = outputs(x, weight, epilogue);
  const { backend } = x;
  const { activation, residual } = epilogue;
  for (let row = 0; row < T; row += step) {
    const count = Math.min(step, T - row);
    const rows = (tensor: Tensor) => backend.rows(tensor, row, count);
    backend.linear(rows(x), weight, rows(y), { activation, residual: residual && rows(residual) });
    yield;
  }
  return y;
}

/** Whole tiles of 12 rows; where one of those takes too long, a few rows or one. */
function rowsOfStep(weight: LinearWeight, backend: Backend): number {
  const [N, K] = weight.shape;
  const rows = workOfStep(weight, backend) / (N * K);
  if (rows >= TILE_ROWS / 2) return Math.max(1, Math.floor(rows / TILE_ROWS)) * TILE_ROWS;
  return rows >= FEW_ROWS / 4 ? FEW_ROWS : 1;
}

/** Multiply-adds of a step: products of integers are some three to four times as fast. */
function workOfStep({ dtype }: LinearWeight, { stepWork }: Backend): number {
  return dtype === "q8" || dtype === "q4" ? 4 * stepWork : stepWork;
}

const NONE: Epilogue = {};

function outputs(
  x: Tensor<readonly [T: number, K: number]>,
  { shape: [N, K] }: LinearWeight,
  { residual }: Epilogue,
): Tensor<readonly [T: number, N: number]> {
  const [T] = x.shape;
  expectShape("linear", "x", x, [T, K]);
  if (residual) expectShape("linear", "residual", residual, [T, N]);
  return x.backend.allocate([T, N] as const);
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

/** Some rows of an activation: `[T, D]`, rows `[R] -> [R, D]`. The numbers of the rows are trusted, as ids are. */
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
