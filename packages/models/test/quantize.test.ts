import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromFloat16, quantizeRowsQ4, quantizeRowsQ8 } from "@kiloformer/core/reference";
import { describe, expect, test } from "vitest";
import {
  architectures,
  type DtypeOption,
  type ModelFiles,
  openBareModel,
  Pipeline,
  parseSafetensors,
  quantizeModel,
  writeSafetensors,
} from "../src/index.ts";
import { replay } from "../src/verify/replay.ts";

const fixtures = fileURLToPath(new URL("../../../verify/fixtures/", import.meta.url));
const shared = fileURLToPath(new URL("../../../../shared/", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, "expected.safetensors")));

/** A folder's files, without what is expected of it. */
function filesOf(folder: string): Map<string, Uint8Array> {
  const names = readdirSync(folder).filter(
    (name) => /\.(json|safetensors|model)$/.test(name) && !/^expected/.test(name),
  );
  return new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
}

/** The files after `kiloformer quantize`. */
async function quantized(files: ReadonlyMap<string, Uint8Array>, dtype: "q8" | "q4") {
  const model = await quantizeModel(files, architectures, { dtype, onWarning() {} });
  const weights = new Uint8Array(model.fileSize);
  const written = new Uint8Array(model.fileSize);
  for await (const { offset, bytes } of model.pieces()) {
    weights.set(bytes, offset);
    for (let i = 0; i < bytes.length; i++) written[offset + i]++;
  }
  expect(written.every((times) => times === 1)).toBe(true);
  const others = [...files].filter(([name]) => !/\.safetensors(\.index\.json)?$/.test(name));
  return new Map<string, Uint8Array | string>([
    ...others,
    ["config.json", model.config],
    ["model.safetensors", weights],
  ]);
}

/** What a folder's inputs give with other weights. */
async function compute(name: string, files: ModelFiles, dtype: DtypeOption) {
  const bare = await openBareModel(files, architectures, { dtype, deterministic: true, onWarning() {} });
  const facts = JSON.parse(readFileSync(join(fixtures, name, "expected.json"), "utf8"));
  const { computed } = await replay(
    bare,
    new Uint8Array(readFileSync(join(fixtures, name, "expected.safetensors"))),
    facts,
  );
  await bare.dispose();
  return computed;
}

describe.each(["q8", "q4"] as const)("%s", (dtype) => {
  test.each(folders)("%s computes the same from a quantized file as quantized while loading", async (name) => {
    const files = filesOf(join(fixtures, name));
    const [loaded, filed] = [
      await compute(name, files, dtype),
      await compute(name, await quantized(files, dtype), "auto"),
    ];
    expect(filed.length).toBeGreaterThan(0);
    expect(filed).toEqual(loaded);
  });

  test("a file's integers and scales are those of the definition, also of transposed tensors and reordered rows", async () => {
    for (const name of ["gpt2-odd", "gpt_neox-serial", "llama-biases"]) {
      const files = filesOf(join(fixtures, name));
      const before = parseSafetensors(files.get("model.safetensors")!);
      const after = parseSafetensors((await quantized(files, dtype)).get("model.safetensors") as Uint8Array);
      let count = 0;
      for (const [tensor, info] of after.tensors) {
        const scaleInfo = after.tensors.get(`${tensor}.scale`);
        if (!scaleInfo) continue;
        count++;
        const isQ4 = info.dtype === "U8";
        const plain = before.tensors.get(tensor)!;
        const isTransposed = /c_attn|c_proj|c_fc/.test(tensor);
        const [rows, columns] = isTransposed ? [...plain.shape].reverse() : plain.shape;
        const w = new Float32Array(before.view(tensor).slice().buffer);
        const matrix = isTransposed ? w.map((_, i) => w[(i % columns) * rows + Math.floor(i / columns)]) : w;
        const expected = (isQ4 ? quantizeRowsQ4 : quantizeRowsQ8)(matrix, rows, columns);
        const q = after.view(tensor);
        const s = after.view(`${tensor}.scale`).slice().buffer;
        const scales = isQ4 ? Float32Array.from(new Uint16Array(s), fromFloat16) : new Float32Array(s);
        expect(scaleInfo).toMatchObject(
          isQ4 ? { dtype: "F16", shape: [rows, Math.ceil(columns / 32)] } : { dtype: "F32", shape: [rows] },
        );
        expect(scales).toEqual(expected.scales);
        const width = Math.ceil(columns / 2);
        const integerAt = (row: number, column: number) =>
          isQ4
            ? ((q[row * width + (column >> 1)] >> (4 * (column & 1))) & 15) - 8
            : (q[row * columns + column] << 24) >> 24;
        const integers = expected.q.map((_, i) => integerAt(Math.floor(i / columns), i % columns));
        expect(integers).toEqual(expected.q);
      }
      expect(count).toBeGreaterThan(3);
    }
  });

  test("a quantized file widened to float32 holds what its integers stand for", async () => {
    const files = filesOf(join(fixtures, "llama-biases"));
    const small = await quantized(files, dtype);
    const wide = parseSafetensors(small.get("model.safetensors") as Uint8Array);
    const tensors = [...wide.tensors].flatMap(([name, { shape, dtype: stored }]): [string, object][] => {
      if (name.endsWith(".scale")) return [];
      const scaleInfo = wide.tensors.get(`${name}.scale`);
      if (!scaleInfo) return [[name, { dtype: stored, shape, data: wide.view(name) }]];
      const s = wide.view(`${name}.scale`).slice().buffer;
      const q = wide.view(name);
      const columns =
        stored === "I8" ? shape[1] : parseSafetensors(files.get("model.safetensors")!).tensors.get(name)!.shape[1];
      const data = Float32Array.from({ length: shape[0] * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        if (stored === "I8") return new Int8Array(q.slice(i, i + 1).buffer)[0] * new Float32Array(s)[row];
        const byte = q[row * shape[1] + (column >> 1)];
        const scale = fromFloat16(new Uint16Array(s)[row * scaleInfo.shape[1] + (column >> 5)]);
        return (((byte >> (4 * (column & 1))) & 15) - 8) * scale;
      });
      return [[name, { dtype: "F32", shape: [shape[0], columns], data }]];
    });
    const plain = new Map<string, Uint8Array | string>(files).set(
      "model.safetensors",
      writeSafetensors(tensors as unknown as Parameters<typeof writeSafetensors>[0]),
    );
    expect(await compute("llama-biases", small, "float32")).toEqual(await compute("llama-biases", plain, "auto"));
  });
});

