// One file: what was packed gives what its folder gives.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { kernelBytes, Runtime, Weights, writePacked } from "@kiloformer/core";
import { describe, expect, test, vi } from "vitest";
import { bert } from "../src/bert.ts";
import {
  createPipeline,
  type DtypeOption,
  KiloformerError,
  llama,
  openPacked,
  type PackedOptions,
  type PackOptions,
  Pipeline,
  packModel,
} from "../src/index.ts";
import { toSources } from "../src/pipeline/files.ts";
import { planModel } from "../src/pipeline/load.ts";
import { fixtureFiles, fixtures } from "./open.ts";
import { builds, failing, shared } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

const quiet = { onWarning() {} };
const words = ["abc", "hgfedcba", "hagabe dabe", "가나 abba!", ""];
const Small = createPipeline([llama]);

/** The same files in one, opened. */
async function packed(files: Record<string, Uint8Array | string>, options: PackOptions, opening: PackedOptions = {}) {
  const file = await packModel(Pipeline, files, { ...quiet, ...options });
  return { file, pipeline: await openPacked(Pipeline, file, { ...quiet, ...opening }) };
}

describe.each(builds)("%s build", (build) => {
  const dtypes: DtypeOption[] = ["auto", "float16", "bfloat16", "q8", "q4"];
  const ties = [true, false];
  const cases = dtypes.flatMap((dtype) => ties.map((tied) => [dtype, tied] as const));
  test.each(cases)("%s, tied %s: the same bits as from the folder, in no more memory", async (dtype, tied) => {
    const files = tinyFiles({
      config: { tie_word_embeddings: tied },
      tensors: (tensors) => {
        if (tied) tensors.delete("lm_head.weight");
      },
    });
    const runtime = await Runtime.create({ build });
    const folder = await Pipeline.fromFiles(files, { dtype, runtime });
    const { file, pipeline } = await packed(files, { dtype, build });
    expect(pipeline.build).toBe(build);
    expect(pipeline.modelType).toBe("llama");
    expect(pipeline.heldBytes).toBeLessThanOrEqual(folder.heldBytes);
    const ids = [4, 5, 6, 7, 2, 18, 0];
    expect(await pipeline.logits(ids)).toEqual(await folder.logits(ids));
    expect(await pipeline.hiddenStates(ids)).toEqual(await folder.hiddenStates(ids));
    expect(await pipeline.phonemizeBatch(words)).toEqual(await folder.phonemizeBatch(words));
    expect(pipeline.heldBytes).toBeLessThanOrEqual(folder.heldBytes);
    expect(WebAssembly.Module.imports(await WebAssembly.compile(file))).toEqual([]);
    await Promise.all([pipeline.dispose(), folder.dispose()]);
    expect(pipeline.heldBytes).toBe(0);
    runtime.dispose();
  });
});

test("a file opens from bytes, a buffer, a compiled module and a response, and each pipeline has memory of its own", async () => {
  const file = await packModel(Small, tinyFiles());
  const module = await WebAssembly.compile(file);
  const response = () => new Response(file, { headers: { "content-type": "application/wasm" } });
  const pipelines = await Promise.all(
    [file, file.buffer, module, module, response(), new Response(file)].map((source) => openPacked(Small, source)),
  );
  const folder = await Small.fromFiles(tinyFiles(), { deterministic: true });
  const expected = await folder.phonemizeBatch(words);
  for (const pipeline of pipelines) expect(await pipeline.phonemizeBatch(words)).toEqual(expected);
  await pipelines[2].dispose();
  expect(await pipelines[3].phonemizeBatch(words)).toEqual(expected);
  const light = await openPacked({ architectures: [llama] }, file);
  expect(await light.phonemizeBatch(words)).toEqual(expected);
});

test("an engine without WebAssembly is named, also where the file is given", async () => {
  const file = await packModel(Small, tinyFiles());
  vi.stubGlobal("WebAssembly", undefined);
  await expect(openPacked(Small, file)).rejects.toMatchObject({ name: "RuntimeError", code: "no-wasm" });
  vi.unstubAllGlobals();
});

test("an embedder's checkpoint that lacks the output layer opens, also where no task reads modules.json", async () => {
  const files = { ...tinyFiles({ tensors: (tensors) => tensors.delete("lm_head.weight") }), "modules.json": "[]" };
  const folder = await Small.fromFiles(files, { deterministic: true });
  const pipeline = await openPacked(Small, await packModel(Small, files));
  expect(await pipeline.hiddenStates([4, 5])).toEqual(await folder.hiddenStates([4, 5]));
  await expect(pipeline.logits([4])).rejects.toMatchObject({ code: "no-head" });
});

