/** What stands at a place of the text after normalization, and how many UTF-16 code units it replaces. */
export interface Replacement {
  readonly text: string;
  readonly length: number;
}

/** What `text` becomes at `from`, or undefined where nothing is replaced there. */
export type ReplaceAt = (text: string, from: number) => Replacement | undefined;

/** How SentencePiece normalizes: the flags of NormalizerSpec and TrainerSpec. */
export interface SentencePieceNormalizer {
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
  readonly treatWhitespaceAsSuffix: boolean;
  readonly replaceAt: ReplaceAt;
}

/**
 * A text as a SentencePiece model segments it: replaced place by place, spaces collapsed and marked.
 * @see sentencepiece src/normalizer.cc, Normalizer::Normalize
 */
export function normalizeSentence(input: string, normalizer: SentencePieceNormalizer): string {
  const { addDummyPrefix, removeExtraWhitespaces: collapse, treatWhitespaceAsSuffix: isSuffix } = normalizer;
  const space = normalizer.escapeWhitespaces ? "\u2581" : " ";
  let text = addDummyPrefix && !isSuffix ? space : "";
  let isBlank = collapse || input === "";
  let afterSpace = collapse;
  for (let at = 0; at < input.length; ) {
    const replaced = normalizer.replaceAt(input, at);
    const character = replaced?.text ?? String.fromCodePoint(input.codePointAt(at) as number);
    at += replaced?.length ?? character.length;
    if (character !== " ") isBlank = false;
    const kept = afterSpace ? character.replace(/^ +/, "") : character;
    if (kept !== "") afterSpace = collapse && kept.endsWith(" ");
    text += kept;
  }
  if (isBlank) return "";
  text = text.replaceAll(" ", space);
  let end = text.length;
  while (collapse && text[end - 1] === space) end--;
  return text.slice(0, end) + (addDummyPrefix && isSuffix ? space : "");
}
