import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveGenerationOptions } from "../src/generation/options.ts";
import { seededRandom } from "../src/generation/random.ts";
import { createSampler } from "../src/generation/sampler.ts";
import {
  bertFormats,
  createPipeline,
  type GenerationOptions,
  llama,
  NonFiniteError,
  OptionError,
  Pipeline,
  type Prompt,
} from "../src/index.ts";
import { failing } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await Pipeline.fromFiles(tinyFiles());
});
afterAll(() => pipeline.dispose());

const prompt = [4, 5, 6, 2];
const run = (options: object = {}, from: Prompt = prompt) =>
  pipeline.generate(from, { eos_token_id: null, max_new_tokens: 8, ...options, return_dict_in_generate: true });
const failure = (options: object, from: Prompt = prompt) =>
  pipeline.generate(from, options as GenerationOptions).then(
    () => "no error",
    (error) => error,
  );

describe("G1 max_new_tokens", () => {
  test("0 gives an empty completion", async () => {
    expect(await run({ max_new_tokens: 0 })).toEqual({ text: "", ids: [], promptIds: prompt, finishReason: "length" });
  });

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "10"])("%s is rejected", async (value) => {
    const shown = typeof value === "string" ? '"10"' : String(value);
    expect(await failure({ max_new_tokens: value })).toEqual(
      failing("bad-option", `generate: expected max_new_tokens to be an integer from 0, got ${shown}`),
    );
  });
});

