// How weights lie in memory, one set of functions for the three types. AssemblyScript picks the branch at compile time.
import { constant } from "./simd";

/** IEEE half precision, in type parameters. */
export type Float16 = u16;
/** The upper half of an f32, in type parameters. */
export type BFloat16 = i16;

/** Bytes that the eight weights of one input take in a panel. */
export function panelStep<T>(): usize {
  return sizeof<T>() * 8;
}

// For Float16: the bits that stay after the shift, 2^112, the exponent of infinity before and after.
const HALF_CONSTANTS = memory.data<u32>([0x8fffe000, 0x77800000, 0x0f800000, 0x7f800000]);

/** The weights of outputs 0 to 3 of one input, as f32. */
export function lowWeights<T>(address: usize): v128 {
  const lanes = v128.load(address);
  if (sizeof<T>() == 4) return lanes;
  return widen<T>(i32x4.shl(lanes, 16));
}

/** The weights of outputs 4 to 7 of one input, as f32. */
export function highWeights<T>(address: usize): v128 {
  if (sizeof<T>() == 4) return v128.load(address, 16);
  return widen<T>(v128.load(address));
}

/** Four floats from the upper halves of four lanes; exact for every value. */
export function widen<T>(lanes: v128): v128 {
  if (isSigned<T>()) return v128.and(lanes, i32x4.splat(0xffff0000));
  // Sign, exponent and fraction move to where an f32 has them; 2^112 corrects the exponent (subnormals too).
  const bits = v128.and(i32x4.shr_s(lanes, 3), constant(HALF_CONSTANTS));
  const infinity = constant(HALF_CONSTANTS + 8);
  const special = i32x4.eq(v128.and(bits, infinity), infinity);
  const finite = f32x4.mul(bits, constant(HALF_CONSTANTS + 4));
  return v128.or(finite, v128.and(special, constant(HALF_CONSTANTS + 12)));
}

/** One value of a table or a panel, as f32. */
export function widenOne<T>(address: usize): f32 {
  if (sizeof<T>() == 4) return load<f32>(address);
  return f32x4.extract_lane(widen<T>(i32x4.shl(v128.load16_splat(address), 16)), 0);
}
