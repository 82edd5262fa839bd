import { OptionError } from "@kiloformer/core";
import { G2PTokenizer, TokenizerError } from "@kiloformer/tokenizers";
import { show } from "../config.ts";
import { decoderOf } from "../generation/decoder.ts";
import { generateRows, type Sequence } from "../generation/generate.ts";
import { type GenerationOptions, resolveGenerationOptions } from "../generation/options.ts";
import { badOption, checkTexts, expectOptions } from "../options.ts";
import { type Lexicon, readLexicon } from "../phonetics/lexicon.ts";
import { readText, type SpokenPart } from "../phonetics/spoken.ts";
import { knownIds, type TaskContext } from "./tasks.ts";

/** Options of `phonemize`. */
export interface PhonemizeOptions {
  /**
   * Words and their IPA, which go before the model's: a Map or an object, matched in any case, composed or not, with ’ as
   * with '. Of several pronunciations the first is used. A run of letters and digits that it does not have as a whole is cut
   * where the model's words begin and end, and counts part by part: with `3`, that of `3rd` where numbers pass. It is read at
   * each call, and says the same of a text whatever other texts there are.
   */
  readonly lexicon?: Lexicon;
  /** Pronunciations of a word that are kept in view, at most 256; 1 takes the likeliest phone each time. Default 1. */
  readonly num_beams?: number;
  /**
   * `"words"` reads numbers out: in Korean (Sino-Korean) beside Hangul, in English beside Latin letters; `"pass"` prints
   * them as they are. Default `"words"`.
   */
  readonly numbers?: "words" | "pass";
  /** Stops the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export const phonemizeKeys = ["lexicon", "num_beams", "numbers", "signal"];

/**
 * Spelling to IPA: letter runs, Hangul runs and numbers go through the model, each word once; everything else passes
 * through, but for what the lexicon has. What comes of a text depends on no other text.
 * @throws {OptionError} `not-g2p` when the model is no grapheme-to-phoneme model; `bad-text`, `too-many-texts`,
 *   `bad-option`, `unknown-option`
 */
export async function phonemizeBatch(
  context: TaskContext,
  texts: readonly string[],
  options: PhonemizeOptions = {},
): Promise<string[]> {
  expectOptions("phonemize", options, phonemizeKeys);
  const search = { num_beams: options.num_beams };
  const { parts, readings } = await readTexts(
    context,
    "phonemize",
    texts,
    options,
    search,
    (word, tokenizer, sequences) => {
      if (!sequences) return word.ipa;
      return ipaOf(tokenizer, writtenFor(tokenizer, sequences[0]));
    },
  );
  return parts.map((all) => all.map(({ text }) => readings.get(text) ?? text).join(""));
}

/**
 * The parts of each text as they are read, and what is made of its words: of what the lexicon says, or of what the model
 * writes, likeliest first. Words that are too long for the model have nothing, and are spoken of, as is IPA that the context
 * cuts short.
 * @param search how the model's ids are chosen
 */
export async function readTexts<R>(
  context: TaskContext,
  call: string,
  texts: readonly string[],
  { lexicon, numbers = "words", signal }: PhonemizeOptions,
  search: GenerationOptions,
  make: (word: SpokenPart, tokenizer: G2PTokenizer, sequences?: readonly Sequence[]) => R,
): Promise<{ parts: SpokenPart[][]; readings: Map<string, R> }> {
  const tokenizer = g2pTokenizer(context, call);
  checkTexts(call, texts);
  if (numbers !== "words" && numbers !== "pass") throw badOption(call, "numbers", '"words" or "pass"', numbers);
  const lookUp = lexicon === undefined ? undefined : readLexicon(call, lexicon, context.warn);
  const decoder = decoderOf(context);
  const { contextLength } = decoder;
  const { eosId, lastLetterFirst } = tokenizer;
  const asked = { do_sample: false, max_new_tokens: contextLength, eos_token_id: eosId, ...search };
  const chosen = resolveGenerationOptions(asked, context.defaults, decoder.vocabSize, call);
  const settings = {
    ...chosen,
    // Beams by the probability of a word as a whole; all of them, as several may sound alike.
    length_penalty: 0,
    num_return_sequences: chosen.num_beams,
    signal: context.signal(signal),
  };
  const parts = texts.map((text) => readText(text, tokenizer, numbers === "words", lookUp));
  const readings = new Map<string, R>();
  const words = new Map<string, { word: SpokenPart; ids: readonly number[] }>();
  for (const part of parts.flat()) {
    if (words.has(part.text) || readings.has(part.text)) continue;
    if (part.ipa !== undefined) readings.set(part.text, make(part, tokenizer));
    else if (part.kind === "word") words.set(part.text, { word: part, ids: tokenizer.encode(part.text).ids });
  }
  const tell = ({ text }: SpokenPart) =>
    context.warn(`${call}: expected words that fit with their IPA into ${contextLength} tokens, got ${show(text)}`);
  const fitting = [...words.values()].filter(({ word, ids }) => {
    // Where the model writes a token for each letter there must be room for all, else for one.
    const fits = ids.length + (lastLetterFirst ? ids.length - 1 : 1) <= contextLength;
    if (!fits) tell(word);
    return fits;
  });
  // Where the likeliest token is taken each time, the one that only ends a word need not be looked for.
  const endsAlone = lastLetterFirst && settings.num_beams === 1 && settings.logprobs === false;
  const rows = fitting.map(({ ids }) => () => {
    return { ids, cache: decoder.newCache(), max_new_tokens: endsAlone ? ids.length - 1 : undefined };
  });
  const results = await generateRows(decoder, rows, settings);
  for (const [index, sequences] of results.entries()) {
    const { word } = fitting[index];
    // Cut short by the context: there is no other limit.
    if (!lastLetterFirst && sequences[0].finishReason === "length") tell(word);
    readings.set(word.text, make(word, tokenizer, sequences));
  }
  return { parts, readings };
}

/** The ids that a model wrote for a word: where it writes one a letter, no more than that. */
export function writtenFor({ lastLetterFirst }: G2PTokenizer, { ids, promptLength }: Sequence): readonly number[] {
  return ids.slice(promptLength, lastLetterFirst ? 2 * promptLength - 1 : undefined);
}

/** What ids print as IPA. */
export function ipaOf(tokenizer: G2PTokenizer, ids: readonly number[]): string {
  return tokenizer.decode(knownIds(tokenizer, ids));
}

function g2pTokenizer({ tokenizer }: TaskContext, call: string): G2PTokenizer {
  if (tokenizer instanceof G2PTokenizer) return tokenizer;
  const other = tokenizer && !(tokenizer instanceof TokenizerError);
  const got = other ? `one with a ${tokenizer.kind} tokenizer` : "one without a tokenizer";
  throw new OptionError("not-g2p", `${call}: expected a model whose vocabulary maps letters to IPA, got ${got}`);
}
