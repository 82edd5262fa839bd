// Linear layers over 8- and 4-bit weights: inputs are quantized first, integers are multiplied, groups are joined in f32.
// Both builds compute the same integers; a sum over groups runs in order, so that it depends on K alone.
import { GROUP, GROUP_BYTES_Q4, GROUP_BYTES_Q8, INPUT_BYTES } from "./quantize";
import { multiplyAdd, loadSome, storeSome } from "./simd";
import { widen } from "./weights";

/** 8-bit weights, as a type parameter. */
type Q8 = i8;
/** 4-bit weights, as a type parameter. */
type Q4 = u8;

// 0: the lower four bits of each byte
const BITS = memory.data<u32>([0x0f0f0f0f]);
/** Bytes of quantized inputs that tiles work on before the next panel, so that they stay in the second-level cache. */
const ROW_BLOCK_BYTES = 192 * 1024;

@inline
function isQ8<T>(): bool {
  return isSigned<T>();
}

@inline
function groupBytes<T>(): usize {
  return isQ8<T>() ? GROUP_BYTES_Q8 : GROUP_BYTES_Q4;
}

/** `sum` and four products for each of four outputs (relaxed build), or two (the other). */
@inline
function dot8(weights: v128, inputs: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(weights, inputs)));
  }
  return i32x4.add(sum, i32x4.dot_i16x8_s(weights, inputs));
}

@inline
function four(x: usize): v128 {
  return v128.load32_splat(x);
}

/** Four outputs of a group in f32, before scales: 4-bit products of the relaxed build are still pairs of halves. */
@inline
function toFloats<T>(sums: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && !isQ8<T>()) sums = i32x4.extadd_pairwise_i16x8_s(sums);
  return f32x4.convert_i32x4_s(sums);
}

/** What a group of one row adds to its sum: all integers here are below 2^24, so that only the last step rounds. */
@inline
function join<T>(sum: v128, integers: v128, params: usize, extra: v128): v128 {
  const scale = v128.load32_splat(params), offset = v128.load32_splat(params, 4);
  if (isQ8<T>()) return multiplyAdd(scale, f32x4.sub(integers, f32x4.mul(offset, extra)), sum);
  return multiplyAdd(f32x4.mul(scale, extra), f32x4.sub(integers, offset), sum);
}

/** Of 8-bit weights the sums of outputs 0 to 3 over the group, of 4-bit weights their scales. */
@inline
function lowExtra<T>(group: usize): v128 {
  if (isQ8<T>()) return f32x4.convert_i32x4_s(v128.load16x4_s(group));
  return widen<u16>(i32x4.shl(v128.load16x4_u(group), 16));
}

@inline
function highExtra<T>(group: usize): v128 {
  return lowExtra<T>(group + 8);
}

/** Eight sums to y: times the outputs' scales (8-bit weights), plus the bias (0: none), `columns` of them. */
function put<T>(y: usize, low: v128, high: v128, scales: usize, bias: usize, columns: i32): void {
  for (let half = 0; half < 2; half++) {
    if (columns <= 0) return;
    if (isQ8<T>()) low = f32x4.mul(low, v128.load(scales));
    if (columns >= 4) {
      if (bias) low = f32x4.add(low, v128.load(bias));
      v128.store(y, low);
    } else {
      if (bias) low = f32x4.add(low, loadSome(bias, columns));
      storeSome(y, low, columns);
    }
    y += 16;
    scales += 16;
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

/** Panels of 8-bit weights that one row reads side by side, as memory gives several streams faster than one; 4-bit weights were no faster so. */
const TOGETHER = 8;

/** One row, the eight outputs of each of `panels` panels: `[panels, 8]` sums, before scales of outputs. */
function sumRow<T>(
  q: usize,
  params: usize,
  w: usize,
  panelBytes: usize,
  panels: i32,
  groups: i32,
  sums: usize,
): void {
  memory.fill(sums, 0, <usize>panels * 32);
  const mask = four(BITS);
  for (let group = 0; group < groups; group++, w += groupBytes<T>(), params += 8, q += GROUP * INPUT_BYTES) {
    let panel = w, sum = sums;
    for (let p = 0; p < panels; p++, panel += panelBytes, sum += 32) {
      let a0 = i32x4.splat(0), b0 = a0;
      let at = panel + 16, x = q;
      for (const end = panel + groupBytes<T>(); at < end; ) {
        if (isQ8<T>()) {
          if (ASC_FEATURE_RELAXED_SIMD) {
            let x0 = four(x);
            a0 = dot8(v128.load(at), x0, a0);
            b0 = dot8(v128.load(at, 16), x0, b0);
            x0 = four(x + 4);
            a0 = dot8(v128.load(at, 32), x0, a0);
            b0 = dot8(v128.load(at, 48), x0, b0);
            at += 64;
            x += 8;
          } else {
            const x0 = four(x);
            const both = v128.load(at);
            a0 = dot8(i16x8.extend_low_i8x16_s(both), x0, a0);
            b0 = dot8(i16x8.extend_high_i8x16_s(both), x0, b0);
            at += 16;
            x += 4;
          }
        } else {
          const both = v128.load(at);
          const first = v128.and(both, mask), second = v128.and(i16x8.shr_u(both, 4), mask);
          if (ASC_FEATURE_RELAXED_SIMD) {
            const more = v128.load(at, 16);
            let x0 = four(x);
            a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(x0, first));
            b0 = i16x8.add(b0, i16x8.relaxed_dot_i8x16_i7x16_s(x0, second));
            x0 = four(x + 4);
            a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(x0, v128.and(more, mask)));
            b0 = i16x8.add(b0, i16x8.relaxed_dot_i8x16_i7x16_s(x0, v128.and(i16x8.shr_u(more, 4), mask)));
            at += 16;
            x += 4;
          } else {
            const x0 = four(x), x1 = four(x + 4);
            a0 = dot8(i16x8.extend_low_i8x16_u(first), x0, a0);
            b0 = dot8(i16x8.extend_high_i8x16_u(first), x0, b0);
            a0 = dot8(i16x8.extend_low_i8x16_u(second), x1, a0);
            b0 = dot8(i16x8.extend_high_i8x16_u(second), x1, b0);
          }
          at += 16;
          x += 4 * INPUT_BYTES;
        }
      }
      v128.store(sum, join<T>(v128.load(sum), toFloats<T>(a0), params, lowExtra<T>(panel)));
      v128.store(sum, join<T>(v128.load(sum, 16), toFloats<T>(b0), params, highExtra<T>(panel)), 16);
    }
  }
}

