// Linear layers over 8- and 4-bit weights: inputs are quantized first, integers are multiplied, groups are joined in f32.
// Both builds compute the same integers; a sum over groups runs in order, so that it depends on K alone.
import { finish, shiftOf } from "./activations";
import { GROUP, GROUP_BYTES_Q4, GROUP_BYTES_Q8, INPUT_BYTES } from "./quantize";
import { multiplyAdd, loadSome, storeSome } from "./simd";
import { widen } from "./weights";

/** 8-bit weights, as a type parameter. */
type Q8 = i8;
/** 4-bit weights, as a type parameter. */
type Q4 = u8;

/** Sums that are still pairs of halves for 4-bit weights, and steps of several instructions, as a type parameter. */
type Halves = i16;
/** Sums of whole numbers: a step is one instruction of processors that have it. */
type Whole = i32;

// 0: the lower four bits of each byte, 4: halves of 1, 8: bytes beyond 127
const BITS = memory.data<u32>([0x0f0f0f0f, 0x00010001, 0xffffffff]);
/** Bytes of quantized inputs that tiles work on before the next panel, so that they stay in the second-level cache. */
const ROW_BLOCK_BYTES = 192 * 1024;

/** Which steps the relaxed build takes: 0 those that suit the processor, 1 `Halves`, 2 `Whole`. Results have the same bits; tests set it. */
export let DOT_STEPS: i32 = 0;

/**
 * Whether the dot product that adds to a sum is one instruction (`vpdpbusd` of x86, `sdot` of ARM) and not a row of them. With an operand
 * that is out of its range, those two do not saturate: they take it for 255 or for -1.
 */
function prefersWhole(): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  if (DOT_STEPS) return DOT_STEPS - 1;
  const lanes = i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(127), four(BITS + 8), i32x4.splat(0));
  const sum = i32x4.extract_lane(lanes, 0);
  return i32(sum == 4 * 127 * 255) | i32(sum == 4 * 127 * -1);
}

@inline
function isQ8<T>(): bool {
  return isSigned<T>();
}

@inline
function isWhole<S>(): bool {
  return sizeof<S>() == 4;
}

@inline
function groupBytes<T>(): usize {
  return isQ8<T>() ? GROUP_BYTES_Q8 : GROUP_BYTES_Q4;
}

/** `sum` and four products for each of four outputs (relaxed build), or two (the other). */
@inline
function dotQ8<S>(weights: v128, inputs: v128, sum: v128, ones: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return i32x4.add(sum, i32x4.dot_i16x8_s(weights, inputs));
  if (isWhole<S>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(weights, inputs, sum);
  // A product with ones adds pairs as their sum does, but has them in a register.
  return i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(weights, inputs), ones));
}

/** The same with weights from 0 to 15, and inputs of the other sign. */
@inline
function dotQ4<S>(weights: v128, inputs: v128, sum: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return i32x4.add(sum, i32x4.dot_i16x8_s(weights, inputs));
  if (isWhole<S>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(inputs, weights, sum);
  return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(inputs, weights));
}

@inline
function four(x: usize): v128 {
  return v128.load32_splat(x);
}

/**
 * Where sums of four outputs begin: at what the second parameter of the inputs' group stands for, as integers. Of 8-bit weights at the
 * product of -zero and the sums of weights (`extra`), of 4-bit weights at -8 times the sum of inputs.
 */
@inline
function begin<T, S>(params: usize, extra: v128): v128 {
  const correction = four(params + 4);
  if (isQ8<T>()) return i32x4.dot_i16x8_s(extra, correction);
  return ASC_FEATURE_RELAXED_SIMD && !isWhole<S>() ? correction : i32x4.extadd_pairwise_i16x8_s(correction);
}

/** What a group of one row adds to its sum: its integers are below 2^24, so that only the last step rounds. */
@inline
function join<T, S>(sum: v128, integers: v128, params: usize, extra: v128): v128 {
  const scale = four(params);
  if (isQ8<T>()) return multiplyAdd(scale, f32x4.convert_i32x4_s(integers), sum);
  if (ASC_FEATURE_RELAXED_SIMD && !isWhole<S>()) integers = i32x4.extadd_pairwise_i16x8_s(integers);
  return multiplyAdd(f32x4.mul(scale, extra), f32x4.convert_i32x4_s(integers), sum);
}

