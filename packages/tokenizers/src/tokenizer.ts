import { mismatch } from "./errors.ts";

/** Options of `encode`; a tokenizer that lacks what an option asks for refuses it. */
export interface EncodeOptions {
  /** Whether to add the ids that the model expects around a text; default true. */
  readonly add_special_tokens?: boolean;
  /** Overrides whether the begin id comes first. */
  readonly add_bos?: boolean;
  /** Overrides whether the end id comes last. */
  readonly add_eos?: boolean;
}

/** Options of `decode` and `decodeStream`. */
export interface DecodeOptions {
  /** Whether special tokens print nothing; default true. */
  readonly skip_special_tokens?: boolean;
  /** Whether the ids continue a text, so that a word's leading space is printed at the beginning too; default false. */
  readonly continuing?: boolean;
}

/** Text from ids that arrive one by one: all parts together are what `decode` of all ids returns. */
export interface DecodeStream {
  /** The text that is certain now: "" while a character is unfinished. */
  push(id: number): string;
  /** What was held back; the stream is not used after it. */
  end(): string;
}

/** Text in, ids out and back. */
export interface Tokenizer {
  /** The way the tokenizer was published: `"sentencepiece"`, `"g2p"`. */
  readonly kind: string;
  /** How many tokens there are. */
  readonly vocabSize: number;
  /** The largest id; an embedding needs at least one row more. */
  readonly maxId: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly unkId?: number;
  /** @throws {TokenizerError} `code: "text"` when text is not a string */
  encode(text: string, options?: EncodeOptions): number[];
  /** @throws {TokenizerError} `code: "ids"` when an id has no token */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  decodeStream(options?: DecodeOptions): DecodeStream;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
}

/**
 * A text as every engine sees it: lone surrogates become U+FFFD.
 * @throws {TokenizerError} `code: "text"` when it is not a string
 */
export function checkText(text: unknown, where: string): string {
  if (typeof text !== "string") throw mismatch("text", where, "a string", text);
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/**
 * Options that are all true or false, with defaults.
 * @throws {TokenizerError} `code: "options"` for an unknown option or another value
 */
export function readFlags<Flags extends { [Name in keyof Flags]: boolean }>(
  options: object | undefined,
  defaults: Flags,
  where: string,
): Flags {
  const flags = { ...defaults };
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value === undefined) continue;
    if (!Object.hasOwn(defaults, name)) {
      throw mismatch("options", where, `an option of ${Object.keys(defaults).join(", ")}`, name);
    }
    if (typeof value !== "boolean") throw mismatch("options", `${where}: ${name}`, "true or false", value);
    flags[name as keyof Flags] = value as Flags[keyof Flags];
  }
  return flags;
}

/** All ids through one stream: what `decode` is, whatever the tokenizer. */
export function decodeAll(ids: Iterable<number>, stream: DecodeStream): string {
  if (typeof ids !== "object" || typeof ids?.[Symbol.iterator] !== "function") {
    throw mismatch("ids", "decode", "a list of ids", ids);
  }
  let text = "";
  for (const id of ids) text += stream.push(id);
  return text + stream.end();
}
