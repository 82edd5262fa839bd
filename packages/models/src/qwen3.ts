import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import { readQwenWindows, refuseQwenVariants } from "./qwen2.ts";
import {
  isRotaryBuffer,
  RotaryDecoder,
  readContext,
  readRotary,
  refuseBiases,
  reserveBlock,
  reserveHeadNorms,
  reserveRotary,
} from "./rotary-decoder.ts";

/**
 * Qwen 3 without experts: Qwen 2 without its biases, with a norm of each head's queries and keys.
 * @see transformers 5.18, models/qwen3/modeling_qwen3.py; Yang et al., "Qwen3 Technical Report", 2025
 */
export const qwen3: Architecture = {
  modelTypes: ["qwen3"],
  load(config, weights) {
    const shape = readRotary(config, { kvHeads: 32, headWidth: 128 });
    const { rope, contextLength } = readContext(config, shape.layout, 32_768);
    refuseBiases(config, "mlp_bias");
    const bias = config.boolean("attention_bias", false);
    refuseQwenVariants(config);
    const whole = { ...shape, modelType: "qwen3", contextLength };
    const reserved = reserveRotary(whole, weights, (block) => ({
      ...reserveBlock(whole, block, { attention: bias, output: bias }),
      headNorms: reserveHeadNorms(whole, block),
    }));
    const plans = readQwenWindows(config, shape.layers).map((window) => ({ rope, window }));
    return new RotaryDecoder(whole, plans, reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: embeddingDecoderTasks,
};
