import { getEventListeners } from "node:events";
import { mkdtemp, open, rename, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, OptionError, SourceError } from "../src/errors.ts";
import { fileSource } from "../src/platform/file-source-node.ts";
import { readHeader, writeSafetensors } from "../src/safetensors.ts";
import { blobSource, bytesSource, rangeSource, readAll, type Source, streamSource, toSource } from "../src/source.ts";
import { expectRefusal, expectRejection } from "./support/refusal.ts";

const ten = Uint8Array.from({ length: 10 }, (_, index) => index);

function rejects(promise: Promise<unknown>, code: string, message: string): Promise<unknown> {
  return expectRejection(promise, SourceError, code, message);
}

/** A stream of these chunks; `pulls` counts how many were taken. */
function chunked(...chunks: unknown[]): ReadableStream<Uint8Array> & { pulls: number; cancelled: boolean } {
  let next = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (next === chunks.length) return controller.close();
        state.pulls++;
        controller.enqueue(chunks[next++] as Uint8Array);
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const state = Object.assign(stream, { pulls: 0, cancelled: false });
  return state;
}

/** A stream that fills its reader's buffers, as those of responses do; `found` is what lay second in each, and its size. */
function filling(...chunks: Uint8Array[]): ReadableStream<Uint8Array> & { found: number[][] } {
  const found: number[][] = [];
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const { view } = controller.byobRequest!;
      const chunk = chunks.shift();
      found.push([new Uint8Array(view!.buffer, view!.byteOffset)[1], view!.byteLength]);
      if (chunk) new Uint8Array(view!.buffer, view!.byteOffset).set(chunk);
      else controller.close();
      controller.byobRequest!.respond(chunk?.length ?? 0);
    },
  });
  return Object.assign(stream as ReadableStream<Uint8Array>, { found });
}

const never = <T>() => new Promise<T>(() => {});

describe("every source", () => {
  let folder: string;
  let path: string;
  const opened: Source[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "source-"));
    path = join(folder, "f");
    await writeFile(path, ten);
  });
  afterAll(async () => {
    for (const source of opened) await source.close?.();
    await rm(folder, { recursive: true });
  });

  const kinds: [string, () => Source | Promise<Source>][] = [
    ["bytesSource", () => bytesSource("f", ten)],
    ["blobSource", () => blobSource("f", new Blob([ten]))],
    ["rangeSource", () => rangeSource("f", async (begin, end) => ten.slice(begin, end), { size: 10 })],
    ["streamSource", () => streamSource("f", chunked(ten.slice(0, 3), new Uint8Array(0), ten.slice(3)), 10)],
    ["streamSource that fills", () => streamSource("f", filling(ten.slice(0, 3), ten.slice(3)), 10)],
    ["fileSource", () => fileSource(path, "f")],
  ];

  test.each(kinds)("%s reads parts, in full or into a target", async (_name, make) => {
    const source = await make();
    opened.push(source);
    expect(source).toMatchObject({ name: "f", size: 10 });
    expect([...(await source.read(0, 2))]).toEqual([0, 1]);
    expect([...(await source.read(2, 0))]).toEqual([]);
    expect([...(await source.read(2, 3))]).toEqual([2, 3, 4]);
    const target = new Uint8Array(4);
    if (source.readInto) await source.readInto(6, target.subarray(1));
    else target.set(await source.read(6, 3), 1);
    expect([...target]).toEqual([0, 6, 7, 8]);
    if (source.readInto) await source.readInto(9, new Uint8Array(0));
    expect([...(await source.read(9, 1))]).toEqual([9]);
    expect([...(await source.read(10, 0))]).toEqual([]);
  });

  test.each(kinds)("%s rejects reads beyond its end and ranges that are none", async (_name, make) => {
    const source = await make();
    opened.push(source);
    await rejects(source.read(8, 3), "short-read", "f: expected 3 bytes at byte 8, got 2");
    await rejects(source.read(11, 1), "short-read", "f: expected 1 bytes at byte 11, got 0");
    const error = (await source.read(0, 2 ** 50).catch((thrown) => thrown)) as SourceError;
    expect(error.fields).toEqual({ file: "f", offset: 0, expected: 2 ** 50, actual: 10 });
    for (const [offset, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
      [Number.POSITIVE_INFINITY, 1],
    ]) {
      const message = `f: expected a read of whole numbers from 0 on, got ${length} bytes at byte ${offset}`;
      await rejects(source.read(offset, length), "bad-range", message);
    }
  });

  test.each(kinds)("%s rejects with the reason of a signal that is already aborted", async (_name, make) => {
    const source = await make();
    opened.push(source);
    const reason = new Error("stop");
    await expect(source.read(0, 1, AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(
      source.readInto?.(0, new Uint8Array(1), AbortSignal.abort(reason)) ?? Promise.reject(reason),
    ).rejects.toBe(reason);
    const { signal } = new AbortController();
    expect([...(await source.read(0, 1, signal))]).toEqual([0]);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});

describe("bytesSource", () => {
  test("gives views of any part of any buffer, without copies", async () => {
    const buffer = new Float32Array([1, 2, 3]);
    const source = bytesSource("f", buffer.subarray(1));
    expect(source.size).toBe(8);
    const view = await source.read(4, 4);
    expect(view.buffer).toBe(buffer.buffer);
    expect(view.byteOffset).toBe(8);
    expect(bytesSource("f", new SharedArrayBuffer(5)).size).toBe(5);
  });

  test("is copied for texts where it is shared or may change its length, and refused where it is gone", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(10));
    const buffer = new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(10, { maxByteLength: 20 });
    for (const bytes of [shared, new Uint8Array(buffer)]) {
      bytes.set(ten);
      const all = await readAll(toSource("a", bytes), { maxBytes: 10 });
      expect(all).toEqual(ten);
      expect(all.buffer).not.toBe(bytes.buffer);
      expect(new TextDecoder().decode(all)).toHaveLength(10);
    }
    structuredClone(buffer, { transfer: [buffer] });
    for (const gone of [buffer, new DataView(new ArrayBuffer(1))]) {
      if (gone instanceof DataView) structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] });
      const message = "a: expected its bytes, got a buffer that was transferred away";
      expectRefusal(() => toSource("a", gone), SourceError, "detached", message);
    }
  });

  test("rejects once its buffer is transferred away", async () => {
    const buffer = new ArrayBuffer(8);
    const source = bytesSource("f", buffer);
    structuredClone(buffer, { transfer: [buffer] });
    await rejects(source.read(0, 4), "short-read", "f: expected 4 bytes at byte 0, got 0");
  });
});

