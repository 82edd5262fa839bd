import { existsSync, readdirSync } from "node:fs";
import { MemoryError, PAGE } from "@kiloformer/core";
import { describe, expect, test } from "vitest";
import { type Decoder, decoderOf } from "../src/generation/decoder.ts";
import { generateIds, generateRows, type PromptSource, type Sequence } from "../src/generation/generate.ts";
import { readGenerationDefaults, resolveGenerationOptions } from "../src/generation/options.ts";
import { llama } from "../src/llama.ts";
import { toSources } from "../src/pipeline/files.ts";
import { loadModel } from "../src/pipeline/load.ts";
import { architectures } from "../src/registry.ts";
import { FakeDecoder, fakeLogits } from "./fake-decoder.ts";
import { beamVectors, renormalizedVectors } from "./generation-vectors.ts";
import { openFolder, readExpected } from "./open.ts";
import { builds, debugRuntime, readJson, shared } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

const resolve = (options: object, vocabSize = 29) =>
  resolveGenerationOptions(options, { options: {}, unsupported: [] }, vocabSize);
const textStream = () => ({ push: (id: number) => String.fromCharCode(97 + id), end: () => "" });

/** A text as the vectors have it. */
function show({ ids, promptLength, finishReason, score }: Sequence): string {
  return `${ids.slice(promptLength).join(" ")}${finishReason === "stop" ? " ." : ""} (${score?.toFixed(4)})`;
}

describe("beams are those of transformers with", () => {
  const named = beamVectors.map(
    (vector) => [`${JSON.stringify(vector.options)} after ${vector.prompt}`, vector] as const,
  );
  test.each(named)("%s", async (_, { prompt, options, expected }) => {
    const decoder = new FakeDecoder();
    const [sequences] = await generateRows(decoder, [decoder.prompt(prompt)], resolve(options));
    expect(sequences.map(show)).toEqual(expected);
    expect(decoder.live.size).toBe(0);
  });
});

test("beams that are drawn are the same for a seed: ids that are not allowed take no draw, and scores have no noise", async () => {
  const decoder = new FakeDecoder();
  const lengths = { num_beams: 3, num_return_sequences: 3, max_new_tokens: 5 };
  const settings = resolve({ ...lengths, seed: 7, top_k: 5, temperature: 3, suppress_tokens: [0, 1, 2] });
  const [sequences] = await generateRows(decoder, [decoder.prompt([3, 1, 4])], settings);
  expect(sequences.map(show)).toEqual(["6 13 8 24 13 (-0.5827)", "6 13 26 9 10 (-0.5835)", "6 13 26 9 5 (-0.5933)"]);
});

describe("beams of files with renormalize_logits are those of transformers with", () => {
  const named = renormalizedVectors.map(
    (vector) => [`${JSON.stringify(vector.options)} after ${vector.prompt}`, vector] as const,
  );
  test.each(named)("%s", async (_, { prompt, options, expected }) => {
    const decoder = new FakeDecoder();
    const defaults = readGenerationDefaults({}, { renormalize_logits: true }, 29);
    const settings = resolveGenerationOptions(options, defaults, 29);
    const [sequences] = await generateRows(decoder, [decoder.prompt(prompt)], settings);
    expect(sequences.map(show)).toEqual(expected);
    const [without] = await generateRows(decoder, [decoder.prompt(prompt)], resolve(options));
    expect(without.map(show)).not.toEqual(expected);
  });
});

const references = `${shared}references`;
const folders = (existsSync(references) ? readdirSync(references) : [])
  .map((name): [string, string] => [name, `${references}/${name}`])
  .filter(([, folder]) => readJson(`${folder}/expected.json`).kind === "decoder");

describe.each(folders)("%s", (_, folder) => {
  const { facts, ids } = readExpected(folder);
  const [prompt] = ids("input_ids");
  const eos_token_id = facts.eos_token_id_of_greedy_eos_and_beam3_eos;
  /** Rows up to the end-of-text id: what follows is padding. */
  const ended = (rows: number[][]) =>
    rows.map((row) => row.slice(0, row.includes(eos_token_id) ? row.indexOf(eos_token_id) : undefined));

  test.each(builds)("beams are those of PyTorch, %s build", async (build) => {
    const loaded = await openFolder(folder, architectures, build);
    const decoder = decoderOf(loaded);
    const generate = async (options: object) => {
      const settings = resolve({ max_new_tokens: 24, ...options }, decoder.vocabSize);
      const [sequences] = await generateRows(decoder, [{ ids: prompt, cache: decoder.newCache() }], settings);
      return sequences.map(({ ids, promptLength }) => ids.slice(promptLength));
    };
    expect(await generate({ num_beams: 4, eos_token_id: null })).toEqual(ids("beam4"));
    const best = { num_beams: 3, num_return_sequences: 3, length_penalty: 0.6, early_stopping: true, eos_token_id };
    expect(await generate(best)).toEqual(ended(ids("beam3_eos")));
    loaded.runtime.dispose();
  });
});

