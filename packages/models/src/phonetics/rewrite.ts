import type { G2PTokenizer } from "@kiloformer/tokenizers";
import { readNumber } from "./numbers.ts";

/** A stretch of a text that is read in another way than it is written. */
export interface Edit {
  readonly begin: number;
  /** Exclusive. */
  readonly end: number;
  /** What is read in its place. */
  readonly said: string;
  /** Whether it makes no word with its neighbours. */
  readonly alone?: boolean;
}

// In this order: a number, whole or of a date, a list, a version; what makes it an ordinal or a plural; consonants in
// upper case; a word with apostrophes; any other letter, which says what language numbers are in.
const marks =
  /((?:(?<![^\s(["'“‘=:<])[-−])?(?<!\d[.,])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![.,]?\d)|\d+)((?:st|nd|rd|th|s)\b)?|((?<![\p{Script=Latin}\p{M}'’])[B-DF-HJ-NP-TV-XZ]{2,5}(?![\p{Script=Latin}\p{M}'’]))|((?<![\p{Script=Latin}\p{M}])[\p{Script=Latin}\p{M}]+(?:['’][\p{Script=Latin}\p{M}]+)+)|\p{L}/gu;
/** Letters whose names models do not know of themselves: they take many a single letter for its name, as dictionaries do. */
const names: Readonly<Record<string, string>> = { C: "see", J: "jay", W: "double you", X: "ex", Z: "zee" };
const letter = /[\p{L}\p{M}]/u;

/**
 * What is not read as it stands. Numbers (where `numbers` asks) become words: Korean where they touch Hangul, else English
 * or Korean as the letter before them. Words of 2 to 5 consonants in upper case become letters. An apostrophe inside a
 * word is left out where the vocabulary has none.
 */
export function rewrite(text: string, tokenizer: G2PTokenizer, numbers: boolean): Edit[] {
  const edits: Edit[] = [];
  if (!/\d|['’]|[B-Z]{2}/.test(text)) return edits;
  const canSay = (said: string) =>
    tokenizer.segment(said).every(({ kind, text }) => kind === "word" || text.trim() === "");
  const hasApostrophe = tokenizer.tokenToId("'") !== undefined;
  // Numbers before the first letter are in its language, those of a text without any in English.
  let last = /\p{L}/u.exec(text)?.[0] ?? "a";
  for (const { 0: all, 1: figures, 2: suffix = "", 3: capitals, 4: word, index: begin } of text.matchAll(marks)) {
    const end = begin + all.length;
    if (!figures) last = all;
    else if (numbers) {
      const [before, after] = [text.slice(begin - 1, begin), text.slice(end, end + 1)];
      const near = [suffix, after, last].find((part) => letter.test(part)) as string;
      const isKorean = /\p{Script=Hangul}/u.test(near);
      if (!isKorean && !/\p{Script=Latin}/u.test(near)) continue;
      const pad = (neighbour: string) => (!isKorean && letter.test(neighbour) ? " " : "");
      const said = pad(before) + readNumber(figures, suffix, isKorean) + pad(after);
      if (canSay(said)) edits.push({ begin, end, said });
    }
    for (const [at, name] of Array.from(capitals ?? "").entries()) {
      const [from, to] = [begin + at, begin + at + 1];
      for (const said of (names[name] ?? name).split(" ")) edits.push({ begin: from, end: to, said, alone: true });
    }
    if (word && !hasApostrophe && canSay(word.replace(/['’]/g, ""))) {
      for (const { index } of word.matchAll(/['’]/g)) {
        edits.push({ begin: begin + index, end: begin + index + 1, said: "" });
      }
    }
  }
  return edits;
}
