import { ConfigError, kindOf } from "@kiloformer/core";

/** What `config.json` holds, before any of it is trusted. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** No count in a model's config is larger: beyond it lie broken files. */
const MAX_COUNT = 2 ** 31 - 1;

/** Keys that nothing is computed with: bookkeeping, training, other tools, and what is read elsewhere. */
export const inertKeys: ReadonlySet<string> = new Set(
  `model_type architectures transformers_version _name_or_path torch_dtype dtype auto_map _from_model_config use_cache
  return_dict return_dict_in_generate output_attentions output_hidden_states output_scores output_logits is_decoder
  is_encoder_decoder add_cross_attention initializer_range attention_dropout chunk_size_feed_forward tokenizer_class prefix
  task_specific_params problem_type id2label label2id torchscript unsloth_version unsloth_fixed attn_implementation
  _attn_implementation_internal _attn_implementation_autoset pad_token_id bos_token_id eos_token_id sep_token_id
  decoder_start_token_id pretraining_tp is_llama_config cache_implementation trust_remote_code sentence_transformers
  sbert_ce_default_activation_function gradient_checkpointing output_past num_labels _num_labels finetuning_task use_bfloat16
  xla_device transformers.js_config finetuned max_sequence_length language name eos_token_ids emb_size mask_token_id unk_token_id
  num_steps _flash_attn_2_enabled pre_trained training padding tie_encoder_decoder tf_legacy_loss
  export_model_type`.split(/\s+/),
);

export interface Range {
  readonly min?: number;
  readonly max?: number;
}

/**
 * Reads `config.json` key by key, checks each value, and remembers which keys were honoured, so that `finish` can speak
 * of the rest.
 */
export class ConfigReader {
  readonly file: string;
  readonly raw: RawConfig;
  readonly #headIsOptional: boolean;
  readonly #seen = new Set<string>();
  readonly #nested = new Map<string, ConfigReader>();

  /** @param headIsOptional whether checkpoints may lack the head that predicts tokens, by what is known beside the config */
  constructor(raw: RawConfig, file = "config.json", headIsOptional = false) {
    this.raw = raw;
    this.file = file;
    this.#headIsOptional = headIsOptional;
  }

  /** A value as it is, undefined where there is none: for keys of which null and nothing mean different things. */
  given(key: string): unknown {
    return Object.hasOwn(this.raw, key) ? this.raw[key] : undefined;
  }

  /** Whether a key is there with a value other than null. */
  has(key: string): boolean {
    return Object.hasOwn(this.raw, key) && this.raw[key] !== null;
  }

  /** A whole number. Missing without a fallback: an error that names the key. */
  integer(key: string, { min = 1, max = MAX_COUNT }: Range = {}, fallback?: number): number {
    const holds = (value: unknown) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
    return this.#read(key, fallback, `an integer from ${min} to ${max}`, holds);
  }

  /** A finite number above a bound. */
  number(key: string, above: number, fallback?: number): number {
    const holds = (value: unknown) => Number.isFinite(value) && (value as number) > above;
    return this.#read(key, fallback, `a number above ${above}`, holds);
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.#read(key, fallback, "true or false", (value) => typeof value === "boolean");
  }

