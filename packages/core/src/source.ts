import { OptionError } from "./errors.ts";
import { kindOf } from "./kind.ts";
import { blobSource, bytesSource, type Source } from "./source-base.ts";
import { streamSource } from "./source-stream.ts";

export {
  abortable,
  blobSource,
  bytesSource,
  type ReadAllOptions,
  readAll,
  readExactly,
  type Source,
} from "./source-base.ts";
export { type RangeOptions, type ReadRange, rangeSource } from "./source-range.ts";
export { streamSource } from "./source-stream.ts";

/** What a file may be given as. A string is the file's text, never a path or an address. */
export type SourceValue =
  | Source
  | ArrayBufferView
  | ArrayBufferLike
  | string
  | Blob
  | Response
  | ReadableStream<Uint8Array>;

/**
 * The source of a file, however it is given; a source stays as it is.
 * @throws {OptionError} `not-a-source`; SourceError as `streamSource`
 */
export function toSource(name: string, value: SourceValue): Source {
  if (typeof value === "string") return bytesSource(name, new TextEncoder().encode(value));
  if (typeof value !== "object" || value === null) return refuse(name, value === null ? "null" : typeof value);
  if (ArrayBuffer.isView(value) || isBuffer(value)) return bytesSource(name, value);
  // By what they can do, not by class: objects of another realm or a polyfill are as good.
  if (has(value, "read") && "size" in value) return expectSource(name, value as Source);
  if (has(value, "getReader")) return streamSource(name, value as ReadableStream<Uint8Array>);
  if (has(value, "slice") && has(value, "arrayBuffer")) return blobSource(name, value as Blob);
  if (has(value, "arrayBuffer") && "body" in value) return streamSource(name, value as Response);
  return refuse(name, value.constructor?.name ?? "an object without a prototype");
}

function expectSource(name: string, source: Source): Source {
  const { size } = source;
  if (size === Number.POSITIVE_INFINITY || (Number.isSafeInteger(size) && size >= 0)) return source;
  return refuse(name, `a Source of size ${size}`);
}

function isBuffer(value: object): value is ArrayBufferLike {
  return /^(Shared)?ArrayBuffer$/.test(kindOf(value));
}

function has(value: object, method: string): boolean {
  return typeof (value as Record<string, unknown>)[method] === "function";
}

function refuse(name: string, actual: string): never {
  const expected = "bytes, text, a Blob, a Response, a ReadableStream or a Source";
  throw new OptionError("not-a-source", `${name}: expected ${expected}, got ${actual}`, {
    file: name,
    expected,
    actual,
  });
}
