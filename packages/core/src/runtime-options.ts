import { OptionError } from "./errors.ts";
import type { KernelBuild, WasmOption } from "./kernels.ts";
import type { Grow } from "./memory.ts";

/** Options of `Runtime.create`. */
export interface RuntimeOptions {
  /** The kernels: a URL, bytes, a Response or a compiled module; or one for each build, of which `simd` alone will do. Default: beside this package. */
  readonly wasm?: WasmOption;
  /** True: the baseline build, whose results are bit-equal on every machine. Default false: the fastest build. */
  readonly deterministic?: boolean;
  /** Forces a build; for tests and benchmarks. */
  readonly build?: KernelBuild;
  /** The most memory to take, in bytes, beside the first two pages of 64 KiB, which every runtime has. Default: what 32-bit WebAssembly addresses. */
  readonly limitBytes?: number;
  /** Threads that compute, the caller's among them, 1 to 64. Default 1. More than 1 needs a place with threads: `supportsThreads()`. */
  readonly threads?: number;
  /** Where the threads' file is, `@kiloformer/core/threads-worker.js`, if there are any. Default: beside this package. */
  readonly threadsFile?: string | URL;
  /** The least multiply-adds that threads share; for tests. */
  readonly leastShared?: number;
  /** Checks that no released tensor is used. Default false. */
  readonly debug?: boolean;
  /** Replaces `memory.grow`; for fault injection. */
  readonly grow?: Grow;
}

const optionNames = "wasm deterministic build limitBytes threads threadsFile leastShared debug grow".split(" ");

/** @throws {OptionError} `bad-option`, `unknown-option` */
export function checkRuntimeOptions(options: RuntimeOptions): void {
  if (typeof options !== "object" || options === null) refuse("options as an object", options);
  const unknown = Object.keys(options).find((key) => !optionNames.includes(key));
  if (unknown !== undefined) {
    throw new OptionError("unknown-option", `runtime: expected one of ${optionNames.join(", ")}, got ${unknown}`);
  }
  const { build = "simd", limitBytes = 1, threads = 1, deterministic = false, debug = false } = options;
  if (!(isCount(threads) && threads <= 64)) refuse("threads to be a whole number from 1 to 64", threads);
  if (build !== "simd" && build !== "relaxed") refuse('build to be "simd" or "relaxed"', build);
  if (!isCount(limitBytes)) refuse("limitBytes to be a whole number of bytes", limitBytes);
  for (const [name, value] of Object.entries({ deterministic, debug })) {
    if (typeof value !== "boolean") refuse(`${name} to be true or false`, value);
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function refuse(expected: string, value: unknown): never {
  const got = typeof value === "string" ? `"${value}"` : String(value);
  throw new OptionError("bad-option", `runtime: expected ${expected}, got ${got}`);
}
