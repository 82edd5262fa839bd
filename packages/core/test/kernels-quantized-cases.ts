// Sweeps of the kernels for 8 and 4 bits.
import {
  add,
  dequantizeRows,
  fromFloat16,
  gemmQuantized,
  inputParams,
  packQ4,
  packQ8,
  type Quantized,
  quantizeInputsQ4,
  quantizeInputsQ8,
  quantizeRowsQ4,
  quantizeRowsQ8,
  toBFloat16,
  toFloat16,
  toNibbles,
} from "../src/reference/index.ts";
import {
  type Build,
  changed,
  expectClose,
  expectSame,
  input,
  type Operand,
  output,
  randomFloats,
  run,
  scratch,
} from "./kernels-harness.ts";

type Kind = "q8" | "q4";
const lengths = Array.from({ length: 258 }, (_, n) => n);
const groupsOf = (K: number) => Math.ceil(K / 32);
const bytesOutput = (length: number): Operand => ({ data: new Uint8Array(length), role: "output" });
const bytesOf = (data: Float32Array, length: number) => new Uint8Array(data.buffer, 0, length);
const rowScratch = (K: number) => scratch(groupsOf(K) * 32);

/** Random numbers whose groups differ in size, some of them zero. */
function uneven(n: number, seed: number): Float32Array {
  return randomFloats(n, seed).map((value, i) => value * [1, 0.01, 7, 0][(i >> 5) & 3] + ((i >> 6) & 1) * 0.3);
}

const quantizeRows = (kind: Kind) => (kind === "q8" ? quantizeRowsQ8 : quantizeRowsQ4);
const known = new Map<string, Quantized>();

/** Weights `[rows, K]` as integers; those that several sweeps or both builds need are computed once. */
function weightsOf(kind: Kind, values: typeof uneven, rows: number, K: number): Quantized {
  const key = `${kind} ${values.name} ${rows} ${K}`;
  const weights = known.get(key) ?? quantizeRows(kind)(values(rows * K, K), rows, K);
  known.set(key, weights);
  return weights;
}

const quantizeInputs = (kind: Kind) => (kind === "q8" ? quantizeInputsQ8 : quantizeInputsQ4);

/** Integers as the files have them. */
function storedRows(kind: Kind, { q }: Quantized, rows: number, K: number): Uint8Array {
  return kind === "q8" ? new Uint8Array(Int8Array.from(q).buffer) : toNibbles(q, rows, K);
}

function storedScales(kind: Kind, { scales }: Quantized): Float32Array | Uint16Array {
  return kind === "q8" ? scales : Uint16Array.from(scales, toFloat16);
}

function packed(kind: Kind, build: Build, weights: Quantized, N: number, K: number): Uint8Array<ArrayBuffer> {
  return kind === "q8"
    ? packQ8(weights, N, K, build.name === "relaxed")
    : packQ4(weights, N, K, build.name === "relaxed");
}

/** The bits of scales and integers; -0 serves as well as 0. */
function plainParams(params: Float32Array): Int32Array {
  return new Int32Array(params.map((value, i) => (i % 2 ? value : value + 0)).buffer);
}

function inputsCase(kind: Kind) {
  const kernel = `quantize_inputs_${kind}`;
  return {
    behaviour: "gives the integers of its definition, for every length",
    sweep(build: Build) {
      const relaxed = build.name === "relaxed";
      for (const K of lengths) {
        const M = 1 + (K % 3);
        const x = uneven(M * K, K);
        const expected = quantizeInputs(kind)(x, M, K);
        const count = M * groupsOf(K);
        const bytes = count * 32 * (relaxed ? 1 : 2);
        const [q, params] = run(build, kernel, input(x), bytesOutput(bytes), output(count * 2), rowScratch(K), M, K);
        const view = relaxed ? new Int8Array(q.buffer, 0, count * 32) : new Int16Array(q.buffer, 0, count * 32);
        expectSame(`${kernel} ${M} ${K}`, Int32Array.from(view), expected.q);
        expectSame(`${kernel} ${M} ${K} scales`, plainParams(params), plainParams(inputParams(expected)));
      }
    },
  };
}

