import { charLength } from "../aligned.ts";
import { mismatch } from "../errors.ts";
import { doubled } from "./doubled.ts";
import type { Model } from "./model.ts";
import { PieceTrie } from "./piece-trie.ts";
import { type PieceOptions, type PieceSink, pieceModel } from "./pieces.ts";
import { normalPiece, unusedPiece, userDefinedPiece, type Vocabulary } from "./vocabulary.ts";
import { edgeWidth, endOf, longestWord, pieceOf, stepWidth, WordLattices } from "./word-lattices.ts";

// A window of the text ends at the next place that no piece crosses, so that memory stays small.
const windowLength = 4096;
// A pause comes after so many code units where no window ends; a piece that goes on in the tree takes as long as some of them.
const pauseLength = 65_536;
const moveLength = 8;
const piecesAtOnce = 16_384;
const none = -1;
const unknown = -2;
const spaceMark = 0x2581;
// Of float32 sums, the least before they are counted from 0 again.
const farSum = -100_000;

/**
 * The most probable segmentation by the scores of a vocabulary: Viterbi. A shorter piece is tried first and a later one
 * wins only when strictly better: on ties this order decides, and so does the rounding of sums.
 * @see sentencepiece src/unigram_model.cc, Model::EncodeOptimized; tokenizers src/models/unigram/model.rs
 */
