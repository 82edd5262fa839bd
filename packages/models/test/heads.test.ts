import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Tokenizer } from "@kiloformer/tokenizers";
import { describe, expect, test } from "vitest";
import { modelFile } from "../../tokenizers/test/model-file.ts";
import type { EncoderModel } from "../src/architecture.ts";
import { type MaskFill, openBareModel, Pipeline } from "../src/index.ts";
import { softmax } from "../src/pipeline/head-parts.ts";
import { withoutOverlaps } from "../src/pipeline/tag-tokens.ts";
import { architectures } from "../src/registry.ts";
import { openChanged } from "./open.ts";
import { builds, debugRuntime, failing, readJson } from "./shared.ts";

const folder = fileURLToPath(new URL("../../../verify/fixtures/heads/", import.meta.url));
const cases = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());

interface Call {
  readonly method: "fillMask" | "classifyBatch" | "rerank" | "tagTokens";
  readonly arguments: readonly unknown[];
  readonly result: unknown;
  readonly code: string;
}

const run = (pipeline: Pipeline, { method, arguments: given }: Call) =>
  (pipeline[method] as (...given: readonly unknown[]) => Promise<unknown>).call(pipeline, ...given);

async function open(name: string, build = builds[0]) {
  const warnings: string[] = [];
  const runtime = await debugRuntime(build);
  const onWarning = (message: string) => warnings.push(message);
  return { pipeline: await Pipeline.fromDirectory(join(folder, name), { runtime, onWarning }), warnings };
}

/** Words that are decoded twice there, which breaks letters of several bytes: here they are what the text has. */
function repairWords({ method, arguments: [text, options], result }: Call): void {
  const { aggregation_strategy: strategy } = options as { aggregation_strategy?: string };
  if (method !== "tagTokens" || !["first", "average", "max"].includes(String(strategy))) return;
  for (const tag of result as { word: string; start: number; end: number }[]) {
    // Nothing but that: the bytes of one letter have different labels.
    if (!tag.word.includes("\ufffd") || /^[ \ufffd]*$/.test(tag.word)) continue;
    const space = tag.word.startsWith(" ") ? " " : "";
    tag.word = space + (text as string).slice(tag.start, tag.end);
  }
}

/** Scores as close as float32 gets, everything else equal. */
function expectAlike(actual: unknown, expected: unknown, where: string): void {
  if (typeof expected === "number" && !Number.isInteger(expected)) {
    expect(Math.abs((actual as number) - expected), `${where}: ${actual}, expected ${expected}`).toBeLessThanOrEqual(
      2e-6 * Math.max(1, Math.abs(expected)),
    );
  } else if (typeof expected === "object" && expected !== null) {
    expect(Object.keys(actual as object).sort(), where).toEqual(Object.keys(expected).sort());
    for (const [key, value] of Object.entries(expected)) {
      expectAlike((actual as Record<string, unknown>)[key], value, `${where}.${key}`);
    }
  } else expect(actual, where).toEqual(expected);
}

describe.each(builds)("%s kernels", (build) => {
  test.each(cases.map(({ name }) => name))("%s gives what the library gives", async (name) => {
    const { calls, errors = [] } = readJson(join(folder, name, "expected.json")) as { calls: Call[]; errors?: Call[] };
    const { pipeline, warnings } = await open(name, build);
    expect(warnings).toEqual([]);
    for (const call of calls) {
      repairWords(call);
      expectAlike(await run(pipeline, call), call.result, `${name}: ${JSON.stringify(call.arguments).slice(0, 200)}`);
    }
    for (const call of errors) await expect(run(pipeline, call)).rejects.toMatchObject({ code: call.code });
    await pipeline.dispose();
  });
});

