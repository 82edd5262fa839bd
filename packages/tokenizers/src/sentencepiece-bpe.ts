import { mergeByRank } from "./models/bpe.ts";
import { controlPiece, unusedPiece } from "./sentencepiece-file.ts";
import type { Piece, Segmenter, SentencePieceVocabulary } from "./sentencepiece-vocabulary.ts";

const cacheSize = 10_000;

/**
 * Merges neighbours whose text together is a piece, the highest score first. User-defined pieces stay whole; unused ones
 * are taken apart again.
 *
 * A text falls into chunks wherever two neighbouring characters stand side by side in no piece: no merge crosses such a
 * place, so each chunk is segmented alone, and a short one only once.
 * @see sentencepiece src/bpe_model.cc, Model::SampleEncode
 */
export function bpeSegmenter(vocabulary: SentencePieceVocabulary): Segmenter {
  const segment = chunkSegmenter(vocabulary);
  // Where an unused piece comes apart depends on the whole text in sentencepiece.
  if (vocabulary.types.includes(unusedPiece)) return segment;
  const neighbours = new Set<number>();
  for (const piece of vocabulary.matchable.keys()) {
    for (let at = 1; at < piece.length; at++) neighbours.add(pair(piece, at));
  }
  const cache = new Map<string, Piece[]>();
  const cached = (chunk: string): Piece[] => {
    const pieces = cache.get(chunk) ?? segment(chunk);
    if (cache.size >= cacheSize) cache.clear();
    if (chunk.length < 32) cache.set(chunk, pieces);
    return pieces;
  };
  return (text) => {
    const pieces: Piece[] = [];
    for (let begin = 0, at = 0; at < text.length; ) {
      at += symbolLength(vocabulary, text, at);
      if (at < text.length && neighbours.has(pair(text, at))) continue;
      for (const piece of cached(text.slice(begin, at))) pieces.push(piece);
      begin = at;
    }
    return pieces;
  };
}

function chunkSegmenter(vocabulary: SentencePieceVocabulary): Segmenter {
  const { types, scores, matchable, ids, unkId, userDefinedAt } = vocabulary;
  const ranks = rankScores(scores);
  return (text) => {
    const begins: number[] = [];
    const ends: number[] = [];
    for (let at = 0; at < text.length; at = ends[ends.length - 1]) {
      begins.push(at);
      ends.push(at + symbolLength(vocabulary, text, at));
    }
    const isFrozen = begins.map((begin) => userDefinedAt(text, begin) > 0);
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
    const pieces: Piece[] = [];
    const emit = (piece: string): void => {
      const id = ids.get(piece) ?? unkId;
      const seam = types[id] === unusedPiece ? seams.get(piece) : undefined;
      if (seam === undefined) {
        // sentencepiece fails where a text spells a control piece; here it is unknown, and cannot be injected.
        pieces.push({ text: piece, id: types[id] === controlPiece ? unkId : id });
      } else {
        emit(piece.slice(0, seam));
        emit(piece.slice(seam));
      }
    };
    for (const symbol of mergeByRank(begins.length, { rank, merge })) emit(text.slice(begins[symbol], ends[symbol]));
    return pieces;
  };
}

/** The rank of each score: 0 for the highest, the same for equal ones. */
function rankScores(scores: readonly number[]): Int32Array {
  const order = new Map([...new Set(scores)].sort((a, b) => b - a).map((score, rank) => [score, rank]));
  return Int32Array.from(scores, (score) => order.get(score) as number);
}

/** The length of the user-defined piece or the character at a place. */
function symbolLength({ userDefinedAt }: SentencePieceVocabulary, text: string, at: number): number {
  return userDefinedAt(text, at) || ((text.codePointAt(at) as number) > 0xffff ? 2 : 1);
}

function pair(text: string, at: number): number {
  return text.charCodeAt(at - 1) * 65536 + text.charCodeAt(at);
}
