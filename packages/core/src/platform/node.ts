import { readFile } from "node:fs/promises";

/** The kernels' bytes from beside this package, in Node. */
export function kernelFile(build: "simd" | "relaxed"): Promise<BufferSource | WebAssembly.Module | Response> {
  return readFile(new URL(`../../dist/kernels-${build}.wasm`, import.meta.url));
}
