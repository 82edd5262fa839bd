import { utf8Bytes } from "../utf8.ts";

/** The ids of the tokens `<0x00>` to `<0xFF>`, by their bytes. */
export function byteTokens(tokenToId: (token: string) => number | undefined): (number | undefined)[] {
  return Array.from({ length: 256 }, (_, byte) => tokenToId(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`));
}

/** A text in byte tokens, where all of them are in the vocabulary. */
export function spell(text: string, byteIds: readonly (number | undefined)[]): number[] | undefined {
  const ids: number[] = [];
  for (const character of text) {
    for (const byte of utf8Bytes(character.codePointAt(0) as number)) {
      const id = byteIds[byte];
      if (id === undefined) return undefined;
      ids.push(id);
    }
  }
  return ids;
}
