// Every encoder-decoder's folder that is at hand: what PyTorch computes, row by row, on every build.
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { EncoderDecoderModel } from "../src/architecture.ts";
import { encoderOf } from "../src/encoding/encoder.ts";
import { decoderOf } from "../src/generation/decoder.ts";
import { architectures } from "../src/registry.ts";
import { expectNear, openChanged, openFolder, readExpected } from "./open.ts";
import { builds, readJson, shared } from "./shared.ts";

const ours = fileURLToPath(new URL("../../../verify/fixtures/", import.meta.url));
const folders = [ours, `${shared}references/`]
  .filter(existsSync)
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((folder) => existsSync(join(folder, "expected.safetensors")))
  .filter((folder) => readJson(join(folder, "expected.json")).kind === "encoder-decoder");

const last = <T>(list: readonly T[]): T => list[list.length - 1];

describe.each(folders.map((folder) => [basename(folder), folder]))("%s", (_, folder) => {
  const expected = readExpected(folder);
  const { facts, file, shape, ids } = expected;
  const masks = ids("attention_mask");
  const rows = ids("input_ids").map((row, index) => row.slice(0, masks[index].lastIndexOf(1) + 1));
  const answers = ids("decoder_input_ids");

  test.each(builds)("computes what PyTorch computes, %s build", async (build) => {
    const loaded = await openFolder(folder, architectures, build);
    expect(loaded.warnings).toEqual([]);
    const [encoder, decoder] = [encoderOf(loaded), decoderOf(loaded)];
    for (const [index, row] of rows.entries()) {
      const near = (name: string, values: Float32Array) => {
        const whole = file.array(name) as Float32Array;
        const size = whole.length / shape(name)[0];
        const part = whole.subarray(index * size, index * size + values.length);
        expectNear(`${name} of row ${index}`, values, part, facts.pytorch_float32_error[name], whole);
      };
      const states = await encoder.hiddenStates({ ids: row });
      for (const [layer, state] of states.entries()) near(`encoder_hidden_states.${layer}`, state);
      near("encoder_last_hidden_state", last(states));
      const memory = await encoder.remember({ ids: row }, decoder.pool);
      const decoded = await decoder.hiddenStates(answers[index], { memory: memory.retain() });
      for (const [layer, state] of decoded.entries()) near(`decoder_hidden_states.${layer}`, state);
      const logits = await decoder.logits(answers[index], { memory });
      near("logits", logits);
      expect(await decoder.logits(answers[index], { memory, chunkRows: 1 })).toEqual(logits);
      memory.release();
    }
    loaded.runtime.dispose();
  });

  test.each(builds)("continues with PyTorch's ids, and each row of a batch as alone, %s build", async (build) => {
    const loaded = await openFolder(folder, architectures, build);
    const [encoder, decoder] = [encoderOf(loaded), decoderOf(loaded)];
    const { decoderStartTokenId } = loaded.model as EncoderDecoderModel;
    const caches = await Promise.all(
      rows.map(async (row) => decoder.newCache(await encoder.remember({ ids: row }, decoder.pool))),
    );
    const greedy: number[][] = rows.map(() => []);
    for (let step = 0; step < shape("greedy")[1]; step++) {
      const feeds = caches.map((cache, index) => ({ cache, ids: [greedy[index].at(-1) ?? decoderStartTokenId] }));
      const logits = await decoder.step(feeds);
      for (const [index, row] of logits.entries()) greedy[index].push(row.indexOf(Math.max(...row)));
    }
    expect(greedy).toEqual(ids("greedy"));
    for (const cache of caches) cache.dispose();
    loaded.runtime.dispose();
  });

  test("a text in a batch is encoded as alone, bit for bit", async () => {
    const loaded = await openFolder(folder, architectures, last(builds));
    const encoder = encoderOf(loaded);
    const together = await encoder.states(rows.map((row) => ({ ids: row })));
    for (const [index, row] of rows.entries()) {
      expect(together[index]).toEqual((await encoder.states([{ ids: row }]))[0]);
    }
    loaded.runtime.dispose();
  });
});

test("calls that fail give the memory of the encoder's keys and values back", async () => {
  const pipeline = await openChanged("t5-odd");
  const ids = Array.from({ length: 500 }, (_, index) => index % 90);
  const failing = [
    () => pipeline.logits(ids, { decoder_input_ids: [99_999] }),
    () => pipeline.hiddenStates(ids, { decoder_input_ids: "x" as never }),
    () => pipeline.logits(ids, { decoder_input_ids: [3], signal: AbortSignal.abort(new Error("enough")) }),
    () =>
      pipeline.generate(ids, {
        stop_strings: "a",
        return_dict_in_generate: true,
        on_token: () => Promise.reject(new Error("no")),
      }),
  ];
  const fail = async () => {
    for (const call of failing) await expect(call()).rejects.toThrow();
  };
  await fail();
  await fail();
  const before = pipeline.heldBytes;
  for (let round = 0; round < 10; round++) await fail();
  expect(pipeline.heldBytes).toBe(before);
  await pipeline.dispose();
});

test("files of T5's classifiers have a prefix", async () => {
  const openPrefixed = (isKept: (name: string) => boolean) =>
    openChanged("t5-odd", {}, (tensors) => {
      const all = [...tensors, ["encoder.embed_tokens.weight", tensors.get("shared.weight")!] as const];
      tensors.clear();
      for (const [name, tensor] of all) if (isKept(name)) tensors.set(`transformer.${name}`, tensor);
    });
  const ids = [3, 4, 5, 6];
  const answer = { decoder_input_ids: [0, 7] };
  const plain = await openChanged("t5-odd");
  const whole = await openPrefixed(() => true);
  const encoder = await openPrefixed((name) => !name.startsWith("decoder."));
  expect(await whole.logits(ids, answer)).toEqual(await plain.logits(ids, answer));
  expect(await encoder.encode(ids)).toEqual(await plain.encode(ids));
  for (const pipeline of [plain, whole, encoder]) await pipeline.dispose();
});

test("generation_config.json says what answers begin with, where there is one, as in transformers", async () => {
  const beginOf = async (file: object | undefined) => {
    const others: Record<string, string> = file ? { "generation_config.json": JSON.stringify(file) } : {};
    const pipeline = await openChanged("t5-odd", { decoder_start_token_id: 0 }, undefined, others);
    const options = { max_new_tokens: 1, return_dict_in_generate: true } as const;
    try {
      const { promptIds } = await pipeline.generate([3, 4], options);
      expect(await pipeline.logits([3, 4])).toEqual(await pipeline.logits([3, 4], { decoder_input_ids: promptIds }));
      return promptIds;
    } finally {
      await pipeline.dispose();
    }
  };
  expect(await beginOf(undefined)).toEqual([0]);
  expect(await beginOf({ eos_token_id: 1 })).toEqual([0]);
  expect(await beginOf({ bos_token_id: 7 })).toEqual([7]);
  expect(await beginOf({ bos_token_id: 7, decoder_start_token_id: 5 })).toEqual([5]);
  expect(await beginOf({ decoder_start_token_id: [5] })).toEqual([5]);
  for (const id of [97, [5, 6], "x"]) {
    await expect(beginOf({ decoder_start_token_id: id })).rejects.toMatchObject({
      name: "ConfigError",
      code: "bad-value",
    });
  }
});
