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
export function best(scores: Float32Array | Float64Array, count: number): number[] {
  if (count === 0) return [];
  const floor = kthLargest(scores, count);
  return possible(scores, floor)
    .sort((a, b) => scores[b] - scores[a])
    .slice(0, count);
}

/** Ids whose scores are not below `floor`, and above -Infinity. */
export function possible(scores: Float32Array | Float64Array, floor = Number.NEGATIVE_INFINITY): number[] {
  const ids: number[] = [];
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] >= floor && scores[id] > Number.NEGATIVE_INFINITY) ids.push(id);
  }
  return ids;
}

/** Ids below this make, with the bits of a float32 before them, a number that a float64 holds. */
const ID_LIMIT = 2 ** 21;
/** Bits of a float32 by which values are told apart before any are compared: sign, exponent, and a few more. */
const BUCKET_BITS = 14;
/** So few are sorted at once. */
const FEW = 2 ** 11;

/**
 * Ids in the order of their values: the lower id first where values tie and the lowest come first, else the higher one. Where
 * there are many, they are put into buckets, each of which is sorted as its turn comes: the first ones wait for no others.
 */
export function* inOrder(
  values: Float32Array,
  ids: readonly number[],
  direction: "ascending" | "descending",
): Generator<number, void> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  // Integers in the order of the values, 0 and -0 alike.
  const orderOf = (id: number) => (bits[id] > 2 ** 31 ? ~bits[id] >>> 0 : (bits[id] | (2 ** 31)) >>> 0);
  const sorted = (own: ArrayLike<number>) => {
    const keys = new Float64Array(own.length);
    for (let index = 0; index < keys.length; index++) keys[index] = orderOf(own[index]) * ID_LIMIT + own[index];
    keys.sort();
    if (direction === "descending") keys.reverse();
    for (let index = 0; index < keys.length; index++) keys[index] %= ID_LIMIT;
    return keys;
  };
  if (ids.length <= FEW) return yield* sorted(ids);
  const buckets = 2 ** BUCKET_BITS;
  const bucketOf = (id: number) => orderOf(id) >>> (32 - BUCKET_BITS);
  const ends = new Int32Array(buckets + 1);
  for (let index = 0; index < ids.length; index++) ends[bucketOf(ids[index]) + 1]++;
  for (let bucket = 1; bucket <= buckets; bucket++) ends[bucket] += ends[bucket - 1];
  const placed = new Int32Array(ids.length);
  const next = ends.slice();
  for (let index = 0; index < ids.length; index++) placed[next[bucketOf(ids[index])]++] = ids[index];
  for (let turn = 0; turn < buckets; turn++) {
    const bucket = direction === "ascending" ? turn : buckets - 1 - turn;
    if (ends[bucket] < ends[bucket + 1]) yield* sorted(placed.subarray(ends[bucket], ends[bucket + 1]));
  }
}

/** The k-th largest value, by a heap of k that holds the largest so far with the smallest of them on top. */
export function kthLargest(scores: Float32Array | Float64Array, k: number): number {
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
