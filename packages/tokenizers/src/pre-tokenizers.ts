import { type Aligned, beginOf, charLength, slice } from "./aligned.ts";
import { CharacterFinder, type Finder, findNext, LiteralFinder } from "./finder.ts";
import { type Normalizer, normalizeInChunks, prepend } from "./normalizers.ts";
import { CharacterKinds } from "./regex/character-set.ts";
import { isPunctuation, isWhiteSpace, scriptOf } from "./unicode.ts";

/** Cuts a text into the pieces that a model sees one by one; no piece is empty. */
export interface PreTokenizer {
  /** Changes the whole piece before it is cut; it is local, but for what it may put at the begin. */
  readonly prepare?: Normalizer;
  /** Appends pieces from unit `from` on, about `limit` at most, and returns where the next call goes on. */
  readonly split?: (piece: Aligned, from: number, limit: number, out: Aligned[]) => number;
  /** Changes every piece after the cut; it is local. */
  readonly finish?: Normalizer;
}

// A call ends after so many units for each piece that it may append: where all of a text goes, it has few.
const unitsPerPiece = 64;

/** What becomes of the matches that a text is cut at. */
export const behaviors = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
export type Behavior = (typeof behaviors)[number];

/**
 * Cuts at the matches of a finder.
 * @param invert whether what lies between matches counts as the matches
 * @see tokenizers src/tokenizer/normalizer.rs, NormalizedString::split
 */
export function splitAt(finder: Finder, behavior: Behavior, invert = false): PreTokenizer {
  const split = (piece: Aligned, from: number, limit: number, out: Aligned[]): number => {
    const { text } = piece;
    const stop = out.length + limit;
    const farthest = from + limit * unitsPerPiece;
    // The piece that may still grow, and whether its last part was a match.
    let begin = from;
    let end = from;
    let wasMatch = false;
    const push = (nextBegin: number, nextEnd: number): void => {
      if (begin < end) out.push(slice(piece, begin, end));
      begin = nextBegin;
      end = nextEnd;
    };
    // Takes one part, unless there are enough pieces and the next call may as well begin with it.
    const add = (partBegin: number, partEnd: number, isMatch: boolean): boolean => {
      const grows =
        (behavior === "Contiguous" && isMatch === wasMatch) ||
        (behavior === "MergedWithPrevious" && isMatch && !wasMatch) ||
        (behavior === "MergedWithNext" && !isMatch && wasMatch);
      if (!grows && (out.length >= stop || partBegin > farthest)) return false;
      if (behavior === "Removed" && isMatch) push(partEnd, partEnd);
      else if (grows) end = partEnd;
      else push(partBegin, partEnd);
      wasMatch = isMatch;
      return true;
    };
    let at = from;
    for (let lastEnd = -1; at < text.length; lastEnd = at) {
      const isFound = findNext(finder, text, at, lastEnd);
      const next = isFound ? finder.begin : text.length;
      if (at < next && !add(at, next, invert)) break;
      at = next;
      if (!isFound) break;
      if (!add(at, finder.end, !invert)) break;
      at = finder.end;
    }
    push(0, 0);
    return at;
  };
  return { split };
}

/** Cuts at white space, which goes. */
export const whitespaceSplit = /* @__PURE__ */ splitAt(/* @__PURE__ */ new CharacterFinder(isWhiteSpace), "Removed");

// What is set apart by BERT: 1 for characters of words, 2 for punctuation; white space goes.
const bertKinds = /* @__PURE__ */ new CharacterKinds((codePoint) =>
  isWhiteSpace(codePoint) ? 0 : isPunctuation(codePoint) ? 2 : 1,
);

/** Cuts at white space, which goes, and around every punctuation character. */
export const bertPreTokenizer: PreTokenizer = {
  split: (piece, from, limit, out) => {
    const { text } = piece;
    const stop = out.length + limit;
    const farthest = from + limit * unitsPerPiece;
    let at = from;
    for (let begin = at; at < text.length && out.length < stop && at <= farthest; begin = at) {
      const length = charLength(text, at);
      const kind = bertKinds.of(text.codePointAt(at) as number);
      at += length;
      while (kind === 1 && at < text.length && bertKinds.of(text.codePointAt(at) as number) === 1)
        at += charLength(text, at);
      if (kind !== 0) out.push(slice(piece, begin, at));
    }
    return at;
  },
};

