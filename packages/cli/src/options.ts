import { type Command, Option } from "commander";
import type { GenerationOptions } from "kiloformer";
import { UsageError } from "./errors.ts";

interface Range {
  readonly expected: string;
  readonly holds: (value: number) => boolean;
}

const count: Range = { expected: "a whole number from 0", holds: (value) => Number.isSafeInteger(value) && value >= 0 };
const fromZero: Range = { expected: "a number from 0", holds: (value) => value >= 0 };
const aboveZero: Range = { expected: "a number above 0", holds: (value) => value > 0 };
const share: Range = { expected: "a number from 0 to 1", holds: (value) => value >= 0 && value <= 1 };
const anyNumber: Range = { expected: "a number", holds: () => true };
const beams: Range = {
  expected: "a whole number from 1 to 256",
  holds: (value) => Number.isSafeInteger(value) && value >= 1 && value <= 256,
};
const shareAboveZero: Range = { expected: "a number above 0 and at most 1", holds: (value) => value > 0 && value <= 1 };

/** What has a flag of its own, or is for code that has ids at hand. */
type OtherKey =
  | ("do_sample" | "eos_token_id" | "truncate" | "signal" | "max_length" | "min_length" | "stop_strings" | "logprobs")
  | ("early_stopping" | "num_return_sequences" | "bad_words_ids" | "suppress_tokens" | "begin_suppress_tokens")
  | ("forced_bos_token_id" | "forced_eos_token_id");
type NumberKey = Exclude<keyof GenerationOptions, OtherKey>;

/** The numbers that `generate` takes; `--max-new-tokens` is `max_new_tokens`, and so on. */
const numbers: Readonly<Record<NumberKey, readonly [description: string, range: Range]>> = {
  max_new_tokens: ["the most new tokens (default: from the model's files, else 256)", count],
  min_new_tokens: ["no end of the text before N new tokens", count],
  temperature: ["above 1 draws more varied text, below 1 less; 0 takes the likeliest token", fromZero],
  top_k: ["draw among the N likeliest tokens; 0 for all (default: 50 while sampling)", count],
  top_p: ["draw among the likeliest tokens that together reach this probability", shareAboveZero],
  min_p: ["draw among tokens at least this share as likely as the likeliest", share],
  typical_p: [
    "draw among the tokens whose information is nearest to what is expected, up to this probability",
    shareAboveZero,
  ],
  seed: ["draw the same text each time", count],
  repetition_penalty: ["above 1 makes tokens that came before less likely", aboveZero],
  no_repeat_ngram_size: ["never repeat N tokens in a row; 0 for no such rule", count],
  num_beams: ["keep the N likeliest texts in view and print the best; 1 for no such search", beams],
  length_penalty: ["with beams: above 0 favours long texts, below 0 short ones (default: 1)", anyNumber],
};

const flagOf = (key: string) => `--${key.replaceAll("_", "-")}`;

/** One command-line option for each number, checked before anything is loaded. */
export function generationOptions(): Option[] {
  return Object.entries(numbers).map(([key, [description, range]]) => {
    const flag = flagOf(key);
    const isCount = range === count || range === beams;
    const option = new Option(`${flag} <${isCount ? "N" : "X"}>`, description);
    // Without this, commander reads --no-repeat-ngram-size as the opposite of --repeat-ngram-size.
    option.negate = false;
    return option.argParser((text) => parseNumber(flag, text, range));
  });
}

const needed = new WeakSet<Option>();

/** An option that must be there. Commander asks for its own kind before it says which flag is misspelt. */
export function neededOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  needed.add(option);
  return option;
}

/** Throws where an option that a command needs is missing, or a path is empty. */
export function checkNeeded(command: Command): void {
  for (const option of command.options) {
    const value = command.getOptionValue(option.attributeName());
    if (value === undefined && needed.has(option)) {
      throw new UsageError(`required option '${option.flags}' not specified`);
    }
    if (!option.flags.includes("<TEXT")) expectPath(`${option.long}`, value);
  }
  for (const [index, argument] of command.registeredArguments.entries()) {
    if (argument.name() !== "TEXT") expectPath(argument.name(), command.processedArgs[index]);
  }
}

/** Of the values of options and arguments only a path can be an empty text here. */
function expectPath(name: string, value: unknown): void {
  if ([value].flat().includes("")) throw new UsageError(`${name}: expected a path, got none`);
}

/** An option that is as many as a search keeps in view. */
export function beamsOption(flag: string, description: string): Option {
  return new Option(`${flag} <N>`, description).argParser((text) => parseNumber(flag, text, beams));
}

/** The parsed options under the names of the library. */
export function toGenerationOptions(parsed: Readonly<Record<string, unknown>>): GenerationOptions {
  const camelCase = (key: string) => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.keys(numbers).map((key) => [key, parsed[camelCase(key)]]));
}

function parseNumber(flag: string, text: string, { expected, holds }: Range): number {
  const value = Number(text);
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(value) && holds(value)) return value;
  throw new UsageError(`${flag}: expected ${expected}, got ${JSON.stringify(text)}`);
}
