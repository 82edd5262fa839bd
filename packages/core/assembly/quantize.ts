// From f32 to small integers: the inputs of a product, row by row, and weights, while they are loaded.
import { constant } from "./simd";
import { Float16, widen } from "./weights";

/** Inputs that share a scale: of 8-bit products and of 4-bit weights. */
export const GROUP = 32;
/** Bytes of one quantized input: the relaxed dot product reads bytes, the other halves. */
export const INPUT_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 1 : 2;

// 0: 1.5 * 2^23, whose sum with a number has that number, rounded to even, in its lowest bits; 4: 127; 8: -127; 12: 7; 16: -8
const CONSTANTS = memory.data<f32>([12582912, 127, -127, 7, -8]);
/** Below it a reciprocal would overflow: a group of such numbers counts as zeros. */
const SMALLEST_SCALE: f32 = 1e-37;

/** Four numbers as integers, the nearest even where two are near. */
@inline
function rounded(values: v128): v128 {
  const magic = constant(CONSTANTS);
  return i32x4.sub(f32x4.add(values, magic), magic);
}

@inline
function clamped(values: v128, least: usize, most: usize): v128 {
  return f32x4.max(f32x4.min(values, constant(most)), constant(least));
}

@inline
function lanesSum(value: v128): f32 {
  value = f32x4.add(value, v128.shuffle<i32>(value, value, 2, 3, 0, 1));
  return f32x4.extract_lane(value, 0) + f32x4.extract_lane(value, 1);
}

@inline
function lanesMax(value: v128): f32 {
  value = f32x4.max(value, v128.shuffle<i32>(value, value, 2, 3, 0, 1));
  value = f32x4.max(value, v128.shuffle<i32>(value, value, 1, 0, 3, 2));
  return f32x4.extract_lane(value, 0);
}

/** Of finite numbers: one instruction where one that minds NaN takes several. */
@inline
function finiteMax(value: v128): f32 {
  value = f32x4.pmax(value, v128.shuffle<i32>(value, value, 2, 3, 0, 1));
  value = f32x4.pmax(value, v128.shuffle<i32>(value, value, 1, 0, 3, 2));
  return f32x4.extract_lane(value, 0);
}

/** `sum`, and NaN in it where a value is NaN or infinite. */
@inline
function addUnlessFinite(sum: v128, values: v128): v128 {
  return f32x4.add(sum, f32x4.sub(values, values));
}

@inline
function reciprocal(scale: f32): f32 {
  return abs(scale) > SMALLEST_SCALE ? <f32>1 / scale : 0;
}

/** Four integers as bytes. */
@inline
function storeBytes(to: usize, integers: v128): void {
  const halves = i16x8.narrow_i32x4_s(integers, integers);
  v128.store32_lane(to, i8x16.narrow_i16x8_s(halves, halves), 0);
}

/** Sixteen integers as the products read them, none above 127 or below `least`. */
@inline
function storeInputs(to: usize, a: v128, b: v128, c: v128, d: v128, least: i8): void {
  const low = i16x8.narrow_i32x4_s(a, b), high = i16x8.narrow_i32x4_s(c, d);
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(to, i8x16.max_s(i8x16.narrow_i16x8_s(low, high), i8x16.splat(least)));
  } else {
    const bottom = i16x8.splat(least), top = i16x8.splat(127);
    v128.store(to, i16x8.min_s(i16x8.max_s(low, bottom), top));
    v128.store(to, i16x8.min_s(i16x8.max_s(high, bottom), top), 16);
  }
}

/** Four inputs times a factor plus `zeros`, rounded; `zeros` has the constant of `rounded` in it. */
@inline
function scaled(from: usize, factor: v128, zeros: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(from), factor), zeros), constant(CONSTANTS));
}

/** What goes with a group of inputs: its scale, and an integer of 16 bits with 16 zeros behind it, as products of halves read it. */
@inline
function storeParams(params: usize, scale: f32, correction: i32): void {
  store<f32>(params, scale);
  store<i32>(params, correction & 0xffff, 4);
}

function groupsOf(K: i32): i32 {
  return (K + GROUP - 1) / GROUP;
}

