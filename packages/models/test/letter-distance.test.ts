// `letter_distance`: words stand last letter first, and what writes for a letter is equally far behind it in every word.
import { describe, expect, test } from "vitest";
import { architectures, openBareModel, Pipeline } from "../src/index.ts";
import { tinyFiles } from "./tiny.ts";

const SOS = 2;
const open = (config: Record<string, unknown>) => openBareModel(tinyFiles({ config }), architectures);
const letters = [5, 9, 7];
const phones = [12, 14];

/** The largest difference, against the largest value. */
function difference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]))) / Math.max(...b.map(Math.abs));
}

describe("letter_distance", () => {
  test("only differences of positions count: a letter, and what follows it by 1, are as in any Llama", async () => {
    const [plain, ordered] = await Promise.all([open({}), open({ letter_distance: 1 })]);
    for (const ids of [
      [SOS, ...phones],
      [letters[0], SOS, ...phones],
    ]) {
      const worst = difference(await ordered.decoder.logits(ids), await plain.decoder.logits(ids));
      expect(worst).toBeGreaterThan(0);
      expect(worst).toBeLessThan(2e-5);
    }
    await Promise.all([plain.dispose(), ordered.dispose()]);
  });

  test("letters go down: among themselves they see what follows them, where a Llama sees what went before", async () => {
    const [plain, ordered] = await Promise.all([open({}), open({ letter_distance: 9 })]);
    const [a, b] = [await ordered.decoder.logits(letters), await plain.decoder.logits(letters)];
    const V = plain.decoder.vocabSize;
    // The first row sees itself only.
    expect(difference(a.slice(0, V), b.slice(0, V))).toBeLessThan(2e-5);
    expect(difference(a.slice(V), b.slice(V))).toBeGreaterThan(1e-3);
    await Promise.all([plain.dispose(), ordered.dispose()]);
  });

  test("the distance counts from any letter: the same words in another distance are other numbers", async () => {
    const [near, far] = await Promise.all([open({ letter_distance: 4 }), open({ letter_distance: 40 })]);
    const ids = [...letters, SOS, ...phones];
    const V = near.decoder.vocabSize;
    const [a, b] = [await near.decoder.logits(ids), await far.decoder.logits(ids)];
    expect(a.slice(0, 3 * V)).toEqual(b.slice(0, 3 * V));
    expect(difference(a.slice(3 * V), b.slice(3 * V))).toBeGreaterThan(1e-3);
    await Promise.all([near.dispose(), far.dispose()]);
  });

  test("is the same whole and in pieces, in a fork, and after a cache was cut back", async () => {
    const { decoder, dispose } = await open({ letter_distance: 20 });
    const ids = [...letters, SOS, ...phones];
    const V = decoder.vocabSize;
    const whole = await decoder.logits(ids);
    const cache = decoder.newCache();
    const pieces: number[] = [];
    for (const id of ids) pieces.push(...(await decoder.logits([id], { cache })));
    expect(Float32Array.from(pieces)).toEqual(whole);
    const last = whole.slice(-V);
    const begun = decoder.newCache();
    await decoder.logits(ids.slice(0, -1), { cache: begun });
    const fork = begun.fork();
    expect(await decoder.logits(ids.slice(-1), { cache: fork })).toEqual(last);
    // Another word in the same cache: the old place of the token counts no more.
    begun.truncate(1);
    const other = [letters[0], SOS, ...phones];
    expect(await decoder.logits(other.slice(1), { cache: begun })).toEqual((await decoder.logits(other)).slice(V));
    await dispose();
  });

  test("a word has at most as many tokens as letters: those that the model writes first, however it is asked", async () => {
    const pipeline = await Pipeline.fromFiles(tinyFiles({ config: { letter_distance: 20 } }));
    let cut = 0;
    for (const word of ["a", "bad", "cafe", "hegdabc", "가"]) {
      const { ids } = pipeline.tokenizer!.encode(word);
      const asked = { do_sample: false, return_dict_in_generate: true } as const;
      const few = await pipeline.generate(ids, { ...asked, max_new_tokens: ids.length - 1 });
      const more = await pipeline.generate(ids, { ...asked, max_new_tokens: 20 });
      const ipa = pipeline.tokenizer!.decode(few.ids);
      cut += Number(more.ids.length > few.ids.length);
      expect(await pipeline.phonemize(word)).toBe(ipa);
      expect((await pipeline.pronounce(word))[0].ipa).toBe(ipa);
    }
    expect(cut).toBeGreaterThan(0);
    await pipeline.dispose();
  });

  test.each([-1, 0, 1.5, 161, "40"])("refuses %o", async (distance) => {
    await expect(open({ letter_distance: distance })).rejects.toMatchObject({ code: "bad-value" });
  });
});
