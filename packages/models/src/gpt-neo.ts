import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import { gpt2Decoder, refuseGpt2, reserveGpt2 } from "./gpt2.ts";
import { activations, readHeads, reserveNorm } from "./layers.ts";
/**
 * GPT-Neo: GPT-2 where every second layer has a window, and attention scores are not scaled.
 * @see transformers 5.18, models/gpt_neo/modeling_gpt_neo.py; Black et al., "GPT-Neo", 2021
 */
export const gptNeo: Architecture = {
  modelTypes: ["gpt_neo"],
  load(config, weights) {
    refuseGpt2(config);
    const { hiddenSize: D, layout } = readHeads(config, undefined, "num_heads");
    const F = config.integer("intermediate_size", {}, 4 * D);
    const eps = config.number("layer_norm_epsilon", 0, 1e-5);
    const layers = config.integer(config.nameOf("num_layers", "num_hidden_layers"));
    config.ignore("embed_dropout", "resid_dropout", "classifier_dropout");
    const windowSize = config.integer("window_size", {}, 256);
    const isLocal = readLocalLayers(config, layers);
    const shape = {
      modelType: "gpt_neo",
      hiddenSize: D,
      intermediateSize: F,
      layout,
      layers,
      eps,
      vocabSize: config.integer("vocab_size"),
      activation: config.oneOf("activation_function", activations, "gelu_new"),
      tied: config.boolean("tie_word_embeddings", true),
      headless: config.mayLackHead,
      contextLength: config.integer("max_position_embeddings", {}, 2048),
      scale: () => 1,
      window: (layer: number) => (isLocal(layer) ? windowSize - 1 : undefined),
    };
    const reserved = reserveGpt2(shape, weights, (block) => {
      const self = block.scope("attn.attention.");
      return {
        attentionNorm: reserveNorm(block, "ln_1", D, eps),
        qkv: self.linear({ q_proj: D, k_proj: D, v_proj: D }, D, { leastBits: 8 }),
        output: self.linear({ out_proj: D }, D, { bias: true, leastBits: 8 }),
        mlpNorm: reserveNorm(block, "ln_2", D, eps),
        up: block.linear({ "mlp.c_fc": F }, D, { bias: true }),
        down: block.linear({ "mlp.c_proj": D }, F, { bias: true }),
      };
    });
    return gpt2Decoder(shape, reserved);
  },
  harmless: (name) => /(^|\.)attn\.attention\.(bias|masked_bias)$/.test(name),
  tokenizers: allFormats,
  tasks: decoderTasks,
};

type Pair = readonly [types: readonly string[], times: number];
const isType = (value: unknown): value is string => value === "global" || value === "local";
const isPair = (value: unknown): value is Pair =>
  Array.isArray(value) &&
  value.length === 2 &&
  Array.isArray(value[0]) &&
  value[0].length > 0 &&
  value[0].every(isType) &&
  Number.isSafeInteger(value[1]) &&
  value[1] > 0;

/** `attention_layers`, or what `attention_types` says in short: pairs of kinds and how often they are repeated. */
function readLocalLayers(config: ConfigReader, layers: number): (layer: number) => boolean {
  const given = config.given("attention_types");
  const pairs = config.list("attention_types", Array.isArray(given) ? given.length : 0, "[kinds, times]", isPair);
  const types = config.list("attention_layers", layers, "of global, local", isType);
  if (types) return (layer) => types[layer] === "local";
  const runs: readonly Pair[] = pairs ?? [[["global", "local"], 12]];
  const total = runs.reduce((sum, [kinds, times]) => sum + kinds.length * times, 0);
  if (total !== layers) throw config.bad("attention_types", `kinds of ${layers} layers, as num_layers says`);
  return (layer) => kindOf(runs, layer) === "local";
}

function kindOf(runs: readonly Pair[], layer: number): string {
  for (const [kinds, times] of runs) {
    if (layer < kinds.length * times) return kinds[layer % kinds.length];
    layer -= kinds.length * times;
  }
  throw new RangeError("attention_types");
}
