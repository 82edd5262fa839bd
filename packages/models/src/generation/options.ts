import { ConfigError, OptionError } from "@kiloformer/core";
import { inertKeys, type RawConfig, show, tokenIds } from "../config.ts";
import { abortSignal, checkOptions, flag, isCount, type Rule } from "../options.ts";

/** Generation options under the names of `transformers`' `GenerationConfig`. */
export interface GenerationOptions {
  /** The most new tokens; default from the model's files, else 256. 0 gives an empty text. */
  readonly max_new_tokens?: number;
  /** The most tokens, prompt included, which must leave room for one more; `max_new_tokens` goes before it. */
  readonly max_length?: number;
  /** No end-of-text token comes before so many new tokens. Stop strings do not wait. */
  readonly min_new_tokens?: number;
  /** The same, prompt included; `min_new_tokens` goes before it. */
  readonly min_length?: number;
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
  /** Draws among the tokens whose information is nearest to what is expected, up to this sum, in (0, 1]. Default 1. */
  readonly typical_p?: number;
  /** Makes sampling repeatable: an integer from 0. Default: a new one each time. */
  readonly seed?: number;
  /** Divides positive and multiplies negative logits of tokens that came before; 1 for none. */
  readonly repetition_penalty?: number;
  /** No n tokens in a row come twice; 0 for no such rule. */
  readonly no_repeat_ngram_size?: number;
  /** Rows of ids that never come. */
  readonly bad_words_ids?: readonly (readonly number[])[] | null;
  /** Ids that never come. */
  readonly suppress_tokens?: readonly number[] | null;
  /** Ids that do not come first. */
  readonly begin_suppress_tokens?: readonly number[] | null;
  /** The id after a prompt of one id: the first of an encoder-decoder model. */
  readonly forced_bos_token_id?: number | null;
  /** One id or several, one of which is the last where the text reaches its limit. */
  readonly forced_eos_token_id?: number | readonly number[] | null;
  /** Texts that beam search keeps in view, at most 256; 1 for no beam search. */
  readonly num_beams?: number;
  /** Beams are compared by log probability / length ** length_penalty: above 0 favours long texts. Default 1. */
  readonly length_penalty?: number;
  /**
   * When beam search ends: `true` with `num_beams` ended texts; `false` when better ones are unlikely; `"never"` when they
   * are impossible. Default `false`.
   */
  readonly early_stopping?: boolean | "never";
  /** Texts for each prompt, at most 256: the best of `num_beams`, or as many samples. */
  readonly num_return_sequences?: number;
  /** Strings, at most 256, that end the text, which keeps the tokens that complete them. */
  readonly stop_strings?: string | readonly string[] | null;
  /** Log probabilities of new tokens, after all other options: true, or how many alternatives come along (0 to 20). */
  readonly logprobs?: boolean | number;
  /** One id or several that end the text; default from the model's files. `null` for none. */
  readonly eos_token_id?: number | readonly number[] | null;
  /**
   * Keeps the end of a prompt that leaves no room for a new token in the context or in `max_length`, or not enough for
   * `max_new_tokens`, where the caller or the model's files say so many. Without it a prompt beyond the context, or that is
   * all of `max_length`, throws; a text that comes to the end of the context has fewer new tokens, or none.
   */
  readonly truncate?: boolean;
  /** Stops the generation, also inside a prefill: the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

type Key = keyof GenerationOptions;
/** Options whose absence means something. */
type Open = "max_new_tokens" | "max_length" | "min_new_tokens" | "seed" | "signal";
/** Options that may be one value, several, or none. */
type List = "eos_token_id" | "forced_bos_token_id" | "forced_eos_token_id" | "stop_strings";

/** Generation options, checked and complete: every value is there, and lists are lists. */
export type GenerationSettings = Pick<GenerationOptions, Open> & {
  readonly [K in Exclude<Key, Open | List>]-?: NonNullable<GenerationOptions[K]>;
} & { readonly [K in List]: readonly (K extends "stop_strings" ? string : number)[] } & {
  /** Whether scores become log probabilities again after all other options: beams add them up. */
  readonly renormalizes?: boolean;
};

/** What holds where neither the caller nor the model's files say otherwise, as in `transformers`. */
const standard: Omit<GenerationSettings, Open> = {
  min_length: 0,
  do_sample: false,
  temperature: 1,
  top_k: 50,
  top_p: 1,
  min_p: 0,
  typical_p: 1,
  repetition_penalty: 1,
  no_repeat_ngram_size: 0,
  bad_words_ids: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  num_beams: 1,
  length_penalty: 1,
  early_stopping: false,
  num_return_sequences: 1,
  stop_strings: [],
  logprobs: false,
  eos_token_id: [],
  truncate: false,
};

/** Beams, texts and stop strings of one call. */
const MOST = 256;
// Spread, as `every` passes over holes.
const isList = (value: unknown, holds: (item: unknown) => boolean) => Array.isArray(value) && [...value].every(holds);
const toList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? [...value] : [value]);
const orNull = ([expected, holds]: Rule): Rule => [`${expected}, or null`, (value) => value === null || holds(value)];
const number = (expected: string, holds: (value: number) => boolean): Rule => [
  expected,
  (value) => Number.isFinite(value) && holds(value as number),
];

