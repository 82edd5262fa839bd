// A page with nothing beside its script but the packed model: no kernels, no config, no vocabulary.
import { allFormats } from "@kiloformer/tokenizers";
import { fromPacked } from "./packed.js";
import { describeError, tellAll } from "./story.js";

globalThis.fromOneFile = async ({ stories }) => {
  try {
    return await tellAll(fromPacked(allFormats), () => fetch("model.wasm"), stories);
  } catch (error) {
    return describeError(error);
  }
};
