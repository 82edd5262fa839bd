import type { AttentionOptions, DistanceBias, HeadLayout, SequenceSpan } from "../backend.ts";
import { RuntimeError } from "../errors.ts";
import { expectShape, type Tensor } from "../tensor.ts";
import type { EmbeddingWeight, VectorWeight } from "../weights.ts";
import { embedding, gatherRows } from "./linear.ts";

/** Queries, keys and values of all new positions: rows `[H * E | K * E | K * E]`. */
type Qkv = Tensor<readonly [T: number, QKV: number]>;
type TD = Tensor<readonly [T: number, D: number]>;

/**
 * Rotary position embedding, in place, on the queries and keys of each row: channel i turns with channel i + R / 2 by the
 * angle of the row's position, for the first R channels of each head.
 * @param cos `[T, R / 2]`
 * @see Su et al., "RoFormer", 2021; the half-rotated channel order is that of `transformers`
 */
export function rotate(qkv: Qkv, cos: TD, sin: TD, layout: HeadLayout): Qkv {
  const { heads, kvHeads, headWidth } = layout;
  const half = cos.shape[1];
  expectQkv("rotate", qkv, layout);
  expectShape("rotate", "cos", cos, [qkv.shape[0], half]);
  expectShape("rotate", "sin", sin, [qkv.shape[0], half]);
  if (half * 2 > headWidth) {
    throw new RuntimeError("misshaped", `rotate: expected at most ${headWidth / 2} angles for each row, got ${half}`);
  }
  qkv.backend.rotate(qkv, cos, sin, heads + kvHeads, headWidth);
  return qkv;
}

/**
 * Scales each head of the queries and of the keys to unit root mean square, in place.
 * @param weights `[E]` each, for queries and for keys
 * @see Henry et al., "Query-Key Normalization for Transformers", 2020
 */
export function normHeads(qkv: Qkv, query: VectorWeight, key: VectorWeight, eps: number, layout: HeadLayout): Qkv {
  const { heads, kvHeads, headWidth } = layout;
  expectQkv("normHeads", qkv, layout);
  for (const weight of [query, key]) {
    if (weight.shape[0] === headWidth) continue;
    throw new RuntimeError("misshaped", `normHeads: expected weights of [${headWidth}], got [${weight.shape[0]}]`);
  }
  qkv.backend.rmsNormHeads(qkv, 0, heads, query, eps);
  qkv.backend.rmsNormHeads(qkv, heads * headWidth, kvHeads, key, eps);
  return qkv;
}

/**
 * Attention over cached and new positions: writes the new keys and values to the cache, then gives
 * `softmax(scale · q kᵀ + bias) v` for each query head: `[T, QKV] -> [T, H * E]`. Query head h reads key/value head h / (H / K).
 * The order of each sum depends only on key positions: chunked and whole, cached and uncached agree bit for bit.
 * @see Vaswani et al., "Attention Is All You Need", 2017; Ainslie et al., "GQA", 2023
 */
export function attention(qkv: Qkv, spans: readonly SequenceSpan[], layout: HeadLayout, options: AttentionOptions): TD {
  const width = layout.heads * layout.headWidth;
  expectQkv("attention", qkv, layout);
  expectBias("attention", options, layout);
  const y = qkv.backend.allocate([qkv.shape[0], width] as const);
  for (const span of spans) {
    qkv.backend.appendToCache(qkv, width, span, layout);
    qkv.backend.attend(qkv, span, layout, options, y);
  }
  return y;
}

/**
 * Attention without a cache, within each sequence of the batch: every row sees every row of its own sequence (or of a window
 * of it), so that no padding is computed. `[T, QKV] -> [T, H * E]`, T the sum of `lengths`. Yields between slices of a long sequence.
 * @param wanted the rows to give, in ascending order; default all
 */
