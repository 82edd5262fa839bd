import { type Aligned, lastCharLength, slice } from "./aligned.ts";
import { LongestMatch } from "./longest-match.ts";
import type { Model } from "./models/model.ts";
import type { StepwiseNormalizer } from "./normalizers.ts";
import { CharacterSet } from "./regex/character-set.ts";
import { drain } from "./steps.ts";
import type { AddedVocabulary } from "./tokenizer.ts";
import { isWhiteSpace, wordClass } from "./unicode.ts";

/** A token that is found in the text before the model sees it. */
export interface AddedToken {
  readonly content: string;
  /** The id, where the file decides it. */
  readonly id?: number;
  /** Whether it only counts where no letter, digit or underscore stands beside it. */
  readonly single_word?: boolean;
  /** Whether it takes the white space before it, or after it, with it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  /** Whether it is found in the normalized text, by its normalized content. */
  readonly normalized?: boolean;
  /** Whether decoding may skip it. */
  readonly special?: boolean;
}

/** A part of a text: an added token, or what the model is to cut. */
export interface Section extends Aligned {
  readonly id?: number;
}

// Characters that are looked at before other work may have its turn.
const scanned = 2 ** 17;
const word = /* @__PURE__ */ new CharacterSet(wordClass);

/**
 * The added tokens of a tokenizer. Those that are not normalized are found first; what is between is normalized part by
 * part, and the others are found there.
 * @see tokenizers src/tokenizer/added_vocabulary.rs
 */
export class AddedTokens implements AddedVocabulary {
  /** How many tokens the model does not have, and the largest id. */
  readonly size: number;
  readonly maxId: number;
  readonly raw: readonly string[];
  readonly #ids = new Map<string, number>();
  readonly #tokens = new Map<number, AddedToken>();
  readonly #printed = new Map<number, string>();
  readonly #special = new Set<string>();
  readonly #raw: Matcher;
  readonly #normalized: Matcher;
  readonly #normalize: StepwiseNormalizer;

  /**
   * A token that the model has keeps the model's id; another gets the next one that is free. Empty and repeated ones
   * count for nothing.
   */
  constructor(tokens: readonly AddedToken[], model: Pick<Model, "size" | "tokenToId">, normalize: StepwiseNormalizer) {
    let next = model.size;
    for (const token of tokens) {
      if (token.content === "" || this.#ids.has(token.content)) continue;
      const known = model.tokenToId(token.content);
      const id = token.id ?? known ?? next;
      if (id !== known) next = Math.max(next, id + 1);
      this.#ids.set(token.content, id);
      this.#tokens.set(id, token);
    }
    this.maxId = next - 1;
    this.size = [...this.#ids.keys()].filter((token) => model.tokenToId(token) === undefined).length;
    const raw: [string, number][] = [];
    const normalized: [string, number][] = [];
    for (const [id, token] of this.#tokens) {
      const text = token.normalized ? drain(normalize({ text: token.content, at: 0 })).text : token.content;
      (token.normalized ? normalized : raw).push([text, id]);
      this.#printed.set(id, text);
      if (token.special) this.#special.add(token.content);
    }
    this.raw = raw.map(([text]) => text);
    this.#raw = new Matcher(raw, this.#tokens);
    this.#normalized = new Matcher(normalized, this.#tokens);
    this.#normalize = normalize;
  }

  /** The parts of a text in order, or a pause; none is empty. */
  *sections(input: Aligned, splits: boolean): Generator<Section | undefined> {
    const allows = (token: AddedToken): boolean => !(splits && token.special);
    for (const section of this.#raw.cut(input, allows)) {
      if (!section || section.id !== undefined) yield section;
      else yield* this.#normalized.cut(yield* this.#normalize(section), allows);
    }
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#tokens.get(id)?.content;
  }

  /** What decoding prints: the reference prints what it looks for in a text, the normalized content. */
  printed(id: number): string | undefined {
    return this.#printed.get(id);
  }

  /** Whether decoding may skip it; the reference asks what is printed. */
  isSpecial(id: number): boolean {
    return this.#special.has(this.#printed.get(id) ?? "");
  }
}

/** Finds tokens of one kind. */
class Matcher {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: ReadonlyMap<number, AddedToken>;
  readonly #match: LongestMatch;

  constructor(patterns: readonly (readonly [string, number])[], tokens: ReadonlyMap<number, AddedToken>) {
    // Of equal ones the first counts.
    this.#ids = new Map(patterns.filter(([text]) => text !== "").reverse());
    this.#tokens = tokens;
    this.#match = new LongestMatch(this.#ids.keys());
  }

  /** The parts of a text, or a pause after every so many characters. */
  *cut(input: Aligned, allows: (token: AddedToken) => boolean): Generator<Section | undefined> {
    const { text } = input;
    let kept = 0;
    const isWord = (at: number): boolean => at >= 0 && at < text.length && word.has(text.codePointAt(at) as number);
    for (let from = this.#ids.size > 0 ? 0 : text.length; from < text.length; ) {
      const isFound = this.#match.find(text, from, from + scanned);
      const { begin: at, end } = this.#match;
      from = end;
      if (!isFound) {
        yield undefined;
        continue;
      }
      const id = this.#ids.get(text.slice(at, end)) as number;
      const token = this.#tokens.get(id) as AddedToken;
      const isAlone = !token.single_word || !((at > 0 && isWord(at - lastCharLength(text, at))) || isWord(end));
      if (isAlone && allows(token)) {
        let begin = at;
        let stop = end;
        while (token.lstrip && begin > kept && isWhiteSpace(text.charCodeAt(begin - 1))) begin--;
        while (token.rstrip && stop < text.length && isWhiteSpace(text.charCodeAt(stop))) stop++;
        // The token before may have taken the space that this one begins with.
        if (token.lstrip) begin = Math.max(begin, kept);
        if (kept < begin) yield slice(input, kept, begin);
        if (begin < stop) yield { ...slice(input, begin, stop), id };
        kept = stop;
      }
    }
    if (kept < text.length) yield kept === 0 ? input : slice(input, kept, text.length);
  }
}
