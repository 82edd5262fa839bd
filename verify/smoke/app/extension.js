// The background of a browser extension: a service worker, which a page or a popup would send messages to.
import relaxed from "@kiloformer/core/kernels-relaxed.wasm";
import simd from "@kiloformer/core/kernels-simd.wasm";
import { Pipeline } from "kiloformer";
import { openModel } from "./expose.js";
import { describeError, tellAll } from "./story.js";

const wasm = { relaxed: new URL(relaxed, import.meta.url), simd: new URL(simd, import.meta.url) };

globalThis.tell = ({ base, files, stories }) =>
  tellAll(Pipeline, openModel(base, files), stories, { wasm }).catch(describeError);
