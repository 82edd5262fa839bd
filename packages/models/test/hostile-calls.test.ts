// What a caller may get wrong: every call says what it expected, and the model is usable afterwards.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { writeSafetensors } from "@kiloformer/core";
import { sentencePiece, Tokenizer } from "@kiloformer/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { g2p } from "../src/g2p.ts";
import {
  architectures,
  type BareModel,
  createPipeline,
  DisposedError,
  KiloformerError,
  llama,
  openBareModel,
  openPacked,
  Pipeline,
  quantizeModel,
  Runtime,
} from "../src/index.ts";
import { type ExpectedFacts, replay } from "../src/verify/index.ts";
import { fixtureFiles, fixtures } from "./open.ts";
import { failing } from "./shared.ts";

const quiet = { onWarning: () => {} };

describe("a decoder without a pipeline", () => {
  let bare: BareModel;
  let other: BareModel;
  beforeAll(async () => {
    bare = await openBareModel(fixtureFiles("gpt2-odd"), architectures, quiet);
    other = await openBareModel(fixtureFiles("gpt2-unscaled"), architectures, quiet);
  });
  afterAll(async () => {
    await bare.dispose();
    await other.dispose();
  });

  test.each([97, -1, 1.5, Number.NaN, "1", 1e8])("refuses the id %j in a step", async (id) => {
    const cache = bare.decoder.newCache();
    await expect(bare.decoder.step([{ cache, ids: [id as number] }])).rejects.toEqual(
      expect.objectContaining({ code: "bad-ids" }),
    );
    expect((await bare.decoder.step([{ cache, ids: [3] }]))[0]).toHaveLength(97);
    cache.dispose();
  });

  test("refuses caches of another model, one cache twice, and what is no list of feeds", async () => {
    const foreign = other.decoder.newCache();
    const cache = bare.decoder.newCache();
    const code = (name: string) => expect.objectContaining({ code: name });
    const { decoder } = bare;
    await expect(decoder.step([{ cache: foreign, ids: [1] }])).rejects.toEqual(code("foreign-cache"));
    await expect(decoder.logits([1], { cache: foreign })).rejects.toEqual(code("foreign-cache"));
    await expect(decoder.step([{ cache: {} as never, ids: [1] }])).rejects.toEqual(code("foreign-cache"));
    const twice = { cache, ids: [5] };
    await expect(decoder.step([twice, { ...twice }])).rejects.toEqual(code("shared-cache"));
    await expect(decoder.step([{ cache, ids: [] }])).rejects.toEqual(code("bad-ids"));
    await expect(decoder.step(null as never)).rejects.toEqual(code("bad-feeds"));
    await expect(decoder.logits(null as never)).rejects.toEqual(code("bad-ids"));
    await expect(decoder.logits([1], { memory: {} as never })).rejects.toEqual(code("bad-option"));
    await expect(decoder.logits([1], { banana: 1 } as never)).rejects.toEqual(code("unknown-option"));
    await expect(decoder.logits([1], { signal: 5 as never })).rejects.toEqual(code("bad-option"));
    expect(cache.length).toBe(0);
    foreign.dispose();
    cache.dispose();
  });
});

test("what a call cannot give is refused before anything is computed", async () => {
  const decoder = await Pipeline.fromFiles(fixtureFiles("gpt2-odd"), quiet);
  const encoder = await Pipeline.fromFiles(fixtureFiles("bert-base-model"), quiet);
  const answers = { max_new_tokens: 2, return_dict_in_generate: true } as const;
  const refused: [call: Promise<unknown>, code: string, message: string][] = [
    [
      decoder.generateBatch(new Array(100_001).fill([1]), answers),
      "too-many-prompts",
      "generateBatch: expected at most 100000 prompts, got 100001",
    ],
    [
      decoder.generate([1], { return_dict_in_generate: "yes" as never }),
      "bad-option",
      'generate: expected return_dict_in_generate to be true or false, got "yes"',
    ],
    [
      decoder.generate([1], { logprobs: true }),
      "conflicting-options",
      "generate: expected return_dict_in_generate: true beside logprobs, as a text has no place for them",
    ],
    [
      encoder.hiddenStates([1, 2], { token_type_ids: [0] }),
      "bad-ids",
      "token_type_ids: expected 2, one for each id, got 1",
    ],
    [
      decoder.phonemize("a"),
      "not-g2p",
      "phonemize: expected a model whose vocabulary maps letters to IPA, got one without a tokenizer",
    ],
  ];
  for (const [call, code, message] of refused) await expect(call).rejects.toThrow(failing(code, message));
  await Promise.all([decoder.dispose(), encoder.dispose()]);
});

