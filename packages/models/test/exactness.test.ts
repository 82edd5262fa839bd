import { describe, expect, test } from "vitest";
import { decoderOf } from "../src/generation/decoder.ts";
import { allFormats, architectures, type ModelFiles } from "../src/index.ts";
import { toSources } from "../src/pipeline/files.ts";
import { loadModel } from "../src/pipeline/load.ts";
import { readDirectory } from "../src/platform/directory-node.ts";
import { builds, debugRuntime, shared } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

const models: [string, () => Promise<ModelFiles | string>][] = [
  ["a random model", async () => tinyFiles({ config: { max_position_embeddings: 400 } })],
  [
    "a random model with dynamic rope scaling",
    async () => tinyFiles({ config: { max_position_embeddings: 100, rope_scaling: { type: "dynamic", factor: 4 } } }),
  ],
];
if (shared) {
  models.push(["tinystories-260k", async () => `${shared}models/tinystories-260k`]);
  models.push(["llama-f16", async () => `${shared}references/llama-f16`]);
}

/** Ids that every vocabulary here has. */
const ids = (length: number, seed = 0) => Array.from({ length }, (_, index) => 4 + ((index * 7 + seed) % 15));
const same = (a: Float32Array, b: Float32Array) =>
  Buffer.compare(Buffer.from(a.slice().buffer), Buffer.from(b.slice().buffer)) === 0;

describe.each(models)("%s", (name, files) => {
  describe.each(builds)("%s build", (build) => {
    const open = async () => {
      const runtime = await debugRuntime(build);
      const model = await files();
      const options = { runtime, onWarning: () => {} };
      const directory = typeof model === "string" ? await readDirectory(model) : undefined;
      const sources = directory?.files ?? toSources(model as Exclude<typeof model, string>);
      const loaded = await loadModel(sources, architectures, options, allFormats);
      await directory?.close();
      return { runtime, decoder: decoderOf(loaded) };
    };
    const length = name === "llama-f16" ? 60 : 150;

    test("a prefill in chunks of any size equals the whole, bit for bit", async () => {
      const { runtime, decoder } = await open();
      const whole = await decoder.logits(ids(length), { chunkRows: length });
      for (const chunkRows of [1, 2, 5, 24, 59, 64]) {
        expect(same(await decoder.logits(ids(length), { chunkRows }), whole), `chunks of ${chunkRows}`).toBe(true);
      }
      runtime.dispose();
    });

    test("a batch of different lengths equals each sequence alone, bit for bit", async () => {
      const { runtime, decoder } = await open();
      const prompts = [3, 1, 17, 40, 8, 59, 2].map((count, index) => ids(count, index));
      const alone: Float32Array[] = [];
      for (const prompt of prompts) {
        const cache = decoder.newCache();
        alone.push(...(await decoder.step([{ cache, ids: prompt }])));
        cache.dispose();
      }
      const feeds = prompts.map((prompt) => ({ cache: decoder.newCache(), ids: prompt }));
      const together = await decoder.step(feeds);
      together.forEach((logits, index) => {
        expect(same(logits, alone[index]), `sequence ${index}`).toBe(true);
      });
      for (const { cache } of feeds) cache.dispose();
      runtime.dispose();
    });

    // Dynamic scaling changes the angles as a text grows, and the keys that are cached keep theirs: so does PyTorch.
    test.skipIf(name.includes("dynamic"))("cached steps equal a pass without a cache, bit for bit", async () => {
      const { runtime, decoder } = await open();
      const { vocabSize } = decoder.model;
      const all = await decoder.logits(ids(length));
      const cache = decoder.newCache();
      for (let step = 0; step < length; step++) {
        const [logits] = await decoder.step([{ cache, ids: [ids(length)[step]] }]);
        expect(same(logits, all.subarray(step * vocabSize, (step + 1) * vocabSize)), `position ${step}`).toBe(true);
      }
      runtime.dispose();
    });
  });
});
