// What other runtimes got wrong, by the name of their reports (specs of bad inputs, last table): none of it happens here.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors, type TensorData, writeSafetensors } from "@kiloformer/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { architectures, type BareModel, openBareModel, Pipeline, Runtime } from "../src/index.ts";
import { builds, readJson, shared } from "./shared.ts";

const references = `${shared}references/`;
/** One folder for each family that has states to look at. */
const families = existsSync(references)
  ? [
      ...new Map(
        readdirSync(references)
          .filter((name) => /encoder|decoder/.test(readJson(join(references, name, "expected.json")).kind))
          .map((name) => [readJson(join(references, name, "config.json")).model_type as string, name]),
      ),
    ]
  : [];
const LONGEST = 512;

/** A folder's files with room for long texts, and with tensors changed on the way. */
function longFiles(name: string, change: (tensor: string, values: Float32Array) => void = () => {}) {
  const config = readJson(join(references, name, "config.json"));
  for (const key of ["max_position_embeddings", "n_positions"]) if (key in config) config[key] = LONGEST + 8;
  const file = parseSafetensors(readFileSync(join(references, name, "model.safetensors")));
  const tensors: [string, TensorData][] = [...file.tensors].map(([tensor, { dtype, shape }]) => {
    let data = file.array(tensor) as Float32Array;
    let rows = shape[0];
    if (/(position_embeddings|wpe)\.weight$/.test(tensor)) {
      rows = LONGEST + 8;
      data = Float32Array.from({ length: rows * shape[1] }, (_, i) => data[(i * 7) % data.length]);
    } else if (/position_ids$|\.(attn|attention)\.bias$/.test(tensor)) return ["", { dtype, shape, data }];
    else if (dtype === "F32") {
      data = data.slice();
      change(tensor, data);
    }
    return [tensor, { dtype, shape: [rows, ...shape.slice(1)].slice(0, shape.length), data }];
  });
  const kept = tensors.filter(([tensor]) => tensor !== "");
  return { "config.json": JSON.stringify(config), "model.safetensors": writeSafetensors(kept) };
}

const ids = (length: number, seed = 0) => Array.from({ length }, (_, index) => 5 + ((index * 31 + seed * 17) % 240));
const allFinite = (values: Float32Array) => values.every(Number.isFinite);
// Of the lengths `npm test` tries some, `npm run test:slow` all.
const isWhole = process.env.KILOFORMER_SLOW === "1";

