// Norms of rows. Sums run in f64 (no overflow, no round-off worth naming), in an order that depends on D only.
import { loadSome, storeSome } from "./simd";

function sumLanes(low: v128, high: v128): f64 {
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

function upper(values: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(values, values, 1, 1));
}

/** `1 / sqrt(sum((x - mean) ** 2) / D + eps)` of one row. */
function inverseDeviation(x: usize, D: i32, mean: f64, eps: f32): f64 {
  const means = f64x2.splat(mean);
  let low = f64x2.splat(0),
    high = low;
  let i = 0;
  for (; i + 4 <= D; i += 4) {
    const values = v128.load(x + i * 4);
    const a = f64x2.sub(f64x2.promote_low_f32x4(values), means),
      b = f64x2.sub(upper(values), means);
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  let sum = sumLanes(low, high);
  for (; i < D; i++) {
    const value = <f64>load<f32>(x + i * 4) - mean;
    sum += value * value;
  }
  return 1 / sqrt(sum / D + eps);
}

/** `y = x / sqrt(mean(x ** 2) + eps) * weight` for each of `rows` rows of D. y may be x. */
export function rms_norm_f32(x: usize, weight: usize, y: usize, rows: i32, D: i32, eps: f32): void {
  for (; rows > 0; rows--, x += <usize>D * 4, y += <usize>D * 4) {
    const factor = f32x4.splat(<f32>inverseDeviation(x, D, 0, eps));
    let i: usize = 0;
    const whole = <usize>(D & ~3) * 4;
    for (; i < whole; i += 16) v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), factor), v128.load(weight + i)));
    const left = D & 3;
    if (left) storeSome(y + i, f32x4.mul(f32x4.mul(loadSome(x + i, left), factor), loadSome(weight + i, left)), left);
  }
}

/** The same for each of `heads` heads of E channels at the start of each row of `rowStride` floats, in place. */
export function rms_norm_heads_f32(x: usize, weight: usize, rows: i32, rowStride: i32, heads: i32, E: i32, eps: f32): void {
  for (; rows > 0; rows--, x += <usize>rowStride * 4) rms_norm_f32(x, weight, x, heads, E, eps);
}

function rowMean(x: usize, D: i32): f64 {
  let low = f64x2.splat(0),
    high = low;
  let i = 0;
  for (; i + 4 <= D; i += 4) {
    const values = v128.load(x + i * 4);
    low = f64x2.add(low, f64x2.promote_low_f32x4(values));
    high = f64x2.add(high, upper(values));
  }
  let sum = sumLanes(low, high);
  for (; i < D; i++) sum += <f64>load<f32>(x + i * 4);
  return sum / D;
}

/** `y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias` for each of `rows` rows of D; bias 0 is none. y may be x. */
export function layer_norm_f32(x: usize, weight: usize, bias: usize, y: usize, rows: i32, D: i32, eps: f32): void {
  const whole = <usize>(D & ~3) * 4,
    left = D & 3;
  for (; rows > 0; rows--, x += <usize>D * 4, y += <usize>D * 4) {
    const mean = rowMean(x, D);
    const factor = f32x4.splat(<f32>inverseDeviation(x, D, mean, eps));
    // The mean in two parts, so that its rounding does not show when it is large beside the deviation.
    const mean0 = f32x4.splat(<f32>mean),
      mean1 = f32x4.splat(<f32>(mean - <f64>(<f32>mean)));
    let i: usize = 0;
    for (; i < whole; i += 16) {
      const centered = f32x4.sub(f32x4.sub(v128.load(x + i), mean0), mean1);
      let value = f32x4.mul(f32x4.mul(centered, factor), v128.load(weight + i));
      if (bias) value = f32x4.add(value, v128.load(bias + i));
      v128.store(y + i, value);
    }
    if (left) {
      const centered = f32x4.sub(f32x4.sub(loadSome(x + i, left), mean0), mean1);
      let value = f32x4.mul(f32x4.mul(centered, factor), loadSome(weight + i, left));
      if (bias) value = f32x4.add(value, loadSome(bias + i, left));
      storeSome(y + i, value, left);
    }
  }
}
