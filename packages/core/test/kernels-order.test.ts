// The promises about the order of sums: exact equality, on random numbers.
import { describe, expect, test } from "vitest";
import { activationNumbers } from "../src/kernel-names.ts";
import {
  attention,
  fromBFloat16,
  fromFloat16,
  gemm,
  packHalfPanels,
  packPages,
  packPanels,
  packQ4,
  packQ8,
  quantizeRowsQ4,
  quantizeRowsQ8,
} from "../src/reference/index.ts";
import {
  type Build,
  builds,
  expectClose,
  expectSame,
  input,
  type Operand,
  output,
  randomFloats,
  run,
  scratch,
  table,
} from "./kernels-harness.ts";

const N = 45;
const K = 700;
const rowCounts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 23, 33, 49, 128, 150];

/** Random f16 or bf16 bits of finite values. */
function halfBits(n: number, type: string): Uint16Array {
  const numbers = randomFloats(n, 3);
  const words = new Uint32Array(numbers.buffer);
  return Uint16Array.from(words, (word) =>
    type === "bf16" ? word >>> 16 : ((word >>> 16) & 0x8000) | ((word >>> 8) & 0x3bff),
  );
}

interface Weight {
  type: string;
  values: Float32Array;
  packed: Float32Array | Uint16Array;
}

function weights(): Weight[] {
  const values = randomFloats(N * K, 2);
  const half = (type: string, from: (bits: number) => number): Weight => {
    const bits = halfBits(N * K, type);
    return { type, values: Float32Array.from(bits, from), packed: packHalfPanels(bits, N, K) };
  };
  return [
    { type: "f32", values, packed: packPanels(values, N, K) },
    half("f16", fromFloat16),
    half("bf16", fromBFloat16),
  ];
}

/** What follows a product: nothing, unless it is said. */
const fill = (follows: [number, Operand | 0] | []) => (follows.length > 0 ? follows : [0, 0]);

function multiply(
  build: Build,
  x: Float32Array,
  type: string,
  packed: Float32Array | Uint16Array,
  n: number,
  ...follows: [activation: number, residual: Operand | 0] | []
): Float32Array {
  const M = x.length / K;
  const operands = [input(x), input(packed), 0, output(M * n), M, n, K, ...fill(follows)];
  if (type === "f32") return run(build, "gemm_f32", ...operands)[0];
  const [y] = run(build, `gemm_${type}`, ...operands, scratch(2048), 0);
  // Where it is known that f16 weights are finite, another loop gives the same bits.
  const areFinite = packed.every((bits) => (bits & 0x7c00) !== 0x7c00);
  if (type === "f16" && areFinite) expectSame("finite", run(build, "gemm_f16", ...operands, scratch(2048), 1)[0], y);
  return y;
}

/** A product of inputs that are quantized first. */
function multiplyQuantized(
  build: Build,
  kind: "q8" | "q4",
  x: Float32Array,
  panels: Uint8Array,
  n: number,
  ...follows: [activation: number, residual: Operand | 0] | []
): Float32Array {
  const M = x.length / K;
  const count = M * Math.ceil(K / 32);
  const bytes = new Uint8Array(count * 32 * (build.name === "relaxed" ? 1 : 2));
  const row = scratch(Math.ceil(K / 32) * 32);
  const places = [{ data: bytes, role: "output" as const }, output(count * 2)];
  const [q, params] = run(build, `quantize_inputs_${kind}`, input(x), ...places, row, M, K);
  const all = Math.ceil(n / 8) * Math.ceil(K / 32) * (kind === "q8" ? 272 : 144);
  const scales = kind === "q8" ? input(new Float32Array(panels.slice(all).buffer)) : 0;
  const operands = [input(new Uint8Array(q.buffer)), input(params), input(panels.slice(0, all)), scales, 0];
  return run(build, `gemm_${kind}`, ...operands, output(M * n), M, n, K, ...fill(follows), scratch(64))[0];
}

