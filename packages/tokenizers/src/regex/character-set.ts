/** A set of code points, written as the inside of a JavaScript `[...]` class with the `u` flag, as in `"\\p{N}_"`. */
export class CharacterSet {
  /** By code point: 0 not asked yet, 1 outside, 2 inside. */
  readonly #known = new Uint8Array(0x110000);
  readonly #class: RegExp;

  constructor(inside: string) {
    this.#class = new RegExp(`[${inside}]`, "u");
  }

  has(codePoint: number): boolean {
    const known = this.#known[codePoint];
    if (known > 0) return known > 1;
    const inside = this.#class.test(String.fromCodePoint(codePoint));
    this.#known[codePoint] = inside ? 2 : 1;
    return inside;
  }
}
