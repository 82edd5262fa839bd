// One sweep for each kernel: every length from 0 to 257, and every dimension of those that have several.
import { expect } from "vitest";
import { activationNumbers } from "../src/kernel-names.ts";
import {
  add,
  attention,
  attentionGeneral,
  elementwise,
  embedRows,
  fromBFloat16,
  fromFloat16,
  gated,
  gelu,
  geluTanh,
  gemm,
  layerNorm,
  mul,
  packHalfPanels,
  packPages,
  packPanels,
  relu,
  rmsNorm,
  rope,
  sigmoid,
  silu,
  softmax,
  toBFloat16,
  toFloat16,
} from "../src/reference/index.ts";
import {
  type Build,
  changed,
  expectClose,
  expectSame,
  input,
  output,
  randomFloats,
  randomIntegers,
  randomNumbers,
  run,
  scratch,
  table,
  ulp,
} from "./kernels-harness.ts";
import { quantizedCases } from "./kernels-quantized-cases.ts";

interface Case {
  behaviour: string;
  sweep(build: Build): void;
}

const lengths = Array.from({ length: 258 }, (_, n) => n);
/** Sizes around the widths of tiles, panels and vectors. */
const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33];

const ulps = (count: number) => (_: number, expected: number) => count * ulp(expected);

function unaryCase(
  kernel: string,
  f: (x: number) => number,
  tolerance: (index: number, expected: number) => number,
): Case {
  return {
    behaviour: "agrees with its definition for every length",
    sweep(build) {
      for (const n of lengths) {
        const x = randomFloats(n, n, 12);
        const expected = new Float64Array(n);
        elementwise(f, x, expected, n);
        const [y] = run(build, kernel, input(x), output(n), n);
        expectClose(`${kernel} ${n}`, y, expected, tolerance);
      }
    },
  };
}

function unaryWith(kernel: string, factor: number): Case {
  return {
    behaviour: "agrees with its definition for every length",
    sweep(build) {
      for (const n of lengths) {
        const x = randomFloats(n, n, 12);
        const expected = Float32Array.from(x, (value) => value * factor);
        const [y] = run(build, kernel, input(x), output(n), n, factor);
        expectClose(`${kernel} ${n}`, y, expected, ulps(0));
      }
    },
  };
}

function gatedCase(kernel: string, f: (x: number) => number): Case {
  return {
    behaviour: "multiplies the activated first half of each row by the second, for every width",
    sweep(build) {
      for (const F of lengths) {
        const rows = 1 + (F % 3);
        const x = randomFloats(rows * 2 * F, F, 6);
        const expected = new Float64Array(rows * F);
        gated(f, x, expected, rows, F);
        const [y] = run(build, kernel, input(x), output(rows * F), rows, F);
        expectClose(`${kernel} ${rows} ${F}`, y, expected, (_, e) => 6 * ulp(e) + 2e-7);
      }
    },
  };
}

function pairCase(kernel: string, reference: typeof add): Case {
  return {
    behaviour: "rounds once, for every length, also in place",
    sweep(build) {
      for (const n of lengths) {
        const [a, b] = [randomFloats(n, n), randomFloats(n, n + 1)];
        const expected = new Float32Array(n);
        reference(a, b, expected, n);
        expectSame(`${kernel} ${n}`, run(build, kernel, input(a), input(b), output(n), n)[0], expected);
        const same = changed(a);
        expectSame(`${kernel} in place ${n}`, run(build, kernel, same, input(b), same, n)[0], expected);
      }
    },
  };
}

/** The bits of -8 to 8, which both half formats hold exactly. */
const integerCodes = {
  f16: Uint16Array.from({ length: 17 }, (_, i) => toFloat16(i - 8)),
  bf16: Uint16Array.from({ length: 17 }, (_, i) => toBFloat16(i - 8)),
};

/** Random whole numbers, and their bits in one of the half formats. */
function integerBits(n: number, seed: number, type: "f16" | "bf16"): { bits: Uint16Array; values: Float32Array } {
  const values = randomIntegers(n, seed);
  const bits = new Uint16Array(n);
  for (let i = 0; i < n; i++) {
    values[i] += 0; // not -0
    bits[i] = integerCodes[type][values[i] + 8];
  }
  return { bits, values };
}

