import {
  add,
  attention,
  bindCaches,
  ConfigError,
  type EmbeddingWeight,
  embedding,
  type Forward,
  type GatedActivation,
  gated,
  gatherRows,
  type HeadLayout,
  type LinearWeight,
  linear,
  rmsNorm,
  rotate,
  type SequenceSpan,
  type Tensor,
  type VectorWeight,
  type Weights,
} from "@kiloformer/core";
import { g2pVocabulary } from "@kiloformer/tokenizers";
import type { Architecture, Batch, DecoderModel } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { type Rope, readRope } from "./rope.ts";

type TD = Tensor<readonly [T: number, D: number]>;

/** What a Llama's config.json says, checked. */
interface LlamaConfig {
  /** D */ readonly hiddenSize: number;
  /** F */ readonly intermediateSize: number;
  readonly layers: number;
  /** V */ readonly vocabSize: number;
  readonly layout: HeadLayout;
  readonly eps: number;
  readonly activation: GatedActivation;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly tied: boolean;
  readonly rope: Rope;
  readonly contextLength: number;
}

interface BlockWeights {
  readonly attentionNorm: VectorWeight;
  /** Queries, keys and values in one: they see the same input. */
  readonly qkv: LinearWeight;
  readonly output: LinearWeight;
  readonly mlpNorm: VectorWeight;
  /** Gate and up projection in one. */
  readonly gateUp: LinearWeight;
  readonly down: LinearWeight;
}

interface LlamaWeights {
  readonly embedding: EmbeddingWeight;
  readonly blocks: readonly BlockWeights[];
  readonly norm: VectorWeight;
  readonly head: LinearWeight;
}

const activations = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
} as const;

function readConfig(config: ConfigReader): LlamaConfig {
  const hiddenSize = config.integer("hidden_size");
  const heads = config.integer("num_attention_heads");
  const kvHeads = config.integer("num_key_value_heads", { max: heads }, heads);
  if (heads % kvHeads !== 0) throw config.bad("num_key_value_heads", `a divisor of num_attention_heads, ${heads}`);
  if (!config.has("head_dim") && hiddenSize % heads !== 0) {
    throw config.bad("num_attention_heads", `a divisor of hidden_size, ${hiddenSize}`);
  }
  const headWidth = config.integer("head_dim", {}, hiddenSize / heads);
  if (headWidth % 2 !== 0) {
    const message = `${config.file}: expected head_dim to be even, as rotary embedding turns pairs, got ${headWidth}`;
    throw new ConfigError("bad-value", message, { file: config.file, key: "head_dim", value: headWidth });
  }
  config.refuse("quantization_config", "quantized checkpoints are not supported yet");
  config.refuse("per_layer_config", "layers that differ are not supported");
  config.refuse("rope_interleaved", "this family turns channel i with channel i + E / 2", [false]);
  const maxPositions = config.integer("max_position_embeddings", {}, 2048);
  const rope = readRope(config, headWidth, maxPositions);
  return {
    hiddenSize,
    intermediateSize: config.integer("intermediate_size"),
    layers: config.integer("num_hidden_layers"),
    vocabSize: config.integer("vocab_size"),
    layout: { heads, kvHeads, headWidth },
    eps: config.number("rms_norm_eps", 0, 1e-6),
    activation: config.oneOf("hidden_act", activations, "silu"),
    attentionBias: config.boolean("attention_bias", false),
    mlpBias: config.boolean("mlp_bias", false),
    tied: config.boolean("tie_word_embeddings", false),
    rope,
    contextLength: Math.floor(maxPositions * rope.contextFactor),
  };
}

/** Checkpoints of the bare model have no `model.` before their names. */
function reserve(config: LlamaConfig, weights: Weights): LlamaWeights {
  const { hiddenSize: D, intermediateSize: F, layout, vocabSize, attentionBias, mlpBias } = config;
  const model = weights.has("embed_tokens.weight") ? weights : weights.scope("model.");
  const rows = (name: string, from: Weights) => Math.max(vocabSize, from.rowsOf(name) ?? vocabSize);
  const ownHead = weights.has("lm_head.weight");
  const tied = config.tied && !ownHead;
  const table = model.embedding("embed_tokens", [rows("embed_tokens.weight", model), D], { tied });
  const blocks = Array.from({ length: model.layersOf("layers.", config.layers) }, (_, layer): BlockWeights => {
    const block = model.scope(`layers.${layer}.`);
    const self = block.scope("self_attn.");
    const mlp = block.scope("mlp.");
    const width = layout.heads * layout.headWidth;
    const kvWidth = layout.kvHeads * layout.headWidth;
    return {
      attentionNorm: block.vector("input_layernorm.weight", D),
      qkv: self.linear({ q_proj: width, k_proj: kvWidth, v_proj: kvWidth }, D, { bias: attentionBias }),
      output: self.linear({ o_proj: D }, width, { bias: attentionBias }),
      mlpNorm: block.vector("post_attention_layernorm.weight", D),
      gateUp: mlp.linear({ gate_proj: F, up_proj: F }, D, { bias: mlpBias }),
      down: mlp.linear({ down_proj: D }, F, { bias: mlpBias }),
    };
  });
  const norm = model.vector("norm.weight", D);
  const head = tied ? weights.tied(table) : weights.linear({ lm_head: rows("lm_head.weight", weights) }, D);
  return { embedding: table, blocks, norm, head };
}

