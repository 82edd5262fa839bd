import type { GenerationSettings } from "./options.ts";
import { inOrder, kthLargest, logSumExp, possible } from "./scores.ts";

/** Changes scores `[V]` in place, before one is picked; `ids` are all ids so far, prompt included. */
export type ScoresProcessor = (scores: Float32Array, ids: readonly number[]) => void;

/** Where new ids begin, and the most ids of a text, prompt included. */
export interface TextBounds {
  readonly promptLength: number;
  readonly limit: number;
}

/**
 * All that settings do to scores, in the order of `transformers` 5.18; nothing where they leave them as they are. One processor
 * serves one text, or all beams of one.
 * @see transformers generation/utils.py, _get_logits_processor
 */
export function createProcessor(settings: GenerationSettings, bounds: TextBounds): ScoresProcessor | undefined {
  const { repetition_penalty, no_repeat_ngram_size, bad_words_ids, eos_token_id } = settings;
  const steps: ScoresProcessor[] = [];
  if (repetition_penalty !== 1) steps.push(penalizeRepetition(repetition_penalty));
  if (no_repeat_ngram_size > 0) steps.push(noRepeatNgrams(no_repeat_ngram_size));
  const badWords = bad_words_ids.filter((word) => word.length > 1 || !eos_token_id.includes(word[0]));
  if (badWords.length > 0) steps.push(noBadWords(badWords));
  steps.push(...byLength(settings, bounds));
  if (settings.do_sample) steps.push(...warpers(settings));
  // Of a single text neither the likeliest id nor a draw is another one.
  if (settings.renormalizes && settings.num_beams > 1) steps.push(normalize);
  if (steps.length === 0) return undefined;
  return (scores, ids) => {
    for (const step of steps) step(scores, ids);
  };
}

/** How many ids warpers leave at least: beams need one that does not end the text. */
export function leastKept({ num_beams, eos_token_id }: GenerationSettings): number {
  return num_beams > 1 ? Math.max(2, 1 + eos_token_id.length) : 1;
}

/** What narrows down a distribution before one draws from it. */
function warpers(settings: GenerationSettings): ScoresProcessor[] {
  const { temperature, top_k, top_p, min_p, typical_p } = settings;
  const least = leastKept(settings);
  const steps: ScoresProcessor[] = [];
  if (temperature !== 1) steps.push(divide(temperature));
  if (top_k > 0) steps.push(keepTop(Math.max(top_k, least)));
  if (top_p < 1) steps.push(keepNucleus(top_p, least));
  if (min_p > 0) steps.push(keepLikely(min_p, least));
  if (typical_p < 1) steps.push(keepTypical(typical_p, least));
  return steps;
}

/** Log probabilities of what is left. */
function normalize(scores: Float32Array): void {
  const total = logSumExp(scores);
  for (let id = 0; Number.isFinite(total) && id < scores.length; id++) scores[id] -= total;
}

function ban(scores: Float32Array, ids: readonly number[]): void {
  for (const id of ids) scores[id] = Number.NEGATIVE_INFINITY;
}

/** Allows no other ids than these. */
function force(scores: Float32Array, ids: readonly number[]): void {
  scores.fill(Number.NEGATIVE_INFINITY);
  for (const id of ids) scores[id] = 0;
}

/** @see Keskar et al., "CTRL", 2019 */
function penalizeRepetition(penalty: number): ScoresProcessor {
  const factor = Math.fround(penalty);
  return (scores, ids) => {
    // Each id once, however often it came.
    const before = scores.slice();
    for (const id of ids) scores[id] = before[id] < 0 ? before[id] * factor : before[id] / factor;
  };
}

/**
 * Bans each id that would repeat n ids in a row. Where runs of n - 1 ids began is kept as the text grows; beams of one text
 * share that, so a run that is found may be another beam's.
 */
function noRepeatNgrams(size: number): ScoresProcessor {
  const begins = new Map<string, Set<number>>();
  let indexed = 0;
  return (scores, ids) => {
    const newest = ids.length - size;
    if (newest < 0) return;
    const run = (begin: number) => ids.slice(begin, begin + size - 1).join();
    for (let begin = Math.min(indexed, newest); begin <= newest; begin++) {
      const key = run(begin);
      begins.set(key, (begins.get(key) ?? new Set()).add(begin));
    }
    indexed = newest + 1;
    for (const begin of begins.get(run(newest + 1)) ?? []) {
      if (matches(ids, begin, newest + 1, size - 1)) ban(scores, [ids[begin + size - 1]]);
    }
  };
}

