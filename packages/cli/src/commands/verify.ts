import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { type Command, Option } from "commander";
import {
  architectures,
  ConfigError,
  type KernelBuild,
  KiloformerError,
  openBareModel,
  Runtime,
  supportsBuild,
} from "kiloformer";
import { fileSource, readDirectory } from "kiloformer/node";
import { type Comparison, type ExpectedFacts, replay, toSafetensors } from "kiloformer/verify";
import { UsageError } from "../errors.ts";
import { alignColumns, plural } from "../format.ts";
import { runsRelaxed } from "../kernels.ts";
import { writeOutput } from "../output.ts";
import { threadsOption } from "../pipeline.ts";
import { placeOf } from "../place.ts";
import { warnings } from "../progress.ts";
import { escapeControls, print, type Terminal } from "../terminal.ts";
import { type BrowserReplay, replayInBrowser } from "../verify/browser.ts";

interface VerifyOptions {
  readonly out?: string;
  readonly build?: KernelBuild;
  readonly threads?: number;
  readonly browser?: boolean;
  readonly json?: boolean;
}

const examples = `
A folder has a model's config.json and model.safetensors, expected.safetensors with inputs and what PyTorch computes from them,
and expected.json, which says the kind of model and how far PyTorch's own float32 is from float64. A tensor may differ by the
larger of 1e-5 and four times that, relative to its largest value; generated ids must be equal. The format:
https://github.com/kiloformer/kiloformer/blob/main/verify/README.md

Examples:
  kiloformer verify ./references/bert ./references/t5
  kiloformer verify ./references/llama --build simd --out computed.safetensors
  kiloformer verify ./references/gpt2 --browser`;

/** Adds `kiloformer verify`. */
export function addVerify(program: Command, terminal: Terminal): void {
  program
    .command("verify")
    .description("compute again what PyTorch computed, and compare tensor by tensor")
    .argument("<DIR...>", "folders with config.json, model.safetensors, expected.safetensors and expected.json")
    .option("--out <FILE>", "write every tensor and id list that was computed, under its expected name (one DIR only)")
    .addOption(new Option("--build <NAME>", "the kernels (default: the fastest)").choices(["simd", "relaxed"]))
    .addOption(threadsOption())
    .option("--browser", "compute in Chromium instead of here")
    .option("--json", "one JSON object for each folder and line")
    .addHelpText("after", examples)
    .action((directories: string[], options: VerifyOptions) => verify(directories, options, terminal));
}

async function verify(directories: readonly string[], options: VerifyOptions, terminal: Terminal): Promise<void> {
  if (options.out !== undefined && directories.length > 1) {
    throw new UsageError(`--out: expected one folder beside it, got ${directories.length}`);
  }
  if (options.out !== undefined && !existsSync(dirname(resolve(options.out)))) {
    throw new UsageError(`--out: expected a file in a folder that is there, got ${options.out}`);
  }
  if (options.out !== undefined && (await isInside(directories[0], options.out))) {
    throw new UsageError(`--out: expected a file outside the folder that is verified, got ${options.out}`);
  }
  if (options.browser && options.threads !== undefined) {
    throw new UsageError("--threads: expected no --browser beside it, where one computes, got both");
  }
  const build = options.build ?? (runsRelaxed() ? "relaxed" : "simd");
  if (!options.browser && !(build === "relaxed" ? runsRelaxed() : supportsBuild(build))) {
    throw new UsageError(
      `--build: expected kernels that this engine runs, got ${build}`,
      "Node 20 and 24 run both where the processor has FMA",
    );
  }
  let [compared, failed, broken] = [0, 0, 0];
  for (const directory of directories) {
    try {
      const { comparisons, file } = await verifyFolder(directory, build, options, terminal);
      if (options.out !== undefined) await writeOutput("--out", options.out, file);
      compared += comparisons.length;
      failed += comparisons.filter(({ holds }) => !holds).length;
      await print(terminal, options.json ? jsonLine({ directory, comparisons }) : table(directory, comparisons));
    } catch (error) {
      if (directories.length === 1 || terminal.signal?.aborted || !(error instanceof KiloformerError)) throw error;
      broken++;
      const { code, message } = error;
      const line = options.json
        ? jsonLine({ directory, error: { code, message } })
        : `${escapeControls(directory)}\nFAIL  ${escapeControls(message)}\n\n`;
      await print(terminal, line);
    }
  }
  const folders = `${plural(broken, "folder")} that could not be replayed`;
  const and = broken > 0 ? `, ${folders}` : "";
  if (!options.json) await print(terminal, `${plural(compared, "tensor")} compared, ${failed} failed${and}\n`);
  if (failed > 0) {
    const message = `verify: expected every tensor within its tolerance, got ${failed} of ${compared} that are not${and}`;
    throw new UsageError(message, "");
  }
  if (broken > 0) throw new UsageError(`verify: expected folders that can be replayed, got ${folders}`, "");
}

/** Whether writing a file, which may not be there yet, would change what is in a folder, also by links. */
async function isInside(directory: string, file: string): Promise<boolean> {
  const folder = await placeOf(directory);
  const named = join(await placeOf(dirname(resolve(file))), basename(file));
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const linked = await Promise.all(names.map((name) => placeOf(join(directory, name))));
  const place = await placeOf(file);
  return linked.includes(place) || [named, place].some((path) => path.startsWith(join(folder, sep)));
}

const jsonLine = (value: object) => `${JSON.stringify(value)}\n`;

async function verifyFolder(
  directory: string,
  build: KernelBuild,
  options: VerifyOptions,
  terminal: Terminal,
): Promise<BrowserReplay> {
  const { files, close } = await readDirectory(directory);
  try {
    const expected = await readExpected(directory, "expected.safetensors");
    const facts = parseFacts(directory, await readExpected(directory, "expected.json"));
    const model = new Map([...files].filter(([name]) => !name.startsWith("expected.")));
    if (options.browser) return await replayInBrowser({ model, expected, facts, build: options.build }, terminal);
    const runtime = await Runtime.create({ build, threads: options.threads });
    const { signal } = terminal;
    const loading = { runtime, signal, onWarning: warnings(terminal) };
    try {
      const bare = await openBareModel(model, architectures, loading);
      const { comparisons, computed } = await replay(bare, expected, facts);
      return { comparisons, file: toSafetensors(computed) };
    } finally {
      runtime.dispose();
    }
  } finally {
    await close();
  }
}

async function readExpected(directory: string, name: string): Promise<Uint8Array> {
  const path = join(directory, name);
  if (!existsSync(path)) {
    throw new ConfigError("missing-expected", `${directory}: expected ${name}, got none`, { directory, name });
  }
  const source = await fileSource(path);
  try {
    return await source.read(0, source.size);
  } finally {
    await source.close?.();
  }
}

function parseFacts(directory: string, bytes: Uint8Array): ExpectedFacts {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as ExpectedFacts;
  } catch (cause) {
    throw new ConfigError("bad-json", `${directory}/expected.json: expected JSON, got ${cause}`, {}, { cause });
  }
}

function table(directory: string, comparisons: readonly Comparison[]): string {
  const number = (value: number) => (value === 0 ? "0" : value.toExponential(1));
  const rows = comparisons.map(({ name, error, tolerance, holds, worst }) => {
    return [holds ? "ok" : "FAIL", name, number(error), number(tolerance), worst];
  });
  const lines = alignColumns([["", "tensor", "error", "tolerance", "worst"], ...rows], [2, 3]);
  return `${escapeControls(directory)}\n${lines.map(escapeControls).join("\n")}\n\n`;
}
