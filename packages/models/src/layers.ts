// What the forward passes of all families share.
import {
  type Activation,
  type AttentionOptions,
  appendKeys,
  attendTo,
  attention,
  bindCaches,
  type EmbeddingWeight,
  type Forward,
  type GatedActivation,
  gatherRows,
  type HeadLayout,
  type LinearWeight,
  layerNorm,
  type Runtime,
  type SequenceSpan,
  type Tensor,
  type VectorWeight,
  type Weights,
} from "@kiloformer/core";
import type { DecoderBatch, DecoderEntry, EncoderBatch, ModelFacts, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { checkQuantization } from "./quantization-config.ts";
import type { Rope } from "./rope.ts";

const gates = {
  silu: "silu",
  swish: "silu",
  relu: "relu",
  gelu: "gelu",
  gelu_python: "gelu",
  gelu_new: "gelu_tanh",
  gelu_fast: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu_python_tanh: "gelu_tanh",
} as const satisfies Record<string, GatedActivation>;

/** Activations of gated feed-forward layers by their names in configs. */
export const gatedActivations: Readonly<Record<string, GatedActivation>> = gates;
/** Activations by their names in configs. */
export const activations: Readonly<Record<string, Activation>> = { ...gates, tanh: "tanh", sigmoid: "sigmoid" };

/** `hidden_size` and `num_attention_heads`, or what the family calls them too, which divide each other. */
export function readHeads(config: ConfigReader, familySize?: string, familyHeads?: string) {
  const sizeKey = familySize ? config.nameOf(familySize, "hidden_size") : "hidden_size";
  const headsKey = familyHeads ? config.nameOf(familyHeads, "num_attention_heads") : "num_attention_heads";
  const hiddenSize = config.integer(sizeKey);
  const heads = config.integer(headsKey);
  if (hiddenSize % heads !== 0) throw config.bad(headsKey, `a divisor of ${sizeKey}, ${hiddenSize}`);
  return { hiddenSize, layout: { heads, kvHeads: heads, headWidth: hiddenSize / heads } };
}

/** Rows of a table of tokens: checkpoints may have more than `vocab_size`, never fewer. */
export function vocabularyRows(weights: Weights, name: string, vocabSize: number): number {
  return Math.max(vocabSize, weights.shapeOf(name)?.[0] ?? vocabSize);
}

/** Has each layer reserved that a checkpoint is to have. */
export function reserveLayers<Layer>(
  weights: Weights,
  prefix: string,
  layers: number,
  reserve: (layer: Weights, index: number) => Layer,
): Layer[] {
  const length = weights.layersOf(prefix, layers);
  return Array.from({ length }, (_, index) => reserve(weights.scope(`${prefix}${index}.`), index));
}

/** A decoder's table of tokens and its output layer. */
export interface Vocabulary {
  readonly table: EmbeddingWeight;
  /** None where the checkpoint has a bare model. */
  readonly head: LinearWeight | undefined;
}

/**
 * Reserves the table of tokens and the output layer: the file's own where it has one, else the table if they are tied. Of two
 * that are tied a file may have either.
 * @param names the table's, without the prefix of `model`, and those that the output layer and its bias may have
 */
export function reserveVocabulary(
  weights: Weights,
  model: Weights,
  names: { readonly table: string; readonly heads: readonly string[]; readonly biases?: readonly string[] },
  config: {
    readonly vocabSize: number;
    readonly hiddenSize: number;
    readonly tied: boolean;
    readonly headless: boolean;
  },
): Vocabulary {
  const { vocabSize, hiddenSize: D, headless } = config;
  const own = names.heads.find((name) => weights.has(`${name}.weight`));
  const alone = config.tied && !model.has(`${names.table}.weight`) ? own : undefined;
  const tied = config.tied && own === alone;
  const [place, name] = alone ? [weights, alone] : [model, names.table];
  const table = place.embedding(name, [vocabularyRows(place, `${name}.weight`, vocabSize), D], { tied, leastBits: 8 });
  const biasOf = (rows: number) =>
    names.biases && weights.vector(names.biases.find((bias) => weights.has(bias)) ?? names.biases[0], rows);
  if (tied) return { table, head: weights.tied(table, biasOf(table.shape[0])) };
  if (headless && !own) return { table, head: undefined };
  const head = own ?? names.heads[0];
  const rows = vocabularyRows(weights, `${head}.weight`, vocabSize);
  return { table, head: weights.linear({ [head]: rows }, D, { bias: biasOf(rows), leastBits: 8 }) };
}

/**
 * What a model says of itself, as its config has it.
 * @param linears the linear layers of one block, which are most of its work
 */
export function factsOf(
  { modelType, vocabSize, hiddenSize, contextLength, layers }: Omit<ModelFacts, "layerWork">,
  linears: readonly LinearWeight[],
): ModelFacts {
  const layerWork = linears.reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  return { modelType, vocabSize, hiddenSize, contextLength, layers, layerWork };
}

/** Weight and bias of a layer norm, and its epsilon. */
export interface Norm {
  readonly weight: VectorWeight;
  readonly bias: VectorWeight | undefined;
  readonly eps: number;
}

export function reserveNorm(weights: Weights, name: string, width: number, eps: number, hasBias = true): Norm {
  const bias = hasBias ? weights.vector(`${name}.bias`, width) : undefined;
  return { weight: weights.vector(`${name}.weight`, width), bias, eps };
}

export const normalize = (x: TD, { weight, bias, eps }: Norm): TD => layerNorm(x, weight, bias, eps);

/** How classifiers and poolers are reserved: with their biases, and as the checkpoint has them. */
export const headOptions = { bias: true, leastBits: 16 } as const;

/** Refuses what turns any decoder into another kind of model. */
export function refuseForeign(config: ConfigReader): void {
  checkQuantization(config);
  config.refuse("per_layer_config", "layers that differ are not supported");
  config.refuse("is_causal", "decoders whose rows see what follows are not supported", [true]);
  config.refuse("add_cross_attention", "there is no encoder to attend to", [false]);
}

/** Some rows of a batch: of the others only keys and values are wanted. */
export interface Wanted {
  readonly rows: Tensor<readonly [R: number]>;
  /** Where each sequence's are among themselves. */
  readonly spans: readonly SequenceSpan[];
}

/** Runs the layers of a decoder: embedding, blocks, norm of the rows that are wanted. */
export function* decode(
  batch: DecoderBatch,
  layers: number,
  parts: {
    embed(ids: Tensor<readonly [T: number]>): TD;
    /** @param wanted in the last layer, where `picks` says so, the rows to give: what others would be is not computed */
    block(x: TD, layer: number, spans: readonly SequenceSpan[], wanted?: Wanted): Forward<TD>;
    /** Whether `block` minds `wanted`. */
    readonly picks?: boolean;
    norm(x: TD): TD;
  },
): Forward<TD> {
  const { runtime, ids, entries, observe } = batch;
  // Often all rows are wanted: there is nothing to pick then.
  const rows = batch.rows?.length === ids.length ? undefined : batch.rows;
  // All that layers share lies below x: what is above goes with each layer.
  const spans = bindCaches(runtime, entries);
  const wanted = rows && runtime.upload(rows, [rows.length] as const);
  const idTensor = runtime.upload(ids, [ids.length] as const);
  let x = parts.embed(idTensor);
  const picks = wanted && parts.picks && !observe;
  const picked = picks ? { rows: wanted, spans: spansOf(rows, spans[layers - 1]) } : undefined;
  for (let layer = 0; layer < layers; layer++) {
    observe?.(layer, x);
    x = runtime.settle(x, yield* parts.block(x, layer, spans[layer], layer === layers - 1 ? picked : undefined));
    yield;
  }
  for (const { cache, count } of entries) cache.length += count;
  observe?.(layers, parts.norm(x));
  return parts.norm(wanted && !picked ? gatherRows(x, wanted) : x);
}

/** The stretches of sequences that some of their rows are, one after another. */
function spansOf(rows: Int32Array, spans: readonly SequenceSpan[]): SequenceSpan[] {
  const found: SequenceSpan[] = [];
  let at = 0;
  for (const [index, row] of rows.entries()) {
    while (row >= spans[at].row + spans[at].count) at++;
    const { row: first, position, pages } = spans[at];
    found.push({ row: index, count: 1, position: position + row - first, pages });
  }
  return found;
}

/** All rows, or those that are wanted. */
export const pick = (x: TD, wanted: Pick<Wanted, "rows"> | undefined): TD => (wanted ? gatherRows(x, wanted.rows) : x);

/**
 * Causal attention of new rows, `[T, QKV] -> [T, H * E]`, or of those that are wanted: of the others only keys and values are kept.
 * @param options as kernels take them: to copy them for each layer of each token is a sixth of a small model's time on Node 20
 */
export function attend(
  qkv: TD,
  spans: readonly SequenceSpan[],
  layout: HeadLayout,
  options: AttentionOptions & { readonly causal: true },
  wanted: Wanted | undefined,
): TD {
  if (!wanted) return attention(qkv, spans, layout, options);
  for (const span of spans) appendKeys(qkv, layout.heads * layout.headWidth, span, layout);
  return attendTo(pick(qkv, wanted), wanted.spans, layout, options);
}

/** Rows of an encoder's batch: of the others only keys and values are wanted. */
export interface WantedRows {
  readonly rows: Tensor<readonly [R: number]>;
  readonly places: Int32Array;
}

/** Runs the layers of an encoder. */
export function* encode(
  batch: EncoderBatch,
  layers: number,
  parts: {
    embed(ids: Tensor<readonly [T: number]>): TD;
    /**
     * Yields within a layer where texts are long.
     * @param wanted in the last layer, where `picks` says so, the rows to give: what others would be is not computed
     */
    block(x: TD, layer: number, wanted?: WantedRows): Forward<TD>;
    /** Whether `block` minds `wanted`. */
    readonly picks?: boolean;
    norm?(x: TD): TD;
  },
): Forward<TD> {
  const { runtime, ids, observe, rows: places } = batch;
  const wanted = places && { places, rows: runtime.upload(places, [places.length] as const) };
  const picked = parts.picks ? wanted : undefined;
  let x = parts.embed(runtime.upload(ids, [ids.length] as const));
  for (let layer = 0; layer < layers; layer++) {
    observe?.(layer, x);
    x = runtime.settle(x, yield* parts.block(x, layer, layer === layers - 1 ? picked : undefined));
    yield;
  }
  if (wanted && !picked) x = gatherRows(x, wanted.rows);
  if (parts.norm) x = parts.norm(x);
  observe?.(layers, x);
  return x;
}

/** Positions `[T]` of every row of a decoder's batch, counted from `first`. */
export function newPositions({ runtime, ids, entries }: DecoderBatch, first = 0): Tensor<readonly [T: number]> {
  return uploadPositions(
    runtime,
    ids.length,
    entries.map(({ cache, count }) => [first + cache.length, count]),
  );
}

/** Positions `[T]` of every row of an encoder's batch, counted from `first`. */
export function positionsOf({ runtime, ids, lengths }: EncoderBatch, first = 0): Tensor<readonly [T: number]> {
  return uploadPositions(
    runtime,
    ids.length,
    lengths.map((count) => [first, count]),
  );
}

function uploadPositions(runtime: Runtime, length: number, spans: readonly (readonly [number, number])[]) {
  const positions = new Int32Array(length);
  let row = 0;
  for (const [begin, count] of spans) {
    for (let index = 0; index < count; index++) positions[row++] = begin + index;
  }
  return runtime.upload(positions, [length] as const);
}

/** The first row of each sequence, `[T, D] -> [B, D]`: who wants some rows for it has it in them already. */
export function firstRows(x: TD, { runtime, lengths, rows: wanted }: EncoderBatch): TD {
  if (wanted) return x;
  const rows = new Int32Array(lengths.length);
  for (let index = 1; index < rows.length; index++) rows[index] = rows[index - 1] + lengths[index - 1];
  return gatherRows(x, runtime.upload(rows, [rows.length] as const));
}

/** Cosines and sines of every row, `[T, R / 2]` each. */
export interface Angles {
  readonly cos: TD;
  readonly sin: TD;
}

/** Rows of a sequence whose positions follow one another. */
export interface Stretch extends Pick<DecoderEntry, "count" | "reaches"> {
  readonly position: number;
}

/**
 * The angles of new rows.
 * @param stretches default: positions go on from what is cached
 */
export function newAngles(
  { runtime, entries }: DecoderBatch,
  rope: Rope,
  stretches: readonly Stretch[] = entries.map(({ cache, count, reaches }) => {
    return { position: cache.length, count, reaches };
  }),
): Angles {
  return angles(runtime, rope, stretches);
}

/** The angles of whole sequences. */
export function anglesOf({ runtime, lengths }: EncoderBatch, rope: Rope): Angles {
  return angles(
    runtime,
    rope,
    lengths.map((count) => ({ position: 0, count, reaches: count })),
  );
}

function angles(runtime: Runtime, rope: Rope, stretches: readonly Stretch[]): Angles {
  const rows = stretches.reduce((sum, { count }) => sum + count, 0);
  const shape = [rows, rope.half] as const;
  const cos = new Float32Array(rows * rope.half);
  const sin = new Float32Array(rows * rope.half);
  let offset = 0;
  for (const { position, count, reaches } of stretches) {
    rope.write(cos, sin, offset, position, count, reaches);
    offset += count * rope.half;
  }
  return { cos: runtime.upload(cos, shape), sin: runtime.upload(sin, shape) };
}
