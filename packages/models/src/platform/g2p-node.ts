import { readFile } from "node:fs/promises";
import type { KernelBuild, WasmFile } from "@kiloformer/core";

/** Our own packed model from beside this package, in Node. */
export function g2pFile(build: KernelBuild): Promise<WasmFile> {
  return readFile(new URL(`../../dist/g2p-${build}.wasm`, import.meta.url));
}
