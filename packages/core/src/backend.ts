import type { Shape, Tensor } from "./tensor.ts";
import type { EmbeddingWeight, LinearWeight, VectorWeight } from "./weights.ts";

/** The activations that feed-forward layers use, by Hugging Face's `hidden_act` names. */
export type Activation = "silu" | "gelu" | "gelu_tanh" | "relu" | "tanh" | "sigmoid";
/** Activations of gated feed-forward layers: `activation(gate) * up`. */
export type GatedActivation = "silu" | "gelu" | "gelu_tanh" | "relu";

/** What follows a linear layer in the same kernel, while its outputs are near: `activation(x · Wᵀ + b) + residual`. */
export interface Epilogue {
  readonly activation?: Activation;
  /** `[T, N]`, as the outputs. */
  readonly residual?: Tensor<readonly [T: number, N: number]>;
}

/** The new rows of one sequence within a batch, and the keys and values that they see. */
export interface SequenceSpan {
  /** First row of this sequence in the batch. */
  readonly row: number;
  /** Number of new rows. */
  readonly count: number;
  /** Position of the first new row: the number of positions cached before. */
  readonly position: number;
  /** Positions that have keys, global keys not counted. Default `position + count`: keys and queries are of one sequence. */
  readonly keys?: number;
  /** Place of the page table of this sequence (and layer). */
  readonly pages: number;
}

/** How queries, keys and values lie side by side in one row: `[H * E | K * E | K * E]`. */
export interface HeadLayout {
  /** H */ readonly heads: number;
  /** K */ readonly kvHeads: number;
  /** E */ readonly headWidth: number;
}

/**
 * What a device must do. Operations in `ops/` check their operands and then call these, which trust them. All are
 * synchronous and only enqueue; values leave through `read`.
 */
export interface Backend {
  /** Multiply-adds enqueued so far: the clock of interruptible forwards. */
  work: number;
  /** Multiply-adds between two chances to stop within a layer. */
  readonly stepWork: number;

  /** Room for a tensor, on top of the activation stack; it holds whatever was there before. */
  allocate<S extends Shape>(shape: S): Tensor<S>;
  /** Uploads ids or numbers: as many as the shape has. */
  upload<S extends Shape>(values: Int32Array | Float32Array, shape: S): Tensor<S>;
  /** The values of a tensor, copied; ids as numbers, too. */
  read(tensor: Tensor): Promise<Float32Array>;
  /** Some rows of a tensor as a tensor: nothing is copied. */
  rows(x: Tensor, begin: number, count: number): Tensor<readonly [T: number, D: number]>;
  /** Moves `result` down to the place of `x`, releases everything above, and returns it there. */
  settle<S extends Shape>(x: Tensor<S>, result: Tensor<S>): Tensor<S>;

  /** Rows of a table: ids `[T] -> [T, D]`. */
  embedding(ids: Tensor, table: EmbeddingWeight, y: Tensor): void;
  /** Rows of an activation: `[T, D]`, rows `[R] -> [R, D]`. */
  gatherRows(x: Tensor, rows: Tensor, y: Tensor): void;
  /** `activation(x · Wᵀ + b) + residual`: `[T, K] -> [T, N]`. */
  linear(x: Tensor, weight: LinearWeight, y: Tensor, epilogue: Epilogue): void;
  /** `a + b`, element by element; the shapes are one. */
  add(a: Tensor, b: Tensor, y: Tensor): void;
  /** `a * b`, element by element; the shapes are one. */
  multiply(a: Tensor, b: Tensor, y: Tensor): void;
  /** `x * factor`, element by element; y may be x. */
  scale(x: Tensor, factor: number, y: Tensor): void;
  /** `[R, C] -> [C, R]`. */
  transpose(x: Tensor, y: Tensor): void;
  /** The sum of `rows` rows of x from row `begin` on, into row `to` of y. */
  sumRows(x: Tensor, begin: number, rows: number, y: Tensor, to: number): void;
  /** `activation(x)`, element by element. */
  activate(kind: Activation, x: Tensor, y: Tensor): void;
  /** `activation(gate) * up`: `[T, 2F] -> [T, F]`. */
  gate(kind: GatedActivation, gateUp: Tensor, y: Tensor): void;
  /** Over the last axis. */
  softmax(x: Tensor, y: Tensor): void;
  /** Of each row: `[T, D] -> [T, D]`, weight `[D]`. */
  rmsNorm(x: Tensor, weight: VectorWeight, eps: number, y: Tensor): void;
  /** Of each of `heads` heads, from column `column` on, in place. */
  rmsNormHeads(x: Tensor, column: number, heads: number, weight: VectorWeight, eps: number): void;
  /** Of each row: `[T, D] -> [T, D]`, weight and bias `[D]`. */
  layerNorm(x: Tensor, weight: VectorWeight, bias: VectorWeight | undefined, eps: number, y: Tensor): void;
  /** Rotary positions of `heads` heads at the begin of each row, in place; angles `[T, E / 2]`. */
  rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: number, headWidth: number): void;
  /** Keys begin at column `column` of each row, values behind them. */
  appendToCache(rows: Tensor, column: number, span: SequenceSpan, layout: HeadLayout): void;
  /** Queries begin each row of x. */
  attend(x: Tensor, span: SequenceSpan, layout: HeadLayout, options: AttentionOptions, y: Tensor): void;
  /** Takes stack memory for keys and values of `count` positions and gives the place of their page table. */
  temporaryPages(count: number, layout: HeadLayout): number;
}

/** How scores become probabilities. */
export interface AttentionOptions {
  /** Factor on every score; 1 / sqrt(E) in most models. */
  readonly scale: number;
  /** True: a row sees itself and what came before. False: it sees every position of its sequence. */
  readonly causal: boolean;
  /** The most positions before and behind its own that a row sees. Default: all. */
  readonly window?: number;
  /** What is added to scores by distance. */
  readonly bias?: DistanceBias;
  /** Keys that every row sees, cached before all others. */
  readonly globals?: GlobalKeys;
}

/** `values[h, s - p + center]` is added to the score that the query at position p has for the key at position s. */
export interface DistanceBias {
  readonly values: Tensor<readonly [H: number, W: number]>;
  readonly center: number;
}

/** Keys that stand for blocks of positions. */
export interface GlobalKeys {
  /** G */
  readonly count: number;
  /** Positions of a block; those behind the last one count to it. */
  readonly block: number;
  /** `values[h, g - b + G - 1]` is added to the score that a query in block b has for key g. */
  readonly bias: Tensor<readonly [H: number, W: number]>;
}
