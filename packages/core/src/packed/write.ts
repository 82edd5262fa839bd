// Writes a packed module: kernels, weights as they lie in memory, and files.
import { MemoryError, PackedError } from "../errors.ts";
import type { KernelBuild } from "../kernels.ts";
import { leb } from "../leb.ts";
import { FIRST_ADDRESS, wasmPages } from "../memory.ts";
import type { Runtime } from "../runtime.ts";
import type { TensorInfo } from "../safetensors.ts";
import type { DtypeOption, Reservation } from "../weights.ts";
import { checksum, DIRECTORY_SECTION, FILES_SECTION, packedWeights, writeDirectory } from "./directory.ts";
import {
  appended,
  joined,
  MODULE_HEADER,
  nameBytes,
  type Part,
  readSections,
  SECTION,
  section,
  sectionOrder,
  signedLeb,
  sizeOfParts,
} from "./sections.ts";

/** What engines take for a module. */
const MOST_BYTES = 2 ** 30;

/** What goes into a packed module. */
export interface PackedContent {
  /** The module that the runtime runs. */
  readonly kernels: Uint8Array;
  readonly build: KernelBuild;
  readonly dtype: DtypeOption;
  /** Settled at `address`, and filled. */
  readonly reservation: Reservation;
  readonly address: number;
  readonly tensors: Iterable<TensorInfo>;
  /** By the names that a model's folder has. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * A module that needs nothing beside it: its memory is its own, exported, and holds the weights once it is instantiated.
 * @param runtime has the weights in its memory, and nothing before them
 * @throws {PackedError} `too-large` beyond 1 GiB, which engines refuse; {MemoryError} `not-first` where other blocks stand before the weights
 */
export function writePacked(runtime: Runtime, content: PackedContent): Uint8Array<ArrayBuffer> {
  const { reservation, address, build, dtype } = content;
  const { bytes, ints } = runtime.memory;
  if (address !== FIRST_ADDRESS) {
    const message = `pack: expected weights at the begin of a runtime's memory, ${FIRST_ADDRESS}, got them at ${address}`;
    throw new MemoryError("not-first", message, { expected: FIRST_ADDRESS, actual: address });
  }
  const end = address + reservation.bytes;
  const { parts: files, names } = layOut(content.files);
  const fileBytes = joined(files);
  const directory = writeDirectory({
    build,
    dtype,
    memory: { address, bytes: reservation.bytes, checksum: checksum(ints.subarray(0, end / 4)) },
    weights: packedWeights(reservation, address),
    tensors: Array.from(content.tensors, ({ name, dtype, shape }) => [name, dtype, shape] as const),
    files: { bytes: fileBytes.length, checksum: checksum(fileBytes), names },
  });
  const weights = bytes.subarray(address, end);
  const parts: Part[] = [
    MODULE_HEADER,
    ...section(SECTION.custom, nameBytes(DIRECTORY_SECTION), directory),
    ...moduleSections(content.kernels, address, weights),
    ...section(SECTION.custom, nameBytes(FILES_SECTION), fileBytes),
  ];
  const size = sizeOfParts(parts);
  if (size <= MOST_BYTES) return joined(parts);
  const message = `pack: expected a module of at most ${MOST_BYTES} bytes, got ${size}; fewer bits for each weight make it smaller`;
  throw new PackedError("too-large", message, { expected: MOST_BYTES, actual: size });
}

/** The kernels' sections; the memory that they import becomes one that they define and export, with weights in it. */
function moduleSections(kernels: Uint8Array, address: number, weights: Uint8Array): Part[] {
  const sections = readSections(kernels);
  const dataCount = sections.get(SECTION.dataCount);
  const pages = wasmPages(address + weights.length);
  const changed = new Map<number, Part[]>([
    // Its only entry is the memory (`build-kernels.mjs` checks it).
    [SECTION.import, []],
    [SECTION.memory, [[1, 0, ...leb(pages)]]],
    [SECTION.export, appended(sections.get(SECTION.export), [...nameBytes("memory"), 2, 0])],
    // i32.const address, end
    [
      SECTION.data,
      appended(sections.get(SECTION.data), [0, 0x41, ...signedLeb(address), 0x0b, ...leb(weights.length)], weights),
    ],
  ]);
  if (dataCount) changed.set(SECTION.dataCount, appended(dataCount));
  return sectionOrder.flatMap((id) => {
    const same = sections.get(id);
    const payload = changed.get(id) ?? (same ? [same] : []);
    return payload.length > 0 ? section(id, ...payload) : [];
  });
}

/** Files one behind the other; those that are equal are there once. */
function layOut(files: ReadonlyMap<string, Uint8Array>) {
  const parts: Uint8Array[] = [];
  const begins: number[] = [];
  const names: [name: string, begin: number, bytes: number][] = [];
  let end = 0;
  for (const [name, bytes] of files) {
    let index = parts.findIndex((part) => isEqual(part, bytes));
    if (index < 0) {
      index = parts.push(bytes) - 1;
      begins.push(end);
      end += bytes.length;
    }
    names.push([name, begins[index], bytes.length]);
  }
  return { parts, names };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