test.each([
  ["modernbert-sequence-classification-cls", true],
  ["modernbert-sequence-classification-mean", false],
  ["bert-sequence-classification-odd", true],
])("%s classifies by the states that its head reads, and computes no others", async (name, readsFirst) => {
  const fixtures = join(folder, "..");
  const read = (...path: string[]) => readFileSync(join(fixtures, ...path));
  const files = { "config.json": read(name, "config.json"), "model.safetensors": read(name, "model.safetensors") };
  const runtime = await debugRuntime(builds[0]);
  const options = { runtime, onWarning() {} };
  const bare = await openBareModel(files, architectures, options);
  const tokenizer = JSON.parse(read("sentence-transformers/bert-cls/tokenizer.json").toString());
  const { vocab } = tokenizer.model;
  // No more than the models have rows.
  for (const token of Object.keys(vocab)) if (vocab[token] >= 97) delete vocab[token];
  const beside = { "tokenizer.json": JSON.stringify(tokenizer) };
  const pipeline = await Pipeline.fromFiles({ ...files, ...beside }, options);
  const workOf = async <R>(call: Promise<R>) => {
    const before = runtime.work;
    return { result: await call, work: runtime.work - before };
  };
  const { ids } = (pipeline.tokenizer as Tokenizer).encode("a b c");
  const head = (bare.model as EncoderModel).heads.sequenceClassification!;
  const all = await workOf(bare.encoder.run([{ ids }], head, () => 1));
  const some = await workOf(pipeline.classify("a b c", { function_to_apply: "none" }));
  expect(some.result.map(({ score }) => score).sort()).toEqual([...all.result[0]].sort());
  if (readsFirst) expect(some.work).toBeLessThan(all.work);
  else expect(some.work).toBe(all.work);
  await Promise.all([pipeline.dispose(), bare.dispose()]);
});

describe("fillMask", () => {
  test.each<[what: string, text: unknown, options: object, error: unknown]>([
    ["no mask", "hello", {}, failing("no-mask", 'fillMask: expected [MASK] in the text, got none in "hello"')],
    ["no text", 3, {}, failing("bad-text", "fillMask: expected text, got 3")],
    [
      "no count",
      "[MASK]",
      { top_k: 0 },
      failing("bad-option", "fillMask: expected top_k to be a whole number from 1, got 0"),
    ],
    [
      "an unknown option",
      "[MASK]",
      { topK: 1 },
      failing("unknown-option", "fillMask: expected one of top_k, targets, signal, got topK"),
    ],
    [
      "targets that are no words",
      "[MASK]",
      { targets: [1] },
      failing("bad-text", "fillMask: targets: expected text, got 1"),
    ],
    [
      "targets without tokens",
      "[MASK]",
      { targets: [" "] },
      failing("no-target", 'fillMask: expected targets that have tokens, got [" "]'),
    ],
    [
      "a text that does not fit, as what is cut off might be the mask",
      `${"hello ".repeat(60)} [MASK]`,
      {},
      failing("prompt-too-long", "bert: expected at most 56 tokens, the model's context, got 63"),
    ],
  ])("%s is a typed error", async (_, text, options, error) => {
    const { pipeline } = await open("bert-masked-lm");
    await expect(pipeline.fillMask(text as string, options)).rejects.toThrow(error as Error);
  });

  test("targets that are no tokens are spoken of", async () => {
    const { pipeline, warnings } = await open("bert-masked-lm");
    await pipeline.fillMask("[MASK]", { targets: ["hello", "zebra", " "] });
    expect(warnings).toEqual([
      "fillMask: expected targets that are tokens, got zebra; z is used",
      "fillMask: expected targets that are tokens, got  ; none is used",
    ]);
  });

  test("ids without a token print nothing", async () => {
    const names = ["config.json", "model.safetensors", "tokenizer_config.json", "tokenizer.json"];
    const files = Object.fromEntries(
      names.map((name) => [name, readFileSync(join(folder, "bert-masked-lm", name), "utf8")]),
    );
    const weights = readFileSync(join(folder, "bert-masked-lm/model.safetensors"));
    const json = JSON.parse(files["tokenizer.json"]);
    const { vocab } = json.model;
    const last = Object.keys(vocab).reduce((a, b) => (vocab[a] > vocab[b] ? a : b));
    const id = vocab[last];
    delete vocab[last];
    const fewer = { ...files, "model.safetensors": weights, "tokenizer.json": JSON.stringify(json) };
    const [whole, pipeline] = [(await open("bert-masked-lm")).pipeline, await Pipeline.fromFiles(fewer)];
    const find = async (from: Pipeline) =>
      ((await from.fillMask("hello [MASK]", { top_k: 1e6 })) as MaskFill[]).find(({ token }) => token === id);
    expect((await find(whole))?.token_str).toBe(last.replace("##", ""));
    expect(await find(pipeline)).toMatchObject({ token: id, token_str: "", sequence: "hello" });
    await pipeline.dispose();
  });

  test("more tokens than there are: all of them, with probabilities that sum to 1", async () => {
    const { pipeline } = await open("bert-masked-lm");
    const fills = (await pipeline.fillMask("hello [MASK]", { top_k: 1e6 })) as { score: number; token: number }[];
    expect(new Set(fills.map(({ token }) => token)).size).toBe(pipeline.tokenizer?.vocabSize);
    expect(fills.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 12);
  });
});

