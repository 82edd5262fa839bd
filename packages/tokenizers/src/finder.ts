import { charLength } from "./aligned.ts";
import { CharacterKinds } from "./regex/character-set.ts";

/** Finds matches in a text, from left to right; where the last one lies is in `begin` and `end`. */
export interface Finder {
  readonly begin: number;
  readonly end: number;
  /**
   * Whether a match begins at `from` or later; `begin` and `end` then say where the leftmost one lies. Where none begins before
   * `until` it may stop, and `end` is the place from which to go on, or that of the text's end.
   */
  exec(text: string, from: number, until?: number): boolean;
}

/** The next match from `from` on, but no empty one where the last one ended. */
export function findNext(finder: Finder, text: string, from: number, lastEnd: number, until?: number): boolean {
  if (text === "") return false;
  for (
    let at = from;
    at <= text.length && finder.exec(text, at, until);
    at = finder.end + charLength(text, finder.end)
  ) {
    if (finder.begin < finder.end || finder.end !== lastEnd) return true;
  }
  return false;
}

/** Finds a text as it is; an empty one is nowhere. */
export class LiteralFinder implements Finder {
  begin = 0;
  end = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  exec(text: string, from: number): boolean {
    this.begin = this.#text === "" ? -1 : text.indexOf(this.#text, from);
    this.end = this.begin < 0 ? text.length : this.begin + this.#text.length;
    return this.begin >= 0;
  }
}

/** Finds every character of a kind, each a match of its own. */
export class CharacterFinder implements Finder {
  begin = 0;
  end = 0;
  readonly #kinds: CharacterKinds;

  constructor(is: (codePoint: number) => boolean) {
    this.#kinds = new CharacterKinds((codePoint) => Number(is(codePoint)));
  }

  exec(text: string, from: number, until = text.length): boolean {
    const stop = Math.min(until, text.length);
    this.begin = this.end = this.#kinds.endOf(0, text, from, stop);
    if (this.begin >= stop) return false;
    this.end += charLength(text, this.begin);
    return true;
  }
}

/** Finds runs of characters of one kind; those of kind 0 are between runs. */
export class RunFinder implements Finder {
  begin = 0;
  end = 0;
  readonly #kinds: CharacterKinds;

  constructor(kindOf: (codePoint: number) => number) {
    this.#kinds = new CharacterKinds(kindOf);
  }

  exec(text: string, from: number, until = text.length): boolean {
    const stop = Math.min(until, text.length);
    this.begin = this.end = this.#kinds.endOf(0, text, from, stop);
    if (this.begin >= stop) return false;
    this.end = this.#kinds.endOf(this.#kinds.of(text.codePointAt(this.begin) as number), text, this.begin);
    return true;
  }
}