/** A row with zeros behind it up to whole groups: at `row` itself if it has them, else in `scratch`. */
function wholeGroups(row: usize, columnStride: i32, scratch: usize, K: i32): usize {
  if (columnStride == 1) {
    if (K % GROUP == 0) return row;
    memory.copy(scratch, row, <usize>K * 4);
  } else {
    for (let i = 0; i < K; i++) store<f32>(scratch + i * 4, load<f32>(row + <usize>(i * columnStride) * 4));
  }
  memory.fill(scratch + <usize>K * 4, 0, <usize>(groupsOf(K) * GROUP - K) * 4);
  return scratch;
}

/**
 * Rows `[M, K]` as integers from 0 to 127: `x = scale * (q - zero)`, each group of 32 inputs with its own scale and zero.
 * `q` has whole groups; `params` gets the scale and -zero of each, `[M, groups, 2]`; `scratch` has a place for one row of whole groups.
 */
export function quantize_inputs_q8(x: usize, q: usize, params: usize, scratch: usize, M: i32, K: i32): void {
  for (let row = 0; row < M; row++, x += <usize>K * 4) {
    let from = wholeGroups(x, 1, scratch, K);
    for (const rowEnd = from + <usize>(groupsOf(K) * GROUP) * 4; from < rowEnd; params += 8) {
      let low = f32x4.splat(0), high = low, broken = low;
      const end = from + GROUP * 4;
      for (let at = from; at < end; at += 16) {
        const values = v128.load(at);
        low = f32x4.pmin(low, values);
        high = f32x4.pmax(high, values);
        broken = addUnlessFinite(broken, values);
      }
      const least = -finiteMax(f32x4.neg(low));
      const scale: f32 = (finiteMax(high) - least) / 127 + lanesSum(broken);
      const inverse = reciprocal(scale);
      const zero: f32 = nearest<f32>(-least * inverse);
      storeParams(params, scale, -(reinterpret<i32>(zero + load<f32>(CONSTANTS)) & 127));
      // One sum rounds to an integer and adds the zero, so that an input of zero is exactly the zero.
      const zeros = f32x4.splat(zero + load<f32>(CONSTANTS)), factor = f32x4.splat(inverse);
      for (; from < end; from += 64, q += 16 * INPUT_BYTES) {
        const a = scaled(from, factor, zeros), b = scaled(from + 16, factor, zeros);
        storeInputs(q, a, b, scaled(from + 32, factor, zeros), scaled(from + 48, factor, zeros), 0);
      }
    }
  }
}

/** Rows as integers from -63 to 63, `x = scale * q`; the second parameter of a group is -8 times the sum of its integers. */
export function quantize_inputs_q4(x: usize, q: usize, params: usize, scratch: usize, M: i32, K: i32): void {
  for (let row = 0; row < M; row++, x += <usize>K * 4) {
    let from = wholeGroups(x, 1, scratch, K);
    for (const rowEnd = from + <usize>(groupsOf(K) * GROUP) * 4; from < rowEnd; params += 8) {
      let high = f32x4.splat(0), broken = high;
      const end = from + GROUP * 4;
      for (let at = from; at < end; at += 16) {
        const values = v128.load(at);
        high = f32x4.pmax(high, f32x4.abs(values));
        broken = addUnlessFinite(broken, values);
      }
      const scale: f32 = finiteMax(high) / 63 + lanesSum(broken);
      const factor = f32x4.splat(reciprocal(scale));
      const zeros = constant(CONSTANTS);
      let sum = i32x4.splat(0);
      for (; from < end; from += 64, q += 16 * INPUT_BYTES) {
        const a = scaled(from, factor, zeros), b = scaled(from + 16, factor, zeros);
        const c = scaled(from + 32, factor, zeros), d = scaled(from + 48, factor, zeros);
        sum = i32x4.add(sum, i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
        storeInputs(q, a, b, c, d, -63);
      }
      sum = i32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1));
      storeParams(params, scale, -8 * (i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1)));
    }
  }
}

// --- weights in rows, as files have them ----------------------------------------------------------------------------------

/**
 * Rows of f32 as 8-bit integers `[rows, K]` with one scale each, `w = scale * q`, of which the largest becomes 127.
 * Element `(r, c)` of the source is at `src + 4 * (r * rowStride + c * columnStride)`; `scratch` has a place for one row of whole groups.
 */
