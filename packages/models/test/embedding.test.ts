import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors } from "@kiloformer/core";
import type { Tokenizer } from "@kiloformer/tokenizers";
import { describe, expect, test } from "vitest";
import { Pipeline } from "../src/index.ts";
import { fixtures } from "./open.ts";
import { filesOf, folder, open } from "./sentence-transformers.ts";
import { builds, debugRuntime, failing, readJson, worstDifference } from "./shared.ts";

const cases = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());

interface Call {
  readonly options: Record<string, unknown>;
  readonly embeddings: readonly number[][];
}

/** The largest difference, relative to the largest absolute value of all that is expected, and the least cosine. */
function compare(actual: readonly Float32Array[], expected: readonly (readonly number[] | Float32Array)[]) {
  const all = Float32Array.from(actual.flatMap((vector) => [...vector]));
  const { relative } = worstDifference(
    all,
    expected.flatMap((vector) => [...vector]),
  );
  const cosine = Math.min(...actual.map((vector, index) => cosineOf(vector, expected[index])));
  return { relative, cosine };
}

function cosineOf(a: Float32Array, b: ArrayLike<number>): number {
  let [product, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    left += a[i] ** 2;
    right += b[i] ** 2;
  }
  // A text of no known token is the zero vector.
  return left === 0 && right === 0 ? 1 : product / Math.sqrt(left * right);
}

describe.each(builds)("%s kernels", (build) => {
  test.each(cases.map(({ name }) => name))("%s gives what the library gives", async (name) => {
    const expected = readJson(join(folder, name, "expected.json"));
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    const runtime = await debugRuntime(build);
    const pipeline = await Pipeline.fromDirectory(join(folder, name), { runtime, onWarning });
    expect(warnings).toEqual([]);
    for (const { options, embeddings } of expected.calls as Call[]) {
      const vectors = await pipeline.embedBatch(expected.texts, options);
      expect(vectors.map(({ length }) => length)).toEqual(embeddings.map(({ length }) => length));
      const { relative, cosine } = compare(vectors, embeddings);
      const where = `${name} ${JSON.stringify(options)}`;
      expect(relative, where).toBeLessThanOrEqual(2e-6);
      expect(cosine, where).toBeGreaterThanOrEqual(0.999999);
      const [first] = vectors;
      expect(await pipeline.embed(expected.texts[0], options), `${where}: alone`).toEqual(first);
    }
    for (const { options } of expected.errors ?? []) {
      await expect(pipeline.embed("text", options)).rejects.toMatchObject({
        name: "OptionError",
        code: "unknown-prompt",
      });
    }
    await pipeline.dispose();
  });
});

test.each(["bert-dense", "bert-subfolder", "static-embedding", "static-embedding-subfolder", "static-model2vec-bare"])(
  "%s opens from streams, each of which is read once",
  async (name) => {
    const files = Object.entries(filesOf(name)).map(([file, content]) => [file, new Response(content as BodyInit)]);
    const runtime = await debugRuntime(builds[0]);
    const pipeline = await Pipeline.fromFiles(Object.fromEntries(files), { runtime });
    const { texts, calls } = readJson(join(folder, name, "expected.json"));
    const { relative } = compare(await pipeline.embedBatch(texts), calls[0].embeddings);
    expect(relative).toBeLessThanOrEqual(2e-6);
  },
);