/** A small model on one build. */
async function openTiny(build: (typeof builds)[number]): Promise<{ decoder: Decoder; dispose: () => void }> {
  const runtime = await debugRuntime(build);
  const loaded = await loadModel(toSources(tinyFiles()), [llama], { runtime, onWarning: () => {} }, []);
  return { decoder: decoderOf(loaded), dispose: () => runtime.dispose() };
}

describe.each(builds)("on caches that share pages, %s build,", (build) => {
  const options = {
    num_beams: 5,
    num_return_sequences: 5,
    max_new_tokens: 90,
    length_penalty: 0,
    eos_token_id: [3, 7],
  };
  const prompts = [40, 3, 64, 63].map((length) =>
    Array.from({ length }, (_, index) => 4 + ((index * 7 + length) % 15)),
  );

  test("beams are what they are without any cache, bit for bit", async () => {
    const { decoder, dispose } = await openTiny(build);
    const settings = resolve(options, 19);
    const prompt = (ids: readonly number[]): PromptSource => ({ ids, cache: decoder.newCache() });
    const uncached = {
      contextLength: decoder.contextLength,
      expectIds: () => {},
      checkMemory: () => {},
      step: async (feeds: readonly { ids: readonly number[] }[]) => {
        const caches = feeds.map(({ ids }) => ({ ids, cache: decoder.newCache() }));
        const logits = await decoder.step(caches);
        for (const { cache } of caches) cache.dispose();
        return logits;
      },
    };
    const nothing = { length: 0, fork: () => nothing, dispose: () => {} };
    for (const ids of prompts) {
      const cached = await generateRows(decoder, [prompt(ids)], settings);
      expect(cached[0]).toHaveLength(5);
      expect(cached).toEqual(await generateRows(uncached, [{ ids, cache: nothing }], settings));
    }
    dispose();
  });

  test("a batch of beams equals each alone, and all pages come back", async () => {
    const { decoder, dispose } = await openTiny(build);
    const settings = resolve({ ...options, logprobs: 2 }, 19);
    const start = (ids: readonly number[]) => () => ({ ids, cache: decoder.newCache() });
    const together = await generateRows(decoder, prompts.map(start), settings);
    const free = decoder.pool.freePages;
    const alone: (readonly Sequence[])[] = [];
    for (const ids of prompts) alone.push(...(await generateRows(decoder, [start(ids)], settings)));
    expect(together).toEqual(alone);
    expect(decoder.pool.freePages).toBe(free);
    dispose();
  });

  test("samples of one prompt equal samples that are drawn alone", async () => {
    const { decoder, dispose } = await openTiny(build);
    const sampled = { temperature: 2, seed: 3, max_new_tokens: 80, eos_token_id: 3 };
    const run = async (more: object) => {
      const settings = resolve({ ...sampled, ...more }, 19);
      return generateRows(
        decoder,
        prompts.map((ids) => () => ({ ids, cache: decoder.newCache() })),
        settings,
      );
    };
    const several = await run({ num_return_sequences: 3 });
    expect(several.map(([first]) => [first])).toEqual(await run({}));
    dispose();
  });
});