export function quantize_rows_q8(
  src: usize,
  rowStride: i32,
  columnStride: i32,
  q: usize,
  scales: usize,
  scratch: usize,
  rows: i32,
  K: i32,
): void {
  for (let row = 0; row < rows; row++, src += <usize>rowStride * 4, scales += 4) {
    const from = wholeGroups(src, columnStride, scratch, K);
    const groups = groupsOf(K);
    let high = f32x4.splat(0);
    for (let at = from, end = from + <usize>(groups * GROUP) * 4; at < end; at += 16) {
      high = f32x4.max(high, f32x4.abs(v128.load(at)));
    }
    const scale: f32 = lanesMax(high) / 127;
    const factor = f32x4.splat(reciprocal(scale));
    store<f32>(scales, scale);
    let i = 0;
    for (; i + 4 <= K; i += 4, q += 4) {
      const values = f32x4.mul(v128.load(from + i * 4), factor);
      storeBytes(q, rounded(clamped(values, CONSTANTS + 8, CONSTANTS + 4)));
    }
    for (; i < K; i++, q++) {
      const values = f32x4.mul(v128.load32_zero(from + i * 4), factor);
      store<i8>(q, <i8>i32x4.extract_lane(rounded(clamped(values, CONSTANTS + 8, CONSTANTS + 4)), 0));
    }
  }
}

/** Four weights as integers from -8 to 7, in f32. */
@inline
function four4(values: v128, factor: v128): v128 {
  return f32x4.nearest(clamped(f32x4.mul(values, factor), CONSTANTS + 16, CONSTANTS + 12));
}

/** Squared error of a group of 32 weights with a scale that is kept as f16, given as f32. */
function errorOf(group: usize, scale: f32): f32 {
  const factor = f32x4.splat(reciprocal(scale)), scales = f32x4.splat(scale);
  let error = f32x4.splat(0);
  for (let at = group, end = group + GROUP * 4; at < end; at += 16) {
    const values = v128.load(at);
    const difference = f32x4.sub(values, f32x4.mul(scales, four4(values, factor)));
    error = f32x4.add(error, f32x4.mul(difference, difference));
  }
  return lanesSum(error);
}

/** The scale that fits the integers best, by least squares, which weights become with the given one. */
function fitted(group: usize, scale: f32): f32 {
  const factor = f32x4.splat(reciprocal(scale));
  let products = f32x4.splat(0), squares = products;
  for (let at = group, end = group + GROUP * 4; at < end; at += 16) {
    const values = v128.load(at);
    const integers = four4(values, factor);
    products = f32x4.add(products, f32x4.mul(values, integers));
    squares = f32x4.add(squares, f32x4.mul(integers, integers));
  }
  const sum = lanesSum(squares);
  return sum > 0 ? lanesSum(products) / sum : scale;
}

/** What the largest weight of a group may become: the scale with the least squared error is taken. */
const LARGEST = memory.data<f32>([-8, -7.6, -7.2, -6.8, 6.8, 7.2, 7.5, 7.8]);

/** The scale of a group of weights, as f16 bits. */
function scaleOf(group: usize): u16 {
  let largest: f32 = 0;
  for (let at = group, end = group + GROUP * 4; at < end; at += 4) {
    const value = load<f32>(at);
    // What is no number stays: the scale is none then either.
    if (abs(value) > abs(largest) || value != value) largest = value;
  }
  let best = halfBits(largest / -8);
  if (!(abs(largest) > 0)) return best;
  let least = errorOf(group, halfValue(best));
  for (let candidate: usize = 0; candidate < 32; candidate += 4) {
    const bits = halfBits(fitted(group, largest / load<f32>(LARGEST + candidate)));
    const error = errorOf(group, halfValue(bits));
    if (error < least) {
      least = error;
      best = bits;
    }
  }
  return best;
}

/**
 * Rows of f32 (placed as for `quantize_rows_q8`) as 4-bit integers, two in a byte, the first in the lower half, 8 added to each:
 * `[rows, ceil(K / 2)]`. Each group of 32 has a scale in f16, `[rows, ceil(K / 32)]`: `w = scale * (q - 8)`.
 */
export function quantize_rows_q4(
  src: usize,
  rowStride: i32,
  columnStride: i32,
  q: usize,
  scales: usize,
  scratch: usize,
  rows: i32,
  K: i32,
): void {
  for (let row = 0; row < rows; row++, src += <usize>rowStride * 4) {
    let from = wholeGroups(src, columnStride, scratch, K);
    for (let column = 0; column < K; column += GROUP, from += GROUP * 4, scales += 2) {
      const bits = scaleOf(from);
      const factor = f32x4.splat(reciprocal(halfValue(bits)));
      store<u16>(scales, bits);
      for (let i = 0, count = min(GROUP, K - column); i < count; i += 2, q++) {
        const both = rounded(four4(v128.load64_zero(from + i * 4), factor));
        store<u8>(q, <u8>((i32x4.extract_lane(both, 0) + 8) | ((i32x4.extract_lane(both, 1) + 8) << 4)));
      }
    }
  }
}

