import { g2pVocabulary } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { decoderTasks } from "./decoder-tasks.ts";
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
    const whole = { ...shape, modelType: "llama", contextLength };
    const reserved = reserveRotary(whole, weights, (block) =>
      reserveBlock(whole, block, { attention, output: attention, mlp }),
    );
    return new RotaryDecoder(whole, readUniformPlans(config, shape.layers, rope), reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: [g2pVocabulary],
  tasks: decoderTasks,
};
