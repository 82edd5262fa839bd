import type { AttentionOptions, HeadLayout, SequenceSpan } from "../backend.ts";
import { RuntimeError } from "../errors.ts";
import { expectShape, type Tensor } from "../tensor.ts";

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
 * Attention over cached and new positions: writes the new keys and values to the cache, then gives
 * `softmax(scale · q kᵀ) v` for each query head: `[T, QKV] -> [T, H * E]`. Query head h reads key/value head h / (H / K).
 * The order of each sum depends only on key positions: chunked and whole, cached and uncached agree bit for bit.
 * @see Vaswani et al., "Attention Is All You Need", 2017; Ainslie et al., "GQA", 2023
 */
export function attention(qkv: Qkv, spans: readonly SequenceSpan[], layout: HeadLayout, options: AttentionOptions): TD {
  expectQkv("attention", qkv, layout);
  const y = qkv.backend.allocate([qkv.shape[0], layout.heads * layout.headWidth] as const);
  for (const span of spans) {
    qkv.backend.appendToCache(qkv, span, layout);
    qkv.backend.attend(qkv, span, layout, options, y);
  }
  return y;
}

/**
 * Attention without a cache, within each sequence of the batch: every row sees every row of its own sequence, so that
 * no padding is computed. `[T, QKV] -> [T, H * E]`, T the sum of `lengths`.
 */
export function encoderAttention(qkv: Qkv, lengths: readonly number[], layout: HeadLayout, scale: number): TD {
  expectQkv("encoderAttention", qkv, layout);
  const { backend } = qkv;
  const y = backend.allocate([qkv.shape[0], layout.heads * layout.headWidth] as const);
  const pages = backend.temporaryPages(Math.max(0, ...lengths), layout);
  let row = 0;
  for (const count of lengths) {
    const span = { row, count, position: 0, pages };
    backend.appendToCache(qkv, span, layout);
    backend.attend(qkv, span, layout, { scale, causal: false }, y);
    row += count;
  }
  return y;
}

function expectQkv(op: string, qkv: Qkv, { heads, kvHeads, headWidth }: HeadLayout): void {
  expectShape(op, "qkv", qkv, [qkv.shape[0], (heads + 2 * kvHeads) * headWidth]);
}
