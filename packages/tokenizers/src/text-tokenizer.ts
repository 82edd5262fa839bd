import { mismatch } from "./errors.ts";
import type { DecodeStreamOptions } from "./options.ts";

/**
 * Text from ids that arrive one by one: all parts together are what `decode` of all ids returns. But what was told stays told:
 * of a run of bytes that begins well and ends as no UTF-8, a tokenizer.json's `decode` makes U+FFFD from its first byte on.
 */
export interface DecodeStream {
  /** The text that is certain now: "" while a character is unfinished. */
  push(id: number): string;
  /** What was held back; the stream is not used after it. */
  end(): string;
}

/** Which tokens have a meaning of their own, by their ids. */
export interface SpecialIds {
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly unkId?: number;
  readonly maskId?: number;
}

/** What every encoding has. */
export interface PlainEncoding {
  readonly ids: readonly number[];
  /** The tokens as the vocabulary spells them; what is unknown as it stands in the text. */
  readonly tokens: readonly string[];
  /** Where each token begins and ends (exclusive) in its text; [0, 0] for special tokens. */
  readonly offsets: readonly (readonly [begin: number, end: number])[];
}

/** What every tokenizer can do. */
export interface TextTokenizer extends SpecialIds {
  /** The way it was published: `"tokenizer.json"`, `"sentencepiece"`, `"wordpiece"`, `"bpe"`, `"tiktoken"`, `"g2p"`. */
  readonly kind: string;
  /** What was chosen, in words: the file, the model, settings that files did not say. */
  readonly description: string;
  /** How many tokens there are, added ones included. */
  readonly vocabSize: number;
  /** The largest id; an embedding needs at least one row more. */
  readonly maxId: number;
  encode(text: string, options?: { readonly add_special_tokens?: boolean }): PlainEncoding;
  decode(ids: Iterable<number>, options?: { readonly skip_special_tokens?: boolean }): string;
  decodeStream(options?: DecodeStreamOptions): DecodeStream;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  /** Whether an id is of an added token that `skip_special_tokens` leaves out; absent where no tokens were added. */
  isSpecial?(id: number): boolean;
}

/**
 * A text as every engine sees it: lone surrogates become U+FFFD.
 * @throws {TokenizerError} `code: "text"` when it is not a string
 */
export function checkText(text: unknown, where: string): string {
  if (typeof text !== "string") throw mismatch("text", where, "a string", text);
  return text.toWellFormed();
}

/** @throws {TokenizerError} `code: "ids"` when it is no list */
export function checkIds(ids: Iterable<number>): number[] {
  if (typeof ids === "object" && typeof ids?.[Symbol.iterator] === "function") return [...ids];
  throw mismatch("ids", "decode", "a list of ids", ids);
}
