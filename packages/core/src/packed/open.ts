// Opens a packed module: its instance's memory already holds the weights.
import { MemoryError, PackedError, RuntimeError, reasonOf } from "../errors.ts";
import { compileFile, isResponse, isUrl, type Kernels, refusal, supportsBuild, type WasmFile } from "../kernels.ts";
import { Runtime } from "../runtime.ts";
import type { RuntimeOptions } from "../runtime-options.ts";
import type { Reservation } from "../weights.ts";
import {
  checksum,
  DIRECTORY_SECTION,
  expectChecksum,
  FILES_SECTION,
  type PackedDirectory,
  packedWeights,
  readDirectory,
} from "./directory.ts";

/** A packed module that is compiled, and not yet instantiated: no memory is taken. */
export interface PackedModule {
  /** What messages call it. */
  readonly file: string;
  readonly module: WebAssembly.Module;
  readonly directory: PackedDirectory;
  /** The embedded files by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * Compiles a packed module and reads what it says of itself.
 * @throws {PackedError} `not-packed`, `wrong-format`, `damaged`
 * @throws {RuntimeError} `kernels-refused`, `kernels-not-found`
 */
export async function openPackedModule(wasm: WasmFile, file = nameOf(wasm)): Promise<PackedModule> {
  const module = await compile(wasm, file);
  const content = sectionOf(module, DIRECTORY_SECTION);
  if (!content) {
    const message = `${file}: expected a model that kiloformer packed, got another WebAssembly module`;
    throw new PackedError("not-packed", message, { file });
  }
  const directory = readDirectory(content, file);
  const bytes = sectionOf(module, FILES_SECTION) ?? new Uint8Array();
  expectChecksum(file, "section of files", checksum(bytes), directory.files.checksum);
  const { names } = directory.files;
  const files = new Map(names.map(([name, begin, size]) => [name, bytes.subarray(begin, begin + size)]));
  return { file, module, directory, files };
}

async function compile(wasm: WasmFile, file: string): Promise<WebAssembly.Module> {
  try {
    return await compileFile(wasm, file);
  } catch (error) {
    const isRefused = error instanceof RuntimeError && error.code === "kernels-refused";
    if (!isRefused || supportsBuild("relaxed") || !/simd|opcode/i.test(error.message)) throw error;
    const message = `${error.message}; this engine does not run the relaxed build`;
    throw new RuntimeError(error.code, message, error.fields, { cause: error });
  }
}

function sectionOf(module: WebAssembly.Module, name: string): Uint8Array | undefined {
  const [section] = WebAssembly.Module.customSections(module, name);
  return section && new Uint8Array(section);
}

function nameOf(wasm: WasmFile): string {
  if (isUrl(wasm)) return String(wasm);
  return (isResponse(wasm) && wasm.url) || "packed model";
}

/** Of a runtime's options, those that a packed module leaves open. */
export type PackedRuntimeOptions = Pick<RuntimeOptions, "deterministic" | "limitBytes" | "debug" | "grow">;

/**
 * Instantiates a packed module: the engine fills its memory, and a runtime takes it over with the weights in place.
 * @param reservation what the embedded config reserves over the directory's tensors; it is settled here
 * @throws {PackedError} `wrong-layout`, `damaged`
 * @throws {RuntimeError} `wrong-kernels`, `kernels-refused`
 * @throws {MemoryError} `over-limit` before memory is taken, `no-memory` when the engine gives none
 */
export async function instantiatePacked(
  { file, module, directory }: PackedModule,
  reservation: Reservation,
  options: PackedRuntimeOptions = {},
): Promise<{ readonly runtime: Runtime; release(): void }> {
  const { address, bytes } = directory.memory;
  const end = address + bytes;
  expectLayout(file, directory, reservation);
  const { limitBytes = Number.POSITIVE_INFINITY, deterministic } = options;
  if (end > limitBytes) {
    const message = `${file}: expected at most ${limitBytes} bytes of memory, got ${end}`;
    throw new MemoryError("over-limit", message, { needBytes: end, limitBytes });
  }
  const exports = await instantiate(file, module);
  const build = deterministic ? "simd" : directory.build;
  const runtime = Runtime.over(exports, exports.memory, { ...options, build });
  const block = runtime.memory.reserve(bytes, "weights");
  expectChecksum(
    file,
    "block of weights",
    checksum(runtime.memory.ints.subarray(0, end / 4)),
    directory.memory.checksum,
  );
  reservation.settle(block.address);
  const release = () => {
    if (!runtime.disposed) runtime.memory.free(block);
  };
  return { runtime, release };
}

async function instantiate(file: string, module: WebAssembly.Module) {
  let exports: WebAssembly.Exports;
  try {
    ({ exports } = await WebAssembly.instantiate(module, {}));
  } catch (cause) {
    if (cause instanceof WebAssembly.CompileError) throw refusal(file, cause);
    const reason = reasonOf(cause);
    if (!(cause instanceof RangeError)) return failDamaged(file, "a module that can be instantiated", reason, cause);
    const message = `${file}: expected WebAssembly memory for the weights, got none: ${reason}`;
    throw new MemoryError("no-memory", message, { file }, { cause });
  }
  if (!(exports.memory instanceof WebAssembly.Memory)) return failDamaged(file, "a memory that is exported", "none");
  return exports as unknown as Kernels & { readonly memory: WebAssembly.Memory };
}

function failDamaged(file: string, expected: string, actual: string, cause?: unknown): never {
  const message = `${file}: expected ${expected}, got ${actual}: the file is damaged`;
  throw new PackedError("damaged", message, { file, expected, actual }, { cause });
}

/** What this version would reserve must be what the file has. */
function expectLayout(file: string, directory: PackedDirectory, reservation: Reservation): void {
  const { address, bytes } = directory.memory;
  const [wanted, actual] = [packedWeights(reservation, address), directory.weights].map((list) =>
    list.map((weight) => JSON.stringify(weight)),
  );
  const index = wanted.findIndex((weight, at) => weight !== actual[at]);
  if (index < 0 && wanted.length === actual.length && reservation.bytes === bytes) return;
  const [expected, got] = index < 0 ? [`${reservation.bytes} bytes`, `${bytes} bytes`] : [wanted[index], actual[index]];
  const message = `${file}: expected weights that lie as this version lays them, ${expected}, got ${got ?? "none"}; pack the model again`;
  throw new PackedError("wrong-layout", message, { file, expected, actual: got });
}
