// A packed module, byte by byte.
import { expect, test, vi } from "vitest";
import { kernelBytes } from "../src/kernels.ts";
import { leb, readLeb } from "../src/leb.ts";
import {
  checksum,
  PACKED_FORMAT,
  type PackedDirectory,
  readDirectory,
  writeDirectory,
} from "../src/packed/directory.ts";
import { instantiatePacked, openPackedModule } from "../src/packed/open.ts";
import { appended, joined, readSections, SECTION, section, signedLeb } from "../src/packed/sections.ts";
import { writePacked } from "../src/packed/write.ts";
import { Runtime } from "../src/runtime.ts";
import { Weights } from "../src/weights.ts";
import { builds } from "./builds.ts";

test("numbers of any size go the way that the format has, and back", () => {
  expect([0, 127, 128, 624_485].map(leb)).toEqual([[0], [127], [128, 1], [0xe5, 0x8e, 0x26]]);
  // The highest of the last seven bits is a sign.
  expect([0, 63, 64, 8191, 8192, 65_536].map(signedLeb)).toEqual([
    [0],
    [63],
    [0xc0, 0],
    [0xff, 0x3f],
    [0x80, 0xc0, 0],
    [0x80, 0x80, 4],
  ]);
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1]) {
    const bytes = Uint8Array.from([9, ...leb(value), 7]);
    expect(readLeb(bytes, 1)).toEqual({ value, end: bytes.length - 1 });
  }
});

test("a list gets one entry more, and one that is not there begins", () => {
  expect([...joined(appended(Uint8Array.from([2, 10, 11]), [12]))]).toEqual([3, 10, 11, 12]);
  expect([...joined(appended(undefined, [12, 13]))]).toEqual([1, 12, 13]);
  const long = joined([leb(127), new Uint8Array(127)]);
  expect([...joined(appended(long, [5]))].slice(0, 3)).toEqual([128, 1, 0]);
});

test("a checksum shows any single change, and what changed places", () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i * 7);
  const before = checksum(bytes);
  for (let i = 0; i < bytes.length; i++) {
    for (const bit of [1, 128]) {
      bytes[i] ^= bit;
      expect(checksum(bytes)).not.toBe(before);
      bytes[i] ^= bit;
    }
  }
  bytes.reverse();
  expect(checksum(bytes)).not.toBe(before);
  expect(checksum(new Int32Array([-1]))).toBe(checksum(new Int32Array(new Uint32Array([2 ** 32 - 1]).buffer)));
});

const range = { bytes: 0, checksum: 0 };
const directory: PackedDirectory = {
  build: "simd",
  dtype: "auto",
  memory: { address: 65_536, ...range },
  weights: [],
  tensors: [],
  files: { ...range, names: [] },
};

test("a directory reads back, at any place in a buffer, and one that is not whole is refused", () => {
  const bytes = writeDirectory(directory);
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  expect(readDirectory(shifted.subarray(3), "a.wasm")).toEqual(directory);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => readDirectory(bytes.subarray(0, length), "a.wasm")).toThrow(
      /^a\.wasm: expected (format 2|a directory)/,
    );
  }
  const odd = writeDirectory({ ...directory, weights: undefined as never });
  expect(() => readDirectory(odd, "a.wasm")).toThrow(
    "a.wasm: expected a directory of memory, weights, tensors and files, got build, dtype, memory, tensors, files",
  );
});

/** A module of no weights but a block of bytes. */
async function pack(kernels: Uint8Array, bytes: number, files = new Map<string, Uint8Array>(), before = 0) {
  const runtime = await Runtime.create({ build: "simd", wasm: kernels as Uint8Array<ArrayBuffer> });
  if (before > 0) runtime.memory.reserve(before, "other weights");
  const { address } = runtime.memory.reserve(bytes, "weights");
  for (let i = 0; i < bytes; i++) runtime.memory.bytes[address + i] = i * 31 + (i >> 8);
  const reservation = { ...Weights.over(new Map()).finish(), bytes };
  const file = writePacked(runtime, {
    kernels,
    build: "simd",
    dtype: "auto",
    reservation,
    address,
    tensors: [],
    files,
  });
  return { file, expected: runtime.memory.bytes.slice(0, address + bytes) };
}

test("weights that do not stand first in their memory are refused: they would open at another place", async () => {
  await expect(pack(await kernelBytes("simd"), 64, new Map(), 100)).rejects.toMatchObject({
    ...{ name: "MemoryError", code: "not-first" },
    message: "pack: expected weights at the begin of a runtime's memory, 65536, got them at 65664",
  });
});

test.each(builds)("%s: what kernels take is what packed files of this format expect", async (build) => {
  const { kernels } = await Runtime.create({ build });
  const operands = Object.entries(kernels)
    .filter(([, kernel]) => typeof kernel === "function")
    .map(([name, kernel]) => `${name}(${(kernel as () => void).length})`)
    .sort();
  const fingerprint = checksum(new TextEncoder().encode(operands.join()));
  // Packed files carry kernels of their own. Where this fails: raise PACKED_FORMAT, then write the new number here.
  expect({ format: PACKED_FORMAT, fingerprint }, operands.join(" ")).toEqual({ format: 2, fingerprint: 3_504_215_321 });
});

