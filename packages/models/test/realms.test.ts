// What an iframe, jsdom or node:vm gives is as good as what this realm has: `instanceof` says no to all of it.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { kernelBytes, rangeSource } from "@kiloformer/core";
import { Tokenizer } from "@kiloformer/tokenizers";
import { beforeAll, describe, expect, test } from "vitest";
import { g2p } from "../src/g2p.ts";
import { type ModelFiles, openPacked, Pipeline, type PipelineOptions } from "../src/index.ts";

const other = runInContext("({ Uint8Array, Int32Array, Map, WebAssembly })", createContext()) as typeof globalThis;
const names = ["config.json", "model.safetensors", "vocab.json"];
const folder = fileURLToPath(new URL("../g2p", import.meta.url));
/** Bytes as the other realm has them. */
const theirs = (bytes: Uint8Array) => other.Uint8Array.from(bytes);
const says = async (files: ModelFiles, options: PipelineOptions = {}) => {
  const pipeline = await Pipeline.fromFiles(files, options);
  const ipa = await pipeline.phonemize("Hello").finally(() => pipeline.dispose());
  return ipa;
};

describe("of another realm", () => {
  let files: Record<string, Uint8Array>;
  let kernels: Uint8Array;
  beforeAll(async () => {
    const read = async (name: string) => [name, theirs(await readFile(`${folder}/${name}`))] as const;
    files = Object.fromEntries(await Promise.all(names.map(read)));
    kernels = theirs(await kernelBytes("simd"));
  });
  const each = (make: (bytes: Uint8Array, name: string) => ModelFiles[keyof ModelFiles]) =>
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, make(bytes, name)])) as ModelFiles;

  test("files", async () => {
    expect(await says(files)).toBe("hɛloʊ");
    expect(await says(new other.Map(Object.entries(files)))).toBe("hɛloʊ");
    expect(Pipeline.modelType(files["config.json"])).toBe("llama");
  });

  test("what streams, ranges and sources bring", async () => {
    const stream = (bytes: Uint8Array) =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(bytes);
          controller.close();
        },
      });
    expect(await says(each(stream))).toBe("hɛloʊ");
    const range = (bytes: Uint8Array, name: string) =>
      rangeSource(name, async (begin, end) => bytes.slice(begin, end), { size: bytes.length });
    expect(await says(each(range))).toBe("hɛloʊ");
    const buffer = (bytes: Uint8Array, name: string) =>
      rangeSource(name, async (begin, end) => bytes.slice(begin, end).buffer as ArrayBuffer, { size: bytes.length });
    expect(await says(each(buffer))).toBe("hɛloʊ");
    const source = (bytes: Uint8Array, name: string) => ({
      name,
      size: bytes.length,
      read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    });
    expect(await says(each(source))).toBe("hɛloʊ");
  });

  test("kernels and packed models", async () => {
    expect(await says(files, { wasm: new other.WebAssembly.Module(kernels as BufferSource) })).toBe("hɛloʊ");
    expect(await says(files, { wasm: kernels.buffer as ArrayBuffer, threads: 2 })).toBe("hɛloʊ");
    const packed = await readFile(new URL("../dist/g2p-simd.wasm", import.meta.url));
    const pipeline = await openPacked({ architectures: [g2p] }, new other.WebAssembly.Module(packed));
    expect(await pipeline.phonemize("Hello")).toBe("hɛloʊ");
    await pipeline.dispose();
  });

  test("ids, a lexicon, a tokenizer's files", async () => {
    const pipeline = await Pipeline.fromFiles(files);
    expect(await pipeline.phonemize("GIF", { lexicon: new other.Map([["gif", "d͡ʒɪf"]]) })).toBe("d͡ʒɪf");
    expect(await pipeline.logits(other.Int32Array.of(1, 2))).toEqual(await pipeline.logits([1, 2]));
    await pipeline.dispose();
    const vocabulary = { "vocab.json": files["vocab.json"] };
    const { ids } = Tokenizer.from(vocabulary).encode("hello");
    expect(Tokenizer.from(new other.Map(Object.entries(vocabulary))).encode("hello").ids).toEqual(ids);
  });
});