describe("G2 temperature", () => {
  test.each([0, 1e-40])("%s is greedy", async (temperature) => {
    expect((await run({ temperature })).ids).toEqual((await run()).ids);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("%s is rejected", async (temperature) => {
    expect(await failure({ temperature })).toEqual(
      failing("bad-option", `generate: expected temperature to be a number from 0, got ${temperature}`),
    );
  });
});

describe("G3 sampling options out of range are rejected", () => {
  const cases: [string, unknown, string][] = [
    ["top_p", 0, "a number above 0 and at most 1"],
    ["top_p", 1.5, "a number above 0 and at most 1"],
    ["top_p", Number.NaN, "a number above 0 and at most 1"],
    ["top_k", -1, "an integer from 0"],
    ["top_k", 1.5, "an integer from 0"],
    ["repetition_penalty", 0, "a number above 0"],
    ["min_p", 2, "a number from 0 to 1"],
    ["min_p", -0.1, "a number from 0 to 1"],
    ["seed", -1, "an integer from 0"],
    ["do_sample", "yes", "true or false"],
    ["no_repeat_ngram_size", 0.5, "an integer from 0"],
  ];
  test.each(cases)("%s %s", async (key, value, expected) => {
    const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
    expect(await failure({ [key]: value })).toEqual(
      failing("bad-option", `generate: expected ${key} to be ${expected}, got ${shown}`),
    );
  });

  test("but a top_k above the vocabulary is all of it", async () => {
    expect((await run({ top_k: 1000, seed: 1 })).ids).toEqual((await run({ top_k: 0, seed: 1 })).ids);
  });
});

describe("G4 the context", () => {
  const long = Array.from({ length: 161 }, (_, index) => 4 + (index % 10));

  test("a prompt that is longer is an error with both counts", async () => {
    expect(await failure({}, long)).toEqual(
      failing(
        "prompt-too-long",
        "prompt: expected at most 160 tokens, the model's context, got 161; truncate: true keeps its end",
      ),
    );
  });

  test("truncate keeps its end, with room for what is asked", async () => {
    const result = await run({ truncate: true, max_new_tokens: 10 }, long);
    expect(result.promptIds).toEqual(long.slice(-150));
    expect(result.ids).toEqual((await run({ max_new_tokens: 10 }, long.slice(-150))).ids);
  });

  test("truncate leaves a prompt whole that fits, and of one that does not it cuts what one new token needs", async () => {
    const fed = async (options: object, from: Prompt, of: Pipeline = pipeline) => {
      const told = { eos_token_id: null, truncate: true, ...options, return_dict_in_generate: true } as const;
      const { promptIds, ids } = await of.generate(from, told);
      expect(promptIds).toEqual((from as number[]).slice(-promptIds.length));
      return [promptIds.length, ids.length];
    };
    expect(await fed({}, long.slice(-100))).toEqual([100, 60]);
    expect(await fed({}, long)).toEqual([159, 1]);
    expect(await fed({}, long.slice(1))).toEqual([159, 1]);
    expect(await fed({ max_new_tokens: 60 }, long.slice(-100))).toEqual([100, 60]);
    expect(await fed({ max_new_tokens: 61 }, long.slice(-100))).toEqual([99, 61]);
    expect(await fed({ max_new_tokens: 0 }, long)).toEqual([160, 0]);
    // No cut makes room for so many.
    expect(await fed({ max_new_tokens: 160 }, long.slice(-100))).toEqual([100, 60]);
    expect(await fed({ max_length: 110 }, long.slice(-100))).toEqual([100, 10]);
    expect(await fed({ max_length: 100 }, long.slice(-100))).toEqual([99, 1]);
    expect(await fed({ max_length: 1000 }, long)).toEqual([159, 1]);
    await expect(fed({ max_length: 1 }, long)).rejects.toMatchObject({ code: "prompt-too-long" });
    expect(await fed({ max_length: 50, max_new_tokens: 10 }, long)).toEqual([150, 10]);
    const generationConfig = JSON.stringify({ max_new_tokens: 70 });
    const other = await Pipeline.fromFiles({ ...tinyFiles(), "generation_config.json": generationConfig });
    expect(await fed({}, long.slice(-100), other)).toEqual([90, 70]);
    expect(await fed({ max_length: 120 }, long.slice(-100), other)).toEqual([100, 20]);
    await other.dispose();
  });

  test("a prompt of just that length leaves no room: it stops at the limit", async () => {
    expect(await run({}, long.slice(1))).toEqual({
      text: "",
      ids: [],
      promptIds: long.slice(1),
      finishReason: "length",
    });
  });

  test("generation stops where the context ends", async () => {
    const result = await run({ max_new_tokens: 1000 }, long.slice(10));
    expect(result.ids).toHaveLength(9);
    expect(result.finishReason).toBe("length");
  });
});

describe("G5 logits that are not finite", () => {
  const broken = (value: number) =>
    tinyFiles({
      tensors: (tensors) => {
        const { data } = tensors.get("lm_head.weight")!;
        new Float32Array(data.buffer).fill(value);
      },
    });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "from weights of %s are an error, greedy, sampled or penalised",
    async (value) => {
      const bad = await Pipeline.fromFiles(broken(value));
      for (const options of [{}, { temperature: 1 }, { repetition_penalty: 2 }]) {
        const error = await bad.generate(prompt, options).catch((e) => e);
        expect(error).toBeInstanceOf(NonFiniteError);
        expect(error.code).toBe("non-finite-logits");
        expect(error.message).toMatch(
          /^logits: expected finite numbers, got (NaN|-?Infinity) for id \d+: the weights or the inputs are broken$/,
        );
      }
      await bad.dispose();
    },
  );

  test("that are all -Infinity are an error", () => {
    const sampler = createSampler(resolveGenerationOptions({}, { options: {}, unsupported: [] }, 4));
    expect(() => sampler(new Float32Array(4).fill(Number.NEGATIVE_INFINITY), [])).toThrow(NonFiniteError);
  });
});

describe("G6 options that are unknown or not supported", () => {
  test.each(["num_beam_groups", "penalty_alpha", "logit_bias", "n", "max_tokens", "constructor"])(
    "%s is an error",
    async (key) => {
      const error = await failure({ [key]: 1 });
      expect(error).toBeInstanceOf(OptionError);
      expect(error.code).toBe("unknown-option");
      expect(error.message).toMatch(new RegExp(`^generate: expected one of max_new_tokens, .*, got ${key}$`));
    },
  );

  test("sampling options together with do_sample: false are an error", async () => {
    expect(await failure({ do_sample: false, top_p: 0.9 })).toEqual(
      failing(
        "conflicting-options",
        "generate: expected do_sample: true or no top_p, got do_sample: false and top_p: 0.9",
      ),
    );
  });

  test("settings of generation_config.json that are not supported are an error when text is generated", async () => {
    const settings = '{"num_beam_groups": 4, "penalty_alpha": 0.3, "num_beams": 4, "use_cache": true}';
    const beams = await Pipeline.fromFiles({ ...tinyFiles(), "generation_config.json": settings });
    await expect(beams.generate(prompt)).rejects.toEqual(
      failing(
        "unsupported-option",
        "generation_config.json: expected supported settings, got num_beam_groups = 4, penalty_alpha = 0.3",
      ),
    );
    expect(await beams.logits(prompt)).toHaveLength(4 * 19);
    await beams.dispose();
  });

  test.each([
    ["guidance_scale", 1.5, "1.5"],
    ["penalty_alpha", 0.6, "0.6"],
    ["exponential_decay_length_penalty", [5, 1.1], "[5,1.1]"],
  ])("and so is %s = %j of config.json, where there is no such file", async (key, value, shown) => {
    const files = tinyFiles({ config: { [key]: value, encoder_repetition_penalty: 1 } });
    const guided = await Pipeline.fromFiles(files, { strict: true });
    await expect(guided.generate(prompt)).rejects.toEqual(
      failing("unsupported-option", `config.json: expected supported settings, got ${key} = ${shown}`),
    );
    await guided.dispose();
    const plain = await Pipeline.fromFiles({ ...files, "generation_config.json": "{}" });
    await plain.generate(prompt, { max_new_tokens: 1 });
    await plain.dispose();
  });
});

test("logits and phonemize refuse options that they do not know", async () => {
  await expect(pipeline.logits([4], { banana: 1 } as object)).rejects.toEqual(
    failing("unknown-option", "logits: expected signal, got banana"),
  );
  await expect(pipeline.phonemize("abc", { banana: 1 } as object)).rejects.toMatchObject({ code: "unknown-option" });
});

describe("G7 prompts that are empty or no ids", () => {
  test.each([[[]], [[-1]], [[19]], [[1.5]], [["4"]], [[4n]]])("%s", async (ids) => {
    const error = await failure({}, ids as unknown as number[]);
    expect(error).toBeInstanceOf(OptionError);
    expect(error.code).toBe("bad-ids");
    expect(error.message).toMatch(/^ids: expected (at least one id, got none|integers from 0 to 18, got .* at 0)$/);
  });

  test("null and numbers are no prompts", async () => {
    expect(await failure({}, null as unknown as string)).toEqual(
      failing("bad-ids", "ids: expected an array of integers, got null"),
    );
    expect(await failure({}, 7 as unknown as string)).toEqual(
      failing("bad-ids", "ids: expected an array of integers, got 7"),
    );
  });

  test("an empty word still has its begin token", async () => {
    expect((await run({}, "")).promptIds).toEqual([2]);
  });

  test("a batch with an empty text leaves the others alone", async () => {
    const alone = await pipeline.phonemize("abc");
    expect(await pipeline.phonemizeBatch(["", "abc", " "])).toEqual(["", alone, " "]);
  });
});

describe("defaults", () => {
  test("come from generation_config.json", async () => {
    const settings = { max_new_tokens: 3, do_sample: true, temperature: 0.7, top_k: 5, seed: 11, eos_token_id: [3] };
    const files = { ...tinyFiles(), "generation_config.json": JSON.stringify(settings) };
    const configured = await Pipeline.fromFiles(files);
    const asked = await run({ ...settings });
    expect(await configured.generate(prompt, { return_dict_in_generate: true })).toEqual(asked);
    const greedy = await configured.generate(prompt, { do_sample: false, return_dict_in_generate: true });
    expect(greedy.ids).toEqual((await run({ max_new_tokens: 3, eos_token_id: 3 })).ids);
    await configured.dispose();
  });

  test("are greedy and at most 256 new tokens", async () => {
    const settings = resolveGenerationOptions({}, { options: {}, unsupported: [] }, 19);
    expect(settings).toMatchObject({ do_sample: false, max_new_tokens: undefined, signal: undefined });
    const roomy = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 400, eos_token_id: null } }));
    expect((await roomy.generate(prompt, { return_dict_in_generate: true })).ids).toHaveLength(256);
    await roomy.dispose();
  });

  test("max_length counts the prompt, and max_new_tokens goes before it", async () => {
    expect((await run({ max_new_tokens: undefined, max_length: 9 })).ids).toHaveLength(5);
    expect((await run({ max_new_tokens: 2, max_length: 9 })).ids).toHaveLength(2);
    for (const max_length of [2, 4]) {
      await expect(run({ max_new_tokens: undefined, max_length })).rejects.toMatchObject({
        code: "prompt-too-long",
        message: `prompt: expected fewer tokens than max_length, ${max_length} (max_new_tokens counts new ones only), got 4`,
      });
    }
    expect((await run({ max_new_tokens: undefined, max_length: 4, truncate: true })).ids).toHaveLength(1);
    await expect(run({ max_new_tokens: undefined, max_length: 1, truncate: true })).rejects.toMatchObject({
      code: "prompt-too-long",
      fields: { max_length: 1, promptLength: 1 },
    });
  });

  test("a sampling option implies do_sample", () => {
    const resolve = (options: GenerationOptions) =>
      resolveGenerationOptions(options, { options: {}, unsupported: [] }, 19).do_sample;
    const sampling = [
      { temperature: 0.5 },
      { top_k: 3 },
      { top_p: 0.5 },
      { min_p: 0.1 },
      { typical_p: 0.5 },
      { seed: 1 },
    ];
    for (const options of sampling) expect(resolve(options)).toBe(true);
    expect(resolve({ max_new_tokens: 5, repetition_penalty: 1.2 })).toBe(false);
  });
});

