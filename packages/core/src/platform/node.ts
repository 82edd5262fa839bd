import { readFile } from "node:fs/promises";
import type { KernelBuild, WasmFile } from "../kernels.ts";

/** The kernels' bytes from beside this package, in Node. */
export function kernelFile(build: KernelBuild): Promise<WasmFile> {
  return readFile(new URL(`../../dist/kernels-${build}.wasm`, import.meta.url));
}

/** What an address brings; Node's own `fetch` takes no files. */
export function fetchFile(url: string | URL): Promise<BufferSource | Response> {
  return String(url).startsWith("file:") ? readFile(new URL(url)) : fetch(url);
}
