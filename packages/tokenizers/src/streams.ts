import type { DecodeStream } from "./text-tokenizer.ts";

// So many tokens are held back at most while the text ends with U+FFFD, which may be a character that is not complete.
const longestWindow = 32;
// So many are kept where what is new begins within a character.
const mostKept = 256;

/**
 * Decodes a window of ids again with each new one, since what a token prints depends on those before it, and emits what
 * is new once it does not end in the middle of a character.
 * @see tokenizers src/tokenizer/mod.rs, step_decode_stream
 */
export function windowStream(decode: (ids: readonly number[]) => string, prefixIds: readonly number[]): DecodeStream {
  let ids: number[] = [];
  let prefix = "";
  // As many of them as print something, from the begin of a character on: special tokens may stand at their end.
  for (let count = 8; (prefix === "" || isCut(prefix)) && ids.length < prefixIds.length; count *= 2) {
    ids = prefixIds.slice(-count);
    prefix = decode(ids);
  }
  let prefixLength = ids.length;
  // What it prints without the character that it may end within.
  let complete = prefix;
  for (let cut = 1; cut < 4 && complete.endsWith("\ufffd"); cut++) complete = decode(ids.slice(0, -cut));
  const take = (isLast: boolean): string => {
    const text = decode(ids);
    const isOpen = text.endsWith("\ufffd") && ids.length - prefixLength < longestWindow;
    // What came before may end within a character, which this completes.
    const known = text.startsWith(prefix)
      ? prefix.length
      : Math.max(commonLength(text, prefix), text.startsWith(complete) ? complete.length : 0);
    if (text.length <= known || (isOpen && !isLast)) return "";
    // What begins a window has to begin a character.
    const rest = ids.slice(prefixLength);
    const restText = decode(rest);
    const keepsAll = isCut(restText) && ids.length < mostKept;
    ids = keepsAll ? ids : rest;
    prefix = keepsAll ? text : restText;
    prefixLength = ids.length;
    return text.slice(known);
  };
  const push = (id: number): string => {
    ids.push(id);
    return take(false);
  };
  return { push, end: () => take(true) };
}

/** Whether a text may begin within a character. */
const isCut = (text: string): boolean => text.startsWith("\ufffd");

/** How many code units two texts have in common at their begin. */
function commonLength(a: string, b: string): number {
  let at = 0;
  while (at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
