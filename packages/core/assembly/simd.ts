// The few vector helpers that every kernel uses.

/** `a * b + c`, fused where the build has relaxed SIMD. */
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Four copies of the constant at `address`. Current V8 rebuilds a `v128.const` at each use; a load costs nothing. */
@inline
export function constant(address: usize): v128 {
  return v128.load32_splat(address);
}

/** The first `count` floats (0 to 3) at `address`, zeros behind them; reads nothing else. */
export function loadSome(address: usize, count: i32): v128 {
  let value = f32x4.splat(0);
  if (count & 2) {
    value = v128.load64_zero(address);
    if (count & 1) value = v128.load32_lane(address, value, 2, 8);
  } else if (count & 1) value = v128.load32_zero(address);
  return value;
}

/** Writes the first `count` lanes (0 to 3), and nothing else. */
export function storeSome(address: usize, value: v128, count: i32): void {
  if (count & 2) {
    v128.store64_lane(address, value, 0);
    if (count & 1) v128.store32_lane(address, value, 2, 8);
  } else if (count & 1) v128.store32_lane(address, value, 0);
}