export function* encoderAttentionSteps(
  qkv: Qkv,
  lengths: readonly number[],
  layout: HeadLayout,
  options: Omit<AttentionOptions, "causal">,
  wanted?: { readonly rows: Tensor<readonly [R: number]>; readonly places: Int32Array },
): Generator<undefined, TD> {
  const { backend } = qkv;
  const width = layout.heads * layout.headWidth;
  const attending = { ...options, causal: false };
  expectQkv("encoderAttention", qkv, layout);
  expectBias("encoderAttention", attending, layout);
  const queries = wanted ? gatherRows(qkv, wanted.rows) : qkv;
  const y = backend.allocate([queries.shape[0], width] as const);
  const pages = backend.temporaryPages(Math.max(0, ...lengths), layout);
  let row = 0;
  let next = 0;
  for (const length of lengths) {
    // The sequences take turns on the same pages: each is attended to before the next is written.
    const span = { row, count: length, position: 0, pages };
    backend.appendToCache(qkv, width, span, layout);
    if (!wanted) yield* attendSteps(qkv, { ...span, keys: length }, layout, attending, y);
    for (; wanted && wanted.places[next] < row + length; next++) {
      const own = { row: next, count: 1, position: wanted.places[next] - row, pages, keys: length };
      yield* attendSteps(queries, own, layout, attending, y);
    }
    row += length;
  }
  return y;
}

/** Attention of one sequence's rows over what the cache holds, into the same rows of `y`: yields between slices of a long one. */
export function* attendSteps(
  queries: TD,
  span: SequenceSpan & { readonly keys: number },
  layout: HeadLayout,
  options: AttentionOptions,
  y: TD,
): Generator<undefined, void> {
  const { row, count, position, keys } = span;
  const { window = keys, globals } = options;
  const seen = Math.min(keys, 2 * window + 1) + (globals?.count ?? 0);
  const step = Math.max(24, Math.floor(queries.backend.stepWork / (2 * layout.heads * layout.headWidth * seen)));
  for (let begin = 0; begin < count; begin += step) {
    const rows = Math.min(step, count - begin);
    const slice = { ...span, row: row + begin, count: rows, position: position + begin };
    queries.backend.attend(queries, slice, layout, options, y);
    if (begin + rows < count) yield;
  }
}

/** Writes keys and values, `K * E` columns each from column `column` on, to the cache. */
export function appendKeys(rows: TD, column: number, span: SequenceSpan, layout: HeadLayout): void {
  const width = column + 2 * layout.kvHeads * layout.headWidth;
  expectShape("appendKeys", "rows", rows, [rows.shape[0], Math.max(width, rows.shape[1])]);
  rows.backend.appendToCache(rows, column, span, layout);
}

/** Attention over what the cache holds: queries `[T, >= H * E] -> [T, H * E]`; `keys` of each span says how many there are. */
export function attendTo(
  queries: TD,
  spans: readonly SequenceSpan[],
  layout: HeadLayout,
  options: AttentionOptions,
): TD {
  const width = layout.heads * layout.headWidth;
  expectShape("attendTo", "queries", queries, [queries.shape[0], Math.max(width, queries.shape[1])]);
  expectBias("attendTo", options, layout);
  const y = queries.backend.allocate([queries.shape[0], width] as const);
  for (const span of spans) queries.backend.attend(queries, span, layout, options, y);
  return y;
}

/**
 * A learned bias for every distance from `-center` on, out of a table `[buckets, H]` and the bucket of each distance.
 * @see Raffel et al., "Exploring the Limits of Transfer Learning", 2020, section 2.1
 */
export function distanceBias(
  table: EmbeddingWeight,
  buckets: Tensor<readonly [W: number]>,
  center: number,
): DistanceBias {
  const rows = embedding(buckets, table);
  const values = rows.backend.allocate([rows.shape[1], rows.shape[0]] as const);
  rows.backend.transpose(rows, values);
  return { values, center };
}

function expectBias(op: string, { bias, globals }: AttentionOptions, { heads }: HeadLayout): void {
  if (bias) expectShape(op, "bias", bias.values, [heads, bias.values.shape[1]]);
  if (globals) expectShape(op, "globals.bias", globals.bias, [heads, 2 * globals.count - 1]);
}

function expectQkv(op: string, qkv: Qkv, { heads, kvHeads, headWidth }: HeadLayout): void {
  expectShape(op, "qkv", qkv, [qkv.shape[0], (heads + 2 * kvHeads) * headWidth]);
}
