// A Cloudflare Worker whose model is a module of its upload, compiled there.
import { allFormats } from "@kiloformer/tokenizers";
import model from "./model.wasm";
import { fromPacked } from "./packed.js";
import { respond } from "./respond.js";

export default {
  fetch: (request) => respond(request, fromPacked(allFormats), () => model),
};