describe("classify", () => {
  test("one text, a pair, many texts: each gets what it gets alone", async () => {
    const { pipeline } = await open("bert-labels");
    const items = ["hello world", { text: "hello", text_pair: "world" }, "", "hello world"];
    const all = await pipeline.classifyBatch(items);
    for (const [index, item] of items.entries()) expect(await pipeline.classify(item)).toEqual(all[index]);
    expect(await pipeline.classifyBatch([])).toEqual([]);
  });

  test("top_k null is all labels, and one label alone has a sigmoid", async () => {
    const { pipeline } = await open("bert-labels");
    expect(await pipeline.classify("hello", { top_k: null })).toEqual(await pipeline.classify("hello", { top_k: 3 }));
    const { pipeline: single } = await open("bert-one-label");
    const probable = await single.classify("hello", { function_to_apply: "sigmoid" });
    expect(await single.classify("hello")).toEqual(probable);
    expect(probable[0].score).toBeLessThan(1);
  });

  test("a text that is longer than the context is cut there", async () => {
    const { pipeline } = await open("bert-labels");
    expect(await pipeline.classify("hello ".repeat(500))).toEqual(await pipeline.classify("hello ".repeat(46)));
  });

  test.each<[what: string, texts: unknown, options: object, error: unknown]>([
    ["a text for a list", "hello", {}, failing("bad-text", 'classify: expected an array of texts, got "hello"')],
    ["a number", [1], {}, failing("bad-text", "classify: expected text, got 1")],
    ["half a pair", [{ text: "a", text_pair: 1 }], {}, failing("bad-text", "classify: expected text, got 1")],
    ["a list of two", [["a", "b"]], {}, failing("bad-text", 'classify: expected text, got ["a","b"]')],
    [
      "another function",
      ["a"],
      { function_to_apply: "toString" },
      failing("bad-option", 'classify: expected function_to_apply to be one of softmax, sigmoid, none, got "toString"'),
    ],
    [
      "half a label",
      ["a"],
      { top_k: 1.5 },
      failing("bad-option", "classify: expected top_k to be a whole number from 1, got 1.5"),
    ],
  ])("%s is a typed error", async (_, texts, options, error) => {
    const { pipeline } = await open("bert-labels");
    await expect(pipeline.classifyBatch(texts as string[], options)).rejects.toThrow(error as Error);
  });
});

