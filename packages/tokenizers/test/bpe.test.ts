import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeSteps } from "../src/models/merge-steps.ts";

/** Merges over digits: two neighbours join where `ranks` has their text together. */
function merge(text: string, ranks: ReadonlyMap<string, number>): { pieces: string[]; lookups: number } {
  const pieces = [...text];
  let lookups = 0;
  const steps = mergeSteps(pieces.length, {
    rank: (left, right) => {
      lookups++;
      return ranks.get(pieces[left] + pieces[right]) ?? -1;
    },
    merge: (left, right) => {
      pieces[left] += pieces[right];
    },
  });
  let step = steps.next();
  while (!step.done) step = steps.next();
  const next = step.value;
  const kept: string[] = [];
  for (let symbol = 0; symbol < pieces.length; symbol = next[symbol]) kept.push(pieces[symbol]);
  return { pieces: kept, lookups };
}

/** The definition: look at every pair, take the lowest rank, the leftmost of equal ones, and begin again. */
function mergeSlowly(text: string, ranks: ReadonlyMap<string, number>): string[] {
  const pieces = [...text];
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let at = 0; at + 1 < pieces.length; at++) {
      const rank = ranks.get(pieces[at] + pieces[at + 1]) ?? Number.POSITIVE_INFINITY;
      if (rank < bestRank) [best, bestRank] = [at, rank];
    }
    if (best < 0) return pieces;
    pieces.splice(best, 2, pieces[best] + pieces[best + 1]);
  }
}

const digits = fc.stringMatching(/^[abc]{0,24}$/);
const vocabulary = fc.array(fc.tuple(fc.stringMatching(/^[abc]{2,5}$/), fc.nat(4)), { maxLength: 20 });

test("merging by rank is the slow definition", () => {
  fc.assert(
    fc.property(digits, vocabulary, (text, entries) => {
      const ranks = new Map(entries);
      expect(merge(text, ranks).pieces).toEqual(mergeSlowly(text, ranks));
    }),
    { seed: 7, numRuns: 2000 },
  );
});

test("each merge looks up two new pairs, so a text costs at most three lookups a symbol", () => {
  const ranks = new Map(Array.from({ length: 12 }, (_, power) => ["a".repeat(2 ** (power + 1)), power]));
  for (const length of [1000, 2000, 20_000]) {
    const { pieces, lookups } = merge("a".repeat(length), ranks);
    expect(pieces.join("").length).toBe(length);
    expect(lookups).toBeLessThan(3 * length);
  }
});

test("no symbols merge to none", () => {
  expect(merge("", new Map())).toEqual({ pieces: [], lookups: 0 });
});