describe.each(builds)("$name kernels", (build) => {
  describe.each(["q8", "q4"] as const)("gemm_%s", (kind) => {
    const weights = randomFloats(N * K, 2);
    const pack = (n: number) => {
      return kind === "q8"
        ? packQ8(quantizeRowsQ8(weights, n, K), n, K, build.name === "relaxed")
        : packQ4(quantizeRowsQ4(weights, n, K), n, K, build.name === "relaxed");
    };
    const panels = pack(N);

    test("gives a row the same bits alone as among any number of rows", () => {
      const x = randomFloats(150 * K, 1);
      const rows = Array.from({ length: 150 }, (_, row) => x.slice(row * K, (row + 1) * K));
      const alone = rows.flatMap((row) => [...multiplyQuantized(build, kind, row, panels, N)]);
      for (const M of rowCounts) {
        const some = multiplyQuantized(build, kind, x.slice(0, M * K), panels, N);
        expectSame(`${M} rows`, some, Float32Array.from(alone.slice(0, M * N)));
      }
    });
    test("tells of an input that is not finite in all of its row, and in no other", () => {
      const x = randomFloats(5 * K, 1);
      const plain = multiplyQuantized(build, kind, x, panels, N);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        // Each lane, first and last of groups, and the last group, which is not whole.
        for (const k of [0, 1, 2, 3, 31, 32, 359, 699]) {
          const broken = x.with(2 * K + k, value);
          const y = multiplyQuantized(build, kind, broken, panels, N);
          expect(y.slice(2 * N, 3 * N).some(Number.isFinite), `${value} at ${k}`).toBe(false);
          const rest = [...y.slice(0, 2 * N), ...y.slice(3 * N)];
          expectSame(`${value} at ${k}`, Float32Array.from(rest), [...plain.slice(0, 2 * N), ...plain.slice(3 * N)]);
        }
      }
    });

    test("gives an output the same bits whatever other outputs there are", () => {
      for (const M of [1, 5]) {
        const x = randomFloats(M * K, 1);
        const all = multiplyQuantized(build, kind, x, panels, N);
        for (let n = 1; n < N; n += 3) {
          const some = multiplyQuantized(build, kind, x, pack(n), n);
          expectSame(
            `${n} outputs`,
            some,
            Float32Array.from(some, (_, i) => all[Math.floor(i / n) * N + (i % n)]),
          );
        }
      }
    });
  });
  describe.each(weights())("gemm_$type", ({ type, values, packed }) => {
    test("gives a row the same bits alone as among any number of rows", () => {
      const x = randomFloats(150 * K, 1);
      const alone = new Float32Array(150 * N);
      for (let row = 0; row < 150; row++)
        alone.set(multiply(build, x.slice(row * K, (row + 1) * K), type, packed, N), row * N);
      for (const M of rowCounts) {
        expectSame(`${M} rows`, multiply(build, x.slice(0, M * K), type, packed, N), alone.subarray(0, M * N));
      }
    });
    test("gives an output the same bits whatever other outputs there are", () => {
      for (const M of [1, 2, 3, 6]) {
        const x = randomFloats(M * K, 1);
        const all = multiply(build, x, type, packed, N);
        for (let n = 1; n < N; n++) {
          const some = multiply(build, x, type, packed.slice(0, Math.ceil(n / 8) * 8 * K), n);
          expectSame(
            `${n} outputs`,
            some,
            Float32Array.from(some, (_, i) => all[Math.floor(i / n) * N + (i % n)]),
          );
        }
      }
    });
    test("gives the same bits as f32 weights of the same values", () => {
      for (const M of rowCounts) {
        const x = randomFloats(M * K, 1);
        const wide = multiply(build, x, "f32", packPanels(values, N, K), N);
        expectSame(`${M} rows`, multiply(build, x, type, packed, N), wide);
      }
    });
    test("is as near to f64 as sums of 256 in f32 can be", () => {
      const x = randomFloats(7 * K, 1);
      const expected = new Float64Array(7 * N);
      const sizes = new Float64Array(7 * N);
      gemm(x, values, undefined, expected, 7, N, K);
      gemm(x.map(Math.abs), values.map(Math.abs), undefined, sizes, 7, N, K);
      // The worst case would be 259 * 2 ** -24 of the sum of sizes; round-off that goes both ways stays near its root.
      expectClose("gemm", multiply(build, x, type, packed, N), expected, (i) => 20 * 2 ** -24 * sizes[i]);
    });
  });

  test.each(["f32", "f16", "bf16"])(
    "gemm_%s gives a row the same bits where weights are more than caches hold",
    (type) => {
      // Chunks of whole panels and a last one that is not; the last panel is not whole either.
      const n = 389;
      const values = randomFloats(n * K, 2);
      const packed = type === "f32" ? packPanels(values, n, K) : packHalfPanels(halfBits(n * K, type), n, K);
      const bias = input(randomFloats(n, 3));
      const most = 71;
      const [x, residual] = [randomFloats(most * K, 1), randomFloats(most * n, 4)];
      const rows = (from: number, to: number): Float32Array => {
        const M = to - from;
        const operands = [input(x.slice(from * K, to * K)), input(packed), bias, output(M * n), M, n, K];
        const follows = [activationNumbers.gelu, input(residual.slice(from * n, to * n))];
        const halves = type === "f32" ? [] : type === "f16" ? [scratch(2048), 1] : [scratch(2048)];
        return run(build, `gemm_${type}`, ...operands, ...follows, ...halves)[0];
      };
      const alone = Float32Array.from(Array.from({ length: most }, (_, row) => [...rows(row, row + 1)]).flat());
      for (const M of [2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, most]) {
        expectSame(`${M} rows`, rows(0, M), alone.subarray(0, M * n));
      }
    },
  );

  test("gemm passes infinities and NaN of half weights on, to the outputs that they belong to and no others", () => {
    const specials = { f16: [0x7c00, 0xfc00, 0x7e01, 0x7c01], bf16: [0x7f80, 0xff80, 0x7fc0, 0x7f81] };
    for (const [type, bits] of Object.entries(specials)) {
      for (const M of [1, 2, 3, 4]) {
        for (const k of [0, 255, 256, 699]) {
          const weight = halfBits(N * K, type);
          // Outputs in whole groups of panels, in the last panel, in low and high halves of lanes.
          for (const [i, n] of [0, 5, 30, 44].entries()) weight[n * K + k] = bits[i];
          const values = Float32Array.from(weight, type === "f16" ? fromFloat16 : fromBFloat16);
          const x = randomFloats(M * K, 1);
          const expected = multiply(build, x, "f32", packPanels(values, N, K), N);
          expect(expected.filter(Number.isFinite).length).toBe(M * (N - 4));
          expectSame(type, multiply(build, x, type, packHalfPanels(weight, N, K), N), expected);
        }
      }
    }
  });

  test("gemm_f16 takes inputs of any size", () => {
    for (const M of [1, 2, 3, 4]) {
      const weight = halfBits(N * K, "f16");
      const packed = packPanels(Float32Array.from(weight, fromFloat16), N, K);
      for (const size of [65535, 65536, 1e10, 3e38, Number.POSITIVE_INFINITY, Number.NaN, 1e-40]) {
        const x = randomFloats(M * K, 1);
        x[M * K - 1] = size;
        const expected = multiply(build, x, "f32", packed, N);
        expectSame(`${M} rows, ${size}`, multiply(build, x, "f16", packHalfPanels(weight, N, K), N), expected);
      }
    }
  });

  test("norms and softmax give a row the same bits alone as among others", () => {
    for (const D of [1, 3, 8, 37, 384]) {
      const [x, weight] = [randomFloats(9 * D, 1), input(randomFloats(D, 2))];
      const calls = {
        rms_norm_f32: (rows: Float32Array) => [input(rows), weight, output(rows.length), rows.length / D, D, 1e-6],
        layer_norm_f32: (rows: Float32Array) => [
          input(rows),
          weight,
          weight,
          output(rows.length),
          rows.length / D,
          D,
          1e-6,
        ],
        softmax_f32: (rows: Float32Array) => [input(rows), output(rows.length), rows.length / D, D],
      };
      for (const [kernel, operands] of Object.entries(calls)) {
        const [all] = run(build, kernel, ...operands(x));
        for (let row = 0; row < 9; row++) {
          const part = [row * D, (row + 1) * D];
          expectSame(`${kernel} ${D}`, run(build, kernel, ...operands(x.slice(...part)))[0], all.slice(...part));
        }
      }
    }
  });

  test.each(["f32", "f16", "bf16", "q8", "q4"] as const)(
    "gemm_%s followed by more has the bits of the kernels in turn",
    (type) => {
      const values = randomFloats(N * K, 2);
      const isRelaxed = build.name === "relaxed";
      const quantized = {
        q8: packQ8(quantizeRowsQ8(values, N, K), N, K, isRelaxed),
        q4: packQ4(quantizeRowsQ4(values, N, K), N, K, isRelaxed),
      };
      const product = (x: Float32Array, ...follows: [number, Operand | 0] | []) => {
        if (type === "q8" || type === "q4") return multiplyQuantized(build, type, x, quantized[type], N, ...follows);
        const packed = type === "f32" ? packPanels(values, N, K) : packHalfPanels(halfBits(N * K, type), N, K);
        return multiply(build, x, type, packed, N, ...follows);
      };
      for (const M of [1, 2, 3, 4, 5, 6, 13]) {
        const [x, residual] = [randomFloats(M * K, M), input(randomFloats(M * N, M + 1))];
        const plain = product(x);
        const added = (y: Float32Array) => run(build, "add_f32", residual, input(y), output(M * N), M * N)[0];
        expectSame(`${M} rows`, product(x, 0, residual), added(plain));
        for (const [name, number] of Object.entries(activationNumbers)) {
          const kernel = `${name as keyof typeof activationNumbers}_f32` as const;
          const [active] = run(build, kernel, input(plain), output(M * N), M * N);
          expectSame(`${M} rows, ${name}`, product(x, number, 0), active);
          expectSame(`${M} rows, ${name} and a residual`, product(x, number, residual), added(active));
        }
      }
    },
  );

  test("activations give an element the same bits wherever it stands", () => {
    const x = randomFloats(19, 1, 5);
    for (const kernel of ["exp_f32", "gelu_f32", "gelu_tanh_f32", "silu_f32", "tanh_f32", "sigmoid_f32", "relu_f32"]) {
      const [all] = run(build, kernel, input(x), output(19), 19);
      for (let start = 0; start < 19; start++) {
        const [part] = run(build, kernel, input(x.slice(start)), output(19 - start), 19 - start);
        expectSame(kernel, part, all.slice(start));
      }
    }
  });
});

