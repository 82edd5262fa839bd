import { NonFiniteError } from "@kiloformer/core";
import type { GenerationSettings } from "./options.ts";
import { seededRandom } from "./random.ts";

/** Picks the next id from logits `[V]`; `ids` are all ids so far, prompt included. Logits may be overwritten. */
export type Sampler = (logits: Float32Array, ids: readonly number[]) => number;

/** Changes logits `[V]` in place, before one is picked. */
type LogitsProcessor = (logits: Float32Array, ids: readonly number[]) => void;

/**
 * A sampler from settings, its random source included.
 * @throws {NonFiniteError} (the sampler) `non-finite-logits` when logits hold NaN, +Infinity, or nothing above -Infinity
 */
export function createSampler(settings: GenerationSettings): Sampler {
  const processors: LogitsProcessor[] = [];
  if (settings.repetitionPenalty !== 1) processors.push(repetitionPenalty(settings.repetitionPenalty));
  if (settings.noRepeatNgramSize > 0) processors.push(noRepeatNgrams(settings.noRepeatNgramSize));
  const pick = settings.doSample ? draw(settings) : likeliest;
  if (processors.length === 0) return pick;
  return (logits, ids) => {
    likeliest(logits);
    for (const process of processors) process(logits, ids);
    return pick(logits);
  };
}

/** The first of the largest logits; throws where there is none. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id];
    if (logit > largest) {
      largest = logit;
      best = id;
    } else if (Number.isNaN(logit)) throw nonFinite(logits);
  }
  if (Math.abs(largest) === Number.POSITIVE_INFINITY) throw nonFinite(logits);
  return best;
}

/**
 * Draws in proportion to probability, after temperature, top-k, top-p and min-p in this order.
 * @see Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020 (top-p); Nguyen et al., "Min-p Sampling", 2024
 */
function draw({ temperature, topK, topP, minP, seed }: GenerationSettings): (logits: Float32Array) => number {
  const random = seededRandom(seed ?? Math.floor(Math.random() * 2 ** 32));
  return (logits) => {
    const largest = logits[likeliest(logits)];
    let ids = candidates(logits, topK);
    const weights = new Map<number, number>();
    let total = 0;
    for (const id of ids) {
      const weight = Math.exp((logits[id] - largest) / temperature);
      weights.set(id, weight);
      total += weight;
    }
    if (topP < 1) ids = nucleus(ids, weights, topP * total);
    if (minP > 0) ids = ids.filter((id) => weights.get(id)! >= minP);
    let target = random() * ids.reduce((sum, id) => sum + weights.get(id)!, 0);
    for (const id of ids) {
      target -= weights.get(id)!;
      if (target < 0) return id;
    }
    return ids[ids.length - 1];
  };
}

/** The k likeliest ids and those that tie with the last, likeliest first, as in `transformers`; never one at -Infinity. */
function candidates(logits: Float32Array, topK: number): number[] {
  const possible: number[] = [];
  const floor = topK > 0 && topK < logits.length ? kthLargest(logits, topK) : Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] >= floor && logits[id] > Number.NEGATIVE_INFINITY) possible.push(id);
  }
  possible.sort((a, b) => logits[b] - logits[a] || a - b);
  return possible;
}

/** The k-th largest value, by a heap of k that holds the largest so far with the smallest of them on top. */
function kthLargest(logits: Float32Array, k: number): number {
  const heap = logits.slice(0, k).sort();
  for (let id = k; id < logits.length; id++) {
    const value = logits[id];
    if (value <= heap[0]) continue;
    let hole = 0;
    for (let child = 1; child < k; child = 2 * hole + 1) {
      if (child + 1 < k && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= value) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = value;
  }
  return heap[0];
}

/** The fewest likeliest ids whose weights reach `target`. */
function nucleus(ids: readonly number[], weights: ReadonlyMap<number, number>, target: number): number[] {
  let sum = 0;
  const end = ids.findIndex((id) => {
    sum += weights.get(id)!;
    return sum >= target;
  });
  return end < 0 ? [...ids] : ids.slice(0, end + 1);
}

/** @see Keskar et al., "CTRL", 2019 */
function repetitionPenalty(penalty: number): LogitsProcessor {
  return (logits, ids) => {
    for (const id of new Set(ids)) logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
  };
}

/** Bans each token that would repeat n tokens in a row. */
function noRepeatNgrams(size: number): LogitsProcessor {
  return (logits, ids) => {
    const tail = ids.slice(ids.length - size + 1);
    for (let begin = 0; begin + size <= ids.length; begin++) {
      if (tail.every((id, index) => ids[begin + index] === id))
        logits[ids[begin + size - 1]] = Number.NEGATIVE_INFINITY;
    }
  };
}

function nonFinite(logits: Float32Array): NonFiniteError {
  const id = logits.findIndex((logit) => !Number.isFinite(logit));
  return new NonFiniteError(
    "non-finite-logits",
    `logits: expected finite numbers, got ${logits[id]} for id ${id}: the weights or the inputs are broken`,
    { id, value: logits[id] },
  );
}