function gemmCase(type: "f32" | "f16" | "bf16"): Case {
  const check = (build: Build, M: number, N: number, K: number) => {
    const kernel = `gemm_${type}`;
    const x = randomIntegers(M * K, M + N + K);
    const { bits, values } = integerBits(N * K, K, type === "f32" ? "bf16" : type);
    const weight = input(type === "f32" ? packPanels(values, N, K) : packHalfPanels(bits, N, K));
    const more = type === "f32" ? [] : [scratch(8 * 256)];
    // Both, where there are several blocks; else in turn.
    const biases = K > 500 ? [undefined, randomIntegers(N, N)] : [(M + N + K) % 2 ? randomIntegers(N, N) : undefined];
    for (const bias of biases) {
      const [isRelu, hasResidual] = [(M + N) % 2 > 0, (N + K) % 3 > 1];
      const expected = new Float32Array(M * N);
      gemm(x, values, bias, expected, M, N, K);
      if (isRelu) elementwise(relu, expected, expected, M * N);
      const residual = randomIntegers(M * N, M * N);
      if (hasResidual) add(expected, residual, expected, M * N);
      const operands = [input(x), weight, bias ? input(bias) : 0, output(M * N), M, N, K];
      const follows = [isRelu ? activationNumbers.relu : 0, hasResidual ? input(residual) : 0];
      const [y] = run(build, kernel, ...operands, ...follows, ...more, ...(type === "f16" ? [(M + K) % 2] : []));
      expectClose(`${kernel} ${M} ${N} ${K} ${!!bias} ${isRelu} ${hasResidual}`, y, expected, 0);
    }
  };
  return {
    behaviour: "is exact on whole numbers for every M, N and K, with and without bias, activation and residual",
    sweep(build) {
      for (const M of lengths) check(build, M, 11, 5);
      for (const M of [1, 2, 3, 4, 6, 7]) for (const N of lengths) check(build, M, N, 3);
      for (const M of [1, 2, 3, 5, 13]) for (const K of lengths) check(build, M, 35, K);
      for (const K of [511, 512, 513, 700]) for (const M of [1, 2, 3, 4, 5, 6, 7, 8]) check(build, M, 37, K);
    },
  };
}

function packCase(kernel: string, bits: (n: number) => Float32Array | Uint16Array): Case {
  return {
    behaviour: "writes a block of a matrix with any strides into panels, and nothing else",
    sweep(build) {
      const next = randomNumbers(7);
      const between = (low: number, high: number) => low + Math.floor(((next() + 1) / 2) * (high - low + 1));
      const cases = lengths.map((columns) => ({ rows: 9, columns, transposed: columns % 2 > 0 }));
      cases.push(...lengths.map((rows) => ({ rows, columns: 5, transposed: rows % 2 > 0 })));
      for (const { rows, columns, transposed } of cases) {
        const row0 = between(0, 17);
        const column0 = between(0, 9);
        const [N, K] = [row0 + rows + between(0, 3), column0 + columns + between(0, 3)];
        const gap = between(0, 4);
        const [rowStride, columnStride] = transposed ? [1, rows + gap] : [columns + gap, 1];
        const length = rows && columns ? (rows - 1) * rowStride + (columns - 1) * columnStride + 1 : 0;
        const src = bits(length);
        const plain = src instanceof Float32Array ? new Float32Array(N * K) : new Uint16Array(N * K);
        const expected = pack(plain, N, K);
        const before = expected.map(() => 7) as typeof expected;
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < columns; c++) plain[(row0 + r) * K + column0 + c] = src[r * rowStride + c * columnStride];
        }
        expected.set(pack(plain, N, K));
        // Where the block does not reach, the 7s of before must stay.
        const touched = blockMask(src instanceof Float32Array, N, K, row0, rows, column0, columns);
        for (let i = 0; i < expected.length; i++) if (!touched[i]) expected[i] = before[i];
        const [got] = run(
          build,
          kernel,
          input(src),
          changed(before),
          rows,
          columns,
          rowStride,
          columnStride,
          row0,
          column0,
          N,
          K,
        );
        const view = src instanceof Float32Array ? got : new Uint16Array(got.buffer, 0, expected.length);
        expectSame(`${kernel} ${rows} ${columns} at ${row0} ${column0} of ${N} ${K}`, view, expected);
      }
    },
  };
}

function pack<T extends Float32Array | Uint16Array>(plain: T, N: number, K: number): T {
  return (plain instanceof Float32Array ? packPanels(plain, N, K) : packHalfPanels(plain, N, K)) as T;
}

