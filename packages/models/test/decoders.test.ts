import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Decoder } from "../src/generation/decoder.ts";
import { decoderOf } from "../src/generation/decoder.ts";
import { architectures } from "../src/registry.ts";
import { expectNear, type Opened, openFolder, readExpected } from "./open.ts";
import { builds, readJson, shared } from "./shared.ts";

/** Folders of decoders, by name. */
function decoderFolders(parent: string): [name: string, folder: string][] {
  if (!existsSync(parent)) {
    console.warn(`skipped: decoders of ${parent}, which is absent`);
    return [];
  }
  return readdirSync(parent)
    .map((name): [string, string] => [name, `${parent}/${name}`])
    .filter(([, folder]) => {
      if (!existsSync(`${folder}/expected.json`) || !existsSync(`${folder}/config.json`)) return false;
      return readJson(`${folder}/expected.json`).kind === "decoder";
    });
}

const ours = fileURLToPath(new URL("../../../verify/fixtures", import.meta.url));
const folders = [...decoderFolders(`${shared ?? "../shared/"}references`), ...decoderFolders(ours)];

const same = (a: Float32Array, b: Float32Array) =>
  Buffer.compare(Buffer.from(a.slice().buffer), Buffer.from(b.slice().buffer)) === 0;

/** The id of the largest logit. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}

describe.each(folders)("%s", (_, folder) => {
  const expected = readExpected(folder);
  const errors: Record<string, number> = expected.facts.pytorch_float32_error;
  const prompts = expected.ids("input_ids");
  const config = readJson(`${folder}/config.json`);
  /** Angles change as a text grows, and cached keys keep theirs: so does PyTorch. */
  const isDynamic = JSON.stringify(config.rope_parameters ?? config.rope_scaling ?? "").includes("dynamic");

  /** What a tensor expects for one of the rows. */
  const rowOf = (name: string, row: number) => {
    const all = expected.file.array(name) as Float32Array;
    const length = all.length / prompts.length;
    return all.subarray(row * length, (row + 1) * length);
  };

  describe.each(builds)("%s build", (build) => {
    let opened: Opened;
    let decoder: Decoder;

    beforeAll(async () => {
      opened = await openFolder(folder, architectures, build);
      decoder = decoderOf(opened);
    });
    afterAll(() => opened.runtime.dispose());

    /** Ids that every vocabulary has, `count` or as many as the context holds. */
    const idsOf = (count: number, seed = 0) =>
      Array.from({ length: Math.min(count, decoder.contextLength) }, (_, index) => {
        return 3 + ((index * 29 + seed * 17 + (index >> 3) * 5) % (decoder.vocabSize - 3));
      });

    /** Logits after the last of some ids, without a cache. */
    const lastOf = async (ids: readonly number[]) =>
      (await decoder.logits(ids)).subarray((ids.length - 1) * decoder.vocabSize);

    test("opens without a warning", () => {
      expect(opened.warnings).toEqual([]);
    });

    test.skipIf(!expected.has("hidden_states.0"))("hidden states are PyTorch's, layer by layer", async () => {
      for (const [row, ids] of prompts.entries()) {
        const states = await decoder.hiddenStates(ids);
        expect(expected.has(`hidden_states.${states.length}`)).toBe(false);
        for (const [layer, state] of states.entries()) {
          const name = `hidden_states.${layer}`;
          expectNear(`${name} of row ${row}`, state, rowOf(name, row), errors[name]);
        }
      }
    });

    test("logits are PyTorch's", async () => {
      const name = expected.has("logits") ? "logits" : "logits_last";
      for (const [row, ids] of prompts.entries()) {
        const wanted = rowOf(name, row);
        const logits = await decoder.logits(ids);
        expectNear(`${name} of row ${row}`, logits.slice(logits.length - wanted.length), wanted, errors[name]);
      }
    });

    test.skipIf(!expected.has("greedy"))("greedy ids over a cache are PyTorch's", async () => {
      const wanted = expected.ids("greedy");
      for (const [row, ids] of wanted.entries()) {
        const cache = decoder.newCache();
        const found: number[] = [];
        for (let next = prompts[row]; found.length < ids.length; next = found.slice(-1)) {
          const [logits] = await decoder.step([{ cache, ids: next }]);
          found.push(likeliest(logits));
        }
        cache.dispose();
        expect(found).toEqual(ids);
      }
    });

    test("a prefill in chunks of any size equals the whole, bit for bit", async () => {
      const ids = idsOf(90);
      const whole = await decoder.logits(ids);
      for (const chunkRows of [1, 3, 24]) {
        expect(same(await decoder.logits(ids, { chunkRows }), whole), `chunks of ${chunkRows}`).toBe(true);
      }
      const layers = await decoder.hiddenStates(ids);
      for (const chunkRows of [1, 24]) {
        const chunked = await decoder.hiddenStates(ids, { chunkRows });
        expect(chunked).toHaveLength(layers.length);
        for (const [layer, states] of layers.entries()) {
          expect(same(chunked[layer], states), `hidden states ${layer}, chunks of ${chunkRows}`).toBe(true);
        }
      }
    });

    test("of a prompt that is fed in chunks the last layer computes no more than of the whole, and the same bits", async () => {
      const [ids, feed] = [idsOf(90), decoder as { chunkRows: number }];
      const fed = async (chunkRows: number) => {
        const [before, most, cache] = [opened.runtime.work, feed.chunkRows, decoder.newCache()];
        feed.chunkRows = chunkRows;
        const [logits] = await decoder.step([{ cache, ids }]);
        feed.chunkRows = most;
        cache.dispose();
        return { logits, work: opened.runtime.work - before };
      };
      const [whole, chunked] = [await fed(ids.length), await fed(24)];
      expect(same(chunked.logits, whole.logits)).toBe(true);
      // Each pass counts a million for itself.
      const passes = Math.ceil(ids.length / 24);
      expect(chunked.work).toBeLessThanOrEqual(whole.work + 1e6 * (passes - 1));
    });

    test.skipIf(isDynamic)("cached steps equal a pass without a cache, bit for bit", async () => {
      const ids = idsOf(90);
      for (const step of [1, 3]) {
        const cache = decoder.newCache();
        for (let begin = 0; begin < ids.length; begin += step) {
          const end = Math.min(begin + step, ids.length);
          const [logits] = await decoder.step([{ cache, ids: ids.slice(begin, end) }]);
          const isSame = same(logits, await lastOf(ids.slice(0, end)));
          expect(isSame, `positions ${begin} to ${end}, ${step} at a time`).toBe(true);
        }
        cache.dispose();
      }
    });

    test.skipIf(isDynamic)(
      "hidden states over a cache are the last rows of a pass without one, bit for bit",
      async () => {
        const ids = idsOf(90);
        const whole = await decoder.hiddenStates(ids);
        const cached = Math.floor(ids.length / 3);
        for (const chunkRows of [7, 24]) {
          const cache = decoder.newCache();
          await decoder.step([{ cache, ids: ids.slice(0, cached) }]);
          const rest = await decoder.hiddenStates(ids.slice(cached), { cache, chunkRows });
          for (const [layer, states] of whole.entries()) {
            const width = states.length / ids.length;
            const isSame = same(rest[layer], states.subarray(cached * width));
            expect(isSame, `hidden states ${layer}, chunks of ${chunkRows}`).toBe(true);
          }
          cache.dispose();
        }
      },
    );

    test("a batch of rows of many lengths equals each row alone, bit for bit", async () => {
      const rows = [3, 1, 17, 40, 8, 60, 2].map((count, seed) =>
        idsOf(count, seed).slice(0, decoder.contextLength - 1),
      );
      const feeds = rows.map((ids) => ({ cache: decoder.newCache(), ids }));
      const together = await decoder.step(feeds);
      for (const [row, ids] of rows.entries()) {
        expect(same(together[row], await lastOf(ids)), `row ${row}`).toBe(true);
      }
      const next = await decoder.step(feeds.map(({ cache }, row) => ({ cache, ids: [5 + row] })));
      for (const [row, ids] of rows.entries()) {
        if (isDynamic) continue;
        expect(same(next[row], await lastOf([...ids, 5 + row])), `row ${row}, one id later`).toBe(true);
      }
      for (const { cache } of feeds) cache.dispose();
    });

    test("every length from 1 to 40 gives finite numbers", async () => {
      for (let length = 1; length <= Math.min(40, decoder.contextLength); length++) {
        const logits = await decoder.logits(idsOf(length, length));
        expect(logits.every(Number.isFinite), `length ${length}`).toBe(true);
      }
    });
  });
});
