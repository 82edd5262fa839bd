import { existsSync, readdirSync, readFileSync } from "node:fs";
import { allFormats, openTokenizer } from "@kiloformer/tokenizers";
import { describe, expect, test } from "vitest";
import { generateIds, generateRows, type Sequence } from "../src/generation/generate.ts";
import {
  type GenerationOptions,
  isGenerationKey,
  readGenerationDefaults,
  resolveGenerationOptions,
} from "../src/generation/options.ts";
import { createProcessor } from "../src/generation/processors.ts";
import { createSampler } from "../src/generation/sampler.ts";
import { describeChoice, logSumExp } from "../src/generation/scores.ts";
import { stopStrings, type TextEnd } from "../src/generation/stop-strings.ts";
import { NonFiniteError, OptionError } from "../src/index.ts";
import { FakeDecoder, fakeLogits } from "./fake-decoder.ts";
import {
  greedyVectors,
  logprobVectors,
  pieces,
  stopVectors,
  type Vector,
  warperVectors,
} from "./generation-vectors.ts";
import { failing, shared } from "./shared.ts";

const VOCABULARY = 29;
const none = { options: {}, unsupported: [] };
const resolve = (options: object, defaults: GenerationOptions = {}) =>
  resolveGenerationOptions(options, { ...none, options: defaults }, VOCABULARY);
const textOf = () => ({ push: (id: number) => pieces[id], end: () => "" });

/** All texts of one prompt; no cache may stay behind. */
async function run(
  options: object,
  prompt: readonly number[] = [1, 2],
  contextLength?: number,
): Promise<readonly Sequence[]> {
  const decoder = new FakeDecoder(contextLength);
  const [sequences] = await generateRows(decoder, [decoder.prompt(prompt)], resolve(options), textOf);
  expect(decoder.live.size).toBe(0);
  return sequences;
}

/** A text as the vectors have it. */
function show({ ids, promptLength, finishReason, score }: Sequence, endsById = false): string {
  const end = finishReason === "stop" && endsById ? " ." : "";
  return ids.slice(promptLength).join(" ") + end + (score === undefined ? "" : ` (${score.toFixed(4)})`);
}

const named = (vectors: readonly Vector[]) =>
  vectors.map((vector): [string, Vector] => [`${JSON.stringify(vector.options)} after ${vector.prompt}`, vector]);

describe("ids are those of transformers with", () => {
  test.each(named(greedyVectors))("%s", async (_, { prompt, options, expected }) => {
    expect((await run(options, prompt)).map((sequence) => show(sequence, true))).toEqual(expected);
  });
});

describe("what is left of a distribution is what transformers leaves of it with", () => {
  test.each(named(warperVectors))("%s", (_, { prompt, options, expected }) => {
    const settings = resolve(options);
    const logits = fakeLogits(prompt);
    const total = logSumExp(logits);
    const scores = settings.num_beams > 1 ? logits.map((logit) => logit - total) : logits;
    createProcessor(settings, { promptLength: prompt.length, limit: 100 })?.(scores, prompt);
    const kept = [...scores.keys()].filter((id) => scores[id] > Number.NEGATIVE_INFINITY);
    const pairs = (expected as string).split(" ").map((pair) => pair.split(":").map(Number));
    expect(kept).toEqual(pairs.map(([id]) => id));
    for (const [id, logprob] of pairs) expect(describeChoice(scores, id, 0).logprob).toBeCloseTo(logprob, 3);
  });
});

