import { decoderTasks } from "./decoder-tasks.ts";
import { embedWithDecoder } from "./embedding/embed-decoder.ts";
import { arrangeFiles, readModules } from "./embedding/modules.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** What a pipeline does with models that continue a text, and that embed texts too. */
export const embeddingDecoderTasks: Tasks = {
  ...decoderTasks,
  embedBatch: embedWithDecoder,
  readModules,
  arrangeFiles,
};
