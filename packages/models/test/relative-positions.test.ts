import { expect, test } from "vitest";
import { bucketOf } from "../src/relative-positions.ts";

/** Buckets of the distances -700 to 700, as runs `BUCKETxTIMES`: T5Attention._relative_position_bucket of transformers 5.18.0. */
const cases = [
  {
    buckets: { count: 32, maxDistance: 128, bidirectional: true },
    runs: "15x610 14x27 13x18 12x14 11x9 10x7 9x4 8x4 7x1 6x1 5x1 4x1 3x1 2x1 1x1 0x1 17x1 18x1 19x1 20x1 21x1 22x1 23x1 24x4 25x4 26x7 27x9 28x14 29x18 30x27 31x610",
  },
  {
    buckets: { count: 32, maxDistance: 128, bidirectional: false },
    runs: "31x588 30x14 29x12 28x10 27x10 26x8 25x7 24x6 23x6 22x5 21x4 20x4 19x3 18x3 17x2 16x3 15x1 14x1 13x1 12x1 11x1 10x1 9x1 8x1 7x1 6x1 5x1 4x1 3x1 2x1 1x1 0x701",
  },
  {
    buckets: { count: 10, maxDistance: 20, bidirectional: true },
    runs: "4x691 3x5 2x3 1x1 0x1 6x1 7x3 8x5 9x691",
  },
  {
    buckets: { count: 16, maxDistance: 20, bidirectional: false },
    runs: "15x683 14x2 13x1 12x2 11x1 10x1 9x2 8x1 7x1 6x1 5x1 4x1 3x1 2x1 1x1 0x701",
  },
  {
    buckets: { count: 7, maxDistance: 50, bidirectional: false },
    runs: "6x676 5x12 4x6 3x4 2x1 1x1 0x701",
  },
  {
    buckets: { count: 64, maxDistance: 500, bidirectional: true },
    runs: "31x297 30x78 29x63 28x51 27x41 26x33 25x27 24x21 23x17 22x14 21x12 20x9 19x7 18x6 17x5 16x4 15x1 14x1 13x1 12x1 11x1 10x1 9x1 8x1 7x1 6x1 5x1 4x1 3x1 2x1 1x1 0x1 33x1 34x1 35x1 36x1 37x1 38x1 39x1 40x1 41x1 42x1 43x1 44x1 45x1 46x1 47x1 48x4 49x5 50x6 51x7 52x9 53x12 54x14 55x17 56x21 57x27 58x33 59x41 60x51 61x63 62x78 63x297",
  },
];

test.each(cases)("distances fall into the buckets of the reference: $buckets", ({ buckets, runs }) => {
  const expected = runs.split(" ").flatMap((run) => {
    const [bucket, times] = run.split("x").map(Number);
    return Array<number>(times).fill(bucket);
  });
  expect(Array.from({ length: 1401 }, (_, index) => bucketOf(index - 700, buckets))).toEqual(expected);
});