function blockMask(
  single: boolean,
  N: number,
  K: number,
  row0: number,
  rows: number,
  column0: number,
  columns: number,
) {
  const plain = single ? new Float32Array(N * K) : new Uint16Array(N * K);
  for (let r = 0; r < rows; r++) plain.fill(1, (row0 + r) * K + column0, (row0 + r) * K + column0 + columns);
  return pack(plain, N, K);
}

function embedCase(source: "panels" | "rows", type: "f32" | "f16" | "bf16"): Case {
  const kernel = `embed_${source}_${type}`;
  return {
    behaviour: "copies the named rows, for every width and every row",
    sweep(build) {
      for (const D of lengths) {
        const V = 1 + (D % 19);
        const T = D % 6;
        const ids = Int32Array.from({ length: T }, (_, t) => (t * 7 + D) % V);
        const { bits, values } = integerBits(V * D, D, type === "f32" ? "bf16" : type);
        const plain = type === "f32" ? values : bits;
        const expected = new Float32Array(T * D);
        embedRows(ids, values, expected, T, D);
        const place = input(source === "rows" ? plain : pack(plain, V, D));
        const [y] = run(build, kernel, input(ids), place, output(T * D), T, D);
        expectClose(`${kernel} ${V} ${D}`, y, expected, 0);
      }
    },
  };
}

function widenCase(kernel: string, from: (bits: number) => number): Case {
  return {
    behaviour: "is exact for all 65,536 values, and for every length",
    sweep(build) {
      const every = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
      expectSame(kernel, run(build, kernel, input(every), output(65536), 65536)[0], Float32Array.from(every, from));
      for (const n of lengths) {
        const some = every.subarray(n * 200, n * 201);
        expectSame(kernel, run(build, kernel, input(some), output(n), n)[0], Float32Array.from(some, from));
      }
    },
  };
}

function normRows(build: Build, D: number, offset: number): void {
  const rows = 1 + (D % 3);
  const [x, weight, bias] = [
    randomFloats(rows * D, D, 3).map((v) => v + offset),
    randomFloats(D, D + 1),
    randomFloats(D, D + 2),
  ];
  const expected = new Float64Array(rows * D);
  const tolerance = (_: number, e: number) => 4 * ulp(e) + 3e-7;
  for (const some of [bias, undefined]) {
    layerNorm(x, weight, some, expected, rows, D, 1e-5);
    const place = some ? input(some) : 0;
    const [y] = run(build, "layer_norm_f32", input(x), input(weight), place, output(rows * D), rows, D, 1e-5);
    expectClose(`layer_norm_f32 ${rows} ${D}`, y, expected, tolerance);
  }
}

function attentionCase(
  build: Build,
  rows: number,
  position: number,
  causal: boolean,
  H: number,
  K: number,
  E: number,
): void {
  const S = position + rows;
  const [q, keys, values] = [
    randomFloats(rows * H * E, E, 2),
    randomFloats(S * K * E, S, 2),
    randomFloats(S * K * E, S + 1),
  ];
  const expected = new Float64Array(rows * H * E);
  attention(q, keys, values, expected, rows, S, causal, H, K, E, E ** -0.5);
  const pages = table(packPages(keys, values, S, K, E, Number.NaN).map(input));
  const space = scratch(build.kernels.attention_scratch_f32(rows, S, H, K, E));
  const [stride, flag] = [H * E, causal ? 1 : 0];
  const shape = [rows, stride, stride, position, flag, H, K, E, E ** -0.5];
  const [y] = run(build, "attention_f32", input(q), output(rows * H * E), pages, ...shape, space);
  expectClose(`attention_f32 ${[rows, position, causal, H, K, E].join(" ")}`, y, expected, 2e-6);
}

interface GeneralShape {
  rows: number;
  position: number;
  /** Keys behind the last row. */
  beyond?: number;
  before?: number;
  after?: number;
  globals?: number;
  bias?: boolean;
  H: number;
  K: number;
  E: number;
}

