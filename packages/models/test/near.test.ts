import { expect, test } from "vitest";
import { expectNear } from "./open.ts";
import { worstDifference } from "./shared.ts";

test("what is no number is seen wherever it is, in what was computed and in what is expected", () => {
  for (const place of [0, 1, 2]) {
    const broken = Float32Array.of(1, 2, 3);
    broken[place] = Number.NaN;
    expect(worstDifference(broken, [1, 2, 3])).toEqual({ index: place, relative: Number.NaN });
    expect(() => expectNear("x", broken, [1, 2, 3])).toThrow(`x[${place}]: NaN, expected ${place + 1}`);
    expect(() => expectNear("x", Float32Array.of(1, 2, 3), broken)).toThrow("x[0]: 1");
  }
  expect(() => expectNear("x", Float32Array.of(1, Number.POSITIVE_INFINITY, 3), [1, 2, 3])).toThrow("x[1]: Infinity");
  expect(() => expectNear("x", new Float32Array(0), [])).toThrow("x[-1]");
});

test("the worst difference is the largest one, relative to the largest value expected", () => {
  expect(worstDifference(Float32Array.of(1, 2.5, 4.25), [1, 2, 4])).toEqual({ index: 1, relative: 0.125 });
  expect(worstDifference(Float32Array.of(1, 2), [1, 2])).toEqual({ index: -1, relative: 0 });
  expectNear("x", Float32Array.of(1, 2, 3), [1, 2, 3]);
});
