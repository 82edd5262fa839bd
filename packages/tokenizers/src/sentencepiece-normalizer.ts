import { type Aligned, beginOf, Rewriter } from "./aligned.ts";
import type { Replacement } from "./charsmap.ts";
import type { StepwiseNormalizer } from "./normalizers.ts";
import type { NormalizerSpec } from "./sentencepiece-file.ts";

// Characters that are looked at before other work may have its turn.
const scanned = 65_536;

/**
 * SentencePiece's normalization: replaced place by place, spaces collapsed and marked. A unit's `end` is the begin of
 * the next one, so that tokens have sentencepiece's offsets.
 * @param isSuffix whether a word's mark comes after it
 * @param replacementAt what a text becomes at a place, or undefined where nothing is replaced there
 * @param legacy whether parts of a text after its first get the dummy prefix, too
 * @see sentencepiece src/normalizer.cc, Normalizer::Normalize
 */
export function sentenceNormalizer(
  { addDummyPrefix, removeExtraWhitespaces: collapses, escapeWhitespaces }: NormalizerSpec,
  isSuffix: boolean,
  replacementAt: (text: string, at: number) => Replacement | undefined,
  legacy = true,
): StepwiseNormalizer {
  const space = escapeWhitespaces ? "\u2581" : " ";
  const marked = (text: string): string => (escapeWhitespaces ? text.replaceAll(" ", space) : text);
  return function* (input) {
    const { text } = input;
    const { length } = text;
    let at = 0;
    for (let steps = 1, isLeading = collapses; isLeading && at < length; steps++) {
      const found = replacementAt(text, at);
      isLeading = (found ? found.text : text[at]) === " ";
      if (isLeading) at += found ? found.length : 1;
      if (steps % scanned === 0) yield;
    }
    if (at === length) return { text: "", at: 0 };
    const out = new Rewriter(input, 1, marked);
    if (addDummyPrefix && !isSuffix && (legacy || beginOf(input, 0) === 0)) out.add(" ", at, at + 1);
    let afterSpace = collapses;
    let kept = at;
    for (let stop = scanned; at < length; stop += scanned) {
      while (at < length && at < stop) {
        const found = replacementAt(text, at);
        const isSpace = !found && text.charCodeAt(at) === 32;
        if (found || (isSpace && afterSpace)) {
          out.keep(kept, at);
          kept = at + (found ? found.length : 1);
          // Only what stands before a replacement's first other character is dropped.
          const put = found ? (afterSpace ? found.text.replace(/^ +/, "") : found.text) : "";
          out.add(put, at, kept);
          if (put !== "") afterSpace = collapses && put.endsWith(" ");
          at = kept;
        } else {
          afterSpace = isSpace && collapses;
          at++;
        }
      }
      out.keep(kept, at);
      kept = at;
      if (at < length) yield;
    }
    // One more unit, whose begin is the end of all.
    out.add(" ", length - 1, length);
    const { text: spaced, at: first, begins, ends } = out.finish() as Required<Aligned>;
    if (length > scanned) yield;
    let end = spaced.length - 1;
    begins[first + end] = ends[first + end];
    ends.set(begins.subarray(first + 1, first + spaced.length), first);
    while (collapses && end > 0 && spaced[end - 1] === space) end--;
    const isMarkedAfter = addDummyPrefix && isSuffix;
    if (isMarkedAfter) ends[first + end] = begins[first + end];
    return { text: spaced.slice(0, end) + (isMarkedAfter ? space : ""), at: first, begins, ends };
  };
}