test.each(["f16", "bf16", "float16", "bfloat16"] as const)("%s rounds while loading", async (dtype) => {
  const files = filesOf(join(fixtures, "llama-biases"));
  const [wide, narrow] = [await compute("llama-biases", files, "f32"), await compute("llama-biases", files, dtype)];
  const [a, b] = [wide, narrow].map((list) => list.find(({ name }) => name === "logits")!.values as Float32Array);
  const worst = Math.max(...a.map((value, i) => Math.abs(value - b[i]))) / Math.max(...a.map(Math.abs));
  expect(worst).toBeGreaterThan(0);
  expect(worst).toBeLessThan(dtype.startsWith("b") ? 2e-2 : 2e-3);
});

test("unsigned 8 bits with a zero for each row are read", async () => {
  const files = filesOf(join(fixtures, "llama-biases"));
  const before = parseSafetensors(files.get("model.safetensors")!);
  const name = [...before.tensors.keys()].find((key) => key.endsWith("down_proj.weight"))!;
  const [rows, columns] = before.tensors.get(name)!.shape;
  const q = Uint8Array.from({ length: rows * columns }, (_, i) => (i * 37) % 256);
  const scale = Float32Array.from({ length: rows }, (_, i) => 0.001 * (i + 1));
  const zero = Uint8Array.from({ length: rows }, (_, i) => 100 + i);
  const values = Float32Array.from(q, (value, i) => {
    const row = Math.floor(i / columns);
    return scale[row] * (value - zero[row]);
  });
  const others = [...before.tensors].filter(([key]) => key !== name);
  const rest = others.map(([key, { dtype, shape }]) => [key, { dtype, shape, data: before.view(key) }] as const);
  const file = (more: readonly (readonly [string, object])[]) =>
    new Map<string, Uint8Array>(files).set(
      "model.safetensors",
      writeSafetensors([...rest, ...more] as unknown as Parameters<typeof writeSafetensors>[0]),
    );
  const affine = file([
    [name, { dtype: "U8", shape: [rows, columns], data: q }],
    [`${name}.scale`, { dtype: "F32", shape: [rows], data: scale }],
    [`${name}.zero_point`, { dtype: "U8", shape: [rows], data: zero }],
  ]);
  const plain = file([[name, { dtype: "F32", shape: [rows, columns], data: values }]]);
  expect(await compute("llama-biases", affine, "auto")).toEqual(await compute("llama-biases", plain, "auto"));
});

test("streams of files that are refused, or that nobody reads to their end, are cancelled", async () => {
  const files = filesOf(join(fixtures, "gpt2-odd"));
  const weights = files.get("model.safetensors")!;
  const cancelled: string[] = [];
  const streamOf = (name: string, bytes: Uint8Array) =>
    new ReadableStream<Uint8Array>({
      pull: (to) => to.enqueue(bytes.slice(0, 4096)),
      cancel: () => void cancelled.push(name),
    });
  const refused = { "config.json": '{"model_type":"no"}', "model.safetensors": streamOf("refused", weights) };
  await expect(quantizeModel(refused, architectures, { dtype: "q8" })).rejects.toMatchObject({
    code: "unsupported-model",
  });
  const left = new Map<string, Uint8Array | ReadableStream<Uint8Array>>(files);
  left.set("model.safetensors", streamOf("left", weights));
  const model = await quantizeModel(left, architectures, { dtype: "q8" });
  for await (const _ of model.pieces()) break;
  left.set("model.safetensors", streamOf("no kernels", weights));
  const hopeless = await quantizeModel(left, architectures, { dtype: "q8", wasm: new Uint8Array(8) });
  await expect(hopeless.pieces().next()).rejects.toMatchObject({ code: "kernels-refused" });
  expect(cancelled).toEqual(["refused", "left", "no kernels"]);
});

