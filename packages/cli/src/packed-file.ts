import { open } from "node:fs/promises";
import { decode } from "@webassemblyjs/wasm-parser";
import { gzipSync } from "fflate";
import {
  type PackedDirectory,
  PackedError,
  parseJsonObject,
  type RawConfig,
  readPackedDirectory,
  reasonOf,
} from "kiloformer";

/** Every byte of a data segment becomes a number in an array: beyond so many bytes segments are not read back. */
const SEGMENT_BYTES = 16 * 2 ** 20;

/** What a packed file's sections say; nothing is run. */
export interface PackedSummary {
  readonly directory: PackedDirectory;
  readonly config: RawConfig;
  readonly bytes: number;
  /** By fflate at level 9: `gzip -9` makes 1 to 2 % less. */
  readonly gzipBytes: number;
  /** Pages of 64 KiB that the memory begins with. */
  readonly pages: number;
  readonly sections: readonly { readonly name: string; readonly bytes: number }[];
  /** Undefined where there are too many bytes to read them back. */
  readonly segments: readonly { readonly address: number; readonly bytes: number }[] | undefined;
  readonly exports: readonly { readonly name: string; readonly kind: string }[];
}

/** Whether a file begins as WebAssembly modules do. */
export async function isWasm(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString("latin1") === "\0asm";
  } finally {
    await file.close();
  }
}

/** Whether a file is a module with one of the sections that packing makes, of any version: only where sections begin is read. */
export async function isPacked(path: string): Promise<boolean> {
  if (!(await isWasm(path))) return false;
  const file = await open(path);
  try {
    const room = Buffer.alloc(64);
    for (let at = 8; ; ) {
      const { bytesRead } = await file.read(room, 0, room.length, at);
      if (bytesRead < 2) return false;
      const [kind, ...rest] = room.subarray(0, bytesRead);
      const length = rest.slice(0, 5).findIndex((byte) => byte < 128) + 1;
      const size = rest.slice(0, length).reduceRight((sum, byte) => sum * 128 + (byte & 127), 0);
      if (kind === 0 && room.toString("latin1", 2 + length, bytesRead).startsWith("kiloformer.")) return true;
      // Every section has a byte at least.
      if (length === 0 || size === 0) return false;
      at += 1 + length + size;
    }
  } finally {
    await file.close();
  }
}

/**
 * Reads a packed file's sections.
 * @throws {PackedError} `not-packed`, `wrong-format`, `damaged`
 */
export function readPacked(path: string, file: Uint8Array): PackedSummary {
  const ignoreDataSection = file.length > SEGMENT_BYTES;
  const { fields, metadata } = parse(path, file, ignoreDataSection);
  const named = metadata.sections.map(({ section, size }, index, { length }) => {
    const begin = size.loc.end.column;
    if (index === length - 1 && begin + size.value !== file.length) {
      const more = file.length - begin - size.value;
      const expected = more > 0 ? "nothing behind the last section" : "all of the last section";
      const got = more > 0 ? `${more} bytes` : `a file cut short by ${-more} bytes`;
      const message = `${path}: expected ${expected}, got ${got}`;
      throw new PackedError("damaged", message, { file: path });
    }
    const payload = file.subarray(begin, begin + size.value);
    const [name, content] = section === "custom" ? splitName(payload) : [section, payload];
    return { name, bytes: size.value, content };
  });
  const contentOf = (name: string) => named.find((section) => section.name === name)?.content;
  const content = contentOf("kiloformer.directory");
  if (!content) {
    throw new PackedError("not-packed", `${path}: expected a model that kiloformer packed, got another module`, {});
  }
  const directory = readPackedDirectory(content, path);
  const [, begin = 0, size = 0] = directory.files.names.find(([name]) => name === "config.json") ?? [];
  const config = contentOf("kiloformer.files")?.subarray(begin, begin + size) ?? new Uint8Array();
  const segments = fields.flatMap((field) =>
    field.type === "Data" ? [{ address: field.offset.args[0].value, bytes: field.init.values.length }] : [],
  );
  return {
    directory,
    config: parseJsonObject(config, "config.json"),
    bytes: file.length,
    gzipBytes: gzipSync(file, { level: 9 }).length,
    pages: fields.find((field) => field.type === "Memory")?.limits.min ?? 0,
    sections: named.map(({ name, bytes }) => ({ name, bytes })),
    segments: ignoreDataSection ? undefined : segments,
    exports: fields.flatMap((field) =>
      field.type === "ModuleExport" ? [{ name: field.name, kind: field.descr.exportType.toLowerCase() }] : [],
    ),
  };
}

/** The parser knows no SIMD: code is passed over. */
function parse(path: string, file: Uint8Array, ignoreDataSection: boolean) {
  try {
    return decode(file, { ignoreCodeSection: true, ignoreDataSection }).body[0];
  } catch (cause) {
    const reason = reasonOf(cause);
    const message = `${path}: expected a WebAssembly module, got one that cannot be read: ${reason}`;
    throw new PackedError("damaged", message, { file: path }, { cause });
  }
}

/** A custom section's name, and what is behind it. Names of 128 bytes and more are not ours. */
function splitName(payload: Uint8Array): [name: string, content: Uint8Array] {
  const end = 1 + payload[0];
  return [new TextDecoder().decode(payload.subarray(1, end)), payload.subarray(end)];
}
