import {
  type Activation,
  appendKeys,
  attendTo,
  attention,
  bindCaches,
  type DistanceBias,
  type EmbeddingWeight,
  embedding,
  encoderAttentionSteps,
  type Forward,
  type GatedActivation,
  gated,
  type HeadLayout,
  type LinearWeight,
  linear,
  linearSteps,
  OptionError,
  rmsNorm,
  type SequenceSpan,
  scale,
  type VectorWeight,
  type Weights,
} from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type {
  Architecture,
  DecoderModel,
  EncoderBatch,
  EncoderDecoderModel,
  EncoderModel,
  TD,
} from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { activations, decode, encode, factsOf, gatedActivations, reserveLayers, vocabularyRows } from "./layers.ts";
import { checkQuantization } from "./quantization-config.ts";
import { type Buckets, bucketBias } from "./relative-positions.ts";
import { textToTextTasks } from "./text-to-text-tasks.ts";

/** What a T5's config.json says, checked. */
export interface T5Config {
  readonly modelType: string;
  /** D */ readonly hiddenSize: number;
  /** F */ readonly intermediateSize: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly vocabSize: number;
  readonly layout: HeadLayout;
  readonly eps: number;
  readonly gate: GatedActivation | undefined;
  readonly activation: Activation | undefined;
  readonly buckets: Omit<Buckets, "bidirectional">;
  /** Factor on what the output layer reads. */
  readonly outputScale: number;
  readonly decoderStartTokenId: number;
}

interface FeedForward {
  readonly norm: VectorWeight;
  /** Gate and up projection in one, where it is gated. */
  readonly up: LinearWeight;
  readonly down: LinearWeight;
}

export interface SelfAttention {
  readonly norm: VectorWeight;
  readonly qkv: LinearWeight;
  readonly output: LinearWeight;
}

interface CrossAttention {
  readonly norm: VectorWeight;
  readonly query: LinearWeight;
  readonly keyValue: LinearWeight;
  readonly output: LinearWeight;
}

interface EncoderBlock {
  readonly attention: SelfAttention;
  readonly feedForward: FeedForward;
}

interface DecoderBlock extends EncoderBlock {
  readonly cross: CrossAttention;
}

/** A distance is within a context only as far as memory goes: positions are not learned one by one. */
const LONGEST = 2 ** 20;

export function readT5(config: ConfigReader): T5Config {
  checkQuantization(config);
  config.refuse("is_decoder", "it would need a causal mask", [false]);
  config.ignore("dropout_rate", "classifier_dropout", "initializer_factor", "n_positions", "max_length");
  const hiddenSize = config.integer(config.nameOf("d_model", "hidden_size"));
  const heads = config.integer(config.nameOf("num_heads", "num_attention_heads"));
  const headWidth = config.integer(config.nameOf("d_kv", "head_dim"));
  const layersKey = config.nameOf("num_layers", "num_hidden_layers");
  const encoderLayers = config.integer(layersKey);
  const modelType = config.modelType;
  const tie = config.boolean("tie_word_embeddings", true);
  // The key came late: before it, files of the second release were told by their untied head. mT5 never scales.
  const scales = flag(config, "scale_decoder_outputs", tie) && modelType !== "mt5";
  const vocabSize = config.integer("vocab_size");
  const padTokenId = config.integer("pad_token_id", { min: -1, max: vocabSize - 1 }, 0);
  return {
    ...{ modelType, hiddenSize, encoderLayers, ...readFeedForward(config) },
    intermediateSize: config.integer("d_ff"),
    // By the other name it says nothing of the decoder's.
    decoderLayers: config.integer("num_decoder_layers", {}, layersKey === "num_layers" ? encoderLayers : undefined),
    vocabSize,
    layout: { heads, kvHeads: heads, headWidth },
    eps: config.number("layer_norm_epsilon", 0, 1e-6),
    buckets: {
      count: config.integer("relative_attention_num_buckets", { min: 4 }, 32),
      maxDistance: config.integer("relative_attention_max_distance", {}, 128),
    },
    outputScale: scales ? hiddenSize ** -0.5 : 1,
    decoderStartTokenId: config.integer(
      "decoder_start_token_id",
      { min: 0, max: vocabSize - 1 },
      Math.max(0, padTokenId),
    ),
  };
}

