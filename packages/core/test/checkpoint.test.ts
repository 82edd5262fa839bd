import { describe, expect, test } from "vitest";
import { SafetensorsError, SourceError } from "../src/errors.ts";
import { Checkpoint, MAX_TENSORS, type TensorData, writeSafetensors } from "../src/safetensors.ts";
import { type Source, type SourceValue, streamSource, toSource } from "../src/source.ts";
import { expectRejection } from "./support/refusal.ts";

const INDEX = "model.safetensors.index.json";
const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;

function bytes(...values: number[]): TensorData {
  return { dtype: "U8", shape: [values.length], data: new Uint8Array(values) };
}

function sources(files: Record<string, SourceValue>): Map<string, Source> {
  return new Map(Object.entries(files).map(([name, value]) => [name, toSource(name, value)]));
}

/** Two shards and their index, with some of the files replaced. */
function sharded(changed: Record<string, SourceValue> = {}): Map<string, Source> {
  return sources({
    [INDEX]: index({ a: SHARDS[0], b: SHARDS[1], c: SHARDS[0] }, 6),
    [SHARDS[1]]: writeSafetensors({ b: bytes(4, 5) }, { format: "other", from: "2" }),
    [SHARDS[0]]: writeSafetensors({ a: bytes(1), c: bytes(2, 3, 3) }, { format: "pt" }),
    ...changed,
  });
}

function index(map: Record<string, unknown>, totalSize?: number): string {
  return JSON.stringify({ metadata: { total_size: totalSize }, weight_map: map });
}

function refuses(files: Map<string, Source>, code: string, message: string, options = {}): Promise<unknown> {
  return expectRejection(Checkpoint.open(files, options), SafetensorsError, code, message);
}

