/**
 * Tokens by two hashes of their code units, for the parts of many merges: no text is made of a part, and a look reads one
 * row of a table. No two tokens have the same hashes; a text that is no token has those of one with a probability of 2^-40.
 */
export class TokenHashes {
  // By row: both hashes, the id, and whether there is a token.
  readonly #rows: Int32Array;
  readonly #mask: number;
  // Not the same in every process: hardly a file can be made whose tokens all fall into one row.
  #factors = [0, 0];
  #low = 0;
  #high = 0;

  constructor(ids: ReadonlyMap<string, number>) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * ids.size + 2));
    this.#rows = new Int32Array(4 * capacity);
    this.#mask = capacity - 1;
    while (!this.#fill(ids)) this.#rows.fill(0);
  }

  /** @returns whether all tokens have hashes of their own */
  #fill(ids: ReadonlyMap<string, number>): boolean {
    this.#factors = [Math.random() * 2 ** 32, Math.random() * 2 ** 32].map((factor) => factor | 1);
    for (const [token, id] of ids) {
      this.#low = this.#high = 1;
      const at = this.#rowOf(token, 0, token.length);
      if (this.#rows[at + 3] !== 0) return false;
      this.#rows[at] = this.#low;
      this.#rows[at + 1] = this.#high;
      this.#rows[at + 2] = id;
      this.#rows[at + 3] = 1;
    }
    return true;
  }

  /** The id of the token that a part of a text is, or -1. */
  find(text: string, begin: number, end: number): number {
    this.#low = this.#high = 1;
    return this.findLonger(text, begin, end);
  }

  /** The id of the token that the part that was looked for last makes with another behind it, or -1. */
  findLonger(text: string, begin: number, end: number): number {
    const at = this.#rowOf(text, begin, end);
    return this.#rows[at + 3] === 0 ? -1 : this.#rows[at + 2] >>> 0;
  }

  /** The row of what is hashed and a part of a text behind it: where it is, or where it would be. */
  #rowOf(text: string, begin: number, end: number): number {
    const [lowFactor, highFactor] = this.#factors;
    let low = this.#low;
    let high = this.#high;
    for (let at = begin; at < end; at++) {
      const unit = text.charCodeAt(at);
      low = Math.imul(low ^ unit, lowFactor);
      high = Math.imul(high + unit, highFactor) ^ (high >>> 13);
    }
    this.#low = low;
    this.#high = high;
    const rows = this.#rows;
    for (let row = low ^ (low >>> 15); ; row++) {
      const at = (row & this.#mask) * 4;
      if (rows[at + 3] === 0 || (rows[at] === low && rows[at + 1] === high)) return at;
    }
  }
}
