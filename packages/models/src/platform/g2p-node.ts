import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KernelBuild, WasmFile } from "@kiloformer/core";

/** Our own packed model from beside this package, in Node; there are two ways to it, as `kernelFile` has in `@kiloformer/core`. */
export async function g2pFile(build: KernelBuild): Promise<WasmFile> {
  const url =
    build === "relaxed"
      ? new URL("../../dist/g2p-relaxed.wasm", import.meta.url)
      : new URL("../../dist/g2p-simd.wasm", import.meta.url);
  const here = () => join(fileURLToPath(import.meta.url), `../../../dist/g2p-${build}.wasm`);
  return readFile(url).catch(() => readFile(here()));
}
