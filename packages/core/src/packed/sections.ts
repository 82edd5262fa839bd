// The sections of a WebAssembly module, as bytes.
// @see WebAssembly Core Specification 2.0, binary format
import { leb, readLeb } from "../leb.ts";

/** The ids of sections that packing looks at. */
export const SECTION = { custom: 0, import: 2, memory: 5, export: 7, dataCount: 12, data: 11 } as const;
/** The order that the format asks for; custom sections may lie anywhere. */
export const sectionOrder: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];
/** `\0asm`, version 1. */
export const MODULE_HEADER = [0, 97, 115, 109, 1, 0, 0, 0] as const;

/** A signed number from 0 on: the highest of its last seven bits is its sign. */
export function signedLeb(value: number): number[] {
  const bytes = leb(value);
  const last = bytes.length - 1;
  if (bytes[last] < 64) return bytes;
  bytes[last] |= 128;
  return [...bytes, 0];
}

/** A name: its length, then its UTF-8. */
export function nameBytes(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  return [...leb(bytes.length), ...bytes];
}

/** The payloads of a module's sections by id; custom ones are left out. */
export function readSections(module: Uint8Array): Map<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  for (let at = MODULE_HEADER.length; at < module.length; ) {
    const { value: size, end: begin } = readLeb(module, at + 1);
    if (module[at] !== SECTION.custom) sections.set(module[at], module.subarray(begin, begin + size));
    at = begin + size;
  }
  return sections;
}

/** A section that is a list, with one entry more. */
export function appended(list: Uint8Array | undefined, ...entry: readonly Part[]): Part[] {
  if (!list) return [[1], ...entry];
  const { value: count, end: begin } = readLeb(list, 0);
  return [leb(count + 1), list.subarray(begin), ...entry];
}

/** Bytes that are to lie one behind the other. */
export type Part = Uint8Array | readonly number[];

export const sizeOfParts = (parts: readonly Part[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** A whole section: id, size, payload. */
export const section = (id: number, ...payload: readonly Part[]): Part[] => [
  [id, ...leb(sizeOfParts(payload))],
  ...payload,
];

/** Parts one behind the other. */
export function joined(parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeOfParts(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
