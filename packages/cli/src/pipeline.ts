import { Option } from "commander";
import { type DtypeOption, dtypeOptions, Pipeline } from "kiloformer";
import { createProgress } from "./progress.ts";
import { note, type Terminal } from "./terminal.ts";

/** Tells what a model's files hold that the runtime does not know, once each. */
export function warnings(terminal: Terminal): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    note(terminal, `warning: ${message}`);
  };
}

/** Opens a model's folder, uses it, and gives its memory back. */
export async function withPipeline(
  directory: string,
  terminal: Terminal,
  use: (pipeline: Pipeline) => Promise<void>,
  { dtype }: { readonly dtype?: DtypeOption } = {},
): Promise<void> {
  const progress = createProgress(terminal);
  const warn = warnings(terminal);
  const onWarning = (message: string) => {
    progress.clear();
    warn(message);
  };
  const options = { dtype, signal: terminal.signal, onWarning, onProgress: progress.update };
  const pipeline = await Pipeline.fromDirectory(directory, options).finally(progress.clear);
  try {
    await use(pipeline);
  } finally {
    await pipeline.dispose();
  }
}

/** `--dtype`: how weights are held. */
export function dtypeOption(): Option {
  return new Option("--dtype <TYPE>", "how weights are held in memory (default: as the files have them)").choices(
    dtypeOptions,
  );
}
