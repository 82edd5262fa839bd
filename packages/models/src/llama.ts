import type { Weights } from "@kiloformer/core";
import { g2pVocabulary } from "@kiloformer/tokenizers";
import type { Architecture, DecoderModel } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import { readLetterOrder } from "./letter-order.ts";
import { phonemizeBatch } from "./pipeline/phonemize.ts";
import {
  isRotaryBuffer,
  readContext,
  readRotary,
  readUniformPlans,
  reserveBlock,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";

/**
 * Llama 1 to 3 and what shares their shape: rotary positions, RMS norms before each half of a block, grouped-query
 * attention, gated feed-forward.
 * @see transformers 5.18, models/llama/modeling_llama.py; Touvron et al., "LLaMA", 2023
 */
export const llama: Architecture = {
  modelTypes: ["llama"],
  load: loadLlama,
  harmless: isRotaryBuffer,
  tokenizers: [g2pVocabulary],
  tasks: /* @__PURE__ */ Object.assign({}, decoderTasks, { phonemizeBatch }),
};

/** Apart from what is done with the model, for families that do less with it. */
export function loadLlama(config: ConfigReader, weights: Weights): DecoderModel {
  const { rope, ...shape } = readContext(config, readRotary(config), 2048);
  const attention = config.boolean("attention_bias", false);
  const mlp = config.boolean("mlp_bias", false);
  config.refuse("sliding_window", "this family has no windows");
  const whole = { ...shape, stretchesOf: readLetterOrder(config, shape.contextLength) };
  const reserved = reserveRotary(whole, weights, (block) =>
    reserveBlock(whole, block, { attention, output: attention, mlp }),
  );
  return rotaryDecoder(whole, readUniformPlans(config, shape.layers, rope), reserved);
}
