import { OptionError } from "@kiloformer/core";
import { G2PTokenizer, TokenizerError } from "@kiloformer/tokenizers";
import { show } from "../config.ts";
import { decoderOf } from "../generation/decoder.ts";
import { generateBatch } from "../generation/generate.ts";
import { resolveGenerationOptions } from "../generation/options.ts";
import { expectOptions } from "../options.ts";
import { knownIds } from "./generation.ts";
import type { TaskContext } from "./tasks.ts";

/** Texts in one call. */
const MOST_TEXTS = 1_000_000;

/**
 * Spelling to IPA: letter runs and Hangul runs go through the model, each word once; everything else passes through.
 * @throws {OptionError} `not-g2p` when the model is no grapheme-to-phoneme model; `bad-text`, `too-many-texts`
 */
export async function phonemizeBatch(
  context: TaskContext,
  texts: readonly string[],
  options: { signal?: AbortSignal } = {},
): Promise<string[]> {
  const tokenizer = g2pTokenizer(context);
  checkTexts(texts);
  expectOptions("phonemize", options, ["signal"]);
  const decoder = decoderOf(context);
  const greedy = { do_sample: false, max_new_tokens: decoder.contextLength };
  const settings = {
    ...resolveGenerationOptions(greedy, context.defaults, decoder.vocabSize),
    signal: context.signal(options.signal),
  };
  const segmented = texts.map((text) => tokenizer.segment(text));
  const words = new Map<string, string>();
  for (const { kind, text } of segmented.flat()) if (kind === "word") words.set(text, text);
  const prompts = [...words.keys()].map((word) => ({ word, ids: tokenizer.encode(word).ids }));
  const fitting = prompts.filter(({ word, ids }) => fits(context, word, ids));
  const rows = fitting.map(({ ids }) => () => ({ ids, cache: decoder.newCache() }));
  const results = await generateBatch(decoder, rows, settings);
  results.forEach(([sequence], index) => {
    words.set(fitting[index].word, tokenizer.decode(knownIds(tokenizer, sequence.ids.slice(sequence.promptLength))));
  });
  return segmented.map((segments) =>
    segments.map(({ kind, text }) => (kind === "word" ? words.get(text) : text)).join(""),
  );
}

function g2pTokenizer({ tokenizer }: TaskContext): G2PTokenizer {
  if (tokenizer instanceof G2PTokenizer) return tokenizer;
  const other = tokenizer && !(tokenizer instanceof TokenizerError);
  const got = other ? `one with a ${tokenizer.kind} tokenizer` : "one without a tokenizer";
  throw new OptionError("not-g2p", `phonemize: expected a model whose vocabulary maps letters to IPA, got ${got}`);
}

/** Runs that are longer than the model's context are no words: they pass through, and are spoken of. */
function fits(context: TaskContext, word: string, ids: readonly number[]): boolean {
  const { contextLength } = decoderOf(context);
  if (ids.length < contextLength) return true;
  const start = word.slice(0, 20);
  context.warn(
    `phonemize: expected words below ${contextLength} letters, got ${word.length} ("${start}..."), passed through`,
  );
  return false;
}

function checkTexts(texts: readonly string[]): void {
  if (!Array.isArray(texts))
    throw new OptionError("bad-text", `phonemize: expected an array of texts, got ${show(texts)}`);
  if (texts.length > MOST_TEXTS) {
    throw new OptionError("too-many-texts", `phonemize: expected at most ${MOST_TEXTS} texts, got ${texts.length}`);
  }
  const index = texts.findIndex((text) => typeof text !== "string");
  if (index < 0) return;
  throw new OptionError("bad-text", `phonemize: expected text, got ${show(texts[index])}`, { index });
}