describe("rows", () => {
  const options = { num_beams: 4, num_return_sequences: 2, max_new_tokens: 12, eos_token_id: [3, 14] };
  const prompts = Array.from({ length: 60 }, (_, index) => [index % 29, (index * 11) % 29]);

  test("beyond 96 beams wait, stop independently, and give what they give alone", async () => {
    const decoder = new FakeDecoder();
    let begun = 0;
    const lazy = prompts.map((ids) => () => {
      begun++;
      return decoder.prompt(ids);
    });
    decoder.onStep = () => expect(decoder.live.size).toBeLessThanOrEqual(96);
    const together = await generateRows(decoder, lazy, resolve(options));
    expect(Math.max(...decoder.widths)).toBeLessThanOrEqual(96);
    expect(Math.max(...decoder.widths)).toBeGreaterThan(80);
    expect(begun).toBe(60);
    for (const [index, ids] of prompts.entries()) {
      const [alone] = await generateRows(decoder, [decoder.prompt(ids)], resolve(options));
      expect(together[index]).toEqual(alone);
    }
    expect(decoder.live.size).toBe(0);
  });

  test("that are sampled equal the single call with their seed", async () => {
    const decoder = new FakeDecoder();
    for (const more of [{}, { num_beams: 3 }]) {
      const settings = resolve({ seed: 4, temperature: 1.5, max_new_tokens: 20, eos_token_id: 3, ...more });
      const together = await generateRows(
        decoder,
        prompts.slice(0, 9).map((ids) => decoder.prompt(ids)),
        settings,
      );
      for (const [index, ids] of prompts.slice(0, 9).entries()) {
        expect([together[index]]).toEqual(await generateRows(decoder, [decoder.prompt(ids)], settings));
      }
    }
  });

  test("may begin with cached ids", async () => {
    const decoder = new FakeDecoder();
    const ids = [5, 9, 9, 4, 7];
    const whole = await generateRows(decoder, [decoder.prompt(ids)], resolve(options));
    expect(await generateRows(decoder, [decoder.prompt(ids, 3)], resolve(options))).toEqual(whole);
  });

  test("that may not grow are empty, as many as asked for", async () => {
    const decoder = new FakeDecoder(5);
    const settings = resolve({ ...options, max_new_tokens: 0 });
    const [sequences] = await generateRows(decoder, [decoder.prompt([1, 2])], settings);
    expect(sequences).toEqual(new Array(2).fill({ ids: [1, 2], promptLength: 2, finishReason: "length" }));
    expect(decoder.widths).toEqual([]);
    expect(decoder.live.size).toBe(0);
  });

  test("have at most the texts that can be told apart", async () => {
    const decoder = new FakeDecoder();
    const settings = resolve({ ...options, max_new_tokens: 1, forced_eos_token_id: 6 });
    const [sequences] = await generateRows(decoder, [decoder.prompt([1, 2])], settings);
    expect(sequences.map(show)).toEqual(["6 (0.0000)"]);
  });

  test("ask for memory for all beams before they take any", async () => {
    const decoder = new FakeDecoder();
    await generateRows(decoder, [decoder.prompt([1, 2, 3])], resolve(options));
    expect(decoder.checks).toEqual([[15, 4, 3]]);
    decoder.checkMemory = () => {
      throw new MemoryError("over-limit", "no");
    };
    const before = decoder.widths.length;
    await expect(generateRows(decoder, [decoder.prompt([1])], resolve(options))).rejects.toThrow(MemoryError);
    expect(decoder.widths).toHaveLength(before);
    expect(decoder.live.size).toBe(0);
  });
});

test("beams that are drawn are drawn without replacement, in proportion", async () => {
  const settings = (seed: number) =>
    resolve({ num_beams: 2, num_return_sequences: 2, do_sample: true, seed, max_new_tokens: 1 });
  const decoder = new FakeDecoder();
  const rounds = 3000;
  const counts = new Array<number>(29).fill(0);
  for (let seed = 0; seed < rounds; seed++) {
    const [sequences] = await generateRows(decoder, [decoder.prompt([1, 2])], settings(seed));
    const [first, second] = sequences.map(({ ids }) => ids[2]);
    expect(first).not.toBe(second);
    expect(sequences[0].score).toBeGreaterThanOrEqual(sequences[1].score!);
    counts[first]++;
    counts[second]++;
  }
  const weights = Array.from(fakeLogits([1, 2]), Math.exp);
  const total = weights.reduce((a, b) => a + b);
  const shares = weights.map((weight) => weight / total);
  for (const [id, own] of shares.entries()) {
    const second = shares.reduce((sum, other, index) => sum + (index === id ? 0 : (other * own) / (1 - other)), 0);
    expect(Math.abs(counts[id] / rounds - own - second), `id ${id}`).toBeLessThan(0.03);
  }
});