describe("blobSource", () => {
  const fake = (arrayBuffer: () => Promise<ArrayBuffer>) =>
    ({ size: 10, slice: () => ({ arrayBuffer }) }) as unknown as Blob;

  test("rejects when the file behind it gives fewer bytes, or none any more", async () => {
    const short = blobSource(
      "f",
      fake(async () => new ArrayBuffer(3)),
    );
    await rejects(short.read(0, 4), "short-read", "f: expected 4 bytes at byte 0, got 3");
    const cause = new Error("NotReadableError");
    const gone = blobSource(
      "f",
      fake(() => Promise.reject(cause)),
    );
    const error = await rejects(
      gone.read(0, 4),
      "read-failed",
      "f: expected its bytes, got an error: NotReadableError",
    );
    expect((error as Error).cause).toBe(cause);
    const odd = blobSource(
      "f",
      fake(() => Promise.reject("odd")),
    );
    await rejects(odd.read(0, 4), "read-failed", "f: expected its bytes, got an error: odd");
  });

  test("rejects with the reason when it is aborted during a read", async () => {
    const controller = new AbortController();
    const read = blobSource("f", fake(never)).read(0, 4, controller.signal);
    controller.abort("stop");
    await expect(read).rejects.toBe("stop");
  });
});

describe("streamSource", () => {
  test("takes no more chunks than it needs, and passes over what lies between two reads", async () => {
    const stream = chunked(ten.slice(0, 4), ten.slice(4, 6), ten.slice(6));
    const source = streamSource("f", stream, 10);
    expect(source.sequential).toBe(true);
    await source.read(0, 0);
    expect(stream.pulls).toBe(0);
    const first = await source.read(1, 2);
    expect([...first]).toEqual([1, 2]);
    expect(first.buffer.byteLength).toBe(4);
    expect(stream.pulls).toBe(1);
    expect([...(await source.read(3, 3))]).toEqual([3, 4, 5]);
    expect(stream.pulls).toBe(2);
    expect([...(await source.read(9, 1))]).toEqual([9]);
    const short = chunked(ten.slice(0, 2), ten.slice(2, 3), ten.slice(3, 5), ten.slice(5));
    expect([...(await streamSource("f", short, 10).read(4, 3))]).toEqual([4, 5, 6]);
  });

  test("has a stream that can fill one buffer, again and again, and nobody notices", async () => {
    const stream = filling(ten.slice(0, 4), ten.slice(4, 6), ten.slice(6));
    const source = streamSource("f", stream, 10);
    const first = await source.read(0, 3);
    const target = new Uint8Array(5);
    await source.readInto!(3, target);
    const last = await source.read(8, 2);
    expect([...first, ...target, ...last]).toEqual([...ten]);
    // One memory: what the chunk before left is found. The last request finds the end.
    expect(stream.found).toEqual([0, 1, 5, 7].map((second) => [second, 2 ** 20]));
    const whole = await streamSource("f", filling(ten.slice(0, 4), ten.slice(4, 6), ten.slice(6)), 10).readToEnd!(10);
    expect([...whole!]).toEqual([...ten]);
    await rejects(
      streamSource("f", filling(ten, ten.slice(0, 1)), 10).read(0, 10),
      "wrong-length",
      "f: expected a stream of 10 bytes, got more",
    );
    await rejects(
      streamSource("f", filling(ten.slice(0, 4)), 10).read(0, 10),
      "short-read",
      "f: expected 10 bytes at byte 0, got 4",
    );
  });

  test("rejects a read backwards", async () => {
    const source = streamSource("f", chunked(ten), 10);
    await source.read(0, 5);
    await rejects(source.read(4, 1), "read-backwards", "f: expected a read from byte 5 on, got one at byte 4");
    expect([...(await source.read(5, 1))]).toEqual([5]);
    await rejects(source.readToEnd!(10), "read-backwards", "f: expected a read from byte 6 on, got one at byte 0");
  });

  test("rejects when it ends early", async () => {
    const source = streamSource("f", chunked(ten), 20);
    await rejects(source.read(5, 10), "short-read", "f: expected 10 bytes at byte 5, got 5");
    const empty = streamSource("f", chunked(), 20);
    await rejects(empty.read(5, 10), "short-read", "f: expected 10 bytes at byte 5, got 0");
    await rejects(empty.read(0, 1), "short-read", "f: expected 1 bytes at byte 0, got 0");
  });

  test("rejects when it goes on behind its size", async () => {
    const message = "f: expected a stream of 10 bytes, got more";
    await rejects(streamSource("f", chunked(ten, new Uint8Array(1)), 10).read(9, 1), "wrong-length", message);
    const within = streamSource("f", chunked(new Uint8Array(11)), 10);
    await rejects(within.readInto?.(0, new Uint8Array(10)) ?? never(), "wrong-length", message);
  });

  test("learns its size later, and checks it then", async () => {
    const source = streamSource("f", chunked(ten));
    expect(source.size).toBe(Number.POSITIVE_INFINITY);
    await source.read(0, 4);
    await rejects(
      source.expectSize?.(3) ?? never(),
      "wrong-length",
      "f: expected a stream of 3 bytes, got 4 bytes or more",
    );
    await source.expectSize?.(10);
    expect(source.size).toBe(10);
    await rejects(source.expectSize?.(11) ?? never(), "wrong-length", "f: expected a stream of 11 bytes, got 10 bytes");
    const longer = streamSource("f", chunked(ten));
    await longer.read(0, 4);
    await rejects(longer.expectSize?.(4) ?? never(), "wrong-length", "f: expected a stream of 4 bytes, got more");
  });

  // Browsers settle promises between the listeners of a timeout: bytes may come before the event does.
  test.each([false, true])(
    "an abort leaves what was on its way to the next read (before its event: %s)",
    async (isEarly) => {
      let send: (chunk: Uint8Array) => void = () => {};
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          send = (chunk) => controller.enqueue(chunk);
        },
      });
      const source = streamSource("f", stream, 10);
      const controller = new AbortController();
      if (isEarly) controller.signal.addEventListener("abort", (event) => event.stopImmediatePropagation());
      const read = source.read(0, 2, controller.signal);
      await new Promise((resolve) => setTimeout(resolve, 1));
      controller.abort("stop");
      if (isEarly) send(ten.slice(0, 5));
      await expect(read).rejects.toBe("stop");
      if (!isEarly) send(ten.slice(0, 5));
      expect([...(await source.read(0, 2))]).toEqual([0, 1]);
    },
  );

  test("an abort by the stream itself rejects with the reason", async () => {
    const controller = new AbortController();
    const stream = new ReadableStream({ pull: () => controller.abort("stop") }, { highWaterMark: 0 });
    await expect(streamSource("f", stream).read(0, 2, controller.signal)).rejects.toBe("stop");
  });

  test("reads that overlap in time follow each other, also behind one that failed", async () => {
    const source = streamSource("f", chunked(ten), 10);
    const [first, bad, last] = await Promise.allSettled([source.read(0, 3), source.read(1, 1), source.read(3, 2)]);
    expect(first).toMatchObject({ value: ten.slice(0, 3) });
    expect(bad).toMatchObject({ reason: { code: "read-backwards" } });
    expect(last).toMatchObject({ value: ten.slice(3, 5) });
  });

  test("passes on the stream's error as the cause, and refuses chunks that are not bytes", async () => {
    const cause = new TypeError("terminated");
    const stream = new ReadableStream({ pull: (controller) => controller.error(cause) });
    const error = await rejects(
      streamSource("f", stream).read(0, 1),
      "read-failed",
      "f: expected its bytes, got an error: terminated",
    );
    expect((error as Error).cause).toBe(cause);
    const text = streamSource("f", chunked("text"));
    await rejects(text.read(0, 1), "read-failed", "f: expected chunks of bytes, got string");
  });

  test("refuses a stream that is being read", () => {
    const stream = chunked(ten);
    stream.getReader();
    const message = "f: expected a stream that nothing else reads, got one that is being read";
    expectRefusal(() => streamSource("f", stream), SourceError, "stream-locked", message);
  });

  test("close cancels the stream", async () => {
    const stream = chunked(ten);
    const source = streamSource("f", stream);
    await source.read(0, 1);
    await source.close?.();
    expect(stream.cancelled).toBe(true);
    let cancelled = false;
    const cancel = () => {
      cancelled = true;
    };
    await streamSource("f", new ReadableStream({ type: "bytes", cancel })).close?.();
    expect(cancelled).toBe(true);
    const broken = new ReadableStream({ cancel: () => Promise.reject(new Error("no")) });
    await streamSource("f", broken).close?.();
  });

  test("takes a response with its Content-Length, unless the body is compressed", async () => {
    const size = (headers: Record<string, string>) => streamSource("f", new Response(ten, { headers })).size;
    expect(size({ "content-length": "10" })).toBe(10);
    expect(size({ "content-length": "10", "content-encoding": "identity" })).toBe(10);
    expect(size({ "content-length": "10", "content-encoding": "gzip" })).toBe(Number.POSITIVE_INFINITY);
    for (const length of ["ten", "10, 10", "-10", ""]) {
      expect(size({ "content-length": length })).toBe(Number.POSITIVE_INFINITY);
    }
    expect(size({})).toBe(Number.POSITIVE_INFINITY);
    expect([...(await streamSource("f", new Response(ten)).read(2, 2))]).toEqual([2, 3]);
    expect(await streamSource("f", new Response(null), 0).read(0, 0)).toEqual(new Uint8Array(0));
    await rejects(
      streamSource("f", new Response(null), 1).read(0, 1),
      "short-read",
      "f: expected 1 bytes at byte 0, got 0",
    );
    await streamSource("f", new Response(null)).close?.();
  });

  test("refuses a response with another status than 200, and one that was read", async () => {
    for (const status of [206, 404, 503]) {
      const message = `f: expected a response with status 200, got ${status}`;
      expectRefusal(() => streamSource("f", new Response("", { status })), SourceError, "http-status", message);
    }
    const read = new Response("text");
    await read.text();
    const message = "f: expected a response whose body is unread, got one that was read";
    expectRefusal(() => streamSource("f", read), SourceError, "stream-locked", message);
  });
});

