import {
  type Activation,
  add,
  type EmbeddingWeight,
  embedding,
  type Forward,
  type HeadLayout,
  type LinearWeight,
  linear,
  linearSteps,
  type SequenceSpan,
  type Weights,
} from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture, DecoderBatch, DecoderModel, ModelFacts, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import {
  activations,
  attend,
  decode,
  factsOf,
  type Norm,
  newPositions,
  normalize,
  pick,
  readHeads,
  refuseForeign,
  reserveLayers,
  reserveNorm,
  reserveVocabulary,
  type Vocabulary,
  type Wanted,
} from "./layers.ts";
/**
 * GPT-2: learned positions, a layer norm before each half of a block.
 * @see transformers 5.18, models/gpt2/modeling_gpt2.py; Radford et al., "Language Models are Unsupervised Multitask Learners", 2019
 */
export const gpt2: Architecture = {
  modelTypes: ["gpt2"],
  load(config, weights) {
    const shape = readGpt2(config);
    const { hiddenSize: D, intermediateSize: F, eps } = shape;
    // The file has these layers as [in, out].
    const options = { bias: true, transposed: true };
    return gpt2Decoder(
      shape,
      reserveGpt2(shape, weights, (block) => ({
        attentionNorm: reserveNorm(block, "ln_1", D, eps),
        qkv: block.linear({ "attn.c_attn": 3 * D }, D, { ...options, leastBits: 8 }),
        output: block.linear({ "attn.c_proj": D }, D, { ...options, leastBits: 8 }),
        mlpNorm: reserveNorm(block, "ln_2", D, eps),
        up: block.linear({ "mlp.c_fc": F }, D, options),
        down: block.linear({ "mlp.c_proj": D }, F, options),
      })),
    );
  },
  harmless: (name) => /(^|\.)attn\.(bias|masked_bias)$/.test(name),
  tokenizers: allFormats,
  tasks: decoderTasks,
};

/** What GPT-2 and GPT-Neo are made of. */
export interface Gpt2Config {
  readonly modelType: string;
  /** D */ readonly hiddenSize: number;
  /** F */ readonly intermediateSize: number;
  readonly layers: number;
  /** V */ readonly vocabSize: number;
  readonly layout: HeadLayout;
  readonly eps: number;
  readonly activation: Activation;
  readonly tied: boolean;
  readonly headless: boolean;
  readonly contextLength: number;
  /** Factor on the attention scores of a layer. */
  readonly scale: (layer: number) => number;
  /** Positions before its own that a row of a layer sees. Undefined: all. */
  readonly window?: (layer: number) => number | undefined;
}

export interface Gpt2Block {
  readonly attentionNorm: Norm;
  /** Queries, keys and values in one: they see the same input. */
  readonly qkv: LinearWeight;
  readonly output: LinearWeight;
  readonly mlpNorm: Norm;
  readonly up: LinearWeight;
  readonly down: LinearWeight;
}

interface Gpt2Weights extends Vocabulary {
  readonly positions: EmbeddingWeight;
  readonly blocks: readonly Gpt2Block[];
  readonly norm: Norm;
}

function readGpt2(config: ConfigReader): Gpt2Config {
  refuseGpt2(config);
  const { hiddenSize, layout } = readHeads(config, "n_embd", "n_head");
  const layers = config.integer(config.nameOf("n_layer", "num_hidden_layers"));
  const contextLength = config.integer(config.nameOf("n_positions", "max_position_embeddings"), {}, 1024);
  config.ignore("attn_pdrop", "embd_pdrop", "resid_pdrop", "n_ctx", "n_special", "predict_special_tokens");
  // In float32 it changes the order of two products only.
  config.ignore("reorder_and_upcast_attn");
  const scale = config.boolean("scale_attn_weights", true) ? 1 / Math.sqrt(layout.headWidth) : 1;
  // GPT2LMHeadModel ends as the names of bare models do.
  const isInverse = config.boolean("scale_attn_by_inverse_layer_idx", false);
  return {
    modelType: "gpt2",
    hiddenSize,
    layout,
    layers,
    intermediateSize: config.integer("n_inner", {}, 4 * hiddenSize),
    vocabSize: config.integer("vocab_size"),
    eps: config.number("layer_norm_epsilon", 0, 1e-5),
    activation: config.oneOf("activation_function", activations, "gelu_new"),
    tied: config.boolean("tie_word_embeddings", true),
    headless: config.mayLackHead,
    contextLength,
    scale: (layer) => (isInverse ? scale / (layer + 1) : scale),
  };
}

/** What GPT-2's relatives have in their configs beside what they compute with. */
export function refuseGpt2(config: ConfigReader): void {
  refuseForeign(config);
  // Old configs have it empty; what is in it is an unknown key.
  config.object("pruned_heads");
  config.ignore("summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type");
  config.ignore("summary_use_proj");
}

/** Reserves the tables, the output layer and the last norm, and has the family reserve its blocks. */
export function reserveGpt2(
  config: Gpt2Config,
  weights: Weights,
  block: (weights: Weights, layer: number) => Gpt2Block,
): Gpt2Weights {
  const { hiddenSize: D, contextLength, eps } = config;
  const model = weights.base("transformer.", "wte.weight");
  const vocabulary = reserveVocabulary(weights, model, { table: "wte", heads: ["lm_head"] }, config);
  const positions = model.embedding("wpe", [contextLength, D]);
  const blocks = reserveLayers(model, "h.", config.layers, block);
  return { ...vocabulary, positions, blocks, norm: reserveNorm(model, "ln_f", D, eps) };
}

/** A decoder of such blocks. */
export function layerNormDecoder(
  config: Omit<ModelFacts, "layerWork"> & { readonly layout: HeadLayout },
  { head, blocks, norm }: Pick<Gpt2Weights, "head" | "blocks" | "norm">,
  partsFor: (batch: DecoderBatch) => Pick<Parameters<typeof decode>[2], "embed" | "block">,
): DecoderModel {
  const { qkv, output, up, down } = blocks[0];
  return {
    ...factsOf(config, [qkv, output, up, down]),
    kind: "decoder",
    layout: config.layout,
    logits: head && ((hidden) => linearSteps(hidden, head)),
    forward(batch) {
      return decode(batch, blocks.length, { ...partsFor(batch), picks: true, norm: (x) => normalize(x, norm) });
    },
  };
}

/** GPT-2 and GPT-Neo, from their config and their weights. */
export function gpt2Decoder(config: Gpt2Config, weights: Gpt2Weights): DecoderModel {
  const { table, positions, blocks } = weights;
  return layerNormDecoder(config, weights, (batch) => ({
    embed: (ids) => add(embedding(ids, table), embedding(newPositions(batch), positions)),
    block: (x, layer, spans, wanted) => runBlock(x, config, blocks[layer], layer, spans, wanted),
  }));
}

function* runBlock(
  x: TD,
  { layout, scale, window, activation }: Gpt2Config,
  { attentionNorm, qkv, output, mlpNorm, up, down }: Gpt2Block,
  layer: number,
  spans: readonly SequenceSpan[],
  wanted: Wanted | undefined,
): Forward<TD> {
  const projected = yield* linearSteps(normalize(x, attentionNorm), qkv);
  const options = { scale: scale(layer), window: window?.(layer), causal: true } as const;
  const seen = attend(projected, spans, layout, options, wanted);
  x = linear(seen, output, { residual: pick(x, wanted) });
  const widened = yield* linearSteps(normalize(x, mlpNorm), up, { activation });
  return yield* linearSteps(widened, down, { residual: x });
}