/** For each option: what changes a text, and what it changes it from. `contextLength` where the prompt is too long. */
const effects: Readonly<Record<string, { with: object; without?: object; prompt?: number[]; contextLength?: number }>> =
  {
    max_new_tokens: { with: { max_new_tokens: 5 } },
    max_length: { with: { max_length: 5 }, without: {} },
    min_new_tokens: { with: { min_new_tokens: 6, eos_token_id: 5 }, without: { eos_token_id: 5 } },
    min_length: { with: { min_length: 8, eos_token_id: 5 }, without: { eos_token_id: 5 } },
    do_sample: { with: { do_sample: true } },
    temperature: { with: { temperature: 3, seed: 1 }, without: { seed: 1 } },
    top_k: { with: { top_k: 2, seed: 1 }, without: { seed: 1 } },
    top_p: { with: { top_p: 0.3, seed: 1 }, without: { seed: 1 } },
    min_p: { with: { min_p: 0.5, seed: 1 }, without: { seed: 1 } },
    typical_p: { with: { typical_p: 0.3, seed: 1 }, without: { seed: 1 } },
    seed: { with: { seed: 1 } },
    repetition_penalty: { with: { repetition_penalty: 3 } },
    no_repeat_ngram_size: { with: { no_repeat_ngram_size: 1 } },
    bad_words_ids: { with: { bad_words_ids: [[18]] } },
    suppress_tokens: { with: { suppress_tokens: [18] } },
    begin_suppress_tokens: { with: { begin_suppress_tokens: [13] } },
    forced_bos_token_id: { with: { forced_bos_token_id: 7 }, prompt: [1] },
    forced_eos_token_id: { with: { forced_eos_token_id: 3 } },
    num_beams: { with: { num_beams: 4 } },
    length_penalty: {
      with: { num_beams: 4, eos_token_id: [3, 14], length_penalty: 4 },
      without: { num_beams: 4, eos_token_id: [3, 14] },
    },
    early_stopping: {
      with: { num_beams: 3, eos_token_id: [5, 16], early_stopping: true },
      without: { num_beams: 3, eos_token_id: [5, 16] },
    },
    num_return_sequences: { with: { num_return_sequences: 2, seed: 1 }, without: { seed: 1 } },
    stop_strings: { with: { stop_strings: "dab" } },
    logprobs: { with: { logprobs: 2 } },
    eos_token_id: { with: { eos_token_id: 5 } },
    truncate: {
      with: { truncate: true },
      prompt: Array.from({ length: 41 }, (_, index) => index % 20),
      contextLength: 40,
    },
    signal: { with: { signal: AbortSignal.abort() } },
  };

/** What comes of options: the texts, or the error's name. */
const outcome = (...call: Parameters<typeof run>) =>
  run(...call).catch((error) => ({ error: error.code ?? error.name }));

describe("every option changes what comes out", () => {
  const known = () => {
    try {
      resolve({ banana: 1 });
    } catch (error) {
      return (error as Error).message.replace(/^generate: expected one of (.*), got banana$/, "$1").split(", ");
    }
    return [];
  };

  test("and none is left out here", () => {
    expect(Object.keys(effects)).toEqual(known());
  });

  test.each(Object.entries(effects))("%s", async (key, { with: changed, without = {}, prompt, contextLength }) => {
    const rest = { max_new_tokens: key === "max_length" ? undefined : 12 };
    const after = await outcome({ ...rest, ...changed }, prompt, contextLength);
    expect(after).not.toEqual(await outcome({ ...rest, ...without }, prompt, contextLength));
    if (key !== "signal") expect(after).not.toHaveProperty("error");
  });
});

describe("G6 values out of range are rejected", () => {
  const cases: [string, unknown, string][] = [
    ["num_beams", 0, "an integer from 1 to 256"],
    ["num_beams", 257, "an integer from 1 to 256"],
    ["num_return_sequences", 1e6, "an integer from 1 to 256"],
    ["num_return_sequences", 1.5, "an integer from 1 to 256"],
    ["stop_strings", "", "a text or up to 256, none empty, or null"],
    ["stop_strings", ["a", ""], "a text or up to 256, none empty, or null"],
    ["stop_strings", new Array(1e5).fill("a"), "a text or up to 256, none empty, or null"],
    ["stop_strings", 7, "a text or up to 256, none empty, or null"],
    ["typical_p", 0, "a number above 0 and at most 1"],
    ["length_penalty", Number.NaN, "a number"],
    ["early_stopping", "always", 'true, false or "never"'],
    ["logprobs", 21, "true, false or an integer from 0 to 20"],
    ["bad_words_ids", [[29]], "lists of ids from 0 to 28, or null"],
    ["bad_words_ids", [[]], "lists of ids from 0 to 28, or null"],
    ["bad_words_ids", [3], "lists of ids from 0 to 28, or null"],
    ["suppress_tokens", 3, "a list of ids from 0 to 28, or null"],
    ["forced_bos_token_id", [3], "an id from 0 to 28, or null"],
    ["forced_eos_token_id", -1, "ids from 0 to 28, or null"],
    ["min_new_tokens", -1, "an integer from 0"],
    ["signal", {}, "an AbortSignal"],
  ];
  test.each(cases)("%s %s", (key, value, expected) => {
    expect(() => resolve({ [key]: value })).toThrow(
      expect.objectContaining({
        code: "bad-option",
        message: expect.stringContaining(`generate: expected ${key} to be ${expected}, got `),
      }),
    );
  });

  test("options that the caller sets to null are none, whatever the model's files say", () => {
    const configured = { eos_token_id: [3], forced_eos_token_id: 3, suppress_tokens: [4], stop_strings: "a" };
    const settings = resolve(
      { eos_token_id: null, forced_eos_token_id: null, suppress_tokens: null, stop_strings: null },
      configured,
    );
    expect(settings).toMatchObject({
      eos_token_id: [],
      forced_eos_token_id: [],
      suppress_tokens: [],
      stop_strings: [],
    });
    expect(resolve({}, configured)).toMatchObject({
      forced_eos_token_id: [3],
      suppress_tokens: [4],
      stop_strings: ["a"],
    });
  });
});

