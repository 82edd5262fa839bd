// A whole model in one file: what stands in for `Pipeline` opens that instead of a folder's files.
import { createPipeline, openPacked } from "kiloformer/core";
import { llama } from "kiloformer/llama";

/** @param formats the tokenizers that the model may have */
export const fromPacked = (formats) => {
  const Pipeline = createPipeline([llama], formats);
  return { fromFiles: (file, options) => openPacked(Pipeline, file, options) };
};
