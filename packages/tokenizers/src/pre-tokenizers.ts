import { type Aligned, beginOf, charLength, slice } from "./aligned.ts";
import { CharacterFinder, type Finder, findNext, LiteralFinder } from "./finder.ts";
import { chunkLength, type Normalizer, normalizeInChunks, prepend } from "./normalizers.ts";
import { CharacterKinds } from "./regex/character-set.ts";
import { drain } from "./steps.ts";
import { isPunctuation, isWhiteSpace, scriptOf } from "./unicode.ts";

/** Cuts a text into the pieces that a model sees one by one; no piece is empty. */
export interface PreTokenizer {
  /** Changes the whole piece before it is cut; it is local, but for what it may put at the begin. */
  readonly prepare?: Normalizer;
  /** Appends the pieces to a list, from which those that are there may be taken in each pause. */
  readonly split?: (piece: Aligned, out: Aligned[]) => Generator<undefined>;
  /** Changes every piece after the cut; it is local. */
  readonly finish?: Normalizer;
}

// How many pieces are cut, or units looked at, before other work may have its turn.
const batchSize = 128;
const scanned = 2 ** 16;

/** What becomes of the matches that a text is cut at. */
export const behaviors = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
export type Behavior = (typeof behaviors)[number];

/**
 * Cuts at the matches of a finder.
 * @param invert whether what lies between matches counts as the matches
 * @see tokenizers src/tokenizer/normalizer.rs, NormalizedString::split
 */
export function splitAt(finder: Finder, behavior: Behavior, invert = false): PreTokenizer {
  function* split(piece: Aligned, out: Aligned[]): Generator<undefined> {
    const { text } = piece;
    // The piece that may still grow, and whether its last part was a match.
    let begin = 0;
    let end = 0;
    let wasMatch = false;
    const add = (partBegin: number, partEnd: number, isMatch: boolean): void => {
      const grows =
        (behavior === "Contiguous" && isMatch === wasMatch) ||
        (behavior === "MergedWithPrevious" && isMatch && !wasMatch) ||
        (behavior === "MergedWithNext" && !isMatch && wasMatch);
      wasMatch = isMatch;
      if (!grows && begin < end) out.push(slice(piece, begin, end));
      if (!grows) begin = behavior === "Removed" && isMatch ? partEnd : partBegin;
      end = partEnd;
    };
    let pauseAt = scanned;
    for (let at = 0, from = 0, lastEnd = -1; at < text.length; ) {
      const isFound = findNext(finder, text, from, lastEnd, pauseAt);
      from = finder.end;
      if (isFound || from >= text.length) {
        const next = isFound ? finder.begin : text.length;
        if (at < next) add(at, next, invert);
        if (isFound) add(next, from, !invert);
        at = lastEnd = from;
      }
      if (out.length < batchSize && from < pauseAt) continue;
      yield;
      pauseAt = from + scanned;
    }
    if (begin < end) out.push(slice(piece, begin, end));
  }
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
  *split(piece, out) {
    const { text } = piece;
    let pauseAt = scanned;
    for (let at = 0; at < text.length; ) {
      const begin = at;
      const kind = bertKinds.of(text.codePointAt(at) as number);
      at += charLength(text, at);
      if (kind === 1) at = bertKinds.endOf(1, text, at);
      if (kind !== 0) out.push(slice(piece, begin, at));
      if (out.length < batchSize && at < pauseAt) continue;
      yield;
      pauseAt = at + scanned;
    }
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
  *split(piece, out) {
    const { text } = piece;
    // Spaces before the first script belong to no piece.
    let begin = -1;
    let script = 0;
    let count = 0;
    for (let at = 0; at < text.length; at += charLength(text, at)) {
      const here = (text[at] !== " " && scriptOf(text.codePointAt(at) as number)) || script;
      if (here !== script && begin >= 0) out.push(slice(piece, begin, at));
      if (here !== script) begin = at;
      script = here;
      if (++count % scanned === 0 || out.length >= batchSize) yield;
    }
    if (begin >= 0) out.push(slice(piece, begin, text.length));
  },
};

/** Cuts after every `length` characters. */
export function fixedLength(length: number): PreTokenizer {
  function* split(piece: Aligned, out: Aligned[]): Generator<undefined> {
    const { text } = piece;
    let pauseAt = scanned;
    for (let at = 0; at < text.length; ) {
      const begin = at;
      for (let count = 0; count < length && at < text.length; count++) at += charLength(text, at);
      out.push(slice(piece, begin, at));
      if (out.length < batchSize && at < pauseAt) continue;
      yield;
      pauseAt = at + scanned;
    }
  }
  return { split };
}

/** Pre-tokenizers one after another, as a tokenizer uses them. */
export interface Cutter {
  /** Changes the whole text before the first cut. */
  readonly prepare?: Normalizer;
  /** The pieces that the first pre-tokenizer cuts off, some at a time. */
  cut(section: Aligned): Generator<readonly Aligned[]>;
  /** What the others make of such a piece. */
  words(piece: Aligned): readonly Aligned[];
  /** The same for a long piece: some words at a time, or a pause. */
  someWords(piece: Aligned): Generator<readonly Aligned[] | undefined>;
}

/** Without pre-tokenizers all of a text is one piece. */
export function cutterOf([first, ...others]: readonly PreTokenizer[]): Cutter | undefined {
  if (!first) return undefined;
  const rest = [{ finish: first.finish }, ...others];
  return {
    prepare: first.prepare,
    cut: (section) => batches(first, section),
    words: (piece) => cutAll([piece], rest),
    someWords: (piece) => cutSome([piece], rest),
  };
}

function* batches({ split }: PreTokenizer, piece: Aligned): Generator<Aligned[]> {
  const pieces: Aligned[] = [];
  if (!split) pieces.push(piece);
  else {
    for (const _ of split(piece, pieces)) yield pieces.splice(0);
  }
  yield pieces;
}

function cutAll(pieces: readonly Aligned[], preTokenizers: readonly PreTokenizer[]): readonly Aligned[] {
  let cut = pieces;
  for (const { prepare, split, finish } of preTokenizers) {
    if (prepare) cut = cut.map((piece) => prepare(piece));
    if (split) {
      const parts: Aligned[] = [];
      for (const piece of cut) drain(split(piece, parts));
      cut = parts;
    }
    if (finish) cut = cut.map((piece) => finish(piece));
  }
  return cut;
}

/** What each pre-tokenizer cuts off goes through the others before it cuts more. */
function* cutSome(
  pieces: readonly Aligned[],
  [first, ...others]: readonly PreTokenizer[],
): Generator<readonly Aligned[] | undefined> {
  if (!first || pieces.every(({ text }) => text.length <= chunkLength)) {
    yield cutAll(pieces, first ? [first, ...others] : []);
    return;
  }
  const { prepare, finish } = first;
  for (const piece of pieces) {
    const prepared = prepare ? yield* normalizeInChunks(prepare, piece) : piece;
    for (const parts of batches(first, prepared)) {
      for (const [index, part] of parts.entries()) if (finish) parts[index] = yield* normalizeInChunks(finish, part);
      yield* cutSome(parts, others);
      yield;
    }
  }
}
