/** What stands at a place of the text after normalization, and how many UTF-16 code units it replaces. */
export interface Replacement {
  readonly text: string;
  readonly length: number;
}

/** What `text` becomes at `from`, or undefined where nothing is replaced there. */
export type ReplaceAt = (text: string, from: number) => Replacement | undefined;

/** How SentencePiece normalizes: the flags of NormalizerSpec and TrainerSpec. */
export interface SentencePieceFlags {
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
  readonly treatWhitespaceAsSuffix: boolean;
}

/**
 * A text as a SentencePiece model segments it: replaced place by place, spaces collapsed and marked.
 * @see sentencepiece src/normalizer.cc, Normalizer::Normalize
 */
export function normalizeSentence(input: string, flags: SentencePieceFlags, replaceAt: ReplaceAt): string {
  const { addDummyPrefix, removeExtraWhitespaces: collapse, treatWhitespaceAsSuffix: isSuffix } = flags;
  const space = flags.escapeWhitespaces ? "\u2581" : " ";
  let text = addDummyPrefix && !isSuffix ? space : "";
  let isBlank = collapse || input === "";
  let afterSpace = collapse;
  for (let at = 0; at < input.length; ) {
    const replaced = replaceAt(input, at);
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