describe("one file", () => {
  test("opens model.safetensors, reads its tensors and gives its source", async () => {
    const files = sources({
      "model.safetensors": writeSafetensors({ a: bytes(1, 2) }, { format: "pt" }),
      "config.json": "{}",
    });
    const checkpoint = await Checkpoint.open(files);
    expect(checkpoint.files).toEqual(["model.safetensors"]);
    expect(checkpoint.tensors.get("a")).toMatchObject({ dtype: "U8", shape: [2], file: "model.safetensors" });
    expect([...checkpoint.metadata]).toEqual([["format", "pt"]]);
    expect(await checkpoint.read("a")).toEqual(new Uint8Array([1, 2]));
    expect(checkpoint.source("model.safetensors")).toBe(files.get("model.safetensors"));
  });

  test("opens the only .safetensors file under another name, which its errors then carry", async () => {
    const checkpoint = await Checkpoint.open(sources({ "vocoder.safetensors": writeSafetensors({ a: bytes(1) }) }));
    expect(checkpoint.tensors.get("a")?.file).toBe("vocoder.safetensors");
    const source = toSource("another name", new Uint8Array(3));
    await refuses(
      new Map([["x.safetensors", source]]),
      "header-too-small",
      "x.safetensors: expected at least 8 bytes, got 3",
    );
  });

  test("H2 takes model.safetensors before an index, as transformers does, and warns of what it does not read", async () => {
    const warnings: string[] = [];
    const files = sharded({ "model.safetensors": writeSafetensors({ a: bytes(9) }) });
    const checkpoint = await Checkpoint.open(files, { onWarning: (warning) => warnings.push(warning) });
    expect(await checkpoint.read("a")).toEqual(new Uint8Array([9]));
    const names = `"${SHARDS[0]}", "${SHARDS[1]}", "${INDEX}"`;
    expect(warnings).toEqual([`checkpoint: ${names} not read: model.safetensors is there`]);
  });

  test("warns of no index where there is none", async () => {
    const warnings: string[] = [];
    const other = sources({ "model.safetensors": writeSafetensors({}), "other.safetensors": "" });
    await Checkpoint.open(other, { onWarning: (warning) => warnings.push(warning) });
    expect(warnings).toEqual(['checkpoint: "other.safetensors" not read: model.safetensors is there']);
  });

  test("reads the headers of shards eight at a time, each once", async () => {
    const names = Array.from({ length: 20 }, (_, shard) => `${String.fromCharCode(97 + shard)}.safetensors`);
    const files = sources({ [INDEX]: index(Object.fromEntries(names.map((name) => [name, name]))) });
    let [now, most] = [0, 0];
    const begins: string[] = [];
    for (const name of names) {
      const source = toSource(name, writeSafetensors({ [name]: bytes(1) }));
      const read: Source["read"] = async (offset, length) => {
        if (offset === 0) begins.push(name);
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve));
        now--;
        return source.read(offset, length);
      };
      files.set(name, { name, size: source.size, read });
    }
    expect((await Checkpoint.open(files)).tensors.size).toBe(20);
    expect(most).toBe(8);
    expect(begins).toEqual(names);
  });

  test("refuses no weights and several without an index", async () => {
    const expected = `checkpoint: expected model.safetensors, ${INDEX} or one other .safetensors file`;
    await refuses(new Map(), "no-weights", `${expected}, got no files`);
    const pickle =
      '"pytorch_model.bin"; "pytorch_model.bin" is a Python pickle, which transformers\' save_pretrained writes anew';
    await refuses(sources({ "pytorch_model.bin": "" }), "no-weights", `${expected}, got ${pickle}`);
    const two = sources({ "b.safetensors": "", "a.safetensors": "" });
    await refuses(two, "several-weights", `${expected}, got "a.safetensors", "b.safetensors"`);
  });

  test("names a tensor and a file that it does not have", async () => {
    const checkpoint = await Checkpoint.open(sources({ "model.safetensors": writeSafetensors({}) }));
    const tensor = 'model.safetensors: expected a tensor of the file, got "x"';
    await expectRejection(checkpoint.read("x"), SafetensorsError, "unknown-tensor", tensor);
    const file = 'checkpoint: expected one of its files "model.safetensors", got "x"';
    const source = async () => checkpoint.source("x");
    await expectRejection(source(), SafetensorsError, "unknown-file", file);
  });

  test("S1 rejects sources of 7 and of 8 bytes", async () => {
    const seven = "model.safetensors: expected at least 8 bytes, got 7";
    await refuses(sources({ "model.safetensors": new Uint8Array(7) }), "header-too-small", seven);
    const eight = "model.safetensors: expected a header that ends at byte 9, got a file of 8 bytes (cut short?)";
    const one = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
    await refuses(sources({ "model.safetensors": one }), "header-past-end", eight);
  });

  test("passes on the limit for the header, the signal and the source's errors", async () => {
    const files = sources({ "model.safetensors": writeSafetensors({}) });
    const limit = "model.safetensors: expected a header of at most 7 bytes, got 8";
    await refuses(files, "header-too-large", limit, { maxHeaderBytes: 7 });
    await expect(Checkpoint.open(files, { signal: AbortSignal.abort("stop") })).rejects.toBe("stop");
    const source: Source = {
      name: "m",
      size: 100,
      read: () => Promise.reject(new SourceError("read-failed", "m: no")),
    };
    await expectRejection(
      Checkpoint.open(new Map([["model.safetensors", source]])),
      SourceError,
      "read-failed",
      "m: no",
    );
  });

  test("opens a stream whose size only the header tells, reads it forward, and checks that it ends there", async () => {
    const file = writeSafetensors({ a: bytes(1), b: bytes(2) });
    const stream = (...chunks: Uint8Array[]) =>
      sources({ "model.safetensors": new Blob(chunks as BlobPart[]).stream() });
    const checkpoint = await Checkpoint.open(stream(file));
    expect(checkpoint.source("model.safetensors")).toMatchObject({ sequential: true, size: file.length });
    expect(await checkpoint.read("a")).toEqual(new Uint8Array([1]));
    expect(await checkpoint.read("b")).toEqual(new Uint8Array([2]));
    const longer = await Checkpoint.open(stream(file, new Uint8Array(1)));
    const message = `model.safetensors: expected a stream of ${file.length} bytes, got more`;
    await expectRejection(longer.read("b"), SourceError, "wrong-length", message);
  });

  test("close closes the sources in use", async () => {
    let closed = 0;
    const inner = toSource("m", writeSafetensors({}));
    const close = async () => {
      await new Promise((resolve) => setTimeout(resolve));
      closed++;
    };
    const source: Source = { name: "m", size: inner.size, read: inner.read, close };
    const checkpoint = await Checkpoint.open(new Map([["model.safetensors", source]]));
    await checkpoint.close();
    expect(closed).toBe(1);
    await (await Checkpoint.open(sources({ "model.safetensors": writeSafetensors({}) }))).close();
  });
});