function gemmCase(kind: Kind) {
  const kernel = `gemm_${kind}`;
  const check = (build: Build, M: number, N: number, K: number) => {
    const relaxed = build.name === "relaxed";
    const inputs = quantizeInputs(kind)(randomFloats(M * K, M + N), M, K);
    const weights = weightsOf(kind, randomFloats, N, K);
    const bias = (M + N + K) % 2 ? randomFloats(N, N) : undefined;
    const expected = new Float64Array(M * N);
    gemmQuantized(kind, inputs, weights, bias, expected, M, N, K);
    const residual = (N + K) % 3 > 1 ? randomFloats(M * N, M + K) : undefined;
    if (residual) add(expected, residual, expected, M * N);
    const q = relaxed ? Int8Array.from(inputs.q) : Int16Array.from(inputs.q);
    const whole = packed(kind, build, weights, N, K);
    const end = kind === "q8" ? Math.ceil(N / 8) * groupsOf(K) * 272 : whole.length;
    const panels = input(whole.slice(0, end));
    const scales = kind === "q8" ? input(new Float32Array(whole.slice(end).buffer)) : 0;
    const place = bias ? input(bias) : 0;
    const operands = [input(q), input(inputParams(inputs)), panels, scales, place];
    const follows = [0, residual ? input(residual) : 0];
    const [y] = run(build, kernel, ...operands, output(M * N), M, N, K, ...follows, scratch(64));
    expectClose(`${kernel} ${M} ${N} ${K}`, y, expected, (K + 4) * 3e-7);
  };
  return {
    behaviour: "multiplies the integers exactly and joins the groups in f32, for every M, N and K",
    sweep(build: Build) {
      for (const M of lengths) check(build, M, 11, 5);
      for (const M of [1, 4, 5]) for (const N of lengths) check(build, M, N, 3);
      for (const M of [1, 5]) for (const K of lengths) check(build, M, 19, K);
    },
  };
}

function rowsCase(kind: Kind) {
  const kernel = `quantize_rows_${kind}`;
  return {
    behaviour: "gives the integers and scales of its definition, from any strides",
    sweep(build: Build) {
      for (const K of lengths) {
        const rows = 1 + (K % 5);
        const w = uneven(rows * K, K);
        const expected = weightsOf(kind, uneven, rows, K);
        const transposed = Float32Array.from(w, (_, i) => w[(i % rows) * K + Math.floor(i / rows)]);
        const [bytes, scales] = [storedRows(kind, expected, rows, K), storedScales(kind, expected)];
        for (const [src, rowStride, columnStride] of [[w, K, 1] as const, [transposed, 1, rows] as const]) {
          const [q, s] = run(
            build,
            kernel,
            input(src),
            rowStride,
            columnStride,
            bytesOutput(bytes.length),
            kind === "q8" ? output(scales.length) : { data: new Uint16Array(scales.length), role: "output" },
            rowScratch(K),
            rows,
            K,
          );
          const got = kind === "q8" ? s : new Uint16Array(s.buffer, 0, scales.length);
          expectSame(`${kernel} ${rows} ${K} scales`, got, scales);
          expectSame(`${kernel} ${rows} ${K}`, bytesOf(q, bytes.length), bytes);
        }
      }
    },
  };
}

function dequantizeCase(kind: Kind) {
  const kernel = `dequantize_rows_${kind}`;
  return {
    behaviour: "multiplies integers by their scales, for every length",
    sweep(build: Build) {
      for (const K of lengths) {
        const rows = 1 + (K % 3);
        const weights = weightsOf(kind, uneven, rows, K);
        const places = [input(storedRows(kind, weights, rows, K)), input(storedScales(kind, weights))];
        const [y] = run(build, kernel, ...places, output(rows * K), rows, K);
        expectClose(`${kernel} ${rows} ${K}`, y, dequantizeRows(weights, rows, K, kind === "q4"), 0);
      }
    },
  };
}

/** Rows into panels that already have others: `values` and `scales` say what is packed. */
function packCase(kernel: string, kind: Kind) {
  return {
    behaviour: "fills its rows of the panels, and nothing else",
    sweep(build: Build) {
      for (const K of lengths) {
        const [row0, rows] = [K % 11, 1 + (K % 10)];
        const N = row0 + rows + (K % 4);
        const weights = weightsOf(kind, uneven, N, K);
        const whole = packed(kind, build, weights, N, K);
        const begin = row0 * (kind === "q8" ? K : Math.ceil(K / 2));
        const end = (row0 + rows) * (kind === "q8" ? K : Math.ceil(K / 2));
        const isScales = kernel === "pack_scales_q4";
        const groups = groupsOf(K);
        const src = isScales
          ? Uint16Array.from(weights.scales.subarray(row0 * groups, (row0 + rows) * groups), toFloat16)
          : storedRows(kind, weights, N, K).slice(begin, end);
        const panels = kind === "q8" ? Math.ceil(N / 8) * groups * 272 : whole.length;
        // Everything is marked, and what belongs to these rows and this part must be written over.
        const before = new Uint8Array(panels).fill(0xa5);
        const [got] = run(build, kernel, input(src), changed(before), rows, row0, K);
        const owner = ownersOf(kind, build, K);
        const isOurs = (row: number) => row >= row0 && row < row0 + rows;
        const expected = before.map((byte, at) => {
          const { lower, upper, isHead } = owner(at);
          const written = kind === "q8" || isHead === isScales;
          const mask = written ? (isOurs(lower) ? 15 : 0) | (isOurs(upper) ? 0xf0 : 0) : 0;
          return (whole[at] & mask) | (byte & ~mask);
        });
        expectSame(`${kernel} ${N} ${K}`, bytesOf(got, panels), expected);
      }
    },
  };
}