test("a decoder refuses chunks of no rows and lengths that are none, and nothing has changed then", async () => {
  const bare = await openBareModel(fixtureFiles("gpt2-odd"), architectures, quiet);
  const { decoder } = bare;
  const cache = decoder.newCache();
  await decoder.step([{ cache, ids: [3, 4, 5] }]);
  for (const [value, shown] of [
    [0, "0"],
    [-1, "-1"],
    [1.5, "1.5"],
    [Number.NaN, "NaN"],
    [null, "null"],
    ["a", '"a"'],
  ]) {
    const chunked = { cache, chunkRows: value as number };
    for (const call of ["logits", "states", "hiddenStates"] as const) {
      await expect(decoder[call]([3], chunked)).rejects.toEqual(
        failing("bad-option", `ids: expected chunkRows to be an integer from 1, got ${shown}`),
      );
    }
    if (value === 0) continue;
    expect(() => cache.truncate(value as number)).toThrow(
      failing("bad-length", `truncate: expected length to be an integer from 0, got ${shown}`),
    );
    expect([cache.length, cache.self.length, cache.ids.length]).toEqual([3, 3, 3]);
  }
  cache.truncate(9);
  expect([cache.length, cache.ids.length]).toEqual([3, 3]);
  cache.truncate(1);
  const [after] = await decoder.step([{ cache, ids: [4, 5, 6] }]);
  expect(after).toEqual((await decoder.logits([3, 4, 5, 6])).slice(-97));
  cache.dispose();
  await bare.dispose();
});

test("a call that fails leaves the caches that it fed as they were", async () => {
  for (const name of ["gpt2-odd", "phi3-longrope-crossing"]) {
    const bare = await openBareModel(fixtureFiles(name), architectures, quiet);
    const { decoder } = bare;
    const cache = decoder.newCache();
    const [first, more] = [[3, 4, 5], Array.from({ length: 40 }, (_, index) => 3 + (index % 9))];
    await decoder.logits(first, { cache });
    const expected = (await decoder.logits([...first, ...more])).slice(-bare.model.vocabSize);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(decoder.step([{ cache, ids: more }], { signal })).rejects.toThrow("enough");
    await expect(decoder.logits(more, { cache, signal, chunkRows: 7 })).rejects.toThrow("enough");
    const controller = new AbortController();
    const going = decoder.logits(more, { cache, signal: controller.signal, chunkRows: 7 });
    const busy = expect.objectContaining({ code: "cache-busy" });
    await expect(decoder.step([{ cache, ids: [3] }])).rejects.toEqual(busy);
    await expect(decoder.logits([3], { cache })).rejects.toEqual(busy);
    expect(() => cache.truncate(1)).toThrow(busy);
    controller.abort(new Error("enough"));
    await expect(going).rejects.toThrow("enough");
    const tooMany = Array.from({ length: decoder.contextLength }, () => 3);
    await expect(decoder.step([{ cache, ids: tooMany }])).rejects.toMatchObject({ code: "prompt-too-long" });
    expect([cache.length, cache.ids]).toEqual([3, first]);
    expect((await decoder.step([{ cache, ids: more }]))[0]).toEqual(expected);
    expect(cache.length).toBe(43);
    await bare.dispose();
  }
});