describe("sampling", () => {
  const logits = () => Float32Array.of(1, 4, 2, 3.5, -1, Number.NEGATIVE_INFINITY);
  const counts = (options: GenerationOptions, rounds = 4000) => {
    const sampler = createSampler(
      resolveGenerationOptions({ do_sample: true, seed: 3, ...options }, { options: {}, unsupported: [] }, 6),
    );
    const drawn = new Array<number>(6).fill(0);
    for (let round = 0; round < rounds; round++) drawn[sampler(logits(), [])]++;
    return drawn;
  };
  const shares = (kept: number[], temperature = 1) => {
    const weights = Array.from(logits(), (logit, id) => (kept.includes(id) ? Math.exp(logit / temperature) : 0));
    const total = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / total);
  };
  // Which tokens stay was checked by hand against the rules of transformers' logits warpers.
  const cases: [string, GenerationOptions, number[], number][] = [
    ["temperature alone draws from the softmax", { temperature: 1.5 }, [0, 1, 2, 3, 4], 1.5],
    ["top_k keeps the likeliest", { top_k: 2 }, [1, 3], 1],
    ["top_p keeps the fewest that reach it", { top_p: 0.6 }, [1, 3], 1],
    ["top_p below the likeliest keeps it", { top_p: 0.01 }, [1], 1],
    ["min_p keeps what is likely enough beside the likeliest", { min_p: 0.1 }, [1, 2, 3], 1],
    ["all together keep what all keep", { temperature: 2, top_k: 4, top_p: 0.9, min_p: 0.3 }, [1, 2, 3], 2],
  ];
  test.each(cases)("%s", (_, options, kept, temperature) => {
    const drawn = counts(options);
    const expected = shares(kept, temperature);
    drawn.forEach((count, id) => {
      expect(Math.abs(count / 4000 - expected[id]), `id ${id}`).toBeLessThan(0.03);
      if (!kept.includes(id)) expect(count).toBe(0);
    });
  });

  test("a top_k keeps the k-th largest among many", () => {
    const random = seededRandom(5);
    const many = Float32Array.from({ length: 5000 }, random);
    const best = new Set([...many.keys()].sort((a, b) => many[b] - many[a]).slice(0, 40));
    const settings = resolveGenerationOptions(
      { top_k: 40, temperature: 100, seed: 1 },
      { options: {}, unsupported: [] },
      5000,
    );
    const sampler = createSampler(settings);
    const drawn = new Set(Array.from({ length: 2000 }, () => sampler(many.slice(), [])));
    expect([...drawn].every((id) => best.has(id))).toBe(true);
    expect(drawn.size).toBe(40);
  });

  test("the same seed gives the same text, another seed another", async () => {
    const sampled = async (seed: number) => (await run({ temperature: 2, seed, max_new_tokens: 30 })).ids;
    const first = await sampled(1);
    for (let round = 0; round < 5; round++) expect(await sampled(1)).toEqual(first);
    expect(await sampled(2)).not.toEqual(first);
    expect(await sampled(2 ** 32 + 1)).not.toEqual(first);
  });

  test("repetition_penalty divides positive and multiplies negative logits of what came before", () => {
    const sampler = createSampler(
      resolveGenerationOptions({ repetition_penalty: 2 }, { options: {}, unsupported: [] }, 3),
    );
    expect(sampler(Float32Array.of(4, 3, -1), [0])).toBe(1);
    expect(sampler(Float32Array.of(-2, -3, -3.5), [0])).toBe(1);
  });

  test("no_repeat_ngram_size bans what would repeat", () => {
    const sampler = createSampler(
      resolveGenerationOptions({ no_repeat_ngram_size: 2 }, { options: {}, unsupported: [] }, 3),
    );
    expect(sampler(Float32Array.of(3, 2, 1), [1, 0, 2, 1])).toBe(1);
    const once = createSampler(
      resolveGenerationOptions({ no_repeat_ngram_size: 1 }, { options: {}, unsupported: [] }, 3),
    );
    expect(once(Float32Array.of(3, 2, 1), [0, 1])).toBe(2);
  });
});

