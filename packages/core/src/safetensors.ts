import { type Dtype, firstNonFinite, type TensorArray, toTensorArray } from "./dtypes.ts";
import { SafetensorsError } from "./errors.ts";
import { listNames, quote } from "./json-strings.ts";
import { type HeaderOptions, parseHeader, type SafetensorsHeader, type TensorInfo } from "./safetensors-header.ts";

export { Checkpoint, type CheckpointOptions, type TensorReader } from "./checkpoint.ts";
export { type Dtype, firstNonFinite, isReadable, type TensorArray, tensorBytes, toTensorArray } from "./dtypes.ts";
export {
  type HeaderOptions,
  headerLimits,
  MAX_TENSORS,
  type ParseHeaderOptions,
  parseHeader,
  readHeader,
  type SafetensorsHeader,
  type TensorInfo,
} from "./safetensors-header.ts";
export {
  type TensorData,
  type TensorSpec,
  type WrittenHeader,
  writeHeader,
  writeSafetensors,
} from "./safetensors-write.ts";

/** Options of `parseSafetensors`. */
export interface ParseOptions extends HeaderOptions {
  /** The file's name, for messages. Default "model.safetensors". */
  readonly file?: string;
  /** Refuses NaN and infinity, naming every tensor that holds one. Default false. */
  readonly checkFinite?: boolean;
}

/**
 * Opens a whole `.safetensors` file that lies in memory; nothing is copied.
 * @throws {SafetensorsError} as `parseHeader`; `not-finite` if `checkFinite` is set
 */
export function parseSafetensors(bytes: Uint8Array | ArrayBuffer, options: ParseOptions = {}): SafetensorsFile {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const { file = "model.safetensors", maxHeaderBytes, checkFinite = false } = options;
  const parsed = new SafetensorsFile(view, parseHeader(view, { file, fileSize: view.length, maxHeaderBytes }), file);
  if (checkFinite) parsed.checkFinite();
  return parsed;
}

/** A `.safetensors` file in memory. */
export class SafetensorsFile implements SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly dataBegin: number;
  readonly fileSize: number;
  readonly file: string;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, header: SafetensorsHeader, file: string) {
    this.tensors = header.tensors;
    this.metadata = header.metadata;
    this.dataBegin = header.dataBegin;
    this.fileSize = header.fileSize;
    this.file = file;
    this.#bytes = bytes;
  }

  /**
   * The bytes of a tensor of any dtype, as a view.
   * @throws {SafetensorsError} `unknown-tensor`
   */
  view(name: string): Uint8Array {
    const { begin, end } = this.#info(name);
    return this.#bytes.subarray(begin, end);
  }

  /**
   * The values of a tensor: a view if they lie aligned in memory, else a copy. F16, BF16, F8 and BOOL come as their bits;
   * any BOOL byte but 0 is true.
   * @throws {SafetensorsError} `unknown-tensor`, `unsupported-dtype`
   */
  array(name: string): TensorArray {
    const { dtype } = this.#info(name);
    return toTensorArray(dtype, this.view(name)) ?? this.#unsupported(name, dtype);
  }

  /** @throws {SafetensorsError} `not-finite`, naming every tensor that holds a NaN or an infinity */
  checkFinite(): void {
    const names = [...this.tensors.values()].flatMap(({ name, dtype }) => {
      return firstNonFinite(dtype, this.view(name)) < 0 ? [] : [name];
    });
    if (names.length === 0) return;
    const message = `${this.file}: expected finite numbers, got NaN or infinity in ${listNames(names)}`;
    throw new SafetensorsError("not-finite", message, { file: this.file, names });
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info) return info;
    const message = `${this.file}: expected a tensor of the file, got ${quote(name)}`;
    throw new SafetensorsError("unknown-tensor", message, { file: this.file, tensor: name });
  }

  #unsupported(name: string, dtype: Dtype): never {
    const message = `${this.file}: tensor ${quote(name)}: expected a dtype whose values can be read, got ${dtype}`;
    throw new SafetensorsError("unsupported-dtype", message, { file: this.file, tensor: name, actual: dtype });
  }
}
