import { type Finder, findNext } from "./finder.ts";

/** One step from tokens to text: the texts that it makes of them, joined at the end. */
export type Decoder = (tokens: readonly string[]) => readonly string[];

/**
 * Without the spaces before punctuation and contractions that an English tokenizer made.
 * @see transformers 5.18, clean_up_tokenization
 */
export function cleanUp(text: string): string {
  return text
    .replace(/ ([.?!,])/g, "$1")
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, "$1");
}

/** The same as decoders do it. */
function cleanUpToken(text: string): string {
  return cleanUp(text).replaceAll(" do not", " don't");
}

/** Words with a space between, their later pieces without the prefix. */
export function wordPieceDecoder(prefix: string, cleanup: boolean): Decoder {
  return (tokens) =>
    tokens.map((token, index) => {
      const joins = token.startsWith(prefix);
      const text = index === 0 ? token : joins ? token.slice(prefix.length) : ` ${token}`;
      return cleanup ? cleanUpToken(text) : text;
    });
}

/** Marks become spaces; those of the first token go, if one was added to the text. */
export function metaspaceDecoder(replacement: string, isPrepended: boolean): Decoder {
  return (tokens) => tokens.map((token, index) => token.replaceAll(replacement, isPrepended && index === 0 ? "" : " "));
}

/** Word ends become spaces, but for the last one. */
export function suffixDecoder(suffix: string): Decoder {
  return (tokens) => tokens.map((token, index) => token.replaceAll(suffix, index < tokens.length - 1 ? " " : ""));
}

/** What a speech model says: repeats and pads go. */
export function ctcDecoder(pad: string, delimiter: string, cleanup: boolean): Decoder {
  return (tokens) => {
    const texts = tokens
      .filter((token, index) => token !== tokens[index - 1])
      .map((token) => token.replaceAll(pad, ""));
    return (cleanup ? texts.map((text) => cleanUpToken(text).replaceAll(delimiter, " ")) : texts).filter(
      (text) => text !== "",
    );
  };
}

/** Tokens like `<0xE3>` are bytes; a run of them that is no UTF-8 becomes one U+FFFD a byte. */
export const byteFallbackDecoder: Decoder = (tokens) => {
  const texts: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      texts.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)));
    } catch {
      for (const _ of bytes) texts.push("\ufffd");
    }
    bytes = [];
  };
  for (const token of tokens) {
    if (/^<0x[0-9a-f]{2}>$/i.test(token)) bytes.push(Number.parseInt(token.slice(3, 5), 16));
    else {
      flush();
      texts.push(token);
    }
  }
  flush();
  return texts;
};

/** Takes up to so many of a character from each end of every token. */
export function stripDecoder(content: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const characters = [...token];
      let begin = 0;
      let end = characters.length;
      while (begin < Math.min(start, end) && characters[begin] === content) begin++;
      while (end > begin && characters.length - end < stop && characters[end - 1] === content) end--;
      return characters.slice(begin, end).join("");
    });
}

/** Replaces matches in every token. */
export function replaceDecoder(finder: Finder, content: string): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      let text = "";
      let kept = 0;
      for (let lastEnd = -1; findNext(finder, token, kept, lastEnd); lastEnd = kept) {
        text += token.slice(kept, finder.begin) + content;
        kept = finder.end;
      }
      return text + token.slice(kept);
    });
}
