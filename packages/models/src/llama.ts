import { g2pVocabulary } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import type { Jump } from "./layers.ts";
import { phonemizeBatch } from "./pipeline/phonemize.ts";
import {
  isRotaryBuffer,
  RotaryDecoder,
  readContext,
  readRotary,
  readUniformPlans,
  reserveBlock,
  reserveRotary,
} from "./rotary-decoder.ts";

/**
 * `sos_position` of our own grapheme-to-phoneme models (verify/g2p): the position of `bos_token_id`, which ends a word's letters,
 * so that a letter and its phones are equally far apart in words of any length.
 */
function readJump(config: ConfigReader, contextLength: number): Jump | undefined {
  if (!config.has("sos_position")) return undefined;
  const position = config.integer("sos_position", { max: contextLength });
  return { id: config.integer("bos_token_id", { min: 0 }), position };
}

/**
 * Llama 1 to 3 and what shares their shape: rotary positions, RMS norms before each half of a block, grouped-query
 * attention, gated feed-forward.
 * @see transformers 5.18, models/llama/modeling_llama.py; Touvron et al., "LLaMA", 2023
 */
export const llama: Architecture = {
  modelTypes: ["llama"],
  load(config, weights) {
    const shape = readRotary(config);
    const { rope, contextLength } = readContext(config, shape.layout, 2048);
    const attention = config.boolean("attention_bias", false);
    const mlp = config.boolean("mlp_bias", false);
    config.refuse("sliding_window", "this family has no windows");
    const whole = { ...shape, modelType: "llama", contextLength, jump: readJump(config, contextLength) };
    const reserved = reserveRotary(whole, weights, (block) =>
      reserveBlock(whole, block, { attention, output: attention, mlp }),
    );
    return new RotaryDecoder(whole, readUniformPlans(config, shape.layers, rope), reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: [g2pVocabulary],
  tasks: { ...decoderTasks, phonemizeBatch },
};
