import type { KernelBuild, WasmFile } from "@kiloformer/core";

/** Fetches our own packed model from beside this module; bundlers that know `new URL(..., import.meta.url)` carry it along. */
export async function g2pFile(build: KernelBuild): Promise<WasmFile> {
  const url =
    build === "relaxed"
      ? new URL("../../dist/g2p-relaxed.wasm", import.meta.url)
      : new URL("../../dist/g2p-simd.wasm", import.meta.url);
  return fetch(url);
}
