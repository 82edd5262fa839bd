import type { KernelBuild, WasmFile } from "../kernels.ts";

/** Fetches the kernels from beside this module; bundlers that know `new URL(..., import.meta.url)` carry the files along. */
export function kernelFile(build: KernelBuild): Promise<WasmFile> {
  const url =
    build === "relaxed"
      ? new URL("../../dist/kernels-relaxed.wasm", import.meta.url)
      : new URL("../../dist/kernels-simd.wasm", import.meta.url);
  return fetch(url);
}

/** What an address brings. */
export function fetchFile(url: string | URL): Promise<BufferSource | Response> {
  return fetch(url);
}
