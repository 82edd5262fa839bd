import { doubled } from "./doubled.ts";

/** Words that have more code units are not kept. */
export const longestWord = 24;
// No more words are kept, nor numbers of all of them together.
const slotCount = 2 ** 16;
const mostWords = slotCount / 2;
const mostNumbers = 2 ** 21;
/** Numbers of an edge: where it begins and ends in the word, its piece, its score. */
export const edgeWidth = 4;
/** Numbers of a step of the best path: its piece and where it ends, as `pieceOf` and `endOf` tell them apart; its score. */
export const stepWidth = 2;
// Before a word's code units, two in a number, the steps and the edges: how many units there are, up to what sum before the word the best path
// is certain, how many steps it has (0: not looked for), how many numbers the edges are.
const header = 4;
const endBits = 5;
const largestRecord = header + (stepWidth + 1) * longestWord + edgeWidth * longestWord ** 2;
// Two sums of so many float32 scores differ from the exact ones by no more than this share of the largest sum on the way.
const rounding = longestWord * 2 ** -23;

/** The piece of a step, also one of the negative ids that stand for none. */
export function pieceOf(step: number): number {
  return (step >>> endBits) - 2;
}

/** Where a step ends in its word. */
export function endOf(step: number): number {
  return step & (2 ** endBits - 1);
}

/**
 * What words can be made of, with scores in float32. All is numbers in one list, what is read most in the first cache line of a record, and a
 * word is known by where its record begins there: a map would need a string for each word of a text.
 */
export class WordLattices {
  numbers = new Int32Array(4 * largestRecord);
  /** The same memory, for scores. */
  scores = new Float32Array(this.numbers.buffer);
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
        if (numbers[word] !== length) continue;
        let at = begin;
        for (let units = word + header; at < end && numbers[units] === twoUnits(text, at, end); units++) at += 2;
        if (at < end) continue;
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
    if (this.#used + largestRecord > this.numbers.length) {
      this.numbers = doubled(this.numbers);
      this.scores = new Float32Array(this.numbers.buffer);
    }
    const word = this.#used;
    this.#slots[this.#slot] = word + 1;
    this.#words++;
    const { numbers, end } = this;
    numbers[word] = end - begin;
    numbers.fill(0, word + 1, word + header);
    for (let at = begin, units = word + header; at < end; at += 2) numbers[units++] = twoUnits(text, at, end);
    this.#used = this.edgesOf(word);
    return word;
  }

  addEdge(word: number, begin: number, end: number, piece: number, score: number): void {
    const { numbers } = this;
    numbers[this.#used] = begin;
    numbers[this.#used + 1] = end;
    numbers[this.#used + 2] = piece;
    this.scores[this.#used + 3] = score;
    this.#used += edgeWidth;
    numbers[word + 3] += edgeWidth;
  }

  /** Where the steps of a word's best path begin in `numbers`. */
  stepsOf(word: number): number {
    return word + header + ((this.numbers[word] + 1) >> 1);
  }

  /** Where a word's edges begin in `numbers`, and where they end. */
  edgesOf(word: number): number {
    return this.stepsOf(word) + stepWidth * this.numbers[word];
  }

  edgesEnd(word: number): number {
    return this.edgesOf(word) + this.numbers[word + 3];
  }

  /** Whether a word's best path is the best whatever is rounded after such a sum. */
  isCertain(word: number, sum: number): boolean {
    if (this.numbers[word + 2] === 0) this.#findPath(word);
    return Math.abs(sum) < this.scores[word + 1];
  }

  #findPath(word: number): void {
    const { numbers, scores } = this;
    const length = numbers[word];
    const [sums, gaps, edgeTo] = [this.#sums, this.#gaps, this.#edgeTo];
    sums.fill(-Infinity, 1);
    let largest = 0;
    for (let edge = this.edgesOf(word), last = this.edgesEnd(word); edge < last; edge += edgeWidth) {
      const end = numbers[edge + 1];
      const sum = sums[numbers[edge]] + scores[edge + 3];
      const gap = sum - sums[end];
      gaps[end] = gap > 0 ? gap : Math.min(gaps[end], -gap);
      if (gap > 0) {
        sums[end] = sum;
        edgeTo[end] = edge;
      }
      largest = Math.max(largest, Math.abs(scores[edge + 3]));
    }
    let least = Infinity;
    let count = 0;
    for (let at = length; at > 0; at = numbers[edgeTo[at]]) {
      least = Math.min(least, gaps[at]);
      count++;
    }
    numbers[word + 2] = count;
    // A little less, as it is rounded to float32.
    scores[word + 1] = (least / rounding - longestWord * largest) * (1 - 2 ** -22);
    for (let at = length, to = this.stepsOf(word) + stepWidth * count; at > 0; at = numbers[edgeTo[at]]) {
      to -= stepWidth;
      numbers[to] = ((numbers[edgeTo[at] + 2] + 2) << endBits) | at;
      scores[to + 1] = scores[edgeTo[at] + 3];
    }
  }
}

/** Two code units of a word in one number. */
function twoUnits(text: string, at: number, end: number): number {
  return text.charCodeAt(at) | (at + 1 < end ? text.charCodeAt(at + 1) << 16 : 0);
}
