export const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The UTF-8 bytes of a code point. */
export function utf8Bytes(codePoint: number): number[] {
  if (codePoint < 0x80) return [codePoint];
  const tail = 0x80 | (codePoint & 63);
  if (codePoint < 0x800) return [0xc0 | (codePoint >> 6), tail];
  const middle = 0x80 | ((codePoint >> 6) & 63);
  if (codePoint < 0x10000) return [0xe0 | (codePoint >> 12), middle, tail];
  return [0xf0 | (codePoint >> 18), 0x80 | ((codePoint >> 12) & 63), middle, tail];
}

/** How many UTF-8 bytes a code point has. */
export function utf8Length(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}

/** The character at a place is not UTF-8, or not yet: the bytes end within it. */
export const invalid = -1;
export const unfinished = -2;

/** The code point whose UTF-8 begins at `at`, or `invalid` or `unfinished`. */
export function characterAt(bytes: ArrayLike<number>, at: number, end: number): number {
  const lead = bytes[at];
  if (lead < 0x80) return lead;
  const length = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  let codePoint = lead & (0x7f >> length);
  for (let index = 1; index < length; index++) {
    if (at + index >= end) return unfinished;
    if ((bytes[at + index] & 0xc0) !== 0x80) return invalid;
    codePoint = (codePoint << 6) | (bytes[at + index] & 63);
  }
  const isCharacter = utf8Length(codePoint) === length && codePoint <= 0x10ffff && codePoint >> 11 !== 0x1b;
  return isCharacter ? codePoint : invalid;
}

/** Puts the code units of UTF-8 into a list from its begin on; gives how many, or -1 - the place of what is no character. */
export function putUnits(bytes: Uint8Array, begin: number, end: number, units: number[]): number {
  let length = 0;
  for (let at = begin; at < end; ) {
    const codePoint = characterAt(bytes, at, end);
    if (codePoint < 0) return -1 - at;
    if (codePoint > 0xffff) units[length++] = 0xd7c0 + (codePoint >> 10);
    units[length++] = codePoint > 0xffff ? 0xdc00 | (codePoint & 0x3ff) : codePoint;
    at += utf8Length(codePoint);
  }
  return length;
}

/**
 * Takes every character that is decided off the front of `bytes`. A byte that belongs to no character becomes U+FFFD,
 * one each, as sentencepiece does (TextDecoder makes one of several).
 * @param final whether nothing follows, so that an unfinished character is wrong too
 */
export function takeCharacters(bytes: number[], final: boolean): string {
  let out = "";
  let at = 0;
  while (at < bytes.length) {
    const codePoint = characterAt(bytes, at, bytes.length);
    if (codePoint === unfinished && !final) break;
    out += codePoint < 0 ? "\ufffd" : String.fromCodePoint(codePoint);
    at += codePoint < 0 ? 1 : utf8Length(codePoint);
  }
  bytes.splice(0, at);
  return out;
}
