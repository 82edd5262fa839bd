// A whole model in one file: what stands in for `Pipeline` opens that instead of a folder's files.
import { openPacked } from "kiloformer/core";
import { llama } from "kiloformer/llama";

/** @param tokenizers those that the model may have */
export const fromPacked = (tokenizers) => ({
  fromFiles: (file, options) => openPacked({ architectures: [llama], tokenizers }, file, options),
});
