import { inspect } from "node:util";
import { CommanderError } from "commander";
import { KiloformerError } from "kiloformer";
import { BrokenPipeError, note, oneLine, type Terminal } from "./terminal.ts";

/** The command line asks for something that it cannot have. Without a hint of its own, the command's help is one; "" is none. */
export class UsageError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UsageError";
    this.hint = hint;
  }
}

const modelFolder = "a model's folder holds config.json, model.safetensors and the tokenizer's files";
const whatIsThere = "kiloformer inspect lists what is there";
const whole = "was it cut or changed on its way? then fetch it again";

/** What to do next, by error code. */
const hintsByCode: Readonly<Record<string, string>> = {
  "not-found": modelFolder,
  "not-a-directory": modelFolder,
  "missing-file": modelFolder,
  "no-weights": modelFolder,
  "no-tokenizer": modelFolder,
  "several-weights": "kiloformer inspect takes one such file, too",
  "unsupported-model": whatIsThere,
  missing: whatIsThere,
  misshaped: whatIsThere,
  "not-g2p": "kiloformer generate runs language models",
  "over-limit": "kiloformer inspect says what a model takes in memory",
  "prompt-too-long": "on the command line: --truncate",
  // Our own kernels compile: it is a packed file's.
  "kernels-refused": whole,
  "missing-expected": "the folders that verify takes have both expected files",
};

/** The same for all other codes, by error class; where there is none, the command's help. */
const hintsByClass: Readonly<Record<string, string>> = {
  SafetensorsError: whole,
  SourceError: "is it there, whole, and may you read it?",
  ConfigError: "the README lists the models that open, with the files as they were published",
  WeightError: whatIsThere,
  MemoryError: "kiloformer quantize makes a model smaller",
  RuntimeError: "Node 20.19 or later has what the kernels need",
  PackedError: "kiloformer pack writes such a file",
  TokenizerError: "docs/tokenizers.md lists the files that open, as they were published",
  NonFiniteError: "are the weights those that were published?",
};

/** The error of a bad command line, in the words of this project. */
export function usageError(error: CommanderError, command: string): Error {
  if (error.exitCode === 0) return error;
  const [, message, suggestion] = /^(?:error: )?(.*?)\s*(?:\(Did you mean (.*)\?\))?$/s.exec(error.message)!;
  const hint = suggestion ? `did you mean ${suggestion}?` : `see ${command} --help`;
  return new UsageError(message.replace(/\.$/, ""), hint);
}

/** Says on one line what went wrong, and what to do next; gives the exit code. */
export function report(error: unknown, terminal: Terminal, command: string, verbose: boolean): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof BrokenPipeError) return 0;
  if (terminal.signal?.aborted) return 130;
  const message = oneLine(error instanceof Error ? error.message || error.name : String(error));
  const hint = hintFor(error, command);
  note(terminal, hint ? `${message} (${hint})` : message);
  if (verbose) terminal.stderr.write(`${inspect(error)}\n`);
  return 1;
}

function hintFor(error: unknown, command: string): string | undefined {
  if (error instanceof UsageError) return error.hint ?? `see ${command} --help`;
  if (error instanceof Error && "syscall" in error) return "is it there, and may you read and write it?";
  if (!(error instanceof KiloformerError)) return "--verbose shows where";
  if (Object.hasOwn(hintsByCode, error.code)) return hintsByCode[error.code];
  // Their format is in the help of verify: they are no part of a model.
  if (error.name === "ConfigError" && /(^|\/)expected\.\w+: /.test(error.message)) return `see ${command} --help`;
  return hintsByClass[error.name] ?? `see ${command} --help`;
}
