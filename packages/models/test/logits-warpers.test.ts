import { expect, test } from "vitest";
import { resolveGenerationOptions } from "../src/generation/options.ts";
import { createSampler } from "../src/generation/sampler.ts";
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