const count: Rule = ["an integer from 0", isCount];
/** Of beams and texts of one call. */
export const few: Rule = number(
  `an integer from 1 to ${MOST}`,
  (value) => isCount(value) && value > 0 && value <= MOST,
);
const share = number("a number above 0 and at most 1", (value) => value > 0 && value <= 1);

type Rules = Readonly<Record<Key, Rule>>;

/** The rules of the vocabulary that was asked for last: mostly it is the same one, call after call. */
let latest: { readonly vocabSize: number; readonly rules: Rules } | undefined;

/** What each option may be, for a vocabulary. */
function rulesFor(vocabSize: number): Rules {
  if (latest?.vocabSize !== vocabSize) latest = { vocabSize, rules: newRules(vocabSize) };
  return latest.rules;
}

function newRules(vocabSize: number): Rules {
  const range = `from 0 to ${vocabSize - 1}`;
  const isId = (value: unknown) => isCount(value) && value < vocabSize;
  const ids = orNull([`ids ${range}`, (value) => toList(value).every(isId)]);
  const idList = orNull([`a list of ids ${range}`, (value) => isList(value, isId)]);
  const isWord = (value: unknown) => isList(value, isId) && (value as unknown[]).length > 0;
  const isText = (value: unknown) => typeof value === "string" && value !== "";
  const areTexts = (value: unknown) => toList(value).every(isText) && toList(value).length <= MOST;
  return {
    max_new_tokens: count,
    max_length: count,
    min_new_tokens: count,
    min_length: count,
    do_sample: flag,
    temperature: number("a number from 0", (value) => value >= 0),
    top_k: count,
    top_p: share,
    min_p: number("a number from 0 to 1", (value) => value >= 0 && value <= 1),
    typical_p: share,
    seed: count,
    repetition_penalty: number("a number above 0", (value) => value > 0),
    no_repeat_ngram_size: count,
    bad_words_ids: orNull([`lists of ids ${range}`, (value) => isList(value, isWord)]),
    suppress_tokens: idList,
    begin_suppress_tokens: idList,
    forced_bos_token_id: orNull([`an id ${range}`, isId]),
    forced_eos_token_id: ids,
    num_beams: few,
    length_penalty: number("a number", () => true),
    early_stopping: ['true, false or "never"', (value) => value === "never" || typeof value === "boolean"],
    num_return_sequences: few,
    stop_strings: orNull([`a text or up to ${MOST}, none empty`, areTexts]),
    logprobs: [
      "true, false or an integer from 0 to 20",
      (value) => typeof value === "boolean" || (isCount(value) && value <= 20),
    ],
    eos_token_id: ids,
    truncate: flag,
    signal: abortSignal,
  };
}

const samplingKeys = ["temperature", "top_k", "top_p", "min_p", "typical_p", "seed"] as const satisfies readonly Key[];
const listKeys = ["eos_token_id", "forced_bos_token_id", "forced_eos_token_id", "stop_strings"] as const;
const beamKeys = ["length_penalty", "early_stopping"] as const satisfies readonly Key[];

/** Settings that change nothing at these values; other values are not supported. */
const harmlessValues: Readonly<Record<string, unknown>> = {
  num_beam_groups: 1,
  diversity_penalty: 0,
  encoder_repetition_penalty: 1,
  encoder_no_repeat_ngram_size: 0,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  guidance_scale: 1,
  low_memory: false,
  token_healing: false,
  is_assistant: false,
  use_mtp: false,
  penalty_alpha: 0,
  // Only null changes nothing.
  exponential_decay_length_penalty: null,
};

/**
 * Settings that change no text, whatever they are: of caches and compilers, of a second model that guesses ahead, and of chats.
 * `remove_invalid_values` is for numbers that are not finite, which are an error here.
 */
const inertSettings: ReadonlySet<string> = new Set(
  `disable_compile compile_config continuous_batching_config return_legacy_cache prefill_chunk_size cache_config
  use_model_defaults num_assistant_tokens num_assistant_tokens_schedule assistant_confidence_threshold assistant_lookbehind
  target_lookbehind max_matching_ngram_size remove_invalid_values chat_format max_window_size user_token_id`.split(
    /\s+/,
  ),
);

/** Generation settings in a config.json, where older configs have them: they count where there is no generation_config.json. */
export function isGenerationKey(key: string): boolean {
  const known = Object.hasOwn(rulesFor(0), key) || Object.hasOwn(harmlessValues, key) || inertSettings.has(key);
  return known || key === "renormalize_logits" || key.startsWith("forced_");
}

/** What a model's own files say of generation. */
export interface GenerationDefaults {
  readonly options: GenerationOptions;
  /** Settings that the files ask for and that are not supported; `generate` throws for them. */
  readonly unsupported: readonly string[];
  /** `renormalize_logits`, which callers have no need of. */
  readonly renormalizes?: boolean;
  /** generation_config.json, where there is one. */
  readonly file?: RawConfig | undefined;
}

