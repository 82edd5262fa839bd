import { appendKeys, attendSteps, linear, linearSteps, rmsNorm, sumBlocks } from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { bucketBias } from "./relative-positions.ts";
import { type EncoderAttention, isHarmlessT5, loadT5, readT5, windowAttention, within } from "./t5.ts";
import { textToTextTasks } from "./text-to-text-tasks.ts";

/** A row sees its neighbours, and a sum of each block of the text. */
function transientGlobalAttention(radius: number, block: number): EncoderAttention {
  const name = "TransientGlobalSelfAttention";
  return {
    name,
    reserve(config, encoder) {
      const { layout, buckets, hiddenSize: D, eps } = config;
      const biasOf = bucketBias({ ...buckets, bidirectional: true });
      const first = encoder.scope(`block.0.layer.0.${name}.`);
      const local = first.embedding("relative_attention_bias", [buckets.count, layout.heads]);
      const global = first.embedding("global_relative_attention_bias", [buckets.count, layout.heads]);
      const norms = Array.from({ length: config.encoderLayers }, (_, layer) =>
        encoder.vector(`block.${layer}.layer.0.${name}.global_input_layer_norm.weight`, D),
      );
      const column = layout.heads * layout.headWidth;
      return (batch) => {
        const { runtime, lengths } = batch;
        const bias = biasOf(runtime, local, within(radius, lengths));
        const counts = lengths.map((length) => Math.floor(length / block));
        const globalBiases = new Map(
          [...new Set(counts)].filter((count) => count > 0).map((count) => [count, biasOf(runtime, global, count)]),
        );
        const pages = runtime.temporaryPages(Math.max(0, ...lengths.map((length, i) => length + counts[i])), layout);
        return function* (x, { qkv }, layer) {
          const rows = yield* linearSteps(x, qkv);
          const y = runtime.allocate([x.shape[0], column] as const);
          let row = 0;
          for (const [index, count] of lengths.entries()) {
            const globals = counts[index];
            if (globals > 0) {
              const sums = linear(rmsNorm(sumBlocks(x, row, count, block), norms[layer], eps), qkv);
              appendKeys(sums, column, { row: 0, count: globals, position: 0, pages }, layout);
            }
            appendKeys(rows, column, { row, count, position: globals, pages }, layout);
            const span = { row, count, position: 0, pages, keys: count };
            const seen = globals > 0 ? { count: globals, block, bias: globalBiases.get(globals)!.values } : undefined;
            const options = { scale: 1, causal: false, window: radius, bias, globals: seen };
            yield* attendSteps(rows, span, layout, options, y);
            row += count;
            yield;
          }
          return y;
        };
      };
    },
  };
}

/**
 * T5 for long texts: its encoder looks at neighbours only, or at them and at sums of blocks.
 * @see transformers 5.18, models/longt5/modeling_longt5.py; Guo et al., "LongT5", 2022
 */
export const longt5: Architecture = {
  modelTypes: ["longt5"],
  load(config, weights) {
    const checked = readT5(config);
    const radius = config.integer("local_radius", {}, 127);
    const block = config.integer("global_block_size", {}, 16);
    const kinds = {
      local: windowAttention("LocalSelfAttention", radius),
      "transient-global": transientGlobalAttention(radius, block),
    };
    return loadT5(checked, weights, config.oneOf("encoder_attention_type", kinds, "local"));
  },
  harmless: isHarmlessT5,
  tokenizers: allFormats,
  tasks: textToTextTasks,
};
