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
 * Heap entries are `rank * count + left`, one number each. An entry is stale when the pair that starts at `left` now
 * has another rank; the same rank means an equal entry, so nothing else has to be remembered.
 * @returns the numbers of the symbols that are left, in order
 */
export function mergeByRank(count: number, merges: Merges): number[] {
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  const ranks = new Int32Array(count).fill(-1);
  const heap: number[] = [];
  const offer = (left: number): void => {
    if (left < 0) return;
    ranks[left] = next[left] < count ? merges.rank(left, next[left]) : -1;
    if (ranks[left] >= 0) push(heap, ranks[left] * count + left);
  };
  for (let symbol = 0; symbol < count; symbol++) {
    previous[symbol] = symbol - 1;
    next[symbol] = symbol + 1;
    offer(symbol);
  }
  while (heap.length > 0) {
    const entry = pop(heap);
    const left = entry % count;
    if (ranks[left] !== (entry - left) / count) continue;
    const right = next[left];
    merges.merge(left, right);
    ranks[right] = -1;
    next[left] = next[right];
    if (next[left] < count) previous[next[left]] = left;
    offer(previous[left]);
    offer(left);
  }
  const kept: number[] = [];
  for (let symbol = 0; symbol < count; symbol = next[symbol]) kept.push(symbol);
  return kept;
}

function push(heap: number[], entry: number): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent] <= entry) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: number[]): number {
  const top = heap[0];
  const entry = heap.pop() as number;
  const { length } = heap;
  if (length === 0) return top;
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
