import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import {
  isRotaryBuffer,
  readContext,
  readRotary,
  readWindow,
  readWindows,
  reserveBlock,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";
/**
 * SmolLM 3: Llama where every fourth layer does not know positions.
 * @see transformers 5.18, models/smollm3/modeling_smollm3.py; Yang et al., "RoPE to NoPE and Back Again", 2025
 */
export const smollm3: Architecture = {
  modelTypes: ["smollm3"],
  load(config, weights) {
    const read = readRotary(config, { kvHeads: 4, tied: true });
    const { rope, ...shape } = readContext(config, read, 32_768, { theta: 2_000_000 });
    const attention = config.boolean("attention_bias", false);
    const mlp = config.boolean("mlp_bias", false);
    config.ignore("max_window_layers");
    const reserved = reserveRotary(shape, weights, (block) =>
      reserveBlock(shape, block, { attention, output: attention, mlp }),
    );
    const turns = readTurns(config, shape.layers);
    const isOn = config.boolean("use_sliding_window", false);
    const window = readWindow(config);
    const windows = readWindows(config, shape.layers, isOn ? window : undefined, (layer) => !turns[layer]);
    const plans = windows.map((own, layer) => ({ rope: turns[layer] ? rope : undefined, window: own }));
    return rotaryDecoder(shape, plans, reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: decoderTasks,
};

const isFlag = (value: unknown): value is number => value === 0 || value === 1;

/** Which layers turn their queries and keys: `no_rope_layers` has a 1 for those that do, and may go on behind the last. */
function readTurns(config: ConfigReader, layers: number): boolean[] {
  const interval = config.integer("no_rope_layer_interval", {}, 4);
  const given = config.given("no_rope_layers");
  const length = Array.isArray(given) ? Math.max(given.length, layers) : layers;
  const flags = config.list("no_rope_layers", length, "of 0, 1", isFlag);
  return Array.from({ length: layers }, (_, layer) => (flags ? flags[layer] === 1 : (layer + 1) % interval !== 0));
}
