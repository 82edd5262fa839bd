import { allFormats } from "@kiloformer/tokenizers";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import { g2pTasks } from "./g2p-tasks.ts";
import { createPipeline } from "./pipeline/create-pipeline.ts";
import type { Pipeline as OpenPipeline } from "./pipeline/pipeline.ts";
import { architectures } from "./registry.ts";

export { allFormats, Tokenizer } from "@kiloformer/tokenizers";
export * from "./core.ts";
export { llama } from "./llama.ts";
export { architectures } from "./registry.ts";

/** A pipeline that opens every architecture of this package. */
export const Pipeline = createPipeline(architectures, allFormats, { ...g2pTasks, ...embeddingDecoderTasks });
export type Pipeline = OpenPipeline;