/** Of these keys null is false. */
const flag = (config: ConfigReader, key: string, fallback: boolean) =>
  config.boolean(key, config.given(key) !== null && fallback);

/** What `feed_forward_proj` says, unless `is_gated_act` and `dense_act_fn` say otherwise. */
function readFeedForward(config: ConfigReader): Pick<T5Config, "gate" | "activation"> {
  const projection = config.oneOf("feed_forward_proj", projections, config.modelType === "mt5" ? "gated-gelu" : "relu");
  const gates = flag(config, "is_gated_act", projection.gates);
  if (gates) return { gate: config.oneOf("dense_act_fn", gatedActivations, projection.name), activation: undefined };
  return { gate: undefined, activation: config.oneOf("dense_act_fn", activations, projection.name) };
}

/** `gated-gelu` is the tanh form, and plain `gelu` the exact one. */
const projections: Readonly<Record<string, { gates: boolean; name: string }>> = Object.fromEntries([
  ...Object.keys(gatedActivations).map((name) => {
    return [`gated-${name}`, { gates: true, name: name === "gelu" ? "gelu_new" : name }] as const;
  }),
  ...Object.keys(activations).map((name) => [name, { gates: false, name }] as const),
]);

function reserveFeedForward({ hiddenSize: D, intermediateSize: F, gate }: T5Config, layer: Weights): FeedForward {
  const dense = layer.scope("DenseReluDense.");
  const up: Record<string, number> = gate ? { wi_0: F, wi_1: F } : { wi: F };
  return { norm: layer.vector("layer_norm.weight", D), up: dense.linear(up, D), down: dense.linear({ wo: D }, F) };
}

function reserveSelfAttention({ hiddenSize: D, layout }: T5Config, layer: Weights, name: string): SelfAttention {
  const width = layout.heads * layout.headWidth;
  const self = layer.scope(`${name}.`);
  return {
    norm: layer.vector("layer_norm.weight", D),
    qkv: self.linear({ q: width, k: width, v: width }, D, { leastBits: 8 }),
    output: self.linear({ o: D }, width, { leastBits: 8 }),
  };
}

function reserveCrossAttention({ hiddenSize: D, layout }: T5Config, layer: Weights): CrossAttention {
  const width = layout.heads * layout.headWidth;
  const cross = layer.scope("EncDecAttention.");
  return {
    norm: layer.vector("layer_norm.weight", D),
    query: cross.linear({ q: width }, D, { leastBits: 8 }),
    keyValue: cross.linear({ k: width, v: width }, D, { leastBits: 8 }),
    output: cross.linear({ o: D }, width, { leastBits: 8 }),
  };
}

/** `x + f(norm(x))`, f the feed-forward layer. */
function* feed(x: TD, { norm, up, down }: FeedForward, { eps, gate, activation }: T5Config): Forward<TD> {
  const widened = yield* linearSteps(rmsNorm(x, norm, eps), up, { activation });
  return yield* linearSteps(gate ? gated(widened, gate) : widened, down, { residual: x });
}

/** What distinguishes encoders: how a layer attends. Made once for each forward. */
export interface EncoderAttention {
  /** The layer's `SelfAttention` in names of tensors. */
  readonly name: string;
  /** Reserves what it needs beside the projections; gives what each forward does before the output layer. */
  reserve(
    config: T5Config,
    encoder: Weights,
  ): (batch: EncoderBatch) => (x: TD, weights: SelfAttention, layer: number) => Forward<TD>;
}

/** Positions as far as `radius` to either side, with biases by distance; scores are not scaled. */
export function windowAttention(name: string, radius = Number.POSITIVE_INFINITY): EncoderAttention {
  return {
    name,
    reserve({ layout, buckets }, encoder) {
      const table = encoder.embedding(`block.0.layer.0.${name}.relative_attention_bias`, [buckets.count, layout.heads]);
      const biasOf = bucketBias({ ...buckets, bidirectional: true });
      return ({ runtime, lengths }) => {
        const bias = biasOf(runtime, table, within(radius, lengths));
        const options = { scale: 1, window: Number.isFinite(radius) ? radius : undefined, bias };
        return function* (x, { qkv }) {
          return yield* encoderAttentionSteps(yield* linearSteps(x, qkv), lengths, layout, options);
        };
      };
    },
  };
}

