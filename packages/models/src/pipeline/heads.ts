// What transformers' pipelines make of the logits of an encoder's heads.
import { ConfigError, OptionError } from "@kiloformer/core";
import type { Tokenizer } from "@kiloformer/tokenizers";
import { show } from "../config.ts";
import { activationOf } from "../embedding/modules.ts";
import { expectFinite, inLots, rowOf, type TextSettings, textReader } from "../embedding/texts.ts";
import { encoderOf } from "../encoding/encoder.ts";
import { best } from "../generation/scores.ts";
import { abortSignal, anything, checkOptions, checkTexts, oneOf, positive } from "../options.ts";
import { noHead } from "./forwards.ts";
import { headOf, labelsOf, softmax } from "./head-parts.ts";
import { knownIds, type TaskContext } from "./tasks.ts";

export { type TaggedToken, type TagOptions, tagTokens } from "./tag-tokens.ts";

/** A token in place of a mask. */
export interface MaskFill {
  /** Its probability there. */
  readonly score: number;
  readonly token: number;
  readonly token_str: string;
  /** The ids with it, decoded without special tokens; of several masks, the others stay. */
  readonly sequence: string;
}

/** Options of `fillMask`. */
export interface FillMaskOptions {
  /** How many tokens for each mask; default 5. */
  readonly top_k?: number;
  /** The only tokens that may come; of a word that is no token, the first token. */
  readonly targets?: string | readonly string[];
  readonly signal?: AbortSignal;
}

/** A text and another that is read with it. */
export interface TextPair {
  readonly text: string;
  readonly text_pair: string;
}

/** A label of a text, and how sure a classifier is of it. */
export interface Classification {
  readonly label: string;
  readonly score: number;
}

/** Options of `classify`. */
export interface ClassifyOptions {
  /** How many labels; default all. */
  readonly top_k?: number | null;
  /** What makes scores of logits. Default by the config: `none` for a regression, `sigmoid` for one label or several at once, else `softmax`. */
  readonly function_to_apply?: "softmax" | "sigmoid" | "none";
  readonly signal?: AbortSignal;
}

/** A document, and how well it answers a query. */
export interface RankedDocument {
  /** Its place among the documents that were given. */
  readonly index: number;
  readonly score: number;
  /** Only where `return_documents` is true. */
  readonly document?: string;
}

/** Options of `rerank`. */
export interface RerankOptions {
  /** How many documents; default all. */
  readonly top_k?: number;
  /** Whether the documents come back with their scores; default false. */
  readonly return_documents?: boolean;
  /** What makes scores of logits. Default: what the model's files say, else `sigmoid`. */
  readonly activation?: "sigmoid" | "identity";
  readonly signal?: AbortSignal;
}

/**
 * The likeliest tokens in place of the mask, likeliest first; a list for each mask where there are several (`flat()` makes
 * one list either way). A text that is longer than the model's context is an error: what was cut off might be the mask.
 * @throws {OptionError} `no-head`, `no-mask`, `no-target`, `bad-text`, `bad-option`, `unknown-option`, `prompt-too-long`
 * @see transformers 5.18, pipelines/fill_mask.py
 */
