import { type DtypeOption, dtypeOptions, OptionError, Runtime, type WasmOption } from "@kiloformer/core";
import { show } from "../config.ts";
import { isSignal } from "../options.ts";

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
  /** Where the threads' file is, `@kiloformer/core/threads-worker.js`. Default: beside this package. */
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
  /** A runtime to share with other pipelines; it then outlives this one. Default: one of its own. */
  readonly runtime?: Runtime;
  /** The most memory to take, in bytes. Default: what WebAssembly addresses. */
  readonly limitBytes?: number;
  /** True: a NaN or an infinity in the weights is an error that names the tensors. Default false. */
  readonly checkFinite?: boolean;
}

const isFunction = (value: unknown) => typeof value === "function";
const isBoolean = (value: unknown) => typeof value === "boolean";
const isThreadCount = (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= 64;
const isObject = (value: unknown) => typeof value === "object" && value !== null;
const rules: Readonly<Record<keyof PipelineOptions, readonly [expected: string, holds: (value: unknown) => boolean]>> =
  {
    dtype: [`one of ${dtypeOptions.join(", ")}`, (value) => dtypeOptions.includes(value as DtypeOption)],
    threads: ["a whole number from 1 to 64", isThreadCount],
    threadsFile: ["a URL", (value) => typeof value === "string" || value instanceof URL],
    wasm: ["a URL, bytes, a Response or a WebAssembly.Module", (value) => isObject(value) || typeof value === "string"],
    signal: ["an AbortSignal", isSignal],
    onProgress: ["a function", isFunction],
    onWarning: ["a function", isFunction],
    strict: ["true or false", isBoolean],
    deterministic: ["true or false", isBoolean],
    runtime: ["a Runtime", (value) => value instanceof Runtime],
    limitBytes: ["a whole number of bytes", (value) => Number.isSafeInteger(value) && (value as number) > 0],
    checkFinite: ["true or false", isBoolean],
  };

/** @throws {OptionError} `unknown-option`, `bad-option`, `conflicting-options` */
export function checkPipelineOptions(options: PipelineOptions): void {
  if (!isObject(options))
    throw new OptionError("bad-option", `pipeline: expected options as an object, got ${show(options)}`);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(rules, key)) {
      const known = Object.keys(rules).join(", ");
      throw new OptionError("unknown-option", `pipeline: expected one of ${known}, got ${key}`, { option: key });
    }
    const [expected, holds] = rules[key as keyof PipelineOptions];
    if (holds(value)) continue;
    throw new OptionError("bad-option", `pipeline: expected ${key} to be ${expected}, got ${show(value)}`, {
      option: key,
      value,
    });
  }
  if (!options.runtime) return;
  for (const key of ["wasm", "deterministic", "limitBytes", "threads", "threadsFile"] as const) {
    if (options[key] === undefined) continue;
    const message = `pipeline: expected ${key} to be given to the runtime, got it beside a runtime that is already made`;
    throw new OptionError("conflicting-options", message, { options: [key, "runtime"] });
  }
}