test("a cache that is cut goes on as a new one would, on whichever side of a limit of its rotations", async () => {
  const bare = await openBareModel(fixtureFiles("phi3-longrope-crossing"), architectures, quiet);
  const { decoder } = bare;
  const { vocabSize, recomputesBeyond: limit } = bare.model as { vocabSize: number; recomputesBeyond: number };
  const ids = Array.from({ length: 40 }, (_, index) => (index * 7 + 3) % vocabSize);
  const after = async (all: readonly number[]) => (await decoder.logits(all)).slice(-vocabSize);
  expect(limit).toBeLessThan(30);
  const cache = decoder.newCache();
  await decoder.logits(ids, { cache });
  for (const [kept, added] of [
    [8, [5]],
    [9, ids.slice(9, 30)],
    [limit + 3, [4]],
    [limit - 2, [6]],
    [0, [3, 4]],
    [2, ids.slice(2, 32)],
    [0, ids.slice(0, 5)],
    [5, ids.slice(5, 35)],
  ] as const) {
    cache.truncate(kept);
    const before = cache.ids.slice();
    const fork = cache.fork();
    await expect(decoder.step([{ cache, ids: [...added] }], { signal: AbortSignal.abort() })).rejects.toThrow();
    const expected = await after([...before, ...added]);
    expect((await decoder.step([{ cache: fork, ids: [...added] }]))[0]).toEqual(expected);
    fork.dispose();
    expect((await decoder.step([{ cache, ids: [...added] }]))[0]).toEqual(expected);
  }
  cache.dispose();
  await bare.dispose();
});

test("lists are the caller's again as soon as a call has begun", async () => {
  const bare = await openBareModel(fixtureFiles("gpt2-odd"), architectures, quiet);
  const { decoder } = bare;
  const long = Array.from({ length: 40 }, (_, index) => 3 + (index % 9));
  const expected = await decoder.logits(long);
  const change = (ids: number[]) => {
    ids.fill(1e6);
    ids.length = 1;
  };
  const given = long.slice();
  const cache = decoder.newCache();
  const going = decoder.logits(given, { cache, chunkRows: 7 });
  change(given);
  expect(await going).toEqual(expected);
  expect(cache.ids).toEqual(long);
  const states = await decoder.hiddenStates(long);
  const again = long.slice();
  const observing = decoder.hiddenStates(again);
  change(again);
  expect(await observing).toEqual(states);
  const next = [4, 5];
  const step = decoder.step([{ cache, ids: next }]);
  change(next);
  await step;
  expect(cache.ids).toEqual([...long, 4, 5]);
  cache.dispose();
  await bare.dispose();
  const encoders = await openBareModel(fixtureFiles("t5-odd"), architectures, quiet);
  const rows = [{ ids: long.slice() }, { ids: [3, 4] }];
  const encoded = await encoders.encoder.states([{ ids: long }, { ids: [3, 4] }]);
  const running = encoders.encoder.states(rows);
  for (const { ids } of rows) change(ids);
  expect(await running).toEqual(encoded);
  await encoders.dispose();
  const pipeline = await Pipeline.fromFiles(fixtureFiles("gpt2-odd"), quiet);
  const asked = {
    max_new_tokens: 6,
    return_dict_in_generate: true,
    suppress_tokens: [6],
    bad_words_ids: [[7, 8]],
  } as const;
  const plain = await pipeline.generate([3, 4], asked);
  const [prompt, suppress, words] = [[3, 4], [6], [[7, 8]]];
  const writing = pipeline.generate(prompt, { ...asked, suppress_tokens: suppress, bad_words_ids: words });
  prompt.push(7);
  suppress.push(...plain.ids);
  words[0].splice(0, 2, plain.ids[0]);
  expect(await writing).toEqual(plain);
  await pipeline.dispose();
});

