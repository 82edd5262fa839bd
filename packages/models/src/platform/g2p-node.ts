import { readFile } from "node:fs/promises";

/** Our own packed model from beside this package, in Node. */
export function g2pFile(build: "simd" | "relaxed"): Promise<BufferSource | WebAssembly.Module | Response> {
  return readFile(new URL(`../../dist/g2p-${build}.wasm`, import.meta.url));
}
