import { encoderOf } from "../encoding/encoder.ts";
import type { TaskContext } from "../pipeline/tasks.ts";
import { type EmbedOptions, embedTexts } from "./vectors.ts";

export type { EmbedOptions } from "./vectors.ts";

/** One vector for each text, by an encoder: what sentence-transformers' `encode` gives. */
export function embedBatch(
  context: TaskContext,
  texts: readonly string[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  return embedTexts(context, texts, options, (context, rows, signal, picks) =>
    encoderOf(context).states(rows, { signal, picks }),
  );
}
