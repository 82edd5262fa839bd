import { charLength } from "./aligned.ts";
import { CharacterKinds } from "./regex/character-set.ts";

/** Finds matches in a text, from left to right; where the last one lies is in `begin` and `end`. */
export interface Finder {
  readonly begin: number;
  readonly end: number;
  /** Whether a match begins at `from` or later; `begin` and `end` then say where the leftmost one lies. */
  exec(text: string, from: number): boolean;
}

/** The next match from `from` on, but no empty one where the last one ended. */
export function findNext(finder: Finder, text: string, from: number, lastEnd: number): boolean {
  if (text === "") return false;
  for (let at = from; at <= text.length && finder.exec(text, at); at = finder.end + charLength(text, finder.end)) {
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
    this.end = this.begin + this.#text.length;
    return this.begin >= 0;
  }
}

/** Finds every character of a kind, each a match of its own. */
export class CharacterFinder implements Finder {
  begin = 0;
  end = 0;
  readonly #is: (codePoint: number) => boolean;

  constructor(is: (codePoint: number) => boolean) {
    this.#is = is;
  }

  exec(text: string, from: number): boolean {
    for (let at = from; at < text.length; ) {
      const length = charLength(text, at);
      if (this.#is(length === 1 ? text.charCodeAt(at) : (text.codePointAt(at) as number))) {
        this.begin = at;
        this.end = at + length;
        return true;
      }
      at += length;
    }
    return false;
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

  exec(text: string, from: number): boolean {
    let found = 0;
    for (let at = from; at < text.length; at += charLength(text, at)) {
      const kind = this.#kinds.of(text.codePointAt(at) as number);
      if (found !== 0 && kind !== found) break;
      if (found === 0) this.begin = at;
      if (kind !== 0) this.end = at + charLength(text, at);
      found = kind;
    }
    return found !== 0 && this.end > from;
  }
}
