import type { Architecture } from "./architecture.ts";
import { g2pTasks } from "./g2p-tasks.ts";
import { llama } from "./llama.ts";

/** Grapheme-to-phoneme models: a Llama whose vocabulary maps letters and jamo to IPA, with all that can be asked of it. */
export const g2p: Architecture = { ...llama, tasks: g2pTasks };
