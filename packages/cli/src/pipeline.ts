import { readFile, stat } from "node:fs/promises";
import { Option } from "commander";
import { type DtypeOption, dtypeOptions, openPacked, type PackedOptions, Pipeline } from "kiloformer";
import { UsageError } from "./errors.ts";
import { runsRelaxed } from "./kernels.ts";
import { isWasm } from "./packed-file.ts";
import { listenToLoad } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Opens a model's folder or packed file, uses it, and gives its memory back. */
export async function withPipeline(
  path: string,
  terminal: Terminal,
  use: (pipeline: Pipeline) => Promise<void>,
  { dtype, threads }: HoldingOptions = {},
): Promise<void> {
  const { listeners, clear } = listenToLoad(terminal);
  const options = { threads, signal: terminal.signal, ...listeners };
  const opened = (await isPacked(path))
    ? openFile(path, options, dtype)
    : Pipeline.fromDirectory(path, { ...options, dtype });
  const pipeline = await opened.finally(clear);
  try {
    await use(pipeline);
  } finally {
    await pipeline.dispose();
  }
}

/** By its content, and by its name where it is damaged or not there. */
async function isPacked(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return path.endsWith(".wasm") ? !info?.isDirectory() : info?.isFile() === true && isWasm(path);
}

async function openFile(path: string, options: PackedOptions, dtype: DtypeOption | undefined): Promise<Pipeline> {
  if (dtype !== undefined) {
    throw new UsageError(
      `--dtype: expected a model's folder beside it, got ${path}, whose weights are packed as they are`,
    );
  }
  const file = await readFile(path).catch((cause: Error) => {
    throw new UsageError(`--model: expected a file to read, got an error: ${cause.message}`, undefined, { cause });
  });
  runsRelaxed();
  return openPacked(Pipeline, file, options);
}

/** How a command holds a model. */
export interface HoldingOptions {
  readonly dtype?: DtypeOption;
  readonly threads?: number;
}

/** `--threads`: as many as share the work. */
export function threadsOption(): Option {
  return new Option("--threads <N>", "threads that share what is large (default: 1)").argParser((text) => {
    const count = Number(text);
    if (/^\d+$/.test(text) && count >= 1 && count <= 64) return count;
    throw new UsageError(`--threads: expected a whole number from 1 to 64, got ${JSON.stringify(text)}`);
  });
}

/** `--dtype`: how weights are held. */
export function dtypeOption(): Option {
  return new Option("--dtype <TYPE>", "how weights are held in memory (default: as the files have them)").choices(
    dtypeOptions,
  );
}