describe("rerank", () => {
  test("documents of equal scores keep their order, and ranks are those of single calls", async () => {
    const { pipeline } = await open("bert-one-label");
    const documents = ["hello", "world", "hello", "paris", "hello"];
    const ranked = await pipeline.rerank("hello", documents, { return_documents: true });
    const equal = ranked.filter(({ document }) => document === "hello").map(({ index }) => index);
    expect(equal).toEqual([0, 2, 4]);
    for (const { score, document } of ranked) {
      expect((await pipeline.rerank("hello", [document!]))[0].score).toBe(score);
    }
    expect(await pipeline.rerank("hello", [])).toEqual([]);
  });

  test.each<[saved: object, begin: string]>([
    [{ prompts: { query: "the cat ", other: "paris " }, default_prompt_name: "query" }, "the cat "],
    [{ prompts: { query: "the cat " }, default_prompt_name: null }, ""],
    [{ prompts: { query: "" }, default_prompt_name: "query" }, ""],
  ])("a cross-encoder's queries begin with its saved prompt: %j", async (saved, begin) => {
    const name = "heads/bert-saved-activation";
    const file = "config_sentence_transformers.json";
    const settings = { ...readJson(join(folder, "bert-saved-activation", file)), ...saved };
    const pipeline = await openChanged(name, {}, () => {}, { [file]: JSON.stringify(settings) });
    const plain = await openChanged(name);
    const documents = ["hello world", "paris", ""];
    expect(await pipeline.rerank("hello", documents)).toEqual(await plain.rerank(`${begin}hello`, documents));
    await Promise.all([pipeline.dispose(), plain.dispose()]);
  });

  test.each<[what: string, name: string, query: unknown, options: object, error: unknown]>([
    [
      "a model of several labels",
      "bert-labels",
      "a",
      {},
      failing("no-head", "bert: expected a checkpoint with a head of one score for rerank (not 3), got one without"),
    ],
    [
      "a model of tokens",
      "bert-tags",
      "a",
      {},
      failing("no-head", "bert: expected a checkpoint with a sequence classifier, got one without"),
    ],
    ["no query", "bert-one-label", undefined, {}, failing("bad-text", "rerank: expected text, got undefined")],
    [
      "another activation",
      "bert-one-label",
      "a",
      { activation: "tanh" },
      failing("bad-option", 'rerank: expected activation to be one of sigmoid, identity, got "tanh"'),
    ],
  ])("%s is a typed error", async (_, name, query, options, error) => {
    const { pipeline } = await open(name);
    await expect(pipeline.rerank(query as string, ["b"], options)).rejects.toThrow(error as Error);
  });
});

describe("a cross-encoder's own files", () => {
  const name = "heads/bert-saved-activation";
  const file = "sentence_bert_config.json";
  const own = readJson(join(folder, "bert-saved-activation", file));
  const openWith = (settings: object, others: Record<string, string> = {}) =>
    openChanged(name, {}, () => {}, { [file]: JSON.stringify({ ...own, ...settings }), ...others });
  const long = "hello world and paris";

  test.each<[settings: object, document: string, same: string]>([
    [{ max_seq_length: 6 }, long, "hello world"],
    [{ processor_kwargs: { model_max_length: 6 } }, long, "hello world"],
    [{ tokenizer_args: { model_max_length: 6 } }, long, "hello world"],
    [{ do_lower_case: true }, "HELLO [SEP] World", "hello [SEP] world"],
    [{ processing_kwargs: {}, model_kwargs: { dtype: "float32" } }, long, long],
  ])("%j counts for rerank, and not for classify", async (settings, document, same) => {
    const [pipeline, plain] = [await openWith(settings), await openChanged(name)];
    expect(await pipeline.rerank("anna", [document])).toEqual(await plain.rerank("anna", [same]));
    expect(await pipeline.classify(document)).toEqual(await plain.classify(document));
    await Promise.all([pipeline.dispose(), plain.dispose()]);
  });

  const type = "sentence_transformers.base.modules";
  const dense = { idx: 1, name: "1", path: "1_Dense", type: `${type}.dense.Dense` };
  const first = { idx: 0, name: "0", path: "", type: `${type}.transformer.Transformer` };
  test.each<[settings: object, modules: readonly object[], code: string, message: string]>([
    [
      { processing_kwargs: { text: { add_special_tokens: false } } },
      [first],
      "unsupported-value",
      `${file}: expected no processing_kwargs, got {"text":{"add_special_tokens":false}}`,
    ],
    [{ transformer_task: "text-generation" }, [first], "unsupported-value", `${file}: expected no transformer_task`],
    [
      { modality_config: { ...own.modality_config, message: own.modality_config.text } },
      [first],
      "unsupported-value",
      `${file}: modality_config: expected no message`,
    ],
    [
      { processor_kwargs: { truncation_side: "left" } },
      [first],
      "unsupported-value",
      `${file}: processor_kwargs: expected no truncation_side, got "left"`,
    ],
    [
      {},
      [first, dense],
      "unsupported-module",
      `modules.json: expected no module behind a cross-encoder's Transformer, got ${dense.type}`,
    ],
    [{}, [dense], "unsupported-module", "modules.json: expected a cross-encoder's first module to be Transformer"],
  ])("%j with %j: rerank says what is not supported, and classify works", async (settings, list, code, message) => {
    const pipeline = await openWith(settings, { "modules.json": JSON.stringify(list) });
    const error = { name: "ConfigError", code, message: expect.stringContaining(message) };
    await expect(pipeline.rerank("anna", [long])).rejects.toMatchObject(error);
    expect(await pipeline.classify(long)).toHaveLength(1);
    await pipeline.dispose();
  });

  test("an activation_fn of null hides the older key", async () => {
    const older = { sbert_ce_default_activation_function: "torch.nn.Tanh" };
    const [plain, hidden] = [
      await openChanged("heads/bert-one-label"),
      await openChanged("heads/bert-one-label", { ...older, sentence_transformers: { activation_fn: null } }),
    ];
    expect(await hidden.rerank("anna", [long])).toEqual(await plain.rerank("anna", [long]));
    await Promise.all([plain.dispose(), hidden.dispose()]);
  });
});