/** Of 8-bit weights the sums of outputs 0 to 3 over the group, of 4-bit weights their scales. */
@inline
function lowExtra<T>(group: usize): v128 {
  if (isQ8<T>()) return v128.load16x4_s(group);
  return widen<u16>(i32x4.shl(v128.load16x4_u(group), 16));
}

@inline
function highExtra<T>(group: usize): v128 {
  return lowExtra<T>(group + 8);
}

/** Eight sums to y: times the outputs' scales (0: none), plus the bias (0: none), `columns` of them. */
function put(y: usize, low: v128, high: v128, scales: usize, bias: usize, columns: i32): void {
  for (let half = 0; half < 2; half++) {
    if (columns <= 0) return;
    if (scales) low = f32x4.mul(low, v128.load(scales));
    if (columns >= 4) {
      if (bias) low = f32x4.add(low, v128.load(bias));
      v128.store(y, low);
    } else {
      if (bias) low = f32x4.add(low, loadSome(bias, columns));
      storeSome(y, low, columns);
    }
    y += 16;
    if (scales) scales += 16;
    if (bias) bias += 16;
    columns -= 4;
    low = high;
  }
}

/** The same where there are eight columns. */
@inline
function putWhole<T>(y: usize, low: v128, high: v128, scales: usize, bias: usize): void {
  if (isQ8<T>()) {
    low = f32x4.mul(low, v128.load(scales));
    high = f32x4.mul(high, v128.load(scales, 16));
  }
  if (bias) {
    low = f32x4.add(low, v128.load(bias));
    high = f32x4.add(high, v128.load(bias, 16));
  }
  v128.store(y, low);
  v128.store(y, high, 16);
}

/**
 * Panels that one row reads side by side, as memory gives several streams faster than one: each of them the next panels of an eighth of
 * all, so that streams are long.
 */
const TOGETHER = 8;

/** One row, the eight outputs of each of `panels` panels: `[panels, 8]` sums, before scales of outputs. */
function sumRow<T, S>(
  q: usize,
  params: usize,
  w: usize,
  panelBytes: usize,
  panels: i32,
  groups: i32,
  sums: usize,
): void {
  memory.fill(sums, 0, <usize>panels * 32);
  const constant = four(isQ8<T>() ? BITS + 4 : BITS);
  for (let group = 0; group < groups; group++, w += groupBytes<T>(), params += 8, q += GROUP * INPUT_BYTES) {
    let panel = w, sum = sums;
    if (ASC_FEATURE_RELAXED_SIMD) {
      const x0 = four(q), x1 = four(q + 4), x2 = four(q + 8), x3 = four(q + 12);
      const x4 = four(q + 16), x5 = four(q + 20), x6 = four(q + 24), x7 = four(q + 28);
      for (let p = 0; p < panels; p++, panel += panelBytes, sum += 32) {
        let a = begin<T, S>(params, isQ8<T>() ? lowExtra<T>(panel) : constant);
        let b = begin<T, S>(params, isQ8<T>() ? highExtra<T>(panel) : constant);
        if (isQ8<T>()) {
          a = dotQ8<S>(v128.load(panel, 16), x0, a, constant);
          b = dotQ8<S>(v128.load(panel, 32), x0, b, constant);
          a = dotQ8<S>(v128.load(panel, 48), x1, a, constant);
          b = dotQ8<S>(v128.load(panel, 64), x1, b, constant);
          a = dotQ8<S>(v128.load(panel, 80), x2, a, constant);
          b = dotQ8<S>(v128.load(panel, 96), x2, b, constant);
          a = dotQ8<S>(v128.load(panel, 112), x3, a, constant);
          b = dotQ8<S>(v128.load(panel, 128), x3, b, constant);
          a = dotQ8<S>(v128.load(panel, 144), x4, a, constant);
          b = dotQ8<S>(v128.load(panel, 160), x4, b, constant);
          a = dotQ8<S>(v128.load(panel, 176), x5, a, constant);
          b = dotQ8<S>(v128.load(panel, 192), x5, b, constant);
          a = dotQ8<S>(v128.load(panel, 208), x6, a, constant);
          b = dotQ8<S>(v128.load(panel, 224), x6, b, constant);
          a = dotQ8<S>(v128.load(panel, 240), x7, a, constant);
          b = dotQ8<S>(v128.load(panel, 256), x7, b, constant);
        } else {
          let at = panel + 16, x = q;
          for (const end = panel + groupBytes<T>(); at < end; at += 32, x += 8) {
            const both = v128.load(at), more = v128.load(at, 16);
            const first = four(x), second = four(x + 4);
            a = dotQ4<S>(v128.and(both, constant), first, a);
            b = dotQ4<S>(v128.and(i16x8.shr_u(both, 4), constant), first, b);
            a = dotQ4<S>(v128.and(more, constant), second, a);
            b = dotQ4<S>(v128.and(i16x8.shr_u(more, 4), constant), second, b);
          }
        }
        v128.store(sum, join<T, S>(v128.load(sum), a, params, isQ8<T>() ? a : lowExtra<T>(panel)));
        v128.store(sum, join<T, S>(v128.load(sum, 16), b, params, isQ8<T>() ? b : highExtra<T>(panel)), 16);
      }
    } else {
      for (let p = 0; p < panels; p++, panel += panelBytes, sum += 32) {
        const extra0 = lowExtra<T>(panel), extra1 = highExtra<T>(panel);
        let a = begin<T, S>(params, extra0), b = begin<T, S>(params, extra1);
        let at = panel + 16, x = q;
        for (const end = panel + groupBytes<T>(); at < end; at += 16) {
          const both = v128.load(at);
          const x0 = four(x);
          if (isQ8<T>()) {
            a = dotQ8<S>(i16x8.extend_low_i8x16_s(both), x0, a, constant);
            b = dotQ8<S>(i16x8.extend_high_i8x16_s(both), x0, b, constant);
            x += 4;
          } else {
            const first = v128.and(both, constant), second = v128.and(i16x8.shr_u(both, 4), constant);
            const x1 = four(x + 4);
            a = dotQ4<S>(i16x8.extend_low_i8x16_u(first), x0, a);
            b = dotQ4<S>(i16x8.extend_high_i8x16_u(first), x0, b);
            a = dotQ4<S>(i16x8.extend_low_i8x16_u(second), x1, a);
            b = dotQ4<S>(i16x8.extend_high_i8x16_u(second), x1, b);
            x += 8;
          }
        }
        v128.store(sum, join<T, S>(v128.load(sum), a, params, extra0));
        v128.store(sum, join<T, S>(v128.load(sum, 16), b, params, extra1), 16);
      }
    }
  }
}

