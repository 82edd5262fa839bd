// Cloudflare Workers compile what is imported statically; one build, as each would be uploaded whole.
import type { KernelBuild, WasmFile } from "@kiloformer/core";
import simd from "../../dist/g2p-simd.wasm";

/** Our own packed model as the Worker's upload compiled it: the baseline build, whichever is asked for. */
export function g2pFile(_build: KernelBuild): Promise<WasmFile> {
  return Promise.resolve(simd);
}
