import { type Command, Option } from "commander";
import type { PhonemizeOptions, Pipeline, Pronunciation } from "kiloformer";
import { UsageError } from "../errors.ts";
import { readLexiconFile } from "../lexicon.ts";
import { batches, lineBatches } from "../lines.ts";
import { findG2PModel } from "../model-path.ts";
import { beamsOption } from "../options.ts";
import { dtypeOption, type HoldingOptions, threadsOption, withPipeline } from "../pipeline.ts";
import { note, print, type Terminal } from "../terminal.ts";

interface G2POptions extends HoldingOptions {
  readonly model?: string;
  readonly lexicon?: readonly string[];
  readonly numbers: "words" | "pass";
  readonly numBeams?: number;
  readonly nBest?: number;
  readonly align?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  kiloformer g2p "Hello 안녕하세요"
  kiloformer g2p < lyrics.txt > lyrics.ipa
  kiloformer g2p --json "one" "two"
  kiloformer g2p --lexicon names.tsv "Kiloformer was made in 2026"
  kiloformer g2p --n-best 3 --align "read"
  kiloformer g2p -- "-text that begins with a dash"`;

/** Adds `kiloformer g2p`. */
export function addG2P(program: Command, terminal: Terminal): void {
  program
    .command("g2p")
    .description("spelling to IPA, one line for each text; numbers are read out, other characters pass through")
    .argument("[TEXT...]", "texts; without any, or with -, the lines of standard input")
    .option(
      "--model <PATH>",
      "folder or packed file of a grapheme-to-phoneme model (default: KILOFORMER_MODEL, else our own)",
    )
    .addOption(dtypeOption())
    .addOption(threadsOption())
    .option(
      "--lexicon <FILE>",
      "words that are said otherwise, a line each: word, tab, IPA; of several files, the last that has a word counts",
      (file, others: string[] = []) => [...others, file],
    )
    .addOption(
      new Option("--numbers <HOW>", "read numbers out, or pass them through")
        .choices(["words", "pass"])
        .default("words"),
    )
    .addOption(
      beamsOption("--num-beams", "keep the N likeliest ways to say a word in view, not only the likeliest phone"),
    )
    .addOption(
      beamsOption("--n-best", "the N likeliest ways to say each text, a line each, after their log probability"),
    )
    .option("--align", "after a tab, the characters that each phone is written with")
    .option("--json", 'one JSON object a line: {"text", "ipa"}, with --n-best or --align "pronunciations" too')
    .addHelpText("after", examples)
    .action((texts: string[], options: G2POptions) => g2p(texts, options, terminal));
}

async function g2p(texts: readonly string[], parsed: G2POptions, terminal: Terminal): Promise<void> {
  const { stdin, env, signal } = terminal;
  const fromInput = texts.length === 0 || (texts.length === 1 && texts[0] === "-");
  const directory = findG2PModel(parsed.model, env);
  const { lexicon: files, nBest = 1, numBeams = nBest } = parsed;
  if (nBest > numBeams) {
    throw new UsageError(`--n-best: expected at most as many as --num-beams, ${numBeams}, got ${nBest}`);
  }
  const lexicons = files && (await Promise.all(files.map(readLexiconFile)));
  const lexicon = lexicons && new Map(lexicons.flatMap((words) => [...words]));
  const options = { lexicon, numbers: parsed.numbers, num_beams: parsed.numBeams, signal };
  await withPipeline(
    directory,
    terminal,
    async (pipeline) => {
      if (fromInput && stdin.isTTY) note(terminal, "type text, a line at a time; Ctrl-D ends");
      for await (const batch of fromInput ? lineBatches(stdin, signal) : batches(texts)) {
        const lines = await say(pipeline, batch, options, parsed);
        await print(terminal, `${lines.join("\n")}\n`);
      }
    },
    parsed,
  );
}

/** What is printed for some texts. */
async function say(
  pipeline: Pipeline,
  texts: readonly string[],
  options: PhonemizeOptions,
  { nBest, align, json }: G2POptions,
): Promise<string[]> {
  if (nBest === undefined && !align) {
    const results = await pipeline.phonemizeBatch(texts, options);
    return results.map((ipa, index) => (json ? JSON.stringify({ text: texts[index], ipa }) : ipa));
  }
  const results = await pipeline.pronounceBatch(texts, { ...options, num_return_sequences: nBest });
  return results.flatMap((found, index) => {
    const text = texts[index];
    if (!json) {
      return found.map((one) => {
        const score = nBest === undefined ? [] : [one.score.toFixed(3)];
        return [...score, one.ipa, ...(align ? [lettersOf(text, one)] : [])].join("\t");
      });
    }
    const pronunciations = found.map(({ ipa, score, phones, alignment }) =>
      align ? { ipa, score, phones, alignment } : { ipa, score },
    );
    return [JSON.stringify({ text, ipa: found[0].ipa, pronunciations })];
  });
}

/** The phones of a text, each after the characters that it is written with: `kn:n igh:aɪ t:t`. */
function lettersOf(text: string, { phones, alignment }: Pronunciation): string {
  return phones.map((phone, index) => `${text.slice(...alignment[index])}:${phone}`).join(" ");
}
