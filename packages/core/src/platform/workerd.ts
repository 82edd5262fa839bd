// Cloudflare Workers refuse to compile bytes, and have no import.meta.url: the modules are imported statically.
import relaxed from "../../dist/kernels-relaxed.wasm";
import simd from "../../dist/kernels-simd.wasm";
import type { KernelBuild, WasmFile } from "../kernels.ts";

/** The kernels as the Worker's upload compiled them. */
export function kernelFile(build: KernelBuild): Promise<WasmFile> {
  return Promise.resolve(build === "relaxed" ? relaxed : simd);
}

/** What an address brings. */
export function fetchFile(url: string | URL): Promise<BufferSource | Response> {
  return fetch(url);
}