describe("labels", () => {
  const name = "heads/bert-labels";

  test("max_seq_length of sentence-transformers cuts none of their texts", async () => {
    const others = { "sentence_bert_config.json": '{"max_seq_length": 4}' };
    const [plain, beside] = [await openChanged(name), await openChanged(name, {}, () => {}, others)];
    expect(await beside.classify("hello world and paris")).toEqual(await plain.classify("hello world and paris"));
    await Promise.all([plain.dispose(), beside.dispose()]);
  });

  test.each<[id2label: object, num_labels: number | undefined, labels: readonly string[]]>([
    [{ 0: "a", 1: 7, 2: "" }, undefined, ["", "7", "a"]],
    [{ "02": "c", "00": "a", "01": "b" }, undefined, ["a", "b", "c"]],
    [{ 0: "a", 1: "b" }, 3, ["LABEL_0", "LABEL_1", "LABEL_2"]],
  ])("%j with num_labels %j", async (id2label, num_labels, labels) => {
    const pipeline = await openChanged(name, { id2label, num_labels, label2id: undefined });
    expect((await pipeline.classify("hello")).map(({ label }) => label).sort()).toEqual(labels);
    await pipeline.dispose();
  });

  test.each<[id2label: object, index: number, got: string]>([
    [{ 0: {}, 1: "b", 2: "c" }, 0, "{}"],
    [{ 0: "a", 1: null, 2: "c" }, 1, "null"],
    [{ 0: "a", 1: "b", 3: "c" }, 2, "undefined"],
  ])("%j: classify says which one is missing", async (id2label, index, got) => {
    const pipeline = await openChanged(name, { id2label, label2id: undefined });
    const message = `config.json: expected id2label to have a text for ${index}, got ${got}`;
    await expect(pipeline.classify("hello")).rejects.toThrow(failing("bad-value", message));
    expect(await pipeline.embed("hello")).toHaveLength(12);
    await pipeline.dispose();
  });
});

