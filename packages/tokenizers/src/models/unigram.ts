import { normalPiece, unusedPiece, userDefinedPiece } from "../sentencepiece-file.ts";
import type { Piece, Segmenter, SentencePieceVocabulary } from "../sentencepiece-vocabulary.ts";
import { Trie } from "../trie.ts";

const largestFloat32 = 3.4028234663852886e38;

/** The most probable segmentation by a SentencePiece model's scores. */
export function unigramSegmenter({ types, scores, matchable, unkId }: SentencePieceVocabulary): Segmenter {
  const normal = scores.filter((_, id) => types[id] === normalPiece);
  const lowest = normal.reduce((a, b) => Math.min(a, b), largestFloat32);
  const unkScore = Math.fround(lowest - 10);
  const used = new Map([...matchable].filter(([, id]) => types[id] !== unusedPiece));
  const pieceScores = Float32Array.from(scores);
  const encoder = new TextEncoder();
  for (const [piece, id] of used) {
    // Measured: 0.2.2 gives 0.1 for each byte beyond the first. (0.2.1 had bytes * highest score - 0.1.)
    if (types[id] === userDefinedPiece) pieceScores[id] = 0.1 * (encoder.encode(piece).length - 1);
  }
  const trie = new Trie(used);
  return (text) => bestSegmentation(text, { trie, scores: pieceScores, unkId, unkScore });
}

interface Lattice {
  readonly trie: Trie;
  /** The score of each id in float32. */
  readonly scores: Float32Array;
  readonly unkId: number;
  readonly unkScore: number;
}

/**
 * Viterbi over a text. Scores and sums are float32, a shorter piece is tried first and a later one wins only when
 * strictly better: on ties this order decides, and it is sentencepiece 0.2.2's.
 * @param text well-formed UTF-16
 * @see sentencepiece src/unigram_model.cc, Model::EncodeOptimized
 */
function bestSegmentation(text: string, { trie, scores, unkId, unkScore }: Lattice): Piece[] {
  const best = new Float32Array(text.length + 1);
  const begins = new Int32Array(text.length + 1).fill(-1);
  const ids = new Int32Array(text.length + 1);
  const offer = (begin: number, end: number, id: number, score: number): void => {
    const total = Math.fround(score + best[begin]);
    if (begins[end] >= 0 && total <= best[end]) return;
    best[end] = total;
    begins[end] = begin;
    ids[end] = id;
  };
  for (let begin = 0; begin < text.length; ) {
    const next = begin + ((text.codePointAt(begin) as number) > 0xffff ? 2 : 1);
    let node = 0;
    let spellsOne = false;
    for (let at = begin; at < text.length; ) {
      node = trie.step(node, text.charCodeAt(at++));
      if (node === 0) break;
      const id = trie.value(node);
      if (id < 0) continue;
      offer(begin, at, id, scores[id]);
      if (at === next) spellsOne = true;
    }
    if (!spellsOne) offer(begin, next, unkId, unkScore);
    begin = next;
  }
  const pieces: Piece[] = [];
  for (let end = text.length; end > 0; end = begins[end])
    pieces.push({ text: text.slice(begins[end], end), id: ids[end] });
  return pieces.reverse();
}
