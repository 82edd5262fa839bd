// What a packed module says of itself, in a custom section (docs/one-file.md).
import { PackedError } from "../errors.ts";
import type { KernelBuild } from "../kernels.ts";
import type { Dtype } from "../safetensors.ts";
import type { DtypeOption, Reservation, Weight, WeightDtype } from "../weights.ts";

/** Raised when the layout of weights, the map of memory, or what a kernel takes changes. */
export const PACKED_FORMAT = 2;
export const DIRECTORY_SECTION = "kiloformer.directory";
export const FILES_SECTION = "kiloformer.files";
/** Format version and checksum, before the JSON. */
const HEAD_BYTES = 8;

/** A weight, and where it lies. */
export interface PackedWeight {
  /** The checkpoint's tensors that it was packed from, in the order of its rows. */
  readonly names: readonly string[];
  readonly shape: readonly number[];
  readonly dtype: WeightDtype;
  readonly layout: "rows" | "panels";
  /** Byte address in the module's memory. */
  readonly address: number;
  readonly bytes: number;
}

/** A run of bytes: of memory, or of the section of files. */
export interface PackedRange {
  readonly bytes: number;
  readonly checksum: number;
}

/** What a packed file says of itself, in its section `kiloformer.directory`. */
export interface PackedDirectory {
  readonly build: KernelBuild;
  /** What was asked for when the weights were packed. */
  readonly dtype: DtypeOption;
  /** Byte address of the block of weights; the checksum is that of all memory up to its end. */
  readonly memory: PackedRange & { readonly address: number };
  readonly weights: readonly PackedWeight[];
  /** The checkpoint's tensors, of which the weights were reserved. */
  readonly tensors: readonly (readonly [name: string, dtype: Dtype, shape: readonly number[]])[];
  /** Embedded files, and where they begin in their section. */
  readonly files: PackedRange & { readonly names: readonly (readonly [name: string, begin: number, bytes: number])[] };
}

/** Tells damaged bytes from whole ones: any single change shows, and others all but surely. 32 bits. */
export function checksum(values: Uint8Array | Int32Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < values.length; i++) {
    hash = Math.imul(hash ^ values[i], 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** The weights of a reservation that was settled, each place once. */
export function packedWeights({ places }: Reservation, address: number): PackedWeight[] {
  const seen = new Set<number>();
  return places.flatMap(({ weight, offset, bytes }) => {
    // The output layer that shares its numbers with an embedding.
    if (seen.has(offset)) return [];
    seen.add(offset);
    const { shape, dtype, parts } = weight;
    return [
      {
        names: parts.map(({ name }) => name),
        shape,
        dtype,
        layout: layoutOf(weight),
        address: address + offset,
        bytes,
      },
    ];
  });
}

function layoutOf(weight: Weight): "rows" | "panels" {
  if ("layout" in weight) return weight.layout;
  return weight.shape.length === 1 ? "rows" : "panels";
}

/** The section's payload: format version, checksum of what follows, JSON. */
export function writeDirectory(directory: PackedDirectory): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(directory));
  const bytes = new Uint8Array(HEAD_BYTES + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, PACKED_FORMAT, true);
  view.setUint32(4, checksum(text), true);
  bytes.set(text, HEAD_BYTES);
  return bytes;
}

/**
 * Reads the section's payload. What the checksum covers is as it was written.
 * @throws {PackedError} `wrong-format`, `damaged`
 */
export function readDirectory(bytes: Uint8Array, file: string): PackedDirectory {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const format = bytes.length < HEAD_BYTES ? "a directory that is cut short" : view.getUint32(0, true);
  if (format !== PACKED_FORMAT) {
    const message = `${file}: expected format ${PACKED_FORMAT}, got ${format}; pack the model again`;
    throw new PackedError("wrong-format", message, { file, expected: PACKED_FORMAT, actual: format });
  }
  const text = bytes.subarray(HEAD_BYTES);
  expectChecksum(file, "directory", checksum(text), view.getUint32(4, true));
  const directory: PackedDirectory = JSON.parse(new TextDecoder().decode(text));
  const { memory, weights, tensors, files } = directory;
  const lists = [weights, tensors, files?.names];
  if (isRange(memory) && isRange(files) && lists.every(Array.isArray)) return directory;
  const message = `${file}: expected a directory of memory, weights, tensors and files, got ${Object.keys(directory).join(", ")}`;
  throw new PackedError("damaged", message, { file, what: "directory" });
}

const isRange = (range: PackedRange | undefined) =>
  Number.isSafeInteger(range?.bytes) && Number.isSafeInteger(range?.checksum);

/** @throws {PackedError} `damaged` */
export function expectChecksum(file: string, what: string, actual: number, expected: number): void {
  if (actual === expected) return;
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  const message = `${file}: expected a ${what} with checksum ${hex(expected)}, got ${hex(actual)}: the file is damaged`;
  throw new PackedError("damaged", message, { file, what, expected, actual });
}
