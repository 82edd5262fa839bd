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

/** Eight outputs of a group in f32, before scales: `low` and `high` are what the loop over its inputs left. */
@inline
function lowOf<T>(low: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && !isQ8<T>()) return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low));
  return f32x4.convert_i32x4_s(low);
}

@inline
function highOf<T>(low: v128, high: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && !isQ8<T>()) return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low));
  return f32x4.convert_i32x4_s(high);
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

/** One row, eight outputs. */
function tile1<T>(q: usize, params: usize, w: usize, groups: i32, y: usize, scales: usize, bias: usize, columns: i32): void {
  let low = f32x4.splat(0), high = low;
  for (let group = 0; group < groups; group++, w += groupBytes<T>(), params += 8) {
    let a0 = i32x4.splat(0), b0 = a0;
    let at = w + 16;
    const end = w + groupBytes<T>();
    for (; at < end; ) {
      if (isQ8<T>()) {
        const x0 = four(q);
        if (ASC_FEATURE_RELAXED_SIMD) {
          a0 = dot8(v128.load(at), x0, a0);
          b0 = dot8(v128.load(at, 16), x0, b0);
          at += 32;
        } else {
          const both = v128.load(at);
          a0 = dot8(i16x8.extend_low_i8x16_s(both), x0, a0);
          b0 = dot8(i16x8.extend_high_i8x16_s(both), x0, b0);
          at += 16;
        }
        q += 4;
      } else {
        const both = v128.load(at);
        const first = v128.and(both, four(BITS)), second = v128.and(i16x8.shr_u(both, 4), four(BITS));
        if (ASC_FEATURE_RELAXED_SIMD) {
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q), first));
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q, 2), second));
        } else {
          const x0 = four(q), x1 = four(q + 4);
          a0 = dot8(i16x8.extend_low_i8x16_u(first), x0, a0);
          b0 = dot8(i16x8.extend_high_i8x16_u(first), x0, b0);
          a0 = dot8(i16x8.extend_low_i8x16_u(second), x1, a0);
          b0 = dot8(i16x8.extend_high_i8x16_u(second), x1, b0);
        }
        at += 16;
        q += 4 * INPUT_BYTES;
      }
    }
    low = join<T>(low, lowOf<T>(a0), params, lowExtra<T>(w));
    high = join<T>(high, highOf<T>(a0, b0), params, highExtra<T>(w));
  }
  put<T>(y, low, high, scales, bias, columns);
}

