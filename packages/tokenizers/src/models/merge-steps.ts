// Byte-pair merging, of whatever has ranks.

// Steps before other work may have its turn.
const batchSize = 8192;

/**
 * How the symbols of one text merge. Symbols are numbered from left to right; a merge keeps the left one's number.
 */
export interface Merges {
  /** The rank of merging two neighbours, a whole number from 0 (first), or -1 where they never merge. */
  rank(left: number, right: number): number;
  /** Makes the left symbol cover both. */
  merge(left: number, right: number): void;
}

/**
 * Byte-pair merging of symbols 0 to `count - 1`: always the lowest rank, ties leftmost, in O(n log n).
 *
 * Heap entries are `(rank + 1) * count + left`, one number each. An entry is stale when the pair that starts at `left` now
 * has another rank; the same rank means an equal entry, so nothing else has to be remembered.
 * @returns by symbol that is left, the next one that is (from 0 on, `count` behind the last), after a pause for every so many steps
 */
export function* mergeSteps(count: number, merges: Merges): Generator<undefined, Int32Array> {
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  // Ranks and one more: 0 where two never merge.
  const ranks = new Int32Array(count);
  const heap = new Heap(count);
  const offer = (left: number): void => {
    if (left < 0) return;
    ranks[left] = next[left] < count ? merges.rank(left, next[left]) + 1 : 0;
    if (ranks[left] > 0) heap.push(ranks[left] * count + left);
  };
  for (let symbol = 0; symbol < count; symbol++) {
    previous[symbol] = symbol - 1;
    next[symbol] = symbol + 1;
    offer(symbol);
    if (symbol % batchSize === batchSize - 1) yield;
  }
  for (let step = 1; heap.length > 0; step++) {
    if (step % batchSize === 0) yield;
    const entry = heap.pop();
    const left = entry % count;
    if (ranks[left] !== (entry - left) / count) continue;
    const right = next[left];
    merges.merge(left, right);
    ranks[right] = 0;
    next[left] = next[right];
    if (next[left] < count) previous[next[left]] = left;
    offer(previous[left]);
    offer(left);
  }
  return next;
}

/** Numbers, of which the least comes out first. */
class Heap {
  length = 0;
  #entries: Float64Array;

  /** @param capacity how many to make room for at first: to move millions takes long */
  constructor(capacity: number) {
    this.#entries = new Float64Array(capacity);
  }

  push(entry: number): void {
    if (this.length === this.#entries.length) {
      const larger = new Float64Array(2 * this.length + 1);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    const heap = this.#entries;
    let at = this.length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= entry) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  pop(): number {
    const heap = this.#entries;
    const top = heap[0];
    const length = --this.length;
    const entry = heap[length];
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= entry) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = entry;
    return top;
  }
}
