import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

/** Every architecture that `kiloformer` opens. */
export const architectures: readonly Architecture[] = [llama];