/** One row, the sixteen outputs of two panels, `panelBytes` apart: what is read once serves both, and memory is read in two streams. */
function tile1x2<T>(
  q: usize,
  params: usize,
  w: usize,
  panelBytes: usize,
  groups: i32,
  y: usize,
  scales: usize,
  bias: usize,
  columns: i32,
): void {
  let low0 = f32x4.splat(0), high0 = low0;
  let low1 = low0, high1 = low0;
  for (let group = 0; group < groups; group++, w += groupBytes<T>(), params += 8) {
    let a0 = i32x4.splat(0), b0 = a0;
    let a1 = a0, b1 = a0;
    let at = w + 16;
    const end = w + groupBytes<T>();
    for (; at < end; ) {
      if (isQ8<T>()) {
        const x0 = four(q);
        if (ASC_FEATURE_RELAXED_SIMD) {
          a0 = dot8(v128.load(at), x0, a0);
          b0 = dot8(v128.load(at, 16), x0, b0);
          a1 = dot8(v128.load(at + panelBytes), x0, a1);
          b1 = dot8(v128.load(at + panelBytes, 16), x0, b1);
          at += 32;
        } else {
          let both = v128.load(at);
          a0 = dot8(i16x8.extend_low_i8x16_s(both), x0, a0);
          b0 = dot8(i16x8.extend_high_i8x16_s(both), x0, b0);
          both = v128.load(at + panelBytes);
          a1 = dot8(i16x8.extend_low_i8x16_s(both), x0, a1);
          b1 = dot8(i16x8.extend_high_i8x16_s(both), x0, b1);
          at += 16;
        }
        q += 4;
      } else {
        const mask = four(BITS);
        const both0 = v128.load(at), both1 = v128.load(at + panelBytes);
        const first0 = v128.and(both0, mask), second0 = v128.and(i16x8.shr_u(both0, 4), mask);
        const first1 = v128.and(both1, mask), second1 = v128.and(i16x8.shr_u(both1, 4), mask);
        if (ASC_FEATURE_RELAXED_SIMD) {
          const x0 = v128.load16_splat(q), x1 = v128.load16_splat(q, 2);
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(x0, first0));
          a1 = i16x8.add(a1, i16x8.relaxed_dot_i8x16_i7x16_s(x0, first1));
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(x1, second0));
          a1 = i16x8.add(a1, i16x8.relaxed_dot_i8x16_i7x16_s(x1, second1));
        } else {
          const x0 = four(q), x1 = four(q + 4);
          a0 = dot8(i16x8.extend_low_i8x16_u(first0), x0, a0);
          b0 = dot8(i16x8.extend_high_i8x16_u(first0), x0, b0);
          a0 = dot8(i16x8.extend_low_i8x16_u(second0), x1, a0);
          b0 = dot8(i16x8.extend_high_i8x16_u(second0), x1, b0);
          a1 = dot8(i16x8.extend_low_i8x16_u(first1), x0, a1);
          b1 = dot8(i16x8.extend_high_i8x16_u(first1), x0, b1);
          a1 = dot8(i16x8.extend_low_i8x16_u(second1), x1, a1);
          b1 = dot8(i16x8.extend_high_i8x16_u(second1), x1, b1);
        }
        at += 16;
        q += 4 * INPUT_BYTES;
      }
    }
    low0 = join<T>(low0, lowOf<T>(a0), params, lowExtra<T>(w));
    high0 = join<T>(high0, highOf<T>(a0, b0), params, highExtra<T>(w));
    low1 = join<T>(low1, lowOf<T>(a1), params, lowExtra<T>(w + panelBytes));
    high1 = join<T>(high1, highOf<T>(a1, b1), params, highExtra<T>(w + panelBytes));
  }
  put<T>(y, low0, high0, scales, bias, columns);
  put<T>(y + 32, low1, high1, scales + 32, bias ? bias + 32 : 0, columns - 8);
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
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q), first));
          a1 = i16x8.add(a1, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q1), first));
          a2 = i16x8.add(a2, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q2), first));
          a3 = i16x8.add(a3, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q3), first));
          a0 = i16x8.add(a0, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q, 2), second));
          a1 = i16x8.add(a1, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q1, 2), second));
          a2 = i16x8.add(a2, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q2, 2), second));
          a3 = i16x8.add(a3, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load16_splat(q3, 2), second));
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
    low0 = join<T>(low0, lowOf<T>(a0), place, extra0);
    high0 = join<T>(high0, highOf<T>(a0, b0), place, extra1);
    place += paramsStride;
    low1 = join<T>(low1, lowOf<T>(a1), place, extra0);
    high1 = join<T>(high1, highOf<T>(a1, b1), place, extra1);
    place += paramsStride;
    low2 = join<T>(low2, lowOf<T>(a2), place, extra0);
    high2 = join<T>(high2, highOf<T>(a2, b2), place, extra1);
    place += paramsStride;
    low3 = join<T>(low3, lowOf<T>(a3), place, extra0);
    high3 = join<T>(high3, highOf<T>(a3, b3), place, extra1);
  }
  put<T>(y, low0, high0, scales, bias, columns);
  y += yStride;
  put<T>(y, low1, high1, scales, bias, columns);
  y += yStride;
  put<T>(y, low2, high2, scales, bias, columns);
  y += yStride;
  put<T>(y, low3, high3, scales, bias, columns);
}

function product<T>(q: usize, params: usize, w: usize, scales: usize, bias: usize, y: usize, M: i32, N: i32, K: i32): void {
  const groups = (K + GROUP - 1) / GROUP;
  const qStride = <usize>groups * GROUP * INPUT_BYTES;
  const panelBytes = <usize>groups * groupBytes<T>();
  const yStride = <usize>N * 4;
  if (M == 1) {
    for (let column = 0; column < N; column += 16, w += 2 * panelBytes, y += 64) {
      const panelScales = scales + column * 4, panelBias = bias ? bias + column * 4 : 0;
      if (column + 8 < N) tile1x2<T>(q, params, w, panelBytes, groups, y, panelScales, panelBias, N - column);
      else tile1<T>(q, params, w, groups, y, panelScales, panelBias, N - column);
    }
    return;
  }
  const block = max(<i32>(ROW_BLOCK_BYTES / max(qStride, 1)) & ~3, 16);
  for (let begin = 0; begin < M; begin += block) {
    const end = min(begin + block, M);
    let panel = w;
    for (let column = 0; column < N; column += 8, panel += panelBytes) {
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
        tile1<T>(q + qStride * row, rowParams, panel, groups, at, panelScales, panelBias, N - column);
      }
    }
  }
}

/**
 * `y[M, N] = x[M, K] · w[N, K]ᵀ + bias[N]` over inputs that `quantize_inputs_q8` made of x, and 8-bit weights with `scales[N]`;
 * bias 0 is none. Whole panels of scales are read.
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
): void {
  product<Q8>(q, params, w, scales, bias, y, M, N, K);
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
): void {
  product<Q4>(q, params, w, scales, bias, y, M, N, K);
}
