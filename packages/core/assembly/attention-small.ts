// Attention of a few rows over small heads.
import { PAGE, roundUp8, roundUp16 } from "./cache";
import { constant, multiplyAdd, storeSome } from "./simd";
import { lanesMaximum, paddedExponentials, rowMaximum } from "./softmax";

const LOWEST = memory.data<f32>([-Infinity]);
/**
 * `y[r] = softmax(scale * q[r] · keys) · values` for a few rows that all see S keys of small heads, as in decoding, where the product's
 * loops are mostly overhead. Two rows go together (an odd last one with itself), with two panels or two pages side by side: eight
 * sums, in the product's order.
 */
export function attendSmall(q: usize, stride: usize, y: usize, rows: i32, S: i32, pages: usize, head: i32, K: i32, E: i32, scale: f32, scratch: usize): void {
  const E8 = roundUp8(E);
  const keys = <usize>(head * PAGE * E) * 4, values = <usize>(K * PAGE * E + head * PAGE * E8) * 4;
  const headBytes = <usize>E * 4;
  const first = scratch, second = scratch + <usize>roundUp16(S) * 4;
  for (let row = 0; row < rows; row += 2) {
    const other = min(row + 1, rows - 1);
    const q0 = q + <usize>row * stride, q1 = q + <usize>other * stride;
    const y0 = y + <usize>row * stride, y1 = y + <usize>other * stride;
    // Pairs of panels that are whole give the maximum on the way; what is behind them holds more than scores.
    const whole = S & ~15;
    let largest0 = constant(LOWEST), largest1 = largest0;
    for (let start = 0; start < S; start += 16) {
      const page = <usize>load<u32>(pages + (start / PAGE) * 4) + keys;
      let at = page + <usize>((start % PAGE) * E) * 4, next = at + headBytes * 8;
      let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      let at0 = q0, at1 = q1;
      for (const end = at + headBytes * 8; at < end; at += 32, next += 32, at0 += 4, at1 += 4) {
        const a = v128.load32_splat(at0), b = v128.load32_splat(at1);
        let key = v128.load(at);
        a0 = multiplyAdd(a, key, a0);
        b0 = multiplyAdd(b, key, b0);
        key = v128.load(at, 16);
        a1 = multiplyAdd(a, key, a1);
        b1 = multiplyAdd(b, key, b1);
        key = v128.load(next);
        a2 = multiplyAdd(a, key, a2);
        b2 = multiplyAdd(b, key, b2);
        key = v128.load(next, 16);
        a3 = multiplyAdd(a, key, a3);
        b3 = multiplyAdd(b, key, b3);
      }
      const score0 = first + start * 4, score1 = second + start * 4;
      v128.store(score0, a0);
      v128.store(score0, a1, 16);
      v128.store(score0, a2, 32);
      v128.store(score0, a3, 48);
      v128.store(score1, b0);
      v128.store(score1, b1, 16);
      v128.store(score1, b2, 32);
      v128.store(score1, b3, 48);
      if (start >= whole) continue;
      largest0 = f32x4.pmax(largest0, f32x4.pmax(f32x4.pmax(a0, a1), f32x4.pmax(a2, a3)));
      largest1 = f32x4.pmax(largest1, f32x4.pmax(f32x4.pmax(b0, b1), f32x4.pmax(b2, b3)));
    }
    const maximum0 = max(lanesMaximum(largest0), rowMaximum(first + whole * 4, S - whole));
    const maximum1 = max(lanesMaximum(largest1), rowMaximum(second + whole * 4, S - whole));
    const sum0 = <f32>paddedExponentials(first, S, maximum0, scale);
    const sum1 = <f32>paddedExponentials(second, S, maximum1, scale);
    for (let channel = 0; channel < E; channel += 8) {
      const place = <usize>channel * 4;
      weighPair(first, second, pages, values + place * PAGE, y0 + place, y1 + place, E - channel, S, sum0, sum1);
    }
  }
}

/** Positions of a page before the other one has its turn: sums of both in one loop are more than V8's registers hold. */
const TURN = 8;

/** Two rows of S weights times eight channels of the values, divided by the weights' sums: two whole pages at a time. */
function weighPair(weights0: usize, weights1: usize, pages: usize, values: usize, y0: usize, y1: usize, channels: i32, S: i32, sum0: f32, sum1: f32): void {
  let low0 = f32x4.splat(0), high0 = low0, low1 = low0, high1 = low0;
  for (; S > 0; S -= PAGE, pages += 4) {
    let value = <usize>load<u32>(pages) + values, second: usize = 0;
    let turn = <usize>min(S, PAGE) * 32;
    const end = value + turn;
    if (S >= 2 * PAGE) {
      S -= PAGE;
      pages += 4;
      second = <usize>load<u32>(pages) + values;
      turn = TURN * 32;
    }
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    while (value < end) {
      for (const stop = value + turn; value < stop; value += 32, weights0 += 4, weights1 += 4) {
        const a = v128.load32_splat(weights0), b = v128.load32_splat(weights1);
        let v = v128.load(value);
        a0 = multiplyAdd(a, v, a0);
        b0 = multiplyAdd(b, v, b0);
        v = v128.load(value, 16);
        a1 = multiplyAdd(a, v, a1);
        b1 = multiplyAdd(b, v, b1);
      }
      if (!second) break;
      weights0 += (PAGE - TURN) * 4;
      weights1 += (PAGE - TURN) * 4;
      for (const stop = second + turn; second < stop; second += 32, weights0 += 4, weights1 += 4) {
        const a = v128.load32_splat(weights0), b = v128.load32_splat(weights1);
        let v = v128.load(second);
        a2 = multiplyAdd(a, v, a2);
        b2 = multiplyAdd(b, v, b2);
        v = v128.load(second, 16);
        a3 = multiplyAdd(a, v, a3);
        b3 = multiplyAdd(b, v, b3);
      }
      weights0 -= PAGE * 4;
      weights1 -= PAGE * 4;
    }
    if (second) {
      weights0 += PAGE * 4;
      weights1 += PAGE * 4;
    }
    low0 = f32x4.add(f32x4.add(low0, a0), a2);
    high0 = f32x4.add(f32x4.add(high0, a1), a3);
    low1 = f32x4.add(f32x4.add(low1, b0), b2);
    high1 = f32x4.add(f32x4.add(high1, b1), b3);
  }
  storeQuotients(y0, low0, high0, sum0, channels);
  storeQuotients(y1, low1, high1, sum1, channels);
}

function storeQuotients(y: usize, low: v128, high: v128, sum: f32, channels: i32): void {
  const sums = f32x4.splat(sum);
  low = f32x4.div(low, sums);
  if (channels < 4) return storeSome(y, low, channels);
  v128.store(y, low);
  high = f32x4.div(high, sums);
  if (channels < 8) storeSome(y + 16, high, channels - 4);
  else v128.store(y, high, 16);
}