export async function fillMask(
  context: TaskContext,
  text: string,
  options: FillMaskOptions = {},
): Promise<MaskFill[] | MaskFill[][]> {
  const { top_k = 5, targets: given } = options;
  const targets = Array.isArray(given) ? given.slice() : given;
  checkOptions("fillMask", options, { top_k: positive, targets: anything, signal: abortSignal });
  const head = headOf(context, "maskedLm", "a masked-language head");
  checkTexts("fillMask", [text]);
  const { tokenizer, encode } = textReader(context, "fillMask");
  const mask = maskOf(tokenizer);
  const cleaning = { clean_up_tokenization_spaces: tokenizer.parts.cleansUp };
  const encoding = await encode(text, { truncation: false });
  const { ids } = encoding;
  const places = [...ids.keys()].filter((place) => ids[place] === mask);
  if (places.length === 0) {
    const token = tokenizer.idToToken(mask);
    throw new OptionError("no-mask", `fillMask: expected ${token} in the text, got none in ${show(text)}`);
  }
  const allowed = targets === undefined ? undefined : await targetIds(context, targets);
  const [logits] = await encoderOf(context).run([rowOf(context, encoding)], head, () => places.length, {
    signal: context.signal(options.signal),
    picks: () => places,
  });
  const width = logits.length / places.length;
  const fills = places.map((place, index) => {
    const row = logits.subarray(index * width, index * width + context.model.vocabSize);
    return likeliest(row, top_k, allowed).map(([token, score]) => {
      const filled = knownIds(tokenizer, ids.with(place, token)).filter((id) => id !== tokenizer.padId);
      // Several masks: the others stay to be seen.
      const sequence = tokenizer.decode(filled, { ...cleaning, skip_special_tokens: places.length === 1 });
      const token_str = tokenizer.decode(knownIds(tokenizer, [token]), { ...cleaning, skip_special_tokens: false });
      return { score, token, token_str, sequence };
    });
  });
  return fills.length === 1 ? fills[0] : fills;
}

/** Ids and probabilities, largest first; of equal ones the lower id first. */
function likeliest(logits: Float32Array, count: number, allowed?: readonly number[]): [id: number, score: number][] {
  const scores = softmax(logits);
  expectFinite("fillMask", scores);
  const ids = allowed
    ? [...allowed].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count)
    : best(scores, count);
  return ids.map((id) => [id, scores[id]]);
}

/** @throws {OptionError} `no-mask` */
function maskOf({ maskId }: Tokenizer): number {
  if (maskId !== undefined) return maskId;
  throw new OptionError("no-mask", "fillMask: expected a tokenizer with a mask token, got one without");
}

async function targetIds(context: TaskContext, targets: string | readonly string[]): Promise<number[]> {
  const words = typeof targets === "string" ? [targets] : targets;
  checkTexts("fillMask: targets", words);
  const { tokenizer, encode } = textReader(context, "fillMask");
  const found = new Set<number>();
  for (const word of words) {
    const known = tokenizer.tokenToId(word);
    const id = known ?? (await encode(word, { add_special_tokens: false })).ids[0];
    const instead = id === undefined ? "none" : tokenizer.idToToken(id);
    if (known === undefined)
      context.warn(`fillMask: expected targets that are tokens, got ${word}; ${instead} is used`);
    if (id !== undefined) found.add(id);
  }
  if (found.size > 0) return [...found];
  throw new OptionError("no-target", `fillMask: expected targets that have tokens, got ${show(targets)}`);
}

/**
 * Labels of texts, or of pairs of texts, with their scores, largest first. Texts are cut where the model's context ends.
 * @throws {OptionError} `no-head`, `bad-text`, `too-many-texts`, `bad-option`, `unknown-option`; {NonFiniteError}
 * @see transformers 5.18, pipelines/text_classification.py
 */
export async function classify(
  context: TaskContext,
  texts: readonly (string | TextPair)[],
  options: ClassifyOptions = {},
): Promise<Classification[][]> {
  const { top_k, function_to_apply } = options;
  const count = top_k === null ? anything : positive;
  checkOptions("classify", options, {
    top_k: count,
    function_to_apply: oneOf(Object.keys(scorers)),
    signal: abortSignal,
  });
  const results: Classification[][] = [];
  // The pipeline takes an empty second text for none.
  const single = (item: string | TextPair) => ((item as TextPair)?.text_pair === "" ? (item as TextPair).text : item);
  const items = Array.isArray(texts) ? texts.map(single) : texts;
  for await (const logits of pairLogits(context, "classify", items, options.signal)) {
    const scores = scorers[function_to_apply ?? defaultFunction(context, logits.length)](logits);
    const labels = labelsOf(context, scores.length);
    const found = labels.map((label, index) => ({ label, score: scores[index] }));
    results.push(found.sort((a, b) => b.score - a.score).slice(0, top_k ?? undefined));
  }
  return results;
}

