import { charLength, Rewriter } from "./aligned.ts";
import type { Normalizer } from "./normalizers.ts";
import { utf8Bytes } from "./utf8.ts";

/** The character that stands for each byte: itself where it prints, else one from U+0100 on, in the order of the bytes. */
const characters: string[] = [];
/** The byte that each of these characters stands for. */
const bytes = new Map<string, number>();
for (let byte = 0, next = 256; byte < 256; byte++) {
  const prints = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const character = String.fromCharCode(prints ? byte : next++);
  characters.push(character);
  bytes.set(character, byte);
}

/** The character that stands for a byte. */
export function byteCharacter(byte: number): string {
  return characters[byte];
}

/** A text as the characters that stand for its UTF-8 bytes; each comes from the whole character whose byte it is. */
export const toByteCharacters: Normalizer = (input) => {
  const { text } = input;
  if (/^[!-~]*$/.test(text)) return input;
  if (/^\p{ASCII}*$/u.test(text)) {
    const spaced = text.replaceAll(" ", characters[32]);
    return { ...input, text: spaced.replace(/\p{Cc}/gu, (control) => characters[control.charCodeAt(0)]) };
  }
  const out = new Rewriter(input, 3);
  for (let at = 0; at < text.length; ) {
    const end = at + charLength(text, at);
    let mapped = "";
    for (const byte of utf8Bytes(text.codePointAt(at) as number)) mapped += characters[byte];
    out.add(mapped, at, end);
    at = end;
  }
  return out.finish();
};

/** The bytes that a token's characters stand for; where one stands for none, the token's own UTF-8. */
export function fromByteCharacters(token: string): ArrayLike<number> {
  const found: number[] = [];
  for (const character of token) {
    const byte = bytes.get(character);
    if (byte === undefined) return new TextEncoder().encode(token);
    found.push(byte);
  }
  return found;
}

/** Tokens as a byte-level decoder joins them: all bytes first, then characters. */
export function joinByteLevel(tokens: readonly string[]): string {
  const joined: number[] = [];
  for (const token of tokens) {
    const found = fromByteCharacters(token);
    for (let index = 0; index < found.length; index++) joined.push(found[index]);
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(joined));
}
