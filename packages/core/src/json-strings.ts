const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const escapes: ReadonlyMap<number, number> = new Map(
  ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"].map((pair) => [pair.charCodeAt(0), pair.charCodeAt(1)]),
);

/** A name from a file as a message may show it: quoted, control and direction characters escaped, cut after 80 characters. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  const hidden = /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
  return JSON.stringify(shown).replace(hidden, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Names for a message: all of them, or the first hundred and how many more; the error's fields hold all. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 100).map(quote).join(", ");
  return names.length > 100 ? `${shown} and ${names.length - 100} more` : shown;
}

/** The text, or `undefined` if the bytes are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Checks in pieces, so that a large text costs no second copy. */
export function isUtf8(bytes: Uint8Array): boolean {
  const pieces = new TextDecoder("utf-8", { fatal: true });
  try {
    for (let begin = 0; begin < bytes.length; begin += 65536) {
      pieces.decode(bytes.subarray(begin, begin + 65536), { stream: true });
    }
    pieces.decode();
    return true;
  } catch {
    return false;
  }
}

/** An escape that JSON does not have, or a surrogate without its other half, and where it begins. */
export interface BadEscape {
  readonly index: number;
  readonly surrogate?: string;
}

/** Replaces the escapes in `bytes[begin..end]` by the UTF-8 of what they stand for, which is never longer. */
export function unescapeJson(bytes: Uint8Array, begin: number, end: number): Uint8Array | BadEscape {
  const target = new Uint8Array(end - begin);
  let length = 0;
  for (let index = begin; index < end; index++) {
    if (bytes[index] !== BACKSLASH) {
      target[length++] = bytes[index];
      continue;
    }
    const simple = escapes.get(bytes[index + 1]);
    if (simple !== undefined) {
      target[length++] = simple;
      index++;
      continue;
    }
    const code = unicodeEscape(bytes, index);
    if (typeof code !== "number") return code;
    index += code > 0xffff ? 11 : 5;
    length = writeUtf8(target, length, code);
  }
  return target.subarray(0, length);
}

/** The code point of the `\uXXXX` escape, or pair of them, at `index`. */
function unicodeEscape(bytes: Uint8Array, index: number): number | BadEscape {
  const first = hexEscape(bytes, index);
  if (first < 0) return { index };
  if (first < 0xd800 || first > 0xdfff) return first;
  const second = first < 0xdc00 ? hexEscape(bytes, index + 6) : -1;
  if (second < 0xdc00 || second > 0xdfff) return { index, surrogate: `\\u${first.toString(16)}` };
  return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/** The value of a `\uXXXX` escape, or -1 if there is none. */
function hexEscape(bytes: Uint8Array, index: number): number {
  if (bytes[index] !== BACKSLASH || bytes[index + 1] !== LETTER_U) return -1;
  let value = 0;
  for (let place = index + 2; place < index + 6; place++) {
    const digit = hexDigit(bytes[place]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function writeUtf8(target: Uint8Array, length: number, code: number): number {
  if (code < 0x80) {
    target[length] = code;
    return length + 1;
  }
  const following = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  target[length++] = [0, 0xc0, 0xe0, 0xf0][following] | (code >> (6 * following));
  for (let shift = 6 * (following - 1); shift >= 0; shift -= 6) target[length++] = 0x80 | ((code >> shift) & 0x3f);
  return length;
}