function matches(ids: readonly number[], first: number, second: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (ids[first + index] !== ids[second + index]) return false;
  return true;
}

/** Bans the last id of each word whose other ids come last in the text; words that are longer than the text wait. */
function noBadWords(words: readonly (readonly number[])[]): ScoresProcessor {
  return (scores, ids) => {
    for (const word of words) {
      const begin = ids.length + 1 - word.length;
      if (word.every((id, index) => index === word.length - 1 || id === ids[begin + index]))
        ban(scores, word.slice(-1));
    }
  };
}

/** What depends on how long the text is. */
function byLength(settings: GenerationSettings, { promptLength, limit }: TextBounds): ScoresProcessor[] {
  const { min_new_tokens, min_length, eos_token_id, suppress_tokens, begin_suppress_tokens } = settings;
  const { forced_bos_token_id, forced_eos_token_id } = settings;
  const least = min_new_tokens === undefined ? min_length : promptLength + min_new_tokens;
  const isForced = forced_bos_token_id.length > 0;
  const firstFree = isForced && promptLength === 1 ? 2 : promptLength;
  const steps: ScoresProcessor[] = [];
  const add = (change: typeof ban, ids: readonly number[], when: (length: number) => boolean) => {
    if (ids.length > 0) steps.push((scores, { length }) => when(length) && change(scores, ids));
  };
  if (least > promptLength) add(ban, eos_token_id, (length) => length < least);
  add(force, forced_bos_token_id, (length) => length === 1);
  add(force, forced_eos_token_id, (length) => length === limit - 1);
  add(ban, suppress_tokens, () => true);
  add(ban, begin_suppress_tokens, (length) => length === firstFree);
  return steps;
}

function divide(temperature: number): ScoresProcessor {
  const divisor = Math.fround(temperature);
  return (scores) => {
    for (let id = 0; id < scores.length; id++) scores[id] /= divisor;
  };
}

function banBelow(scores: Float32Array, floor: number): void {
  for (let id = 0; id < scores.length; id++) if (scores[id] < floor) scores[id] = Number.NEGATIVE_INFINITY;
}

/** Keeps the k likeliest ids and those that tie with the last. */
function keepTop(k: number): ScoresProcessor {
  return (scores) => banBelow(scores, kthLargest(scores, k));
}

/**
 * Keeps the fewest likeliest ids whose probabilities reach a share of the whole.
 * @see Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020
 */
function keepNucleus(share: number, least: number): ScoresProcessor {
  return (scores) => {
    const total = logSumExp(scores);
    // Ids so unlikely that all of them together cannot count are not worth sorting.
    if (least === 1) banBelow(scores, total + Math.log((1 - share) / scores.length));
    let sum = 0;
    keepFirst(scores, inOrder(scores, possible(scores), "descending"), (id, rank) => {
      const before = sum;
      sum += Math.exp(scores[id] - total);
      return before < share || rank < least;
    });
  };
}

/** Keeps the ids up to the first that does not count. */
function keepFirst(scores: Float32Array, ids: Iterable<number>, counts: (id: number, rank: number) => boolean): void {
  const kept: number[] = [];
  for (const id of ids) {
    if (!counts(id, kept.length)) break;
    kept.push(id);
  }
  const values = kept.map((id) => scores[id]);
  scores.fill(Number.NEGATIVE_INFINITY);
  for (const [rank, id] of kept.entries()) scores[id] = values[rank];
}

/**
 * Keeps the ids whose probabilities are at least this share of the largest.
 * @see Nguyen et al., "Min-p Sampling", 2024
 */
function keepLikely(share: number, least: number): ScoresProcessor {
  return (scores) => {
    banBelow(scores, Math.min(kthLargest(scores, least), kthLargest(scores, 1) + Math.log(share)));
  };
}

/**
 * Keeps the ids whose information is nearest to what is expected, until their probabilities reach a share of the whole.
 * @see Meister et al., "Locally Typical Sampling", 2022
 */
function keepTypical(share: number, least: number): ScoresProcessor {
  return (scores) => {
    const total = logSumExp(scores);
    const ids = possible(scores);
    let entropy = 0;
    for (const id of ids) entropy += Math.exp(scores[id] - total) * (total - scores[id]);
    const distances = new Float32Array(scores.length);
    for (const id of ids) distances[id] = Math.abs(total - scores[id] - entropy);
    let sum = 0;
    let farthest = 0;
    keepFirst(scores, inOrder(distances, ids, "ascending"), (id, rank) => {
      if (sum < share) farthest = distances[id];
      sum += Math.exp(scores[id] - total);
      return distances[id] <= farthest || rank < least;
    });
  };
}
