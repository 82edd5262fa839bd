import { fetchFile, kernelFile } from "#kernel-files";
import { RuntimeError, reasonOf } from "./errors.ts";
import { kindOf } from "./kind.ts";
import { shareMemory } from "./threads/shared-module.ts";

/** The two builds of one source: `relaxed` has fused multiply-add, `simd` gives the same bits on every machine. */
export type KernelBuild = "simd" | "relaxed";
/** A compiled module, its bytes, where to fetch them, or a response that brings them. */
export type WasmFile = WebAssembly.Module | BufferSource | Response | URL | string;
/** One file, or one for each build. */
export type WasmOption = WasmFile | FileByBuild;
type FileByBuild = { readonly [build in KernelBuild]?: WasmFile };

type K = (...operands: number[]) => void;
/** The exports of a kernel module: places are byte addresses, the rest are counts and factors (docs/kernels.md). */
export interface Kernels {
  /** 1 in the relaxed build, 0 in the other. */
  readonly RELAXED: { readonly value: number };
  gemm_f32: K;
  gemm_f16: K;
  gemm_bf16: K;
  pack_f32: K;
  pack_u16: K;
  embed_panels_f32: K;
  embed_panels_f16: K;
  embed_panels_bf16: K;
  embed_rows_f32: K;
  embed_rows_f16: K;
  embed_rows_bf16: K;
  widen_f16: K;
  is_finite_f16: (x: number, n: number) => number;
  widen_bf16: K;
  narrow_f16: K;
  narrow_bf16: K;
  gemm_q8: K;
  gemm_q4: K;
  quantize_inputs_q8: K;
  quantize_inputs_q4: K;
  quantize_rows_q8: K;
  quantize_rows_q4: K;
  dequantize_rows_q8: K;
  dequantize_rows_q4: K;
  pack_q8: K;
  pack_q4: K;
  pack_scales_q4: K;
  embed_panels_q8: K;
  embed_panels_q4: K;
  rms_norm_f32: K;
  rms_norm_heads_f32: K;
  layer_norm_f32: K;
  add_f32: K;
  mul_f32: K;
  silu_f32: K;
  gelu_f32: K;
  gelu_tanh_f32: K;
  relu_f32: K;
  tanh_f32: K;
  sigmoid_f32: K;
  swiglu_f32: K;
  geglu_f32: K;
  geglu_tanh_f32: K;
  reglu_f32: K;
  scale_f32: K;
  transpose_f32: K;
  sum_rows_f32: K;
  softmax_f32: K;
  rope_f32: K;
  cache_append_f32: K;
  attention_f32: K;
  attention_scratch_f32: (rows: number, S: number, H: number, K: number, E: number) => number;
  attention_general_f32: K;
  attention_general_scratch_f32: (...sizes: number[]) => number;
}

/** A module with `f(a, c)`: `a * a + c` by the relaxed build's instruction. One that all engines with SIMD have, in its place, gives a. */
const PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 125, 125, 1, 125, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 22, 1, 20, 0,
  32, 0, 253, 19, 32, 0, 253, 19, 32, 1, 253, 19, 253, 133, 2, 253, 31, 0, 11,
];
const INSTRUCTION = 46;
const BITSELECT = [210, 0];

/**
 * Whether a build runs here and computes what it should. The relaxed one needs a processor that rounds `a * a + c` once: those of x86
 * that do not may lack AVX too, without which V8's baseline compiler gets dot products of bytes wrong. Where nothing may be compiled at once (Cloudflare
 * Workers, pages whose policy forbids it), only the engine is asked.
 */
export function supportsBuild(build: KernelBuild): boolean {
  const bytes = Uint8Array.from(PROBE);
  if (build === "simd") bytes.set(BITSELECT, INSTRUCTION);
  if (typeof WebAssembly === "undefined" || !WebAssembly.validate(bytes)) return false;
  try {
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    return (f as (a: number, c: number) => number)(1 + 2 ** -12, -1 - 2 ** -11) > 0;
  } catch {
    return true;
  }
}

/**
 * The build to use: the fastest that the engine runs, or the baseline if results must be equal on all machines or no other is given.
 * @throws {RuntimeError} `no-simd` on engines without WebAssembly SIMD (browsers before 2021 to 2023)
 */
export function chooseBuild(deterministic: boolean, wasm?: WasmOption): KernelBuild {
  expectWasm();
  if (!supportsBuild("simd")) {
    throw new RuntimeError("no-simd", "runtime: expected an engine with WebAssembly SIMD, got one without");
  }
  const baseline = deterministic || (isByBuild(wasm) && wasm.relaxed === undefined);
  return !baseline && supportsBuild("relaxed") ? "relaxed" : "simd";
}

/** Node's --jitless and Lockdown Mode of iOS have none. */
function expectWasm(): void {
  if (typeof WebAssembly !== "undefined") return;
  throw new RuntimeError("no-wasm", "runtime: expected an engine with WebAssembly, got one without");
}

const fileName = (build: KernelBuild) => `kernels-${build}.wasm`;
const compiled = new Map<KernelBuild, Promise<WebAssembly.Module>>();

/** Compiles a build, once for each page or process unless the caller brings a file. */
export async function compileKernels(build: KernelBuild, wasm?: WasmOption): Promise<WebAssembly.Module> {
  if (wasm !== undefined) return compileFile(pickFile(wasm, build), "wasm");
  let module = compiled.get(build);
  if (!module) {
    module = bundledFile(build).then((file) => compileFile(file, fileName(build)));
    compiled.set(build, module);
    module.catch(() => compiled.delete(build));
  }
  return module;
}