describe("embedBatch", () => {
  test("a text's vector is the same bits alone, in any batch, at any place, and twice", async () => {
    const { pipeline } = await open("bert-dense");
    const { texts } = readJson(join(folder, "bert-dense/expected.json")) as { texts: string[] };
    const alone = new Map<string, Float32Array>();
    for (const text of texts) alone.set(text, await pipeline.embed(text));
    const many = [...texts, ...texts.toReversed(), texts[3], texts[3]];
    const vectors = await pipeline.embedBatch(many);
    expect(vectors).toEqual(many.map((text) => alone.get(text)));
    expect(vectors[0].buffer).not.toBe(vectors[many.length - 4].buffer);
  });

  test.each(["bert-cls", "modernbert-cls"])("%s: of the last layer only the first state is computed", async (name) => {
    const runtime = await debugRuntime(builds[0]);
    const pipeline = await Pipeline.fromDirectory(join(folder, name), { runtime });
    const workOf = async (call: Promise<unknown>) => {
      const before = runtime.work;
      await call;
      return runtime.work - before;
    };
    expect(await workOf(pipeline.embed("a b c"))).toBeLessThan(await workOf(pipeline.encode("a b c")));
    await pipeline.dispose();
  });

  test("behind a prompt that does not count, the first state is the one behind it", async () => {
    const name = "1_Pooling/config.json";
    const pooling = { ...readJson(join(folder, "bert-cls", name)), include_prompt: false };
    const { pipeline } = await open("bert-cls", { [name]: pooling });
    const states = await pipeline.encode("hello a b");
    const { ids } = (pipeline.tokenizer as Tokenizer).encode("hello");
    const width = (await pipeline.embed("a b")).length;
    // Without the token behind the prompt.
    const first = (ids.length - 1) * width;
    expect(await pipeline.embed("a b", { prompt: "hello " })).toEqual(states.slice(first, first + width));
    await pipeline.dispose();
  });

  test("a prompt without tokens changes nothing, where it does not count either", async () => {
    const tokenizer = { ...readJson(join(folder, "bert-cls", "tokenizer.json")), post_processor: null };
    const pooling = { ...readJson(join(folder, "bert-cls", "1_Pooling/config.json")), include_prompt: false };
    const { pipeline } = await open("bert-cls", { "tokenizer.json": tokenizer, "1_Pooling/config.json": pooling });
    expect(await pipeline.embed("a b", { prompt: "\u0000" })).toEqual(await pipeline.embed("a b"));
    await pipeline.dispose();
  });

  test("thousands of texts are worked on a lot at a time, in order", async () => {
    const { pipeline } = await open("bert-cls");
    const texts = Array.from({ length: 3000 }, (_, index) => `token ${index % 7} of the world`);
    const vectors = await pipeline.embedBatch(texts);
    expect(vectors.length).toBe(3000);
    for (const index of [7, 1400, 2996]) expect(vectors[index]).toEqual(vectors[index % 7]);
    await pipeline.dispose();
  });

  test("texts are the caller's again as soon as the call has begun", async () => {
    const { pipeline } = await open("bert-cls");
    const texts = ["hello", "hello world", "a b c"];
    const expected = await pipeline.embedBatch(texts);
    const given = texts.slice();
    const going = pipeline.embedBatch(given);
    given.fill("other", 1);
    given.length = 2;
    expect(await going).toEqual(expected);
    await pipeline.dispose();
  });

  test("a tokenizer's max_len is the older name of model_max_length", async () => {
    const text = "hello world hello world hello world";
    const vectorOf = async (settings: object) => {
      const { pipeline } = await open("bert-no-modules", { "tokenizer_config.json": settings });
      const vector = await pipeline.embed(text);
      await pipeline.dispose();
      return vector;
    };
    const [cut, older, both, whole] = [
      await vectorOf({ model_max_length: 4 }),
      await vectorOf({ max_len: 4 }),
      await vectorOf({ max_len: 9, model_max_length: 4 }),
      await vectorOf({}),
    ];
    expect(older).toEqual(cut);
    expect(both).toEqual(cut);
    expect(whole).not.toEqual(cut);
  });

  test("a table opens beside a config without a type", async () => {
    const { pipeline: expected } = await open("static-embedding");
    const config = { max_length: 512, normalize: true, embedding_dtype: "float32" };
    const { pipeline, warnings } = await open("static-embedding", { "config.json": config });
    expect(warnings).toEqual([]);
    expect(await pipeline.embed("hello world")).toEqual(await expected.embed("hello world"));
    await Promise.all([pipeline.dispose(), expected.dispose()]);
  });

  test("no text gives no vector", async () => {
    const { pipeline } = await open("static-embedding");
    expect(await pipeline.embedBatch([])).toEqual([]);
  });

  test("a table of vectors gives zero for a text without tokens", async () => {
    const { pipeline } = await open("static-embedding");
    expect(await pipeline.embed("")).toEqual(new Float32Array(24));
    expect(pipeline.modelType).toBe("static-embedding");
  });

  test.each<[what: string, texts: unknown, options: unknown, error: unknown]>([
    ["a string", "text", {}, failing("bad-text", 'embed: expected an array of texts, got "text"')],
    ["a number", ["a", 1], {}, failing("bad-text", "embed: expected text, got 1")],
    ["null", [null], {}, failing("bad-text", "embed: expected text, got null")],
    ["a nested list", [["a"]], {}, failing("bad-text", 'embed: expected text, got ["a"]')],
    [
      "too many texts",
      Array(1_000_001).fill(""),
      {},
      failing("too-many-texts", "embed: expected at most 1000000 texts, got 1000001"),
    ],
    [
      "an unknown option",
      [],
      { batch_size: 3 },
      failing(
        "unknown-option",
        "embed: expected one of prompt_name, prompt, truncate_dim, normalize_embeddings, pooling, signal, got batch_size",
      ),
    ],
    [
      "no dimension",
      [],
      { truncate_dim: 0 },
      failing("bad-option", "embed: expected truncate_dim to be a whole number from 1, got 0"),
    ],
    [
      "normalize that is no boolean",
      [],
      { normalize_embeddings: "yes" },
      failing("bad-option", 'embed: expected normalize_embeddings to be true or false, got "yes"'),
    ],
    ["a prompt that is no text", [], { prompt: 1 }, failing("bad-option", "embed: expected prompt to be text, got 1")],
    [
      "an unknown pooling",
      [],
      { pooling: "median" },
      failing(
        "bad-option",
        'embed: expected pooling to be one of cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken, got "median"',
      ),
    ],
    [
      "a pooling beside that of the files",
      [],
      { pooling: "cls" },
      failing(
        "conflicting-options",
        "embed: expected no pooling for a model whose files say how tokens are pooled, got cls",
      ),
    ],
    [
      "an unknown prompt",
      [],
      { prompt_name: "constructor" },
      failing("unknown-prompt", "embed: expected prompt_name to be one of query, document, glued, got constructor"),
    ],
  ])("%s is a typed error", async (_, texts, options, error) => {
    const { pipeline } = await open("bert-prompts");
    await expect(pipeline.embedBatch(texts as string[], options as object)).rejects.toThrow(error as Error);
    expect((await pipeline.embed("hello")).length).toBe(20);
  });

  test("pooling may be chosen where files say nothing of it", async () => {
    const { pipeline } = await open("bert-no-modules");
    const states = await pipeline.encode("hello world");
    expect(await pipeline.embed("hello world", { pooling: "cls" })).toEqual(states.slice(0, 20));
    expect(await pipeline.embed("hello world", { pooling: "lasttoken" })).toEqual(states.slice(-20));
  });

  test("both prompts: prompt counts, and a warning says so", async () => {
    const { pipeline, warnings } = await open("bert-prompts");
    const vector = await pipeline.embed("text", { prompt: "query: ", prompt_name: "nothing" });
    expect(vector).toEqual(await pipeline.embed("text", { prompt_name: "query" }));
    expect(warnings).toEqual(["embed: expected prompt or prompt_name, got both; prompt is used"]);
  });

  test("an abort stops between lots, and the pipeline stays usable", async () => {
    const { pipeline } = await open("bert-cls");
    const ending = new AbortController();
    const running = pipeline.embedBatch(Array(20_000).fill("one two three"), { signal: ending.signal });
    setTimeout(() => ending.abort(new Error("enough")), 20);
    await expect(running).rejects.toThrow("enough");
    expect((await pipeline.embed("hello")).length).toBe(20);
  });

  test("a model without a tokenizer says so", async () => {
    const { pipeline } = await open("bert-cls", { "tokenizer.json": undefined });
    const error = failing("no-tokenizer", "embed: expected a tokenizer file beside the model, got none");
    await expect(pipeline.embed("hello")).rejects.toThrow(error);
  });

  test("numbers that are not finite are an error, not a vector", async () => {
    const files = filesOf("static-embedding");
    const file = Uint8Array.from(files["model.safetensors"] as Uint8Array);
    file.fill(0xff, parseSafetensors(file).dataBegin);
    const runtime = await debugRuntime(builds[0]);
    const pipeline = await Pipeline.fromFiles({ ...files, "model.safetensors": file }, { runtime });
    const error = failing("not-finite", "embed: expected finite numbers, got NaN at 0");
    await expect(pipeline.embed("hello")).rejects.toThrow(error);
  });
});