/** The outputs that the halves of a byte of the panels belong to, and whether it is in the head of a group. */
function ownersOf(kind: Kind, build: Build, K: number) {
  const groups = groupsOf(K);
  const size = kind === "q8" ? 272 : 144;
  const relaxed = build.name === "relaxed";
  const together = relaxed ? 4 : 2;
  return (at: number) => {
    const within = at % size;
    const first = Math.floor(at / (groups * size)) * 8;
    const isHead = within < 16;
    const output = isHead ? within >> 1 : Math.floor((within - 16) / together) & 7;
    if (isHead || kind === "q8" || !relaxed) return { lower: first + output, upper: first + output, isHead };
    return { lower: first + (output & 3), upper: first + (output & 3) + 4, isHead };
  };
}

function embedCase(kind: Kind) {
  const kernel = `embed_panels_${kind}`;
  return {
    behaviour: "gives the named rows as f32, for every width and every row",
    sweep(build: Build) {
      for (const D of lengths) {
        const V = 1 + (D % 19);
        const T = D % 6;
        const ids = Int32Array.from({ length: T }, (_, t) => (t * 7 + D) % V);
        const weights = weightsOf(kind, uneven, V, D);
        const rows = dequantizeRows(weights, V, D, kind === "q4");
        const expected = Float32Array.from({ length: T * D }, (_, i) => rows[ids[Math.floor(i / D)] * D + (i % D)]);
        const place = input(packed(kind, build, weights, V, D));
        const [y] = run(build, kernel, input(ids), place, output(T * D), T, D, V);
        expectClose(`${kernel} ${V} ${D}`, y, expected, 0);
      }
    },
  };
}

function narrowCase(kernel: string, toBits: (value: number) => number) {
  return {
    behaviour: "rounds to the nearest, the even of two, for every exponent and every length",
    sweep(build: Build) {
      const values: number[] = [
        0,
        -0,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        65504,
        65519.9,
        65520,
        3.4e38,
      ];
      for (let exponent = -150; exponent < 128; exponent++) {
        for (const step of [1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1.9999]) {
          values.push(step * 2 ** exponent, -step * 2 ** exponent);
        }
      }
      // Halves on their own are exact, and so is the middle between two of them.
      for (let bits = 0; bits < 0x7c00; bits += 7) values.push((fromFloat16(bits) + fromFloat16(bits + 1)) / 2);
      const x = Float32Array.from(values);
      const check = (some: Float32Array) => {
        const to: Operand = { data: new Uint16Array(some.length), role: "output" };
        const [y] = run(build, kernel, input(some), to, some.length);
        expectSame(kernel, new Uint16Array(y.buffer, 0, some.length), Uint16Array.from(some, toBits));
      };
      check(x);
      for (const n of lengths) check(x.subarray(n, 2 * n));
    },
  };
}

export const quantizedCases = {
  quantize_inputs_q8: inputsCase("q8"),
  quantize_inputs_q4: inputsCase("q4"),
  gemm_q8: gemmCase("q8"),
  gemm_q4: gemmCase("q4"),
  quantize_rows_q8: rowsCase("q8"),
  quantize_rows_q4: rowsCase("q4"),
  dequantize_rows_q8: dequantizeCase("q8"),
  dequantize_rows_q4: dequantizeCase("q4"),
  pack_q8: packCase("pack_q8", "q8"),
  pack_q4: packCase("pack_q4", "q4"),
  pack_scales_q4: packCase("pack_scales_q4", "q4"),
  embed_panels_q8: embedCase("q8"),
  embed_panels_q4: embedCase("q4"),
  narrow_f16: narrowCase("narrow_f16", toFloat16),
  narrow_bf16: narrowCase("narrow_bf16", toBFloat16),
};
