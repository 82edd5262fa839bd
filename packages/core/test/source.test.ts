import { getEventListeners } from "node:events";
import { mkdtemp, open, rename, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError, OptionError, SourceError } from "../src/errors.ts";
import { fileSource } from "../src/platform/file-source-node.ts";
import { readHeader } from "../src/safetensors.ts";
import { blobSource, bytesSource, rangeSource, readAll, type Source, streamSource, toSource } from "../src/source.ts";
import { expectRefusal, expectRejection } from "./support/refusal.ts";
import { chunked, filling, never, rejects, ten } from "./support/sources.ts";

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
