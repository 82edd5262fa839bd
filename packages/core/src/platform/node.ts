import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KernelBuild, WasmFile } from "../kernels.ts";

/**
 * The kernels' bytes from beside this package, in Node. Bundlers carry along what they see in `new URL`, but where it holds a template they
 * take another file, or none. Next.js makes the address of a page of it, which is no path: the file is then where it was.
 */
export async function kernelFile(build: KernelBuild): Promise<WasmFile> {
  const url =
    build === "relaxed"
      ? new URL("../../dist/kernels-relaxed.wasm", import.meta.url)
      : new URL("../../dist/kernels-simd.wasm", import.meta.url);
  const here = () => join(fileURLToPath(import.meta.url), `../../../dist/kernels-${build}.wasm`);
  return readFile(url).catch(() => readFile(here()));
}

/** What an address brings; Node's own `fetch` takes no files. */
export function fetchFile(url: string | URL): Promise<BufferSource | Response> {
  return String(url).startsWith("file:") ? readFile(new URL(url)) : fetch(url);
}
