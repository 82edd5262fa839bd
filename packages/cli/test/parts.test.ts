import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { alignColumns, formatBytes, formatCount } from "../src/format.ts";
import { batches, lineBatches, readAll } from "../src/lines.ts";
import { createProgress } from "../src/progress.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [9994, "9.99 kB"],
  [9995, "10.0 kB"],
  [999_499, "999 kB"],
  [999_500, "1.00 MB"],
  [1.5e9, "1.50 GB"],
  [4.2e18, "4200 PB"],
])("%d bytes read %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("counts are whole, and short too where they are large", () => {
  expect([0, 999_999, 1_000_000, 7_241_732_096].map(formatCount)).toEqual([
    "0",
    "999,999",
    "1,000,000 (1.00M)",
    "7,241,732,096 (7.24B)",
  ]);
});

test("columns are aligned, and nothing trails", () => {
  expect(
    alignColumns(
      [
        ["a", "1", "x"],
        ["bbb", "22"],
      ],
      [1],
    ),
  ).toEqual(["a     1  x", "bbb  22"]);
  expect(alignColumns([])).toEqual([]);
});

describe("batches", () => {
  test("hold at most 1,000 texts or about 8,000 characters", () => {
    const sizes = (texts: string[]) => [...batches(texts)].map(({ length }) => length);
    expect(sizes(Array(2001).fill("a"))).toEqual([1000, 1000, 1]);
    expect(sizes(Array(20).fill("a".repeat(1000)))).toEqual([8, 8, 4]);
    expect(sizes(["a".repeat(1e6), "b"])).toEqual([1, 1]);
    expect(sizes([])).toEqual([]);
  });

  test("of lines are what arrived at once", async () => {
    const collected: string[][] = [];
    for await (const batch of lineBatches(Readable.from(["a\nb\nc", "c", "c\n\nd"]))) collected.push(batch);
    expect(collected).toEqual([["a", "b"], ["ccc", ""], ["d"]]);
  });
});

test.each([
  ["lines", lineBatches],
  ["a text", readAll],
] as const)("input without an end is an error before it fills the memory: %s", async (what, read) => {
  const chunk = "a".repeat(2 ** 20);
  const endless = Readable.from(
    (function* () {
      while (true) yield chunk;
    })(),
  );
  const consume = async () => {
    const result = read(endless);
    if (result instanceof Promise) await result;
    else for await (const _ of result);
  };
  await expect(consume()).rejects.toThrow(`standard input: expected ${what} of at most 67108864 characters, got more`);
});

describe("the progress bar", () => {
  const event = (loaded: number) =>
    ({ status: "progress", file: "model.safetensors", progress: loaded, loaded: loaded * 1e6, total: 1e8 }) as const;

  function start(isTTY: boolean, columns = 80) {
    const stderr = Object.assign(new PassThrough({ encoding: "utf8" }), { isTTY, columns });
    let time = 0;
    const terminal = { stdin: new PassThrough(), stdout: new PassThrough(), stderr, env: {} };
    const progress = createProgress(terminal, () => time);
    const at = (ms: number, loaded: number) => {
      time = ms;
      progress.update(event(loaded));
      return stderr.read() as string | null;
    };
    return { at, progress, stderr };
  }

  test("shows after a second, ten times a second at most, and leaves no trace", () => {
    const { at, progress, stderr } = start(true);
    expect([at(0, 1), at(999, 20)]).toEqual([null, null]);
    expect(at(1000, 50)).toBe("\r 50% [############------------] 50.0 MB of 100 MB model.safetensors\x1b[K");
    expect(at(1099, 60)).toBeNull();
    expect(at(1100, 100)).toContain("100% [########################]");
    progress.clear();
    expect(stderr.read()).toBe("\r\x1b[K");
    progress.clear();
    expect(stderr.read()).toBeNull();
  });

  test("fits a narrow terminal", () => {
    expect(start(true, 20).at(2000, 50)).toBe("\r 50% [############-\x1b[K");
  });

  test("is not for files and pipes", () => {
    const { at, progress, stderr } = start(false);
    expect(at(5000, 50)).toBeNull();
    progress.clear();
    expect(stderr.read()).toBeNull();
  });
});
