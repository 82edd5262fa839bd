/** The UTF-8 bytes of a code point. */
export function utf8Bytes(codePoint: number): number[] {
  if (codePoint < 0x80) return [codePoint];
  const tail = 0x80 | (codePoint & 63);
  if (codePoint < 0x800) return [0xc0 | (codePoint >> 6), tail];
  const middle = 0x80 | ((codePoint >> 6) & 63);
  if (codePoint < 0x10000) return [0xe0 | (codePoint >> 12), middle, tail];
  return [0xf0 | (codePoint >> 18), 0x80 | ((codePoint >> 12) & 63), middle, tail];
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
    const lead = bytes[at];
    const length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
    let codePoint = length > 1 ? lead & (0x7f >> length) : lead;
    let end = at + 1;
    while (end < at + length && end < bytes.length && (bytes[end] & 0xc0) === 0x80) {
      codePoint = (codePoint << 6) | (bytes[end++] & 63);
    }
    if (!final && end === bytes.length && end < at + length) break;
    const shortest = [Infinity, 0, 0x80, 0x800, 0x10000][length];
    const isSurrogate = codePoint >= 0xd800 && codePoint < 0xe000;
    const valid = end === at + length && codePoint >= shortest && codePoint <= 0x10ffff && !isSurrogate;
    out += valid ? String.fromCodePoint(codePoint) : "\ufffd";
    at = valid ? end : at + 1;
  }
  bytes.splice(0, at);
  return out;
}