function generalCase(build: Build, shape: GeneralShape): void {
  const { rows, position, beyond = 0, before = 2 ** 29, after = 0, globals = 0, bias = false, H, K, E } = shape;
  const S = position + rows + beyond;
  const q = randomFloats(rows * H * E, E, 2);
  const keys = randomFloats((globals + S) * K * E, S, 2);
  const values = randomFloats((globals + S) * K * E, S + 1);
  const biasStride = 2 * S + 3;
  const biases = randomFloats(H * biasStride, rows, 3);
  const globalBiases = randomFloats(H * Math.max(1, 2 * globals - 1), S, 3);
  const options = {
    ...{ position, S, before, after, globals, globalBlock: 3, H, K, E, scale: E ** -0.5, biasStride, center: S + 1 },
    ...{ bias: bias ? biases : undefined, globalBias: bias ? globalBiases : undefined },
  };
  const expected = new Float64Array(rows * H * E);
  attentionGeneral(q, keys, values, expected, rows, options);
  const pages = table(packPages(keys, values, globals + S, K, E, Number.NaN).map(input));
  const space = scratch(build.kernels.attention_general_scratch_f32(rows, S, before, after, globals, H, K));
  const operands = [rows, H * E, H * E, position, S, before, after, globals, 3, H, K, E, E ** -0.5];
  const [biasPlace, globalPlace] = bias ? [input(biases), input(globalBiases)] : [0, 0];
  const [y] = run(
    build,
    "attention_general_f32",
    ...[input(q), output(rows * H * E), pages, ...operands],
    ...[biasPlace, biasStride, S + 1, globalPlace, space],
  );
  expectClose(`attention_general_f32 ${JSON.stringify(shape)}`, y, expected, 2e-6);
}