describe("end of text", () => {
  test("eos_token_id may be a number, a list or null", async () => {
    const { ids } = await run({ max_new_tokens: 20 });
    const stop = ids[3];
    const before = ids.slice(0, ids.indexOf(stop));
    for (const eos_token_id of [stop, [stop, 18]]) {
      const result = await run({ max_new_tokens: 20, eos_token_id });
      expect(result.ids).toEqual(before);
      expect(result.finishReason).toBe("stop");
    }
    expect(await failure({ eos_token_id: 19 })).toEqual(
      failing("bad-option", "generate: expected eos_token_id to be ids from 0 to 18, or null, got 19"),
    );
  });
});

test("stream gives the text of generate, piece by piece", async () => {
  const { text, ids } = await run({ max_new_tokens: 30 }, "abc");
  const pieces: string[] = [];
  for await (const piece of pipeline.stream("abc", { eos_token_id: null, max_new_tokens: 30 })) pieces.push(piece);
  expect(pieces.join("")).toBe(text);
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.length).toBeLessThanOrEqual(ids.length);
});

test("text without a tokenizer is an error, ids are not", async () => {
  const { "vocab.json": _, ...files } = tinyFiles();
  const bare = await Pipeline.fromFiles(files);
  await expect(bare.generate("abc", { return_dict_in_generate: true })).rejects.toEqual(
    failing("no-tokenizer", "generate: expected a tokenizer file beside the model, or ids as the prompt, got text"),
  );
  await expect(bare.generate([4, 5])).rejects.toEqual(
    failing(
      "no-tokenizer",
      "generate: expected a tokenizer file beside the model, or return_dict_in_generate: true, got neither",
    ),
  );
  await expect(bare.stream([4, 5]).next()).rejects.toEqual(
    failing("no-tokenizer", "stream: expected a tokenizer file beside the model, got none"),
  );
  await expect(bare.phonemize("abc")).rejects.toEqual(
    failing("not-g2p", "phonemize: expected a model whose vocabulary maps letters to IPA, got one without a tokenizer"),
  );
  expect((await bare.generate([4, 5], { return_dict_in_generate: true, max_new_tokens: 2 })).ids).toHaveLength(2);
  await bare.dispose();
});

