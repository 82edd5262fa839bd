import { describe, expect, test } from "vitest";
import { type PoolingMode, pool } from "../src/embedding/pooling.ts";
import { activations, dense, layerNorm, normalize } from "../src/embedding/steps.ts";

// Three tokens of width 2.
const states = Float32Array.of(1, -2, 3, 4, 8, -6);
const pooled = (mode: PoolingMode, first?: number) => [...pool(states, 2, [mode], first)];

describe("pool", () => {
  test.each<[PoolingMode, number[]]>([
    ["cls", [1, -2]],
    ["max", [8, 4]],
    ["mean", [4, -4 / 3]],
    ["mean_sqrt_len_tokens", [12 / Math.sqrt(3), -4 / Math.sqrt(3)]],
    ["weightedmean", [(1 + 6 + 24) / 6, (-2 + 8 - 18) / 6]],
    ["lasttoken", [8, -6]],
  ])("%s of all tokens", (mode, expected) => {
    expect(pooled(mode)).toEqual(expected);
  });

  test.each<[PoolingMode, number[]]>([
    ["cls", [3, 4]],
    ["max", [8, 4]],
    ["mean", [5.5, -1]],
    ["mean_sqrt_len_tokens", [11 / Math.SQRT2, -2 / Math.SQRT2]],
    ["weightedmean", [(6 + 24) / 5, (8 - 18) / 5]],
    ["lasttoken", [8, -6]],
  ])("%s leaves out the tokens of a prompt, and weights stay those of places in the whole text", (mode, expected) => {
    expect(pooled(mode, 1)).toEqual(expected);
  });

  test.each<[PoolingMode, number[]]>([
    ["cls", [1, -2]],
    ["max", [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]],
    ["mean", [0, 0]],
    ["mean_sqrt_len_tokens", [0, 0]],
    ["weightedmean", [0, 0]],
    ["lasttoken", [0, 0]],
  ])("%s of no token is what the library gives", (mode, expected) => {
    expect(pooled(mode, 3)).toEqual(expected);
  });

  test("several ways stand one behind the other", () => {
    expect([...pool(states, 2, ["lasttoken", "cls"])]).toEqual([8, -6, 1, -2]);
  });

  test("a text without tokens is zero", () => {
    expect([...pool(new Float32Array(0), 2, ["mean"])]).toEqual([0, 0]);
  });

  test("sums are of float64: small numbers are not lost beside large ones", () => {
    expect([...pool(Float32Array.of(2 ** 30, 1, -(2 ** 30)), 1, ["mean"])]).toEqual([1 / 3]);
  });
});

describe("steps", () => {
  test("normalize gives length 1, and leaves zero zero", () => {
    expect([...normalize(Float64Array.of(3, -4))]).toEqual([0.6, -0.8]);
    expect([...normalize(new Float64Array(2))]).toEqual([0, 0]);
    // torch.nn.functional.normalize: what is shorter than 1e-12 is divided by that.
    expect(normalize(Float64Array.of(1e-14))[0]).toBeCloseTo(1e-2, 15);
  });

  test("layerNorm has PyTorch's epsilon of 1e-5", () => {
    const step = layerNorm(Float64Array.of(1, 2), Float64Array.of(0, 1));
    const scale = 1 / Math.sqrt(1 + 1e-5);
    expect([...step(Float64Array.of(1, 3))]).toEqual([-scale, 2 * scale + 1]);
  });

  test("dense is activation(W x + b)", () => {
    const weight = Float64Array.of(1, 2, 3, 4, 5, 6);
    const step = dense({ weight, bias: Float64Array.of(0, 0, -20), activation: activations.ReLU });
    expect([...step(Float64Array.of(1, 1))]).toEqual([3, 7, 0]);
  });

  test("dense adds what it started from, or its projection", () => {
    const weight = Float64Array.of(1, 1, 1, -1);
    const own = dense({ weight, activation: activations.Identity, residual: "itself" });
    expect([...own(Float64Array.of(2, 1))]).toEqual([5, 2]);
    const projected = dense({ weight, activation: activations.Identity, residual: Float64Array.of(10, 0, 0, 10) });
    expect([...projected(Float64Array.of(2, 1))]).toEqual([23, 11]);
  });

  // torch 2.13, float64.
  test.each([
    ["Identity", -1.5, -1.5],
    ["Tanh", -1.5, -0.9051482536448664],
    ["Sigmoid", -1.5, 0.18242552380635635],
    ["ReLU", -1.5, 0],
    ["GELU", -1.5, -0.10021080190328704],
    ["SiLU", -1.5, -0.2736382857095345],
    ["ELU", -1.5, -0.7768698398515702],
    ["LeakyReLU", -1.5, -0.015],
    ["Softplus", -1.5, 0.2014132779827524],
  ])("%s(%d) is PyTorch's", (name, x, expected) => {
    expect(activations[name](x)).toBeCloseTo(expected, 14);
    expect(Object.hasOwn(activations, name)).toBe(true);
  });
});