/** Four rows, eight outputs. */
function tile4<T>(
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
  let low0 = f32x4.splat(0), high0 = low0;
  let low1 = low0, high1 = low0;
  let low2 = low0, high2 = low0;
  let low3 = low0, high3 = low0;
  for (let group = 0; group < groups; group++, w += groupBytes<T>(), params += 8) {
    let a0 = i32x4.splat(0), b0 = a0;
    let a1 = a0, b1 = a0;
    let a2 = a0, b2 = a0;
    let a3 = a0, b3 = a0;
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
        a0 = dot8(weights0, x, a0);
        b0 = dot8(weights1, x, b0);
        x = four(q1);
        a1 = dot8(weights0, x, a1);
        b1 = dot8(weights1, x, b1);
        x = four(q2);
        a2 = dot8(weights0, x, a2);
        b2 = dot8(weights1, x, b2);
        x = four(q3);
        a3 = dot8(weights0, x, a3);
        b3 = dot8(weights1, x, b3);
        q += 4;
        q1 += 4;
        q2 += 4;
        q3 += 4;
      } else {
        const both = v128.load(at);
        const first = v128.and(both, four(BITS)), second = v128.and(i16x8.shr_u(both, 4), four(BITS));
        at += 16;
        if (ASC_FEATURE_RELAXED_SIMD) {
          let x = four(q);
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(x, first));
          b0 = i16x8.add(b0, i16x8.relaxed_dot_i8x16_i7x16_s(x, second));
          x = four(q1);
          a1 = i16x8.add(a1, i16x8.relaxed_dot_i8x16_i7x16_s(x, first));
          b1 = i16x8.add(b1, i16x8.relaxed_dot_i8x16_i7x16_s(x, second));
          x = four(q2);
          a2 = i16x8.add(a2, i16x8.relaxed_dot_i8x16_i7x16_s(x, first));
          b2 = i16x8.add(b2, i16x8.relaxed_dot_i8x16_i7x16_s(x, second));
          x = four(q3);
          a3 = i16x8.add(a3, i16x8.relaxed_dot_i8x16_i7x16_s(x, first));
          b3 = i16x8.add(b3, i16x8.relaxed_dot_i8x16_i7x16_s(x, second));
        } else {
          let weights0 = i16x8.extend_low_i8x16_u(first), weights1 = i16x8.extend_high_i8x16_u(first);
          a0 = dot8(weights0, four(q), a0);
          b0 = dot8(weights1, four(q), b0);
          a1 = dot8(weights0, four(q1), a1);
          b1 = dot8(weights1, four(q1), b1);
          a2 = dot8(weights0, four(q2), a2);
          b2 = dot8(weights1, four(q2), b2);
          a3 = dot8(weights0, four(q3), a3);
          b3 = dot8(weights1, four(q3), b3);
          weights0 = i16x8.extend_low_i8x16_u(second);
          weights1 = i16x8.extend_high_i8x16_u(second);
          a0 = dot8(weights0, four(q + 4), a0);
          b0 = dot8(weights1, four(q + 4), b0);
          a1 = dot8(weights0, four(q1 + 4), a1);
          b1 = dot8(weights1, four(q1 + 4), b1);
          a2 = dot8(weights0, four(q2 + 4), a2);
          b2 = dot8(weights1, four(q2 + 4), b2);
          a3 = dot8(weights0, four(q3 + 4), a3);
          b3 = dot8(weights1, four(q3 + 4), b3);
        }
        q += 4 * INPUT_BYTES;
        q1 += 4 * INPUT_BYTES;
        q2 += 4 * INPUT_BYTES;
        q3 += 4 * INPUT_BYTES;
      }
    }
    const extra0 = lowExtra<T>(w), extra1 = highExtra<T>(w);
    let place = params;
    low0 = join<T>(low0, toFloats<T>(a0), place, extra0);
    high0 = join<T>(high0, toFloats<T>(b0), place, extra1);
    place += paramsStride;
    low1 = join<T>(low1, toFloats<T>(a1), place, extra0);
    high1 = join<T>(high1, toFloats<T>(b1), place, extra1);
    place += paramsStride;
    low2 = join<T>(low2, toFloats<T>(a2), place, extra0);
    high2 = join<T>(high2, toFloats<T>(b2), place, extra1);
    place += paramsStride;
    low3 = join<T>(low3, toFloats<T>(a3), place, extra0);
    high3 = join<T>(high3, toFloats<T>(b3), place, extra1);
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
  put<T>(y, low0, high0, scales, bias, columns);
  y += yStride;
  put<T>(y, low1, high1, scales, bias, columns);
  y += yStride;
  put<T>(y, low2, high2, scales, bias, columns);
  y += yStride;
  put<T>(y, low3, high3, scales, bias, columns);
}

