import { mismatch } from "./errors.ts";

/** Options of `encode`, with the names of `transformers`. */
export interface EncodeOptions {
  /** A second text, of a pair. */
  readonly text_pair?: string;
  /** Whether the tokens come that the model expects around a text; default true. */
  readonly add_special_tokens?: boolean;
  /**
   * Whether a text is cut at `max_length`, and which one of a pair: true is `"longest_first"`. Default: where `max_length` is given
   * without `padding`.
   */
  readonly truncation?: boolean | "longest_first" | "only_first" | "only_second";
  /**
   * How many tokens there may be, special ones included. Default: what the files beside the tokenizer say, else the length that
   * tokenizer.json has for cutting, or for filling up.
   */
  readonly max_length?: number;
  /** How many tokens of a window the next one begins with, where a text is cut; default 0. */
  readonly stride?: number;
  /** The end that is cut off; default what the tokenizer's files say, else `"right"`. */
  readonly truncation_side?: "left" | "right";
  /** Whether the windows after the first are returned too. */
  readonly return_overflowing_tokens?: boolean;
  /** Whether to fill up to the longest of a batch (true or `"longest"`) or to `max_length`. */
  readonly padding?: boolean | "longest" | "max_length";
  /** With `padding`: the length becomes a multiple of this. */
  readonly pad_to_multiple_of?: number;
  /** The end that is filled up; default what the tokenizer's files say, else `"right"`. */
  readonly padding_side?: "left" | "right";
  /** The id that fills up; default what the tokenizer's files say. */
  readonly pad_id?: number;
  /** What stands for it in `tokens`; default the token of that id. */
  readonly pad_token?: string;
  /** Its type id; default what the tokenizer's files say, else 0. */
  readonly pad_type_id?: number;
  /** Whether special tokens that a text spells are cut like other text. */
  readonly split_special_tokens?: boolean;
  /** What offsets count; default UTF-16 units, as `text.slice` does. */
  readonly offsets?: "utf16" | "code_points";
}

/** Options of `decode`. */
export interface DecodeOptions {
  /** Whether special tokens print nothing; default true. */
  readonly skip_special_tokens?: boolean;
  /** Whether spaces before punctuation and English contractions go; default false. */
  readonly clean_up_tokenization_spaces?: boolean;
}

/** Options of `decodeStream`. */
export interface DecodeStreamOptions {
  /** Whether special tokens print nothing; default true. */
  readonly skip_special_tokens?: boolean;
  /** The ids that came before: what the text continues, for the space at its begin. */
  readonly prefix_ids?: readonly number[];
}

// What each option's type and value look like, and what a message says of it.
type Check = readonly [pattern: RegExp, expected: string];
export type Checks<Options> = Readonly<Record<keyof Options, Check>>;

const flag: Check = [/^boolean/, "true or false"];
const count: Check = [/^number \d{1,9}$/, "a whole number from 0 to 999999999"];
const side: Check = [/^string (left|right)$/, "left or right"];
export const text: Check = [/^string/, "a text"];

export const encodeChecks: Checks<EncodeOptions> = {
  text_pair: text,
  add_special_tokens: flag,
  truncation: [
    /^boolean|^string (longest_first|only_first|only_second)$/,
    "true, false, longest_first, only_first or only_second",
  ],
  max_length: count,
  stride: count,
  truncation_side: side,
  return_overflowing_tokens: flag,
  padding: [/^boolean|^string (longest|max_length)$/, "true, false, longest or max_length"],
  pad_to_multiple_of: count,
  padding_side: side,
  pad_id: count,
  pad_token: text,
  pad_type_id: count,
  split_special_tokens: flag,
  offsets: [/^string (utf16|code_points)$/, "utf16 or code_points"],
};
export const decodeChecks: Checks<DecodeOptions> = { skip_special_tokens: flag, clean_up_tokenization_spaces: flag };
export const streamChecks: Checks<DecodeStreamOptions> = {
  skip_special_tokens: flag,
  prefix_ids: [/^object/, "a list of ids"],
};

/** @throws {TokenizerError} `code: "options"` for an unknown option, or a value that it cannot have */
export function checkOptions<Options extends object>(
  options: Options | undefined,
  checks: Checks<Options>,
  where: string,
): Options {
  if (options !== undefined && Object(options) !== options) throw mismatch("options", where, "an object", options);
  for (const [name, value] of Object.entries(options ?? {})) {
    const check = Object.hasOwn(checks, name) ? checks[name as keyof Options] : undefined;
    if (!check) throw mismatch("options", where, `an option of ${Object.keys(checks).join(", ")}`, name);
    const shown = Object(value) === value ? "" : String(value);
    const [pattern, expected] = check;
    if (value === undefined || pattern.test(`${typeof value} ${shown}`)) continue;
    throw mismatch("options", `${where}: ${name}`, expected, value);
  }
  return options ?? ({} as Options);
}
