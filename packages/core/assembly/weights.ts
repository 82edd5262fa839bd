// How weights lie in memory: one set of functions for three types. The compiler picks the branch for each type.
import { constant } from "./simd";

/** IEEE half precision, as a type parameter. */
export type Float16 = u16;
/** The upper half of an f32, as a type parameter. */
export type BFloat16 = i16;

/** Bytes of a panel that hold the eight weights of one input. */
@inline
export function panelStep<T>(): usize {
  return sizeof<T>() * 8;
}

// 0: the bits of a half that the shift moved to their place, 4: 2^112, 8 and 12: the exponent of infinity before and after,
// 16: the upper half of a lane, 20: size and exponent of two halves
const BITS = memory.data<u32>([0x8fffe000, 0x77800000, 0x0f800000, 0x7f800000, 0xffff0000, 0x7fff7fff]);

/**
 * The weights of outputs 0 to 3 of one input, as f32, of the 16 bytes where they begin. Float16 weights come 2^112 too small, because sign,
 * exponent and fraction are only moved to where an f32 has them; `inputFor` makes up for it, exactly, where `is_finite_f16` and `isSmall` hold.
 */
@inline
export function lowWeights<T>(lanes: v128, mask: v128): v128 {
  if (sizeof<T>() == 4) return lanes;
  const upper = i32x4.shl(lanes, 16);
  return isSigned<T>() ? upper : moved(upper, mask);
}

/** The weights of outputs 4 to 7: of the same bytes, or of f32 those behind them. */
@inline
export function highWeights<T>(lanes: v128, address: usize, mask: v128): v128 {
  if (sizeof<T>() == 4) return v128.load(address, 16);
  return isSigned<T>() ? v128.and(lanes, mask) : moved(lanes, mask);
}

/** What `lowWeights` and `highWeights` leave of lanes: loops have it in a register. */
@inline
export function maskOf<T>(): v128 {
  return constant(isSigned<T>() ? BITS + 16 : BITS);
}

/** What to multiply weights by: four copies of the input at `address`. */
@inline
export function inputFor<T>(address: usize): v128 {
  const value = v128.load32_splat(address);
  if (sizeof<T>() == 4 || isSigned<T>()) return value;
  return f32x4.mul(value, constant(BITS + 4));
}

/** The f16 in the upper halves of four lanes as f32, 2^112 too small. */
@inline
function moved(lanes: v128, mask: v128): v128 {
  return v128.and(i32x4.shr_s(lanes, 3), mask);
}

/** Four floats from the halves in the upper halves of four lanes, exact for every value. Inlined: Node 20 takes longer for a call than for this. */
@inline
export function widen<T>(lanes: v128): v128 {
  if (isSigned<T>()) return v128.and(lanes, constant(BITS + 16));
  const bits = moved(lanes, constant(BITS));
  const infinity = constant(BITS + 8);
  const special = i32x4.eq(v128.and(bits, infinity), infinity);
  return v128.or(f32x4.mul(bits, constant(BITS + 4)), v128.and(special, constant(BITS + 12)));
}

/** One value of a table or a panel, as f32. */
export function widenOne<T>(address: usize): f32 {
  if (sizeof<T>() == 4) return load<f32>(address);
  return f32x4.extract_lane(widen<T>(i32x4.shl(v128.load16_splat(address), 16)), 0);
}

/** Whether none of n f16 numbers is infinite or NaN. */
export function is_finite_f16(x: usize, n: i32): i32 {
  const sizes = constant(BITS + 20);
  let largest = i16x8.splat(0);
  for (; n >= 8; n -= 8, x += 16) largest = i16x8.max_u(largest, v128.and(v128.load(x), sizes));
  for (; n > 0; n--, x += 2) largest = i16x8.max_u(largest, v128.and(v128.load16_splat(x), sizes));
  return i32(!v128.any_true(i16x8.ge_u(largest, i16x8.splat(0x7c00))));
}

/** Whether `inputFor` does not overflow for `n` inputs. */
export function isSmall<T>(x: usize, n: i32): bool {
  if (sizeof<T>() == 4 || isSigned<T>()) return true;
  for (let i = 0; i < n; i++) if (!(abs(load<f32>(x + i * 4)) < 65536)) return false;
  return true;
}

/** Writes `depth` inputs of a panel as f32, exact for every value. */
export function widenPanel<T>(panel: usize, to: usize, depth: i32): void {
  for (const end = panel + <usize>depth * 16; panel < end; panel += 16, to += 32) {
    const lanes = v128.load(panel);
    v128.store(to, widen<T>(i32x4.shl(lanes, 16)));
    v128.store(to, widen<T>(lanes), 16);
  }
}
