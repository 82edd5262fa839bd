import { doubled } from "./vocabulary.ts";

/** Words that have more code units are not kept. */
export const longestWord = 24;
// No more words are kept, nor numbers of all of them together.
const slotCount = 2 ** 16;
const mostWords = slotCount / 2;
const mostNumbers = 2 ** 20;
/** Numbers of an edge: where it begins and ends in the word, its piece, its score. */
export const edgeWidth = 4;
// Before a word's code units and its edges: how many units there are, how many numbers the edges are, where the best path is (0: not looked
// for), and up to what sum before the word it is certain.
const header = 4;
const largestRecord = header + longestWord + edgeWidth * longestWord ** 2;
// Two sums of so many float32 scores differ from the exact ones by no more than this share of the largest sum on the way.
const rounding = longestWord * 2 ** -23;

/**
 * What words can be made of. All is numbers in one list, and a word is known by where its record begins there: a map would need a string for
 * each word of a text.
 */
export class WordLattices {
  numbers = new Float64Array(4 * largestRecord);
  /** Where the word ends that was looked for last; 0 for one that is too long. */
  end = 0;
  readonly #slots = new Int32Array(slotCount);
  // Not the same in every process: no text can be made whose words all fall into one slot.
  readonly #factor = (Math.random() * 2 ** 32) | 1;
  // For the word whose path is looked for, by place: the best sum, by how much it is better than the next, and the edge that ends there.
  readonly #sums = new Float64Array(longestWord + 1);
  readonly #gaps = new Float64Array(longestWord + 1);
  readonly #edgeTo = new Int32Array(longestWord + 1);
  #hash = 0;
  #slot = 0;
  #words = 0;
  #used = 0;

  /** Looks for the word from a place up to the next `mark` after it; gives its record, or -1. */
  find(text: string, begin: number, mark: number): number {
    const most = Math.min(text.length, begin + longestWord + 1);
    let hash = 1;
    let end = begin;
    do hash = Math.imul(hash ^ text.charCodeAt(end++), this.#factor);
    while (end < most && text.charCodeAt(end) !== mark);
    const length = end - begin;
    this.end = length > longestWord ? 0 : end;
    if (length > longestWord) return -1;
    const { numbers } = this;
    const slots = this.#slots;
    hash = (hash ^ (hash >>> 15)) & (slotCount - 1);
    this.#hash = hash;
    for (let slot = hash; ; slot = (slot + 1) & (slotCount - 1)) {
      const word = slots[slot] - 1;
      if (word >= 0) {
        let at = numbers[word] === length ? 0 : length + 1;
        while (at < length && numbers[word + header + at] === text.charCodeAt(begin + at)) at++;
        if (at !== length) continue;
      }
      this.#slot = slot;
      return word;
    }
  }

  /** Begins the record of the word that was looked for last and not found: its edges are added from left to right. */
  add(text: string, begin: number): number {
    if (this.#words === mostWords || this.#used > mostNumbers) {
      this.#slots.fill(0);
      this.#slot = this.#hash;
      this.#words = this.#used = 0;
    }
    const word = this.#used;
    this.#makeRoom();
    this.#slots[this.#slot] = word + 1;
    this.#words++;
    const { numbers } = this;
    const length = this.end - begin;
    numbers[word] = length;
    numbers.fill(0, word + 1, word + header);
    for (let at = 0; at < length; at++) numbers[word + header + at] = text.charCodeAt(begin + at);
    this.#used += header + length;
    return word;
  }

  addEdge(word: number, begin: number, end: number, piece: number, score: number): void {
    this.#write(begin, end, piece, score);
    this.numbers[word + 1] += edgeWidth;
  }

  /** Where a word's edges begin in `numbers`, and where they end. */
  edgesOf(word: number): number {
    return word + header + this.numbers[word];
  }

  edgesEnd(word: number): number {
    return this.edgesOf(word) + this.numbers[word + 1];
  }

  /** Where the edges of a word's best path begin, if it is the best whatever is rounded after such a sum, else 0. */
  certainPath(word: number, sum: number): number {
    if (this.numbers[word + 2] === 0) this.#findPath(word);
    return Math.abs(sum) < this.numbers[word + 3] ? this.numbers[word + 2] : 0;
  }

  #findPath(word: number): void {
    this.#makeRoom();
    const { numbers } = this;
    const length = numbers[word];
    const [sums, gaps, edgeTo] = [this.#sums, this.#gaps, this.#edgeTo];
    sums.fill(-Infinity, 1);
    let largest = 0;
    for (let edge = this.edgesOf(word), last = this.edgesEnd(word); edge < last; edge += edgeWidth) {
      const end = numbers[edge + 1];
      const sum = sums[numbers[edge]] + numbers[edge + 3];
      const gap = sum - sums[end];
      gaps[end] = gap > 0 ? gap : Math.min(gaps[end], -gap);
      if (gap > 0) {
        sums[end] = sum;
        edgeTo[end] = edge;
      }
      largest = Math.max(largest, Math.abs(numbers[edge + 3]));
    }
    let least = Infinity;
    let count = 0;
    for (let at = length; at > 0; at = numbers[edgeTo[at]]) {
      least = Math.min(least, gaps[at]);
      count++;
    }
    numbers[word + 2] = this.#used;
    numbers[word + 3] = least / rounding - longestWord * largest;
    this.#used += count * edgeWidth;
    for (let at = length, to = this.#used; at > 0; at = numbers[edgeTo[at]]) {
      to -= edgeWidth;
      numbers.copyWithin(to, edgeTo[at], edgeTo[at] + edgeWidth);
    }
  }

  #write(begin: number, end: number, piece: number, score: number): void {
    const { numbers } = this;
    numbers[this.#used++] = begin;
    numbers[this.#used++] = end;
    numbers[this.#used++] = piece;
    numbers[this.#used++] = score;
  }

  #makeRoom(): void {
    if (this.#used + largestRecord > this.numbers.length) this.numbers = doubled(this.numbers);
  }
}
