// The relaxed build has two loops for 8- and 4-bit products, of which a processor prefers one: both are run here, wherever this is.
import v8 from "node:v8";
import { afterEach, describe, expect, test } from "vitest";
import { packQ4, packQ8, quantizeRowsQ4, quantizeRowsQ8 } from "../src/reference/index.ts";

// The first compiler of V8 before 12 gets the adding dot product wrong (kernels do not use it there); the second does not.
if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--no-liftoff");
const { builds, expectSame, input, output, randomFloats, run, scratch } = await import("./kernels-harness.ts");
const build = builds[1];

const [HALVES, WHOLE] = [1, 2];

function multiply(kind: "q8" | "q4", steps: number, x: Float32Array, w: Float32Array, M: number, N: number, K: number) {
  const count = M * Math.ceil(K / 32);
  const row = scratch(Math.ceil(K / 32) * 32);
  const bytes = { data: new Uint8Array(count * 32), role: "output" as const };
  const [q, params] = run(build, `quantize_inputs_${kind}`, input(x), bytes, output(count * 2), row, M, K);
  const panels =
    kind === "q8" ? packQ8(quantizeRowsQ8(w, N, K), N, K, true) : packQ4(quantizeRowsQ4(w, N, K), N, K, true);
  const end = kind === "q8" ? panels.length - Math.ceil(N / 8) * 32 : panels.length;
  const scales = kind === "q8" ? input(new Float32Array(panels.slice(end).buffer)) : 0;
  const operands = [input(new Uint8Array(q.buffer)), input(params), input(panels.slice(0, end)), scales, 0];
  build.dotSteps.value = steps;
  return run(build, `gemm_${kind}`, ...operands, output(M * N), M, N, K, 0, 0, scratch(64))[0];
}

afterEach(() => {
  build.dotSteps.value = 0;
});

describe.each(["q8", "q4"] as const)("gemm_%s", (kind) => {
  test("gives the same bits with both", () => {
    for (const M of [1, 2, 4, 7, 9]) {
      for (const N of [1, 8, 61, 75]) {
        for (const K of [1, 31, 32, 33, 96, 257]) {
          const [x, w] = [randomFloats(M * K, M + N), randomFloats(N * K, K)];
          const halves = multiply(kind, HALVES, x, w, M, N, K);
          expectSame(`${M} ${N} ${K}`, multiply(kind, WHOLE, x, w, M, N, K), halves);
        }
      }
    }
  });

  test("does not overflow with the largest inputs and weights of any signs", () => {
    const [N, K] = [8, 64];
    const signs = [() => 1, () => -1, (i: number) => (i % 2 ? 1 : -1), (i: number) => (i % 4 < 2 ? 1 : -1)];
    for (const signOf of signs) {
      for (const weightOf of signs) {
        // One input of the other sign in each group, so that 8-bit inputs have a zero in the middle of their range.
        const x = Float32Array.from({ length: 4 * K }, (_, i) => (i % 32 === 31 ? -signOf(i) : signOf(i)));
        const w = Float32Array.from({ length: N * K }, (_, i) => weightOf(i % K));
        let exact = 0;
        for (let k = 0; k < K; k++) exact += x[k] * w[k];
        for (const steps of [HALVES, WHOLE]) {
          for (const y of multiply(kind, steps, x, w, 4, N, K)) expect(Math.abs(y - exact)).toBeLessThan(0.01 * K);
        }
      }
    }
  });
});
