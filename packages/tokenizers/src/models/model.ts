/** The tokens of one word: their ids, and where each begins and ends in it, in UTF-16 code units. */
export interface Tokens {
  readonly ids: number[];
  readonly begins: number[];
  readonly ends: number[];
}

/** What cuts a normalized word into tokens, and its vocabulary. */
export interface Model {
  /** How many tokens there are. */
  readonly size: number;
  /** The largest id. */
  readonly maxId: number;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  /** The tokens of a word that is not empty. The result is not changed by anyone: models may give the same one again. */
  tokenize(word: string): Tokens;
  /** The same for a long word, a part of its tokens at a time, or a pause. */
  tokenizeLong?(word: string): Generator<Tokens | undefined>;
}