/** Distances that come up: those of neighbours, as far as texts reach. */
export const within = (radius: number, lengths: readonly number[]) => Math.min(radius + 1, Math.max(1, ...lengths));

function t5Encoder(
  config: T5Config,
  tokens: EmbeddingWeight,
  encoder: Weights,
  attention: EncoderAttention,
): EncoderModel {
  const { eps, encoderLayers: layers } = config;
  const attendIn = attention.reserve(config, encoder);
  const blocks = reserveLayers(encoder, "block.", layers, (block) => ({
    attention: reserveSelfAttention(config, block.scope("layer.0."), attention.name),
    feedForward: reserveFeedForward(config, block.scope("layer.1.")),
  }));
  const norm = encoder.vector("final_layer_norm.weight", config.hiddenSize);
  return {
    ...factsOf({ ...config, contextLength: LONGEST, layers }, linearsOf(blocks[0])),
    kind: "encoder",
    typeVocabSize: 0,
    heads: {},
    forward(batch) {
      const attend = attendIn(batch);
      return encode(batch, layers, {
        embed: (ids) => embedding(ids, tokens),
        *block(x, layer) {
          const { attention, feedForward } = blocks[layer];
          const seen = yield* attend(rmsNorm(x, attention.norm, eps), attention, layer);
          x = yield* linearSteps(seen, attention.output, { residual: x });
          return yield* feed(x, feedForward, config);
        },
        norm: (x) => rmsNorm(x, norm, eps),
      });
    },
  };
}

/** A decoder, and what it has of an encoder's rows. */
function t5Decoder(
  config: T5Config,
  tokens: EmbeddingWeight,
  head: LinearWeight,
  decoder: Weights,
): { readonly decoder: DecoderModel } & Pick<EncoderDecoderModel, "remember"> {
  const { eps, buckets, layout, outputScale, modelType, decoderLayers: layers } = config;
  const name = "block.0.layer.0.SelfAttention.relative_attention_bias";
  const biases = decoder.embedding(name, [buckets.count, layout.heads]);
  const blocks = reserveLayers(decoder, "block.", layers, (block) => ({
    attention: reserveSelfAttention(config, block.scope("layer.0."), "SelfAttention"),
    cross: reserveCrossAttention(config, block.scope("layer.1.")),
    feedForward: reserveFeedForward(config, block.scope("layer.2.")),
  }));
  const norm = decoder.vector("final_layer_norm.weight", config.hiddenSize);
  const biasOf = bucketBias({ ...buckets, bidirectional: false });
  const model: DecoderModel = {
    ...factsOf({ ...config, contextLength: LONGEST, layers }, linearsOf(blocks[0])),
    kind: "decoder",
    layout,
    logits: (hidden) => linearSteps(outputScale === 1 ? hidden : scale(hidden, outputScale), head),
    forward(batch) {
      const { runtime, entries } = batch;
      if (entries.some(({ memory }) => !memory)) {
        const message = `${modelType}: expected a cache with what the encoder remembers, got one without`;
        throw new OptionError("no-memory", message);
      }
      const longest = Math.max(...entries.map(({ cache, count }) => cache.length + count));
      const bias = biasOf(runtime, biases, longest);
      const memories = bindCaches(
        runtime,
        entries.map(({ memory, count }) => ({ cache: memory!, count })),
      );
      return decode(batch, layers, {
        embed: (ids) => embedding(ids, tokens),
        block: (x, layer, spans) => answerBlock(x, config, blocks[layer], spans, memories[layer], bias),
        norm: (x) => rmsNorm(x, norm, eps),
      });
    },
  };
  return {
    decoder: model,
    *remember(runtime, encoded, memories) {
      const spans = bindCaches(runtime, memories);
      for (const [layer, { cross }] of blocks.entries()) {
        const keyValue = yield* linearSteps(encoded, cross.keyValue);
        for (const span of spans[layer]) appendKeys(keyValue, 0, span, layout);
        runtime.release(keyValue.place);
        yield;
      }
      for (const { cache, count } of memories) cache.length += count;
    },
  };
}

