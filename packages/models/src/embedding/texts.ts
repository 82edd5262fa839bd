// Texts as the rows of ids that models read.
import { NonFiniteError, nextTurn, OptionError } from "@kiloformer/core";
import type { EncodeOptions, Encoding, Tokenizer } from "@kiloformer/tokenizers";
import type { TokenRow } from "../encoding/encoder.ts";
import { type Loaded, tokenizerOf } from "../pipeline/tasks.ts";

/** Tokens that are worked on together: bounds what a call of many texts holds at a time. */
const LOT_TOKENS = 8192;
/** Tokenizers take no longer limits, and nothing is as long. */
export const NO_LIMIT = 1e9;

/** How sentence-transformers' files have texts read. */
export interface TextSettings {
  /** The most tokens of a text, special ones included. Default: what the tokenizer's files say. */
  readonly maxLength?: number;
  /** Whether texts are turned to small letters first. */
  readonly lowercases?: boolean;
}

/** Cuts texts into tokens, as many as a model takes. */
export interface TextReader {
  readonly tokenizer: Tokenizer;
  /** The most tokens of a text, special ones included. */
  readonly limit: number;
  /** Long texts are cut into tokens with pauses. */
  encode(text: string, options?: EncodeOptions): Promise<Encoding>;
}

/**
 * The pipeline's tokenizer, with what its files and its model say of lengths.
 * @throws {OptionError} `no-tokenizer`
 */
export function textReader(context: Loaded, call: string, settings: TextSettings = {}): TextReader {
  const { model, tokenizerConfig } = context;
  const tokenizer = tokenizerOf(context, call);
  if (!("encodeAsync" in tokenizer)) {
    throw new OptionError("no-tokenizer", `${call}: expected a tokenizer of running text, got ${tokenizer.kind}`);
  }
  const full = tokenizer as Tokenizer;
  const { contextLength } = model.kind === "encoder-decoder" ? model.encoder : model;
  // The tokenizer's own maxLength is that of sentence-transformers, where there are files of both.
  const { max_len: older, model_max_length: own = older } = tokenizerConfig;
  const fromFiles = typeof own === "number" && own >= 0 ? own : contextLength;
  const limit = Math.min(settings.maxLength ?? fromFiles, contextLength);
  const cut = limit < NO_LIMIT ? { truncation: true, max_length: limit } : {};
  const encode = (text: string, options?: EncodeOptions) => full.encodeAsync(text, { ...cut, ...options });
  return { tokenizer: full, limit, encode: settings.lowercases ? lowercased(full, encode) : encode };
}

/** Letter by letter, as the tokenizers library has it: a sigma at the end of a word is like any other. */
const lower = (text: string) => Array.from(text, (letter) => letter.toLowerCase()).join("");

/** Encodes small letters only. Added tokens that a text is searched for before it is normalized stay as they are spelled. */
function lowercased({ parts }: Tokenizer, encode: TextReader["encode"]): TextReader["encode"] {
  const spelled = (parts.added?.raw ?? []).filter((token) => token !== lower(token));
  // Of two that begin alike, the longer one.
  spelled.sort((a, b) => b.length - a.length);
  const patterns = spelled.map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  const kept = new RegExp(`(${patterns.join("|") || "(?!)"})`);
  const change = (text: string) =>
    text
      .split(kept)
      .map((part, index) => (index % 2 ? part : lower(part)))
      .join("");
  return (text, { text_pair, ...options } = {}) =>
    encode(change(text), { ...options, ...(text_pair !== undefined && { text_pair: change(text_pair) }) });
}

/** Tokenizers of `transformers` that say which text a token is of. */
const tellsTexts =
  /^((Mobile|Conv|Squeeze)?Bert|Electra|LayoutLM|Lxmert|Deberta(V2)?|DPR(Context|Question)Encoder)Tokenizer(Fast)?$/;

/** A row for the model: which text a token is of, where model and tokenizer look at that. */
export function rowOf({ model, config, tokenizerConfig }: Loaded, { ids, type_ids }: Encoding): TokenRow {
  if (model.kind !== "encoder" || model.typeVocabSize < 2) return { ids };
  const { model_input_names: names, tokenizer_class: own = config.tokenizer_class } = tokenizerConfig;
  const standard = `${/^(bert|electra)$/.test(model.modelType) ? "Bert" : "Roberta"}Tokenizer`;
  const tells = Array.isArray(names) ? names.includes("token_type_ids") : tellsTexts.test(String(own ?? standard));
  return tells ? { ids, typeIds: type_ids } : { ids };
}

/** Items as rows, some thousand tokens at a time, with a turn of the event loop between them. */
export async function* inLots<Item, Row extends TokenRow>(
  items: readonly Item[],
  read: (item: Item, index: number) => Promise<Row>,
): AsyncGenerator<Row[], void> {
  let lot: Row[] = [];
  let tokens = 0;
  for (const [index, item] of items.entries()) {
    const row = await read(item, index);
    lot.push(row);
    tokens += row.ids.length;
    if (tokens < LOT_TOKENS) continue;
    yield lot;
    await nextTurn();
    lot = [];
    tokens = 0;
  }
  if (lot.length > 0) yield lot;
}

/** @throws {NonFiniteError} `not-finite` */
export function expectFinite(call: string, values: Float32Array | Float64Array): void {
  let index = 0;
  while (index < values.length && Number.isFinite(values[index])) index++;
  if (index === values.length) return;
  throw new NonFiniteError("not-finite", `${call}: expected finite numbers, got ${values[index]} at ${index}`, {
    index,
  });
}
