import { decoderOf } from "../generation/decoder.ts";
import type { TaskContext } from "../pipeline/tasks.ts";
import { type EmbedOptions, embedTexts } from "./vectors.ts";

/** One vector for each text, by a decoder: what sentence-transformers' `encode` gives. */
export function embedWithDecoder(
  context: TaskContext,
  texts: readonly string[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  return embedTexts(context, texts, options, async (context, rows, signal) => {
    const states: Float32Array[] = [];
    for (const { ids } of rows) states.push(await decoderOf(context).states(ids, { signal }));
    return states;
  });
}
