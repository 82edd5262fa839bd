import {
  abortable,
  bytesSource,
  ConfigError,
  instantiatePacked,
  OptionError,
  openPackedModule,
  type PackedModule,
  type TensorReader,
  type WasmFile,
} from "@kiloformer/core";
import { badOption } from "../options.ts";
import { architectureFor, emit, type Plan, readBeside, readConfig, reserveModel, warner } from "../pipeline/load.ts";
import { checkPipelineOptions, type PipelineOptions } from "../pipeline/options.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import { expectFamilies, type Families } from "./families.ts";
import { tensorFile } from "./kept-files.ts";

/** What a packed file fixes: it was decided when the model was packed. */
const fixed = ["dtype", "wasm", "runtime", "checkFinite"] as const;

/**
 * Options of a load, without those that a packed file fixes. Of its progress `onProgress` is told the end only. One thread
 * computes: threads would share a memory, and the file's is its own; for more there is a warning, with `strict` an error.
 */
export type PackedOptions = Omit<PipelineOptions, (typeof fixed)[number]>;

/**
 * Opens a file that `packModel` wrote. The engine fills its memory, once; nothing is copied or converted here.
 * @param families what may be in the file: `Pipeline`, a class of `createPipeline`, or `{ architectures: [llama] }`
 * @param file its bytes, its URL (in Node a `file:` URL, no path), a response that brings it, or the compiled module (Cloudflare
 *   Workers import that)
 * @throws {PackedError} `not-packed`, `wrong-format`, `wrong-layout`: of another version; `damaged`
 * @throws {RuntimeError} `wrong-kernels` when `deterministic` is asked of a relaxed file; `kernels-refused`, `kernels-not-found`
 * @throws {KiloformerError} as a load throws it
 */
export async function openPacked(families: Families, file: WasmFile, options: PackedOptions = {}): Promise<Pipeline> {
  const { architectures, tokenizers, tasks } = expectFamilies("openPacked", families);
  checkPackedOptions(file, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const packed = await abortable(openPackedModule(file), signal);
  const plan = await planPacked(packed, architectures, options);
  const beside = await readBeside(plan, options, tokenizers, tasks);
  const { deterministic, limitBytes } = options;
  const { runtime, release } = await instantiatePacked(packed, plan.reservation, { deterministic, limitBytes });
  try {
    signal?.throwIfAborted();
    emit(options, { status: "ready", file: "", progress: 100, loaded: 0, total: 0 });
    return new Pipeline({ ...beside, runtime, ownsRuntime: true, drivers: {}, release }, options, tasks);
  } catch (error) {
    runtime.dispose();
    throw error;
  }
}

function checkPackedOptions(file: WasmFile, options: PackedOptions): void {
  checkPipelineOptions(options);
  if (typeof file !== "string" && (typeof file !== "object" || file === null)) {
    throw badOption("openPacked", "the file", "a URL, bytes, a Response or a WebAssembly.Module", file);
  }
  const { threads = 1, strict } = options;
  if (threads > 1) {
    const message = `openPacked: expected 1 thread, as a packed file's memory is its own, got threads ${threads}`;
    if (strict) throw new OptionError("conflicting-options", message, { option: "threads" });
    warner(options)(`${message}: one computes`);
  }
  const option = fixed.find((key) => (options as PipelineOptions)[key] !== undefined);
  if (option === undefined) return;
  const message = `openPacked: expected no ${option}, which was decided when the model was packed, got one`;
  throw new OptionError("conflicting-options", message, { option });
}

/** What the embedded config reserves over the tensors that were packed. */
async function planPacked(
  { file, directory, files }: PackedModule,
  architectures: Families["architectures"],
  options: PackedOptions,
): Promise<Plan> {
  const sources = new Map([...files].map(([name, bytes]) => [name, bytesSource(name, bytes)]));
  const config = await readConfig(sources, "config.json", options.signal);
  if (!config) throw new ConfigError("missing-file", `${file}: expected config.json in it, got none`);
  const architecture = architectureFor(config, architectures);
  const place = { file, begin: 0, end: 0 };
  const tensors = new Map(directory.tensors.map(([name, dtype, shape]) => [name, { name, dtype, shape, ...place }]));
  const read = (name: string, signal?: AbortSignal) => {
    const source = sources.get(tensorFile(name))!;
    return source.read(0, source.size, signal);
  };
  const checkpoint: TensorReader = { tensors, read };
  const given = { sources, config, architecture, checkpoint };
  // What the folder lacked it was allowed to lack; the file that says so is here where some task read it only.
  return reserveModel(given, { ...options, dtype: directory.dtype }, true);
}
