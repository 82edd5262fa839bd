// Long passes give turns also where no layer ends: within output layers, and between the layers that remember a text.
import { join } from "node:path";
import { type Forward, KvCache, type Tensor } from "@kiloformer/core";
import { expect, test } from "vitest";
import type { DecoderModel, EncoderDecoderModel, EncoderModel, TD } from "../src/architecture.ts";
import { decoderOf } from "../src/generation/decoder.ts";
import { architectures } from "../src/registry.ts";
import { fixtures, openFolder } from "./open.ts";
import { builds } from "./shared.ts";

const [build] = builds;

/** How often a forward can be stopped, and what it gives in the end. */
function run<R>(forward: Forward<R>): { steps: number; result: R } {
  for (let steps = 0; ; steps++) {
    const { done, value } = forward.next();
    if (done) return { steps, result: value as R };
  }
}

test.each([
  "bert-masked-lm-tied",
  "gemma3-softcap",
  "gpt_neox-serial",
  "gpt2-odd",
  "llama-odd-generation",
  "modernbert-masked-lm",
  "t5-odd",
])("%s computes the logits of many rows in steps, with the bits of a few", async (folder) => {
  const { model, runtime } = await openFolder(join(fixtures, folder), architectures, build);
  const decoder = (model.kind === "encoder-decoder" ? model.decoder : model) as DecoderModel;
  const head = model.kind === "encoder" ? (model as EncoderModel).heads.maskedLm : decoder.logits;
  const { hiddenSize: D, vocabSize } = decoder;
  // More than two steps' worth of multiply-adds.
  const rows = Math.ceil(5.2e8 / (D * vocabSize));
  const states = Float32Array.from({ length: rows * D }, (_, index) => ((index * 7919) % 1009) / 500 - 1);
  const hidden = runtime.upload(states, [rows, D] as const);
  const { steps, result } = run(head!(hidden));
  expect(steps).toBeGreaterThanOrEqual(2);
  expect(result.shape[0]).toBe(rows);
  const last = run(head!(runtime.upload(states.subarray(-D), [1, D] as const))).result;
  expect(runtime.readNow(last)).toEqual(runtime.readNow(rowOf(runtime, result, rows - 1)));
  runtime.dispose();
});

const rowOf = (runtime: { rows(x: Tensor, row: number, count: number): Tensor }, x: TD, row: number) =>
  runtime.rows(x, row, 1);

test.each(["t5-odd", "longt5-local-long"])("%s remembers a text layer by layer", async (folder) => {
  const loaded = await openFolder(join(fixtures, folder), architectures, build);
  const { runtime } = loaded;
  const model = loaded.model as EncoderDecoderModel;
  const { hiddenSize: D } = model.encoder;
  const cache = new KvCache(decoderOf(loaded).pool, 20);
  cache.prepare(20);
  const encoded = runtime.upload(new Float32Array(20 * D).fill(0.5), [20, D] as const);
  const mark = runtime.memory.mark();
  const { steps } = run(model.remember(runtime, encoded, [{ cache, count: 20 }]));
  expect(steps).toBe(model.decoder.layers);
  expect(cache.length).toBe(20);
  // One layer's keys and values at a time: what is left are the places of the pages.
  expect(runtime.memory.mark() - mark).toBeLessThan(20 * D * 4);
  runtime.dispose();
});
