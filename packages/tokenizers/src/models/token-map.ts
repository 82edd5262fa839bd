import { mismatch } from "../errors.ts";
import { isId } from "../reader.ts";

/** Tokens by their ids and ids by their tokens; ids may have holes, and nothing is as large as the largest id. */
export class TokenMap {
  readonly ids: ReadonlyMap<string, number>;
  readonly maxId: number;
  /** The number of code units of the longest token. */
  readonly longest: number;
  #tokens?: ReadonlyMap<number, string>;

  /**
   * @param vocabulary an id by each token
   * @throws {TokenizerError} `code: "vocabulary"` when there is no token, or an id is no whole number below 2^32
   */
  constructor(vocabulary: object, where: string) {
    const ids = new Map<string, number>();
    let maxId = -1;
    let longest = 0;
    for (const token of Object.keys(vocabulary)) {
      const id: unknown = (vocabulary as Readonly<Record<string, unknown>>)[token];
      if (!isId(id))
        throw mismatch("vocabulary", `${where}: ${JSON.stringify(token)}`, "an id from 0 to 4294967295", id);
      ids.set(token, id);
      if (id > maxId) maxId = id;
      if (token.length > longest) longest = token.length;
    }
    if (maxId < 0) throw mismatch("vocabulary", where, "tokens", undefined, "none");
    this.ids = ids;
    this.maxId = maxId;
    this.longest = longest;
  }

  get size(): number {
    return this.ids.size;
  }

  tokenToId(token: string): number | undefined {
    return this.ids.get(token);
  }

  /** Of two tokens with one id, the first. */
  idToToken(id: number): string | undefined {
    this.#tokens ??= new Map([...this.ids].reverse().map(([token, id]) => [id, token]));
    return this.#tokens.get(id);
  }
}
