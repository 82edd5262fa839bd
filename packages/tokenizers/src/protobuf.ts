import { mismatch } from "./errors.ts";

/**
 * A reader of protobuf messages in some bytes, field by field, every length checked before it is used.
 * @see protobuf.dev/programming-guides/encoding
 */
export class ProtobufReader {
  /** The number of the field. */
  field = 0;
  /**
   * What it says, if it is a float or a varint, else NaN. Varints keep their low 32 bits, as protobuf does for `int32`.
   */
  value = 0;
  /** Where it lies, if it has a length; else -1. */
  begin = -1;
  end = -1;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #where: () => string;
  #at = 0;
  #limit: number;

  /** @param where the file and the message, for messages of errors */
  constructor(bytes: Uint8Array, where: () => string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#where = where;
    this.#limit = bytes.length;
  }

  /** Begins to read the message that a field of another reader is. */
  open({ begin, end }: ProtobufReader): this {
    this.#at = begin;
    this.#limit = end;
    return this;
  }

  /**
   * Goes to the next field, if there is one.
   * @throws {TokenizerError} `code: "file"` when the bytes end early or are not a message
   */
  next(): boolean {
    const at = this.#at;
    if (at >= this.#limit) return false;
    const key = this.#varint();
    const wireType = key & 7;
    this.field = key >>> 3;
    this.begin = this.end = -1;
    this.value = NaN;
    if (wireType === 0) this.value = this.#varint();
    else if (wireType === 5) this.value = this.#view.getFloat32(this.#take(4), true);
    else if (wireType === 2) {
      this.begin = this.#take(this.#varint());
      this.end = this.#at;
    } else if (wireType === 1) this.#take(8);
    if (this.field > 0 && (wireType < 3 || wireType === 5)) return true;
    throw this.#error("a protobuf field", at, key);
  }

  #error(expected: string, offset: number, got: unknown): Error {
    return mismatch("file", this.#where(), `${expected} at offset ${offset}`, got);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#limit - at) throw this.#error(`${length} bytes`, at, this.#limit - at);
    this.#at += length;
    return at;
  }

  #varint(): number {
    const begin = this.#at;
    const first = this.#bytes[begin];
    if (first < 128 && begin < this.#limit) {
      this.#at++;
      return first;
    }
    let value = 0;
    for (let factor = 1; this.#at < begin + 10; factor *= 128) {
      const byte = this.#bytes[this.#take(1)];
      if (factor < 2 ** 32) value += (byte & 127) * factor;
      if (byte < 128) return value % 2 ** 32;
    }
    throw this.#error("a varint of at most 10 bytes", begin, "more");
  }
}