describe("options that cannot hold together are rejected:", () => {
  const cases: [GenerationOptions, string][] = [
    [{ length_penalty: 2 }, "num_beams above 1 or no length_penalty, got num_beams: 1 and length_penalty: 2"],
    [{ early_stopping: true }, "num_beams above 1 or no early_stopping, got num_beams: 1 and early_stopping: true"],
    [
      { num_return_sequences: 3 },
      "as many num_beams, or do_sample: true or no num_return_sequences, got num_beams: 1 and num_return_sequences: 3",
    ],
    [
      { num_return_sequences: 3, num_beams: 2, do_sample: true },
      "as many num_beams, or do_sample: true or no num_return_sequences, got num_beams: 2 and num_return_sequences: 3",
    ],
    [{ do_sample: false, typical_p: 0.5 }, "do_sample: true or no typical_p, got do_sample: false and typical_p: 0.5"],
    [{ do_sample: false, seed: 1 }, "do_sample: true or no seed, got do_sample: false and seed: 1"],
  ];
  test.each(cases)("%j", (options, message) => {
    expect(() => resolve(options)).toThrow(failing("conflicting-options", `generate: expected ${message}`));
  });

  test("but values that say what holds anyway pass", () => {
    expect(() =>
      resolve({ length_penalty: 1, early_stopping: false, num_return_sequences: 1, temperature: 0, do_sample: false }),
    ).not.toThrow();
  });

  test("and so does what the model's files say of beams that the caller turns off", () => {
    expect(resolve({ num_beams: 1 }, { num_beams: 4, length_penalty: 2, early_stopping: true }).num_beams).toBe(1);
  });

  test("a stream has one text", async () => {
    const decoder = new FakeDecoder();
    const stream = generateIds(decoder, decoder.prompt([1]), resolve({ num_return_sequences: 2, seed: 1 }));
    await expect(stream.next()).rejects.toEqual(
      failing("conflicting-options", "stream: expected num_return_sequences: 1, got 2"),
    );
    expect(decoder.live.size).toBe(0);
  });
});

