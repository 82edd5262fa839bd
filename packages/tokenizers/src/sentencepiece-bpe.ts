import { charLength, copyOf } from "./aligned.ts";
import type { LongestMatch } from "./longest-match.ts";
import { mergeSteps } from "./models/merge-steps.ts";
import type { Cut, PieceSink } from "./models/pieces.ts";
import { unusedPiece, type Vocabulary } from "./models/vocabulary.ts";

/** The pieces of a file, and how one that is unknown and those that stay whole are told. */
export interface Pieces {
  readonly vocabulary: Vocabulary;
  readonly unkId: number;
  /** User-defined pieces. */
  readonly whole: LongestMatch;
}

const cacheSize = 10_000;
const cachedLength = 31;
// Characters that are looked at before other work may have its turn.
const scanned = 8192;

/**
 * Merges neighbours whose text together is a piece, the highest score first. User-defined pieces stay whole; unused ones
 * are taken apart again.
 *
 * A text falls into chunks wherever two neighbouring characters stand side by side in no piece: no merge crosses such a
 * place, so each chunk is cut alone, and a short one only once.
 * @see sentencepiece src/bpe_model.cc, Model::SampleEncode
 */
export function bpeCut(pieces: Pieces): Cut {
  const { vocabulary, unkId, whole } = pieces;
  const cut = chunkCut(pieces);
  // Where an unused piece comes apart depends on the whole text in sentencepiece.
  for (let id = 0; id < vocabulary.size; id++) if (vocabulary.typeOf(id) === unusedPiece) return cut;
  // By a hash: pairs that share a place only make chunks longer.
  const neighbours = new Uint8Array(2 ** 18);
  const pair = (left: number, right: number): number => Math.imul(left * 31 + right, 0x9e3779b1) >>> 14;
  vocabulary.eachPair((left, right) => {
    neighbours[pair(left, right)] = 1;
  });
  // Each piece's id and end.
  const cache = new Map<string, number[]>();
  return function* (text, add) {
    let begin = 0;
    let symbol = 0;
    for (let at = 0, steps = 1; at < text.length; steps++) {
      if (steps % scanned === 0) yield;
      const first = symbol;
      at += whole.lengthAt(text, at) || charLength(text, at);
      symbol = at;
      if (at < text.length && neighbours[pair(text.charCodeAt(at - 1), text.charCodeAt(at))]) continue;
      const place = begin;
      begin = at;
      if (first === place) {
        // Alone: there is nothing to merge.
        const id = vocabulary.find(text, place, at);
        add(id < 0 ? unkId : id, place, at);
        continue;
      }
      const chunk = text.slice(place, at);
      if (chunk.length > cachedLength) {
        yield* cut(chunk, (id, from, end) => add(id, place + from, place + end));
        continue;
      }
      let found = cache.get(chunk);
      if (!found) {
        const fresh: number[] = [];
        yield* cut(chunk, (id, _, end) => fresh.push(id, end));
        if (cache.size >= cacheSize) cache.clear();
        cache.set(copyOf(chunk), fresh);
        found = fresh;
      }
      for (let index = 0, last = place; index < found.length; index += 2) {
        const end = place + found[index + 1];
        add(found[index], last, end);
        last = end;
      }
    }
  };
}

function chunkCut({ vocabulary, unkId, whole }: Pieces): Cut {
  const scores = vocabulary.scores.slice(0, vocabulary.size);
  // The rank of each score: 0 for the highest, the same for equal ones.
  const order = new Map([...new Set(scores)].sort((a, b) => b - a).map((score, rank) => [score, rank]));
  const ranks = Int32Array.from(scores, (score) => order.get(score) as number);
  return function* (text, add) {
    const begins = new Int32Array(text.length);
    const ends = new Int32Array(text.length);
    const isWhole = new Uint8Array(text.length);
    let count = 0;
    for (let at = 0; at < text.length; ) {
      const length = whole.lengthAt(text, at);
      begins[count] = at;
      isWhole[count] = length > 0 ? 1 : 0;
      at += length || charLength(text, at);
      ends[count++] = at;
      if (count % scanned === 0) yield;
    }
    // Where an unused piece was put together last.
    const seams = new Map<number, number>();
    const rank = (left: number, right: number): number => {
      if (isWhole[left] || isWhole[right]) return -1;
      const id = vocabulary.find(text, begins[left], ends[right]);
      if (vocabulary.typeOf(id) === unusedPiece) seams.set(id, ends[left] - begins[left]);
      return id < 0 ? -1 : ranks[id];
    };
    const merge = (left: number, right: number): void => {
      ends[left] = ends[right];
    };
    const emit = (begin: number, end: number): void => {
      const id = vocabulary.find(text, begin, end);
      const seam = vocabulary.typeOf(id) === unusedPiece ? seams.get(id) : undefined;
      if (seam === undefined) add(id < 0 ? unkId : id, begin, end);
      else {
        emit(begin, begin + seam);
        emit(begin + seam, end);
      }
    };
    const next = yield* mergeSteps(count, { rank, merge });
    for (let symbol = 0, steps = 1; symbol < count; symbol = next[symbol], steps++) {
      emit(begins[symbol], ends[symbol]);
      if (steps % scanned === 0) yield;
    }
  };
}

/** Adds parts of a text one by one; `endOf` says where the one ends that begins at a place. */
function partCut({ vocabulary, unkId }: Pieces, endOf: (text: string, begin: number) => number): Cut {
  return function* (text, add: PieceSink) {
    let parts = 0;
    for (let begin = 0; begin < text.length; ) {
      const end = endOf(text, begin);
      const id = vocabulary.find(text, begin, end);
      add(id < 0 ? unkId : id, begin, end);
      begin = end;
      if (++parts % 1024 === 0) yield;
    }
  };
}

/** Every character and user-defined piece, as models of type char have them. */
export function charCut(pieces: Pieces): Cut {
  return partCut(pieces, (text, at) => at + (pieces.whole.lengthAt(text, at) || charLength(text, at)));
}

/** Every word with the mark of the space before it, as models of type word have them. */
export function wordCut(pieces: Pieces): Cut {
  return partCut(pieces, (text, at) => {
    const next = text.indexOf("\u2581", at + 1);
    return next < 0 ? text.length : next;
  });
}