function* answerBlock(
  x: TD,
  config: T5Config,
  { attention: self, cross, feedForward }: DecoderBlock,
  spans: readonly SequenceSpan[],
  memories: readonly SequenceSpan[],
  bias: DistanceBias,
): Forward<TD> {
  const { layout, eps } = config;
  const own = yield* linearSteps(rmsNorm(x, self.norm, eps), self.qkv);
  const before = attention(own, spans, layout, { scale: 1, causal: true, bias });
  x = linear(before, self.output, { residual: x });
  const queries = linear(rmsNorm(x, cross.norm, eps), cross.query);
  x = linear(attendToMemory(queries, memories, layout), cross.output, { residual: x });
  return yield* feed(x, feedForward, config);
}

/** To the encoder's states, whose keys and values a memory has. */
function attendToMemory(queries: TD, memories: readonly SequenceSpan[], layout: HeadLayout): TD {
  const spans = memories.map(({ row, count, position, pages }) => ({ row, count, position: 0, pages, keys: position }));
  return attendTo(queries, spans, layout, { scale: 1, causal: false });
}

/** The linear layers of a block that reads itself. */
function linearsOf({ attention, feedForward }: EncoderBlock): LinearWeight[] {
  return [attention.qkv, attention.output, feedForward.up, feedForward.down];
}

/** An encoder-decoder of this shape, or its encoder where the checkpoint has no decoder. */
export function loadT5(
  config: T5Config,
  checkpoint: Weights,
  attention: EncoderAttention,
): EncoderDecoderModel | EncoderModel {
  const { hiddenSize: D, vocabSize } = config;
  // Files of T5ForTokenClassification and T5ForSequenceClassification.
  const isPrefixed = checkpoint.has("transformer.encoder.final_layer_norm.weight");
  const weights = isPrefixed ? checkpoint.scope("transformer.") : checkpoint;
  // Files of T5EncoderModel: sentence-t5 and such.
  const decoder = weights.scope("decoder.");
  const hasDecoder = decoder.has("final_layer_norm.weight") || decoder.has("block.0.layer.0.layer_norm.weight");
  // Each has a table of its own where the file has one; what they share stands by any of its names.
  const names = ["encoder.embed_tokens", "decoder.embed_tokens", "lm_head"];
  const has = (name: string) => weights.has(`${name}.weight`);
  const shared = ["shared", ...names].find(has) ?? "shared";
  const [encoderName, decoderName, headName] = names.map((name) => (has(name) ? name : shared));
  const shapeOf = (name: string) => [vocabularyRows(weights, `${name}.weight`, vocabSize), D] as const;
  const reserve = (name: string) =>
    weights.embedding(name, shapeOf(name), { tied: hasDecoder && name === headName, leastBits: 8 });
  const tokens = reserve(encoderName);
  const encoder = t5Encoder(config, tokens, weights.scope("encoder."), attention);
  if (!hasDecoder) return encoder;
  const answers = decoderName === encoderName ? tokens : reserve(decoderName);
  const tied = headName === encoderName ? tokens : headName === decoderName ? answers : undefined;
  const head = tied ? weights.tied(tied) : weights.linear({ [headName]: shapeOf(headName)[0] }, D, { leastBits: 8 });
  const { modelType, decoderStartTokenId } = config;
  return {
    ...{ kind: "encoder-decoder", modelType, vocabSize, encoder, decoderStartTokenId },
    ...t5Decoder(config, answers, head, decoder),
  };
}

/**
 * T5, its second release (gated, untied), Flan-T5 and mT5: RMS norms, biases by distance that all layers share, scores that are
 * not scaled.
 * @see transformers 5.18, models/t5/modeling_t5.py; Raffel et al., "Exploring the Limits of Transfer Learning", 2020
 */
export const t5: Architecture = {
  modelTypes: ["t5", "mt5"],
  load: (config, weights) => loadT5(readT5(config), weights, windowAttention("SelfAttention")),
  harmless: isHarmlessT5,
  tokenizers: allFormats,
  tasks: textToTextTasks,
};

/** Tables of tokens that others stand for, and biases that cross-attention of some files has and nothing reads. */
export function isHarmlessT5(name: string): boolean {
  return /^(transformer\.)?(shared|(en|de)coder\.embed_tokens)\.weight$|EncDecAttention\.relative_attention_bias\.weight$/.test(
    name,
  );
}
