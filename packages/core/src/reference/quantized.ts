// 8- and 4-bit products as plain loops. Where integers come out, every step rounds to f32 as the kernels do.
import { fromFloat16 } from "./halves.ts";
import type { Numbers } from "./numbers.ts";

const GROUP = 32;
const { fround, abs, max, min } = Math;

/** Quantized rows `[rows, K]`: integers, and the numbers that go with each group or row. */
export interface Quantized {
  readonly q: Int32Array;
  /** Of inputs: two for each group, `[rows, groups, 2]`. Of 8-bit weights: one for each row. Of 4-bit weights: one for each group. */
  readonly scales: Float32Array;
}

/** To the nearest integer, to the even one of two: as the kernels round. */
export function nearestEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

const clamp = (value: number, least: number, most: number) => max(least, min(most, value));
const reciprocal = (scale: number) => (abs(scale) > fround(1e-37) ? fround(1 / scale) : 0);

/** Calls `each` for every group of 32 of every row: what is there of it, filled up with zeros. */
function forGroups(x: Float32Array, rows: number, K: number, each: (group: Float32Array, index: number) => void): void {
  const groups = Math.ceil(K / GROUP);
  for (let row = 0; row < rows; row++) {
    for (let g = 0; g < groups; g++) {
      const group = new Float32Array(GROUP);
      group.set(x.subarray(row * K + g * GROUP, row * K + min(K, (g + 1) * GROUP)));
      each(group, row * groups + g);
    }
  }
}

/** Inputs as integers from 0 to 127 in whole groups, `x = scale * (q - zero)`; `scales` has scale and zero. */
export function quantizeInputsQ8(x: Float32Array, M: number, K: number): Quantized {
  const count = M * Math.ceil(K / GROUP);
  const [q, scales] = [new Int32Array(count * GROUP), new Float32Array(count * 2)];
  forGroups(x, M, K, (group, index) => {
    const least = min(0, ...group);
    const scale = fround(fround(max(0, ...group) - least) / 127);
    const inverse = reciprocal(scale);
    const zero = nearestEven(fround(-least * inverse));
    scales.set([scale, zero], index * 2);
    for (const [i, value] of group.entries()) {
      q[index * GROUP + i] = clamp(nearestEven(fround(value * inverse) + zero), 0, 127);
    }
  });
  return { q, scales };
}

/** Inputs as integers from -63 to 63, `x = scale * q`; `scales` has the scale and 8 times the sum of the integers. */
export function quantizeInputsQ4(x: Float32Array, M: number, K: number): Quantized {
  const count = M * Math.ceil(K / GROUP);
  const [q, scales] = [new Int32Array(count * GROUP), new Float32Array(count * 2)];
  forGroups(x, M, K, (group, index) => {
    const scale = fround(max(...group.map(abs)) / 63);
    const inverse = reciprocal(scale);
    const integers = Array.from(group, (value) => nearestEven(fround(value * inverse)));
    q.set(integers, index * GROUP);
    scales.set([scale, 8 * integers.reduce((sum, value) => sum + value, 0)], index * 2);
  });
  return { q, scales };
}

/** What products read beside quantized inputs: the scale of each group, and the negative of the number with it as an i16 before 16 zeros. */
export function inputParams({ scales }: Quantized): Float32Array<ArrayBuffer> {
  const params = new Float32Array(scales);
  const integers = new Int32Array(params.buffer);
  for (let i = 1; i < scales.length; i += 2) integers[i] = -scales[i] & 0xffff;
  return params;
}

/** Weights `[rows, K]` as integers from -127 to 127, one scale for each row. */
export function quantizeRowsQ8(w: Float32Array, rows: number, K: number): Quantized {
  const [q, scales] = [new Int32Array(rows * K), new Float32Array(rows)];
  for (let row = 0; row < rows; row++) {
    const values = w.subarray(row * K, (row + 1) * K);
    scales[row] = fround(max(0, ...values.map(abs)) / 127);
    const inverse = reciprocal(scales[row]);
    for (const [i, value] of values.entries()) {
      q[row * K + i] = nearestEven(clamp(fround(value * inverse), -127, 127));
    }
  }
  return { q, scales };
}