test("an instance's memory begins with the kernels' constants and the block, and is as large as they need", async () => {
  const kernels = await kernelBytes("simd");
  for (const bytes of [64, 65_536, 65_600, 1_000_000 - (1_000_000 % 64)]) {
    const { file, expected } = await pack(kernels, bytes);
    const { instance, module } = await WebAssembly.instantiate(file);
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    const memory = instance.exports.memory as WebAssembly.Memory;
    expect(memory.buffer.byteLength).toBe(Math.ceil((65_536 + bytes) / 65_536) * 65_536);
    expect(Buffer.compare(new Uint8Array(memory.buffer, 0, expected.length), expected)).toBe(0);
    const names = WebAssembly.Module.exports(new WebAssembly.Module(kernels as Uint8Array<ArrayBuffer>));
    expect(WebAssembly.Module.exports(module)).toEqual([...names, { name: "memory", kind: "memory" }]);
  }
});

test("kernels that count their data segments are counted on", async () => {
  const sections = readSections(await kernelBytes("simd"));
  const { value: count } = readLeb(sections.get(SECTION.data)!, 0);
  const order = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];
  sections.set(SECTION.dataCount, Uint8Array.from(leb(count)));
  const parts = order.flatMap((id) => (sections.has(id) ? section(id, sections.get(id)!) : []));
  const { file } = await pack(joined([[0, 97, 115, 109, 1, 0, 0, 0], ...parts]), 64);
  expect(readLeb(readSections(file).get(SECTION.dataCount)!, 0).value).toBe(count + 1);
  await WebAssembly.compile(file);
});

test("files come back by name; equal ones are there once", async () => {
  const text = new TextEncoder().encode("a file of some length, twice");
  const files = new Map([
    ["a.json", text],
    ["b/c.json", text.slice()],
    ["empty.txt", new Uint8Array()],
    ["한.json", Uint8Array.from([1])],
  ]);
  const { file } = await pack(await kernelBytes("simd"), 64, files);
  const opened = await openPackedModule(file);
  expect([...opened.files].map(([name, bytes]) => [name, [...bytes]])).toEqual(
    [...files].map(([name, bytes]) => [name, [...bytes]]),
  );
  expect(opened.directory.files.bytes).toBe(text.length + 1);
});

test("the kernels' bytes come from wherever they are given", async () => {
  const kernels = await kernelBytes("relaxed");
  const given = [kernels, kernels.slice().buffer, new Response(kernels as Uint8Array<ArrayBuffer>)];
  for (const wasm of given) expect(Buffer.compare(await kernelBytes("relaxed", wasm as BufferSource), kernels)).toBe(0);
  await expect(kernelBytes("simd", { relaxed: kernels as BufferSource })).rejects.toMatchObject({ code: "no-kernels" });
  await expect(kernelBytes("simd", new Response("", { status: 404 }))).rejects.toMatchObject({
    code: "kernels-not-found",
  });
});

test("an engine without relaxed SIMD, one without memory, and a policy that WebKit applies late, say so", async () => {
  const { file } = await pack(await kernelBytes("simd"), 64);
  const opened = await openPackedModule(file);
  const reservation = { ...Weights.over(new Map()).finish(), bytes: 64 };
  vi.spyOn(WebAssembly, "instantiate").mockRejectedValueOnce(new RangeError("could not allocate memory"));
  await expect(instantiatePacked(opened, reservation)).rejects.toMatchObject({
    code: "no-memory",
    message: "packed model: expected WebAssembly memory for the weights, got none: could not allocate memory",
  });
  vi.spyOn(WebAssembly, "instantiate").mockRejectedValueOnce(new WebAssembly.CompileError("blocked by CSP"));
  await expect(instantiatePacked(opened, reservation)).rejects.toMatchObject({
    code: "kernels-refused",
    message: expect.stringContaining("needs script-src 'wasm-unsafe-eval'"),
  });
  vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
  vi.spyOn(WebAssembly, "compile").mockRejectedValueOnce(new WebAssembly.CompileError("invalid opcode 0xfd105"));
  await expect(openPackedModule(file, "a.wasm")).rejects.toMatchObject({
    code: "kernels-refused",
    message:
      "a.wasm: expected kernels that this engine compiles, got: invalid opcode 0xfd105; this engine does not run the relaxed build",
  });
  vi.restoreAllMocks();
});

test("a module beyond what engines take is refused before it is put together", async () => {
  const weights = { length: 2 ** 30 };
  const memory = { bytes: { subarray: () => weights }, ints: new Int32Array() };
  const reservation = { ...Weights.over(new Map()).finish(), bytes: weights.length };
  const content = { kernels: await kernelBytes("simd"), build: "simd", dtype: "auto", reservation } as const;
  const write = () =>
    writePacked({ memory } as unknown as Runtime, { ...content, address: 65_536, tensors: [], files: new Map() });
  expect(write).toThrow(
    /^pack: expected a module of at most 1073741824 bytes, got 10737\d{5}; fewer bits for each weight/,
  );
});
