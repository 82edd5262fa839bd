import {
  type Activation,
  add,
  embedding,
  type Forward,
  type HeadLayout,
  linear,
  linearSteps,
  rotate,
  type SequenceSpan,
  type Weights,
} from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture, DecoderModel, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import { type Gpt2Block, layerNormDecoder } from "./gpt2.ts";
import {
  type Angles,
  activations,
  attend,
  type Norm,
  newAngles,
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
import { type Rope, readRope } from "./rope.ts";
/**
 * GPT-NeoX, Pythia and what shares their shape: rotary positions on a part of each head, and attention and feed-forward layer
 * side by side.
 * @see transformers 5.18, models/gpt_neox/modeling_gpt_neox.py; Black et al., "GPT-NeoX-20B", 2022
 */
export const gptNeox: Architecture = {
  modelTypes: ["gpt_neox"],
  load(config, weights) {
    const shape = readGptNeox(config);
    return gptNeoxDecoder(shape, reserveGptNeox(shape, weights));
  },
  harmless: (name) => /(^|\.)attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name),
  tokenizers: allFormats,
  tasks: decoderTasks,
};

interface GptNeoxConfig {
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
  readonly rope: Rope;
  readonly contextLength: number;
  /** Whether the linear layers of attention have biases. */
  readonly attentionBias: boolean;
  /** Whether both halves of a block read its input; otherwise the second reads what the first gave. */
  readonly isParallel: boolean;
}

interface GptNeoxWeights extends Vocabulary {
  readonly blocks: readonly Gpt2Block[];
  readonly norm: Norm;
}

function readGptNeox(config: ConfigReader): GptNeoxConfig {
  refuseForeign(config);
  config.ignore("hidden_dropout", "classifier_dropout");
  config.ignore("attention_probs_dropout_prob", "hidden_dropout_prob", "custom_pipelines");
  const { hiddenSize, layout } = readHeads(config);
  const maxPositions = config.integer("max_position_embeddings", {}, 2048);
  const rope = readGptNeoxRope(config, layout, maxPositions);
  return {
    modelType: config.modelType,
    hiddenSize,
    layout,
    rope,
    intermediateSize: config.integer("intermediate_size"),
    layers: config.integer("num_hidden_layers"),
    vocabSize: config.integer("vocab_size"),
    eps: config.number("layer_norm_eps", 0, 1e-5),
    activation: config.oneOf("hidden_act", activations, "gelu"),
    tied: config.boolean("tie_word_embeddings", false),
    headless: config.mayLackHead,
    contextLength: Math.floor(maxPositions * rope.contextFactor),
    attentionBias: config.boolean("attention_bias", true),
    isParallel: config.boolean("use_parallel_residual", true),
  };
}

function readGptNeoxRope(config: ConfigReader, { headWidth }: HeadLayout, contextLength: number): Rope {
  const [thetaKey, partialKey] = ["rotary_emb_base", "rotary_pct"];
  const rope = readRope(config, { headWidth, contextLength, partial: 0.25, thetaKey, partialKey });
  // Some versions save both names; the other families' name is read by none.
  const refuse = (name: string, key: string, usual: number): void => {
    const harmless = [config.number(key, 0, usual), config.object("rope_parameters")?.raw[name]];
    config.refuse(name, `${key} is what this family reads`, harmless);
  };
  refuse("rope_theta", thetaKey, 10_000);
  refuse("partial_rotary_factor", partialKey, 0.25);
  return rope;
}

function reserveGptNeox(config: GptNeoxConfig, weights: Weights): GptNeoxWeights {
  const { hiddenSize: D, eps } = config;
  const model = weights.base("gpt_neox.", "embed_in.weight");
  const names = { table: "embed_in", heads: ["embed_out", "lm_head"] };
  const vocabulary = reserveVocabulary(weights, model, names, config);
  const blocks = reserveLayers(model, "layers.", config.layers, (block) => reserveBlock(config, block));
  return { ...vocabulary, blocks, norm: reserveNorm(model, "final_layer_norm", D, eps) };
}

function reserveBlock(config: GptNeoxConfig, block: Weights): Gpt2Block {
  const { hiddenSize: D, intermediateSize: F, layout, eps, attentionBias: bias } = config;
  const { heads, headWidth } = layout;
  // The file has query, key and value of each head together; here all queries come first, then all keys.
  const order = Array.from({ length: 3 * heads }, (_, index) => (index % 3) * heads + Math.floor(index / 3));
  const blocks = { rows: headWidth, order };
  return {
    attentionNorm: reserveNorm(block, "input_layernorm", D, eps),
    qkv: block.linear({ "attention.query_key_value": 3 * D }, D, { bias, blocks, leastBits: 8 }),
    output: block.linear({ "attention.dense": D }, D, { bias, leastBits: 8 }),
    mlpNorm: reserveNorm(block, "post_attention_layernorm", D, eps),
    up: block.linear({ "mlp.dense_h_to_4h": F }, D, { bias: true }),
    down: block.linear({ "mlp.dense_4h_to_h": D }, F, { bias: true }),
  };
}

function gptNeoxDecoder(config: GptNeoxConfig, weights: GptNeoxWeights): DecoderModel {
  const { table, blocks } = weights;
  return layerNormDecoder(config, weights, (batch) => {
    const angles = newAngles(batch, config.rope);
    return {
      embed: (ids) => embedding(ids, table),
      block: (x, layer, spans, wanted) => runBlock(x, config, blocks[layer], angles, spans, wanted),
    };
  });
}

function* runBlock(
  x: TD,
  { layout, activation, isParallel }: GptNeoxConfig,
  { attentionNorm, qkv, output, mlpNorm, up, down }: Gpt2Block,
  { cos, sin }: Angles,
  spans: readonly SequenceSpan[],
  wanted: Wanted | undefined,
): Forward<TD> {
  const projected = yield* linearSteps(normalize(x, attentionNorm), qkv);
  const options = { scale: 1 / Math.sqrt(layout.headWidth), causal: true } as const;
  const seen = attend(rotate(projected, cos, sin, layout), spans, layout, options, wanted);
  x = pick(x, wanted);
  const attended = linear(seen, output, isParallel ? {} : { residual: x });
  const widened = yield* linearSteps(normalize(isParallel ? x : attended, mlpNorm), up, { activation });
  const y = yield* linearSteps(widened, down, { residual: attended });
  return isParallel ? add(y, x) : y;
}