test("what is quantized already, or asks for nothing, is refused", async () => {
  const files = filesOf(join(fixtures, "llama-biases"));
  const again = quantizeModel(await quantized(files, "q8"), architectures, { dtype: "q4" });
  await expect(again).rejects.toMatchObject({ code: "already-quantized" });
  const wide = quantizeModel(files, architectures, { dtype: "f32" as "q8" });
  await expect(wide).rejects.toMatchObject({ code: "bad-option" });
  const ignored = { dtype: "q8", threads: 2 } as const;
  await expect(quantizeModel(files, architectures, ignored)).rejects.toMatchObject({ code: "unknown-option" });
  const other = new Map<string, Uint8Array | string>(files);
  const config = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  for (const [quantization, code] of [
    [{ quant_method: "gptq", bits: 4 }, "unsupported-value"],
    [{ quant_method: "kiloformer", bits: 3 }, "bad-value"],
    [{ quant_method: "kiloformer", bits: 4, group_size: 32, nibble_order: "high-first" }, "unsupported-value"],
    [{ quant_method: "kiloformer", bits: 4, group_size: 64, nibble_order: "low-first" }, "bad-value"],
  ] as const) {
    other.set("config.json", JSON.stringify({ ...config, quantization_config: quantization }));
    await expect(openBareModel(other, architectures)).rejects.toMatchObject({ code });
  }
});

const stories = join(shared, "models/tinystories-260k");
describe.skipIf(!existsSync(stories))("a real model on its own stories (../shared is there)", () => {
  /** Perplexity over the expected texts, and the likeliest token of every position. */
  async function measure(dtype: DtypeOption, deterministic: boolean) {
    const pipeline = await Pipeline.fromFiles(filesOf(stories), { dtype, deterministic });
    const facts: unknown = JSON.parse(readFileSync(join(stories, "expected.json"), "utf8"));
    let [sum, count] = [0, 0];
    const likeliest: number[] = [];
    for (const ids of idLists(facts)) {
      const logits = await pipeline.logits(ids);
      const V = logits.length / ids.length;
      for (let t = 0; t < ids.length; t++) {
        const row = logits.subarray(t * V, (t + 1) * V);
        const top = row.indexOf(Math.max(...row));
        likeliest.push(top);
        if (t + 1 === ids.length) continue;
        sum +=
          Math.log(row.reduce((total, value) => total + Math.exp(value - row[top]), 0)) + row[top] - row[ids[t + 1]];
        count++;
      }
    }
    await pipeline.dispose();
    return { perplexity: Math.exp(sum / count), likeliest };
  }

  test.each([
    ["q8", 0.01, 0.97],
    ["q4", 0.05, 0.88],
  ] as const)("%s is within %f of its perplexity", async (dtype, most, agreement) => {
    const plain = await measure("auto", true);
    for (const deterministic of [true, false]) {
      const { perplexity, likeliest } = await measure(dtype, deterministic);
      expect(perplexity / plain.perplexity - 1).toBeLessThan(most);
      const same = likeliest.filter((id, i) => id === plain.likeliest[i]).length;
      expect(same / likeliest.length).toBeGreaterThan(agreement);
    }
  });
});

/** Every list of more than 40 ids in a JSON value. */
function idLists(value: unknown): number[][] {
  if (Array.isArray(value) && value.length > 40 && value.every(Number.isInteger)) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(idLists) : [];
}

test.each(["q8", "q4"] as const)("%s that comes as a stream can be held in any form", async (dtype) => {
  const folder = join(fixtures, "gpt2-odd");
  const files = await quantized(filesOf(folder), dtype);
  for (const held of ["auto", "float32", "q8", "q4"] as const) {
    const streamed = new Map<string, Uint8Array | string | Response>(files);
    streamed.set("model.safetensors", new Response(files.get("model.safetensors") as Uint8Array<ArrayBuffer>));
    expect(await compute("gpt2-odd", streamed, held)).toEqual(await compute("gpt2-odd", files, held));
  }
});

test("what a file has in 4 bits stays so where 8 are asked for", async () => {
  const files = await quantized(filesOf(join(fixtures, "gpt2-odd")), "q4");
  expect(await Pipeline.plan(files, { dtype: "q8" })).toEqual(await Pipeline.plan(files));
  expect(await compute("gpt2-odd", files, "q8")).toEqual(await compute("gpt2-odd", files, "auto"));
});