/** The file beside this package; bundles that left it behind need the option `wasm`. */
async function bundledFile(build: KernelBuild): Promise<WasmFile> {
  try {
    return await kernelFile(build);
  } catch (cause) {
    const reason = reasonOf(cause);
    const message = `${fileName(build)}: expected this file beside the code, got: ${reason}; the option wasm says where it is`;
    throw new RuntimeError("kernels-not-found", message, { build }, { cause });
  }
}

function isByBuild(wasm: WasmOption | undefined): wasm is FileByBuild {
  return "simd" in Object(wasm) || "relaxed" in Object(wasm);
}

function pickFile(wasm: WasmOption, build: KernelBuild): WasmFile {
  if (!isByBuild(wasm)) return wasm;
  const file = wasm[build];
  if (file !== undefined) return file;
  throw new RuntimeError("no-kernels", `wasm: expected a file for the ${build} build, got none`, { build });
}

/**
 * The same with a shared memory, which threads need.
 * @throws {RuntimeError} `no-threads` for kernels that are compiled already
 */
export async function compileSharedKernels(build: KernelBuild, wasm?: WasmOption): Promise<WebAssembly.Module> {
  const file = await fileOf(build, wasm);
  if (isModule(file)) {
    const message = "threads: expected kernels as a file, whose memory can be shared, got a compiled module";
    throw new RuntimeError("no-threads", message);
  }
  return compileFile(shareMemory(await readFile(file)), fileName(build));
}

/**
 * The bytes of a build, for what is made of them.
 * @throws {RuntimeError} `no-bytes` for a compiled module, which does not give them back; `no-kernels`, `kernels-not-found`
 */
export async function kernelBytes(build: KernelBuild, wasm?: WasmOption): Promise<Uint8Array> {
  const file = await fileOf(build, wasm);
  if (!isModule(file)) return readFile(file);
  const message = `${fileName(build)}: expected its bytes or where they are, got a compiled module`;
  throw new RuntimeError("no-bytes", message, { build });
}

async function fileOf(build: KernelBuild, wasm: WasmOption | undefined): Promise<WasmFile> {
  return wasm === undefined ? bundledFile(build) : pickFile(wasm, build);
}

async function readFile(file: string | URL | Response | BufferSource): Promise<Uint8Array> {
  if (ArrayBuffer.isView(file)) return new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  if (kindOf(file) === "ArrayBuffer") return new Uint8Array(file as ArrayBuffer);
  if (!isResponse(file)) return readFile(await fetched(file as string | URL));
  expectOk(file);
  return new Uint8Array(await file.arrayBuffer());
}

/** @throws {RuntimeError} `kernels-not-found` where there is no answer */
async function fetched(url: string | URL): Promise<Response | BufferSource> {
  try {
    return await fetchFile(url);
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new RuntimeError("kernels-not-found", `${url}: expected a .wasm file, got: ${reason}`, { url }, { cause });
  }
}

/**
 * Compiles a file, however it is given.
 * @param name what messages call it
 * @throws {RuntimeError} `no-wasm`, `kernels-refused`, `kernels-not-found`
 */
export async function compileFile(file: WasmFile, name: string): Promise<WebAssembly.Module> {
  expectWasm();
  if (isModule(file)) return file;
  try {
    const content = isUrl(file) ? await fetched(file) : file;
    if (isResponse(content)) return await compileResponse(content);
    return await WebAssembly.compile(content);
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    throw refusal(name, cause);
  }
}

/** The error for kernels that the engine does not take; a page's policy stops WebKit only where a module is instantiated. */
export function refusal(name: string, cause: unknown): RuntimeError {
  const reason = reasonOf(cause);
  const hint = /unsafe-eval|Content Security Policy|\bCSP\b|disallowed by embedder/i.test(reason)
    ? "; a page's Content-Security-Policy needs script-src 'wasm-unsafe-eval', and Workers need a static import of the .wasm file"
    : "";
  const message = `${name}: expected kernels that this engine compiles, got: ${reason}${hint}`;
  return new RuntimeError("kernels-refused", message, { name }, { cause });
}

/** Looks at no global: in Node the first look at `Response` loads all that fetches, for 30 ms. */
export function isResponse(file: unknown): file is Response {
  return kindOf(file) === "Response";
}

function isModule(file: WasmFile): file is WebAssembly.Module {
  return kindOf(file) === "WebAssembly.Module";
}

/** An address, as text or as an object. */
export function isUrl(value: unknown): value is string | URL {
  return typeof value === "string" || kindOf(value) === "URL";
}

/** Servers that send another MIME type than application/wasm make streaming compilation refuse: then bytes are used. */
async function compileResponse(response: Response): Promise<WebAssembly.Module> {
  expectOk(response);
  try {
    return await WebAssembly.compileStreaming(response);
  } catch (cause) {
    // Refused unread: another type, a response that is not the engine's own (undici's, happy-dom's), an engine without streaming.
    if (response.bodyUsed) throw cause;
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

function expectOk({ ok, url, status }: Response): void {
  if (ok) return;
  throw new RuntimeError("kernels-not-found", `${url || "wasm"}: expected a .wasm file, got HTTP ${status}`, {
    url,
    status,
  });
}
