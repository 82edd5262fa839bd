import { mergeByRank } from "./models/bpe.ts";
import { controlPiece, unusedPiece } from "./sentencepiece-file.ts";
import type { PieceSpan, Segmenter, SentencePieceVocabulary } from "./sentencepiece-vocabulary.ts";

/**
 * Merges neighbours whose text together is a piece, the highest score first. User-defined pieces stay whole; unused ones
 * are taken apart again.
 * @see sentencepiece src/bpe_model.cc, Model::SampleEncode
 */
export function bpeSegmenter({
  types,
  scores,
  matchable,
  ids,
  userDefinedAt,
  unkId,
}: SentencePieceVocabulary): Segmenter {
  const order = new Map([...new Set(scores)].sort((a, b) => b - a).map((score, rank) => [score, rank]));
  const ranks = Int32Array.from(scores, (score) => order.get(score) as number);
  return (text) => {
    const begins: number[] = [];
    const ends: number[] = [];
    const isFrozen: boolean[] = [];
    for (let at = 0; at < text.length; at = ends[ends.length - 1]) {
      const length = userDefinedAt(text, at);
      isFrozen.push(length > 0);
      begins.push(at);
      ends.push(at + (length || ((text.codePointAt(at) as number) > 0xffff ? 2 : 1)));
    }
    // Where an unused piece was put together.
    const seams = new Map<string, number>();
    const rank = (left: number, right: number): number => {
      if (isFrozen[left] || isFrozen[right]) return -1;
      const piece = text.slice(begins[left], ends[right]);
      const id = matchable.get(piece);
      if (id === undefined) return -1;
      if (types[id] === unusedPiece) seams.set(piece, ends[left] - begins[left]);
      return ranks[id];
    };
    const merge = (left: number, right: number): void => {
      ends[left] = ends[right];
    };
    const spans: PieceSpan[] = [];
    const emit = (begin: number, end: number): void => {
      const piece = text.slice(begin, end);
      const id = ids.get(piece) ?? unkId;
      const seam = types[id] === unusedPiece ? seams.get(piece) : undefined;
      if (seam === undefined) {
        // sentencepiece fails where a text spells a control piece; here it is unknown, and cannot be injected.
        spans.push({ begin, end, id: types[id] === controlPiece ? unkId : id });
      } else {
        emit(begin, begin + seam);
        emit(begin + seam, end);
      }
    };
    for (const symbol of mergeByRank(begins.length, { rank, merge })) emit(begins[symbol], ends[symbol]);
    return spans;
  };
}
