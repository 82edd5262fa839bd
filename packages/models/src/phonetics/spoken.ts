import type { G2PTokenizer, Segment } from "@kiloformer/tokenizers";
import type { LookUp } from "./lexicon.ts";
import { type Edit, rewrite } from "./rewrite.ts";

/** A stretch of what is read: a word, or what is printed as it is. The parts of a text stand in its order. */
export interface SpokenPart extends Omit<Segment, "end"> {
  /** The IPA of a word, or of other letters and figures that stand by themselves here, where the lexicon has it. */
  readonly ipa?: string;
  /** What `begin` and `end` count in, and where that comes from. */
  readonly pieces: readonly Piece[];
}

/** A stretch of what is read, and where it comes from in the caller's text, in UTF-16 code units. */
export interface Piece {
  /** Where it begins in what is read. */
  readonly at: number;
  readonly begin: number;
  /** Exclusive. */
  readonly end: number;
  /** Whether it is that stretch of the text, letter for letter. */
  readonly verbatim: boolean;
}

/** Words as a lexicon may have them, whatever script they are in. */
const words = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*/gu;

/**
 * A text as it is read: words that the lexicon has with their IPA, and else what `rewrite` makes of it, cut where its script
 * changes, with the IPA of each part that the lexicon has.
 * @param numbers whether numbers are read out
 */
export function readText(text: string, tokenizer: G2PTokenizer, numbers: boolean, lookUp?: LookUp): SpokenPart[] {
  const parts: SpokenPart[] = [];
  let pieces: Piece[] = [];
  let said = "";
  const push = (piece: string, begin: number, end: number) => {
    pieces.push({ at: said.length, begin, end, verbatim: piece === text.slice(begin, end) });
    said += piece;
  };
  const cut = () => {
    for (const segment of tokenizer.segment(said)) {
      for (const part of lookUp ? knownParts(segment, lookUp) : [segment]) parts.push({ ...part, pieces });
    }
    [pieces, said] = [[], ""];
  };
  let last = 0;
  for (const { begin, end, said: instead, alone, ipa } of editsOf(text, tokenizer, numbers, lookUp)) {
    push(text.slice(last, begin), last, begin);
    if (alone) cut();
    push(instead, begin, end);
    last = end;
    if (ipa !== undefined) {
      const [part, other] = tokenizer.segment(said);
      const script = other ? "other" : part.script;
      parts.push({ kind: "word", script, text: said, begin: 0, pieces, ipa });
      [pieces, said] = [[], ""];
    } else if (alone) cut();
  }
  push(text.slice(last), last, text.length);
  cut();
  return parts;
}

/** A segment, cut where a lexicon may have some of it, with the IPA of what it has. */
function knownParts({ kind, script, text, begin }: Segment, lookUp: LookUp): Omit<SpokenPart, "pieces">[] {
  const parts: Omit<SpokenPart, "pieces">[] = [];
  let last = 0;
  const push = (end: number, ipa?: string) => {
    if (end > last) parts.push({ kind, script, text: text.slice(last, end), begin: begin + last, ipa });
    last = end;
  };
  for (const { 0: word, index } of text.matchAll(words)) {
    push(index);
    push(index + word.length, lookUp(word));
  }
  push(text.length);
  return parts;
}

/** What is not read as it stands, in the order of the text. */
function editsOf(
  text: string,
  tokenizer: G2PTokenizer,
  numbers: boolean,
  lookUp: LookUp | undefined,
): (Edit & { readonly ipa?: string })[] {
  if (!lookUp) return rewrite(text, tokenizer, numbers);
  const known: (Edit & { readonly ipa: string })[] = [];
  // Letters in place of what is known: they are not rewritten, and say as much of the language.
  const rest = text.replace(words, (said, begin: number) => {
    const ipa = lookUp(said);
    if (ipa === undefined) return said;
    known.push({ begin, end: begin + said.length, said, alone: true, ipa });
    return (/\p{Script=Hangul}/u.test(said) ? "가" : "a").repeat(said.length);
  });
  return [...known, ...rewrite(rest, tokenizer, numbers)].sort((a, b) => a.begin - b.begin);
}