/** Puts a space before a text that does not begin with one. */
export const prefixSpace: Normalizer = (piece, isFirst = true) =>
  !isFirst || piece.text.startsWith(" ") ? piece : prepend(piece, " ");

/**
 * Marks words with `replacement` instead of the space before them.
 * @see tokenizers src/pre_tokenizers/metaspace.rs
 */
export function metaspace(replacement: string, scheme: "always" | "first" | "never", splits: boolean): PreTokenizer {
  return {
    prepare: (piece, isFirst = true) => {
      const text = piece.text.replaceAll(" ", replacement);
      const marked = { ...piece, text };
      const isMarked = isFirst && (scheme === "always" || (scheme === "first" && beginOf(piece, 0) === 0));
      return isMarked && !text.startsWith(replacement) ? prepend(marked, replacement) : marked;
    },
    split: splits ? splitAt(new LiteralFinder(replacement), "MergedWithNext").split : undefined,
  };
}

/**
 * Cuts where the script changes; kana count as Han, and a space belongs to any script.
 * @see tokenizers src/pre_tokenizers/unicode_scripts/pre_tokenizer.rs
 */
export const unicodeScripts: PreTokenizer = {
  split: (piece, _from, _limit, out) => {
    const { text } = piece;
    // Spaces before the first script belong to no piece.
    let begin = -1;
    let script = 0;
    for (let at = 0; at < text.length; at += charLength(text, at)) {
      const here = (text[at] !== " " && scriptOf(text.codePointAt(at) as number)) || script;
      if (here !== script && begin >= 0) out.push(slice(piece, begin, at));
      if (here !== script) begin = at;
      script = here;
    }
    if (begin >= 0) out.push(slice(piece, begin, text.length));
    return text.length;
  },
};

/** Cuts after every `length` characters. */
export function fixedLength(length: number): PreTokenizer {
  const split = (piece: Aligned, _from: number, _limit: number, out: Aligned[]): number => {
    const { text } = piece;
    for (let at = 0; at < text.length; ) {
      const begin = at;
      for (let count = 0; count < length && at < text.length; count++) at += charLength(text, at);
      out.push(slice(piece, begin, at));
    }
    return text.length;
  };
  return { split };
}

/** Pre-tokenizers one after another, as a tokenizer uses them. */
export interface Cutter {
  /** Changes the whole text before the first cut. */
  readonly prepare?: Normalizer;
  /** Appends pieces by the first pre-tokenizer from unit `from` on; returns where the next call goes on. */
  cut(section: Aligned, from: number, out: Aligned[]): number;
  /** What the others make of such a piece, with a pause now and then. */
  words(piece: Aligned): Generator<void, Aligned[]>;
}

// How many pieces are cut before other work may have its turn.
const batchSize = 1024;

/** Without pre-tokenizers all of a text is one piece. */
export function cutterOf([first, ...rest]: readonly PreTokenizer[]): Cutter | undefined {
  if (!first) return undefined;
  return {
    prepare: first.prepare,
    cut(section, from, out) {
      if (first.split) return first.split(section, from, batchSize, out);
      out.push(section);
      return section.text.length;
    },
    *words(piece) {
      let pieces = [first.finish ? yield* normalizeInChunks(first.finish, piece) : piece];
      for (const { prepare, split, finish } of rest) {
        const parts: Aligned[] = [];
        for (const whole of pieces) {
          const prepared = prepare ? yield* normalizeInChunks(prepare, whole) : whole;
          if (!split) parts.push(prepared);
          else for (let at = 0; at < prepared.text.length; yield) at = split(prepared, at, batchSize, parts);
        }
        pieces = [];
        for (const part of parts) pieces.push(finish ? yield* normalizeInChunks(finish, part) : part);
      }
      return pieces;
    },
  };
}
