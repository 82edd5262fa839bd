import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { tinyFiles } from "../../models/test/tiny.ts";
import { run } from "../src/run.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Settings {
  /** Standard input: a text, or its chunks as they arrive. */
  readonly stdin?: string | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called with each text that reaches standard output. */
  readonly onOutput?: (text: string) => void;
  /** Standard output fails with this code. */
  readonly outputError?: string;
}

/** Runs a command line in this process, its streams in memory. */
export async function kiloformer(argv: readonly string[], settings: Settings = {}): Promise<Outcome> {
  const { stdin = [], env = {}, signal, onOutput, outputError } = settings;
  let stdout = "";
  let stderr = "";
  const out = new Writable({
    write(chunk, _encoding, done) {
      if (outputError) return done(Object.assign(new Error(`${outputError}: no more`), { code: outputError }));
      stdout += chunk;
      onOutput?.(String(chunk));
      done();
    },
  });
  const error = new Writable({
    write(chunk, _encoding, done) {
      stderr += chunk;
      done();
    },
  });
  const input = stdin instanceof Readable ? stdin : Readable.from(typeof stdin === "string" ? [stdin] : stdin);
  const code = await run(argv, { stdin: input, stdout: out, stderr: error, env, signal });
  return { code, stdout, stderr };
}

/** A folder of its own for a test, with these files; it is gone when the test ends. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), "kiloformer-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** A folder with a small random G2P that knows the letters a to h. */
export function modelFolder(changes?: Parameters<typeof tinyFiles>[0]): string {
  return folderOf(tinyFiles(changes));
}