  /** One of a table's keys; gives its value. */
  oneOf<V>(key: string, table: Readonly<Record<string, V>>, fallback?: string): V {
    const expected = `one of ${Object.keys(table).join(", ")}`;
    const holds = (value: unknown) => typeof value === "string" && Object.hasOwn(table, value);
    return table[this.#read(key, fallback, expected, holds, "unsupported-value")];
  }

  /** A list of so many values, each of them checked, or undefined where there is none. */
  list<V>(key: string, length: number, expected: string, holds: (value: unknown) => value is V): V[] | undefined {
    this.#seen.add(key);
    if (!this.has(key)) return undefined;
    const values = this.raw[key];
    if (Array.isArray(values) && values.length === length && values.every(holds)) return values;
    throw this.bad(key, `a list of ${length} ${expected}`);
  }

  /** A nested object, or undefined. */
  object(key: string): ConfigReader | undefined {
    this.#seen.add(key);
    if (!this.has(key)) return undefined;
    const known = this.#nested.get(key);
    if (known) return known;
    const value = this.raw[key];
    if (typeof value === "object" && !Array.isArray(value)) {
      const reader = new ConfigReader(value as RawConfig, `${this.file}: ${key}`);
      this.#nested.set(key, reader);
      return reader;
    }
    throw this.bad(key, "an object");
  }

  /** Marks keys as seen: other keys take their places. */
  ignore(...keys: string[]): void {
    for (const key of keys) this.#seen.add(key);
  }

  /**
   * Which of two names of one number to read: the one that is there.
   * @throws {ConfigError} `unsupported-value` where they differ
   */
  nameOf(key: string, alias: string): string {
    if (this.has(alias) && !this.has(key)) return alias;
    this.refuse(alias, `${key} is another number`, [this.raw[key]]);
    return key;
  }

  /** Throws if a key asks for what is not supported: only null, absent or the given harmless values may pass. */
  refuse(key: string, why: string, harmless: readonly unknown[] = []): void {
    this.#seen.add(key);
    if (!this.has(key) || harmless.includes(this.raw[key])) return;
    throw this.#error("unsupported-value", key, `no ${key}`, `${show(this.raw[key])}: ${why}`);
  }

  /** `model_type`, for architectures that open several. */
  get modelType(): string {
    return String(this.raw.model_type);
  }

  /** Whether checkpoints may lack the head that predicts tokens: of bare models, of other tasks, and of models whose vectors are wanted. */
  get mayLackHead(): boolean {
    return this.isBaseModel || this.#headIsOptional || !/^(CausalLM)?$/.test(this.task);
  }

  /** Whether `architectures` names the bare model, whose checkpoints have no head. */
  get isBaseModel(): boolean {
    // GPT2LMHeadModel has a head.
    return /(?<!Heads?)Model$/.test(this.#architecture);
  }

  /** The task that `architectures` names: `ForTokenClassification` and such. */
  get task(): string {
    return /For(\w+)$/.exec(this.#architecture)?.[1] ?? "";
  }

  get #architecture(): string {
    const { architectures } = this.raw;
    const [name = ""] = Array.isArray(architectures) ? architectures : [];
    if (typeof name === "string") return name;
    throw this.bad("architectures", "names of classes");
  }

  /** Labels of a classifier: `num_labels`, or as many as `id2label` has, or 2; 0 where it scores choices, which are not labels. */
  get labels(): number {
    if (this.task === "MultipleChoice") return 0;
    const { id2label: names, problem_type: type } = this.raw;
    const isNamed = typeof names === "object" && names !== null && !Array.isArray(names);
    if (this.has("id2label") && !(isNamed && Object.keys(names).every((id) => /^\d+$/.test(id)))) {
      throw this.bad("id2label", "labels by their ids");
    }
    const count = this.integer("num_labels", { min: 0 }, isNamed ? Object.keys(names).length : 2);
    if (count > 1 || type !== "single_label_classification") return count;
    throw this.bad("problem_type", "regression or multi_label_classification where there is one label");
  }

  /** Keys that were neither honoured, nor inert, nor known elsewhere, and are neither null nor empty. */
  finish(elsewhere: (key: string) => boolean): string[] {
    const isEmpty = (value: unknown) => typeof value === "object" && Object.keys(Object(value)).length === 0;
    const known = (key: string) =>
      this.#seen.has(key) || inertKeys.has(key) || elsewhere(key) || isEmpty(this.raw[key]);
    const unknown = Object.keys(this.raw).filter((key) => !known(key));
    for (const [key, reader] of this.#nested)
      unknown.push(...reader.finish(elsewhere).map((inner) => `${key}.${inner}`));
    return unknown;
  }

  bad(key: string, expected: string, code = "bad-value"): ConfigError {
    return this.#error(code, key, `${key} to be ${expected}`, show(this.raw[key]));
  }

  #error(code: string, key: string, expected: string, got: string): ConfigError {
    const fields = { file: this.file, key, value: this.raw[key] };
    return new ConfigError(code, `${this.file}: expected ${expected}, got ${got}`, fields);
  }

  /** A value for which `holds` holds, or the fallback where there is none. */
  #read<V>(
    key: string,
    fallback: V | undefined,
    expected: string,
    holds: (value: unknown) => boolean,
    code?: string,
  ): V {
    this.#seen.add(key);
    const given = this.given(key);
    if (given === undefined && fallback === undefined) {
      throw this.#error("missing-key", key, `${key} to be ${expected}`, "no such key");
    }
    const value = given ?? fallback;
    if (holds(value)) return value as V;
    throw this.bad(key, expected, code);
  }
}

/** A value as an error message shows it: JSON, shortened. */
export function show(value: unknown): string {
  if (typeof value === "number") return String(value);
  const kind = `[object ${kindOf(value)}]`;
  // As JSON each byte has a key: a model's file would take half a minute and more than a gigabyte.
  if (ArrayBuffer.isView(value)) return kind;
  let text: string;
  try {
    text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
  } catch {
    text = kind;
  }
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Reads `eos_token_id`: a number, a list, null, or -1 for none; every id must be in the vocabulary. */
export function tokenIds(raw: RawConfig, key: string, vocabSize: number, file = "config.json"): number[] {
  const reader = new ConfigReader(raw, file);
  const value = reader.given(key) ?? -1;
  if (value === -1) return [];
  const ids = Array.isArray(value) ? value : [value];
  for (const id of ids) {
    if (Number.isSafeInteger(id) && id >= 0 && id < vocabSize) continue;
    throw reader.bad(key, `ids from 0 to ${vocabSize - 1}`);
  }
  return ids;
}
