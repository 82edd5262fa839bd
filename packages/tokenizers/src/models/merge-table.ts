/** Pairs of ids, the rank of their merge and what it makes: an open-addressing table, four numbers a row. */
export class MergeTable {
  readonly #rows: Int32Array;
  readonly #mask: number;
  /** A bit for each of the hashes that pairs have, as most that are looked for are none, and these bits lie closer than rows. */
  readonly #bits: Int32Array;

  constructor(count: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2 * count, 32)));
    this.#rows = new Int32Array(capacity * 4).fill(-1);
    this.#mask = capacity - 1;
    this.#bits = new Int32Array(capacity >> 4);
  }

  #hash(left: number, right: number): number {
    return (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 7;
  }

  /** The row of a pair: where it is, or where it would be. */
  #find(left: number, right: number): number {
    let row = this.#hash(left, right);
    for (;;) {
      const at = (row & this.#mask) * 4;
      if (this.#rows[at] === -1 || (this.#rows[at] === left && this.#rows[at + 1] === right)) return at;
      row++;
    }
  }

  set(left: number, right: number, rank: number, id: number): void {
    const hash = this.#hash(left, right);
    this.#bits[(hash >>> 5) & (this.#bits.length - 1)] |= 1 << hash;
    const at = this.#find(left, right);
    this.#rows[at] = left;
    this.#rows[at + 1] = right;
    this.#rows[at + 2] = rank;
    this.#rows[at + 3] = id;
  }

  /** The rank of merging two ids, or -1. */
  rank(left: number, right: number): number {
    const hash = this.#hash(left, right);
    if (((this.#bits[(hash >>> 5) & (this.#bits.length - 1)] >>> hash) & 1) === 0) return -1;
    return this.#rows[this.#find(left, right) + 2];
  }

  /** What two ids that merge become. */
  merged(left: number, right: number): number {
    return this.#rows[this.#find(left, right) + 3];
  }
}
