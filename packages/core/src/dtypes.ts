/** How tensors are stored in a `.safetensors` file, by the names of the format. */
export type Dtype = keyof typeof bitsOf;

/** A dtype's bits for one element, in the reference's order: a writer puts the last ones first, so that wide elements lie aligned. */
const bitsOf = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** The array classes of dtypes whose values can be read. Files that hold others open, and their other tensors can be read. */
const arrayOf = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  F8_E5M2: Uint8Array,
  F8_E4M3: Uint8Array,
} as const;

/** The values of a tensor, in the array type of its dtype. */
export type TensorArray = InstanceType<(typeof arrayOf)[keyof typeof arrayOf]>;

export const dtypeNames = /* @__PURE__ */ Object.keys(bitsOf) as readonly Dtype[];

/** Whether the format has a dtype of this name. */
export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(bitsOf, name);
}

/**
 * The bytes of a tensor; `undefined` if they are more than 2^53 - 1, NaN if they are not whole.
 * As in the reference, a product that overflows before it meets a zero is too large.
 */
export function tensorBytes(dtype: Dtype, shape: readonly number[], rank = shape.length): number | undefined {
  let elements = 1;
  for (let axis = 0; axis < rank; axis++) {
    elements *= shape[axis];
    if (elements > Number.MAX_SAFE_INTEGER) return undefined;
  }
  const width = bitsOf[dtype];
  // Of 4 and 6 bits, not every number of elements makes whole bytes.
  if (((elements % 8) * width) % 8 !== 0) return Number.NaN;
  const size = (elements / 8) * width;
  return size > Number.MAX_SAFE_INTEGER ? undefined : size;
}

type ArrayClass = (typeof arrayOf)[keyof typeof arrayOf];

function readableArray(dtype: Dtype): ArrayClass | undefined {
  return (arrayOf as Partial<Record<Dtype, ArrayClass>>)[dtype];
}

/** Whether the values of this dtype can be read, not only its bytes. */
export function isReadable(dtype: Dtype): boolean {
  return readableArray(dtype) !== undefined;
}

/** A typed array over the bytes: a view if they lie aligned, else a copy. F16, BF16, F8 and BOOL come as their bits. */
export function toTensorArray(dtype: Dtype, bytes: Uint8Array): TensorArray | undefined {
  const array = readableArray(dtype);
  if (!array) return undefined;
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.length / array.BYTES_PER_ELEMENT);
}

/** The bits of an element's two highest bytes that all are set in a NaN or an infinity. */
const exponents: Partial<Record<Dtype, number>> = {
  F64: 0x7ff0,
  F32: 0x7f80,
  BF16: 0x7f80,
  F16: 0x7c00,
  F8_E5M2: 0x7c00,
  // Without infinities: only the mantissa of ones is a NaN.
  F8_E4M3: 0x7f00,
};

/** The index of the first NaN or infinity, or -1. Integers, booleans and dtypes that cannot be read have none. */
export function firstNonFinite(dtype: Dtype, bytes: Uint8Array): number {
  const mask = exponents[dtype];
  if (mask === undefined) return -1;
  const size = bitsOf[dtype] / 8;
  for (let end = size; end <= bytes.length; end += size) {
    const highest = (bytes[end - 1] << 8) | (size > 1 ? bytes[end - 2] : 0);
    if ((highest & mask) === mask) return end / size - 1;
  }
  return -1;
}
