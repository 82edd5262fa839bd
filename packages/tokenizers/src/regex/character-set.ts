import { charLength } from "../aligned.ts";

/** A small number for every code point, which is asked for once. */
export class CharacterKinds {
  /** By code point the kind + 1, or 0 where it has not been asked for. */
  readonly #known = new Uint8Array(0x110000);
  readonly #kindOf: (codePoint: number) => number;

  constructor(kindOf: (codePoint: number) => number) {
    this.#kindOf = kindOf;
  }

  of(codePoint: number): number {
    const known = this.#known[codePoint];
    if (known > 0) return known - 1;
    const kind = this.#kindOf(codePoint);
    this.#known[codePoint] = kind + 1;
    return kind;
  }

  /** Where the characters of a kind end that stand in a text from a place on, or `until`. */
  endOf(kind: number, text: string, from: number, until = text.length): number {
    const known = this.#known;
    for (let at = from; ; at += charLength(text, at)) {
      // Most are known, and one unit.
      while (at < until && text.charCodeAt(at) < 0xd800 && known[text.charCodeAt(at)] === kind + 1) at++;
      if (at >= until || this.of(text.codePointAt(at) as number) !== kind) return at;
    }
  }
}

/** A set of code points, written as the inside of a JavaScript `[...]` class with the `u` flag, as in `"\\p{N}_"`. */
export class CharacterSet {
  readonly #kinds: CharacterKinds;

  constructor(inside: string) {
    const members = new RegExp(`[${inside}]`, "u");
    this.#kinds = new CharacterKinds((codePoint) => Number(members.test(String.fromCodePoint(codePoint))));
  }

  has(codePoint: number): boolean {
    return this.#kinds.of(codePoint) > 0;
  }
}