describe("the model's files", () => {
  const read = (raw: object) => readGenerationDefaults({}, raw as Record<string, unknown>, VOCABULARY);

  test("set every option", () => {
    const raw = {
      ...{
        num_beams: 4,
        length_penalty: 2,
        early_stopping: true,
        no_repeat_ngram_size: 3,
        min_length: 5,
        max_length: 14,
      },
      ...{ forced_bos_token_id: 0, forced_eos_token_id: 2, bad_words_ids: [[7]], suppress_tokens: [1, 2] },
      ...{ begin_suppress_tokens: [5], typical_p: 0.9, stop_strings: ["a"], eos_token_id: 2 },
    };
    const { options, unsupported } = read(raw);
    expect(unsupported).toEqual([]);
    expect(resolve({}, options)).toMatchObject({
      ...raw,
      forced_bos_token_id: [0],
      forced_eos_token_id: [2],
      eos_token_id: [2],
    });
  });

  test.each([
    ["num_beam_groups", 2, 1],
    ["diversity_penalty", 0.5, 0],
    ["epsilon_cutoff", 0.1, 0],
    ["eta_cutoff", 0.1, 0],
    ["encoder_repetition_penalty", 1.2, 1],
    ["encoder_no_repeat_ngram_size", 3, 0],
    ["guidance_scale", 3, 1],
    ["low_memory", true, false],
    ["token_healing", true, false],
    ["is_assistant", true, false],
    ["use_mtp", true, false],
    ["penalty_alpha", 0.6, null],
    ["sequence_bias", [[[3], 1.5]], null],
    ["constraints", [{}], []],
    ["dola_layers", "high", null],
    ["assistant_early_exit", 4, null],
    ["prompt_lookup_num_tokens", 4, null],
    ["watermarking_config", {}, null],
    ["forced_decoder_ids", [[1, 2]], []],
    ["exponential_decay_length_penalty", [1, 2], null],
    ["top_h", 0.5, null],
  ])("that ask for %s = %j are an error that names it, and %j is none", (key, value, harmless) => {
    const defaults = read({ [key]: value });
    expect(() => resolveGenerationOptions({}, defaults, VOCABULARY)).toThrow(
      expect.objectContaining({ code: "unsupported-option", message: expect.stringContaining(`got ${key} = `) }),
    );
    expect(read({ [key]: harmless }).unsupported).toEqual([]);
    expect(() => resolve({ [key]: value })).toThrow(expect.objectContaining({ code: "unknown-option" }));
  });

  test.each([
    ["renormalize_logits", true],
    ["renormalize_logits", false],
    ["remove_invalid_values", true],
    ["num_assistant_tokens", 20],
    ["num_assistant_tokens_schedule", "constant"],
    ["assistant_confidence_threshold", 0.4],
    ["assistant_lookbehind", 10],
    ["target_lookbehind", 10],
    ["max_matching_ngram_size", 2],
    ["disable_compile", true],
    ["compile_config", {}],
    ["cache_config", {}],
    ["return_legacy_cache", true],
    ["prefill_chunk_size", 4],
    ["use_model_defaults", true],
    ["chat_format", "chatml"],
    ["max_window_size", 6144],
    ["user_token_id", 3],
  ])("that say %s = %j of what changes no text are passed over, but a caller's are not", (key, value) => {
    const defaults = read({ [key]: value });
    expect(defaults).toMatchObject({ options: { eos_token_id: [] }, unsupported: [] });
    expect(() => resolveGenerationOptions({}, defaults, VOCABULARY)).not.toThrow();
    expect(() => resolve({ [key]: value })).toThrow(expect.objectContaining({ code: "unknown-option" }));
  });

  test("are the only ones where there is such a file: config.json then says nothing of the end", () => {
    const config = { eos_token_id: 3 };
    expect(readGenerationDefaults(config, undefined, VOCABULARY).options.eos_token_id).toEqual([3]);
    expect(readGenerationDefaults(config, { bos_token_id: 0 }, VOCABULARY).options.eos_token_id).toEqual([]);
    for (const renormalizes of [true, false]) {
      const older = { renormalize_logits: renormalizes, hidden_size: 64 };
      expect(readGenerationDefaults(older, undefined, VOCABULARY)).toMatchObject({ renormalizes, unsupported: [] });
      expect(readGenerationDefaults(older, {}, VOCABULARY).renormalizes).toBe(false);
    }
    expect(() => readGenerationDefaults({ eos_token_id: 99 }, {}, VOCABULARY)).toThrow(
      /config\.json: expected eos_token_id/,
    );
  });

  test("are known in a config.json, too, where older configs have them", () => {
    for (const key of ["top_k", "penalty_alpha", "chat_format", "renormalize_logits", "forced_decoder_ids"]) {
      expect(isGenerationKey(key), key).toBe(true);
    }
    expect(isGenerationKey("hidden_size")).toBe(false);
  });

  test("are not looked for in what a page adds to all objects", () => {
    const everywhere = Object.prototype as { each?: () => void };
    everywhere.each = () => {};
    try {
      expect(resolve({ top_k: 3 })).toMatchObject({ top_k: 3 });
    } finally {
      delete everywhere.each;
    }
  });

  test("lists with holes are refused", () => {
    for (const key of ["stop_strings", "suppress_tokens", "eos_token_id", "bad_words_ids"]) {
      expect(() => resolve({ [key]: new Array(3) }), key).toThrow(expect.objectContaining({ code: "bad-option" }));
    }
  });

  test("of how long a text may take in time are refused: it would be another text", () => {
    expect(read({ max_time: 100 }).unsupported).toEqual(["max_time = 100"]);
  });

  test("give way to what the caller says of the same length in another way", async () => {
    expect(resolve({ max_length: 9 }, { max_new_tokens: 100 })).toMatchObject({
      max_new_tokens: undefined,
      max_length: 9,
    });
    expect(resolve({ max_new_tokens: 3 }, { max_length: 9 }).max_new_tokens).toBe(3);
    expect(resolve({ min_length: 9 }, { min_new_tokens: 100 })).toMatchObject({
      min_new_tokens: undefined,
      min_length: 9,
    });
    expect(resolve({ min_new_tokens: 3 }, { min_length: 9 })).toMatchObject({ min_new_tokens: 3 });
  });

  test("that are out of range are an error when they are read", () => {
    expect(() => read({ num_beams: 0 })).toThrow(
      failing("bad-value", "generation_config.json: expected num_beams to be an integer from 1 to 256, got 0"),
    );
    expect(() => read({ bad_words_ids: [[29]] })).toThrow(expect.objectContaining({ code: "bad-value" }));
  });
});

