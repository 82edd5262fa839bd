import { NonFiniteError, OptionError } from "@kiloformer/core";

/** An id and the natural logarithm of its probability. */
export interface IdLogprob {
  readonly id: number;
  readonly logprob: number;
}

/** A new id, and the likeliest ids in its place, likeliest first. */
export interface TokenLogprob extends IdLogprob {
  readonly alternatives: readonly IdLogprob[];
}

/**
 * The first of the largest logits `[V]`.
 * @throws {NonFiniteError} `non-finite-logits` when they hold NaN, +Infinity, or nothing above -Infinity
 */
export function likeliest(logits: Float32Array): number {
  const id = largest(logits);
  const value = logits[id];
  if (Number.isFinite(value)) return id;
  const message = `logits: expected finite numbers, got ${value} for id ${id}: the weights or the inputs are broken`;
  throw new NonFiniteError("non-finite-logits", message, { id, value });
}

/**
 * The first of the largest scores that options left.
 * @throws {OptionError} `nothing-allowed`
 */
export function likeliestAllowed(scores: Float32Array): number {
  const id = largest(scores);
  if (Number.isFinite(scores[id])) return id;
  throw nothingAllowed();
}

export function nothingAllowed(): OptionError {
  return new OptionError("nothing-allowed", "generate: expected options that allow an id, got none that do");
}

/** Where the largest value or a NaN is. */
function largest(scores: Float32Array): number {
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id];
    if (score <= most) continue;
    best = id;
    most = score;
    if (Number.isNaN(score)) break;
  }
  return best;
}

/** The logarithm of the sum of exponentials. */
export function logSumExp(scores: Float32Array, most = scores[largest(scores)]): number {
  let sum = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] > Number.NEGATIVE_INFINITY) sum += Math.exp(scores[id] - most);
  }
  return most + Math.log(sum);
}

/** How likely an id is by scores `[V]`, and the `count` likeliest. */
export function describeChoice(scores: Float32Array, id: number, count: number): TokenLogprob {
  const total = logSumExp(scores);
  const describe = (id: number) => ({ id, logprob: scores[id] - total });
  return { ...describe(id), alternatives: best(scores, count).map(describe) };
}

/** The ids of the `count` largest scores above -Infinity, largest first, the lower id first where they tie. */
export function best(scores: Float32Array, count: number): number[] {
  if (count === 0) return [];
  const floor = kthLargest(scores, count);
  return possible(scores, floor)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, count);
}

/** Ids whose scores are not below `floor`, and above -Infinity. */
export function possible(scores: Float32Array, floor = Number.NEGATIVE_INFINITY): number[] {
  const ids: number[] = [];
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] >= floor && scores[id] > Number.NEGATIVE_INFINITY) ids.push(id);
  }
  return ids;
}

/** The k-th largest value, by a heap of k that holds the largest so far with the smallest of them on top. */
export function kthLargest(scores: Float32Array, k: number): number {
  const heap = scores.slice(0, k).sort();
  for (let id = k; id < scores.length; id++) {
    const value = scores[id];
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