/** One row, the outputs of several panels; `scratch` has a place for all. */
function tile1<T>(
  q: usize,
  params: usize,
  w: usize,
  panelBytes: usize,
  panels: i32,
  groups: i32,
  y: usize,
  scales: usize,
  bias: usize,
  columns: i32,
  scratch: usize,
): void {
  sumRow<T>(q, params, w, panelBytes, panels, groups, scratch);
  for (; panels > 0; panels--, y += 32, scales += 32, columns -= 8, scratch += 32) {
    put<T>(y, v128.load(scratch), v128.load(scratch, 16), scales, bias, columns);
    if (bias) bias += 32;
  }
}

function product<T>(
  q: usize,
  params: usize,
  w: usize,
  scales: usize,
  bias: usize,
  y: usize,
  M: i32,
  N: i32,
  K: i32,
  scratch: usize,
): void {
  const groups = (K + GROUP - 1) / GROUP;
  const qStride = <usize>groups * GROUP * INPUT_BYTES;
  const panelBytes = <usize>groups * groupBytes<T>();
  const yStride = <usize>N * 4;
  // One row reads several panels side by side; several rows read each panel once.
  const together = M == 1 && isQ8<T>() ? TOGETHER : 1;
  const block = max(<i32>(ROW_BLOCK_BYTES / max(qStride, 1)) & ~3, 16);
  for (let begin = 0; begin < M; begin += block) {
    const end = min(begin + block, M);
    let panel = w;
    for (let column = 0; column < N; column += 8 * together, panel += panelBytes * together) {
      const panelScales = scales + column * 4;
      const panelBias = bias ? bias + column * 4 : 0;
      let row = begin;
      for (; row + 4 <= end; row += 4) {
        const at = y + yStride * row + column * 4;
        const rowParams = params + <usize>row * groups * 8;
        tile4<T>(q + qStride * row, qStride, rowParams, panel, groups, at, yStride, panelScales, panelBias, N - column);
      }
      for (; row < end; row++) {
        const at = y + yStride * row + column * 4;
        const rowParams = params + <usize>row * groups * 8;
        const panels = min(together, (N - column + 7) >> 3);
        tile1<T>(q + qStride * row, rowParams, panel, panelBytes, panels, groups, at, panelScales, panelBias, N - column, scratch);
      }
    }
  }
}

/**
 * `y[M, N] = x[M, K] · w[N, K]ᵀ + bias[N]` over inputs that `quantize_inputs_q8` made of x, and 8-bit weights with `scales[N]`;
 * bias 0 is none. Whole panels of scales are read; `scratch` has a place for 64 floats.
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
  scratch: usize,
): void {
  product<Q8>(q, params, w, scales, bias, y, M, N, K, scratch);
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
  scratch: usize,
): void {
  product<Q4>(q, params, w, scales, bias, y, M, N, K, scratch);
}
