import {
  embedding,
  encoderAttentionSteps,
  type Forward,
  gated,
  type LinearWeight,
  linearSteps,
  meanRows,
  rotate,
  type Weights,
} from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderBatch, EncoderHeads, EncoderModel, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import {
  type Angles,
  activations,
  anglesOf,
  encode,
  factsOf,
  firstRows,
  gatedActivations,
  headOptions,
  type Norm,
  normalize,
  pick,
  readHeads,
  reserveNorm,
  reserveVocabulary,
  type WantedRows,
} from "./layers.ts";
import { hasClassifier, namesOther } from "./post-norm-encoder.ts";
import { checkQuantization } from "./quantization-config.ts";
import { type Rope, readRope } from "./rope.ts";
import { anglesOfPlans, readLayerTypes } from "./rotary-decoder.ts";

interface Block {
  /** None in the first block: the embedding is normalised. */
  readonly attentionNorm: Norm | undefined;
  readonly qkv: LinearWeight;
  readonly output: LinearWeight;
  readonly mlpNorm: Norm;
  readonly gateUp: LinearWeight;
  readonly down: LinearWeight;
  readonly rope: Rope;
  /** The farthest distance that it looks at. */
  readonly window: number | undefined;
}

function readConfig(config: ConfigReader) {
  checkQuantization(config);
  config.refuse("is_causal", "it would need a causal mask", [false]);
  config.refuse("causal_mask", "it would need a causal mask", [false]);
  config.ignore("embedding_dropout", "mlp_dropout", "classifier_dropout", "initializer_cutoff_factor");
  config.ignore("deterministic_flash_attn", "sparse_prediction", "sparse_pred_ignore_index", "reference_compile");
  config.ignore("cls_token_id", "repad_logits_with_grad", "layer_norm_eps");
  config.ignore("position_embedding_type");
  return {
    ...readHeads(config),
    layers: config.integer("num_hidden_layers"),
    globalEvery: config.integer("global_attn_every_n_layers", {}, 3),
    intermediateSize: config.integer("intermediate_size"),
    vocabSize: config.integer("vocab_size"),
    contextLength: config.integer("max_position_embeddings", {}, 8192),
    eps: config.number("norm_eps", 0, 1e-5),
    normBias: config.boolean("norm_bias", false),
    attentionBias: config.boolean("attention_bias", false),
    mlpBias: config.boolean("mlp_bias", false),
    decoderBias: config.boolean("decoder_bias", true),
    classifierBias: config.boolean("classifier_bias", false),
    classifierActivation: config.oneOf("classifier_activation", activations, "gelu"),
    pooling: config.oneOf("classifier_pooling", { cls: "cls", mean: "mean" }, "cls"),
    activation: config.oneOf("hidden_activation", gatedActivations, "gelu"),
    tied: config.boolean("tie_word_embeddings", true),
    window: readWindow(config),
  };
}

/** The farthest distance: half of `local_attention`, or `sliding_window`. */
function readWindow(config: ConfigReader): number {
  if (config.has("sliding_window") && !config.has("local_attention")) return config.integer("sliding_window");
  const window = Math.floor(config.integer("local_attention", {}, 128) / 2);
  config.refuse("sliding_window", "half of local_attention is another number", [window]);
  return window;
}

/** Rope of layers that see everything, and of those that see a window; old configs have a theta for each. */
function readRopes(config: ConfigReader, { layout, contextLength }: ReturnType<typeof readConfig>) {
  const parameters = config.object("rope_parameters");
  const scaling = config.object("rope_scaling");
  const rope = (type: string, theta: number, thetaKey: string) => {
    const defaults = { headWidth: layout.headWidth, contextLength, theta, thetaKey };
    return readRope(config, defaults, parameters?.object(type) ?? scaling ?? null);
  };
  return {
    full: rope("full_attention", 160_000, "global_rope_theta"),
    sliding: rope("sliding_attention", 10_000, "local_rope_theta"),
  };
}

function reserveBlocks(config: ConfigReader, checked: ReturnType<typeof readConfig>, model: Weights): Block[] {
  const { hiddenSize: D, intermediateSize: F, eps, normBias, attentionBias, mlpBias } = checked;
  const ropes = readRopes(config, checked);
  const layers = model.layersOf("layers.", checked.layers);
  const slidings = readLayerTypes(config, layers, (layer) => layer % checked.globalEvery !== 0);
  return Array.from({ length: layers }, (_, layer) => {
    const block = model.scope(`layers.${layer}.`);
    const slides = slidings[layer];
    return {
      attentionNorm: layer === 0 ? undefined : reserveNorm(block, "attn_norm", D, eps, normBias),
      qkv: block.linear({ "attn.Wqkv": 3 * D }, D, { bias: attentionBias, leastBits: 8 }),
      output: block.linear({ "attn.Wo": D }, D, { bias: attentionBias, leastBits: 8 }),
      mlpNorm: reserveNorm(block, "mlp_norm", D, eps, normBias),
      gateUp: block.linear({ "mlp.Wi": 2 * F }, D, { bias: mlpBias }),
      down: block.linear({ "mlp.Wo": D }, F, { bias: mlpBias }),
      rope: slides ? ropes.sliding : ropes.full,
      window: slides ? checked.window : undefined,
    };
  });
}