describe("tagTokens", () => {
  test("unknown tokens are read as they stand, like any others", async () => {
    const name = "heads/bert-tags";
    const { id2label } = readJson(join(folder, "bert-tags", "config.json"));
    const one = Object.fromEntries(Object.keys(id2label).map((id) => [id, "I-X"]));
    const tokenizer = readJson(join(folder, "bert-tags", "tokenizer.json"));
    const { "!": mark, ...vocab } = tokenizer.model.vocab;
    const changed = { ...tokenizer, model: { ...tokenizer.model, vocab: { ...vocab, "<gone>": mark } } };
    const others = { "tokenizer.json": JSON.stringify(changed) };
    const pipeline = await openChanged(name, { id2label: one, label2id: undefined }, () => {}, others);
    const [{ word }] = await pipeline.tagTokens("Hello ☃ world, hello!", { aggregation_strategy: "simple" });
    expect(word).toBe("hello ☃ world, hello!");
    await pipeline.dispose();
  });

  test("spans of a SentencePiece .model begin at letters, not at the spaces before them", async () => {
    const pieces = ["<unk>", "<s>", "</s>", "▁", "▁hello", "▁world", "h", "e", "l", "o", "界", "😀"];
    const kind = (id: number) => (id === 0 ? 2 : id < 3 ? 3 : 1);
    const file = modelFile({ pieces: pieces.map((piece, id) => [piece, -id, kind(id)]), model_type: 1 });
    const changes = { model_type: "xlm-roberta" };
    const others = { "tokenizer.json": null, "tokenizer_config.json": null, "sentencepiece.bpe.model": file };
    const pipeline = await openChanged("heads/roberta-tags", changes, () => {}, others as never);
    const text = "  hello world  界 world 😀";
    const tags = await pipeline.tagTokens(text, { ignore_labels: [] });
    expect(tags.map(({ start, end }) => text.slice(start, end))).toEqual([
      "hello",
      "world",
      "界",
      "界",
      "world",
      "😀",
      "😀",
    ]);
    await pipeline.dispose();
  });

  test("words are those between spaces where nothing marks pieces that go on", async () => {
    const tokenizer = readJson(join(folder, "bert-tags", "tokenizer.json"));
    const model = { ...tokenizer.model, continuing_subword_prefix: "" };
    const others = { "tokenizer.json": JSON.stringify({ ...tokenizer, model }) };
    const pipeline = await openChanged("heads/bert-tags", {}, () => {}, others);
    const options = { aggregation_strategy: "average", ignore_labels: [] } as const;
    const text = "hello worldhello lives";
    const pieces = (await pipeline.tagTokens(text, { ignore_labels: [] })).length;
    const tags = await pipeline.tagTokens(text, options);
    expect(pieces).toBeGreaterThan(3);
    const begins = [...text.matchAll(/\S+/g)].map(({ index }) => index);
    expect(begins).toEqual(expect.arrayContaining(tags.map(({ start }) => start)));
    await pipeline.dispose();
  });

  test("spans are those of text.slice, also behind letters of two units", async () => {
    const { pipeline } = await open("bert-tags");
    const text = "🙂🙂 Anna lives in 東京 and Paris";
    const tags = await pipeline.tagTokens(text, { ignore_labels: [] });
    const at = tags.find(({ word }) => word === "anna")!;
    expect(text.slice(at.start, at.end)).toBe("Anna");
    expect(tags.map(({ start, end }) => text.slice(start, end)).join("")).toBe(text.replaceAll(" ", ""));
  });

  test.each<[what: string, options: object, error: unknown]>([
    [
      "another strategy",
      { aggregation_strategy: "last" },
      failing(
        "bad-option",
        'tagTokens: expected aggregation_strategy to be one of none, simple, first, average, max, got "last"',
      ),
    ],
    [
      "windows without groups",
      { stride: 2 },
      failing("conflicting-options", "tagTokens: expected an aggregation_strategy beside stride, got none"),
    ],
    [
      "windows that do not move",
      { stride: 20, aggregation_strategy: "simple" },
      failing("bad-option", "tagTokens: expected stride to be a whole number below 20, the tokens of a window, got 20"),
    ],
    [
      "labels that are no list",
      { ignore_labels: "O" },
      failing("bad-text", 'tagTokens: ignore_labels: expected an array of texts, got "O"'),
    ],
  ])("%s is a typed error", async (_, options, error) => {
    const { pipeline } = await open("bert-tags");
    await expect(pipeline.tagTokens("hello", options)).rejects.toThrow(error as Error);
  });

  test("of groups that cover each other in two windows, the one of more characters stays, and not of more units", () => {
    const text = "🙂🙂🙂abcd";
    const wide = { entity_group: "X", score: 0.9, word: "🙂🙂🙂", start: 0, end: 6 };
    const long = { entity_group: "Y", score: 0.1, word: "🙂abcd", start: 4, end: 10 };
    expect([6, 5].map((end) => withoutOverlaps(text, [wide, { ...long, end: 4 + end }]))).toEqual([
      [long],
      [{ ...long, end: 9 }],
    ]);
    expect(withoutOverlaps(text, [wide, { ...long, end: 8 }])).toEqual([wide]);
  });

  test("a model without such a head says so", async () => {
    const { pipeline } = await open("bert-labels");
    const error = failing("no-head", "bert: expected a checkpoint with a token classifier, got one without");
    await expect(pipeline.tagTokens("hello")).rejects.toThrow(error);
  });
});

test("logits beyond what the exponential holds have probabilities", () => {
  expect([...softmax(Float32Array.of(1000, 1000, -1000))]).toEqual([0.5, 0.5, 0]);
});
