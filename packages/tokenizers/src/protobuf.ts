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
    throw mismatch("file", where, `a varint of at most 10 bytes before offset ${at}`, "a longer one");
  };
  while (at < bytes.length) {
    const begin = at;
    const key = varint();
    const number = key >>> 3;
    const wireType = key & 7;
    if (number === 0) throw mismatch("file", where, `a protobuf field at offset ${begin}`, "number 0");
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
  bytes: Uint8Array,
  names: Readonly<Record<number, keyof Values & string>>,
  defaults: Values,
  where: string,
): Values {
  const values: FieldValues = { ...defaults };
  for (const { number, value } of readMessage(bytes, where)) {
    const name = names[number];
    if (name === undefined) continue;
    const isText = typeof defaults[name] === "string";
    if ((typeof value === "object") !== (isText || typeof defaults[name] === "object")) {
      throw mismatch("file", `${where}: field ${number}`, typeof value === "object" ? "a number" : "bytes", value);
    }
    const read = isText ? readText(value as Uint8Array, `${where}: field ${number}`) : value;
    values[name] = typeof defaults[name] === "boolean" ? read !== 0 : read;
  }
  return values as Values;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readText(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw mismatch("file", where, "UTF-8", "other bytes", { cause });
  }
}
