// Byte-pair merging, of whatever has ranks.
import { doubled } from "./doubled.ts";

// Steps before other work may have its turn.
const batchSize = 8192;
// More symbols than these are taken by lists: a heap of so many no longer lies close by.
const manySymbols = 4096;

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
 * Pairs of few symbols wait in a heap, as `(rank + 1) * count + left`, one number each. Of many symbols, the pairs of one rank wait in a list, and
 * are found from left to right nearly always. The lists are taken in the order of ranks; meanwhile the heap has what came up
 * and does not wait for another list: all of that is to the left of what the list still has. An entry is stale when the pair that
 * starts at `left` now has another rank; the same rank means an equal entry, so nothing else has to be remembered.
 * @returns by symbol that is left, the next one that is (from 0 on, `count` behind the last), after a pause for every so many steps
 */
export function* mergeSteps(count: number, merges: Merges): Generator<undefined, Int32Array> {
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  // Ranks and one more: 0 where two never merge.
  const ranks = new Int32Array(count);
  const hasLists = count > manySymbols;
  const heap = new Heap(hasLists ? 0 : count);
  const lists = new Map<number, List>();
  // The ranks, and one more, that have a list.
  const listed = new Heap();
  // The rank, and one more, of the list that is taken: larger ones wait in lists.
  let current = hasLists ? 0 : Infinity;
  const offer = (left: number): void => {
    if (left < 0) return;
    const rank = next[left] < count ? merges.rank(left, next[left]) + 1 : 0;
    ranks[left] = rank;
    if (rank === 0) return;
    if (rank <= current) {
      heap.push(rank * count + left);
      return;
    }
    let list = lists.get(rank);
    if (!list) {
      list = new List();
      lists.set(rank, list);
      listed.push(rank);
    }
    list.push(left);
  };
  for (let symbol = 0; symbol < count; symbol++) {
    previous[symbol] = symbol - 1;
    next[symbol] = symbol + 1;
    offer(symbol);
    if (symbol % batchSize === batchSize - 1) yield;
  }
  let list = new List();
  for (let at = 0, step = 1; ; step++) {
    if (step % batchSize === 0) yield;
    let left: number;
    let rank = current;
    if (at < list.length && !list.isAscending) {
      heap.push(rank * count + list.items[at++]);
      continue;
    } else if (heap.length > 0) {
      const entry = heap.pop();
      left = entry % count;
      rank = (entry - left) / count;
    } else if (at < list.length) {
      left = list.items[at++];
    } else if (listed.length > 0) {
      current = listed.pop();
      list = lists.get(current) as List;
      lists.delete(current);
      at = 0;
      continue;
    } else return next;
    if (ranks[left] !== rank) continue;
    const right = next[left];
    merges.merge(left, right);
    ranks[right] = 0;
    next[left] = next[right];
    if (next[left] < count) previous[next[left]] = left;
    offer(previous[left]);
    offer(left);
  }
}

const noNumbers = new Int32Array(0);

/** Whole numbers, and whether each is larger than the one before. */
class List {
  length = 0;
  isAscending = true;
  items = noNumbers;

  push(item: number): void {
    const { length } = this;
    if (length === this.items.length) this.items = doubled(this.items);
    if (length > 0 && item <= this.items[length - 1]) this.isAscending = false;
    this.items[length] = item;
    this.length++;
  }
}

/** Numbers, of which the least comes out first. */
class Heap {
  length = 0;
  #entries: Float64Array;

  /** @param capacity how many to make room for at first */
  constructor(capacity = 0) {
    this.#entries = new Float64Array(capacity);
  }

  push(entry: number): void {
    if (this.length === this.#entries.length) this.#entries = doubled(this.#entries);
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
