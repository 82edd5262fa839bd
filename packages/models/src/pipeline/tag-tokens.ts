// What transformers' token-classification pipeline makes of the logits of tokens.
import { OptionError } from "@kiloformer/core";
import type { Encoding, Tokenizer } from "@kiloformer/tokenizers";
import { expectFinite, rowOf, type TextReader, textReader } from "../embedding/texts.ts";
import { encoderOf } from "../encoding/encoder.ts";
import { abortSignal, anything, badOption, checkOptions, checkTexts, isCount, oneOf } from "../options.ts";
import { headOf, labelsOf, softmax } from "./head-parts.ts";
import type { TaskContext } from "./tasks.ts";

/** A token and its label, or several that were put together. */
export interface TaggedToken {
  /** The label of a token. */
  readonly entity?: string;
  /** The label of a group, without `B-` and `I-`. */
  readonly entity_group?: string;
  readonly score: number;
  /** The token's place, special tokens counted; not of groups. */
  readonly index?: number;
  /** The token as the vocabulary spells it; a group's tokens as text. */
  readonly word: string;
  /** Where it stands: `text.slice(start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** Options of `tagTokens`. */
export interface TagOptions {
  /**
   * How tokens are put together: not (`none`, the default), neighbours of one label (`simple`), or words first, whose label is that of
   * their first token (`first`), of the mean of their tokens' scores (`average`), or of their surest token (`max`).
   */
  readonly aggregation_strategy?: "none" | "simple" | "first" | "average" | "max";
  /** Labels that are left out; default `["O"]`. */
  readonly ignore_labels?: readonly string[];
  /**
   * Reads texts of any length in windows that have so many tokens in common, fewer than a window has; beside an
   * `aggregation_strategy` only. Default: texts are cut where the context ends.
   */
  readonly stride?: number;
  readonly signal?: AbortSignal;
}

/** A token of a text, special ones left out. */
interface Token {
  readonly id: number;
  readonly index: number;
  readonly start: number;
  readonly end: number;
  /** Probabilities of labels. */
  readonly scores: Float64Array;
  /** Whether it goes on with the word before it. */
  readonly continues: boolean;
}

/** Tokens that have one label. */
interface Entity {
  readonly tokens: readonly Token[];
  readonly label: string;
  readonly score: number;
}

const rules = {
  aggregation_strategy: /* @__PURE__ */ oneOf(["none", "simple", "first", "average", "max"]),
  ignore_labels: anything,
  stride: anything,
  signal: abortSignal,
};

/**
 * Labels of the tokens of a text, or of the words and names that they make.
 * @throws {OptionError} `no-head`, `bad-text`, `bad-option`, `conflicting-options`, `unknown-option`; {NonFiniteError}
 * @see transformers 5.18, pipelines/token_classification.py
 */
export async function tagTokens(context: TaskContext, text: string, options: TagOptions = {}): Promise<TaggedToken[]> {
  const { aggregation_strategy: strategy = "none", ignore_labels = ["O"], stride } = options;
  checkOptions("tagTokens", options, rules);
  checkTexts("tagTokens: ignore_labels", ignore_labels);
  const ignored = ignore_labels.slice();
  const head = headOf(context, "tokenClassification", "a token classifier");
  checkTexts("tagTokens", [text]);
  const reader = textReader(context, "tagTokens");
  const windows = await windowsOf(reader, text, strategy, stride);
  const rows = windows.map((window) => rowOf(context, window)).filter(({ ids }) => ids.length > 0);
  const signal = context.signal(options.signal);
  const logits = await encoderOf(context).run(rows, head, ({ ids }) => ids.length, { signal });
  const found = logits.flatMap((values, window) => {
    const tokens = tokensOf(reader.tokenizer, text, windows[window], values);
    return tagged(reader.tokenizer, text, entitiesOf(tokens, strategy, context), strategy);
  });
  const kept = found.filter(({ entity, entity_group }) => !ignored.includes((entity ?? entity_group) as string));
  return windows.length > 1 ? withoutOverlaps(text, kept) : kept;
}

/** A text as the model reads it: all of it in windows, or its begin. */
async function windowsOf(
  { encode, limit }: TextReader,
  text: string,
  strategy: string,
  stride?: number,
): Promise<Encoding[]> {
  if (stride === undefined) return [await encode(text)];
  if (!(isCount(stride) && stride < limit)) {
    throw badOption("tagTokens", "stride", `a whole number below ${limit}, the tokens of a window`, stride);
  }
  if (strategy === "none") {
    const message = "tagTokens: expected an aggregation_strategy beside stride, got none";
    throw new OptionError("conflicting-options", message, { options: ["stride", "aggregation_strategy"] });
  }
  const encoding = await encode(text, { stride, return_overflowing_tokens: true });
  return [encoding, ...encoding.overflowing];
}

function tokensOf(tokenizer: Tokenizer, text: string, encoding: Encoding, logits: Float32Array): Token[] {
  const { ids, offsets, special_tokens_mask } = encoding;
  const width = logits.length / ids.length;
  const marksContinuations = tokenizer.parts.model.continuingPrefix;
  const tokens: Token[] = [];
  for (const [index, id] of ids.entries()) {
    if (special_tokens_mask[index]) continue;
    const [start, end] = tokenizer.kind === "sentencepiece" ? withoutSpace(text, offsets[index]) : offsets[index];
    const scores = softmax(logits.subarray(index * width, (index + 1) * width));
    expectFinite("tagTokens", scores);
    // A piece with its mark is longer than what it covers; without marks, what no space stands before goes on.
    const continues = marksContinuations
      ? [...(tokenizer.idToToken(id) ?? "")].length !== [...text.slice(start, end)].length
      : start > 0 && !text.slice(start - 1, start + 1).includes(" ");
    tokens.push({ id, index, start, end, scores, continues: continues && id !== tokenizer.unkId });
  }
  return tokens;
}

/** A `.model` counts the space before a word to its first piece; spans have none, and a piece that is only a space has what follows. */
function withoutSpace(text: string, [begin, end]: readonly [number, number]): readonly [number, number] {
  let start = begin;
  while (start < end && /[\s▁]/.test(text[start])) start++;
  if (start < end) return [start, end];
  const width = (text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1;
  return [start, Math.min(text.length, start + width)];
}

/** Tokens with their labels, or words with theirs. */
function entitiesOf(tokens: readonly Token[], strategy: string, context: TaskContext): Entity[] {
  const byWords = strategy !== "none" && strategy !== "simple";
  const words: Token[][] = [];
  for (const token of tokens) {
    if (byWords && token.continues && words.length > 0) words[words.length - 1].push(token);
    else words.push([token]);
  }
  const labels = labelsOf(context, tokens[0]?.scores.length ?? 0);
  return words.map((word) => {
    const scores = scoresOf(word, strategy);
    const best = scores.indexOf(largest(scores));
    return { tokens: word, label: labels[best], score: scores[best] };
  });
}

/** The scores of a word. */
function scoresOf(word: readonly Token[], strategy: string): Float64Array {
  if (strategy === "average") {
    return word[0].scores.map((_, label) => mean(word.map(({ scores }) => scores[label])));
  }
  if (strategy !== "max") return word[0].scores;
  return word.reduce((surest, token) => (largest(token.scores) > largest(surest.scores) ? token : surest)).scores;
}

function tagged(tokenizer: Tokenizer, text: string, entities: readonly Entity[], strategy: string): TaggedToken[] {
  if (strategy === "none") {
    return entities.map(({ tokens: [{ id, index, start, end }], label, score }) => {
      const word = id === tokenizer.unkId ? text.slice(start, end) : (tokenizer.idToToken(id) ?? "");
      return { entity: label, score, index, word, start, end };
    });
  }
  return grouped(entities).map((group) => {
    const tokens = group.flatMap(({ tokens }) => tokens);
    const { start } = tokens[0];
    const { end } = tokens[tokens.length - 1];
    const score = mean(group.map(({ score }) => score));
    return {
      entity_group: group[0].label.replace(/^[^-]*-/, ""),
      score,
      word: wordOf(tokenizer, text, tokens),
      start,
      end,
    };
  });
}

/** Neighbours of one label: `B-` begins another group. */
function grouped(entities: readonly Entity[]): Entity[][] {
  const groups: Entity[][] = [];
  let last: string | undefined;
  for (const entity of entities) {
    const tag = entity.label.replace(/^[BI]-/, "");
    if (tag === last && !entity.label.startsWith("B-")) groups[groups.length - 1].push(entity);
    else groups.push([entity]);
    last = tag;
  }
  return groups;
}

/** Tokens as text: unknown ones as they stand in it. */
function wordOf(tokenizer: Tokenizer, text: string, tokens: readonly Token[]): string {
  const unknown = tokens.filter(({ id }) => id === tokenizer.unkId);
  const { decode } = tokenizer.parts;
  if (decode && unknown.length > 0) {
    // Below 0 an id is a place among the tokens.
    const ids = tokens.map(({ id }, place) => (id === tokenizer.unkId ? ~place : id));
    const surface = ({ start, end }: Token) => text.slice(start, end);
    const idToToken = (id: number) => (id < 0 ? surface(tokens[~id]) : tokenizer.idToToken(id));
    return decode(Object.create(tokenizer, { idToToken: { value: idToToken } }), ids, false);
  }
  const ids = tokens.map(({ id }) => id);
  const word = tokenizer.decode(ids, { skip_special_tokens: false });
  if (unknown.length === 0) return word;
  const name = tokenizer.idToToken(unknown[0].id) as string;
  if (word.split(name).length !== unknown.length + 1) return word;
  let next = 0;
  return word.replaceAll(name, () => text.slice(unknown[next].start, unknown[next++].end));
}

/** Of groups that cover each other in two windows, the one of more characters, or the surer one. */
export function withoutOverlaps(text: string, groups: readonly TaggedToken[]): TaggedToken[] {
  const lengthOf = ({ start, end }: TaggedToken) => [...text.slice(start, end)].length;
  const kept: TaggedToken[] = [];
  for (const group of [...groups].sort((a, b) => a.start - b.start)) {
    const last = kept[kept.length - 1];
    if (!last || group.start >= last.end) {
      kept.push(group);
      continue;
    }
    const gain = lengthOf(group) - lengthOf(last) || group.score - last.score;
    if (gain > 0) kept[kept.length - 1] = group;
  }
  return kept;
}

const largest = (values: Float64Array) => values.reduce((a, b) => Math.max(a, b));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
