import { byteTokens, spell } from "./byte-tokens.ts";
import { allTokens, type Model, noTokens, type Tokens } from "./model.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Whose rules decide: Google sentencepiece 0.2.2's or Hugging Face tokenizers 0.23's. */
export type Rule = "sentencepiece" | "huggingface";

/** What becomes of characters that are no piece. */
export interface PieceOptions {
  /** Whose sums and offsets; they differ where segmentations are equally probable. */
  readonly rule: Rule;
  /** The unknown piece; without one, an unknown character is an error. */
  readonly unkId?: number;
  /** Whether unknown characters become bytes `<0x00>` to `<0xFF>`. */
  readonly byteFallback?: boolean;
}

/** Adds the pieces of a word in order, with a pause now and then; text that is none has the unknown id. */
export type Cut = (word: string, add: PieceSink) => Generator<undefined>;

/** Where the pieces of a word go: each begins where the last one ended. */
export type PieceSink = (id: number, begin: number, end: number) => void;

/**
 * A model that cuts words into pieces of a vocabulary. Unknown neighbours are one token, or the bytes of their text.
 * Each of Hugging Face's bytes covers all of them; sentencepiece's are of one unknown piece, which the last byte covers
 * while the others are empty.
 */
export function pieceModel(vocabulary: Vocabulary, { rule, unkId, byteFallback }: PieceOptions, cut: Cut): Model {
  const isGoogle = rule === "sentencepiece";
  const tokenToId = (token: string): number | undefined => vocabulary.tokenToId(token);
  const byteIds = byteFallback ? byteTokens(tokenToId) : [];
  function* tokenizeLong(word: string): Generator<Tokens> {
    let tokens = noTokens();
    const push = (id: number, begin: number, end: number): void => {
      tokens.ids.push(id);
      tokens.begins.push(begin);
      tokens.ends.push(end);
    };
    let unknownBegin = -1;
    const endUnknown = (end: number): void => {
      const begin = unknownBegin;
      if (begin < 0) return;
      unknownBegin = -1;
      const known = isGoogle ? undefined : tokenToId(word.slice(begin, end));
      const spelled = known === undefined ? spell(word.slice(begin, end), byteIds) : undefined;
      if (!spelled) push(known ?? (unkId as number), begin, end);
      else {
        spelled.forEach((id, index) => {
          push(id, begin, isGoogle && index < spelled.length - 1 ? begin : end);
        });
      }
    };
    const steps = cut(word, (id, begin, end) => {
      if (id !== unkId) {
        endUnknown(begin);
        push(id, begin, end);
      } else {
        if (unknownBegin < 0) unknownBegin = begin;
        if (isGoogle && byteFallback) endUnknown(end);
      }
    });
    while (!steps.next().done) {
      yield tokens;
      tokens = noTokens();
    }
    endUnknown(word.length);
    yield tokens;
  }
  return {
    size: vocabulary.size,
    maxId: vocabulary.size - 1,
    tokenToId,
    idToToken: (id) => vocabulary.idToToken(id),
    tokenize: (word) => allTokens(tokenizeLong(word)),
    tokenizeLong,
  };
}