class Llama implements DecoderModel {
  readonly modelType = "llama";
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly layers: number;
  readonly layout: HeadLayout;
  readonly layerWork: number;
  readonly #config: LlamaConfig;
  readonly #weights: LlamaWeights;

  constructor(config: LlamaConfig, weights: LlamaWeights) {
    this.#config = config;
    this.#weights = weights;
    this.vocabSize = config.vocabSize;
    this.contextLength = config.contextLength;
    this.layers = config.layers;
    this.layout = config.layout;
    const { qkv, output, gateUp, down } = weights.blocks[0];
    this.layerWork = [qkv, output, gateUp, down].reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  }

  *forward(batch: Batch): Forward<Tensor<readonly [R: number, V: number]>> {
    const { runtime, ids, entries, rows, observe } = batch;
    const [config, weights] = [this.#config, this.#weights];
    const layers = bindCaches(runtime, entries);
    const angles = this.#angles(batch);
    const wanted = runtime.upload(rows, [rows.length] as const);
    let x = embedding(runtime.upload(ids, [ids.length] as const), weights.embedding);
    for (const [layer, block] of weights.blocks.entries()) {
      observe?.(layer, x);
      x = runtime.settle(x, this.#block(x, block, layers[layer], angles));
      yield;
    }
    for (const { cache, count } of entries) cache.length += count;
    observe?.(config.layers, rmsNorm(x, weights.norm, config.eps));
    return linear(rmsNorm(gatherRows(x, wanted), weights.norm, config.eps), weights.head);
  }

  #block(x: TD, weights: BlockWeights, spans: readonly SequenceSpan[], angles: Angles): TD {
    const { eps } = this.#config;
    x = add(x, this.#attention(rmsNorm(x, weights.attentionNorm, eps), weights, spans, angles));
    return add(x, this.#mlp(rmsNorm(x, weights.mlpNorm, eps), weights));
  }

  #attention(x: TD, weights: BlockWeights, spans: readonly SequenceSpan[], { cos, sin }: Angles): TD {
    const { layout } = this.#config;
    const qkv = rotate(linear(x, weights.qkv), cos, sin, layout);
    const scale = 1 / Math.sqrt(layout.headWidth);
    return linear(attention(qkv, spans, layout, { scale, causal: true }), weights.output);
  }

  #mlp(x: TD, weights: BlockWeights): TD {
    return linear(gated(linear(x, weights.gateUp), this.#config.activation), weights.down);
  }

  /** Cosines and sines of every new row, `[T, E / 2]` each. */
  #angles({ runtime, ids, entries }: Batch): Angles {
    const { rope } = this.#config;
    const shape = [ids.length, rope.half] as const;
    const cos = new Float32Array(ids.length * rope.half);
    const sin = new Float32Array(ids.length * rope.half);
    let offset = 0;
    for (const { cache, count, reaches } of entries) {
      rope.write(cos, sin, offset, cache.length, count, reaches);
      offset += count * rope.half;
    }
    return { cos: runtime.upload(cos, shape), sin: runtime.upload(sin, shape) };
  }
}

interface Angles {
  readonly cos: TD;
  readonly sin: TD;
}

/**
 * Llama 1 to 3 and what shares their shape: rotary positions, RMS norms before each half of a block, grouped-query
 * attention, gated feed-forward.
 * @see transformers 5.18, models/llama/modeling_llama.py; Touvron et al., "LLaMA", 2023
 */
export const llama: Architecture = {
  modelTypes: ["llama"],
  load(config, weights) {
    const checked = readConfig(config);
    return new Llama(checked, reserve(checked, weights));
  },
  harmless: (name) => /(^|\.)rotary_emb\.inv_freq$/.test(name),
  tokenizers: [g2pVocabulary],
};