/** The nearest f16 of a number, as its bits. */
export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = max(-14, Math.floor(Math.log2(size || 1e-9)));
  // The logarithm may miss by one where a power of two is near.
  const exact =
    size >= 2 ** (exponent + 1) ? exponent + 1 : size < 2 ** exponent && exponent > -14 ? exponent - 1 : exponent;
  return sign | (((exact + 14) << 10) + nearestEven(size / 2 ** (exact - 10)));
}

/** The nearest bf16 of a number, as its bits. */
export function toBFloat16(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  if (Number.isNaN(value)) return (bits >>> 16) | 64;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) / 65536) & 0xffff;
}

/** The sum of a term for each weight of a group: four sums side by side, then the pairs of them, the order of the kernels. */
function sumLanes(term: (i: number) => number): number {
  const lanes = [0, 0, 0, 0];
  for (let i = 0; i < GROUP; i++) lanes[i & 3] = fround(lanes[i & 3] + term(i));
  return fround(fround(lanes[0] + lanes[2]) + fround(lanes[1] + lanes[3]));
}

function integersOf(group: Float32Array, scale: number): number[] {
  const inverse = reciprocal(scale);
  const integers: number[] = [];
  for (let i = 0; i < GROUP; i++) integers.push(nearestEven(clamp(fround(group[i] * inverse), -8, 7)));
  return integers;
}

function errorOf(group: Float32Array, scale: number): number {
  const integers = integersOf(group, scale);
  return sumLanes((i) => {
    const difference = fround(group[i] - fround(scale * integers[i]));
    return fround(difference * difference);
  });
}

/** Least squares: the scale that suits the integers best that weights become with another. */
function fitted(group: Float32Array, scale: number): number {
  const integers = integersOf(group, scale);
  const squares = sumLanes((i) => integers[i] * integers[i]);
  const products = sumLanes((i) => fround(group[i] * integers[i]));
  return squares > 0 ? fround(products / squares) : scale;
}

/** What the largest weight of a group may become. */
const LARGEST = [-8, -7.6, -7.2, -6.8, 6.8, 7.2, 7.5, 7.8];

/** Weights `[rows, K]` as integers from -8 to 7, a scale in f16 for each group of 32: the best of several. */
export function quantizeRowsQ4(w: Float32Array, rows: number, K: number): Quantized {
  const groups = Math.ceil(K / GROUP);
  const [q, scales] = [new Int32Array(rows * K), new Float32Array(rows * groups)];
  forGroups(w, rows, K, (group, index) => {
    const largest = group.reduce((found, value) => (abs(value) > abs(found) || Number.isNaN(value) ? value : found), 0);
    const half = (value: number) => fromFloat16(toFloat16(value));
    let best = half(largest / -8);
    if (largest !== 0) {
      const candidates = LARGEST.map((size) => half(fitted(group, fround(largest / fround(size)))));
      for (const scale of candidates) if (errorOf(group, scale) < errorOf(group, best)) best = scale;
    }
    scales[index] = best;
    const [row, begin] = [Math.floor(index / groups), (index % groups) * GROUP];
    q.set(integersOf(group, best).slice(0, min(GROUP, K - begin)), row * K + begin);
  });
  return { q, scales };
}

/** What the integers of weights stand for; `perGroup` says whether scales are. */
export function dequantizeRows({ q, scales }: Quantized, rows: number, K: number, perGroup: boolean): Float32Array {
  const groups = Math.ceil(K / GROUP);
  return Float32Array.from({ length: rows * K }, (_, at) => {
    const row = Math.floor(at / K);
    return q[at] * scales[perGroup ? row * groups + Math.floor((at % K) / GROUP) : row];
  });
}

