import type { Pipeline } from "kiloformer/core";
import type { OpenModel } from "./messages.ts";

/** What the page shows of a model that was opened here, on this thread. */
export function describe({ modelType, tokenizer, build, heldBytes }: Pipeline, loadMs: number): OpenModel {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const wasm = entries.filter(({ name }) => name.endsWith(".wasm"));
  const wasmBytes = wasm.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  return { modelType, g2p: tokenizer?.kind === "g2p", build, loadMs, heldBytes, wasmBytes };
}
