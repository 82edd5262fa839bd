import { copyOf } from "./aligned.ts";
import type { PieceTokens } from "./part.ts";

const shortLength = 12;
const shortPieces = 20_000;
const longLength = 256;
// Code units of all long pieces together.
const longUnits = 2 ** 19;

/** What pieces become that may come again: words, and lines that are one piece, as in scripts without spaces. */
export class PieceCache {
  readonly #pieces = new Map<string, PieceTokens>();
  readonly #longPieces = new Map<string, PieceTokens>();
  /** Code units of the long pieces. */
  #units = 0;
  /** Hashes of long pieces that came once, each where its last bits say. */
  #seen?: Uint32Array;

  get(text: string): PieceTokens | undefined {
    if (text.length <= shortLength) return this.#pieces.get(text);
    return text.length <= longLength ? this.#longPieces.get(text) : undefined;
  }

  /** Whether a piece that is not there is worth keeping: a long one when it comes for the second time. */
  admits(text: string): boolean {
    if (text.length <= shortLength) return true;
    if (text.length > longLength) return false;
    this.#seen ??= new Uint32Array(2 ** 14);
    let hash = 0;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x9e3779b1) ^ (hash >>> 15);
    const place = hash & (this.#seen.length - 1);
    const isSeen = this.#seen[place] === hash >>> 0;
    this.#seen[place] = hash;
    return isSeen;
  }

  set(text: string, tokens: PieceTokens): void {
    if (text.length <= shortLength) {
      if (this.#pieces.size >= shortPieces) this.#pieces.clear();
      this.#pieces.set(copyOf(text), tokens);
      return;
    }
    this.#units += text.length;
    if (this.#units > longUnits) {
      this.#longPieces.clear();
      this.#units = text.length;
    }
    this.#longPieces.set(copyOf(text), tokens);
  }
}