/** Rows of 8-bit weights `[rows, K]` as f32. */
export function dequantize_rows_q8(q: usize, scales: usize, y: usize, rows: i32, K: i32): void {
  for (let row = 0; row < rows; row++, scales += 4) {
    const scale = load<f32>(scales);
    for (let i = 0; i < K; i++, q++, y += 4) store<f32>(y, scale * <f32>load<i8>(q));
  }
}

/** Rows of 4-bit weights `[rows, K]` as f32. */
export function dequantize_rows_q4(q: usize, scales: usize, y: usize, rows: i32, K: i32): void {
  for (let row = 0; row < rows; row++, scales += <usize>groupsOf(K) * 2, q += <usize>((K + 1) >> 1)) {
    for (let i = 0; i < K; i++, y += 4) {
      const integer = ((<i32>load<u8>(q + (i >> 1)) >> ((i & 1) * 4)) & 15) - 8;
      store<f32>(y, halfValue(load<u16>(scales + (i / GROUP) * 2)) * <f32>integer);
    }
  }
}

// --- weights in panels, as products read them -----------------------------------------------------------------------------

/** Bytes of a group of 8-bit weights of eight outputs: their sums as i16, then the weights. */
export const GROUP_BYTES_Q8: usize = 16 + 8 * GROUP;
/** Of 4-bit weights: their scales as f16, then the weights. */
export const GROUP_BYTES_Q4: usize = 16 + 4 * GROUP;

/** Where input `i` of a group lies behind its head, for one of eight outputs. */
@inline
function placeQ8(output: i32, i: i32): usize {
  if (ASC_FEATURE_RELAXED_SIMD) return (i >> 2) * 32 + output * 4 + (i & 3);
  return (i >> 1) * 16 + output * 2 + (i & 1);
}

/**
 * Sixteen bytes hold four inputs of eight outputs. Relaxed build: outputs 0 to 3 in the lower halves of bytes, the others in the
 * upper; other build: the first two inputs in the lower halves.
 */
@inline
function placeQ4(output: i32, i: i32): usize {
  if (ASC_FEATURE_RELAXED_SIMD) return (i >> 2) * 16 + (output & 3) * 4 + (i & 3);
  return (i >> 2) * 16 + output * 2 + (i & 1);
}

/** 4 where a weight lies in the upper half of its byte, else 0. */
@inline
function shiftQ4(output: i32, i: i32): i32 {
  if (ASC_FEATURE_RELAXED_SIMD) return output & 4;
  return (i & 2) * 2;
}

/** Rows `[rows, K]` of 8-bit weights into outputs `row0` on of a packed weight, with the sums of their groups. */
export function pack_q8(src: usize, w: usize, rows: i32, row0: i32, K: i32): void {
  for (let row = row0; row < row0 + rows; row++, src += K) {
    const output = row & 7;
    let group = w + <usize>(row >> 3) * groupsOf(K) * GROUP_BYTES_Q8;
    for (let column = 0; column < K; column += GROUP, group += GROUP_BYTES_Q8) {
      let sum = 0;
      for (let i = 0; i < GROUP; i++) {
        const value: i32 = column + i < K ? load<i8>(src + column + i) : 0;
        sum += value;
        store<i8>(group + 16 + placeQ8(output, i), <i8>value);
      }
      store<i16>(group + output * 2, <i16>sum);
    }
  }
}

/** Rows of 4-bit weights into outputs `row0` on of a packed weight. */
export function pack_q4(src: usize, w: usize, rows: i32, row0: i32, K: i32): void {
  for (let row = row0; row < row0 + rows; row++, src += (K + 1) >> 1) {
    const output = row & 7;
    let group = w + <usize>(row >> 3) * groupsOf(K) * GROUP_BYTES_Q4;
    for (let column = 0; column < K; column += GROUP, group += GROUP_BYTES_Q4) {
      for (let i = 0; i < GROUP; i++) {
        const at = column + i;
        const value: i32 = at < K ? (<i32>load<u8>(src + (at >> 1)) >> ((at & 1) * 4)) & 15 : 8;
        const to = group + 16 + placeQ4(output, i);
        const shift = shiftQ4(output, i);
        store<u8>(to, <u8>((<i32>load<u8>(to) & (0xf0 >> shift)) | (value << shift)));
      }
    }
  }
}

