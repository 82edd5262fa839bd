import { createProcessor, leastKept } from "./processors.ts";
import { append, follow, type Row, type RowContext, type Sequence, type Track, toSequence } from "./row.ts";
import { randomOf } from "./sampler.ts";
import { best, likeliest, logSumExp, nothingAllowed } from "./scores.ts";

/** A text that is kept in view. */
interface Beam extends Track {
  /** The sum of its ids' log probabilities. */
  readonly score: number;
}

/** A beam with one id more. */
interface Candidate {
  readonly beam: Beam;
  readonly id: number;
  /** Scores `[V]` that the id was chosen by. */
  readonly scores: Float32Array;
  readonly score: number;
  /** What candidates are chosen by: the score, or a draw. */
  readonly rank: number;
}

// Loops of their own: within a longer function engines leave the loop's fast code, and make it anew, at each call.

/** `sums = values + addend` */
function add(values: Float32Array, addend: number, sums: Float32Array): void {
  for (let index = 0; index < sums.length; index++) sums[index] = values[index] + addend;
}

/** The largest after Gumbel noise are a draw without replacement. */
function perturbed(sums: Float32Array, random: () => number): Float32Array {
  const ranks = sums.slice();
  for (let id = 0; id < ranks.length; id++) {
    if (ranks[id] > Number.NEGATIVE_INFINITY) ranks[id] -= Math.log(-Math.log(random()));
  }
  return ranks;
}

/**
 * A row of beams: the likeliest texts are kept in view, and go on together.
 * @see transformers 5.18 generation/utils.py, _beam_search
 */
export function beamRow(prompt: Track, context: RowContext): Row {
  const { settings, promptLength, limit } = context;
  const { num_beams, length_penalty, early_stopping } = settings;
  const process = createProcessor(settings, context);
  const random = settings.do_sample ? randomOf(settings) : undefined;
  // So many that enough go on where some of them end.
  const candidates = leastKept(settings) * num_beams;
  const penalized = (score: number, length: number) => Math.fround(score / Math.fround(length ** length_penalty));
  let beams: Beam[] = [{ ...prompt, score: 0 }];
  let sequences: (Sequence & { score: number })[] = [];
  let all: Candidate[] = [];

  /** Whether a beam may yet become better than the worst text that ended. */
  const mayImprove = () => {
    const newIds = (early_stopping === "never" && length_penalty > 0 ? limit : beams[0].ids.length) - promptLength;
    return penalized(beams[0].score, newIds) > sequences[num_beams - 1].score;
  };

  function end(): void {
    const chosen = all.sort((a, b) => b.rank - a.rank).slice(0, candidates);
    all = [];
    const goingOn: (Candidate & Pick<Track, "end">)[] = [];
    for (const [place, candidate] of chosen.entries()) {
      const { beam, id, score } = candidate;
      const { finishReason, end } = follow(beam, id, context);
      if (!finishReason) goingOn.push({ ...candidate, end });
      else if (place < num_beams) {
        const newIds = beam.ids.length + 1 - promptLength;
        const sequence = toSequence(grow(candidate), finishReason, context, id);
        sequences.push({ ...sequence, score: penalized(score, newIds) });
      }
    }
    sequences = sequences.sort((a, b) => b.score - a.score).slice(0, num_beams);
    replaceBeams(goingOn.sort((a, b) => b.score - a.score).slice(0, num_beams));
    const isFull = sequences.length === num_beams;
    if (beams.length > 0 && isFull && (early_stopping === true || !mayImprove())) replaceBeams([]);
    if (beams.length === 0 && sequences.length === 0) throw nothingAllowed();
  }

  /** The likeliest ids after a beam, or those that are drawn. */
  function continuations(beam: Beam, scores: Float32Array): Candidate[] {
    add(scores, -logSumExp(scores, scores[likeliest(scores)]), scores);
    process?.(scores, beam.ids);
    const sums = new Float32Array(scores.length);
    add(scores, beam.score, sums);
    const ranks = random ? perturbed(sums, random) : sums;
    return best(ranks, candidates).map((id) => ({ beam, id, scores, score: sums[id], rank: ranks[id] }));
  }

  /** The text of a candidate. */
  function grow({ beam, id, scores }: Candidate): Pick<Track, "ids" | "logprobs"> {
    const text = { ids: [...beam.ids], logprobs: [...beam.logprobs] };
    append(text, id, scores, settings);
    return text;
  }

  /** Hands each cache to the first beam that goes on from it; others take forks, and what nobody goes on from is disposed. */
  function replaceBeams(chosen: readonly (Candidate & Pick<Track, "end">)[]): void {
    const caches = new Set(beams.map(({ cache }) => cache));
    beams = chosen.map((candidate) => {
      const { beam, score, end } = candidate;
      const cache = caches.delete(beam.cache) ? beam.cache : beam.cache.fork();
      return { ...grow(candidate), cache, score, end };
    });
    for (const cache of caches) cache.dispose();
  }

  return {
    get tracks() {
      return beams;
    },
    get sequences() {
      return sequences.slice(0, settings.num_return_sequences);
    },
    begin: () => beams.length,
    choose(index, logits) {
      all.push(...continuations(beams[index], logits[index]));
    },
    end,
  };
}