interface Shape {
  S: number;
  H: number;
  K: number;
  E: number;
}

/** Attention of the rows from `position` on, over pages that already hold all S keys, or only those up to the last row. */
function attend(
  build: Build,
  q: Float32Array,
  pages: Float32Array[],
  position: number,
  rows: number,
  causal: boolean,
  shape: Shape,
) {
  const { H, K, E } = shape;
  const [D, end] = [H * E, position + rows];
  const places = table(pages.slice(0, Math.ceil(end / 64)).map(input));
  const space = scratch(build.kernels.attention_scratch_f32(rows, end, H, K, E));
  const part = q.slice(position * D, end * D);
  return run(
    build,
    "attention_f32",
    input(part),
    output(rows * D),
    places,
    rows,
    D,
    D,
    position,
    causal ? 1 : 0,
    H,
    K,
    E,
    E ** -0.5,
    space,
  )[0];
}

/** The same with a window, biases by distance and global keys; the pages hold the global keys, then all S others. */
function attendGenerally(
  build: Build,
  q: Float32Array,
  pages: Float32Array[],
  position: number,
  rows: number,
  { S, H, K, E }: Shape,
  { before, after, globals = 0, biases }: { before: number; after: number; globals?: number; biases?: Float32Array },
) {
  const D = H * E;
  const end = after === 0 ? position + rows : S;
  const places = table(pages.map(input));
  const space = scratch(build.kernels.attention_general_scratch_f32(rows, end, before, after, globals, H, K));
  const operands = [rows, D, D, position, end, before, after, globals, 5, H, K, E, E ** -0.5];
  const bias = biases ? input(biases) : 0;
  const part = input(q.slice(position * D, (position + rows) * D));
  return run(
    build,
    "attention_general_f32",
    ...[part, output(rows * D), places, ...operands, bias, 2 * S, S, bias, space],
  )[0];
}

