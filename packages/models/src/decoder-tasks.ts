import { embedWithDecoder } from "./embedding/embed-decoder.ts";
import { arrangeFiles, readModules } from "./embedding/modules.ts";
import { decoderLogits, decoderStates, encodeWithDecoder } from "./pipeline/forwards.ts";
import { generate, generateBatch, stream } from "./pipeline/generation.ts";
import { phonemizeBatch } from "./pipeline/phonemize.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** What a pipeline does with models that continue a text. */
export const decoderTasks: Tasks = {
  generate,
  generateBatch,
  stream,
  phonemizeBatch,
  encode: encodeWithDecoder,
  logits: decoderLogits,
  hiddenStates: decoderStates,
};

/** Vectors of texts, by models that continue a text. */
export const decoderEmbedding: Tasks = { embedBatch: embedWithDecoder, readModules, arrangeFiles };

/** What a pipeline does with models that continue a text, and that embed texts too. */
export const embeddingDecoderTasks: Tasks = { ...decoderTasks, ...decoderEmbedding };
