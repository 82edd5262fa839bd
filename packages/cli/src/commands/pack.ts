import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { type DtypeOption, Pipeline, packModel } from "kiloformer";
import { readDirectory } from "kiloformer/node";
import { UsageError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { runsRelaxed } from "../kernels.ts";
import { neededOption } from "../options.ts";
import { writeOutput } from "../output.ts";
import { isPacked } from "../packed-file.ts";
import { dtypeOption } from "../pipeline.ts";
import { listenToLoad } from "../progress.ts";
import { escapeControls, print, type Terminal } from "../terminal.ts";

interface PackCommandOptions {
  readonly output: string;
  readonly relaxed?: boolean;
  readonly dtype?: DtypeOption;
}

const examples = `
The file is a WebAssembly module that needs nothing beside it: kernels, weights, config and tokenizer. A page or a Worker opens it
with openPacked, and other hosts drive its exports: https://github.com/kiloformer/kiloformer/blob/main/docs/one-file.md

Examples:
  kiloformer pack ./my-g2p -o g2p.wasm --dtype q8 && kiloformer g2p --model g2p.wasm "Hello"
  kiloformer inspect g2p.wasm`;

/** Adds `kiloformer pack`. */
export function addPack(program: Command, terminal: Terminal): void {
  program
    .command("pack")
    .description("write a whole model as one WebAssembly file")
    .argument("<DIR>", "a model's folder")
    .addOption(neededOption("-o, --output <FILE>", "the file to write"))
    .option("--relaxed", "the faster kernels, for engines with relaxed SIMD only (default: those that run everywhere)")
    .addOption(dtypeOption())
    .addHelpText("after", examples)
    .action((directory: string, options: PackCommandOptions) => pack(directory, options, terminal));
}

async function pack(
  directory: string,
  { output, relaxed, dtype }: PackCommandOptions,
  terminal: Terminal,
): Promise<void> {
  if (relaxed && !runsRelaxed()) {
    throw new UsageError(
      "--relaxed: expected an engine with relaxed SIMD, as packing runs the kernels, got one without",
    );
  }
  await expectReplaceable(output);
  const { listeners, clear } = listenToLoad(terminal);
  const { files, close } = await readDirectory(directory);
  try {
    const build = relaxed ? "relaxed" : "simd";
    const options = { dtype, build, signal: terminal.signal, ...listeners } as const;
    const file = await packModel(Pipeline, files, options).finally(clear);
    await writeOutput("--output", output, file);
    await print(terminal, `${escapeControls(output)}: ${formatBytes(file.length)}\n`);
  } finally {
    await close();
  }
}

/** Throws where a folder, or a file that nobody packed, is in the way. */
async function expectReplaceable(output: string): Promise<void> {
  const info = await stat(output).catch(() => undefined);
  if (info?.isDirectory() || /[\\/]$/.test(output))
    throw new UsageError(`--output: expected a file's name, got the folder ${output}`);
  if (!info?.isFile() || info.size === 0 || (await isPacked(output))) return;
  throw new UsageError(`--output: expected a new file or a packed one, got ${output}, which is another file`);
}