describe("stop strings", () => {
  test.each(named(stopVectors))("stop where transformers stops: %s", async (_, { prompt, options, expected }) => {
    const sequences = await run(options, prompt);
    expect(sequences.map((sequence) => show(sequence)).map((text) => text.replace(" .", ""))).toEqual(
      (expected as string[]).map((text) => text.replace(" .", "")),
    );
  });

  test("are a reason to stop, and their ids stay", async () => {
    const [{ ids, finishReason }] = await run({ stop_strings: ["adab"], max_new_tokens: 12 });
    expect(ids.slice(2)).toEqual([13, 18]);
    expect(finishReason).toBe("stop");
  });

  test("are found where a character is cut into several ids", async () => {
    // Each id is a byte of "é" in turn: the text is certain with every second one.
    const bytes = () => {
      let held = "";
      return {
        push: (id: number) => {
          const text = held === "" ? "" : "é";
          held = held === "" ? String(id) : "";
          return text;
        },
        end: () => (held === "" ? "" : "\ufffd"),
      };
    };
    const decoder = new FakeDecoder();
    const settings = resolve({ stop_strings: "éé", max_new_tokens: 12 });
    const [[{ ids }]] = await generateRows(decoder, [decoder.prompt([1, 2])], settings, bytes);
    expect(ids).toHaveLength(4);
  });

  const names = ["gpt2", "llama2", "bert-base-cased", "t5-small-json"];
  const present = names.filter((name) => existsSync(`${shared}tokenizers/${name}`));
  test.each(present)("are found with the id that completes them, by the tokenizer of %s", (name) => {
    const folder = `${shared}tokenizers/${name}`;
    const files = readdirSync(folder).map((file): [string, Uint8Array] => [file, readFileSync(`${folder}/${file}`)]);
    const tokenizer = openTokenizer(new Map(files), allFormats);
    const streamAfter = (prefix_ids: readonly number[]) =>
      tokenizer.decodeStream({ prefix_ids: [...prefix_ids], skip_special_tokens: false });
    const { ids } = tokenizer.encode("There was a wörld, 日本語のテキスト 😀 until\n\nit stopped.", {
      add_special_tokens: false,
    });
    for (const promptLength of [0, 3]) {
      const stream = streamAfter(ids.slice(0, promptLength));
      const texts = ids.slice(promptLength).map((id) => stream.push(id));
      const characters = [...texts.join("")];
      for (let begin = 0; begin < characters.length; begin++) {
        for (const length of [1, 4]) {
          const stop = characters.slice(begin, begin + length).join("");
          const known = texts.findIndex((_, index) =>
            texts
              .slice(0, index + 1)
              .join("")
              .includes(stop),
          );
          const watch = stopStrings([stop], streamAfter);
          let end = watch.start(ids.slice(0, promptLength)) as TextEnd | undefined;
          let found = promptLength - 1;
          while (end) end = watch.next(end, ids.slice(0, ++found), ids[found]);
          // Earlier only where it begins in the prompt.
          if (found !== known + promptLength) expect(tokenizer.decode(ids.slice(0, found + 1))).toContain(stop);
          expect(found).toBeLessThanOrEqual(known + promptLength);
        }
      }
    }
  });

  test("need a tokenizer", async () => {
    const decoder = new FakeDecoder();
    const settings = resolve({ stop_strings: "a" });
    await expect(generateRows(decoder, [decoder.prompt([1, 2])], settings)).rejects.toEqual(
      failing("no-tokenizer", "generate: expected a tokenizer for stop_strings, got none"),
    );
    expect(decoder.live.size).toBe(0);
  });
});