test("a signal must do what signals do, and a pipeline's architectures are a list", async () => {
  const half = Object.assign(new EventTarget(), { aborted: true });
  const refused = expect.objectContaining({ code: "bad-option", message: expect.stringContaining("an AbortSignal") });
  await expect(Pipeline.fromFiles(fixtureFiles("gpt2-odd"), { signal: half as never })).rejects.toEqual(refused);
  for (const wrong of [undefined, null, { tokenizers: [] }]) {
    expect(() => createPipeline(wrong as never)).toThrow(
      expect.objectContaining({ code: "bad-option", message: expect.stringMatching(/^createPipeline: expected arch/) }),
    );
  }
});

test("what an encoder remembers serves its own decoder, as long as somebody holds it", async () => {
  const bare = await openBareModel(fixtureFiles("t5-odd"), architectures, quiet);
  const other = await openBareModel(fixtureFiles("t5-odd"), architectures, quiet);
  const { encoder, decoder } = bare;
  const once = await encoder.remember({ ids: [3, 4] }, decoder.pool);
  const expected = await decoder.logits([0], { memory: once });
  await expect(decoder.logits([0], { memory: once })).rejects.toMatchObject({ code: "memory-released" });
  const held = (await encoder.remember({ ids: [3, 4] }, decoder.pool)).retain();
  for (let round = 0; round < 2; round++) expect(await decoder.logits([0], { memory: held })).toEqual(expected);
  await expect(other.decoder.logits([0], { memory: held })).rejects.toMatchObject({ code: "bad-option" });
  const cache = decoder.newCache(held);
  await expect(decoder.logits([0], { memory: held, cache })).rejects.toMatchObject({ code: "conflicting-options" });
  expect(await decoder.logits([0], { cache })).toEqual(expected);
  cache.dispose();
  held.release();
  expect(() => decoder.newCache(held)).toThrow(expect.objectContaining({ code: "memory-released" }));
  await bare.dispose();
  await other.dispose();
});

test("bytes in the wrong place are told by their type, and not listed one by one", async () => {
  const bytes = new Uint8Array(3e6);
  const pipeline = await Pipeline.fromFiles(fixtureFiles("heads/bert-labels"), quiet);
  await expect(openPacked(bytes as never, bytes)).rejects.toThrow("architectures, got [object Uint8Array]");
  await expect(openPacked(Buffer.from(bytes) as never, bytes)).rejects.toThrow("got [object Uint8Array]");
  await expect(pipeline.embed(bytes as never)).rejects.toThrow("embed: expected text, got [object Uint8Array]");
  await expect(pipeline.classify("a", { top_k: bytes as never })).rejects.toThrow("got [object Uint8Array]");
  await expect(pipeline.classify("a", bytes as never)).rejects.toThrow("options as an object, got a Uint8Array");
  await expect(Pipeline.fromFiles(bytes as never)).rejects.toThrow("files: expected an object of file names");
  expect(() => Tokenizer.from(bytes as never)).toThrow("files by their names, got [object Uint8Array]");
  await pipeline.dispose();
});

test("a decoder that needs an encoder says so", async () => {
  const bare = await openBareModel(fixtureFiles("t5-odd"), architectures, quiet);
  await expect(bare.decoder.logits([0])).rejects.toEqual(expect.objectContaining({ code: "no-memory" }));
  await expect(bare.encoder.states(null as never)).rejects.toEqual(expect.objectContaining({ code: "bad-texts" }));
  await expect(bare.encoder.states([{ ids: [1], type_ids: [0] } as never])).rejects.toEqual(
    expect.objectContaining({ code: "unknown-option" }),
  );
  expect(await bare.encoder.states([{ ids: [3, 4] }])).toHaveLength(1);
  await bare.dispose();
});