/** Two integers in each byte, the first in the lower half, 8 added. */
export function toNibbles(q: Int32Array, rows: number, K: number): Uint8Array {
  const width = Math.ceil(K / 2);
  const bytes = new Uint8Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < width * 2; k++) {
      bytes[row * width + (k >> 1)] |= ((k < K ? q[row * K + k] : 0) + 8) << (4 * (k & 1));
    }
  }
  return bytes;
}

/**
 * Panels of 8-bit weights, and behind them the scales: for each group of 32 inputs the sums of eight outputs as i16, then the
 * weights. The relaxed build reads four inputs of an output at once, the other two.
 */
export function packQ8({ q, scales }: Quantized, N: number, K: number, relaxed: boolean): Uint8Array<ArrayBuffer> {
  const [panels, groups] = [Math.ceil(N / 8), Math.ceil(K / GROUP)];
  const bytes = new Uint8Array(panels * (groups * 272 + 32));
  const view = new DataView(bytes.buffer);
  const together = relaxed ? 4 : 2;
  for (let n = 0; n < N; n++) {
    view.setFloat32(panels * groups * 272 + n * 4, scales[n], true);
    for (let k = 0; k < groups * GROUP; k++) {
      const value = k < K ? q[n * K + k] : 0;
      const group = ((n >> 3) * groups + Math.floor(k / GROUP)) * 272;
      const i = k % GROUP;
      view.setInt16(group + (n & 7) * 2, view.getInt16(group + (n & 7) * 2, true) + value, true);
      view.setInt8(group + 16 + Math.floor(i / together) * 8 * together + (n & 7) * together + (i % together), value);
    }
  }
  return bytes;
}

/**
 * Panels of 4-bit weights: for each group of 32 inputs the f16 scales of eight outputs, then four inputs in every 16 bytes. The
 * relaxed build has outputs 0 to 3 in the lower halves of bytes and the others in the upper; the other build inputs 0 and 1, and 2 and 3.
 */
export function packQ4({ q, scales }: Quantized, N: number, K: number, relaxed: boolean): Uint8Array<ArrayBuffer> {
  const [panels, groups] = [Math.ceil(N / 8), Math.ceil(K / GROUP)];
  const bytes = new Uint8Array(panels * groups * 144);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < groups * GROUP; k++) {
      const g = Math.floor(k / GROUP);
      const group = ((n >> 3) * groups + g) * 144;
      const i = k % GROUP;
      if (i === 0) view.setUint16(group + (n & 7) * 2, toFloat16(scales[n * groups + g]), true);
      const place = relaxed ? (n & 3) * 4 + (i & 3) : (n & 7) * 2 + (i & 1);
      const isUpper = relaxed ? n & 4 : i & 2;
      bytes[group + 16 + (i >> 2) * 16 + place] |= ((k < K ? q[n * K + k] : 0) + 8) << (isUpper ? 4 : 0);
    }
  }
  return bytes;
}

/** `y[M, N] = x · wᵀ + bias` over quantized inputs and weights. */
export function gemmQuantized(
  kind: "q8" | "q4",
  inputs: Quantized,
  weights: Quantized,
  bias: Numbers | undefined,
  y: Numbers,
  M: number,
  N: number,
  K: number,
): void {
  const groups = Math.ceil(K / GROUP);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const group = m * groups + Math.floor(k / GROUP);
        const integer = inputs.q[m * groups * GROUP + k] - (kind === "q8" ? inputs.scales[group * 2 + 1] : 0);
        const scale = weights.scales[kind === "q8" ? n : n * groups + Math.floor(k / GROUP)];
        sum += inputs.scales[group * 2] * integer * scale * weights.q[n * K + k];
      }
      y[m * N + n] = bias ? sum + bias[n] : sum;
    }
  }
}
