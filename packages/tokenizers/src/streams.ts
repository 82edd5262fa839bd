import type { DecodeStream } from "./text-tokenizer.ts";

// So many tokens are held back at most while the text ends with U+FFFD, which may be a character that is not complete.
const longestWindow = 32;

/**
 * Decodes a window of ids again with each new one, since what a token prints depends on those before it, and emits what
 * is new once it does not end in the middle of a character.
 * @see tokenizers src/tokenizer/mod.rs, step_decode_stream
 */
export function windowStream(decode: (ids: readonly number[]) => string, prefixIds: readonly number[]): DecodeStream {
  let ids: number[] = [];
  let prefix = "";
  // As many of them as print something: special tokens may stand at their end.
  for (let count = 8; prefix === "" && ids.length < prefixIds.length; count *= 2) {
    ids = prefixIds.slice(-count);
    prefix = decode(ids);
  }
  let prefixLength = ids.length;
  const take = (isLast: boolean): string => {
    const text = decode(ids);
    const isOpen = text.endsWith("\ufffd") && ids.length - prefixLength < longestWindow;
    // What came before may end within a character, which this completes.
    const known = text.startsWith(prefix) ? prefix : prefix.replace(/\ufffd+$/, "");
    if (text.length <= known.length || (isOpen && !isLast)) return "";
    const added = text.slice(known.length);
    ids = ids.slice(prefixLength);
    prefix = decode(ids);
    prefixLength = ids.length;
    return added;
  };
  const push = (id: number): string => {
    ids.push(id);
    return take(false);
  };
  return { push, end: () => take(true) };
}
