import { phonemizeBatch } from "./pipeline/phonemize.ts";
import { pronounceBatch } from "./pipeline/pronounce.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** What a pipeline does with models that turn spelling into IPA, and with no others: they are not asked to continue a prompt. */
export const g2pTasks: Tasks = { phonemizeBatch, pronounceBatch };
