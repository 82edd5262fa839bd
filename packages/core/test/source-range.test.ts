import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, type SourceError } from "../src/errors.ts";
import { readHeader, writeSafetensors } from "../src/safetensors.ts";
import { rangeSource } from "../src/source.ts";
import { chunked, rejects, ten } from "./support/sources.ts";

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
