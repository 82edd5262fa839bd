import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import {
  isRotaryBuffer,
  RotaryDecoder,
  readContext,
  readRotary,
  readUniformPlans,
  readWindow,
  refuseBiases,
  reserveBlock,
  reserveRotary,
} from "./rotary-decoder.ts";

/**
 * Mistral 7B and what shares its shape: Llama with a window in every layer, which later versions turn off with null.
 * @see transformers 5.18, models/mistral/modeling_mistral.py; Jiang et al., "Mistral 7B", 2023
 */
export const mistral: Architecture = {
  modelTypes: ["mistral"],
  load(config, weights) {
    const shape = readRotary(config, { kvHeads: 8 });
    const { rope, contextLength } = readContext(config, shape.layout, 131_072);
    refuseBiases(config, "attention_bias", "mlp_bias");
    const window = readWindow(config, 4096);
    const whole = { ...shape, modelType: "mistral", contextLength };
    const reserved = reserveRotary(whole, weights, (block) => reserveBlock(whole, block));
    return new RotaryDecoder(whole, readUniformPlans(config, shape.layers, rope, window), reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: embeddingDecoderTasks,
};
