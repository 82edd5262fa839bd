// `sos_position`: the token after a word's letters has the same position in every word.
import { describe, expect, test } from "vitest";
import { architectures, openBareModel } from "../src/index.ts";
import { tinyFiles } from "./tiny.ts";

const SOS = 2;
const open = (config: Record<string, unknown>) => openBareModel(tinyFiles({ config }), architectures);
const letters = [5, 9, 7];
const phones = [12, 14];

describe("sos_position", () => {
  test("changes nothing for a prompt that ends there anyway, and something for others", async () => {
    const [plain, jumping] = await Promise.all([open({}), open({ sos_position: 3 })]);
    const whole = [...letters, SOS, ...phones];
    expect(await jumping.decoder.logits(whole)).toEqual(await plain.decoder.logits(whole));
    const short = [...letters.slice(1), SOS, ...phones];
    const [a, b] = [await jumping.decoder.logits(short), await plain.decoder.logits(short)];
    const V = plain.decoder.vocabSize;
    expect(a.slice(0, 2 * V)).toEqual(b.slice(0, 2 * V));
    for (let row = 2; row < 5; row++)
      expect(a.slice(row * V, (row + 1) * V)).not.toEqual(b.slice(row * V, (row + 1) * V));
    // Longer words go on where they are.
    const long = [4, 4, ...whole];
    expect(await jumping.decoder.logits(long)).toEqual(await plain.decoder.logits(long));
    await Promise.all([plain.dispose(), jumping.dispose()]);
  });

  test("turns what follows by the distance from the first of all: only distances count", async () => {
    const [plain, jumping] = await Promise.all([open({}), open({ sos_position: 40 })]);
    const [a, b] = [await jumping.decoder.logits([SOS, ...phones]), await plain.decoder.logits([SOS, ...phones])];
    const worst = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(2e-5 * Math.max(...b.map(Math.abs)));
    await Promise.all([plain.dispose(), jumping.dispose()]);
  });

  test("is the same whole and in pieces, in a fork, and after a cache was cut back", async () => {
    const { decoder, dispose } = await open({ sos_position: 20 });
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

  test.each([-1, 0, 1.5, 161, "40"])("refuses %o", async (position) => {
    await expect(open({ sos_position: position })).rejects.toMatchObject({ code: "bad-value" });
  });
});
