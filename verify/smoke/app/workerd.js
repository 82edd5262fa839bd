// A Cloudflare Worker: kernels and model files are modules of its upload.
import { Pipeline } from "kiloformer";
import files from "model-files";
import { respond } from "./respond.js";

export default {
  fetch: (request) => respond(request, Pipeline, () => files),
};
