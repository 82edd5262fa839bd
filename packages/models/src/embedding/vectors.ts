import { OptionError } from "@kiloformer/core";
import type { Tokenizer } from "@kiloformer/tokenizers";
import { show } from "../config.ts";
import type { TokenRow } from "../encoding/encoder.ts";
import { abortSignal, checkOptions, checkTexts, flag, oneOf, positive, type Rule } from "../options.ts";
import type { TaskContext } from "../pipeline/tasks.ts";
import { plainModules, type SentenceModules } from "./modules.ts";
import { type PoolingMode, pool, poolingModes } from "./pooling.ts";
import { normalize } from "./steps.ts";
import type { TableModule } from "./table.ts";
import { expectFinite, inLots, rowOf, type TextReader, textReader } from "./texts.ts";

/** Options of `embed`, with the names of sentence-transformers' `encode`. */
export interface EmbedOptions {
  /** The name of a prompt of the model's files, which stands before each text. Default: what the files say. */
  readonly prompt_name?: string;
  /** A prompt itself; `prompt_name` is then not looked at. */
  readonly prompt?: string;
  /** How many numbers of each vector stay; more than there are: all. Default: what the files say. */
  readonly truncate_dim?: number;
  /** Whether vectors end with length 1. Default false: as the model's files have it. */
  readonly normalize_embeddings?: boolean;
  /** How tokens become one vector. Only where the model's files do not say it; default there: `mean`. */
  readonly pooling?: PoolingMode;
  readonly signal?: AbortSignal;
}

/** A text as a model reads it. */
interface TextRow extends TokenRow {
  /** What each token's vector is multiplied by. */
  readonly weights?: readonly number[];
}

/** Hidden states `[T * D]` of texts that have tokens. */
type StatesOf = (
  context: TaskContext,
  rows: readonly TokenRow[],
  signal: AbortSignal,
  /** Where it is given, only the states at these places are wanted. */
  picks?: () => readonly number[],
) => Promise<Float32Array[]>;

/**
 * One vector for each text: what sentence-transformers' `encode` gives. Texts are worked on some thousand tokens at a time.
 * @param statesOf runs the model
 * @throws {OptionError} `bad-text`, `too-many-texts`, `empty-text`, `bad-option`, `unknown-option`, `unknown-prompt`,
 *   `conflicting-options`, `no-tokenizer`; {ConfigError} where the files ask for what is not supported; {NonFiniteError}
 */
export async function embedTexts(
  context: TaskContext,
  texts: readonly string[],
  options: EmbedOptions,
  statesOf: StatesOf,
): Promise<Float32Array[]> {
  const modules = modulesFor(context, options);
  checkTexts("embed", texts);
  // A copy: the caller's list is theirs again as soon as the call has begun.
  const own = texts.slice();
  const signal = context.signal(options.signal);
  const reader = textReader(context, "embed", modules.texts);
  if (modules.hasTemplate !== undefined) speakOfTemplate(context, modules.hasTemplate);
  const prompt = promptOf(context, modules, options);
  const first = modules.pooling.includesPrompt ? 0 : await promptLength(reader, prompt);
  const read = modules.table ? tableReader(reader, modules.table, prompt) : plainReader(context, reader, prompt);
  const { model } = context;
  const { hiddenSize } = model.kind === "encoder-decoder" ? model.encoder : model;
  const readsFirst = first === 0 && modules.pooling.modes.every((mode) => mode === "cls");
  const picks = readsFirst ? () => [0] : undefined;
  const vectors: Float32Array[] = [];
  for await (const lot of inLots(own, read)) {
    signal.throwIfAborted();
    const filled = lot.filter(({ ids }) => ids.length > 0).map(({ ids, typeIds }) => ({ ids, typeIds }));
    const states = await statesOf(context, filled, signal, picks);
    let next = 0;
    for (const row of lot) {
      const found = row.ids.length > 0 ? states[next++] : new Float32Array(0);
      const vector = finish(found, row, hiddenSize, first, modules, options);
      expectFinite("embed", vector);
      vectors.push(vector);
    }
  }
  return vectors;
}

/** Settings of tokenizers whose templates were spoken of. */
const spoken = new WeakSet<object>();

/** Says once that the library would put texts in the tokenizer's chat template: it does where no modules.json says otherwise. */
function speakOfTemplate({ tokenizerConfig, warn }: TaskContext, hasTemplate: boolean): void {
  const inConfig = (tokenizerConfig.chat_template ?? null) !== null;
  if (!(hasTemplate || inConfig) || spoken.has(tokenizerConfig)) return;
  spoken.add(tokenizerConfig);
  warn("embed: expected a modules.json beside a chat template, got none; texts are read without the template");
}