test("a stream of beams gives all ids when they are known", async () => {
  const decoder = new FakeDecoder();
  const settings = resolve({ num_beams: 3, max_new_tokens: 6, stop_strings: "zzz" });
  const stream = generateIds(decoder, () => decoder.prompt([1, 2]), settings, textStream);
  const ids: number[] = [];
  let step = await stream.next();
  expect(decoder.widths).toHaveLength(6);
  for (; !step.done; step = await stream.next()) ids.push(step.value);
  const [[sequence]] = await generateRows(decoder, [decoder.prompt([1, 2])], settings, textStream);
  expect(step.value).toEqual(sequence);
  expect([1, 2, ...ids]).toEqual(sequence.ids);
});

describe("nothing is kept", () => {
  const plain = { max_new_tokens: 50, eos_token_id: null };
  const kinds: [string, object][] = [
    ["one text", plain],
    ["samples", { ...plain, seed: 1, num_return_sequences: 3 }],
    ["beams", { ...plain, num_beams: 4 }],
  ];

  test.each(kinds)("of %s that are aborted between two steps", async (_, options) => {
    const decoder = new FakeDecoder();
    const controller = new AbortController();
    decoder.onStep = () => {
      if (decoder.widths.length === 3) controller.abort();
    };
    const settings = { ...resolve(options), signal: controller.signal };
    const rows = [decoder.prompt([1]), () => decoder.prompt([2])];
    await expect(generateRows(decoder, rows, settings)).rejects.toMatchObject({ name: "AbortError" });
    expect(decoder.widths).toHaveLength(3);
    expect(decoder.live.size).toBe(0);
  });

  test.each(kinds)("of %s whose logits are broken", async (_, options) => {
    const decoder = new FakeDecoder();
    const step = decoder.step.bind(decoder);
    decoder.step = async (...call) => {
      const logits = await step(...call);
      if (decoder.widths.length === 3) logits.at(-1)?.fill(Number.NaN);
      return logits;
    };
    await expect(generateRows(decoder, [decoder.prompt([1])], resolve(options))).rejects.toMatchObject({
      code: "non-finite-logits",
    });
    expect(decoder.live.size).toBe(0);
  });

  test("of prompts that were given and never begun", async () => {
    const decoder = new FakeDecoder();
    const rows = Array.from({ length: 200 }, (_, index) => decoder.prompt(index === 50 ? [] : [1, 2]));
    await expect(generateRows(decoder, rows, resolve({}))).rejects.toThrow("bad ids");
    expect(decoder.live.size).toBe(0);
  });

  test("of a text whose consumer breaks out", async () => {
    for (const options of [plain, { ...plain, num_beams: 2 }]) {
      const decoder = new FakeDecoder();
      for await (const id of generateIds(decoder, decoder.prompt([1]), resolve(options))) {
        expect(id).toBeLessThan(29);
        break;
      }
      expect(decoder.live.size).toBe(0);
    }
  });

  test("of beams whose every id is forbidden", async () => {
    const decoder = new FakeDecoder();
    const all = Array.from({ length: 29 }, (_, id) => id);
    const settings = resolve({ num_beams: 2, suppress_tokens: all });
    await expect(generateRows(decoder, [decoder.prompt([1])], settings)).rejects.toMatchObject({
      code: "nothing-allowed",
    });
    expect(decoder.live.size).toBe(0);
  });
});

test("memory of beams is counted with the prompt once", async () => {
  const { decoder, dispose } = await openTiny(builds[0]);
  const settings = resolve({ num_beams: 8, max_new_tokens: 20 }, 19);
  const ids = Array.from({ length: 2 * PAGE + 4 }, (_, index) => 4 + (index % 15));
  let asked = 0;
  const { pool } = decoder;
  const check = pool.check.bind(pool);
  pool.check = (positions, what) => {
    asked = positions;
    check(positions, what);
  };
  const before = pool.freePages;
  let least = Number.POSITIVE_INFINITY;
  const step = decoder.step.bind(decoder);
  decoder.step = async (...call) => {
    const logits = await step(...call);
    least = Math.min(least, pool.freePages);
    return logits;
  };
  await generateRows(decoder, [() => ({ ids, cache: decoder.newCache() })], settings);
  expect(before).toBe(0);
  expect(pool.freePages - least).toBeLessThanOrEqual(pool.pagesFor(asked));
  expect(pool.freePages - least).toBe(2 + 8);
  dispose();
});