/**
 * Documents by how well they answer a query, best first; of equal ones the one that was given first. Texts are cut where the
 * model's context ends, the longer one first.
 * @throws {OptionError} `no-head` where the model does not give one score, and as `classify`; {ConfigError}
 *   `unsupported-activation` and others where the files ask for what is not supported
 * @see sentence-transformers 6.2, CrossEncoder.rank
 */
export async function rerank(
  context: TaskContext,
  query: string,
  documents: readonly string[],
  options: RerankOptions = {},
): Promise<RankedDocument[]> {
  const { top_k, return_documents, activation } = options;
  checkOptions("rerank", options, {
    ...{ top_k: positive, return_documents: oneOf([true, false]), activation: oneOf(Object.keys(asClass)) },
    signal: abortSignal,
  });
  checkTexts("rerank", [query]);
  checkTexts("rerank", documents);
  const { queryPrompt = "", texts, refusal } = context.modules?.scoring ?? {};
  if (refusal) throw refusal;
  const score = activationOf(activation ? asClass[activation] : defaultActivation(context), "config.json");
  const text = queryPrompt + query;
  const pairs = documents.map((document) => ({ text, text_pair: document }));
  const ranked: RankedDocument[] = [];
  for await (const logits of pairLogits(context, "rerank", pairs, options.signal, texts)) {
    if (logits.length !== 1)
      throw noHead(context.model.modelType, `a head of one score for rerank (not ${logits.length})`);
    const index = ranked.length;
    const document = return_documents ? { document: pairs[index].text_pair } : undefined;
    ranked.push({ index, score: score(logits[0]), ...document });
  }
  return ranked.sort((a, b) => b.score - a.score).slice(0, top_k);
}

const asClass = { sigmoid: "torch.nn.Sigmoid", identity: "torch.nn.Identity" } as const;

/** The function that releases of sentence-transformers have noted in one place or another. */
function defaultActivation({ modules, config }: TaskContext): string {
  const { sentence_transformers: nested, sbert_ce_default_activation_function: older } = config;
  // Null there hides the older key.
  const { activation_fn: noted = older } = Object(nested) as Record<string, unknown>;
  const name = modules?.scoring.activation ?? noted ?? asClass.sigmoid;
  if (typeof name === "string") return name;
  const message = `config.json: expected activation_fn to be the name of a class, got ${show(name)}`;
  throw new ConfigError("bad-value", message, { value: name });
}

/** Logits of a sequence classifier for each text or pair, in order. */
async function* pairLogits(
  context: TaskContext,
  call: string,
  texts: readonly (string | TextPair)[],
  given?: AbortSignal,
  settings?: TextSettings,
): AsyncGenerator<Float32Array, void> {
  const head = headOf(context, "sequenceClassification", "a sequence classifier");
  const isPair = (item: unknown): item is TextPair => typeof item === "object" && item !== null && "text_pair" in item;
  const plain = Array.isArray(texts) ? texts.map((item) => (isPair(item) ? item.text : item)) : texts;
  checkTexts(call, plain);
  checkTexts(
    call,
    texts.filter(isPair).map(({ text_pair }) => text_pair),
  );
  const signal = context.signal(given);
  const { encode } = textReader(context, call, settings);
  const read = async (item: string | TextPair, index: number) => {
    const pair = isPair(item) ? { text_pair: item.text_pair } : {};
    return rowOf(context, await encode(plain[index] as string, pair));
  };
  const encoder = encoderOf(context);
  const picks = encoder.model.classifiesFirst ? () => [0] : undefined;
  for await (const lot of inLots(texts, read)) {
    signal.throwIfAborted();
    for (const logits of await encoder.run(lot, head, () => 1, { signal, picks })) {
      expectFinite(call, logits);
      yield logits;
    }
  }
}

function defaultFunction({ config }: TaskContext, labels: number): keyof typeof scorers {
  const { problem_type: type } = config;
  if (type === "regression") return "none";
  return type === "multi_label_classification" || labels === 1 ? "sigmoid" : "softmax";
}

const scorers = {
  softmax,
  sigmoid: (logits: Float32Array) => Float64Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit))),
  none: (logits: Float32Array) => Float64Array.from(logits),
};
