import { lastCharLength } from "../aligned.ts";
import { mismatch } from "../errors.ts";
import { type Model, noTokens, oneToken, type Tokens } from "./model.ts";
import { TokenMap } from "./token-map.ts";

/** How words become pieces of a vocabulary. */
export interface WordPieceOptions {
  readonly unk_token: string;
  readonly continuing_subword_prefix: string;
  readonly max_input_chars_per_word: number;
}

/**
 * Cuts a word into the longest pieces from left to right. A word that cannot be cut to its end, or has too many
 * characters, is one unknown token.
 * @see tokenizers src/models/wordpiece/mod.rs
 */
export class WordPiece extends TokenMap implements Model {
  readonly #options: WordPieceOptions;
  readonly continuingPrefix: string;

  constructor(vocabulary: object, options: WordPieceOptions, where: string) {
    super(vocabulary, where);
    this.#options = options;
    this.continuingPrefix = options.continuing_subword_prefix;
  }

  tokenize(word: string): Tokens {
    const { continuing_subword_prefix: prefix, max_input_chars_per_word: most } = this.#options;
    const tokens = noTokens();
    const isLong = word.length > most && (word.length > 2 * most || [...word].length > most);
    for (let begin = 0; begin < word.length && !isLong; ) {
      const before = begin > 0 ? prefix : "";
      let end = Math.min(word.length, begin + this.longest);
      let id: number | undefined;
      while (end > begin) {
        id = this.ids.get(before + word.slice(begin, end));
        if (id !== undefined) break;
        end -= lastCharLength(word, end);
      }
      if (id === undefined) return this.#unknown(word);
      tokens.ids.push(id);
      tokens.begins.push(begin);
      tokens.ends.push(end);
      begin = end;
    }
    return isLong ? this.#unknown(word) : tokens;
  }

  #unknown(word: string): Tokens {
    return unknownWord(this, this.#options.unk_token, word);
  }
}

/**
 * Every word is a token or unknown.
 * @see tokenizers src/models/wordlevel/mod.rs
 */
export class WordLevel extends TokenMap implements Model {
  readonly #unk: string;

  constructor(vocabulary: object, unk_token: string, where: string) {
    super(vocabulary, where);
    this.#unk = unk_token;
  }

  tokenize(word: string): Tokens {
    const id = this.ids.get(word);
    return id === undefined ? unknownWord(this, this.#unk, word) : oneToken(id, word);
  }
}

function unknownWord(vocabulary: TokenMap, unk_token: string, word: string): Tokens {
  const id = vocabulary.tokenToId(unk_token);
  if (id === undefined) throw mismatch("unknown", "encode", "words of a vocabulary that has no unk_token", word);
  return oneToken(id, word);
}
