import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

/** Grapheme-to-phoneme models: a Llama whose vocabulary maps letters and jamo to IPA. */
export const g2p: Architecture = llama;
