import { expect, test } from "vitest";
import { resolveGenerationOptions } from "../src/generation/options.ts";
import { seededRandom } from "../src/generation/random.ts";
import { createSampler } from "../src/generation/sampler.ts";
import { inOrder } from "../src/generation/scores.ts";
import { readJson } from "./shared.ts";

interface Warped {
  readonly options: Record<string, number>;
  readonly probabilities: readonly (readonly (number | null)[])[];
}

const { logits, cases } = readJson(
  new URL("../../../verify/fixtures/logits-warpers.json", import.meta.url).pathname,
) as {
  logits: number[][];
  cases: Warped[];
};

test.each(cases)(
  "what is left to draw from is what transformers leaves with $options",
  ({ options, probabilities }) => {
    const defaults = { options: {}, unsupported: [] };
    const settings = resolveGenerationOptions(
      { top_k: 0, ...options, do_sample: true, seed: 1 },
      defaults,
      logits[0].length,
    );
    for (const [row, values] of logits.entries()) {
      const scores = Float32Array.from(values);
      const drawn = createSampler(settings)(scores, [0]);
      const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      for (const [id, expected] of probabilities[row].entries()) {
        if (expected === null) expect(scores[id], `id ${id}`).toBe(Number.NEGATIVE_INFINITY);
        else expect(Math.exp(scores[id]) / total, `id ${id}`).toBeCloseTo(expected, 6);
      }
      expect(probabilities[row][drawn]).not.toBeNull();
    }
  },
);

test("ids whose probabilities reach top_p to the bit are enough", () => {
  const settings = resolveGenerationOptions({ top_p: 0.5, seed: 1 }, { options: {}, unsupported: [] }, 2);
  const scores = new Float32Array(2);
  createSampler(settings)(scores, []);
  expect([...scores]).toEqual([Number.NEGATIVE_INFINITY, 0]);
});

test.each([3, 2000, 2049, 40_000])("%d ids come in the order of their values, and ties by id", (count) => {
  const random = seededRandom(count);
  const special = [0, -0, 1e-45, -1e-45, 3e38, -3e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const values = Float32Array.from({ length: count }, () => {
    const draw = random();
    if (draw < 0.1) return special[Math.floor(random() * special.length)];
    return draw < 0.5 ? Math.floor(random() * 20) - 10 : (random() - 0.5) * 10 ** (8 * random() - 4);
  });
  const ids = Array.from(values.keys()).filter(() => random() < 0.9);
  const compare = (a: number, b: number) => (values[a] === values[b] ? 0 : values[a] - values[b]);
  expect([...inOrder(values, ids, "ascending")]).toEqual(ids.toSorted((a, b) => compare(a, b) || a - b));
  expect([...inOrder(values, ids, "descending")]).toEqual(ids.toSorted((a, b) => compare(b, a) || b - a));
});
