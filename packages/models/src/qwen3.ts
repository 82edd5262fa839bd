import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import { readQwenWindows, refuseQwenVariants } from "./qwen2.ts";
import {
  isRotaryBuffer,
  readContext,
  readRotary,
  refuseBiases,
  reserveBlock,
  reserveHeadNorms,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";

/**
 * Qwen 3 without experts: Qwen 2 without its biases, with a norm of each head's queries and keys.
 * @see transformers 5.18, models/qwen3/modeling_qwen3.py; Yang et al., "Qwen3 Technical Report", 2025
 */
export const qwen3: Architecture = {
  modelTypes: ["qwen3"],
  load(config, weights) {
    const { rope, ...shape } = readContext(config, readRotary(config, { kvHeads: 32, headWidth: 128 }), 32_768);
    refuseBiases(config, "mlp_bias");
    const bias = config.boolean("attention_bias", false);
    refuseQwenVariants(config);
    const reserved = reserveRotary(shape, weights, (block) => ({
      ...reserveBlock(shape, block, { attention: bias, output: bias }),
      headNorms: reserveHeadNorms(shape, block),
    }));
    const plans = readQwenWindows(config, shape.layers).map((window) => ({ rope, window }));
    return rotaryDecoder(shape, plans, reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: embeddingDecoderTasks,
};