/** Four rows, eight outputs. */
function tile4<T, S>(
  q: usize,
  qStride: usize,
  params: usize,
  w: usize,
  groups: i32,
  y: usize,
  yStride: usize,
  scales: usize,
  bias: usize,
  columns: i32,
): void {
  let q1 = q + qStride, q2 = q1 + qStride, q3 = q2 + qStride;
  const paramsStride = <usize>groups * 8;
  const constant = four(isQ8<T>() ? BITS + 4 : BITS);
  let low0 = f32x4.splat(0), high0 = low0;
  let low1 = low0, high1 = low0;
  let low2 = low0, high2 = low0;
  let low3 = low0, high3 = low0;
  for (let group = 0; group < groups; group++, w += groupBytes<T>(), params += 8) {
    // The scales of 4-bit weights would only take registers before the sums are there.
    let extra0 = v128.load16x4_s(w), extra1 = v128.load16x4_s(w, 8);
    let place = params;
    let a0 = begin<T, S>(place, extra0), b0 = begin<T, S>(place, extra1);
    place += paramsStride;
    let a1 = begin<T, S>(place, extra0), b1 = begin<T, S>(place, extra1);
    place += paramsStride;
    let a2 = begin<T, S>(place, extra0), b2 = begin<T, S>(place, extra1);
    place += paramsStride;
    let a3 = begin<T, S>(place, extra0), b3 = begin<T, S>(place, extra1);
    let at = w + 16;
    const end = w + groupBytes<T>();
    for (; at < end; ) {
      if (isQ8<T>()) {
        let weights0: v128, weights1: v128;
        if (ASC_FEATURE_RELAXED_SIMD) {
          weights0 = v128.load(at);
          weights1 = v128.load(at, 16);
          at += 32;
        } else {
          const both = v128.load(at);
          weights0 = i16x8.extend_low_i8x16_s(both);
          weights1 = i16x8.extend_high_i8x16_s(both);
          at += 16;
        }
        let x = four(q);
        a0 = dotQ8<S>(weights0, x, a0, constant);
        b0 = dotQ8<S>(weights1, x, b0, constant);
        x = four(q1);
        a1 = dotQ8<S>(weights0, x, a1, constant);
        b1 = dotQ8<S>(weights1, x, b1, constant);
        x = four(q2);
        a2 = dotQ8<S>(weights0, x, a2, constant);
        b2 = dotQ8<S>(weights1, x, b2, constant);
        x = four(q3);
        a3 = dotQ8<S>(weights0, x, a3, constant);
        b3 = dotQ8<S>(weights1, x, b3, constant);
        q += 4;
        q1 += 4;
        q2 += 4;
        q3 += 4;
      } else {
        const both = v128.load(at);
        const first = v128.and(both, constant), second = v128.and(i16x8.shr_u(both, 4), constant);
        at += 16;
        if (ASC_FEATURE_RELAXED_SIMD) {
          let x = four(q);
          a0 = dotQ4<S>(first, x, a0);
          b0 = dotQ4<S>(second, x, b0);
          x = four(q1);
          a1 = dotQ4<S>(first, x, a1);
          b1 = dotQ4<S>(second, x, b1);
          x = four(q2);
          a2 = dotQ4<S>(first, x, a2);
          b2 = dotQ4<S>(second, x, b2);
          x = four(q3);
          a3 = dotQ4<S>(first, x, a3);
          b3 = dotQ4<S>(second, x, b3);
        } else {
          let weights0 = i16x8.extend_low_i8x16_u(first), weights1 = i16x8.extend_high_i8x16_u(first);
          a0 = dotQ4<S>(weights0, four(q), a0);
          b0 = dotQ4<S>(weights1, four(q), b0);
          a1 = dotQ4<S>(weights0, four(q1), a1);
          b1 = dotQ4<S>(weights1, four(q1), b1);
          a2 = dotQ4<S>(weights0, four(q2), a2);
          b2 = dotQ4<S>(weights1, four(q2), b2);
          a3 = dotQ4<S>(weights0, four(q3), a3);
          b3 = dotQ4<S>(weights1, four(q3), b3);
          weights0 = i16x8.extend_low_i8x16_u(second);
          weights1 = i16x8.extend_high_i8x16_u(second);
          a0 = dotQ4<S>(weights0, four(q + 4), a0);
          b0 = dotQ4<S>(weights1, four(q + 4), b0);
          a1 = dotQ4<S>(weights0, four(q1 + 4), a1);
          b1 = dotQ4<S>(weights1, four(q1 + 4), b1);
          a2 = dotQ4<S>(weights0, four(q2 + 4), a2);
          b2 = dotQ4<S>(weights1, four(q2 + 4), b2);
          a3 = dotQ4<S>(weights0, four(q3 + 4), a3);
          b3 = dotQ4<S>(weights1, four(q3 + 4), b3);
        }
        q += 4 * INPUT_BYTES;
        q1 += 4 * INPUT_BYTES;
        q2 += 4 * INPUT_BYTES;
        q3 += 4 * INPUT_BYTES;
      }
    }
    if (!isQ8<T>()) {
      extra0 = lowExtra<T>(w);
      extra1 = highExtra<T>(w);
    }
    place = params;
    low0 = join<T, S>(low0, a0, place, extra0);
    high0 = join<T, S>(high0, b0, place, extra1);
    place += paramsStride;
    low1 = join<T, S>(low1, a1, place, extra0);
    high1 = join<T, S>(high1, b1, place, extra1);
    place += paramsStride;
    low2 = join<T, S>(low2, a2, place, extra0);
    high2 = join<T, S>(high2, b2, place, extra1);
    place += paramsStride;
    low3 = join<T, S>(low3, a3, place, extra0);
    high3 = join<T, S>(high3, b3, place, extra1);
  }
  if (columns >= 8) {
    putWhole<T>(y, low0, high0, scales, bias);
    y += yStride;
    putWhole<T>(y, low1, high1, scales, bias);
    y += yStride;
    putWhole<T>(y, low2, high2, scales, bias);
    y += yStride;
    putWhole<T>(y, low3, high3, scales, bias);
    return;
  }
  put(y, low0, high0, scales, bias, columns);
  y += yStride;
  put(y, low1, high1, scales, bias, columns);
  y += yStride;
  put(y, low2, high2, scales, bias, columns);
  y += yStride;
  put(y, low3, high3, scales, bias, columns);
}

