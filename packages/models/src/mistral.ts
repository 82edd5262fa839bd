import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import {
  isRotaryBuffer,
  readContext,
  readRotary,
  readUniformPlans,
  readWindow,
  refuseBiases,
  reserveBlock,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";

/**
 * Mistral 7B and what shares its shape: Llama with a window in every layer, which later versions turn off with null.
 * @see transformers 5.18, models/mistral/modeling_mistral.py; Jiang et al., "Mistral 7B", 2023
 */
export const mistral: Architecture = {
  modelTypes: ["mistral"],
  load(config, weights) {
    const { rope, ...shape } = readContext(config, readRotary(config, { kvHeads: 8 }), 131_072);
    refuseBiases(config, "attention_bias", "mlp_bias");
    const window = readWindow(config, 4096);
    const reserved = reserveRotary(shape, weights, (block) => reserveBlock(shape, block));
    return rotaryDecoder(shape, readUniformPlans(config, shape.layers, rope, window), reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: embeddingDecoderTasks,
};
