// Our own model: one file, with its kernels. It is small enough for the page's thread, which gets a turn every 20 ms or so.
import { type Pipeline, supportsBuild } from "kiloformer/core";
import { g2p } from "kiloformer/g2p";
import type { OpenModel } from "./messages.ts";
import { describe } from "./opened.ts";

// The files lie beside this script; `build.mjs` copies them there.
const file = supportsBuild("relaxed")
  ? new URL("g2p-relaxed.wasm", import.meta.url)
  : new URL("g2p-simd.wasm", import.meta.url);

export async function openOwn(): Promise<{ readonly pipeline: Pipeline; readonly model: OpenModel }> {
  const start = performance.now();
  const pipeline = await g2p({ file });
  return { pipeline, model: describe(pipeline, performance.now() - start) };
}
