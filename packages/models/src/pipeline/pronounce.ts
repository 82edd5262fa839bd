import { OptionError } from "@kiloformer/core";
import type { G2PTokenizer } from "@kiloformer/tokenizers";
import type { Sequence } from "../generation/generate.ts";
import { few } from "../generation/options.ts";
import { checkOptions, expectOptions } from "../options.ts";
import { alignPhones } from "../phonetics/align.ts";
import { phonesOf } from "../phonetics/phones.ts";
import type { Piece, SpokenPart } from "../phonetics/spoken.ts";
import { ipaOf, type PhonemizeOptions, phonemizeKeys, readTexts, writtenFor } from "./phonemize.ts";
import type { TaskContext } from "./tasks.ts";

/** Options of `pronounce`. */
export interface PronounceOptions extends PhonemizeOptions {
  /** The most pronunciations, best first. Default 1; of more, `num_beams` is twice as many and at least 4. */
  readonly num_return_sequences?: number;
}

/** One way to say a text. */
export interface Pronunciation {
  /** What `phonemize` prints. */
  readonly ipa: string;
  /** The phones in it; what passes through is none. */
  readonly phones: readonly string[];
  /** The natural logarithm of its probability: the sum over its words. Words of the lexicon are certain. */
  readonly score: number;
  /** For each phone the stretch `[begin, end)` of the text, in UTF-16 code units, that it is written with. */
  readonly alignment: readonly (readonly [begin: number, end: number])[];
}

/** One way to say a word: its alignment counts from the word's beginning. */
type Reading = Pronunciation;

/** A way to say a text up to a part of it. */
interface Way {
  readonly score: number;
  readonly before?: Way;
  readonly part?: SpokenPart;
  readonly reading?: Reading;
}

/**
 * The likeliest ways to say each text, best first, with their phones and the characters that these are written with. What
 * comes of a text depends on no other text; the lexicon counts as it does for `phonemizeBatch`.
 * @throws {OptionError} as of `phonemizeBatch`; `conflicting-options` where more are asked for than `num_beams`
 */
export async function pronounceBatch(
  context: TaskContext,
  texts: readonly string[],
  options: PronounceOptions = {},
): Promise<Pronunciation[][]> {
  expectOptions("pronounce", options, [...phonemizeKeys, "num_return_sequences"]);
  const { num_return_sequences: count, num_beams: beams } = options;
  checkOptions(
    "pronounce",
    { num_return_sequences: count, num_beams: beams },
    { num_return_sequences: few, num_beams: few },
  );
  const { num_beams = count && count > 1 ? Math.min(256, Math.max(4, 2 * count)) : undefined } = options;
  if (count && num_beams && num_beams < count) {
    const message = `pronounce: expected as many num_beams or fewer num_return_sequences, got ${num_beams} and ${count}`;
    throw new OptionError("conflicting-options", message, { options: ["num_beams", "num_return_sequences"] });
  }
  const search = { num_return_sequences: count, num_beams, logprobs: true };
  const { parts, readings } = await readTexts(
    context,
    "pronounce",
    texts,
    options,
    search,
    (word, tokenizer, sequences) => {
      if (!sequences) return [lexiconReading(word, tokenizer)];
      const all = sequences.map((sequence) => modelReading(word, tokenizer, sequence));
      // Of spellings that sound alike the first.
      return all.filter(({ ipa }, index) => all.findIndex((other) => other.ipa === ipa) === index);
    },
  );
  return parts.map((all) => combine(all, readings, count ?? 1));
}

/** The best ways to say a text, from those to say each of its parts. */
function combine(
  parts: readonly SpokenPart[],
  readings: ReadonlyMap<string, readonly Reading[]>,
  count: number,
): Pronunciation[] {
  let ways: Way[] = [{ score: 0 }];
  for (const part of parts) {
    const found = readings.get(part.text) ?? [undefined];
    const next = ways.flatMap((before, index) =>
      // After the k-th best way, count / k readings at most are among the best.
      found.slice(0, Math.floor(count / (index + 1))).map((reading) => {
        return { score: before.score + (reading?.score ?? 0), before, part, reading };
      }),
    );
    ways = next.sort((a, b) => b.score - a.score).slice(0, count);
  }
  return ways.map(spell);
}

function spell(way: Way): Pronunciation {
  const steps: Way[] = [];
  for (let step: Way | undefined = way; step; step = step.before) steps.push(step);
  const ipa: string[] = [];
  const phones: string[] = [];
  const alignment: [number, number][] = [];
  for (const { part, reading } of steps.reverse()) {
    if (!part) continue;
    ipa.push(reading?.ipa ?? part.text);
    for (const phone of reading?.phones ?? []) phones.push(phone);
    for (const [begin, end] of reading?.alignment ?? []) {
      alignment.push(originOf(part.pieces, part.begin + begin, part.begin + end));
    }
  }
  return { ipa: ipa.join(""), phones, score: way.score, alignment };
}

/** Where a stretch of what is read comes from. */
function originOf(pieces: readonly Piece[], from: number, to: number): [begin: number, end: number] {
  const [first, last] = [pieceAt(pieces, from), pieceAt(pieces, to - 1)];
  return [
    first.verbatim ? first.begin + from - first.at : first.begin,
    last.verbatim ? last.begin + to - last.at : last.end,
  ];
}

/** The piece that holds a place of what is read, by bisection. */
function pieceAt(pieces: readonly Piece[], at: number): Piece {
  let [low, high] = [0, pieces.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (pieces[middle].at <= at) low = middle;
    else high = middle - 1;
  }
  return pieces[low];
}

/** What the model says of a word. */
function modelReading(word: SpokenPart, tokenizer: G2PTokenizer, sequence: Sequence): Reading {
  const { score, logprobs = [], eosLogprob = 0 } = sequence;
  const ids = writtenFor(tokenizer, sequence);
  const phones: string[] = [];
  const anchors: number[] = [];
  for (const [index, id] of ids.entries()) {
    for (const phone of phonesOf(ipaOf(tokenizer, [id]), word.script)) {
      phones.push(phone);
      anchors.push(index);
    }
  }
  return {
    ipa: ipaOf(tokenizer, ids),
    phones,
    score: score ?? logprobs.reduce((sum, { logprob }) => sum + logprob, eosLogprob),
    alignment: place(word, tokenizer, phones, anchors, ids.length),
  };
}

/** What the lexicon says of a word. */
function lexiconReading(word: SpokenPart, tokenizer: G2PTokenizer): Reading {
  const ipa = word.ipa as string;
  const phones = phonesOf(ipa, word.script);
  return { ipa, phones, score: 0, alignment: place(word, tokenizer, phones) };
}

/** The stretches of a word that its phones are written with. */
function place(
  { text, script }: SpokenPart,
  tokenizer: G2PTokenizer,
  phones: readonly string[],
  anchors?: readonly number[],
  written?: number,
): [begin: number, end: number][] {
  if (script === "other") return phones.map(() => [0, text.length]);
  const { tokens, offsets } = tokenizer.encode(text, { add_special_tokens: false });
  const order = tokens.map((_, index) => (tokenizer.lastLetterFirst ? tokens.length - 1 - index : index));
  const letters = order.map((index) => tokens[index]);
  // A model that can be silent writes one token a letter.
  const isAnchored = written === letters.length && tokenizer.tokenToId("<silent>") !== undefined;
  const ranges = alignPhones(letters, phones, script, isAnchored ? anchors : undefined);
  return ranges.map(([begin, end]) => [offsets[order[begin]][0], offsets[order[end - 1]][1]]);
}