test("a tokenizer that is not supported leaves a model that takes and gives ids, and says so", async () => {
  const warnings: string[] = [];
  const { "vocab.json": _, ...rest } = tinyFiles();
  const files = { ...rest, "tokenizer.json": tinyTokenizerJson };
  const LlamaPipeline = createPipeline([llama]);
  const model = await LlamaPipeline.fromFiles(files, { onWarning: (message) => warnings.push(message) });
  expect(warnings).toEqual([
    "tokenizer: expected a G2P's vocab.json, got tokenizer.json; the model takes and gives ids only",
  ]);
  expect(await model.logits([4, 5])).toHaveLength(2 * 19);
  expect(model.tokenizer).toBeUndefined();
  const told: number[] = [];
  const options = {
    return_dict_in_generate: true,
    max_new_tokens: 3,
    on_token: (id: number) => told.push(id),
  } as const;
  expect((await model.generate([4, 5], options)).ids).toEqual(told);
  await expect(model.generate("abc")).rejects.toMatchObject({ name: "TokenizerError", code: "unsupported" });
  await expect(LlamaPipeline.fromFiles(files, { strict: true })).rejects.toMatchObject({ code: "unsupported" });
  await model.dispose();
});

const letters = Array.from("?abcdefghijklmnopqr", (letter, id): [string, number] => [letter, id]);
const tinyTokenizerJson = JSON.stringify({
  model: { type: "WordLevel", unk_token: "?", vocab: Object.fromEntries(letters) },
  pre_tokenizer: { type: "WhitespaceSplit" },
});