// verify/replay/minilm.mjs puts it there, and replays all of it.
const recorded = join(fixtures, "sentence-embeddings");
const miniLm = join(fixtures, "../build/minilm", readJson(join(recorded, "manifest.json")).folder);

describe.skipIf(!existsSync(join(miniLm, "model.safetensors")))("all-MiniLM-L6-v2", () => {
  test.each(builds)(
    "%s kernels: sentences of six languages",
    async (build) => {
      const { sentences } = readJson(join(recorded, "sentences.json")) as {
        sentences: { text: string; tokens: number }[];
      };
      const file = parseSafetensors(readFileSync(join(recorded, "embeddings.safetensors")));
      const all = file.array("embeddings") as Float32Array;
      const chosen = sentences.flatMap(({ text, tokens }, index) =>
        index % 5 === 0 || tokens > 256 ? [{ text, index }] : [],
      );
      const pipeline = await Pipeline.fromDirectory(miniLm, { runtime: await debugRuntime(build) });
      const vectors = await pipeline.embedBatch(chosen.map(({ text }) => text));
      const { relative, cosine } = compare(
        vectors,
        chosen.map(({ index }) => all.subarray(index * 384, (index + 1) * 384)),
      );
      expect(relative).toBeLessThanOrEqual(2e-6);
      expect(cosine).toBeGreaterThanOrEqual(0.999999);
      await pipeline.dispose();
    },
    120_000,
  );
});