/**
 * Reads generation_config.json, or the generation keys of config.json where there is none: never both, as in `transformers`.
 * @throws {ConfigError} `bad-value` when an end-of-text id is outside the vocabulary or a value is out of range
 */
export function readGenerationDefaults(
  config: RawConfig,
  generationConfig: RawConfig | undefined,
  vocabSize: number,
): GenerationDefaults {
  const raw = generationConfig ?? config;
  const file = generationConfig ? "generation_config.json" : "config.json";
  // Both are checked, whichever counts.
  tokenIds(config, "eos_token_id", vocabSize);
  const options: Record<string, unknown> = { eos_token_id: tokenIds(raw, "eos_token_id", vocabSize, file) };
  const unsupported: string[] = [];
  const rules = rulesFor(vocabSize);
  for (const [key, value] of Object.entries(raw)) {
    if (value === null || key === "eos_token_id" || key === "renormalize_logits") continue;
    if (Object.hasOwn(rules, key)) {
      const [expected, holds] = rules[key as Key];
      if (!holds(value)) {
        const message = `${file}: expected ${key} to be ${expected}, got ${show(value)}`;
        throw new ConfigError("bad-value", message, { file, key, value });
      }
      options[key] = value;
      // Of other keys a config.json is full.
    } else if ((generationConfig || Object.hasOwn(harmlessValues, key)) && !isInert(key, value)) {
      unsupported.push(`${key} = ${show(value)}`);
    }
  }
  return { options, unsupported, renormalizes: raw.renormalize_logits === true, file: generationConfig };
}

function isInert(key: string, value: unknown): boolean {
  if (Object.hasOwn(harmlessValues, key)) return harmlessValues[key] === value;
  return inertKeys.has(key) || inertSettings.has(key) || (Array.isArray(value) && value.length === 0);
}

/**
 * Checks what the caller asks for and fills in the model's defaults.
 * @param call what is called, for messages, and what options of its own it has
 * @throws {OptionError} `unknown-option`, `bad-option`, `conflicting-options`, `unsupported-option`
 */
export function resolveGenerationOptions(
  options: GenerationOptions,
  defaults: GenerationDefaults,
  vocabSize: number,
  call = "generate",
  own: Readonly<Record<string, Rule>> = {},
): GenerationSettings {
  checkOptions(call, options, { ...rulesFor(vocabSize), ...own });
  if (defaults.unsupported.length > 0) {
    const list = defaults.unsupported.join(", ");
    const file = defaults.file ? "generation_config.json" : "config.json";
    throw new OptionError("unsupported-option", `${file}: expected supported settings, got ${list}`, {
      unsupported: defaults.unsupported,
    });
  }
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  const given: GenerationOptions = Object.fromEntries(entries.map(([key, value]) => [key, copyOf(value ?? [])]));
  const sampling = samplingKeys.filter((key) => key in given && !(key === "temperature" && given.temperature === 0));
  const merged = { ...standard, ...defaults.options, ...(sampling.length > 0 && { do_sample: true }), ...given };
  // Below, a division could overflow: the likeliest token is the limit.
  const do_sample = merged.do_sample && merged.temperature > 1e-20;
  if (!merged.do_sample) expectNone(call, given, sampling, "do_sample: true", "do_sample: false");
  const { num_beams, num_return_sequences } = merged;
  const beams = `num_beams: ${num_beams}`;
  const lacking = beamKeys.filter((key) => num_beams === 1 && (given[key] ?? standard[key]) !== standard[key]);
  expectNone(call, given, lacking, "num_beams above 1", beams);
  const most = num_beams > 1 ? num_beams : do_sample ? MOST : 1;
  const excess = num_return_sequences > most ? (["num_return_sequences"] as const) : [];
  expectNone(call, { num_return_sequences }, excess, "as many num_beams, or do_sample: true", beams);
  // What the caller says of a length goes before what the model's files say of it in another way.
  const lengthOf = (key: "max_new_tokens" | "min_new_tokens", other: Key) => (other in given ? given : merged)[key];
  return {
    ...merged,
    ...Object.fromEntries(listKeys.map((key) => [key, toList(merged[key])])),
    do_sample,
    max_new_tokens: lengthOf("max_new_tokens", "max_length"),
    min_new_tokens: lengthOf("min_new_tokens", "min_length"),
    signal: options.signal,
    renormalizes: defaults.renormalizes,
  } as GenerationSettings;
}

/** Lists stay as they were checked, whatever the caller does while a call runs. */
function copyOf(value: unknown): unknown {
  return Array.isArray(value) ? value.map(copyOf) : value;
}

/** @throws {OptionError} `conflicting-options` */
function expectNone(
  call: string,
  options: GenerationOptions,
  keys: readonly Key[],
  expected: string,
  got: string,
): void {
  const [key] = keys;
  if (!key) return;
  const message = `${call}: expected ${expected} or no ${key}, got ${got} and ${key}: ${show(options[key])}`;
  throw new OptionError("conflicting-options", message, { options: keys });
}
