import { describe, expect, test } from "vitest";
import { SourceError } from "../src/errors.ts";
import { streamSource } from "../src/source.ts";
import { expectRefusal } from "./support/refusal.ts";
import { chunked, filling, never, rejects, ten } from "./support/sources.ts";

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