/** Dense, activation and norm stand before every head. */
function reserveHeads(
  config: ConfigReader,
  checked: ReturnType<typeof readConfig>,
  weights: Weights,
  decoder: LinearWeight | undefined,
): EncoderHeads {
  const { hiddenSize: D, eps, normBias, classifierBias, classifierActivation, pooling } = checked;
  if (!weights.has("head.dense.weight")) return {};
  const dense = weights.linear({ "head.dense": D }, D, { ...headOptions, bias: classifierBias });
  const norm = reserveNorm(weights, "head.norm", D, eps, normBias);
  const head = function* (x: TD, output: LinearWeight): Forward<TD> {
    const rows = yield* linearSteps(x, dense, { activation: classifierActivation });
    return yield* linearSteps(normalize(rows, norm), output);
  };
  if (!weights.has("classifier.weight")) {
    return { maskedLm: decoder && ((rows) => head(rows, decoder)) };
  }
  const { labels } = config;
  if (!hasClassifier(weights, labels)) return {};
  const output = weights.linear({ classifier: labels }, D, headOptions);
  if (config.task === "TokenClassification") {
    return { tokenClassification: (x) => head(x, output) };
  }
  const pool = (x: TD, batch: EncoderBatch) => (pooling === "cls" ? firstRows(x, batch) : meanRows(x, batch.lengths));
  return { sequenceClassification: (x, batch) => head(pool(x, batch), output) };
}

function loadModernBert(config: ConfigReader, weights: Weights): EncoderModel {
  const checked = readConfig(config);
  const { hiddenSize: D, layers, eps, normBias } = checked;
  const model = weights.base("model.", "embeddings.tok_embeddings.weight");
  const masked = weights.has("head.dense.weight") && !weights.has("classifier.weight");
  const biases = checked.decoderBias ? ["decoder.bias"] : undefined;
  const names = { table: "embeddings.tok_embeddings", heads: masked ? ["decoder"] : [], biases };
  const headless = !masked || namesOther(config);
  const vocabulary = reserveVocabulary(weights, model, names, { ...checked, tied: checked.tied && masked, headless });
  const embeddingNorm = reserveNorm(model, "embeddings.norm", D, eps, normBias);
  const blocks = reserveBlocks(config, checked, model);
  const norm = reserveNorm(model, "final_norm", D, eps, normBias);
  const { qkv, output, gateUp, down } = blocks[0];
  return {
    ...factsOf({ ...checked, modelType: config.modelType }, [qkv, output, gateUp, down]),
    kind: "encoder",
    typeVocabSize: 0,
    classifiesFirst: checked.pooling === "cls",
    heads: reserveHeads(config, checked, weights, vocabulary.head),
    forward(batch) {
      const angles = anglesOfPlans(blocks, (rope) => anglesOf(batch, rope));
      return encode(batch, layers, {
        embed: (ids) => normalize(embedding(ids, vocabulary.table), embeddingNorm),
        block: (x, layer, wanted) =>
          runBlock(x, checked, blocks[layer], angles.get(blocks[layer].rope)!, batch, wanted),
        picks: true,
        norm: (x) => normalize(x, norm),
      });
    },
  };
}

function* runBlock(
  x: TD,
  { layout, activation }: ReturnType<typeof readConfig>,
  { attentionNorm, qkv, output, mlpNorm, gateUp, down, window }: Block,
  { cos, sin }: Angles,
  { lengths }: EncoderBatch,
  wanted: WantedRows | undefined,
): Forward<TD> {
  const projected = yield* linearSteps(attentionNorm ? normalize(x, attentionNorm) : x, qkv);
  const turned = rotate(projected, cos, sin, layout);
  const scale = 1 / Math.sqrt(layout.headWidth);
  const attended = yield* encoderAttentionSteps(turned, lengths, layout, { scale, window }, wanted);
  x = yield* linearSteps(attended, output, { residual: pick(x, wanted) });
  const widened = yield* linearSteps(normalize(x, mlpNorm), gateUp);
  return yield* linearSteps(gated(widened, activation), down, { residual: x });
}

/**
 * @see transformers 5.18, models/modernbert/modeling_modernbert.py; Warner et al., "Smarter, Better, Faster, Longer", 2024
 */
export const modernbert: Architecture = {
  modelTypes: ["modernbert"],
  load: loadModernBert,
  harmless: (name) => /^(head|decoder|classifier|qa_outputs)\.|rotary_emb\.inv_freq$/.test(name),
  tokenizers: allFormats,
  tasks: encoderTasks,
};
