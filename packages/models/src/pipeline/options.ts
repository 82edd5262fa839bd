import { type DtypeOption, dtypeOptions, isUrl, OptionError, Runtime, type WasmOption } from "@kiloformer/core";
import { abortSignal, checkOptions, flag, isCount, oneOf, positive, type Rule } from "../options.ts";

/** How a load goes on, with the names of transformers.js. */
export interface ProgressEvent {
  readonly status: "initiate" | "progress" | "done" | "ready";
  /** The file; "" with `ready`. */
  readonly file: string;
  /** Percent of this file's weights, 0 to 100. */
  readonly progress: number;
  /** Bytes that are in memory, of this file. */
  readonly loaded: number;
  /** Bytes to load, of this file. */
  readonly total: number;
}

/** How a model is opened. */
export interface PipelineOptions {
  /**
   * How weights are held: `auto` keeps the checkpoint's dtype, `float32`, `float16` and `bfloat16` convert, `q8` and `q4`
   * quantize while loading (docs/quantization.md). Default `auto`.
   */
  readonly dtype?: DtypeOption;
  /**
   * Threads that compute, the calling one among them, 1 to 64: they share what is large, and give the same bits. Where memory
   * cannot be shared (pages that are not cross-origin isolated, Cloudflare Workers) there is one, and a warning. Default 1.
   */
  readonly threads?: number;
  /** Where the threads' file is, `@kiloformer/core/threads-worker.js`, if there are any. Default: beside this package. */
  readonly threadsFile?: string | URL;
  /** The kernels: URL, bytes, Response or compiled module, or `{ simd, relaxed }`. Default: from beside this package. */
  readonly wasm?: WasmOption;
  /** Stops the load: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Told what the files hold and this runtime does not know. Default: `console.warn`. */
  readonly onWarning?: (message: string) => void;
  /** True: unknown config keys and tensors, and a tokenizer that is not supported, are errors, not warnings. Default false. */
  readonly strict?: boolean;
  /** True: the kernels whose results are bit-equal on all machines. Default false: the fastest. */
  readonly deterministic?: boolean;
  /**
   * A runtime to share with other pipelines; it then outlives this one, and has its own `wasm`, `threads`, `deterministic` and
   * `limitBytes`, which beside it are errors. A load has it from the first weight to the last: what others do on it, aborts and
   * `dispose` too, waits meanwhile. Default: one of its own.
   */
  readonly runtime?: Runtime;
  /** The most memory to take, in bytes. Default: what WebAssembly addresses. */
  readonly limitBytes?: number;
  /** True: a NaN or an infinity in the weights is an error that names the tensors. Default false. */
  readonly checkFinite?: boolean;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null;
const callback: Rule = ["a function", (value) => typeof value === "function"];
const rules: Readonly<Record<keyof PipelineOptions, Rule>> = {
  dtype: oneOf(dtypeOptions),
  threads: ["a whole number from 1 to 64", (value) => isCount(value) && value > 0 && value <= 64],
  threadsFile: ["a URL", isUrl],
  wasm: ["a URL, bytes, a Response or a WebAssembly.Module", (value) => isObject(value) || typeof value === "string"],
  signal: abortSignal,
  onProgress: callback,
  onWarning: callback,
  strict: flag,
  deterministic: flag,
  runtime: ["a Runtime", (value) => value instanceof Runtime],
  limitBytes: positive,
  checkFinite: flag,
};

/** @throws {OptionError} `unknown-option`, `bad-option`, `conflicting-options` */
export function checkPipelineOptions(options: PipelineOptions): void {
  checkOptions("pipeline", options, rules);
  if (!options.runtime) return;
  for (const key of ["wasm", "deterministic", "limitBytes", "threads", "threadsFile"] as const) {
    if (options[key] === undefined) continue;
    const message = `pipeline: expected ${key} to be given to the runtime, got it beside a runtime that is already made`;
    throw new OptionError("conflicting-options", message, { options: [key, "runtime"] });
  }
}
