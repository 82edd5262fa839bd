/** The tokens of one word: their ids, and where each begins and ends in it, in UTF-16 code units. */
export interface Tokens {
  readonly ids: number[];
  readonly begins: number[];
  readonly ends: number[];
}

/** No tokens yet. */
export function noTokens(): Tokens {
  return { ids: [], begins: [], ends: [] };
}

/** A word that is one token. */
export function oneToken(id: number, word: string): Tokens {
  return { ids: [id], begins: [0], ends: [word.length] };
}

/** Appends tokens whose text begins at a place. */
export function appendTokens({ ids, begins, ends }: Tokens, added: Tokens, place: number): void {
  for (let at = 0; at < added.ids.length; at++) {
    ids.push(added.ids[at]);
    begins.push(place + added.begins[at]);
    ends.push(place + added.ends[at]);
  }
}

/** All tokens of a word whose parts come one by one, appended to the first. */
export function allTokens(parts: Iterable<Tokens | undefined>): Tokens {
  let all: Tokens | undefined;
  for (const tokens of parts) {
    if (all && tokens) appendTokens(all, tokens, 0);
    all ??= tokens;
  }
  return all ?? noTokens();
}

/** What cuts a normalized word into tokens, and its vocabulary. */
export interface Model {
  /** How many tokens there are. */
  readonly size: number;
  /** The largest id. */
  readonly maxId: number;
  /** Whether its tokens are made by merging pairs. */
  readonly mergesPairs?: boolean;
  /** What stands before tokens that go on with a word. */
  readonly continuingPrefix?: string;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  /** The tokens of a word that is not empty. The result is not changed by anyone: models may give the same one again. */
  tokenize(word: string): Tokens;
  /** The same for a long word, a part of its tokens at a time, or a pause. */
  tokenizeLong?(word: string): Generator<Tokens | undefined>;
}