describe("a model that was disposed of, on a runtime that lives on", () => {
  const open = async (name: string, runtime: Runtime) =>
    openBareModel(fixtureFiles(name), architectures, { ...quiet, runtime });

  test("throws, by whatever is held of it, and gives its memory back once", async () => {
    const runtime = await Runtime.create();
    const bare = await open("t5-odd", runtime);
    const { encoder, decoder } = bare;
    const memory = (await encoder.remember({ ids: [3, 4] }, decoder.pool)).retain();
    const cache = decoder.newCache(memory);
    await decoder.step([{ cache, ids: [1] }]);
    await bare.dispose();
    const other = await open("gpt2-odd", runtime);
    const logits = await other.decoder.logits([3, 4]);
    await bare.dispose();
    const calls: (() => unknown)[] = [
      () => decoder.step([{ cache, ids: [1] }]),
      () => decoder.logits([1], { memory }),
      () => decoder.states([1], { memory }),
      () => decoder.hiddenStates([1], { memory }),
      () => decoder.newCache(),
      () => decoder.checkMemory(1, 1),
      () => encoder.states([{ ids: [3] }]),
      () => encoder.hiddenStates({ ids: [3] }),
      () => encoder.remember({ ids: [3] }, decoder.pool),
      () => bare.decoder,
      () => bare.encoder,
    ];
    for (const call of calls) {
      const error = await (async () => call())().then(
        () => "no error",
        (reason) => reason,
      );
      expect(error, String(call)).toBeInstanceOf(DisposedError);
      expect(error).toEqual(failing("disposed", "model: expected a live model, got one that was disposed"));
    }
    cache.dispose();
    memory.release();
    expect(await other.decoder.logits([3, 4])).toEqual(logits);
    await other.dispose();
    runtime.dispose();
  });

  test("throws where neither was asked for before, and where a call is between two forwards", async () => {
    const runtime = await Runtime.create();
    const unused = await open("t5-odd", runtime);
    await unused.dispose();
    expect(() => unused.decoder).toThrow(DisposedError);
    expect(() => unused.encoder).toThrow(DisposedError);
    const bare = await open("gpt2-odd", runtime);
    const running = bare.decoder.logits([3, 4, 5, 6], { chunkRows: 1 });
    await expect(Promise.all([running, bare.dispose()])).rejects.toThrow(DisposedError);
    runtime.dispose();
  });
});

describe("options of every call", () => {
  const calls: [string, string, (pipeline: Pipeline, options: never) => Promise<unknown>][] = [
    ["sentence-transformers/bert-mean", "embed", (pipeline, options) => pipeline.embed("hello", options)],
    ["heads/bert-masked-lm", "fillMask", (pipeline, options) => pipeline.fillMask("hello [MASK]", options)],
    ["heads/bert-labels", "classify", (pipeline, options) => pipeline.classify("hello", options)],
    ["heads/bert-one-label", "rerank", (pipeline, options) => pipeline.rerank("hello", ["world"], options)],
    ["heads/bert-tags", "tagTokens", (pipeline, options) => pipeline.tagTokens("hello", options)],
    ["heads/bert-tags", "encode", (pipeline, options) => pipeline.encode("hello", options)],
    ["heads/bert-masked-lm", "logits", (pipeline, options) => pipeline.logits([3, 4], options)],
    ["heads/bert-tags", "hiddenStates", (pipeline, options) => pipeline.hiddenStates([3, 4], options)],
    ["gpt2-odd", "generate", (pipeline, options) => pipeline.generate([3, 4], options)],
    ["gpt2-odd", "generateBatch", (pipeline, options) => pipeline.generateBatch([[3, 4]], options)],
    ["gpt2-odd", "stream", (pipeline, options) => pipeline.stream([3, 4], options).next()],
    ["t5-odd", "hiddenStates", (pipeline, options) => pipeline.hiddenStates([3, 4], options)],
  ];

  test.each(calls)("%s: %s", async (folder, _, call) => {
    const pipeline = await Pipeline.fromFiles(fixtureFiles(folder), quiet);
    for (const options of [
      null,
      5,
      [],
      "x",
      { signal: 5 },
      { signal: null },
      { signal: { aborted: false } },
      { banana: 1 },
    ]) {
      const error = await call(pipeline, options as never).then(
        () => "no error",
        (reason) => reason,
      );
      expect(error, JSON.stringify(options)).toBeInstanceOf(KiloformerError);
    }
    await pipeline.dispose();
  });

  test("a stream has no place for ids and log probabilities, a text prompt none for a chat", async () => {
    const pipeline = await Pipeline.fromFiles(fixtureFiles("sentence-transformers/qwen3-last-token"), quiet);
    for (const options of [{ return_dict_in_generate: true }, { logprobs: true }, { logprobs: 0 }]) {
      await expect(pipeline.stream("x", options as never).next()).rejects.toEqual(
        expect.objectContaining({ code: "unknown-option" }),
      );
    }
    const misspelt = pipeline.stream("x", { banana: 1 } as never).next();
    await expect(misspelt).rejects.toThrow(/^stream: expected .*on_token, chat, got banana$/);
    const none = { max_new_tokens: 0, return_dict_in_generate: false, logprobs: false } as never;
    expect(await pipeline.stream("x", none).next()).toMatchObject({ done: true });
    await expect(pipeline.generate("x", { chat: {} as never })).rejects.toEqual(
      expect.objectContaining({ code: "conflicting-options" }),
    );
    for (const turn of [1, null, undefined]) {
      const conversation = [{ role: "user", content: "a" }, turn] as never;
      await expect(pipeline.generate(conversation, { chat: { jinja: {} as never } })).rejects.toEqual(
        expect.objectContaining({ code: "bad-prompt", message: expect.stringContaining(`got ${turn}`) }),
      );
    }
    await pipeline.dispose();
  });
});