describe.each(builds)("$name attention_general_f32", (build) => {
  const all = 2 ** 29;
  const shapes = [
    { S: 150, H: 2, K: 1, E: 8, before: 20, after: 0 },
    { S: 137, H: 3, K: 3, E: 5, before: 64, after: 64 },
    { S: 200, H: 4, K: 1, E: 32, before: 7, after: 0, globals: 11 },
    { S: 90, H: 2, K: 2, E: 64, before: all, after: all },
    { S: 130, H: 1, K: 1, E: 12, before: 33, after: 33, globals: 26 },
  ];
  test.each(shapes)(
    "gives a whole sequence the same bits as chunks and as single rows: $S keys, $H/$K heads of $E, window $before",
    ({ before, after, globals = 0, ...shape }) => {
      const { S, H, K, E } = shape;
      const q = randomFloats(S * H * E, 1, 3);
      const total = globals + S;
      const keys = randomFloats(total * K * E, 2, 3);
      const pages = packPages(keys, randomFloats(total * K * E, 3), total, K, E, Number.NaN);
      for (const biases of [undefined, randomFloats(2 * S * Math.max(H, 2), 4)]) {
        const options = { before, after, globals, biases };
        const whole = attendGenerally(build, q, pages, 0, S, shape, options);
        for (const chunk of [1, 2, 5, 16, 23, 24, 25, 65]) {
          for (let start = 0; start < S; start += chunk) {
            const rows = Math.min(chunk, S - start);
            const part = whole.slice(start * H * E, (start + rows) * H * E);
            expectSame(`rows ${start}`, attendGenerally(build, q, pages, start, rows, shape, options), part);
          }
        }
      }
    },
  );
  test("gives what attention_f32 gives, bit for bit, where the window holds everything", () => {
    for (const E of [5, 8, 16, 24, 64]) {
      const shape = { S: 101, H: 4, K: 2, E };
      const q = randomFloats(101 * 4 * E, 1, 3);
      const pages = packPages(randomFloats(101 * 2 * E, 2, 3), randomFloats(101 * 2 * E, 3), 101, 2, E, Number.NaN);
      const plain = attend(build, q, pages, 0, 101, true, shape);
      const general = attendGenerally(build, q, pages, 0, 101, shape, { before: all, after: 0 });
      expectSame(`heads of ${E}`, general, plain);
      const last = attend(build, q, pages, 100, 1, true, shape);
      expectSame("one row", attendGenerally(build, q, pages, 100, 1, shape, { before: 100, after: 0 }), last);
    }
  });
});