describe("an index and shards", () => {
  test("H1 opens every shard and finds each tensor in the one that the index names", async () => {
    const warnings: string[] = [];
    const checkpoint = await Checkpoint.open(sharded(), { onWarning: (warning) => warnings.push(warning) });
    expect(checkpoint.files).toEqual(SHARDS);
    expect([...checkpoint.tensors.keys()].sort()).toEqual(["a", "b", "c"]);
    expect(checkpoint.tensors.get("b")?.file).toBe(SHARDS[1]);
    expect(await checkpoint.read("b")).toEqual(new Uint8Array([4, 5]));
    expect(await checkpoint.read("c")).toEqual(new Uint8Array([2, 3, 3]));
    expect(Object.fromEntries(checkpoint.metadata)).toEqual({ format: "pt", from: "2" });
    expect(warnings).toEqual([]);
  });

  test("H1 rejects shards that are missing, naming all", async () => {
    const files = sources({ [INDEX]: index({ a: "x.safetensors", b: "y.safetensors", c: "x.safetensors" }) });
    const message = `${INDEX}: expected every shard it names, got no "x.safetensors", "y.safetensors"`;
    await refuses(files, "shard-missing", message);
  });

  test("H1 rejects tensors that are missing from their shard, naming all", async () => {
    const files = sharded({ [SHARDS[0]]: writeSafetensors({}) });
    const message = `${INDEX}: expected every tensor in the shard it names, got none there for "a", "c"`;
    await refuses(files, "tensor-missing-from-shard", message);
  });

  test("H1 rejects tensors that lie in two shards, naming all", async () => {
    const files = sharded({ [SHARDS[1]]: writeSafetensors({ a: bytes(1), b: bytes(4, 5), c: bytes(1) }) });
    await refuses(files, "tensor-in-two-shards", `${INDEX}: expected every tensor in one shard, got two for "a", "c"`);
  });

  test("H1 rejects tensors of its shards that the index does not name, naming all, at most a hundred in the message", async () => {
    const files = sharded({ [SHARDS[1]]: writeSafetensors({ b: bytes(4, 5), x: bytes(1), y: bytes(1) }) });
    const message = `${INDEX}: expected every tensor of its shards in it, got shards that also hold "x", "y"`;
    await refuses(files, "tensor-not-in-index", message);
    const many = Array.from({ length: 102 }, (_, at): [string, TensorData] => [`t${100 + at}`, bytes(1)]);
    const more = sharded({ [SHARDS[1]]: writeSafetensors([["b", bytes(4, 5)], ...many]) });
    const names = many.map(([name]) => name);
    const error = await Checkpoint.open(more).catch((thrown) => thrown);
    expect(error.message).toContain('"t199", and 2 more');
    expect(error.fields.names).toEqual(names);
  });

  test("H2 warns of other .safetensors files and of a wrong total_size, and opens the rest", async () => {
    const warnings: string[] = [];
    const files = sharded({
      [INDEX]: index({ b: SHARDS[1], a: SHARDS[0], c: SHARDS[0] }, 7),
      "adapter_model.safetensors": "",
      // The same weights once more.
      "consolidated.safetensors": "",
      "consolidated.00.safetensors": "",
      "model.fp16-00001-of-00002.safetensors": "",
    });
    const checkpoint = await Checkpoint.open(files, { onWarning: (warning) => warnings.push(warning) });
    expect(checkpoint.tensors.size).toBe(3);
    expect(warnings).toEqual([
      `checkpoint: "adapter_model.safetensors" not read: ${INDEX} does not name them`,
      `${INDEX}: expected a total_size of 6, got 7`,
    ]);
    expect((await Checkpoint.open(files)).tensors.size).toBe(3);
  });

  test("H2 opens 11 shards whatever the order in which they are given", async () => {
    const shard = (at: number) => `model-${at}-of-11.safetensors`;
    const numbers = [2, 10, 1, 11, 5, 3, 4, 9, 8, 7, 6];
    const map = Object.fromEntries(numbers.map((at) => [`t${at}`, shard(at)]));
    const files = Object.fromEntries(numbers.map((at) => [shard(at), writeSafetensors({ [`t${at}`]: bytes(at) })]));
    const checkpoint = await Checkpoint.open(sources({ ...files, [INDEX]: index(map) }));
    for (const at of numbers) expect(await checkpoint.read(`t${at}`)).toEqual(new Uint8Array([at]));
    expect(checkpoint.files).toEqual(numbers.map(shard).sort());
  });

  test("opens shards whose names end as those of devices do, and an index with and without total_size", async () => {
    const name = "falcon.safetensors";
    for (const metadata of [{}, { total_parameters: 5, total_size: 1 }]) {
      const warnings: string[] = [];
      const text = JSON.stringify({ metadata, weight_map: { a: name }, other: { total_size: 7 } });
      const files = sources({ [INDEX]: text, [name]: writeSafetensors({ a: bytes(1) }) });
      const checkpoint = await Checkpoint.open(files, { onWarning: (warning) => warnings.push(warning) });
      expect(checkpoint.files).toEqual([name]);
      expect(warnings).toEqual([]);
    }
  });

  test("rejects with the error of the first shard that fails, by name", async () => {
    const files = sharded({ [SHARDS[1]]: "short", [SHARDS[0]]: "<!DOCTYPE html>" });
    const message = `${SHARDS[0]}: expected a safetensors file, got an HTML page (often a server's error or login page)`;
    await refuses(files, "not-safetensors", message);
  });

  const badNames = [
    ...["../x.safetensors", "/etc/passwd", "C:\\x.safetensors", "%2e%2e/x.safetensors", "https://evil/x.safetensors"],
    ...[
      "a/../../b.safetensors",
      "a\0.safetensors",
      "CON.safetensors",
      "lpt1.x.safetensors",
      ".safetensors",
      ".x.safetensors",
    ],
    ...["-x.safetensors", "x.safetensors\n", "model.bin", "", "a\\b.safetensors", "ä.safetensors"],
  ];
  test.each(badNames)("H3 rejects the shard name %j", async (name) => {
    const message = `${INDEX}: tensor "a": expected a plain file name that ends in .safetensors, got ${JSON.stringify(name)}`;
    await refuses(sources({ [INDEX]: index({ a: name }), [name]: "" }), "bad-shard-name", message);
  });

  test("H4 rejects more entries than tensors may be, and an index that is too large", async () => {
    const entries = Array.from({ length: MAX_TENSORS + 1 }, (_, at) => `"${at}":"x.safetensors"`).join(",");
    const tooMany = sources({ [INDEX]: `{"weight_map":{${entries}}}` });
    await refuses(tooMany, "too-many-tensors", `${INDEX}: tensor "200000": expected at most 200000 tensors, got more`);
    const limit = { maxHeaderBytes: 10 };
    const large = `${INDEX}: expected at most 10 bytes, got 17`;
    await refuses(sources({ [INDEX]: '{"weight_map":{}}' }), "index-too-large", large, limit);
    const stream = new Map([[INDEX, streamSource(INDEX, new Blob(['{"weight_map":{}}']).stream())]]);
    await refuses(stream, "index-too-large", `${INDEX}: expected at most 10 bytes, got more`, limit);
    const fields = Array.from({ length: 1001 }, (_, at) => `"${at}":0`).join(",");
    await refuses(
      sources({ [INDEX]: `{${fields}}` }),
      "too-many-fields",
      `${INDEX}: expected at most 1000 fields, got more`,
    );
  });

  test("H4 rejects entries that are not text, duplicates and a missing map", async () => {
    const refused: [string, string, string][] = [
      [index({ a: 1 }), "wrong-type", 'tensor "a": expected a string, got 1'],
      [index({ a: null }), "wrong-type", 'tensor "a": expected a string, got null'],
      ['{"weight_map":[]}', "wrong-type", "expected an object, got an array"],
      [
        '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}',
        "duplicate-tensor",
        'tensor "a": expected each tensor once, got it again',
      ],
      ['{"weight_map":{},"weight_map":{}}', "duplicate-field", 'expected each field once, got "weight_map" again'],
      [
        '{"metadata":{"total_size":1,"total_size":2}}',
        "duplicate-field",
        'expected each field once, got "total_size" again',
      ],
      ["{}", "missing-field", "expected the field weight_map, got none"],
      ["[]", "not-an-object", "expected an object, got an array"],
      [
        "<!doctype html>",
        "not-json",
        "expected a JSON object, got an HTML page (often a server's error or login page)",
      ],
    ];
    for (const [text, code, message] of refused)
      await refuses(sources({ [INDEX]: text }), code, `${INDEX}: ${message}`);
  });

  test("passes over whatever else an index holds", async () => {
    const texts = [
      '{"weight_map":{}}',
      '{"metadata":null,"weight_map":{},"x":[1]}',
      '{"metadata":{"total_size":"6","y":{}},"weight_map":{}}',
      '{"metadata":{"total_size":{}},"weight_map":{}}',
      '{"metadata":{"total_size":[]},"weight_map":{}}',
    ];
    for (const text of texts) expect((await Checkpoint.open(sources({ [INDEX]: text }))).tensors.size).toBe(0);
  });
});