test("an aborted signal stops a call that has nothing to do", async () => {
  const pipeline = await Pipeline.fromFiles(fixtureFiles("sentence-transformers/bert-mean"), quiet);
  const reason = new Error("stopped");
  await expect(pipeline.embedBatch([], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await pipeline.dispose();
});

test("a runtime that is none is refused", async () => {
  await expect(Pipeline.fromFiles(fixtureFiles("gpt2-odd"), { runtime: {} as never })).rejects.toEqual(
    expect.objectContaining({ code: "bad-option" }),
  );
});

test("EmbeddingGemma, a Gemma that sees both ways, is an encoder to a pipeline", async () => {
  const files = fixtureFiles("gemma3-bidirectional");
  const pipeline = await Pipeline.fromFiles(files, quiet);
  const bare = await openBareModel(files, architectures, quiet);
  expect(await pipeline.hiddenStates([5, 6, 7])).toEqual(await bare.encoder.hiddenStates({ ids: [5, 6, 7] }));
  expect(await pipeline.encode([5, 6, 7])).toHaveLength(3 * 12);
  const whole = { return_dict_in_generate: true } as const;
  await expect(pipeline.generate([5], whole)).rejects.toEqual(expect.objectContaining({ code: "no-decoder" }));
  await pipeline.dispose();
  await bare.dispose();
});

test("an encoder generates nothing, whether it has a tokenizer or not; a decoder without one streams nothing", async () => {
  const encoder = await Pipeline.fromFiles(fixtureFiles("gemma3-bidirectional"), quiet);
  const decoder = await Pipeline.fromFiles(fixtureFiles("gpt2-odd"), quiet);
  const message = "gemma3_text: expected a model that generates text, got an encoder";
  const noDecoder = expect.objectContaining({ code: "no-decoder", message });
  await expect(encoder.generate([5])).rejects.toEqual(noDecoder);
  await expect(encoder.stream([5]).next()).rejects.toEqual(noDecoder);
  const noTokenizer = "stream: expected a tokenizer file beside the model, got none";
  await expect(decoder.stream([5]).next()).rejects.toEqual(
    expect.objectContaining({ code: "no-tokenizer", message: noTokenizer }),
  );
  await encoder.dispose();
  await decoder.dispose();
});

describe("a replay", () => {
  const ids = { dtype: "I64", shape: [1, 3], data: BigInt64Array.from([3n, 4n, 5n]) } as const;
  const mask = (...values: bigint[]) => ({ dtype: "I64", shape: [1, 3], data: BigInt64Array.from(values) }) as const;
  const run = async (tensors: object, facts: unknown = { kind: "encoder" }) => {
    const bare = await openBareModel(fixtureFiles("bert-base-model"), architectures, quiet);
    try {
      return await replay(bare, writeSafetensors(tensors as never), facts as ExpectedFacts);
    } finally {
      await bare.dispose();
    }
  };

  test("of a folder that expects nothing, or has a mask with holes, fails", async () => {
    await expect(run({ input_ids: ids })).rejects.toEqual(expect.objectContaining({ code: "nothing-expected" }));
    const cls = { dtype: "F32", shape: [1, 2], data: new Float32Array(2) };
    for (const holes of [mask(0n, 1n, 1n), mask(1n, 0n, 1n), mask(0n, 0n, 0n)]) {
      await expect(run({ input_ids: ids, attention_mask: holes, cls })).rejects.toEqual(
        expect.objectContaining({ code: "bad-mask" }),
      );
    }
  });

  test("fails where the expected tensor has another shape or dtype, or another kind of model computed it", async () => {
    const { comparisons } = await run({
      input_ids: ids,
      attention_mask: mask(1n, 1n, 1n),
      cls: { dtype: "F32", shape: [1, 2], data: new Float32Array(2) },
      last_hidden_state: { dtype: "F32", shape: [1, 2, 1], data: new Float32Array(2) },
      banana: { dtype: "F32", shape: [1], data: new Float32Array(1) },
      mean_pooled: { dtype: "I64", shape: [1, 1], data: new BigInt64Array(1) },
    });
    expect(comparisons.map(({ holds }) => holds)).toEqual([false, false, false, false]);
    await expect(run({ input_ids: ids }, { kind: "decoder" })).rejects.toEqual(
      expect.objectContaining({ code: "unknown-kind" }),
    );
    await expect(run({ input_ids: ids }, null)).rejects.toEqual(
      failing("bad-option", "expected.json: expected options as an object, got null"),
    );
    const floats = { dtype: "F32", shape: [1, 3], data: new Float32Array(3) };
    await expect(run({ input_ids: floats })).rejects.toEqual(expect.objectContaining({ code: "missing-tensor" }));
  });
});

test("a folder may be a path or a file: address, and no other", async () => {
  const folder = join(fixtures, "llama-odd-generation");
  const pipeline = await Pipeline.fromDirectory(pathToFileURL(folder));
  expect(pipeline.modelType).toBe("llama");
  await pipeline.dispose();
  for (const address of ["https://example.com/model", "file://elsewhere.example/model"]) {
    await expect(Pipeline.fromDirectory(new URL(address))).rejects.toMatchObject({
      ...{ name: "SourceError", code: "not-found" },
      message: `${address}: expected a file: address of a folder, got another`,
    });
  }
});

describe("what is no list of architectures", () => {
  const bad = (call: string, got: string) =>
    failing("bad-option", `${call}: expected architectures to be a list, such as [llama], got ${got}`);
  const files = fixtureFiles("llama-bare-tied");

  test.each([
    [undefined, "undefined"],
    [5, "5"],
    [[undefined], "[null]"],
    [["llama"], '["llama"]'],
  ])("%j is refused by each call that takes one", async (given, got) => {
    const list = given as never;
    expect(() => createPipeline(list)).toThrow(bad("createPipeline", got));
    await expect(openBareModel(files, list, quiet)).rejects.toEqual(bad("openBareModel", got));
    await expect(quantizeModel(files, list, { dtype: "q8" })).rejects.toEqual(bad("quantizeModel", got));
    if (given)
      await expect(openPacked({ architectures: list }, new Uint8Array())).rejects.toEqual(bad("openPacked", got));
  });

  test("nor one architecture, or one tokenizer, alone", async () => {
    expect(() => createPipeline(llama as never)).toThrow(/such as \[llama\]/);
    await expect(openBareModel(files, llama as never, quiet)).rejects.toThrow(/such as \[llama\]/);
    const one = sentencePiece({}) as never;
    expect(() => createPipeline([llama], one)).toThrow(/formats to be a list, such as \[sentencePiece\(\{\}\)\]/);
    const families = { architectures: [llama], tokenizers: one };
    await expect(openPacked(families, new Uint8Array())).rejects.toThrow(/tokenizers to be a list, such as/);
  });
});

describe("options that are no options", () => {
  test.each([
    [new Map([["max_new_tokens", 1]]), "a Map"],
    [Promise.resolve({}), "a Promise"],
    [new URL("file:///a"), "a URL"],
    [new Date(0), "a Date"],
    [new AbortController().signal, "an AbortSignal"],
    [new Response(), "a Response"],
    [[], "[]"],
    [null, "null"],
    [5, "5"],
  ])("%o are refused, not read as none", async (options, got) => {
    const given = options as never;
    const pipeline = await Pipeline.fromFiles(fixtureFiles("llama-bare-tied"), quiet);
    const refused = (call: string) => failing("bad-option", `${call}: expected options as an object, got ${got}`);
    await expect(pipeline.generate([3], given)).rejects.toEqual(refused("generate"));
    await expect(pipeline.logits([3], given)).rejects.toEqual(refused("logits"));
    await expect(Pipeline.fromFiles(fixtureFiles("llama-bare-tied"), given)).rejects.toEqual(refused("pipeline"));
    await expect(g2p(given)).rejects.toEqual(refused("g2p"));
    await pipeline.dispose();
  });
});

test("options may be a module, or an instance of a class that names itself", async () => {
  const pipeline = await Pipeline.fromFiles(fixtureFiles("llama-bare-tied"), quiet);
  const plain = { max_new_tokens: 2, return_dict_in_generate: true } as const;
  const code: string = "data:text/javascript,export const max_new_tokens = 2, return_dict_in_generate = true";
  const module = await import(/* @vite-ignore */ code);
  const named = { ...plain, [Symbol.toStringTag]: "Settings" };
  const expected = await pipeline.generate([3], plain);
  for (const options of [module, named]) expect(await pipeline.generate([3], options)).toEqual(expected);
  await pipeline.dispose();
});

test("calls name themselves and their own options", async () => {
  const pipeline = await Pipeline.fromFiles(fixtureFiles("llama-bare-tied"), quiet);
  const whole = { return_dict_in_generate: true, max_new_tokens: 2 } as const;
  const refused = (promise: Promise<unknown>, pattern: RegExp) => expect(promise).rejects.toThrow(pattern);
  await refused(
    pipeline.generate([3], { ...whole, banana: 1 } as never),
    /^generate: expected one of .*return_dict_in_generate.*on_text.* got banana$/,
  );
  await refused(pipeline.generateBatch([[3]], { ...whole, banana: 1 } as never), /^generateBatch: .*chat, got banana$/);
  await refused(pipeline.generate([3], { ...whole, on_text: () => {} }), /^generate: expected a tokenizer file beside/);
  await refused(
    pipeline.generate([3], { on_token: 1 } as never),
    /^generate: expected on_token to be a function, got 1$/,
  );
  await refused(pipeline.generate([3], { on_token() {}, banana: 1 } as never), /^generate: .*chat, got banana$/);
  await refused(pipeline.generateBatch([[3]]), /^generateBatch: expected a tokenizer file beside/);
  await pipeline.dispose();
});

test("a stream names itself", async () => {
  const pipeline = await Pipeline.fromFiles(fixtureFiles("sentence-transformers/qwen3-last-token"), quiet);
  const refused = (options: object, pattern: RegExp) =>
    expect(pipeline.stream("x", options).next()).rejects.toThrow(pattern);
  await refused({ banana: 1 }, /^stream: .*chat, got banana$/);
  await refused({ on_token: 1 }, /^stream: expected on_token to be a function, got 1$/);
  await refused({ chat: {} }, /^stream: expected a conversation beside chat/);
  await pipeline.dispose();
});