describe.each(families)("%s", (_, name) => {
  let bare: BareModel;
  beforeAll(async () => {
    const runtime = await Runtime.create({ build: builds.at(-1) });
    bare = await openBareModel(longFiles(name), architectures, { runtime, onWarning: () => {} });
  });
  afterAll(() => bare.dispose());

  test(`candle #3625, #3428: every length from 1 to ${LONGEST} gives finite numbers`, async () => {
    if (bare.model.kind !== "decoder") {
      const lengths = Array.from({ length: LONGEST }, (_, index) => index + 1);
      const some = lengths.filter((length) => isWhole || length < 40 || length % 13 === LONGEST % 13);
      const rows = some.map((length) => ({ ids: ids(length, length) }));
      const states = await bare.encoder.states(rows);
      expect(states.findIndex((state) => !allFinite(state))).toBe(-1);
    }
    if (bare.model.kind === "encoder") return;
    const memory =
      bare.model.kind === "decoder" ? undefined : await bare.encoder.remember({ ids: ids(9) }, bare.decoder.pool);
    memory?.retain();
    // A row of logits is what the text up to it gives by itself: decoders.test.ts holds them equal.
    const logits = await bare.decoder.logits(ids(LONGEST), { memory });
    expect(logits.length).toBe(LONGEST * bare.decoder.vocabSize);
    expect(allFinite(logits)).toBe(true);
    memory?.release();
  });

  test("candle #3477: inputs ten thousand times as large give finite numbers", async () => {
    const grow = (tensor: string, values: Float32Array) => {
      if (/(embed_tokens|embed_in|wte|word_embeddings|tok_embeddings|shared)\.weight$/.test(tensor)) {
        for (let i = 0; i < values.length; i++) values[i] *= 1e4;
      }
    };
    const runtime = await Runtime.create({ build: builds[0] });
    const large = await openBareModel(longFiles(name, grow), architectures, { runtime, onWarning: () => {} });
    if (large.model.kind === "decoder") expect(allFinite(await large.decoder.states(ids(20)))).toBe(true);
    else expect(allFinite((await large.encoder.states([{ ids: ids(20) }]))[0])).toBe(true);
    await large.dispose();
  });

  test("unsloth #3699, transformers #22707, candle #3582: texts of other lengths in a batch change nothing", async () => {
    const texts = [3, 40, 1, 17].map((length) => ids(length, length));
    if (bare.model.kind !== "decoder") {
      const together = await bare.encoder.states(texts.map((text) => ({ ids: text })));
      for (const [index, text] of texts.entries()) {
        expect((await bare.encoder.states([{ ids: text }]))[0]).toEqual(together[index]);
      }
      return;
    }
    const caches = texts.map(() => bare.decoder.newCache());
    const together = await bare.decoder.step(texts.map((text, index) => ({ ids: text, cache: caches[index] })));
    for (const cache of caches) cache.dispose();
    for (const [index, text] of texts.entries()) {
      const cache = bare.decoder.newCache();
      const [alone] = await bare.decoder.step([{ ids: text, cache }]);
      cache.dispose();
      expect(alone).toEqual(together[index]);
    }
  });

  test("candle #899, #1517: what was computed before changes nothing", async () => {
    const run = async () => {
      if (bare.model.kind === "decoder") return bare.decoder.logits(ids(30, 1));
      if (bare.model.kind === "encoder") return (await bare.encoder.states([{ ids: ids(30, 1) }]))[0];
      const memory = await bare.encoder.remember({ ids: ids(30, 1) }, bare.decoder.pool);
      return bare.decoder.logits([0, 7, 9], { memory });
    };
    const first = await run();
    await (bare.model.kind === "decoder"
      ? bare.decoder.logits(ids(77, 2))
      : bare.encoder.states([{ ids: ids(77, 2) }, { ids: ids(2, 3) }]));
    expect(await run()).toEqual(first);
  });
});

describe.runIf(families.length > 0)("transformers.js", () => {
  test("#836, #715: a model with an encoder gives the memory of every text back", async () => {
    const pipeline = await Pipeline.fromFiles(longFiles("t5"), { onWarning: () => {} });
    const answer = (length: number) =>
      pipeline.generate(ids(length, length), { max_new_tokens: 5, return_dict_in_generate: true, eos_token_id: null });
    await answer(200);
    const held = pipeline.heldBytes;
    for (let text = 1; text < 60; text++) await answer((text * 37) % 200 || 1);
    expect(pipeline.heldBytes).toBe(held);
    await pipeline.dispose();
  });

  test("#404: inputs may be used again after a call", async () => {
    const pipeline = await Pipeline.fromFiles(longFiles("bert"), { onWarning: () => {} });
    const input = Int32Array.from(ids(12));
    const first = await pipeline.encode(input);
    expect(await pipeline.encode(input)).toEqual(first);
    expect([...input]).toEqual(ids(12));
    await pipeline.dispose();
  });

  test("webInferenceChain: calls at the same time equal each alone, and one that fails harms no other", async () => {
    const pipeline = await Pipeline.fromFiles(longFiles("gpt2"), { onWarning: () => {} });
    const options = { max_new_tokens: 6, return_dict_in_generate: true as const, eos_token_id: null };
    const prompts = Array.from({ length: 8 }, (_, index) => ids(3 + index, index));
    const results = await Promise.allSettled([
      ...prompts.map((prompt) => pipeline.generate(prompt, options)),
      pipeline.generate([999_999], options),
    ]);
    expect(results.at(-1)!.status).toBe("rejected");
    for (const [index, prompt] of prompts.entries()) {
      const together = results[index] as PromiseFulfilledResult<{ ids: readonly number[] }>;
      expect((await pipeline.generate(prompt, options)).ids).toEqual(together.value.ids);
    }
    await pipeline.dispose();
  });
});