test("progress has an end, and a signal stops", async () => {
  const file = await packModel(Small, tinyFiles());
  const events: string[] = [];
  await openPacked(Small, file, { onProgress: ({ status }) => events.push(status) });
  expect(events).toEqual(["ready"]);
  const reason = new Error("enough");
  await expect(openPacked(Small, file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await expect(packModel(Small, tinyFiles(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

describe("models of every family", () => {
  const foldersOf = (path: string) =>
    readdirSync(path)
      .map((name) => join(path, name))
      .filter((folder) => existsSync(join(folder, "config.json")) || existsSync(join(folder, "modules.json")));
  const folders = ["", "heads", "sentence-transformers", "sentence-embeddings"].flatMap((name) =>
    existsSync(join(fixtures, name)) ? foldersOf(join(fixtures, name)) : [],
  );
  /** What a pipeline makes of a text or of ids, whatever it can: results, or the codes of errors. */
  const everything = async (pipeline: Pipeline) => {
    const calls: (() => Promise<unknown>)[] = [
      () => pipeline.embed("hello world"),
      () => pipeline.hiddenStates([1, 2, 3]),
      () => pipeline.logits([1, 2, 3], pipeline.modelType.includes("t5") ? { decoder_input_ids: [0, 1] } : {}),
      () => pipeline.generate("hello", { max_new_tokens: 3 }),
      () => pipeline.classify("hello world"),
      () => pipeline.fillMask("hello [MASK]"),
      () => pipeline.tagTokens("hello world"),
    ];
    const results: unknown[] = [];
    for (const call of calls) results.push(await call().catch((error) => error.code));
    return results;
  };
  test.each(folders.map((folder) => folder.slice(fixtures.length)))("%s", async (name) => {
    const files = fixtureFiles(name);
    const folder = await Pipeline.fromFiles(files, { ...quiet, deterministic: true });
    const { pipeline } = await packed(files, {});
    const results = await everything(folder);
    expect(results.some((result) => typeof result !== "string")).toBe(true);
    expect(await everything(pipeline)).toEqual(results);
    expect(pipeline.heldBytes).toBeLessThanOrEqual(folder.heldBytes);
    await Promise.all([folder.dispose(), pipeline.dispose()]);
  });
});

describe("is refused", () => {
  const made = packModel(Small, tinyFiles());
  /** The file with some of its bytes changed. */
  const changed = async (change: (file: Uint8Array) => void) => {
    const file = (await made).slice();
    change(file);
    return openPacked(Small, file);
  };
  const find = (file: Uint8Array, text: string) => Buffer.from(file).indexOf(text);

  test("another module, and what is none", async () => {
    const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    await expect(openPacked(Small, empty)).rejects.toEqual(
      failing("not-packed", "packed model: expected a model that kiloformer packed, got another WebAssembly module"),
    );
    const html = new TextEncoder().encode("<!doctype html>");
    await expect(openPacked(Small, html)).rejects.toMatchObject({ name: "RuntimeError", code: "kernels-refused" });
    await expect(openPacked(Small, new Response("", { status: 404 }))).rejects.toMatchObject({
      code: "kernels-not-found",
      message: "wasm: expected a .wasm file, got HTTP 404",
    });
  });

  test("another format version", async () => {
    const change = (file: Uint8Array) => {
      file[find(file, "kiloformer.directory") + "kiloformer.directory".length] = 7;
    };
    await expect(changed(change)).rejects.toEqual(
      failing("wrong-format", "packed model: expected format 2, got 7; pack the model again"),
    );
  });

  test("a change in any part that the engine does not check", async () => {
    const parts: [what: string, place: (file: Uint8Array) => number][] = [
      ["directory", (file) => find(file, "model.norm.weight")],
      ["section of files", (file) => find(file, '"hidden_size"') + 16],
      ["block of weights", (file) => find(file, "kiloformer.files") - 3000],
    ];
    for (const [what, place] of parts) {
      const flip = (file: Uint8Array) => {
        file[place(file)] ^= 1;
      };
      await expect(changed(flip)).rejects.toMatchObject({ name: "PackedError", code: "damaged", fields: { what } });
    }
    const zeroed = (file: Uint8Array) => {
      const end = find(file, "kiloformer.files") - 1000;
      file.fill(0, end - 2000, end);
    };
    await expect(changed(zeroed)).rejects.toMatchObject({ code: "damaged" });
  });

  test("whatever byte is changed, a file opens or says in a typed error why not", async () => {
    const outcomes = new Map<string, number>();
    let state = 1;
    for (let round = 0; round < 600; round++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const change = (file: Uint8Array) => {
        // Every other one outside the weights, where most bytes are.
        const most = round % 2 === 0 ? file.length : find(file, "memory\x02\0") + 10;
        file[state % most] ^= 1 << (state >>> 29);
      };
      const outcome = await changed(change).then(
        async (pipeline) => {
          await pipeline.dispose();
          return "opens";
        },
        (error) => {
          expect(error).toBeInstanceOf(KiloformerError);
          return error.code as string;
        },
      );
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    // Code, and names of kernels, are nothing that a checksum covers.
    expect([...outcomes.keys()].sort()).toEqual(expect.arrayContaining(["damaged", "kernels-refused", "opens"]));
    expect(outcomes.get("damaged")).toBeGreaterThan(200);
  });

  test("a module without memory, or with data that does not fit into it", async () => {
    const rename = (file: Uint8Array) => {
      file[find(file, "memory\x02\0")] ^= 1;
    };
    const where = "packed model: expected";
    await expect(changed(rename)).rejects.toEqual(
      failing("damaged", `${where} a memory that is exported, got none: the file is damaged`),
    );
    const shrink = (file: Uint8Array) => {
      const [memory] = [Buffer.from(file).indexOf(Uint8Array.from([5, 3, 1, 0, 2]))];
      file[memory + 4] = 1;
    };
    await expect(changed(shrink)).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringMatching(/expected a module that can be instantiated, got .*: the file is damaged$/),
    });
  });

  test("a file that is cut short, wherever that is", async () => {
    const file = await made;
    for (let length = 0; length < file.length; length += 997) {
      const error = await openPacked(Small, file.slice(0, length)).then(
        () => undefined,
        (reason) => reason,
      );
      expect(error, `${length} bytes`).toMatchObject({ name: expect.stringMatching(/^(Packed|Runtime)Error$/) });
    }
  });

  test.skipIf(builds.length < 2)("another build than the one that is asked for", async () => {
    const file = await packModel(Small, tinyFiles(), { build: "relaxed" });
    await expect(openPacked(Small, file, { deterministic: true })).rejects.toEqual(
      failing("wrong-kernels", "wasm: expected the simd build, got the relaxed one"),
    );
    expect((await openPacked(Small, await made, { deterministic: true })).build).toBe("simd");
  });

  test("a directory that this version would not write", async () => {
    const kernels = await kernelBytes("simd");
    const runtime = await Runtime.create({ build: "simd" });
    const reservation = Weights.over(new Map()).finish();
    const files = new Map([["config.json", new TextEncoder().encode(tinyFiles()["config.json"] as string)]]);
    const content = { kernels, build: "simd", dtype: "auto", reservation, address: 65_536, files } as const;
    const none = writePacked(runtime, { ...content, tensors: [] });
    await expect(openPacked(Small, none)).rejects.toMatchObject({ name: "WeightError", code: "missing" });
    const plan = await planModel(toSources(tinyFiles()), [llama], {});
    const other = writePacked(runtime, { ...content, tensors: plan.checkpoint.tensors.values() });
    await expect(openPacked(Small, other)).rejects.toMatchObject({
      code: "wrong-layout",
      message: expect.stringMatching(/expected weights that lie as this version lays them, \{.*\}, got none; pack/),
    });
  });

  test("a model of another family, too little memory, and options that were decided before", async () => {
    const file = await made;
    await expect(openPacked(createPipeline([bert]), file)).rejects.toMatchObject({ code: "unsupported-model" });
    await expect(openPacked(Small, file, { limitBytes: 66_000 })).rejects.toMatchObject({ code: "over-limit" });
    const dtype = { dtype: "q8" } as PackedOptions;
    await expect(openPacked(Small, file, dtype)).rejects.toEqual(
      failing(
        "conflicting-options",
        "openPacked: expected no dtype, which was decided when the model was packed, got one",
      ),
    );
    const warnings: string[] = [];
    const alone = await openPacked(Small, file, { threads: 4, onWarning: (message) => warnings.push(message) });
    expect(alone.threads).toBe(1);
    const message = "openPacked: expected 1 thread, as a packed file's memory is its own, got threads 4";
    expect(warnings).toEqual([`${message}: one computes`]);
    await expect(openPacked(Small, file, { threads: 4, strict: true })).rejects.toEqual(
      failing("conflicting-options", message),
    );
    await expect(openPacked(Small, 7 as never)).rejects.toMatchObject({ code: "bad-option" });
    await expect(openPacked([llama] as never, file)).rejects.toMatchObject({ code: "bad-option" });
    await expect(packModel(Small, tinyFiles(), { build: "fast" } as never)).rejects.toMatchObject({
      code: "bad-option",
    });
    await expect(packModel(Small, tinyFiles(), { threads: 1 } as never)).rejects.toMatchObject({
      code: "unknown-option",
    });
    const wasm = await WebAssembly.compile((await kernelBytes("simd")) as BufferSource);
    await expect(packModel(Small, tinyFiles(), { wasm })).rejects.toMatchObject({ code: "no-bytes" });
  });
});

test.skipIf(!shared)("a real G2P: every word as from its folder", async () => {
  const folder = join(shared!, "models/hama-g2p");
  const names = ["config.json", "model.safetensors", "vocab.json"];
  const files = Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
  const { words: golden } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  const plain = await Pipeline.fromFiles(files, { deterministic: true });
  const { pipeline } = await packed(files, {});
  const spelled = golden.map(({ word }: { word: string }) => word);
  expect(await pipeline.phonemizeBatch(spelled)).toEqual(golden.map(({ ipa }: { ipa: string }) => ipa));
  await plain.phonemizeBatch(spelled);
  expect(pipeline.heldBytes).toBeLessThanOrEqual(plain.heldBytes);
  await Promise.all([pipeline.dispose(), plain.dispose()]);
});
