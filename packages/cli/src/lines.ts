import { addAbortSignal, type Readable } from "node:stream";
import { UsageError } from "./errors.ts";

/** Texts that are worked on together: enough that the model's batches are full, few enough that output keeps coming. */
const BATCH_LINES = 1000;
const BATCH_CHARACTERS = 8000;
/** The longest line or prompt: input without an end is an error before it fills the memory. */
const MOST_CHARACTERS = 64 * 2 ** 20;

/** Texts in order, cut into batches. */
export function* batches(texts: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let characters = 0;
  for (const text of texts) {
    batch.push(text);
    characters += text.length;
    if (batch.length < BATCH_LINES && characters < BATCH_CHARACTERS) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}

/** The lines of a stream in batches: whatever has arrived at once, so that one typed line is answered at once. */
export async function* lineBatches(stream: Readable, signal?: AbortSignal): AsyncGenerator<string[]> {
  let open = new Pieces("lines");
  for await (const chunk of textChunks(stream, signal)) {
    const [first, ...rest] = chunk.split("\n");
    open.push(first);
    const next = rest.pop();
    if (next === undefined) continue;
    const complete = [open.join(), ...rest];
    open = new Pieces("lines");
    open.push(next);
    yield* batches(complete.map(withoutReturn));
  }
  const last = open.join();
  if (last !== "") yield [withoutReturn(last)];
}

/** A stream's whole text, without the line break that ends it. */
export async function readAll(stream: Readable, signal?: AbortSignal): Promise<string> {
  const text = new Pieces("a text");
  for await (const chunk of textChunks(stream, signal)) text.push(chunk);
  return text.join().replace(/\r?\n$/, "");
}

/** A text in the pieces it comes in: joined once, a long one costs no more than its length. */
class Pieces {
  private readonly what: string;
  private readonly pieces: string[] = [];
  private length = 0;

  constructor(what: string) {
    this.what = what;
  }

  push(piece: string): void {
    this.length += piece.length;
    if (this.length > MOST_CHARACTERS) {
      throw new UsageError(`standard input: expected ${this.what} of at most ${MOST_CHARACTERS} characters, got more`);
    }
    this.pieces.push(piece);
  }

  join(): string {
    return this.pieces.join("");
  }
}

/** UTF-8 without a byte-order mark; a character cut by a chunk's end comes whole. */
async function* textChunks(stream: Readable, signal: AbortSignal | undefined): AsyncGenerator<string> {
  if (signal) addAbortSignal(signal, stream);
  const decoder = new TextDecoder();
  for await (const chunk of stream) yield typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
