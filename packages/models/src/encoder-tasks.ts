import { embedBatch } from "./embedding/embed.ts";
import { arrangeFiles, readModules } from "./embedding/modules.ts";
import { encode, encoderStates, maskedLogits } from "./pipeline/encoder-forwards.ts";
import { classify, fillMask, rerank, tagTokens } from "./pipeline/heads.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** What a pipeline does with models that read whole texts. */
export const encoderTasks: Tasks = {
  embedBatch,
  readModules,
  arrangeFiles,
  fillMask,
  classify,
  rerank,
  tagTokens,
  encode,
  logits: maskedLogits,
  hiddenStates: encoderStates,
};
