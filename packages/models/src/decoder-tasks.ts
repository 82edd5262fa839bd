import { decoderLogits, decoderStates, encodeWithDecoder } from "./pipeline/forwards.ts";
import { generate, generateBatch, stream } from "./pipeline/generation.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** What a pipeline does with models that continue a text. */
export const decoderTasks: Tasks = {
  generate,
  generateBatch,
  stream,
  encode: encodeWithDecoder,
  logits: decoderLogits,
  hiddenStates: decoderStates,
};
