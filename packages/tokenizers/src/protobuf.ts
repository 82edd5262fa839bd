import { mismatch } from "./errors.ts";

/** One field of a protobuf message: numbers are unsigned 32-bit or float, everything with a length is a view. */
export interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** What a message's fields are read into: the type of each default decides how its field is read. */
export type FieldValues = Record<string, string | number | boolean | Uint8Array>;

/**
 * The fields of one protobuf message in file order, every length checked before it is used.
 * Varints keep their low 32 bits, as protobuf does for `int32`, `bool` and enums; 64-bit values are skipped.
 * @throws {TokenizerError} `code: "file"` when the bytes end early or are not a message
 * @see protobuf.dev/programming-guides/encoding
 */
export function* readMessage(bytes: Uint8Array, where: string): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (length: number): number => {
    if (length > bytes.length - at) throw mismatch("file", where, `${length} bytes at offset ${at}`, bytes.length - at);
    at += length;
    return at - length;
  };
  const varint = (): number => {
    let value = 0;
    for (let index = 0; index < 10; index++) {
      const byte = bytes[take(1)];
      if (index < 5) value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value % 2 ** 32;
    }
    throw mismatch("file", where, `a varint of at most 10 bytes before offset ${at}`, undefined, "a longer one");
  };
  while (at < bytes.length) {
    const begin = at;
    const key = varint();
    const number = key >>> 3;
    const wireType = key & 7;
    if (number === 0) throw mismatch("file", where, `a protobuf field at offset ${begin}`, undefined, "number 0");
    if (wireType === 0) yield { number, value: varint() };
    else if (wireType === 1) take(8);
    else if (wireType === 2) {
      const length = varint();
      const from = take(length);
      yield { number, value: bytes.subarray(from, at) };
    } else if (wireType === 5) yield { number, value: view.getFloat32(take(4), true) };
    else throw mismatch("file", where, `a protobuf wire type of 0, 1, 2 or 5 at offset ${begin}`, wireType);
  }
}

/**
 * Reads the named fields of a message over their defaults.
 * @throws {TokenizerError} `code: "file"` when a field has another type, or a text is not UTF-8
 */
export function readFields<Values extends FieldValues>(
  message: number | Uint8Array,
  names: Readonly<Record<number, keyof Values & string>>,
  defaults: Values,
  where: string,
): Values {
  if (typeof message === "number") throw mismatch("file", where, "a message", message);
  const values: FieldValues = { ...defaults };
  for (const { number, value } of readMessage(message, where)) {
    const name = names[number];
    if (name === undefined) continue;
    const type = typeof defaults[name];
    const isNumber = type === "number" || type === "boolean";
    if (isNumber !== (typeof value === "number")) {
      throw mismatch("file", `${where}: field ${number}`, isNumber ? "a number" : "bytes", value);
    }
    if (typeof value === "number") values[name] = type === "number" ? value : value !== 0;
    else values[name] = type === "object" ? value : readText(value, `${where}: field ${number}`);
  }
  return values as Values;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readText(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw mismatch("file", where, "UTF-8", bytes, "other bytes");
  }
}
