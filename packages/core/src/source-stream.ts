import { kindOf } from "./kind.ts";
import { Queue } from "./queue.ts";
import { abortable, checkRead, failShortRead, failSource, guarded, type Source } from "./source-base.ts";

const nothing = new Uint8Array(0);
/** Bytes that a stream is asked for at once where it fills buffers of ours. */
const BUFFER_BYTES = 2 ** 20;

/**
 * A stream, read forward only and never as a whole: what was not consumed yet of one chunk is all it keeps.
 *
 * Without `size`, a response's Content-Length is taken; without that, the size is `Infinity` until a header tells it.
 * A stream that ends before or goes on behind its size is an error.
 * @throws {SourceError} `http-status` for a response other than 200; `stream-locked` when something else reads the stream
 */
export function streamSource(name: string, stream: ReadableStream<Uint8Array> | Response, size?: number): Source {
  const body = "getReader" in stream ? stream : bodyOf(name, stream);
  if (body?.locked) failSource("stream-locked", name, "a stream that nothing else reads", "one that is being read");
  const declared = size ?? ("getReader" in stream ? undefined : contentLength(stream));
  return new StreamSource(name, body, declared ?? Number.POSITIVE_INFINITY);
}

function bodyOf(name: string, response: Response): ReadableStream<Uint8Array> | null {
  if (response.status !== 200) {
    failSource("http-status", name, "a response with status 200", `${response.status}`, { status: response.status });
  }
  if (response.bodyUsed) failSource("stream-locked", name, "a response whose body is unread", "one that was read");
  return response.body;
}

/** The length of the body as it arrives here: that of a compressed one is not known. */
function contentLength({ headers }: Response): number | undefined {
  const length = headers.get("content-length") ?? "";
  const encoding = headers.get("content-encoding") ?? "identity";
  return /^\d+$/.test(length) && encoding === "identity" ? Number(length) : undefined;
}

class StreamSource implements Source {
  readonly name: string;
  readonly sequential = true;
  size: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** In place of it where the stream fills a buffer of ours: one for all, as chunks would be garbage that engines leave lying about. */
  readonly #filler: ReadableStreamBYOBReader | undefined;
  #buffer = new ArrayBuffer(0);
  /** A read of the stream under way; an abort leaves it to the next one. */
  #pending: Promise<ReadableStreamReadResult<Uint8Array>> | undefined;
  #chunk: Uint8Array = nothing;
  #position = 0;
  #ended = false;
  /** Reads that overlap in time follow each other. */
  readonly #queue = new Queue();

  constructor(name: string, body: ReadableStream<Uint8Array> | null, size: number) {
    this.name = name;
    this.size = size;
    this.#filler = fillerOf(body);
    if (!this.#filler) this.#reader = body?.getReader();
  }

  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#queue.run(async () => {
      await this.#moveTo(offset, length, signal);
      // One chunk often holds all of a small read.
      if (length > 0) await this.#next(signal);
      if (this.#chunk.length >= length) {
        const bytes = this.#keep(this.#take(length));
        await this.#checkEnd(signal);
        return bytes;
      }
      const bytes = new Uint8Array(length);
      await this.#fill(offset, bytes, signal);
      return bytes;
    });
  }

  readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      await this.#moveTo(offset, target.length, signal);
      await this.#fill(offset, target, signal);
    });
  }

  expectSize(size: number, signal?: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      if (this.size !== Number.POSITIVE_INFINITY && this.size !== size) this.#failSize(`${this.size} bytes`, size);
      if (this.#position > size) this.#failSize(`${this.#position} bytes or more`, size);
      this.size = size;
      await this.#checkEnd(signal);
    });
  }

  readToEnd(maxBytes: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#queue.run(async () => {
      await this.#moveTo(0, 0, signal);
      const chunks: Uint8Array[] = [];
      while (await this.#next(signal)) {
        if (this.#position + this.#chunk.length > maxBytes) return undefined;
        chunks.push(this.#keep(this.#take(this.#chunk.length)));
      }
      const bytes = new Uint8Array(this.#position);
      let begin = 0;
      for (const chunk of chunks) {
        bytes.set(chunk, begin);
        begin += chunk.length;
      }
      return bytes;
    });
  }

  async close(): Promise<void> {
    this.#chunk = nothing;
    await (this.#filler ?? this.#reader)?.cancel().catch(() => {});
  }

  /** Passes over the bytes before `offset`. */
  async #moveTo(offset: number, length: number, signal?: AbortSignal): Promise<void> {
    checkRead(this, offset, length, signal);
    if (offset < this.#position) {
      const fields = { offset, position: this.#position };
      failSource("read-backwards", this.name, `a read from byte ${this.#position} on`, `one at byte ${offset}`, fields);
    }
    while (this.#position < offset) {
      if (!(await this.#next(signal))) failShortRead(this.name, offset, length, 0);
      this.#take(Math.min(this.#chunk.length, offset - this.#position));
    }
  }

  async #fill(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    let filled = 0;
    while (filled < target.length) {
      if (!(await this.#next(signal))) failShortRead(this.name, offset, target.length, filled);
      const part = this.#take(Math.min(this.#chunk.length, target.length - filled));
      target.set(part, filled);
      filled += part.length;
    }
    await this.#checkEnd(signal);
  }

  /** Consumes bytes of the chunk. */
  #take(length: number): Uint8Array {
    const part = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.length === length ? nothing : this.#chunk.subarray(length);
    this.#position += length;
    return part;
  }

  /** Bytes for somebody else: the stream will fill our buffer again. */
  #keep(bytes: Uint8Array): Uint8Array {
    return this.#filler ? bytes.slice() : bytes;
  }

  /** Once the last byte is read, there must be nothing behind it. */
  async #checkEnd(signal?: AbortSignal): Promise<void> {
    if (this.#position === this.size && (await this.#next(signal))) this.#failSize("more", this.size);
  }

  #failSize(actual: string, size: number): never {
    return failSource("wrong-length", this.name, `a stream of ${size} bytes`, actual, { expected: size });
  }

  /** Whether there are bytes: those of the chunk, or of the next that is not empty. */
  async #next(signal?: AbortSignal): Promise<boolean> {
    while (this.#chunk.length === 0 && !this.#ended) {
      this.#pending ??= this.#readChunk();
      const result = await guarded(this.name, signal, () => abortable(this.#pending!, signal));
      this.#pending = undefined;
      this.#ended = result.done;
      if (result.done) break;
      if (kindOf(result.value) !== "Uint8Array")
        failSource("read-failed", this.name, "chunks of bytes", typeof result.value);
      this.#chunk = result.value;
      if (this.#filler) this.#buffer = result.value.buffer as ArrayBuffer;
    }
    return this.#chunk.length > 0;
  }

  #readChunk(): Promise<ReadableStreamReadResult<Uint8Array>> {
    if (!this.#filler) return this.#reader?.read() ?? Promise.resolve({ done: true, value: undefined });
    // A buffer goes to the stream, and comes back as another one over the same memory.
    const buffer = this.#buffer.byteLength === 0 ? new ArrayBuffer(BUFFER_BYTES) : this.#buffer;
    this.#buffer = new ArrayBuffer(0);
    return this.#filler.read(new Uint8Array(buffer));
  }
}

/** A reader that has the stream fill our buffers; undefined where the stream brings chunks of its own. */
function fillerOf(body: ReadableStream<Uint8Array> | null): ReadableStreamBYOBReader | undefined {
  try {
    return body?.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}
