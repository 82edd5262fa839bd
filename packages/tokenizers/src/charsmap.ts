import { mismatch } from "./errors.ts";
import type { ReplaceAt, Replacement } from "./normalizers.ts";
import { utf8Bytes } from "./utf8.ts";

/**
 * A precompiled charsmap: a Darts double array over UTF-8 and the replacements; the longest match wins.
 * @param bytes field 2 of NormalizerSpec: u32 size of the array in bytes, the array, NUL-terminated texts
 * @throws {TokenizerError} `code: "file"` when the sizes do not fit
 * @see sentencepiece src/normalizer.cc, Normalizer::NormalizePrefix
 */
export function charsmap(bytes: Uint8Array, where: string): ReplaceAt {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length < 4 ? 0 : view.getUint32(0, true);
  if (size === 0 || size % 4 !== 0 || size > bytes.length - 4) {
    throw mismatch("file", `${where}: precompiled_charsmap`, `4-byte units within ${bytes.length} bytes`, size);
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, index) => view.getUint32(4 + index * 4, true));
  const unit = (index: number): number => (index < units.length ? units[index] : 0);
  const children = (index: number): number => index ^ ((unit(index) >>> 10) << ((unit(index) & 512) >>> 6));
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  const texts = new Map<number, string>();
  const textAt = (offset: number): string => {
    let found = texts.get(offset);
    if (found === undefined) {
      const begin = Math.min(4 + size + offset, bytes.length);
      const end = bytes.indexOf(0, begin);
      found = utf8.decode(bytes.subarray(begin, end < 0 ? bytes.length : end));
      texts.set(offset, found);
    }
    return found;
  };
  return (text, from) => {
    let found: Replacement | undefined;
    let node = children(0);
    for (let at = from; at < text.length; ) {
      const codePoint = text.codePointAt(at) as number;
      let isLeaf = false;
      for (const byte of utf8Bytes(codePoint)) {
        node ^= byte;
        if ((unit(node) & 0x800000ff) >>> 0 !== byte) return found;
        isLeaf = (unit(node) & 256) !== 0;
        node = children(node);
      }
      at += codePoint > 0xffff ? 2 : 1;
      if (isLeaf) found = { text: textAt(unit(node) & 0x7fffffff), length: at - from };
    }
    return found;
  };
}