/** The products that there are, so that what is around their tiles is there once. */
const Q8_HALVES = 0, Q8_WHOLE = 1, Q4_HALVES = 2, Q4_WHOLE = 3;

function product(
  kind: i32,
  q: usize,
  params: usize,
  w: usize,
  scales: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  activation: i32,
  shift: usize,
  scratch: usize,
): void {
  const groups = (K + GROUP - 1) / GROUP;
  const qStride = <usize>groups * GROUP * INPUT_BYTES, paramsStride = <usize>groups * 8;
  const panelBytes = <usize>groups * (kind < Q4_HALVES ? GROUP_BYTES_Q8 : GROUP_BYTES_Q4);
  const yStride = <usize>N * 4;
  // One row reads several panels side by side, several rows read each panel once.
  const all = (N + 7) >> 3, apart = M == 1 ? (all + TOGETHER - 1) / TOGETHER : all;
  const block = max(<i32>(ROW_BLOCK_BYTES / max(qStride, 1)) & ~3, 16);
  for (let begin = 0; begin < M; begin += block) {
    const end = min(begin + block, M);
    let panel = w;
    for (let index = 0; index < apart; index++, panel += panelBytes) {
      const column = index * 8;
      const panelScales = scales ? scales + column * 4 : 0, panelBias = bias ? bias + column * 4 : 0;
      let row = begin, x = q + qStride * begin, rowParams = params + paramsStride * begin, to = y + yStride * begin + column * 4;
      for (; row + 4 <= end; row += 4) {
        if (kind == Q8_HALVES) tile4<Q8, Halves>(x, qStride, rowParams, panel, groups, to, yStride, panelScales, panelBias, N - column);
        else if (kind == Q4_HALVES) tile4<Q4, Halves>(x, qStride, rowParams, panel, groups, to, yStride, panelScales, panelBias, N - column);
        else if (ASC_FEATURE_RELAXED_SIMD) {
          if (kind == Q8_WHOLE) tile4<Q8, Whole>(x, qStride, rowParams, panel, groups, to, yStride, panelScales, panelBias, N - column);
          else tile4<Q4, Whole>(x, qStride, rowParams, panel, groups, to, yStride, panelScales, panelBias, N - column);
        }
        x += qStride * 4;
        rowParams += paramsStride * 4;
        to += yStride * 4;
      }
      for (; row < end; row++, x += qStride, rowParams += paramsStride, to += yStride) {
        const panels = (all - index + apart - 1) / apart;
        if (kind == Q8_HALVES) sumRow<Q8, Halves>(x, rowParams, panel, panelBytes * apart, panels, groups, scratch);
        else if (kind == Q4_HALVES) sumRow<Q4, Halves>(x, rowParams, panel, panelBytes * apart, panels, groups, scratch);
        else if (ASC_FEATURE_RELAXED_SIMD) {
          if (kind == Q8_WHOLE) sumRow<Q8, Whole>(x, rowParams, panel, panelBytes * apart, panels, groups, scratch);
          else sumRow<Q4, Whole>(x, rowParams, panel, panelBytes * apart, panels, groups, scratch);
        }
        for (let p = 0; p < panels; p++) {
          const low = v128.load(scratch + p * 32), high = v128.load(scratch + p * 32, 16);
          const at = p * apart * 32;
          put(to + at, low, high, panelScales ? panelScales + at : 0, panelBias ? panelBias + at : 0, N - column - p * apart * 8);
        }
      }
    }
    finish(activation, shift, y + yStride * begin, (end - begin) * N);
  }
}

/**
 * `y[M, N] = activation(x[M, K] · w[N, K]ᵀ + bias[N]) + residual[M, N]` over inputs that `quantize_inputs_q8` made of x, and 8-bit
 * weights with `scales[N]`; bias, activation and residual 0 are none. Whole panels of scales are read; `scratch` has a place for 64 floats.
 */
export function gemm_q8(
  q: usize,
  params: usize,
  w: usize,
  scales: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  activation: i32,
  residual: usize,
  scratch: usize,
): void {
  product(Q8_HALVES + prefersWhole(), q, params, w, scales, bias, y, M, N, K, activation, shiftOf(residual, y), scratch);
}

/** The same over inputs of `quantize_inputs_q4` and 4-bit weights, which have their scales with them: the operand is not read. */
export function gemm_q4(
  q: usize,
  params: usize,
  w: usize,
  scales: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  activation: i32,
  residual: usize,
  scratch: usize,
): void {
  product(Q4_HALVES + prefersWhole(), q, params, w, 0, bias, y, M, N, K, activation, shiftOf(residual, y), scratch);
}
