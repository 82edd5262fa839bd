// How near the functions come to float64, over a dense sweep of all f32 values.
import { describe, expect, test } from "vitest";
import { gelu, geluTanh, relu, sigmoid, silu } from "../src/reference/index.ts";
import { type Build, builds, expectSame, input, output, run, ulp, worst } from "./kernels-harness.ts";

const COUNT = 2 ** 17;

/** Every `step`-th bit pattern, so all exponents, both signs, subnormals, infinities and NaN. */
function* sweep(step: number): Generator<Float32Array> {
  for (let first = 0; first < 2 ** 32; first += step * COUNT) {
    yield new Float32Array(Uint32Array.from({ length: COUNT }, (_, i) => first + i * step).buffer);
  }
}

/** The largest error in units of the last place of the exact result, and the argument it happens at. */
function largestError(build: Build, kernel: string, f: (x: number) => number, unit: (x: number, y: number) => number) {
  let found = { ratio: -1, x: 0 };
  for (const x of sweep(4093)) {
    const expected = Float64Array.from(x, f);
    const [y] = run(build, kernel, input(x), output(x.length), x.length);
    // Beyond the largest f32, the rounded result is infinite.
    const rounded = expected.map((e) => (Math.abs(e) > 3.4028235677973366e38 ? Math.sign(e) * Infinity : e));
    const { ratio, index } = worst(y, rounded, (i, e) => unit(x[i], e));
    if (ratio > found.ratio) found = { ratio, x: x[index] };
  }
  return found;
}

const relative = (_: number, y: number) => ulp(y);
/** Of the argument: what x * (1 + erf) / 2 in f32 can reach where 1 + erf cancels. */
const ofArgument = (x: number, y: number) => Math.max(ulp(y), ulp(x) / 16);

describe.each(builds)("$name kernels, over all f32 values", (build) => {
  test("exp_f32 is within 1 unit in the last place", () => {
    expect(largestError(build, "exp_f32", Math.exp, relative).ratio).toBeLessThanOrEqual(1);
  });
  test("tanh_f32 is within 1.5 units in the last place", () => {
    expect(largestError(build, "tanh_f32", Math.tanh, relative).ratio).toBeLessThanOrEqual(1.5);
  });
  test("sigmoid_f32 is within 2.5 units in the last place, down to the smallest normal result", () => {
    const unit = (_: number, y: number) => (y < 2 ** -125 ? 2 ** -125 : ulp(y));
    expect(largestError(build, "sigmoid_f32", sigmoid, unit).ratio).toBeLessThanOrEqual(2.5);
  });
  test("relu_f32 keeps positive values and NaN", () => {
    expect(largestError(build, "relu_f32", relu, relative).ratio).toBe(0);
  });
  test("silu_f32 is within 2.5 units in the last place, or a sixteenth of the argument's where the result vanishes", () => {
    expect(largestError(build, "silu_f32", silu, ofArgument).ratio).toBeLessThanOrEqual(2.5);
  });
  test("gelu_f32 is within 4 units in the last place, or sixteenths of the argument's where the result vanishes", () => {
    expect(largestError(build, "gelu_f32", gelu, ofArgument).ratio).toBeLessThanOrEqual(4);
  });
  test("gelu_tanh_f32 is within 4 units in the last place, or sixteenths of the argument's where the result vanishes", () => {
    expect(largestError(build, "gelu_tanh_f32", geluTanh, ofArgument).ratio).toBeLessThanOrEqual(4);
  });
  test("exp_f32 knows the ends of its range", () => {
    const x = Float32Array.of(
      -Infinity,
      -1e30,
      -105,
      -104,
      -103.9,
      -87.4,
      -0,
      0,
      88.7228,
      88.7229,
      89,
      1e30,
      Infinity,
      NaN,
    );
    const expected = Float32Array.from(x, Math.exp);
    expectSame(
      "exp_f32",
      run(build, "exp_f32", input(x), output(x.length), x.length)[0].slice(0, 4),
      expected.slice(0, 4),
    );
    expectSame("exp_f32", run(build, "exp_f32", input(x), output(x.length), x.length)[0].slice(9), expected.slice(9));
  });
  test("softmax_f32 of minus infinity is zero, of a row of them NaN, and NaN spreads over its row", () => {
    const x = Float32Array.of(-Infinity, 1, 1, -Infinity, -Infinity, -Infinity, -Infinity, -Infinity, 1, NaN, 2, 3);
    const [y] = run(build, "softmax_f32", input(x), output(12), 3, 4);
    expectSame("softmax_f32", y, [0, 0.5, 0.5, 0, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN]);
  });
  test("rms_norm_f32 and layer_norm_f32 of huge values do not overflow", () => {
    const x = Float32Array.of(3e38, -3e38, 3e38, -3e38, 3e38);
    const one = input(new Float32Array(5).fill(1));
    const [y] = run(build, "rms_norm_f32", input(x), one, output(5), 1, 5, 1e-6);
    expect(Array.from(y, Math.round)).toEqual([1, -1, 1, -1, 1]);
    const [z] = run(build, "layer_norm_f32", input(x.map((value) => value / 2)), one, 0, output(5), 1, 5, 1e-6);
    expect(z.every(Number.isFinite)).toBe(true);
  });
});