describe.each(builds)("$name attention_f32", (build) => {
  const shapes = [
    { S: 150, H: 2, K: 1, E: 8 },
    { S: 137, H: 3, K: 3, E: 5 },
    { S: 200, H: 4, K: 1, E: 32 },
    { S: 90, H: 2, K: 2, E: 64 },
    { S: 70, H: 7, K: 1, E: 12 },
    { S: 66, H: 1, K: 1, E: 300 },
  ];
  test.each(shapes)(
    "gives a whole causal sequence the same bits as chunks and as single rows: $S keys, $H/$K heads of $E",
    (shape) => {
      const { S, H, K, E } = shape;
      const q = randomFloats(S * H * E, 1, 3);
      const pages = packPages(randomFloats(S * K * E, 2, 3), randomFloats(S * K * E, 3), S, K, E, Number.NaN);
      const whole = attend(build, q, pages, 0, S, true, shape);
      for (const chunk of [1, 2, 3, 5, 6, 7, 16, 23, 24, 25, 64, 65]) {
        for (let start = 0; start < S; start += chunk) {
          const rows = Math.min(chunk, S - start);
          const part = whole.slice(start * H * E, (start + rows) * H * E);
          expectSame(`rows ${start} to ${start + rows}`, attend(build, q, pages, start, rows, true, shape), part);
        }
      }
    },
  );
  test("gives a row that sees all keys the same bits whatever other rows there are", () => {
    const shape = { S: 101, H: 2, K: 1, E: 24 };
    const q = randomFloats(101 * 48, 1, 3);
    const pages = packPages(randomFloats(101 * 24, 2, 3), randomFloats(101 * 24, 3), 101, 1, 24, Number.NaN);
    const all = attend(build, q, pages, 0, 101, false, shape);
    for (const rows of [1, 2, 5, 24, 50]) {
      expectSame(`${rows} rows`, attend(build, q, pages, 101 - rows, rows, false, shape), all.slice((101 - rows) * 48));
    }
  });
  test("lets masked keys contribute nothing, even when they are infinite or NaN", () => {
    for (const E of [8, 20, 64]) {
      const shape = { S: 100, H: 2, K: 1, E };
      const q = randomFloats(100 * 2 * E, 1);
      const [keys, values] = [randomFloats(100 * E, 2), randomFloats(100 * E, 3)];
      const before = attend(build, q, packPages(keys, values, 100, 1, E, 0), 0, 100, true, shape);
      for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
        for (const first of [1, 3, 40, 65, 99]) {
          const pages = packPages(
            keys.slice().fill(poison, first * E),
            values.slice().fill(poison, first * E),
            100,
            1,
            E,
            0,
          );
          const after = attend(build, q, pages, 0, 100, true, shape);
          expectSame(`rows before ${first}`, after.slice(0, first * 2 * E), before.slice(0, first * 2 * E));
        }
      }
    }
  });
  test("reads and writes rows of any stride", () => {
    const [rows, H, E, qStride, yStride] = [9, 2, 10, 33, 27];
    const q = randomFloats(rows * qStride, 1);
    const [keys, values] = [randomFloats(rows * E, 2), randomFloats(rows * E, 3)];
    const dense = Float32Array.from(
      { length: rows * H * E },
      (_, i) => q[Math.floor(i / (H * E)) * qStride + (i % (H * E))],
    );
    const expected = new Float64Array(rows * H * E);
    attention(dense, keys, values, expected, rows, rows, true, H, 1, E, 0.3);
    const y = { data: new Float32Array((rows - 1) * yStride + H * E).fill(5), role: "changed" } as const;
    const space = scratch(build.kernels.attention_scratch_f32(rows, rows, H, 1, E));
    const last = q.slice(0, (rows - 1) * qStride + H * E);
    const pages = table(packPages(keys, values, rows, 1, E, Number.NaN).map(input));
    const [got] = run(build, "attention_f32", input(last), y, pages, rows, qStride, yStride, 0, 1, H, 1, E, 0.3, space);
    for (let i = 0; i < got.length; i++) {
      const [row, column] = [Math.floor(i / yStride), i % yStride];
      if (column >= H * E) expect(got[i]).toBe(5);
      else expect(Math.abs(got[i] - expected[row * H * E + column])).toBeLessThan(1e-6);
    }
  });
});

test("the simd build sums in the documented order: fround by fround in blocks of 256, block after block, then the bias", () => {
  const build = builds[0];
  const [x, w, bias] = [randomFloats(4 * K, 1), randomFloats(N * K, 2), randomFloats(N, 3)];
  const expected = new Float32Array(4 * N);
  for (let m = 0; m < 4; m++) {
    for (let n = 0; n < N; n++) {
      let total = 0;
      for (let start = 0; start < K; start += 256) {
        let block = 0;
        for (let k = start; k < Math.min(K, start + 256); k++)
          block = Math.fround(block + Math.fround(x[m * K + k] * w[n * K + k]));
        total = Math.fround(total + block);
      }
      expected[m * N + n] = total + bias[n];
    }
  }
  const [y] = run(build, "gemm_f32", input(x), input(packPanels(w, N, K)), input(bias), output(4 * N), 4, N, K, 0, 0);
  expectSame("gemm_f32", y, expected);
});
