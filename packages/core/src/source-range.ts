import { kindOf } from "./kind.ts";
import { abortable, checkRead, failShortRead, failSource, guarded, type Source } from "./source-base.ts";

/** Gives bytes `begin` to `end - 1` of the file. */
export type ReadRange = (
  begin: number,
  end: number,
  signal?: AbortSignal,
) => Promise<Response | Uint8Array | ArrayBuffer>;

/** Options of `rangeSource`. */
export interface RangeOptions {
  /** The size of the file. Without it, the first response must tell, and it is `Infinity` until then. */
  readonly size?: number;
  /** Sent with every request, beside Range. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A file on a server, read by HTTP range requests, or by a function that does them.
 *
 * Every response must be the range that was asked for, of a file of the same size and ETag as before: a whole body, another
 * range, a body too short or too long is an error, never spliced or cut.
 */
export function rangeSource(name: string, from: string | URL | ReadRange, options: RangeOptions = {}): Source {
  const { size = Number.POSITIVE_INFINITY, headers = {} } = options;
  const request: ReadRange = (begin, end, signal) => {
    return fetch(from as string | URL, { headers: { ...headers, range: `bytes=${begin}-${end - 1}` }, signal });
  };
  return new RangeSource(name, typeof from === "function" ? from : request, size);
}

class RangeSource implements Source {
  readonly remote = true;
  readonly name: string;
  size: number;
  readonly #request: ReadRange;
  readonly #sizeIsGiven: boolean;
  #etag: string | undefined;

  constructor(name: string, request: ReadRange, size: number) {
    this.name = name;
    this.#request = request;
    this.size = size;
    this.#sizeIsGiven = size !== Number.POSITIVE_INFINITY;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    checkRead(this, offset, length, signal);
    const bytes = new Uint8Array(length);
    await this.readInto(offset, bytes, signal);
    return bytes;
  }

  async readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkRead(this, offset, target.length, signal);
    if (target.length === 0) return;
    await guarded(this.name, signal, async () => {
      const answer = await abortable(this.#request(offset, offset + target.length, signal), signal);
      const kind = kindOf(answer);
      if (kind === "Uint8Array") this.#setAll(target, answer as Uint8Array, offset);
      else if (kind === "ArrayBuffer") this.#setAll(target, new Uint8Array(answer as ArrayBuffer), offset);
      else await this.#fromResponse(target, answer as Response, offset, signal);
    });
  }

  async readToEnd(maxBytes: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    // The first response tells the size.
    await this.read(0, 1, signal);
    return this.size > maxBytes ? undefined : this.read(0, this.size, signal);
  }

  #setAll(target: Uint8Array, bytes: Uint8Array, offset: number): void {
    if (!this.#sizeIsGiven) failSource("unknown-size", this.name, "the option size, as bytes do not tell it", "none");
    if (bytes.length < target.length) failShortRead(this.name, offset, target.length, bytes.length);
    if (bytes.length > target.length) this.#failLong(offset, target.length);
    target.set(bytes);
  }

  async #fromResponse(target: Uint8Array, response: Response, offset: number, signal?: AbortSignal): Promise<void> {
    try {
      this.#checkResponse(response, offset, target.length);
    } catch (error) {
      // A whole body that nobody asked for must not go on arriving.
      response.body?.cancel().catch(() => {});
      throw error;
    }
    await this.#fill(target, response, offset, signal);
  }

  #checkResponse(response: Response, offset: number, length: number): void {
    const { status } = response;
    const asked = `bytes ${offset}-${offset + length - 1}`;
    if (status === 200) {
      failSource("range-ignored", this.name, `${asked} (status 206)`, "the whole file (status 200)", { status });
    }
    if (status !== 206) failSource("http-status", this.name, `${asked} (status 206)`, `status ${status}`, { status });
    this.#checkRange(response, offset, length, asked);
    this.#checkEtag(response);
  }

  #checkRange({ headers, type }: Response, offset: number, length: number, asked: string): void {
    const range = headers.get("content-range");
    // A browser hides the header of another site that does not expose it; then the body's length has to do.
    if (range === null && type === "cors" && this.#sizeIsGiven) return;
    const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range ?? "");
    const [begin, end, total] = (match ?? []).slice(1).map(Number);
    if (total >= 0) this.#checkTotal(total);
    const known = this.size !== Number.POSITIVE_INFINITY;
    if (known && begin === offset && end === offset + length - 1) return;
    if (offset + length > this.size) failShortRead(this.name, offset, length, this.size - offset);
    failSource("wrong-range", this.name, `the range ${asked}`, range ?? "no Content-Range", { offset, length });
  }

  #checkTotal(total: number): void {
    if (total === this.size) return;
    if (this.size !== Number.POSITIVE_INFINITY) this.#failChanged("size", `${this.size} bytes`, `${total}`);
    this.size = total;
  }

  #checkEtag({ headers }: Response): void {
    const etag = headers.get("etag") ?? undefined;
    if (this.#etag !== undefined && etag !== undefined && etag !== this.#etag)
      this.#failChanged("ETag", this.#etag, etag);
    this.#etag ??= etag;
  }

  #failChanged(what: string, before: string, now: string): never {
    return failSource("file-changed", this.name, `the same ${what} as before, ${before}`, now);
  }

  #failLong(offset: number, length: number): never {
    return failSource("wrong-length", this.name, `${length} bytes at byte ${offset}`, "more", { offset, length });
  }

  /** Moves the body as it arrives, and never more of it than was asked for. */
  async #fill(target: Uint8Array, { body }: Response, offset: number, signal?: AbortSignal): Promise<void> {
    const reader = body?.getReader();
    let filled = 0;
    try {
      while (reader) {
        const { done, value } = await abortable(reader.read(), signal);
        if (done) break;
        if (filled + value.length > target.length) this.#failLong(offset, target.length);
        target.set(value, filled);
        filled += value.length;
      }
    } catch (error) {
      // Not awaited: a body that hangs may also hang here.
      reader?.cancel().catch(() => {});
      throw error;
    }
    if (filled < target.length) failShortRead(this.name, offset, target.length, filled);
  }
}
