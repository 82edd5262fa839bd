import { type ErrorFields, KiloformerError, reasonOf, SourceError } from "./errors.ts";
import { kindOf } from "./kind.ts";

/**
 * Where a file's bytes come from: `read(offset, length)` gives exactly that many, or rejects.
 *
 * A signal that is aborted, before or during a read, rejects with its reason. Everything else rejects with a `SourceError`.
 */
export interface Source {
  readonly name: string;
  /** Bytes in the file; `Infinity` while they are not known. */
  readonly size: number;
  /** Set when bytes can only be read forward: an offset below the last one read is an error. */
  readonly sequential?: boolean;
  /** Set when each read takes a round trip: few large ones are faster. */
  readonly remote?: boolean;
  /** Reads into an array of its own, or gives a view where that costs nothing; the caller must not write to it. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Reads straight into `target`, which must stay attached meanwhile. */
  readInto?(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Tells a source of unknown size where the file must end; it checks that it does. */
  expectSize?(size: number, signal?: AbortSignal): Promise<void>;
  /** Reads a source of unknown size to its end; `undefined` if that is beyond `maxBytes`. */
  readToEnd?(maxBytes: number, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  close?(): Promise<void>;
}

/** Throws a `SourceError`: `name: expected X, got Y`. */
export function failSource(
  code: string,
  name: string,
  expected: string,
  actual: string,
  fields: ErrorFields = {},
): never {
  const message = `${name}: expected ${expected}, got ${actual}`;
  throw new SourceError(code, message, { file: name, expected, actual, ...fields });
}

export function failShortRead(name: string, offset: number, length: number, actual: number): never {
  const fields = { offset, expected: length, actual };
  return failSource("short-read", name, `${length} bytes at byte ${offset}`, `${actual}`, fields);
}

/** Checks a read before anything is allocated for it. */
export function checkRead(source: Source, offset: number, length: number, signal?: AbortSignal): void {
  signal?.throwIfAborted();
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (!whole || offset < 0 || length < 0) {
    failSource("bad-range", source.name, "a read of whole numbers from 0 on", `${length} bytes at byte ${offset}`);
  }
  if (offset + length > source.size) {
    failShortRead(source.name, offset, length, Math.max(0, source.size - offset));
  }
}

/** Runs a read of the platform: what it throws becomes the cause of a `SourceError`, and an abort wins over it. */
export async function guarded<T>(name: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof KiloformerError) throw error;
    const actual = reasonOf(error);
    const message = `${name}: expected its bytes, got an error: ${actual}`;
    throw new SourceError("read-failed", message, { file: name, actual }, { cause: error });
  }
}

/**
 * The promise's outcome, or the signal's reason as soon as it is aborted. What the promise stands for may go on, so it must
 * not be something that writes to memory of the caller.
 * @param late given an outcome that comes after the abort, which nobody else will see
 */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  late?: (value: T) => void,
): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    const settle = (value: T) => (signal.aborted ? late?.(value) : resolve(value));
    promise.then(settle, reject).finally(() => {
      signal.removeEventListener("abort", abort);
      // Browsers settle promises between a timeout's listeners: an outcome may come before its event.
      abort();
    });
  });
}

/** Reads from a source that may be anyone's: it must give as many bytes as were asked for. */
export async function readExactly(
  source: Source,
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = await source.read(offset, length, signal);
  const isBytes = kindOf(bytes) === "Uint8Array";
  if (isBytes && bytes.length === length) return bytes;
  return failShortRead(source.name, offset, length, isBytes ? bytes.length : 0);
}

/** Bytes in memory. `read` gives views. */
export function bytesSource(name: string, bytes: ArrayBufferView | ArrayBufferLike): Source {
  const all = viewOf(name, bytes);
  const size = all.length;
  const view = (offset: number, length: number, signal?: AbortSignal) => {
    checkRead(source, offset, length, signal);
    // A buffer that was transferred away meanwhile has no bytes left.
    if (all.length !== size) failShortRead(name, offset, length, all.length);
    return all.subarray(offset, offset + length);
  };
  const source: Source = {
    name,
    size,
    read: async (offset, length, signal) => view(offset, length, signal),
    readInto: async (offset, target, signal) => target.set(view(offset, target.length, signal)),
  };
  return source;
}

function viewOf(name: string, bytes: ArrayBufferView | ArrayBufferLike): Uint8Array {
  try {
    if (!ArrayBuffer.isView(bytes)) return new Uint8Array(bytes);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch {
    return failSource("detached", name, "its bytes", "a buffer that was transferred away");
  }
}

/** A `Blob` or `File`. Only what is read is brought into memory. */
export function blobSource(name: string, blob: Blob): Source {
  const source: Source = {
    name,
    size: blob.size,
    async read(offset, length, signal) {
      checkRead(source, offset, length, signal);
      const part = () => abortable(blob.slice(offset, offset + length).arrayBuffer(), signal);
      const bytes = await guarded(name, signal, part);
      return bytes.byteLength === length
        ? new Uint8Array(bytes)
        : failShortRead(name, offset, length, bytes.byteLength);
    },
  };
  return source;
}

/** Options of `readAll`. */
export interface ReadAllOptions {
  /** The most to read. */
  readonly maxBytes: number;
  /** Makes the error for a file that is larger, so that its class is the caller's. Default: a `SourceError` `too-large`. */
  readonly error?: (actual: number | string) => Error;
  readonly signal?: AbortSignal;
}

/**
 * Reads a whole file that is small: a config, a tokenizer, an index.
 * @throws {SourceError} `too-large`, or `options.error`, before anything is allocated; otherwise as the source throws it
 */
export async function readAll(source: Source, options: ReadAllOptions): Promise<Uint8Array> {
  const { maxBytes, signal } = options;
  const refuse = (actual: number | string): never => {
    if (options.error) throw options.error(actual);
    return failSource("too-large", source.name, `at most ${maxBytes} bytes`, `${actual}`);
  };
  if (source.size === Number.POSITIVE_INFINITY) {
    if (!source.readToEnd)
      return failSource("unknown-size", source.name, "a source that knows its size", "one that does not");
    return (await source.readToEnd(maxBytes, signal)) ?? refuse("more");
  }
  if (!(source.size <= maxBytes)) refuse(source.size);
  return fixedBytes(await readExactly(source, 0, source.size, signal));
}

/** The bytes, or a copy: decoders of text refuse buffers that are shared or may change their length. */
export function fixedBytes(bytes: Uint8Array): Uint8Array {
  const { buffer } = bytes as { readonly buffer: ArrayBufferLike & { readonly resizable?: boolean } };
  return buffer instanceof ArrayBuffer && !buffer.resizable ? bytes : bytes.slice();
}