describe("rangeSource", () => {
  let server: Server;
  let url: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const requests: IncomingMessage[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/f`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Answers as a good server does, but for what is overridden. */
  function serve(overrides: { range?: string; status?: number; etag?: string; body?: Uint8Array } = {}): void {
    answer = (request, response) => {
      const [begin, last] =
        /^bytes=(\d+)-(\d+)$/
          .exec(request.headers.range ?? "")
          ?.slice(1)
          .map(Number) ?? [];
      const range = overrides.range ?? `bytes ${begin}-${Math.min(last, 9)}/10`;
      const etag = overrides.etag ? { etag: overrides.etag } : {};
      response.writeHead(overrides.status ?? 206, { ...(range ? { "content-range": range } : {}), ...etag });
      response.end(overrides.body ?? ten.slice(begin, last + 1));
    };
  }

  test("asks for ranges over HTTP, with the headers given, and learns the size from the first", async () => {
    serve();
    const source = rangeSource("f", url, { headers: { authorization: "Bearer x" } });
    expect(source.size).toBe(Number.POSITIVE_INFINITY);
    expect([...(await source.read(2, 3))]).toEqual([2, 3, 4]);
    expect(requests.at(-1)?.headers).toMatchObject({ range: "bytes=2-4", authorization: "Bearer x" });
    expect(source.size).toBe(10);
    const target = new Uint8Array(2);
    await source.readInto?.(8, target);
    expect([...target]).toEqual([8, 9]);
    expect([...(await rangeSource("f", new URL(url), { size: 10 }).read(0, 1))]).toEqual([0]);
    const before = requests.length;
    await source.read(3, 0);
    const beyond = source.readInto?.(8, new Uint8Array(4)) ?? Promise.resolve();
    await rejects(beyond, "short-read", "f: expected 4 bytes at byte 8, got 2");
    expect(requests.length).toBe(before);
  });

  test("opens a safetensors file of unknown size", async () => {
    const file = writeSafetensors({ a: { dtype: "U8", shape: [3], data: ten.slice(0, 3) } });
    answer = (request, response) => {
      const [begin, last] =
        /(\d+)-(\d+)/
          .exec(request.headers.range ?? "")
          ?.slice(1)
          .map(Number) ?? [];
      response.writeHead(206, { "content-range": `bytes ${begin}-${last}/${file.length}` });
      response.end(file.slice(begin, last + 1));
    };
    const header = await readHeader(rangeSource("f", url));
    expect(header.tensors.get("a")).toMatchObject({ shape: [3], file: "f" });
    expect(header.fileSize).toBe(file.length);
  });

  test("refuses the whole file instead of a range, and stops it", async () => {
    let cancelled = false;
    const body = new ReadableStream({
      cancel() {
        cancelled = true;
      },
    });
    const source = rangeSource("f", async () => new Response(body));
    const message = "f: expected bytes 0-3 (status 206), got the whole file (status 200)";
    await rejects(source.read(0, 4), "range-ignored", message);
    expect(cancelled).toBe(true);
    serve({ status: 200 });
    await rejects(rangeSource("f", url).read(0, 4), "range-ignored", message);
  });

  test("an error while it stops a body changes nothing", async () => {
    const body = () =>
      new ReadableStream({ pull: (to) => to.enqueue(ten), cancel: () => Promise.reject(new Error("no")) });
    const whole = rangeSource("f", async () => new Response(body()));
    await rejects(
      whole.read(0, 4),
      "range-ignored",
      "f: expected bytes 0-3 (status 206), got the whole file (status 200)",
    );
    const headers = { "content-range": "bytes 0-3/10" };
    const longer = rangeSource("f", async () => new Response(body(), { status: 206, headers }));
    await rejects(longer.read(0, 4), "wrong-length", "f: expected 4 bytes at byte 0, got more");
    await new Promise((resolve) => setTimeout(resolve, 1));
  });

  test("takes a body in several chunks, and stops one that is too long", async () => {
    const headers = { "content-range": "bytes 0-3/10" };
    const answering = (body: BodyInit) => rangeSource("f", async () => new Response(body, { status: 206, headers }));
    const parts = chunked(ten.slice(0, 1), ten.slice(1, 3), ten.slice(3, 4));
    expect([...(await answering(parts).read(0, 4))]).toEqual([0, 1, 2, 3]);
    const longer = chunked(ten.slice(0, 3), ten.slice(3), ten);
    await rejects(answering(longer).read(0, 4), "wrong-length", "f: expected 4 bytes at byte 0, got more");
    expect(longer.cancelled).toBe(true);
  });

  test.each([401, 403, 404, 416, 429, 500])("refuses status %i", async (status) => {
    serve({ status, body: new TextEncoder().encode("<html>") });
    const error = await rejects(
      rangeSource("f", url).read(0, 4),
      "http-status",
      `f: expected bytes 0-3 (status 206), got status ${status}`,
    );
    expect((error as SourceError).fields.status).toBe(status);
    const bodyless = rangeSource("f", async () => new Response(null, { status }));
    await expect(bodyless.read(0, 4)).rejects.toMatchObject({ code: "http-status" });
  });

  test("refuses another range than it asked for", async () => {
    const others = ["bytes 1-4/10", "bytes 1-3/10", "bytes 0-2/10", "bytes 0-4/10", "bytes */10", "items 0-3/10"];
    for (const range of [...others, "bytes 0-3/*", ""]) {
      serve({ range, body: ten.slice(0, 4) });
      const message = `f: expected the range bytes 0-3, got ${range || "no Content-Range"}`;
      await rejects(rangeSource("f", url).read(0, 4), "wrong-range", message);
      if (range.endsWith("*")) continue;
      await rejects(rangeSource("f", url, { size: 10 }).read(0, 4), "wrong-range", message);
    }
    serve({ range: "bytes 0-3/*" });
    expect((await rangeSource("f", url, { size: 10 }).read(0, 4)).length).toBe(4);
  });

  test("takes a response of another site that hides its range, if the size is known", async () => {
    const foreign = (begin: number, end: number, headers?: HeadersInit) => {
      const response = new Response(ten.slice(begin, end), { status: 206, headers });
      return Object.defineProperty(response, "type", { value: "cors" });
    };
    const hidden = async (begin: number, end: number) => foreign(begin, end);
    expect([...(await rangeSource("f", hidden, { size: 10 }).read(1, 2))]).toEqual([1, 2]);
    await rejects(
      rangeSource("f", hidden).read(1, 2),
      "wrong-range",
      "f: expected the range bytes 1-2, got no Content-Range",
    );
    const shown = async () => foreign(1, 3, { "content-range": "bytes 2-3/10" });
    await rejects(
      rangeSource("f", shown, { size: 10 }).read(1, 2),
      "wrong-range",
      "f: expected the range bytes 1-2, got bytes 2-3/10",
    );
  });

  test("refuses a body that is too short or too long", async () => {
    serve({ body: ten.slice(0, 3) });
    await rejects(rangeSource("f", url).read(0, 4), "short-read", "f: expected 4 bytes at byte 0, got 3");
    serve({ body: ten });
    await rejects(rangeSource("f", url).read(0, 4), "wrong-length", "f: expected 4 bytes at byte 0, got more");
    serve();
    await rejects(rangeSource("f", url).read(8, 4), "short-read", "f: expected 4 bytes at byte 8, got 2");
    const empty = async () => new Response(null, { status: 206, headers: { "content-range": "bytes 0-3/10" } });
    await rejects(rangeSource("f", empty).read(0, 4), "short-read", "f: expected 4 bytes at byte 0, got 0");
  });

  test("refuses a file that changes between two reads", async () => {
    serve({ etag: '"one"' });
    const source = rangeSource("f", url);
    await source.read(0, 4);
    serve();
    await source.read(0, 4);
    serve({ etag: '"one"' });
    await source.read(0, 4);
    serve({ etag: '"two"' });
    await rejects(source.read(4, 4), "file-changed", 'f: expected the same ETag as before, "one", got "two"');
    serve({ range: "bytes 4-7/11" });
    await rejects(source.read(4, 4), "file-changed", "f: expected the same size as before, 10 bytes, got 11");
  });

  test("takes a function that gives bytes, of the length asked for and with a size given", async () => {
    const give = (bytes: Uint8Array | ArrayBuffer) => rangeSource("f", async () => bytes, { size: 10 });
    expect([...(await give(ten.slice(0, 2).buffer).read(0, 2))]).toEqual([0, 1]);
    await rejects(give(ten.slice(0, 1)).read(0, 2), "short-read", "f: expected 2 bytes at byte 0, got 1");
    await rejects(give(ten).read(0, 2), "wrong-length", "f: expected 2 bytes at byte 0, got more");
    const unknown = rangeSource("f", async () => ten);
    await rejects(
      unknown.read(0, 10),
      "unknown-size",
      "f: expected the option size, as bytes do not tell it, got none",
    );
  });

  test("passes on errors of the network as the cause, and typed ones as they are", async () => {
    answer = (_request, response) => response.destroy();
    const error = await rejects(
      rangeSource("f", url).read(0, 4),
      "read-failed",
      "f: expected its bytes, got an error: fetch failed",
    );
    expect((error as Error).cause).toBeInstanceOf(TypeError);
    answer = (_request, response) => {
      response.writeHead(206, { "content-range": "bytes 0-3/10", "content-length": "4" });
      response.write(ten.slice(0, 2), () => response.destroy());
    };
    await expect(rangeSource("f", url).read(0, 4)).rejects.toMatchObject({ code: "read-failed" });
    const typed = new ConfigError("x", "x");
    await expect(rangeSource("f", () => Promise.reject(typed)).read(0, 4)).rejects.toBe(typed);
  });

  test("an abort rejects with the reason, before or during the body, and nothing is written behind it", async () => {
    for (const headersFirst of [false, true]) {
      answer = (_request, response) => {
        if (!headersFirst) return;
        response.writeHead(206, { "content-range": "bytes 0-3/10" });
        response.write(ten.slice(1, 2));
      };
      const controller = new AbortController();
      const read = rangeSource("f", url).read(0, 4, controller.signal);
      setTimeout(() => controller.abort("stop"), 20);
      await expect(read).rejects.toBe("stop");
    }
    let give: (bytes: Uint8Array) => void = () => {};
    const later = new Promise<Uint8Array>((resolve) => {
      give = resolve;
    });
    const slow = rangeSource("f", () => later, { size: 10 });
    const target = new Uint8Array(2);
    const controller = new AbortController();
    const read = slow.readInto?.(0, target, controller.signal);
    controller.abort("stop");
    give(new Uint8Array([7, 7]));
    await expect(read).rejects.toBe("stop");
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect([...target]).toEqual([0, 0]);
  });
});

describe("fileSource", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "source-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function opened(name: string, bytes: Uint8Array): Promise<[path: string, source: Source]> {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return [path, await fileSource(path, name)];
  }

  test("opens a path or a file URL, named by it", async () => {
    const path = join(folder, "named");
    await writeFile(path, ten);
    for (const where of [path, pathToFileURL(path)]) {
      const source = await fileSource(where);
      expect(source.name).toBe(String(where));
      expect([...(await source.read(1, 2))]).toEqual([1, 2]);
      await source.close?.();
    }
  });

  test("S20 rejects when the file shrinks between two reads", async () => {
    const [path, source] = await opened("shrinks", ten);
    await source.read(0, 8);
    await truncate(path, 9);
    await rejects(source.read(8, 2), "short-read", "shrinks: expected 2 bytes at byte 8, got 1");
    await rejects(source.read(8, 1), "file-changed", "shrinks: expected a file of 10 bytes as before, got 9");
    await source.close?.();
  });

  test("S20 rejects when the file is written between two reads, even if its size stays", async () => {
    const [path, source] = await opened("changes", ten);
    await utimes(path, 1, 1);
    await source.close?.();
    const again = await fileSource(path, "changes");
    await again.read(0, 8);
    await writeFile(path, ten);
    await utimes(path, 2, 2);
    const message =
      "changes: expected the modification time as before, 1970-01-01T00:00:01.000Z, got 1970-01-01T00:00:02.000Z";
    await rejects(again.readInto?.(8, new Uint8Array(2)) ?? never(), "file-changed", message);
    await again.close?.();
  });

  test("S20 goes on reading the old file when another one is moved into its place", async () => {
    const [path, source] = await opened("moved", ten);
    await writeFile(join(folder, "new"), new Uint8Array(3));
    await rename(join(folder, "new"), path);
    expect([...(await source.read(8, 2))]).toEqual([8, 9]);
    await source.close?.();
  });

  test("reads behind 2 GiB, straight into memory of WebAssembly, shared or not", async () => {
    const path = join(folder, "large");
    const size = 5 * 2 ** 30;
    const handle = await open(path, "w");
    await handle.truncate(size);
    await handle.write(ten, 0, 10, size - 10);
    await handle.close();
    const source = await fileSource(path, "large");
    expect(source.size).toBe(size);
    for (const shared of [false, true]) {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared });
      await source.readInto?.(size - 10, new Uint8Array(memory.buffer, 100, 10));
      expect([...new Uint8Array(memory.buffer, 99, 12)]).toEqual([0, ...ten, 0]);
    }
    const bytes = await source.read(size - 40_000_000, 40_000_000);
    expect(bytes.at(-1)).toBe(9);
    await source.close?.();
  });

  test("rejects when it is aborted during a read, after the part under way", async () => {
    const [, source] = await opened("aborted", new Uint8Array(40_000_000));
    const controller = new AbortController();
    const read = source.read(0, 40_000_000, controller.signal);
    controller.abort("stop");
    await expect(read).rejects.toBe("stop");
    await source.close?.();
  });

  test("refuses what is not there and what is not a file, and reads after close", async () => {
    const missing = join(folder, "missing");
    const message = `m: expected a file to read, got an error: ENOENT: no such file or directory, open '${missing}'`;
    const error = await rejects(fileSource(missing, "m"), "cannot-open", message);
    expect((error as Error).cause).toMatchObject({ code: "ENOENT" });
    await rejects(fileSource(folder, "m"), "not-a-file", "m: expected a file, got a directory");
    if (process.platform !== "win32") {
      await rejects(fileSource("/dev/null", "m"), "not-a-file", "m: expected a file, got something else");
    }
    const [, source] = await opened("closed", ten);
    await source.close?.();
    await expect(source.read(0, 1)).rejects.toMatchObject({ code: "read-failed" });
  });
});

describe("toSource", () => {
  test("takes bytes, text, blobs, responses, streams and sources", async () => {
    const text = "0123456789";
    const bytes = new TextEncoder().encode(text);
    const values = [
      text,
      bytes,
      bytes.buffer,
      Buffer.from(text),
      new DataView(bytes.buffer),
      new Blob([bytes]),
      new Response(bytes),
    ];
    const foreign = {
      size: 10,
      slice: (...args: [number, number]) => new Blob([bytes]).slice(...args),
      arrayBuffer: never,
    };
    for (const value of [...values, new Blob([bytes]).stream(), foreign as unknown as Blob, bytesSource("g", bytes)]) {
      expect(new TextDecoder().decode(await toSource("f", value).read(0, 10))).toBe(text);
    }
    const source = bytesSource("g", bytes);
    expect(toSource("f", source)).toBe(source);
    const sizeless: Source = { name: "f", size: Number.POSITIVE_INFINITY, read: never };
    expect(toSource("f", sizeless)).toBe(sizeless);
    expect(toSource("f", new SharedArrayBuffer(3)).size).toBe(3);
    expect(toSource("f", "é").size).toBe(2);
  });

  test("refuses anything else", () => {
    const refused: [unknown, string][] = [
      [null, "null"],
      [undefined, "undefined"],
      [5, "number"],
      [[1, 2], "Array"],
      [{}, "Object"],
      [Object.create(null), "an object without a prototype"],
      ...[-1, 0.5, Number.NaN, undefined].map((size): [unknown, string] => [
        { size, read: never },
        `a Source of size ${size}`,
      ]),
    ];
    for (const [value, got] of refused) {
      const message = `f: expected bytes, text, a Blob, a Response, a ReadableStream or a Source, got ${got}`;
      expectRefusal(() => toSource("f", value as string), OptionError, "not-a-source", message);
    }
  });
});

describe("readAll", () => {
  test("reads a whole source, of known or unknown size", async () => {
    const options = { maxBytes: 10 };
    expect([...(await readAll(bytesSource("f", ten), options))]).toEqual([...ten]);
    expect([...(await readAll(streamSource("f", chunked(ten.slice(0, 4), ten.slice(4))), options))]).toEqual([...ten]);
    const respond = async (begin: number, end: number) => {
      const headers = { "content-range": `bytes ${begin}-${end - 1}/10` };
      return new Response(ten.slice(begin, end), { status: 206, headers });
    };
    expect([...(await readAll(rangeSource("f", respond), options))]).toEqual([...ten]);
    const message = "f: expected at most 9 bytes, got more";
    await rejects(readAll(rangeSource("f", respond), { maxBytes: 9 }), "too-large", message);
  });

  test("rejects one that is larger, with the caller's error if it has one", async () => {
    await rejects(readAll(bytesSource("f", ten), { maxBytes: 9 }), "too-large", "f: expected at most 9 bytes, got 10");
    await rejects(
      readAll(streamSource("f", chunked(ten)), { maxBytes: 9 }),
      "too-large",
      "f: expected at most 9 bytes, got more",
    );
    const sizeless = { name: "f", size: undefined as never, read: async () => ten };
    await rejects(readAll(sizeless, { maxBytes: 9 }), "too-large", "f: expected at most 9 bytes, got undefined");
    const error = (actual: number | string) => new ConfigError("mine", `${actual}`);
    await expectRejection(readAll(bytesSource("f", ten), { maxBytes: 9, error }), ConfigError, "mine", "10");
  });

  test("rejects a source that gives more or fewer bytes than were asked for, as all reads do", async () => {
    const giving = (bytes: unknown): Source => ({ name: "f", size: 10, read: async () => bytes as Uint8Array });
    for (const [bytes, actual] of [
      [ten.slice(1), 9],
      [new Uint8Array(11), 11],
      [undefined, 0],
      [new Array(10).fill(0), 0],
      ["0123456789", 0],
    ] as const) {
      const message = `f: expected 10 bytes at byte 0, got ${actual}`;
      await rejects(readAll(giving(bytes), { maxBytes: 10 }), "short-read", message);
      await rejects(readHeader(giving(bytes)), "short-read", `f: expected 8 bytes at byte 0, got ${actual}`);
    }
  });

  test("rejects a source that cannot tell its size", async () => {
    const source: Source = { name: "f", size: Number.POSITIVE_INFINITY, read: never };
    await rejects(
      readAll(source, { maxBytes: 9 }),
      "unknown-size",
      "f: expected a source that knows its size, got one that does not",
    );
  });
});
