// The encoder that BERT began: attention and feed-forward, each followed by a norm of the sum.
import {
  type Activation,
  add,
  type DistanceBias,
  type EmbeddingWeight,
  embedding,
  encoderAttentionSteps,
  type Forward,
  type HeadLayout,
  type LinearWeight,
  linear,
  linearSteps,
  type Tensor,
  type Weights,
} from "@kiloformer/core";
import type { EncoderBatch, EncoderHeads, EncoderModel, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import {
  activations,
  encode,
  factsOf,
  firstRows,
  headOptions,
  type Norm,
  normalize,
  pick,
  positionsOf,
  readHeads,
  reserveLayers,
  reserveNorm,
  reserveVocabulary,
  type Vocabulary,
  type WantedRows,
} from "./layers.ts";
import { checkQuantization } from "./quantization-config.ts";

export interface EncoderBlock {
  /** Queries, keys and values in one: they see the same input. */
  readonly qkv: LinearWeight;
  readonly output: LinearWeight;
  readonly attentionNorm: Norm;
  readonly up: LinearWeight;
  readonly down: LinearWeight;
  readonly outputNorm: Norm;
}

/** What such a model is made of. */
export interface EncoderParts {
  readonly modelType: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly contextLength: number;
  readonly typeVocabSize: number;
  readonly layout: HeadLayout;
  readonly activation: Activation;
  readonly blocks: readonly EncoderBlock[];
  readonly heads: EncoderHeads;
  /** Ids `[T]` to what the first block reads. */
  embed(ids: Tensor<readonly [T: number]>, batch: EncoderBatch): TD;
  /** Added to all scores, by distance; for texts of at most `longest` positions. */
  bias?(batch: EncoderBatch, longest: number): DistanceBias;
}

/** What BERT's config says and its relatives' configs say too. */
export function readEncoder(config: ConfigReader) {
  checkQuantization(config);
  config.refuse("is_decoder", "it would need a causal mask", [false]);
  config.refuse("is_causal", "it would need a causal mask", [false]);
  config.refuse("add_cross_attention", "there is nothing to attend to", [false]);
  config.refuse("position_embedding_type", "only absolute positions are supported", ["absolute"]);
  config.ignore("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout");
  config.ignore("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head");
  config.ignore("pooler_type", "directionality");
  const { hiddenSize, layout } = readHeads(config);
  return {
    hiddenSize,
    layout,
    intermediateSize: config.integer("intermediate_size"),
    layers: config.integer("num_hidden_layers"),
    vocabSize: config.integer("vocab_size"),
    maxPositions: config.integer("max_position_embeddings"),
    eps: config.number("layer_norm_eps", 0, 1e-12),
    activation: config.oneOf("hidden_act", activations, "gelu"),
    tied: config.boolean("tie_word_embeddings", true),
    labels: config.labels,
  };
}
export type EncoderConfig = ReturnType<typeof readEncoder>;

/** Tokens, positions and, where there are types of texts, which of two; summed and normalised. */
export function reserveEmbeddings(
  { maxPositions, typeVocabSize, eps }: Pick<EncoderConfig, "maxPositions" | "eps"> & { typeVocabSize: number },
  model: Weights,
  tokens: EmbeddingWeight,
  positions: (batch: EncoderBatch) => Tensor<readonly [T: number]> = positionsOf,
): EncoderParts["embed"] {
  const width = tokens.shape[1];
  const weights = model.scope("embeddings.");
  const positionTable = weights.embedding("position_embeddings", [maxPositions, width]);
  const types = typeVocabSize > 0 && weights.embedding("token_type_embeddings", [typeVocabSize, width]);
  const norm = reserveNorm(weights, "LayerNorm", width, eps);
  return (ids, batch) => {
    let x = embedding(ids, tokens);
    if (types) {
      const kinds = batch.runtime.upload(batch.typeIds ?? new Int32Array(ids.shape[0]), ids.shape);
      x = add(x, embedding(kinds, types));
    }
    return normalize(add(x, embedding(positions(batch), positionTable)), norm);
  };
}

/** What the tensors of a block are called. */
export interface BlockNames {
  readonly qkv: readonly string[];
  readonly output: string;
  readonly attentionNorm: string;
  readonly up: string;
  readonly down: string;
  readonly outputNorm: string;
}

const bertNames: BlockNames = {
  qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
  output: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "output.LayerNorm",
};

/** Blocks as BERT names them, `layer.N.attention.self.query` and so on, or as a relative does. */
export function reserveBlocks(
  config: Pick<EncoderConfig, "hiddenSize" | "intermediateSize" | "eps" | "layers">,
  stack: Weights,
  names: BlockNames = bertNames,
): EncoderBlock[] {
  const { hiddenSize: D, intermediateSize: F, eps, layers } = config;
  return reserveLayers(stack, "layer.", layers, (block) => {
    const qkv = Object.fromEntries(names.qkv.map((name) => [name, D]));
    return {
      qkv: block.linear(qkv, D, { bias: true, leastBits: 8 }),
      output: block.linear({ [names.output]: D }, D, { bias: true, leastBits: 8 }),
      attentionNorm: reserveNorm(block, names.attentionNorm, D, eps),
      up: block.linear({ [names.up]: F }, D, { bias: true }),
      down: block.linear({ [names.down]: D }, F, { bias: true }),
      outputNorm: reserveNorm(block, names.outputNorm, D, eps),
    };
  });
}

/** A masked-language head: dense, activation, norm, and an output layer of its own or the tokens' table. */
export interface MaskedLmNames {
  /** The tokens' table, without the model's prefix. */
  readonly table: string;
  readonly dense: string;
  readonly norm: string;
  /** The output layer, where it is not the tokens' table. */
  readonly decoder: string;
  /** The output layer's bias, by the names that it may have: where both are there, the first. */
  readonly bias: readonly string[];
}

/** Whether a checkpoint has a masked-language head; its output layer may be the tokens' table. */
function hasMaskedLm(weights: Weights, { dense, norm, bias }: MaskedLmNames): boolean {
  const hasNorm = ["weight", "gamma"].some((name) => weights.has(`${norm}.${name}`));
  return weights.has(`${dense}.weight`) && hasNorm && bias.some((name) => weights.has(name));
}

/** Whether `architectures` names a model without such a head: what its file has left of one may lack the output layer. */
export const namesOther = (config: ConfigReader) =>
  config.isBaseModel || !/^(MaskedLM|PreTraining)?$/.test(config.task);

/** The table of tokens, and the output layer of a masked-language head where the checkpoint has that. */
export function reserveTokens(
  config: ConfigReader,
  weights: Weights,
  model: Weights,
  names: MaskedLmNames,
  sizes: { vocabSize: number; hiddenSize: number; tied: boolean },
): Vocabulary {
  const masked = hasMaskedLm(weights, names);
  const { table, decoder, bias: biases } = names;
  return reserveVocabulary(
    weights,
    model,
    { table, heads: masked ? [decoder] : [], biases },
    { ...sizes, tied: sizes.tied && masked, headless: !masked || namesOther(config) },
  );
}

export function reserveMaskedLm(
  weights: Weights,
  names: MaskedLmNames,
  decoder: LinearWeight,
  from: number,
  { eps, activation }: { eps: number; activation: Activation },
): (rows: TD) => Forward<TD> {
  const width = decoder.shape[1];
  const dense = weights.linear({ [names.dense]: width }, from, { bias: true });
  const norm = reserveNorm(weights, names.norm, width, eps);
  return function* (x) {
    return yield* linearSteps(normalize(yield* linearSteps(x, dense, { activation }), norm), decoder);
  };
}

/** Dense and tanh of first rows, where the checkpoint has it. */
export function reservePooler(model: Weights, width: number): EncoderHeads["pooler"] {
  if (!model.has("pooler.dense.weight")) return undefined;
  const dense = model.linear({ "pooler.dense": width }, width, headOptions);
  return (first) => linear(first, dense, { activation: "tanh" });
}

/** Classification of texts as most of these families do it: dense, activation, output, of the first row. */
function reserveDenseClassifier(
  weights: Weights,
  width: number,
  labels: number,
  activation: Activation,
): EncoderHeads["sequenceClassification"] {
  const dense = weights.linear({ "classifier.dense": width }, width, headOptions);
  const output = weights.linear({ "classifier.out_proj": labels }, width, headOptions);
  return (x, batch) => linearSteps(linear(firstRows(x, batch), dense, { activation }), output);
}

/** The classifiers that a checkpoint has, of texts and of tokens. */
export function reserveClassifiers(weights: Weights, width: number, labels: number, activation: Activation) {
  return {
    sequenceClassification: weights.has("classifier.out_proj.weight")
      ? reserveDenseClassifier(weights, width, labels, activation)
      : undefined,
    tokenClassification: hasClassifier(weights, labels) ? reserveTokenClassifier(weights, width, labels) : undefined,
  };
}

/** Whether a checkpoint has one linear layer that gives labels. */
export const hasClassifier = (weights: Weights, labels: number) => labels > 0 && weights.has("classifier.weight");

/** A linear layer over every row. */
export function reserveTokenClassifier(weights: Weights, width: number, labels: number): (x: TD) => Forward<TD> {
  const output = weights.linear({ classifier: labels }, width, headOptions);
  return (x) => linearSteps(x, output);
}

export function postNormEncoder(parts: EncoderParts): EncoderModel {
  const { blocks, embed, bias, typeVocabSize, heads } = parts;
  const { qkv, output, up, down } = blocks[0];
  return {
    ...factsOf({ ...parts, layers: blocks.length }, [qkv, output, up, down]),
    kind: "encoder",
    typeVocabSize,
    heads,
    classifiesFirst: true,
    forward(batch) {
      const shared = bias?.(batch, Math.max(0, ...batch.lengths));
      return encode(batch, blocks.length, {
        embed: (ids) => embed(ids, batch),
        block: (x, layer, wanted) => runBlock(x, parts, blocks[layer], batch, shared, wanted),
        picks: true,
      });
    },
  };
}

function* runBlock(
  x: TD,
  { layout, activation }: EncoderParts,
  weights: EncoderBlock,
  { lengths }: EncoderBatch,
  bias: DistanceBias | undefined,
  wanted: WantedRows | undefined,
): Forward<TD> {
  const scale = 1 / Math.sqrt(layout.headWidth);
  const qkv = yield* linearSteps(x, weights.qkv);
  const attended = yield* encoderAttentionSteps(qkv, lengths, layout, { scale, bias }, wanted);
  x = normalize(yield* linearSteps(attended, weights.output, { residual: pick(x, wanted) }), weights.attentionNorm);
  const widened = yield* linearSteps(x, weights.up, { activation });
  return normalize(yield* linearSteps(widened, weights.down, { residual: x }), weights.outputNorm);
}
