import { addAbortSignal, type Readable } from "node:stream";

/** Texts that are worked on together: enough that the model's batches are full, few enough that output keeps coming. */
const BATCH_LINES = 1000;
const BATCH_CHARACTERS = 8000;

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
  // A line that is not complete yet, in the pieces it came in: joined once, a long one costs no more than its length.
  let open: string[] = [];
  for await (const chunk of textChunks(stream, signal)) {
    const [first, ...rest] = chunk.split("\n");
    open.push(first);
    if (rest.length === 0) continue;
    const complete = [open.join(""), ...rest.slice(0, -1)];
    open = rest.slice(-1);
    yield* batches(complete.map(withoutReturn));
  }
  const last = open.join("");
  if (last !== "") yield [withoutReturn(last)];
}

/** A stream's whole text, without the line break that ends it. */
export async function readAll(stream: Readable, signal?: AbortSignal): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of textChunks(stream, signal)) chunks.push(chunk);
  return chunks.join("").replace(/\r?\n$/, "");
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