export const cases: Record<string, Case> = {
  ...quantizedCases,
  gemm_f32: gemmCase("f32"),
  gemm_f16: gemmCase("f16"),
  gemm_bf16: gemmCase("bf16"),
  pack_f32: packCase("pack_f32", (n) => randomFloats(n, n)),
  pack_u16: packCase("pack_u16", (n) => Uint16Array.from(randomFloats(n, n, 30000))),
  embed_panels_f32: embedCase("panels", "f32"),
  embed_panels_f16: embedCase("panels", "f16"),
  embed_panels_bf16: embedCase("panels", "bf16"),
  embed_rows_f32: embedCase("rows", "f32"),
  embed_rows_f16: embedCase("rows", "f16"),
  embed_rows_bf16: embedCase("rows", "bf16"),
  widen_f16: widenCase("widen_f16", fromFloat16),
  widen_bf16: widenCase("widen_bf16", fromBFloat16),
  is_finite_f16: {
    behaviour: "finds infinities and NaN at every place of every length, and takes no number for one",
    sweep({ kernels, memory }) {
      for (const n of lengths) {
        // Flush against the end of memory.
        const place = memory.buffer.byteLength - 2 * n;
        const bits = new Uint16Array(memory.buffer, place, n);
        for (const finite of [0, 0x7bff, 0xfbff, 0x8000]) {
          bits.fill(finite);
          expect(kernels.is_finite_f16(place, n)).toBe(1);
        }
        for (let at = 0; at < n; at++) {
          for (const special of [0x7c00, 0xfc00, 0x7c01, 0xffff]) {
            bits[at] = special;
            expect(kernels.is_finite_f16(place, n)).toBe(0);
            bits[at] = 0x3c00;
          }
        }
      }
    },
  },
  add_f32: pairCase("add_f32", add),
  mul_f32: pairCase("mul_f32", mul),
  exp_f32: unaryCase("exp_f32", Math.exp, ulps(1)),
  relu_f32: unaryCase("relu_f32", relu, ulps(0)),
  sigmoid_f32: unaryCase("sigmoid_f32", sigmoid, ulps(3)),
  tanh_f32: unaryCase("tanh_f32", Math.tanh, ulps(2)),
  silu_f32: unaryCase("silu_f32", silu, ulps(4)),
  // Relative to x, as for x * (1 + erf) / 2 computed in f32.
  gelu_f32: unaryCase("gelu_f32", gelu, (_, e) => 4 * ulp(e) + 1e-7),
  gelu_tanh_f32: unaryCase("gelu_tanh_f32", geluTanh, (_, e) => 4 * ulp(e) + 1e-7),
  swiglu_f32: gatedCase("swiglu_f32", silu),
  geglu_f32: gatedCase("geglu_f32", gelu),
  geglu_tanh_f32: gatedCase("geglu_tanh_f32", geluTanh),
  reglu_f32: gatedCase("reglu_f32", relu),
  scale_f32: unaryWith("scale_f32", -1.75),
  transpose_f32: {
    behaviour: "swaps rows and columns for every width",
    sweep(build) {
      for (const columns of lengths) {
        const rows = 1 + (columns % 5);
        const x = randomFloats(rows * columns, columns);
        const expected = Float32Array.from(x, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);
        const [y] = run(build, "transpose_f32", input(x), output(rows * columns), rows, columns);
        expectSame(`transpose_f32 ${rows} ${columns}`, y, expected);
      }
    },
  },
  sum_rows_f32: {
    behaviour: "adds rows in their order for every width",
    sweep(build) {
      for (const D of lengths) {
        const rows = D % 5;
        const x = randomFloats(rows * D, D);
        const expected = new Float32Array(D);
        for (let row = 0; row < rows; row++) add(expected, x.subarray(row * D), expected, D);
        const [y] = run(build, "sum_rows_f32", input(x), output(D), rows, D);
        expectSame(`sum_rows_f32 ${rows} ${D}`, y, expected);
      }
    },
  },
  rms_norm_heads_f32: {
    behaviour: "agrees with its definition for every head width, in place, and leaves the rest of each row",
    sweep(build) {
      for (const E of lengths) {
        const [rows, heads, rowStride] = [2, 1 + (E % 3), 4 * E + 3];
        const [x, weight] = [randomFloats(rows * rowStride, E, 3), randomFloats(E, E + 1)];
        const expected = Float64Array.from(x);
        for (let row = 0; row < rows; row++) {
          const part = new Float64Array(heads * E);
          rmsNorm(x.subarray(row * rowStride, row * rowStride + heads * E), weight, part, heads, E, 1e-6);
          expected.set(part, row * rowStride);
        }
        const [y] = run(build, "rms_norm_heads_f32", changed(x), input(weight), rows, rowStride, heads, E, 1e-6);
        expectClose(`rms_norm_heads_f32 ${heads} ${E}`, y, expected, ulps(3));
      }
    },
  },
  rms_norm_f32: {
    behaviour: "agrees with its definition for every width",
    sweep(build) {
      for (const D of lengths) {
        const rows = 1 + (D % 3);
        const [x, weight] = [randomFloats(rows * D, D, 3), randomFloats(D, D + 1)];
        const expected = new Float64Array(rows * D);
        rmsNorm(x, weight, expected, rows, D, 1e-6);
        const [y] = run(build, "rms_norm_f32", input(x), input(weight), output(rows * D), rows, D, 1e-6);
        expectClose(`rms_norm_f32 ${rows} ${D}`, y, expected, ulps(3));
      }
    },
  },
  layer_norm_f32: {
    behaviour: "agrees with its definition for every width, with and without bias, also far from zero",
    sweep(build) {
      for (const D of lengths) normRows(build, D, 0);
      for (const D of sizes) normRows(build, D, 1000);
    },
  },
  softmax_f32: {
    behaviour: "agrees with its definition for every width, also in place",
    sweep(build) {
      for (const columns of lengths) {
        const rows = 1 + (columns % 3);
        const x = randomFloats(rows * columns, columns, 10);
        const expected = new Float64Array(rows * columns);
        softmax(x, expected, rows, columns);
        const [y] = run(build, "softmax_f32", input(x), output(rows * columns), rows, columns);
        // x - max is rounded once, and e ** -20 shows that twenty times over.
        expectClose(`softmax_f32 ${rows} ${columns}`, y, expected, (_, e) => (3 - Math.log(e)) * ulp(e));
        const same = changed(x);
        expectSame("softmax_f32 in place", run(build, "softmax_f32", same, same, rows, columns)[0], y);
      }
    },
  },
  rope_f32: {
    behaviour: "turns channel pairs of each head in place and leaves the rest, for every even width",
    sweep(build) {
      for (const R of lengths.filter((n) => n % 2 === 0)) {
        const [rows, heads, E] = [1 + (R % 3), 1 + (R % 5), R + (R % 4)];
        const rowStride = heads * E + (R % 7);
        const x = randomFloats((rows - 1) * rowStride + heads * E, R);
        const angles = randomFloats((rows * R) / 2, R, 4);
        const [cos, sin] = [angles.map(Math.cos), angles.map(Math.sin)];
        const expected = Float64Array.from(x);
        rope(expected, cos, sin, rows, heads, E, R, rowStride);
        const [y] = run(build, "rope_f32", changed(x), input(cos), input(sin), rows, heads, E, R, rowStride);
        expectClose(`rope_f32 ${rows} ${heads} ${E} ${R}`, y, expected, 3e-7);
      }
    },
  },
  cache_append_f32: {
    behaviour: "writes keys and values to their place in the pages, padding channels as zero, and nothing else",
    sweep(build) {
      for (const E of lengths.filter((n) => n > 0 && (n < 35 || n % 16 === 1))) {
        const [K, position, rows] = [1 + (E % 3), (E * 11) % 130, 1 + ((E * 29) % 80)];
        const S = position + rows;
        const rowStride = K * E + (E % 5);
        const [keys, values] = [randomFloats(rows * rowStride, E), randomFloats(rows * rowStride, E + 1)];
        const dense = (from: Float32Array) => {
          const all = new Float32Array(S * K * E).fill(7);
          for (let r = 0; r < rows; r++)
            all.set(from.subarray(r * rowStride, r * rowStride + K * E), (position + r) * K * E);
          return all;
        };
        const before = new Float32Array(S * K * E).fill(7);
        const pages = packPages(before, before, S, K, E, 7).map(changed);
        const expected = packPages(dense(keys), dense(values), S, K, E, 7);
        const results = run(
          build,
          "cache_append_f32",
          input(keys),
          input(values),
          table(pages),
          rows,
          rowStride,
          position,
          K,
          E,
        );
        for (const [i, page] of results.entries()) expectSame(`cache_append_f32 page ${i}`, page, expected[i]);
      }
    },
  },
  attention_f32: {
    behaviour:
      "agrees with its definition for every length, head width and grouping, over pages with NaN behind the end",
    sweep(build) {
      for (const position of lengths) attentionCase(build, 1, position, true, 4, 2, 8);
      for (const rows of lengths.filter((n) => n > 0 && (n < 70 || n % 9 === 0))) {
        attentionCase(build, rows, rows % 5 ? 0 : 61, rows % 2 > 0, 2, 1, 5);
      }
      for (const E of lengths.filter((n) => n > 0 && (n < 70 || n % 16 < 2))) {
        attentionCase(build, 1, 70, true, 3, 1, E);
        attentionCase(build, 9, 60, true, 1, 1, E);
      }
      for (const group of [1, 2, 3, 4, 5, 6, 7, 8, 9, 13]) attentionCase(build, 1, 100, true, 2 * group, 2, 16);
    },
  },
  attention_scratch_f32: {
    behaviour: "is a few rows of scores, whatever the number of queries",
    sweep(build) {
      const floats = build.kernels.attention_scratch_f32;
      for (const rows of lengths) {
        if (floats(rows, 1000, 8, 2, 64) > 24 * 1024)
          throw new Error(`${rows} rows: ${floats(rows, 1000, 8, 2, 64)} floats`);
      }
    },
  },
  attention_general_f32: {
    behaviour:
      "agrees with its definition for every length, window, bias and number of global keys, over pages with NaN behind the end",
    sweep(build) {
      for (const position of lengths) {
        generalCase(build, { rows: 1, position, before: position % 40, H: 4, K: 2, E: 8 });
        generalCase(build, { rows: 1, position, bias: true, globals: position % 7, H: 2, K: 2, E: 5 });
      }
      for (const rows of lengths.filter((n) => n > 0 && (n < 50 || n % 13 === 0))) {
        const window = (rows * 7) % 45;
        generalCase(build, { rows, position: rows % 5 ? 0 : 61, before: window, H: 2, K: 1, E: 5 });
        generalCase(build, { rows, position: 0, before: window, after: window, H: 2, K: 2, E: 6 });
        generalCase(build, { rows, position: 0, after: 2 ** 29, bias: true, H: 2, K: 2, E: 12 });
        generalCase(build, {
          rows,
          position: 0,
          before: window,
          after: window,
          bias: true,
          globals: rows % 19,
          H: 3,
          K: 3,
          E: 4,
        });
        generalCase(build, {
          rows,
          position: 3,
          beyond: rows % 9,
          before: 5,
          after: 2,
          globals: rows % 4,
          H: 1,
          K: 1,
          E: 3,
        });
      }
      for (const E of lengths.filter((n) => n > 0 && (n < 40 || n % 16 < 2))) {
        generalCase(build, { rows: 1, position: 70, bias: true, before: 30, H: 3, K: 1, E });
        generalCase(build, { rows: 27, position: 60, bias: true, before: 33, H: 1, K: 1, E });
      }
    },
  },
  attention_general_scratch_f32: {
    behaviour: "is a few rows of what a window holds, whatever the number of keys",
    sweep(build) {
      const floats = build.kernels.attention_general_scratch_f32;
      for (const rows of lengths) {
        const got = floats(rows, 100_000, 128, 128, 16, 8, 2);
        if (got > 24 * 400) throw new Error(`${rows} rows: ${got} floats`);
      }
    },
  },
};
