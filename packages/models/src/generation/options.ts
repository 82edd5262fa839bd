import { ConfigError, OptionError } from "@kiloformer/core";
import { inertKeys, type RawConfig, show, tokenIds } from "../config.ts";

/** Generation options under the names of `transformers`' `GenerationConfig`. */
export interface GenerationOptions {
  /** The most new tokens; default from generation_config.json, else 256. 0 gives an empty text. */
  readonly max_new_tokens?: number;
  /** The most tokens, prompt included; `max_new_tokens` goes before it. */
  readonly max_length?: number;
  /** True: draw tokens at random. False: always the likeliest. Default: whether a sampling option is given. */
  readonly do_sample?: boolean;
  /** Divides the logits before drawing; 0 is greedy. Default 1. */
  readonly temperature?: number;
  /** Draws among the k likeliest tokens; 0 for all. Default 50 while sampling, as in `transformers`. */
  readonly top_k?: number;
  /** Draws among the fewest likeliest tokens whose probabilities reach this sum, in (0, 1]. Default 1. */
  readonly top_p?: number;
  /** Draws among tokens at least this share as likely as the likeliest, in [0, 1]. Default 0. */
  readonly min_p?: number;
  /** Makes sampling repeatable: an integer from 0. Default: a new one each time. */
  readonly seed?: number;
  /** Divides positive and multiplies negative logits of tokens that came before; 1 for none. */
  readonly repetition_penalty?: number;
  /** No n tokens in a row come twice; 0 for no such rule. */
  readonly no_repeat_ngram_size?: number;
  /** One id or several that end the text; default from the model's files. `null` for none. */
  readonly eos_token_id?: number | readonly number[] | null;
  /** Keeps the end of a prompt that is too long, instead of throwing. */
  readonly truncate?: boolean;
  /** Stops the generation, also inside a prefill: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Generation options, checked and complete. */
export interface GenerationSettings {
  readonly maxNewTokens: number | undefined;
  readonly maxLength: number | undefined;
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly seed: number | undefined;
  readonly repetitionPenalty: number;
  readonly noRepeatNgramSize: number;
  readonly eosTokenIds: readonly number[];
  readonly truncate: boolean;
  readonly signal: AbortSignal | undefined;
}

type Key = keyof GenerationOptions;
interface Rule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isBoolean = (value: unknown) => typeof value === "boolean";
const count: Rule = { expected: "an integer from 0", holds: isCount };
const flag: Rule = { expected: "true or false", holds: isBoolean };

const rules: Readonly<Record<Exclude<Key, "eos_token_id" | "signal">, Rule>> = {
  max_new_tokens: count,
  max_length: count,
  do_sample: flag,
  temperature: { expected: "a number from 0", holds: (value) => isNumber(value) && value >= 0 },
  top_k: count,
  top_p: { expected: "a number above 0 and at most 1", holds: (value) => isNumber(value) && value > 0 && value <= 1 },
  min_p: { expected: "a number from 0 to 1", holds: (value) => isNumber(value) && value >= 0 && value <= 1 },
  seed: count,
  repetition_penalty: { expected: "a number above 0", holds: (value) => isNumber(value) && value > 0 },
  no_repeat_ngram_size: count,
  truncate: flag,
};
const samplingKeys = ["temperature", "top_k", "top_p", "min_p", "seed"] as const satisfies readonly Key[];

/** Settings that change nothing at these values; other values are not supported yet. */
const harmlessValues: Readonly<Record<string, unknown>> = {
  num_beams: 1,
  num_beam_groups: 1,
  num_return_sequences: 1,
  length_penalty: 1,
  early_stopping: false,
  diversity_penalty: 0,
  encoder_repetition_penalty: 1,
  encoder_no_repeat_ngram_size: 0,
  typical_p: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  min_length: 0,
  renormalize_logits: false,
  remove_invalid_values: false,
};

/** Generation settings in a config.json, where older configs have them and `transformers` no longer reads them. */
export function isGenerationKey(key: string): boolean {
  return (
    Object.hasOwn(rules, key) || Object.hasOwn(harmlessValues, key) || /^(forced|begin|suppress|bad_words)_/.test(key)
  );
}

/** What a model's own files say of generation. */
export interface GenerationDefaults {
  readonly options: GenerationOptions;
  /** Settings that the files ask for and that are not supported; `generate` throws for them. */
  readonly unsupported: readonly string[];
}

/**
 * Reads generation_config.json, or the generation keys of config.json where there is none.
 * @throws {ConfigError} `bad-value` when an end-of-text id is outside the vocabulary or a value is out of range
 */
export function readGenerationDefaults(
  config: RawConfig,
  generationConfig: RawConfig | undefined,
  vocabSize: number,
): GenerationDefaults {
  const raw = generationConfig ?? config;
  const file = generationConfig ? "generation_config.json" : "config.json";
  const eosFile = raw.eos_token_id !== undefined ? raw : config;
  const options: Record<string, unknown> = { eos_token_id: tokenIds(eosFile, "eos_token_id", vocabSize, file) };
  const unsupported: string[] = [];
  for (const [key, value] of Object.entries(raw)) {
    if (value === null || value === undefined || key === "eos_token_id") continue;
    if (Object.hasOwn(rules, key)) {
      const rule = rules[key as keyof typeof rules];
      if (!rule.holds(value)) {
        throw new ConfigError("bad-value", `${file}: expected ${key} to be ${rule.expected}, got ${show(value)}`, {
          file,
          key,
          value,
        });
      }
      options[key] = value;
    } else if (generationConfig && !isInert(key, value)) unsupported.push(`${key} = ${show(value)}`);
  }
  return { options, unsupported };
}

function isInert(key: string, value: unknown): boolean {
  if (Object.hasOwn(harmlessValues, key)) return harmlessValues[key] === value;
  return inertKeys.has(key) || (Array.isArray(value) && value.length === 0);
}

/**
 * Checks what the caller asks for and fills in the model's defaults.
 * @throws {OptionError} `unknown-option`, `bad-option`, `conflicting-options`, `unsupported-option`
 */
export function resolveGenerationOptions(
  options: GenerationOptions,
  defaults: GenerationDefaults,
  vocabSize: number,
): GenerationSettings {
  checkOptions(options, vocabSize);
  if (defaults.unsupported.length > 0) {
    const list = defaults.unsupported.join(", ");
    throw new OptionError("unsupported-option", `generation_config.json: expected supported settings, got ${list}`, {
      unsupported: defaults.unsupported,
    });
  }
  const given = (key: Key) => options[key] !== undefined && options[key] !== null;
  const sampling = samplingKeys.filter((key) => given(key) && !(key === "temperature" && options.temperature === 0));
  if (options.do_sample === false && sampling.length > 0) {
    throw new OptionError(
      "conflicting-options",
      `generate: expected do_sample: true or no ${sampling[0]}, got do_sample: false and ${sampling[0]}: ${options[sampling[0]]}`,
      { options: sampling },
    );
  }
  const merged = { ...defaults.options, ...withoutEmpty(options) };
  const temperature = merged.temperature ?? 1;
  const wantsSample = options.do_sample ?? (sampling.length > 0 || (defaults.options.do_sample ?? false));
  const eos = options.eos_token_id === null ? [] : (merged.eos_token_id ?? []);
  return {
    maxNewTokens: merged.max_new_tokens,
    maxLength: options.max_new_tokens !== undefined ? undefined : merged.max_length,
    // Below the smallest normal number a division would overflow: the likeliest token is the limit.
    doSample: wantsSample && temperature > 1e-30,
    temperature,
    topK: merged.top_k ?? 50,
    topP: merged.top_p ?? 1,
    minP: merged.min_p ?? 0,
    seed: merged.seed,
    repetitionPenalty: merged.repetition_penalty ?? 1,
    noRepeatNgramSize: merged.no_repeat_ngram_size ?? 0,
    eosTokenIds: typeof eos === "number" ? [eos] : eos,
    truncate: merged.truncate ?? false,
    signal: options.signal,
  };
}

function withoutEmpty(options: GenerationOptions): GenerationOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null));
}

function checkOptions(options: GenerationOptions, vocabSize: number): void {
  if (typeof options !== "object" || options === null) {
    throw new OptionError("bad-option", `generate: expected options as an object, got ${show(options)}`);
  }
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (key === "signal") {
      if (value instanceof AbortSignal) continue;
      throw badOption(key, "an AbortSignal", value);
    }
    if (key === "eos_token_id") {
      const ids = value === null ? [] : Array.isArray(value) ? value : [value];
      if (ids.every((id) => isCount(id) && id < vocabSize)) continue;
      throw badOption(key, `ids from 0 to ${vocabSize - 1}, or null`, value);
    }
    if (!Object.hasOwn(rules, key)) {
      const known = [...Object.keys(rules), "eos_token_id", "signal"].join(", ");
      throw new OptionError("unknown-option", `generate: expected one of ${known}, got ${key}`, { option: key });
    }
    const rule = rules[key as keyof typeof rules];
    if (!rule.holds(value)) throw badOption(key, rule.expected, value);
  }
}

function badOption(key: string, expected: string, value: unknown): OptionError {
  return new OptionError("bad-option", `generate: expected ${key} to be ${expected}, got ${show(value)}`, {
    option: key,
    value,
  });
}
