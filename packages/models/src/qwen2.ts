import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import {
  isRotaryBuffer,
  readContext,
  readRotary,
  readWindow,
  readWindows,
  refuseBiases,
  reserveBlock,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";
/**
 * Qwen 1.5, 2 and 2.5: Llama whose queries, keys and values have biases.
 * @see transformers 5.18, models/qwen2/modeling_qwen2.py; Yang et al., "Qwen2 Technical Report", 2024
 */
export const qwen2: Architecture = {
  modelTypes: ["qwen2"],
  load(config, weights) {
    const { rope, ...shape } = readContext(config, readRotary(config, { kvHeads: 32 }), 32_768);
    refuseBiases(config, "mlp_bias");
    refuseQwenVariants(config);
    const reserved = reserveRotary(shape, weights, (block) => reserveBlock(shape, block, { attention: true }));
    const plans = readQwenWindows(config, shape.layers).map((window) => ({ rope, window }));
    return rotaryDecoder(shape, plans, reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: embeddingDecoderTasks,
};

/** Keys that published configs have and that would ask for another model. */
export function refuseQwenVariants(config: ConfigReader): void {
  config.refuse("use_mrope", "positions in several dimensions are not supported", [false]);
  config.refuse("dual_chunk_attention_config", "dual chunk attention is not supported");
}

/** Windows are off unless `use_sliding_window` is true; then layers from `max_window_layers` on have one. */
export function readQwenWindows(config: ConfigReader, layers: number): (number | undefined)[] {
  const first = config.integer("max_window_layers", { min: 0 }, 28);
  const isOn = config.boolean("use_sliding_window", false);
  const window = readWindow(config, 4096);
  return readWindows(config, layers, isOn ? window : undefined, (layer) => layer >= first);
}