test("choosing among many beams or samples gives the event loop turns, in which it may be stopped", async () => {
  const model = await Pipeline.fromFiles(tinyFiles());
  const free = { max_new_tokens: 50, eos_token_id: null };
  for (const options of [{ num_beams: 64 }, { do_sample: true, seed: 1, num_return_sequences: 64 }]) {
    let turns = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    await model.generate([4, 5], { ...free, ...options });
    clearImmediate(next);
    expect(turns).toBeGreaterThan(1);
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    await expect(model.generate([4, 5], { ...free, ...options, signal: controller.signal })).rejects.toThrow("abort");
  }
  expect(await model.generate([4, 5], { max_new_tokens: 2 })).toBeTypeOf("string");
  await model.dispose();
});

test("a model with a tokenizer.json takes text and gives it, and one that is damaged is refused", async () => {
  const { "vocab.json": _, ...rest } = tinyFiles();
  const model = await Pipeline.fromFiles({ ...rest, "tokenizer.json": tinyTokenizerJson });
  const options = { max_new_tokens: 3, eos_token_id: null };
  const { ids } = await model.generate([1, 2], { ...options, return_dict_in_generate: true });
  const text = ids.map((id) => ` ${letters[id][0]}`).join("");
  expect(await model.generate("a b", options)).toBe(text);
  let streamed = "";
  for await (const piece of model.stream("a b", options)) streamed += piece;
  expect(streamed).toBe(text);
  await model.dispose();
  await expect(Pipeline.fromFiles({ ...rest, "tokenizer.json": "{" })).rejects.toMatchObject({ code: "file" });
});

test("texts are cleaned up where tokenizer_config.json says so, whole or in pieces", async () => {
  const { "vocab.json": _, ...rest } = tinyFiles();
  const words = [
    "?",
    ".",
    "!",
    ",",
    "'",
    "n't",
    "'m",
    "'s",
    "'ve",
    "'re",
    "do",
    "not",
    "I",
    "we",
    "it",
    "was",
    "''",
    "n",
    "t",
  ];
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const files = {
    ...rest,
    "tokenizer.json": JSON.stringify({
      model: { type: "WordLevel", unk_token: "?", vocab },
      pre_tokenizer: { type: "WhitespaceSplit" },
    }),
  };
  const asWritten = await Pipeline.fromFiles(files);
  const settings = JSON.stringify({ clean_up_tokenization_spaces: true });
  const cleaned = await Pipeline.fromFiles({ ...files, "tokenizer_config.json": settings });
  const spaces = [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"];
  for (let seed = 1; seed <= 40; seed++) {
    const options = { max_new_tokens: 24, eos_token_id: null, do_sample: true, temperature: 3, seed };
    const text = await asWritten.generate("it was", options);
    const expected = spaces.reduce(
      (rest, space) => rest.replaceAll(space, space === " ' " ? "'" : space.slice(1)),
      text,
    );
    expect(expected).not.toBe(text);
    expect(await cleaned.generate("it was", options)).toBe(expected);
    const pieces: string[] = [];
    for await (const piece of cleaned.stream("it was", options)) pieces.push(piece);
    expect(pieces.join("")).toBe(expected);
    expect(pieces.length).toBeGreaterThan(5);
  }
  await asWritten.dispose();
  await cleaned.dispose();
});

test("a page that names its formats opens them and no others", async () => {
  const { "vocab.json": _, ...rest } = tinyFiles();
  const BertPipeline = createPipeline([llama], bertFormats);
  const vocabulary = ["[PAD]", "[UNK]", "a", "b"].join("\n");
  const model = await BertPipeline.fromFiles({ ...rest, "vocab.txt": vocabulary });
  expect(model.tokenizer?.encode("b A", { add_special_tokens: false }).ids).toEqual([3, 2]);
  await model.dispose();
});