describe("log probabilities", () => {
  test.each(named(logprobVectors))("are those of transformers: %s", async (_, { prompt, options, expected }) => {
    const sequences = await run({ ...options, logprobs: true }, prompt);
    for (const [index, sequence] of sequences.entries()) {
      const [text, values] = (expected as string[])[index].split(" [");
      expect(show(sequence, true)).toBe(text);
      const numbers = JSON.parse(`[${values}`) as number[];
      expect(sequence.logprobs).toHaveLength(numbers.length);
      for (const [at, logprob] of numbers.entries()) {
        expect(sequence.logprobs?.[at]).toEqual({
          id: sequence.ids[sequence.promptLength + at],
          logprob: expect.closeTo(logprob, 3),
          alternatives: [],
        });
      }
    }
  });

  test("come with the likeliest alternatives that options leave, likeliest first", async () => {
    const [{ logprobs }] = await run({ logprobs: 20, top_k: 3, temperature: 2, seed: 5, max_new_tokens: 6 });
    expect(logprobs).toHaveLength(6);
    for (const { id, logprob, alternatives } of logprobs!) {
      expect(alternatives).toHaveLength(3);
      expect(alternatives).toContainEqual({ id, logprob });
      expect(alternatives.map((other) => other.logprob)).toEqual(
        alternatives.map((other) => other.logprob).sort((a, b) => b - a),
      );
      expect(alternatives.reduce((sum, other) => sum + Math.exp(other.logprob), 0)).toBeCloseTo(1, 6);
    }
  });

  test("are each text's own, and stand beside the id that ended it", async () => {
    const sequences = await run({ logprobs: true, num_return_sequences: 3, seed: 2, eos_token_id: 8 });
    for (const { ids, promptLength, logprobs, finishReason, eosTokenId } of sequences) {
      expect(logprobs?.map(({ id }) => id)).toEqual(ids.slice(promptLength));
      expect(eosTokenId).toBe(finishReason === "stop" ? 8 : undefined);
    }
    expect(new Set(sequences.map(({ finishReason }) => finishReason))).toContain("stop");
  });

  test("are absent unless asked for", async () => {
    expect((await run({ max_new_tokens: 2, logprobs: false }))[0].logprobs).toBeUndefined();
  });
});

describe("a sampler", () => {
  test("says when options leave no id, and that it is not the model's fault", () => {
    const sampler = createSampler(resolve({ suppress_tokens: Array.from({ length: VOCABULARY }, (_, id) => id) }));
    expect(() => sampler(fakeLogits([1]), [1])).toThrow(
      failing("nothing-allowed", "generate: expected options that allow an id, got none that do"),
    );
    expect(() => sampler(Float32Array.of(Number.NaN, 1, 2), [1])).toThrow(NonFiniteError);
    expect(() => sampler(Float32Array.of(1, 2, Number.NaN), [1])).toThrow(NonFiniteError);
    expect(() => sampler(Float32Array.of(Number.POSITIVE_INFINITY, 1), [1])).toThrow(NonFiniteError);
  });

  test("forbids repeated ids of a long text without looking at all of it each time", () => {
    const settings = resolve({ no_repeat_ngram_size: 3 });
    const ids: number[] = [];
    const step = createProcessor(settings, { promptLength: 0, limit: 1e6 })!;
    const reference = (length: number) => {
      const banned = new Set<number>();
      for (let begin = 0; begin + 3 <= length; begin++) {
        if (ids[begin] === ids[length - 2] && ids[begin + 1] === ids[length - 1]) banned.add(ids[begin + 2]);
      }
      return banned;
    };
    for (let length = 0; length < 2000; length++) {
      const scores = new Float32Array(VOCABULARY);
      step(scores, ids);
      const banned = [...scores.keys()].filter((id) => scores[id] === Number.NEGATIVE_INFINITY);
      if (length % 100 === 0) expect(new Set(banned)).toEqual(reference(length));
      ids.push((Math.imul(length, 2654435761) >>> 16) % VOCABULARY);
    }
  });

  test("draws each of several texts from a stream of its own, and the first is the only one's", async () => {
    const options = { seed: 9, temperature: 2, max_new_tokens: 20 };
    const texts = await run({ ...options, num_return_sequences: 5 });
    expect(texts[0]).toEqual((await run(options))[0]);
    expect(new Set(texts.map(({ ids }) => ids.join())).size).toBe(5);
    expect(await run({ ...options, num_return_sequences: 5 })).toEqual(texts);
    expect(await run({ ...options, num_return_sequences: 3 })).toEqual(texts.slice(0, 3));
  });
});

test("min_new_tokens beyond the limit holds up to it", async () => {
  const [{ ids, finishReason }] = await run({ min_new_tokens: 50, max_new_tokens: 12, eos_token_id: 5 });
  expect(ids).toHaveLength(14);
  expect(ids).not.toContain(5);
  expect(finishReason).toBe("length");
});

test("a call without options that are objects is an error", () => {
  expect(() => resolve(null as unknown as object)).toThrow(OptionError);
});