const text: Rule = ["text", (value) => typeof value === "string"];
const embedRules = {
  ...{ prompt_name: text, prompt: text, truncate_dim: positive, normalize_embeddings: flag },
  ...{ pooling: oneOf(poolingModes), signal: abortSignal },
};

/** What the files say, with what the options put in its place. */
function modulesFor({ modules = plainModules }: TaskContext, options: EmbedOptions): SentenceModules {
  const { pooling } = options;
  checkOptions("embed", options, embedRules);
  if (modules.refusal) throw modules.refusal;
  if (pooling === undefined) return modules;
  if (!modules.given) return { ...modules, pooling: { modes: [pooling], includesPrompt: true } };
  const message = `embed: expected no pooling for a model whose files say how tokens are pooled, got ${pooling}`;
  throw new OptionError("conflicting-options", message, { option: "pooling", value: pooling });
}

function promptOf(
  context: TaskContext,
  { prompts, defaultPrompt = "" }: SentenceModules,
  { prompt, prompt_name }: EmbedOptions,
): string {
  if (prompt_name === undefined) return prompt ?? defaultPrompt;
  if (prompt !== undefined) {
    context.warn("embed: expected prompt or prompt_name, got both; prompt is used");
    return prompt;
  }
  const named = prompts.get(prompt_name);
  if (named !== undefined) return named;
  const names = [...prompts.keys()].join(", ");
  const message = `embed: expected prompt_name to be one of ${names}, got ${prompt_name}`;
  throw new OptionError("unknown-prompt", message, { option: "prompt_name", value: prompt_name });
}

/** Tokens that stand before a text because of a prompt: what the tokenizer puts first, too. */
async function promptLength({ tokenizer, encode }: TextReader, prompt: string): Promise<number> {
  if (prompt === "") return 0;
  const { ids, special_tokens_mask } = await encode(prompt);
  const { bosId, eosId, padId, unkId } = tokenizer;
  const last = ids.length - 1;
  const isSpecial = special_tokens_mask[last] === 1 || [bosId, eosId, padId, unkId].includes(ids[last]);
  return isSpecial ? Math.max(0, last) : last + 1;
}

type RowReader = (text: string, index: number) => Promise<TextRow>;

function plainReader(context: TaskContext, { encode }: TextReader, prompt: string): RowReader {
  return async (text, index) => {
    const whole = prompt + text;
    const row = rowOf(context, await encode(whole));
    if (row.ids.length > 0) return row;
    throw new OptionError("empty-text", `embed: expected texts with tokens, got none in ${show(whole)}`, { index });
  };
}

/** Ids without special tokens, as rows of the table. */
function tableReader({ tokenizer, encode }: TextReader, table: TableModule, prompt: string): RowReader {
  const { rows, weights, maxLength, model2vec } = table;
  const limited = maxLength !== undefined;
  const options = { add_special_tokens: false, truncation: limited, max_length: maxLength };
  let median: number | undefined;
  return async (text) => {
    let whole = prompt + text;
    if (model2vec && limited && whole.length > maxLength) {
      median ??= medianLength(tokenizer);
      whole = Array.from(whole)
        .slice(0, maxLength * median)
        .join("");
    }
    const { ids: all } = await encode(whole, options);
    const ids = model2vec ? all.filter((id) => id !== tokenizer.unkId) : all;
    return { ids: rows ? ids.map((id) => rows[id]) : ids, weights: weights && ids.map((id) => weights[id]) };
  };
}

/** The length in characters of the token in the middle of the vocabulary, were it ordered by that. */
function medianLength(tokenizer: Tokenizer): number {
  const lengths: number[] = [];
  for (let id = 0; id <= tokenizer.maxId; id++) {
    const token = tokenizer.idToToken(id);
    if (token !== undefined) lengths.push([...token].length);
  }
  lengths.sort((a, b) => a - b);
  const half = lengths.length >> 1;
  return Math.floor(lengths.length % 2 ? lengths[half] : (lengths[half - 1] + lengths[half]) / 2);
}

function finish(
  states: Float32Array,
  { ids, weights }: TextRow,
  width: number,
  first: number,
  { pooling, steps, truncateDim }: SentenceModules,
  { truncate_dim = truncateDim, normalize_embeddings = false }: EmbedOptions,
): Float32Array {
  for (let token = 0; weights && token < ids.length; token++) {
    for (let i = token * width; i < (token + 1) * width; i++) states[i] *= weights[token];
  }
  let vector = pool(states, width, pooling.modes, first);
  for (const step of steps) vector = step(vector);
  vector = vector.subarray(0, truncate_dim);
  return new Float32Array(normalize_embeddings ? normalize(vector) : vector);
}
