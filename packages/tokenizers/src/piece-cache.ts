import { copyOf } from "./aligned.ts";
import type { PieceTokens } from "./part.ts";

const shortLength = 16;
const shortPieces = 20_000;
const longLength = 256;
// What all long pieces may cost together: a code unit is 1, a token with its places 16.
const longCost = 2 ** 21;
const tokenCost = 16;

/** What a piece becomes: its tokens, or the id of the one that is all of it, which takes less room and is read faster. */
export type KeptTokens = PieceTokens | number;

/** What pieces become that may come again: words, and lines that are one piece, as in scripts without spaces. */
export class PieceCache {
  /** Those of one code unit by its number, which is found faster than a text. */
  readonly #units = new Map<number, KeptTokens>();
  readonly #pieces = new Map<string, KeptTokens>();
  readonly #longPieces = new Map<string, KeptTokens>();
  #cost = 0;
  /** Hashes of long pieces that came once, each where its last bits say. */
  #seen?: Uint32Array;

  /** What a piece becomes; undefined where it is worth keeping, and null where it is not: a long one that comes for the first time. */
  get(text: string): KeptTokens | undefined | null {
    if (text.length === 1) return this.#units.get(text.charCodeAt(0));
    if (text.length <= shortLength) return this.#pieces.get(text);
    // One that never came is in no map, and is not looked for: that would take as long as the hash.
    return text.length <= longLength && this.#came(text) ? this.#longPieces.get(text) : null;
  }

  /** Whether a long piece came before, as far as is known. */
  #came(text: string): boolean {
    this.#seen ??= new Uint32Array(2 ** 16);
    let hash = 0;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x9e3779b1) ^ (hash >>> 15);
    const place = hash & (this.#seen.length - 1);
    const isSeen = this.#seen[place] === hash >>> 0;
    this.#seen[place] = hash;
    return isSeen;
  }

  set(text: string, tokens: KeptTokens): void {
    if (text.length <= shortLength) {
      if (this.#units.size + this.#pieces.size >= shortPieces) {
        this.#units.clear();
        this.#pieces.clear();
      }
      if (text.length === 1) this.#units.set(text.charCodeAt(0), tokens);
      else this.#pieces.set(copyOf(text), tokens);
      return;
    }
    const cost = text.length + (typeof tokens === "number" ? 1 : tokens.length) * tokenCost;
    this.#cost += cost;
    if (this.#cost > longCost) {
      this.#longPieces.clear();
      this.#cost = cost;
    }
    this.#longPieces.set(copyOf(text), tokens);
  }
}