/** The scales `[rows, groups]` of 4-bit weights into outputs `row0` on of a packed weight. */
export function pack_scales_q4(scales: usize, w: usize, rows: i32, row0: i32, K: i32): void {
  for (let row = row0; row < row0 + rows; row++) {
    let group = w + <usize>(row >> 3) * groupsOf(K) * GROUP_BYTES_Q4;
    for (let column = 0; column < K; column += GROUP, group += GROUP_BYTES_Q4, scales += 2) {
      store<u16>(group + (row & 7) * 2, load<u16>(scales));
    }
  }
}

/** `y[t] = w[ids[t]]`: rows of 8-bit weights `[V, D]`, packed. */
export function embed_panels_q8(ids: usize, w: usize, y: usize, T: i32, D: i32, V: i32): void {
  const panelBytes = <usize>groupsOf(D) * GROUP_BYTES_Q8;
  const scales = w + <usize>((V + 7) >> 3) * panelBytes;
  for (let row = 0; row < T; row++) {
    const id = load<i32>(ids + row * 4);
    const panel = w + <usize>(id >> 3) * panelBytes + 16;
    const scale = load<f32>(scales + id * 4);
    for (let i = 0; i < D; i++, y += 4) {
      const group = panel + <usize>(i / GROUP) * GROUP_BYTES_Q8;
      store<f32>(y, scale * <f32>load<i8>(group + placeQ8(id & 7, i & (GROUP - 1))));
    }
  }
}

/** `y[t] = w[ids[t]]`: rows of 4-bit weights `[V, D]`, packed. */
export function embed_panels_q4(ids: usize, w: usize, y: usize, T: i32, D: i32, V: i32): void {
  const panelBytes = <usize>groupsOf(D) * GROUP_BYTES_Q4;
  for (let row = 0; row < T; row++) {
    const id = load<i32>(ids + row * 4), output = id & 7;
    const panel = w + <usize>(id >> 3) * panelBytes;
    for (let i = 0; i < D; i++, y += 4) {
      const group = panel + <usize>(i / GROUP) * GROUP_BYTES_Q4;
      const byte: i32 = load<u8>(group + 16 + placeQ4(output, i & (GROUP - 1)));
      const integer = ((byte >> shiftQ4(output, i)) & 15) - 8;
      store<f32>(y, halfValue(load<u16>(group + output * 2)) * <f32>integer);
    }
  }
}

// --- half precision -------------------------------------------------------------------------------------------------------

function halfValue(bits: u16): f32 {
  return f32x4.extract_lane(widen<Float16>(i32x4.splat(<i32>bits << 16)), 0);
}

/** f32 to the nearest f16 bits, the even one where two are near; beyond its range infinity. */
function halfBits(value: f32): u16 {
  const bits = reinterpret<u32>(value);
  const sign = <u32>(bits >> 16) & 0x8000;
  const size = abs(value);
  if (!(size < 65520)) return <u16>(sign | (size == size ? 0x7c00 : 0x7e00));
  // Two halves are 2^-24 apart below the smallest normal number, above it a power of two that the exponent tells.
  const exponent = max(<i32>((bits >> 23) & 0xff) - 127, -14);
  const unit = reinterpret<f32>(<u32>(exponent - 10 + 127) << 23);
  return <u16>(sign | ((<u32>(exponent + 14) << 10) + <u32>nearest<f32>(size / unit)));
}

/** The nearest f16 of every f32. */
export function narrow_f16(src: usize, dst: usize, n: i32): void {
  for (; n > 0; n--, src += 4, dst += 2) store<u16>(dst, halfBits(load<f32>(src)));
}

/** The nearest bf16 of every f32. */
export function narrow_bf16(src: usize, dst: usize, n: i32): void {
  for (; n > 0; n--, src += 4, dst += 2) {
    const bits = load<u32>(src);
    const isNaN = (bits & 0x7fffffff) > 0x7f800000;
    store<u16>(dst, <u16>(isNaN ? (bits >> 16) | 64 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16));
  }
}
