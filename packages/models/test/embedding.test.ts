import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSafetensors } from "@kiloformer/core";
import type { Tokenizer } from "@kiloformer/tokenizers";
import { describe, expect, test } from "vitest";
import { Pipeline } from "../src/index.ts";
import { builds, debugRuntime, failing, readJson, worstDifference } from "./shared.ts";

const fixtures = fileURLToPath(new URL("../../../verify/fixtures/", import.meta.url));
const folder = join(fixtures, "sentence-transformers");
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

type Files = Record<string, Uint8Array | string>;

/** A case's files by name, some of them replaced; undefined takes one away. */
function filesOf(name: string, changes: Record<string, unknown> = {}): Files {
  const files: Files = {};
  for (const entry of readdirSync(join(folder, name), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[path.slice(join(folder, name).length + 1)] = readFileSync(path);
  }
  for (const [file, content] of Object.entries(changes)) {
    if (content === undefined) delete files[file];
    else files[file] = typeof content === "string" ? content : JSON.stringify(content);
  }
  return files;
}

async function open(name: string, changes: Record<string, unknown> = {}, strict = false) {
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const runtime = await debugRuntime(builds[0]);
  return { pipeline: await Pipeline.fromFiles(filesOf(name, changes), { runtime, strict, onWarning }), warnings };
}

const modules = (...entries: (readonly [type: string, path: string])[]) =>
  entries.map(([type, path], idx) => ({ idx, name: `${idx}`, path, type: `sentence_transformers.models.${type}` }));

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

describe("modules.json", () => {
  test.each([
    "bert-dense",
    "bert-subfolder",
    "static-embedding",
    "static-embedding-subfolder",
    "static-model2vec-bare",
  ])("%s opens from streams, each of which is read once", async (name) => {
    const files = Object.entries(filesOf(name)).map(([file, content]) => [file, new Response(content as BodyInit)]);
    const runtime = await debugRuntime(builds[0]);
    const pipeline = await Pipeline.fromFiles(Object.fromEntries(files), { runtime });
    const { texts, calls } = readJson(join(folder, name, "expected.json"));
    const { relative } = compare(await pipeline.embedBatch(texts), calls[0].embeddings);
    expect(relative).toBeLessThanOrEqual(2e-6);
  });

  const unsafe = [
    "../1_Pooling",
    "/etc",
    "C:\\x",
    "1_Pooling\\..",
    "%2e%2e/1_Pooling",
    "https://evil/x",
    "a/../../b",
    "a\0b",
    ".hidden",
    "a//b",
    7,
    null,
  ];
  test.each(unsafe)("a module's folder may not be %j", async (path) => {
    const list = [...modules(["Transformer", ""]), { type: "sentence_transformers.models.Pooling", path }];
    await expect(open("bert-mean", { "modules.json": list })).rejects.toMatchObject({
      name: "ConfigError",
      code: "unsafe-path",
      message: expect.stringMatching(/^modules\.json: expected \[1\]\.path to be a folder of the model, got /),
    });
  });

  test.each([
    ["", "invalid-json"],
    ["{}", "not-a-list"],
    ['"text"', "not-a-list"],
    ['[], "other": []', "not-a-list"],
    ["[", "invalid-json"],
    ["[NaN]", "not-finite"],
    ["[{}]", "bad-value"],
    ["[null]", "bad-value"],
    [`${"[".repeat(70)}${"]".repeat(70)}`, "too-deep"],
  ])("%j is a typed error", async (text, code) => {
    await expect(open("bert-mean", { "modules.json": text })).rejects.toMatchObject({ name: "ConfigError", code });
  });

  const transformer = ["Transformer", ""] as const;
  const pooling = ["Pooling", "1_Pooling"] as const;
  test.each([
    [
      "WordEmbeddings first",
      [["WordEmbeddings", "0"], pooling],
      "expected the first module to be Transformer or StaticEmbedding",
    ],
    ["no pooling", [transformer], "expected the second module to be Pooling, got none"],
    ["nothing", [], "expected the first module to be Transformer or StaticEmbedding, got none"],
    [
      "an unknown one",
      [transformer, pooling, ["CNN", "2_CNN"]],
      "expected modules of Normalize, Dropout, LayerNorm, Dense behind the pooling, got sentence_transformers.models.CNN",
    ],
    ["constructor", [transformer, pooling, ["constructor", "x"]], "got sentence_transformers.models.constructor"],
  ] as const)("%s: the model opens, and embed says what is not supported", async (_, entries, message) => {
    const { pipeline } = await open("bert-mean", { "modules.json": modules(...entries) });
    await expect(pipeline.embed("hello")).rejects.toMatchObject({
      name: "ConfigError",
      code: "unsupported-module",
      message: expect.stringContaining(message),
    });
    expect((await pipeline.encode("hello")).length).toBe(60);
  });

  test("classes of others are not the library's", async () => {
    const list = [{ type: "custom_st.Transformer", path: "" }, ...modules(["Pooling", "1_Pooling"])];
    const { pipeline } = await open("bert-mean", { "modules.json": list });
    await expect(pipeline.embed("hello")).rejects.toThrow("got custom_st.Transformer");
  });

  test("the vectors of tokens, and other tasks than hidden states, are not supported", async () => {
    const settings = { transformer_task: "fill-mask" };
    const other = await open("bert-mean", { "sentence_bert_config.json": settings });
    await expect(other.pipeline.embed("hello")).rejects.toMatchObject({ code: "unsupported-value" });
    const dense = {
      in_features: 20,
      out_features: 12,
      activation_function: "torch.nn.modules.activation.Tanh",
      module_input_name: "token_embeddings",
    };
    const { pipeline } = await open("bert-dense", { "2_Dense/config.json": dense });
    await expect(pipeline.embed("hello")).rejects.toMatchObject({ code: "unsupported-value" });
  });

  test("an activation of another place is not called Tanh", async () => {
    const config = { in_features: 20, out_features: 12, bias: true, activation_function: "my.Activation" };
    const { pipeline } = await open("bert-dense", { "2_Dense/config.json": config });
    const known = "Identity, Tanh, Sigmoid, ReLU, GELU, SiLU, ELU, LeakyReLU, Softplus";
    const message = `2_Dense/config.json: expected an activation of torch.nn that is one of ${known}, got my.Activation`;
    await expect(pipeline.embed("hello")).rejects.toThrow(failing("unsupported-activation", message));
  });

  test.each<[string, Record<string, unknown>, string, string]>([
    [
      "weights that are a pickle",
      { "2_Dense/model.safetensors": undefined, "2_Dense/pytorch_model.bin": "x" },
      "missing-file",
      "2_Dense/model.safetensors: expected this file, got 2_Dense/pytorch_model.bin only, which is a Python pickle",
    ],
    [
      "no weights",
      { "2_Dense/model.safetensors": undefined },
      "missing-file",
      "2_Dense/model.safetensors: expected this file, got none",
    ],
    [
      "weights of another shape",
      { "2_Dense/config.json": { in_features: 20, out_features: 13 } },
      "misshaped",
      "2_Dense/model.safetensors: expected linear.bias of shape [13], got [12]",
    ],
    [
      "no size",
      { "2_Dense/config.json": { in_features: 20 } },
      "missing-key",
      "2_Dense/config.json: expected out_features to be an integer from 1 to 2147483647, got no such key",
    ],
    [
      "a pooling that is none",
      { "1_Pooling/config.json": { embedding_dimension: 20, pooling_mode: ["mean", "median"] } },
      "unsupported-value",
      '1_Pooling/config.json: expected pooling_mode to be some of cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken, got ["mean","median"]',
    ],
    [
      "prompts that are no texts",
      { "config_sentence_transformers.json": { prompts: { query: 1 } } },
      "bad-value",
      'config_sentence_transformers.json: expected prompts to be texts by their names, got {"query":1}',
    ],
    [
      "a default that is no prompt",
      { "config_sentence_transformers.json": { default_prompt_name: "passage" } },
      "bad-value",
      'config_sentence_transformers.json: expected default_prompt_name to be a name of prompts, got "passage"',
    ],
  ])("%s: a typed error", async (_, changes, code, message) => {
    const opened = open("bert-dense", changes).then(({ pipeline }) => pipeline.embed("hello"));
    await expect(opened).rejects.toThrow(failing(code, message));
  });

  test("a key that nobody knows is spoken of, and an error with strict", async () => {
    const changes = { "1_Pooling/config.json": { embedding_dimension: 20, pooling_mode: "mean", dark_matter: 1 } };
    const message = '1_Pooling/config.json: expected only keys that this runtime knows, got "dark_matter"';
    expect((await open("bert-mean", changes)).warnings).toEqual([message]);
    await expect(open("bert-mean", changes, true)).rejects.toThrow(failing("unknown-key", message));
  });

  test("rows of a table that its mapping leads out of are refused", async () => {
    const files = filesOf("static-model2vec-bare-quantized");
    const file = Uint8Array.from(files["model.safetensors"] as Uint8Array);
    const { begin } = parseSafetensors(file).tensors.get("mapping")!;
    file[begin] = 30;
    const opened = Pipeline.fromFiles({ ...files, "model.safetensors": file });
    const message = "model.safetensors: expected mapping to have rows from 0 to 29, got 30";
    await expect(opened).rejects.toThrow(failing("bad-mapping", message));
  });

  test("ids beyond the rows of a table that several tokens share are refused", async () => {
    const { pipeline } = await open("static-model2vec-bare-quantized");
    const error = failing("bad-ids", "ids: expected rows from 0 to 29, got 40");
    await expect(pipeline.hiddenStates([3, 40])).rejects.toThrow(error);
    expect((await pipeline.hiddenStates([3, 29]))[0].length).toBe(48);
  });
});

const transformer = "sentence_bert_config.json";
const plainText = { text: { method: "forward", method_output_name: "last_hidden_state" } };

describe(transformer, () => {
  test.each<[settings: object, message: string]>([
    [
      { modality_config: { ...plainText, message: { ...plainText.text, format: "flat" } } },
      "modality_config: expected no message, got ",
    ],
    [
      { modality_config: { text: { method: "forward", method_output_name: ["hidden_states", -2] } } },
      'modality_config: text: expected no method_output_name, got ["hidden_states",-2]: only last_hidden_state is read',
    ],
    [
      { modality_config: { text: { ...plainText.text, method: "get_text_features" } } },
      'modality_config: text: expected no method, got "get_text_features"',
    ],
    [{ modality_config: { image: plainText.text } }, "modality_config: expected text to be an object, got undefined"],
    [{ module_output_name: "sentence_embedding" }, "expected no module_output_name"],
    [
      { processing_kwargs: { text: { max_length: 6 } } },
      'expected no processing_kwargs, got {"text":{"max_length":6}}',
    ],
    [{ config_kwargs: { num_hidden_layers: 1 } }, "config_kwargs: expected no num_hidden_layers, got 1"],
    [{ config_args: { hidden_act: "relu" } }, 'config_args: expected no hidden_act, got "relu"'],
    [{ model_kwargs: { default_task: "x" } }, "model_kwargs: expected no default_task"],
    [{ model_args: { quantization_config: {} } }, "model_args: expected no quantization_config"],
    [{ processor_kwargs: { do_lower_case: true } }, "processor_kwargs: expected no do_lower_case, got true"],
    [{ tokenizer_args: { truncation_side: "left" } }, "tokenizer_args: expected no truncation_side"],
  ])("%j: the model opens, and embed says what is not supported", async (settings, message) => {
    const { pipeline, warnings } = await open("bert-mean", { [transformer]: settings });
    expect(warnings).toEqual([]);
    await expect(pipeline.embed("hello")).rejects.toMatchObject({
      name: "ConfigError",
      code: "unsupported-value",
      message: expect.stringContaining(`${transformer}: ${message}`),
    });
    expect((await pipeline.encode("hello")).length).toBe(60);
    await pipeline.dispose();
  });

  test.each([
    {},
    { modality_config: plainText, module_output_name: "token_embeddings" },
    { modality_config: { ...plainText, image: { method: "get_image_features", method_output_name: null } } },
    { processing_kwargs: {} },
    { processing_kwargs: { text: {} } },
    { model_kwargs: { torch_dtype: "float16", attn_implementation: "eager", device_map: "auto" } },
    { model_args: { add_pooling_layer: false }, config_args: { trust_remote_code: true } },
    { processor_kwargs: { use_fast: true, padding_side: "left" } },
    { tokenizer_args: { truncation_side: "right", model_max_length: 1e30 } },
  ])("%j changes nothing", async (settings) => {
    const [plain, changed] = [
      await open("bert-mean", {}, true),
      await open("bert-mean", { [transformer]: settings }, true),
    ];
    expect(await changed.pipeline.embed("hello world")).toEqual(await plain.pipeline.embed("hello world"));
    await Promise.all([plain.pipeline.dispose(), changed.pipeline.dispose()]);
  });

  test("an empty one leaves it to the next", async () => {
    const files = { [transformer]: {}, "sentence_roberta_config.json": { max_seq_length: 3 } };
    const { pipeline } = await open("bert-mean", files);
    expect(await pipeline.embed("hello world")).toEqual(await pipeline.embed("hello"));
    await pipeline.dispose();
  });

  test("do_lower_case leaves special tokens that a text spells", async () => {
    const settings = { max_seq_length: null, do_lower_case: true };
    const [plain, small] = [await open("bert-mean"), await open("bert-mean", { [transformer]: settings })];
    const lower = "hello [SEP] world[MASK][ sep ]";
    expect(await small.pipeline.embed("HELLO [SEP] World[MASK][ SEP ]")).toEqual(await plain.pipeline.embed(lower));
    await Promise.all([plain.pipeline.dispose(), small.pipeline.dispose()]);
  });

  test("without modules.json it says nothing, as in the library", async () => {
    const files = { [transformer]: { max_seq_length: 3 } };
    const [plain, beside] = [await open("bert-no-modules"), await open("bert-no-modules", files)];
    expect(await beside.pipeline.embed("hello world")).toEqual(await plain.pipeline.embed("hello world"));
    await Promise.all([plain.pipeline.dispose(), beside.pipeline.dispose()]);
  });
});

describe("chat templates", () => {
  const message =
    "embed: expected a modules.json beside a chat template, got none; texts are read without the template";
  test.each<[name: string, changes: Record<string, unknown>, expected: readonly string[]]>([
    ["bert-no-modules", { "chat_template.jinja": "{{ messages }}" }, [message]],
    ["bert-no-modules", { "tokenizer_config.json": { chat_template: "{{ messages }}" } }, [message]],
    ["bert-no-modules", { "tokenizer_config.json": { chat_template: null } }, []],
    ["bert-mean", { "chat_template.jinja": "{{ messages }}" }, []],
  ])("%s with %j: embed speaks once of what it leaves out", async (name, changes, expected) => {
    const { pipeline, warnings } = await open(name, changes);
    for (const text of ["hello", "world"]) await pipeline.embed(text);
    expect(warnings).toEqual(expected);
    await pipeline.dispose();
  });
});

describe("files that the library does not open", () => {
  const settings = "config_sentence_transformers.json";
  const pooling = "1_Pooling/config.json";
  const dimension = { embedding_dimension: 20 };
  test.each<[changes: Record<string, unknown>, code: string, message: string]>([
    ...([null, [], "text", 3].map((prompts): [object, string, string] => [
      { [settings]: { prompts } },
      "bad-value",
      `${settings}: expected prompts to be texts by their names, got ${JSON.stringify(prompts)}`,
    ]) as [Record<string, unknown>, string, string][]),
    [
      { [settings]: { prompts: {}, default_prompt_name: "passage" } },
      "bad-value",
      `${settings}: expected default_prompt_name to be a name of prompts, got "passage"`,
    ],
    [
      { [settings]: { model_type: "CrossEncoder", prompts: {}, default_prompt_name: "query" } },
      "bad-value",
      `${settings}: expected default_prompt_name to be a name of prompts, got "query"`,
    ],
    [{ [pooling]: undefined }, "missing-file", `${pooling}: expected this file, got none`],
    [
      { "modules.json": modules(["Transformer", ""], ["Pooling", "9_Pooling"]) },
      "missing-file",
      "9_Pooling/config.json: expected this file, got none",
    ],
    [
      { [pooling]: { pooling_mode: "cls" } },
      "missing-key",
      `${pooling}: expected embedding_dimension to be an integer`,
    ],
    [
      { [pooling]: { ...dimension, pooling_mode: null } },
      "unsupported-value",
      `${pooling}: expected pooling_mode to be`,
    ],
    [{ [pooling]: { ...dimension, pooling_mode: [] } }, "unsupported-value", `${pooling}: expected pooling_mode to be`],
  ])("%j: a typed error", async (changes, code, message) => {
    const opened = open("bert-mean", changes).then(({ pipeline }) => pipeline.embed("hello"));
    await expect(opened).rejects.toMatchObject({
      name: "ConfigError",
      code,
      message: expect.stringContaining(message),
    });
  });

  test("of a pooling whose flags are all false it takes the mean", async () => {
    const none = { word_embedding_dimension: 20, pooling_mode_cls_token: false, pooling_mode_mean_tokens: false };
    const [mean, flags] = [await open("bert-mean"), await open("bert-mean", { [pooling]: none })];
    expect(await flags.pipeline.embed("hello")).toEqual(await mean.pipeline.embed("hello"));
    await Promise.all([mean.pipeline.dispose(), flags.pipeline.dispose()]);
  });

  test("a table's texts are no pairs", async () => {
    const tokenizer = JSON.parse(String(filesOf("static-embedding")["tokenizer.json"]));
    const truncation = { direction: "Right", max_length: 6, strategy: "OnlySecond", stride: 0 };
    const { pipeline } = await open("static-embedding", { "tokenizer.json": { ...tokenizer, truncation } });
    const error = failing(
      "unsupported-value",
      'tokenizer.json: truncation: expected no strategy, got "OnlySecond": texts are no pairs',
    );
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
