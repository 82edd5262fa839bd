import type { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";

/** What a command reads and writes: the process's own, or a test's. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** Nobody reads standard output any more, as after `| head -1`: a reason to end, not a failure. */
export class BrokenPipeError extends Error {}

const goneCodes: readonly unknown[] = ["EPIPE", "EOF", "ECONNRESET", "ERR_STREAM_DESTROYED"];

/**
 * Writes to standard output and waits until it is taken: a slow reader slows the work down. The turn of the event loop
 * before it lets Ctrl-C in, which a small model's tokens would keep out.
 */
export async function print({ stdout }: Terminal, text: string): Promise<void> {
  await setImmediate();
  return new Promise((resolve, reject) => {
    stdout.write(text, (cause) => {
      if (!cause) return resolve();
      if (goneCodes.includes((cause as NodeJS.ErrnoException).code))
        return reject(new BrokenPipeError("output", { cause }));
      reject(new Error(`standard output: expected to write, got an error: ${cause.message}`, { cause }));
    });
  });
}

/** Writes a line for people to standard error. */
export function note({ stderr }: Terminal, message: string): void {
  stderr.write(`kiloformer: ${oneLine(message)}\n`);
}

/** Failed writes are seen where they are made: without this, the stream's event would end the process. */
export function watchErrors({ stdout, stderr }: Terminal): void {
  for (const stream of [stdout, stderr]) stream.on("error", () => {});
}

/** A message on one line, without characters that steer a terminal. */
export function oneLine(text: string): string {
  return escapeControls(text.trim().replace(/\s*[\r\n]+\s*/g, " "));
}

/** Makes characters visible that would steer a terminal or hide others. */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