export function unigramModel(vocabulary: Vocabulary, options: PieceOptions): Model {
  const { size, scores } = vocabulary;
  const { unkId } = options;
  const isFloat32 = options.rule === "sentencepiece";
  // A character that is no piece may have two code units.
  const longest = Math.max(2, vocabulary.longest);
  let lowest = isFloat32 ? 3.4028234663852886e38 : Infinity;
  for (let id = 0; id < size; id++) {
    const type = vocabulary.typeOf(id);
    const given = scores[id];
    if (!isFloat32 || type === normalPiece) lowest = Math.min(lowest, given);
    if (!isFloat32) continue;
    let score = Math.fround(given);
    // No text is made of such a piece.
    if (type === unusedPiece) score = NaN;
    // Measured: 0.2.2 gives 0.1 for each byte beyond the first. (0.2.1 had bytes * highest score - 0.1.)
    if (type === userDefinedPiece) {
      score = Math.fround(0.1 * (new TextEncoder().encode(vocabulary.idToToken(id)).length - 1));
    }
    scores[id] = score;
  }
  const trie = new PieceTrie(vocabulary);
  const unkScore = isFloat32 ? Math.fround(lowest - 10) : lowest - 10;
  const mask = 2 ** (32 - Math.clz32(longest)) - 1;
  // Whether no piece goes on into the next word: then the edges of a word are always the same. Sums of float32 are not, as they run on
  // from word to word. (The other rule's words come one by one, and whole ones are known already.)
  const hasWords = isFloat32 && !vocabulary.hasBehind(spaceMark);
  const lattices = hasWords ? new WordLattices() : undefined;
  // From a sum below this one on, a word's may become less than `farSum`.
  const nearSum = farSum - longestWord * unkScore;

  // Arrays that no run needs now.
  const spare: Run[] = [];

  function* cut(word: string, add: PieceSink): Generator<undefined> {
    const { length } = word;
    const room = 2 * windowLength + longest;
    const run = spare.pop() ?? {
      best: new Float64Array(mask + 1),
      last: new Int32Array(room),
      lengths: new Int32Array(room),
    };
    const { best } = run;
    let { last, lengths } = run;
    // Where the window begins, and the last place where a piece ends.
    let from = 0;
    let reached = 0;
    // How many code units were looked at since the last pause: a long piece's at each place where it may begin.
    let looked = 0;

    /** Takes a piece that ends at a place if no better one does. */
    const offer = (begin: number, end: number, id: number, exact: number): void => {
      const total = isFloat32 ? Math.fround(exact) : exact;
      while (reached < end) last[++reached - from] = none;
      if (last[end - from] !== none && !(total > best[end & mask])) return;
      best[end & mask] = total;
      last[end - from] = id;
      lengths[end - from] = end - begin;
    };

    /** Sums that are far from 0 are counted anew from a place on, as the library does, since float32 has no digits left for small scores. */
    const rebase = (begin: number): void => {
      const sum = best[begin & mask];
      for (let at = begin; at <= reached; at++) {
        if (at === from || last[at - from] !== none) best[at & mask] = Math.fround(best[at & mask] - sum);
      }
    };

    /** Takes all pieces that begin at a place, and adds them to the record of a word that begins at `wordBegin`; gives where the place's character ends. */
    const takeAll = (begin: number, record: number, wordBegin: number): number => {
      if (isFloat32 && best[begin & mask] < farSum) rebase(begin);
      const sum = best[begin & mask];
      const next = begin + charLength(word, begin);
      let isOneSpelled = false;
      let at = begin;
      for (let node = 0; at < length; ) {
        node = trie.child(node, word.charCodeAt(at++));
        if (node === 0) break;
        const id = trie.value(node);
        if (id < 0) continue;
        const score = trie.scoreAt(node);
        if (Number.isNaN(score)) continue;
        if (at === next) isOneSpelled = true;
        offer(begin, at, id, score + sum);
        if (record >= 0) lattices?.addEdge(record, begin - wordBegin, at - wordBegin, id, score);
      }
      looked += at - begin;
      if (!isOneSpelled) {
        offer(begin, next, unknown, unkScore + sum);
        if (record >= 0) lattices?.addEdge(record, begin - wordBegin, next - wordBegin, unknown, unkScore);
        if (unkId === undefined && last[next - from] === unknown) {
          throw mismatch("unknown", "encode", "a character of the vocabulary", word.slice(begin, next));
        }
      }
      return next;
    };

    /** The same for all places of a word that is known: its best path is enough, if that is certain for the sum before it. */
    const takeWord = (words: WordLattices, record: number, begin: number, end: number): void => {
      let sum = best[begin & mask];
      const { numbers, scores } = words;
      if (words.isCertain(record, sum)) {
        let reaches = begin;
        for (let step = words.stepsOf(record); reaches < end; step += stepWidth) {
          const before = reaches;
          reaches = begin + endOf(numbers[step]);
          sum = Math.fround(sum + scores[step + 1]);
          last[reaches - from] = pieceOf(numbers[step]);
          lengths[reaches - from] = reaches - before;
        }
        best[end & mask] = sum;
        reached = end;
        return;
      }
      const edgesEnd = words.edgesEnd(record);
      for (let at = words.edgesOf(record); at < edgesEnd; at += edgeWidth) {
        const edgeBegin = begin + numbers[at];
        offer(edgeBegin, begin + numbers[at + 1], numbers[at + 2], scores[at + 3] + best[edgeBegin & mask]);
      }
    };

    /** On the way back through the window, the place where a piece begins takes the piece in, so that the way forth reads it there. */
    const turnWindow = (to: number): void => {
      let id = last[to - from];
      let length = lengths[to - from];
      for (let at = to - from; at > 0; ) {
        at -= length;
        const before = last[at];
        const lengthBefore = lengths[at];
        last[at] = id;
        lengths[at] = length;
        id = before;
        length = lengthBefore;
      }
    };

    /** Adds the best pieces of the window, or so many of them; gives where the next one begins. */
    const addPieces = (begin: number, to: number): number => {
      let at = begin;
      for (let count = 0; at < to && count < piecesAtOnce; count++) {
        const id = last[at - from];
        const end = at + lengths[at - from];
        add(id < 0 ? (unkId as number) : id, at, end);
        at = end;
      }
      return at;
    };

    best[0] = 0;
    for (let begin = 0; begin < length; looked++) {
      if (looked + moveLength * trie.moved > pauseLength) {
        looked = 0;
        trie.moved = 0;
        yield;
      }
      if (begin === reached && begin - from >= windowLength) {
        turnWindow(begin);
        for (let at = from; at < begin; yield) at = addPieces(at, begin);
        from = begin;
      }
      if (begin + longest + longestWord - from >= last.length) [last, lengths] = [doubled(last), doubled(lengths)];
      const isWord = lattices && (begin === 0 || word.charCodeAt(begin) === spaceMark) && best[begin & mask] > nearSum;
      const record = isWord ? lattices.find(word, begin, spaceMark) : -1;
      const end = isWord ? lattices.end : 0;
      if (isWord && record >= 0) takeWord(lattices, record, begin, end);
      else if (isWord && end > 0) {
        const added = lattices.add(word, begin);
        for (let at = begin; at < end; ) at = takeAll(at, added, begin);
      } else {
        begin = takeAll(begin, -1, 0);
        continue;
      }
      begin = end;
    }
    turnWindow(length);
    for (let at = addPieces(from, length); at < length; at = addPieces(at, length)) yield;
    spare.push({ best, last, lengths });
  }

  return pieceModel(vocabulary, options, cut);
}

interface Run {
  /** The best sum up to each of the last places, in a ring. */
  readonly best: Float64Array;
  /** The piece that ends at each place of the window, `none` or `unknown`. */
  readonly last: Int32Array;
  /** How many code units that piece has. */
  readonly lengths: Int32Array;
}
