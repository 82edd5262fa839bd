import { decoderTasks } from "./decoder-tasks.ts";
import { phonemizeBatch } from "./pipeline/phonemize.ts";
import { pronounceBatch } from "./pipeline/pronounce.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** What a pipeline does with models that turn spelling into IPA. */
export const g2pTasks: Tasks = { ...decoderTasks, phonemizeBatch, pronounceBatch };
