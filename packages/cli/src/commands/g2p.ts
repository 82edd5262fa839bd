import type { Command } from "commander";
import { batches, lineBatches } from "../lines.ts";
import { findG2PModel } from "../model-path.ts";
import { dtypeOption, type HoldingOptions, threadsOption, withPipeline } from "../pipeline.ts";
import { note, print, type Terminal } from "../terminal.ts";

interface G2POptions extends HoldingOptions {
  readonly model?: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  kiloformer g2p "Hello 안녕하세요"
  kiloformer g2p < lyrics.txt > lyrics.ipa
  kiloformer g2p --json "one" "two"
  kiloformer g2p -- "-text that begins with a dash"`;

/** Adds `kiloformer g2p`. */
export function addG2P(program: Command, terminal: Terminal): void {
  program
    .command("g2p")
    .description("spelling to IPA, one line for each text; other characters pass through")
    .argument("[TEXT...]", "texts; without any, or with -, the lines of standard input")
    .option("--model <DIR>", "folder of a grapheme-to-phoneme model (default: KILOFORMER_MODEL)")
    .addOption(dtypeOption())
    .addOption(threadsOption())
    .option("--json", 'one JSON object a line: {"text", "ipa"}')
    .addHelpText("after", examples)
    .action((texts: string[], options: G2POptions) => g2p(texts, options, terminal));
}

async function g2p(
  texts: readonly string[],
  { model, dtype, threads, json }: G2POptions,
  terminal: Terminal,
): Promise<void> {
  const { stdin, env, signal } = terminal;
  const fromInput = texts.length === 0 || (texts.length === 1 && texts[0] === "-");
  const directory = findG2PModel(model, env);
  await withPipeline(
    directory,
    terminal,
    async (pipeline) => {
      if (fromInput && stdin.isTTY) note(terminal, "type text, a line at a time; Ctrl-D ends");
      for await (const batch of fromInput ? lineBatches(stdin, signal) : batches(texts)) {
        const results = await pipeline.phonemizeBatch(batch, { signal });
        const lines = results.map((ipa, index) => (json ? JSON.stringify({ text: batch[index], ipa }) : ipa));
        await print(terminal, `${lines.join("\n")}\n`);
      }
    },
    { dtype, threads },
  );
}
