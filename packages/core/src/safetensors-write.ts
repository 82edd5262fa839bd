import { type Dtype, dtypeNames, isDtype, tensorBytes } from "./dtypes.ts";
import { SafetensorsError } from "./errors.ts";
import { quote } from "./json-strings.ts";

/** What a tensor is, without its bytes. */
export interface TensorSpec {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor with its bytes, little-endian and in row-major order. */
export interface TensorData extends TensorSpec {
  readonly data: ArrayBufferView | ArrayBuffer;
}

/** Pairs, a Map of them, or an object. */
type Named<T> = Iterable<readonly [name: string, value: T]> | Readonly<Record<string, T>>;

/** The start of a file, and the order in which the tensors' bytes must follow it. */
export interface WrittenHeader {
  /** The length, the JSON, and spaces up to a multiple of 8 bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly order: readonly string[];
  readonly fileSize: number;
}

/**
 * Writes a whole `.safetensors` file, byte for byte as the reference does: wide dtypes first, then by name.
 * @throws {SafetensorsError} `wrong-size` and the codes of `writeHeader`
 */
export function writeSafetensors(tensors: Named<TensorData>, metadata: Named<string> = []): Uint8Array<ArrayBuffer> {
  const entries = entriesOf(tensors);
  const { bytes, order, fileSize } = writeHeader(entries, metadata);
  const file = new Uint8Array(fileSize);
  file.set(bytes);
  const named = new Map(entries);
  let begin = bytes.length;
  for (const name of order) {
    const tensor = named.get(name)!;
    const data = toBytes(tensor.data);
    const size = tensorBytes(tensor.dtype, tensor.shape);
    if (data.length !== size) {
      const expected = `${size} bytes for ${tensor.dtype} of shape [${tensor.shape.join(", ")}]`;
      refuse("wrong-size", name, expected, `${data.length}`);
    }
    file.set(data, begin);
    begin += size;
  }
  return file;
}

/**
 * Writes the start of a file whose tensors' bytes the caller writes behind it, in the order it gives.
 * @throws {SafetensorsError} `duplicate-tensor`, `reserved-name`, `lone-surrogate`, `bad-integer`, `unknown-dtype`,
 *   `shape-overflow`, `partial-byte`, `wrong-type`
 */
export function writeHeader(tensors: Named<TensorSpec>, metadata: Named<string> = []): WrittenHeader {
  const entries = entriesOf(tensors).sort(([a, { dtype: left }], [b, { dtype: right }]) => {
    return dtypeNames.indexOf(right) - dtypeNames.indexOf(left) || compareUtf8(a, b);
  });
  const pairs = entriesOf(metadata).map(([key, value]) => {
    if (typeof value !== "string") refuse("wrong-type", `__metadata__: ${key}`, "a text", typeof value);
    return `${json(key, key)}:${json(value, key)}`;
  });
  const fields = pairs.length > 0 ? [`"__metadata__":{${pairs.join(",")}}`] : [];
  const order = new Set<string>();
  let begin = 0;
  for (const [name, { dtype, shape }] of entries) {
    if (order.has(name)) refuse("duplicate-tensor", name, "each tensor once", "it again");
    order.add(name);
    const end = begin + checkedBytes(name, dtype, shape);
    const offsets = `[${begin},${end}]`;
    fields.push(`${json(name, name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":${offsets}}`);
    begin = end;
  }
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(text, 8);
  return { bytes, order: [...order], fileSize: bytes.length + begin };
}

function entriesOf<T>(named: Named<T>): (readonly [name: string, value: T])[] {
  return Symbol.iterator in named ? [...(named as Iterable<readonly [string, T]>)] : Object.entries(named);
}

function checkedBytes(name: string, dtype: Dtype, shape: readonly number[]): number {
  if (name === "__metadata__") refuse("reserved-name", name, "another name", "the one that metadata has");
  if (!isDtype(dtype)) refuse("unknown-dtype", name, "a dtype of the format", quote(String(dtype)));
  const bad = shape.find((axis) => !Number.isSafeInteger(axis) || axis < 0);
  if (bad !== undefined) refuse("bad-integer", name, "a shape of non-negative integers", String(bad));
  const size = tensorBytes(dtype, shape);
  const shown = `${dtype} of shape [${shape.join(", ")}]`;
  if (size === undefined) return refuse("shape-overflow", name, "a size below 2^53 bytes", shown);
  return Number.isNaN(size) ? refuse("partial-byte", name, "whole bytes", shown) : size;
}

function json(text: string, name: string): string {
  if (/\p{Surrogate}/u.test(text)) refuse("lone-surrogate", name, "surrogates in pairs", "one alone");
  return JSON.stringify(text);
}

function refuse(code: string, name: string, expected: string, actual: string): never {
  const message = `tensor ${quote(name)}: expected ${expected}, got ${actual}`;
  throw new SafetensorsError(code, message, { tensor: name, expected, actual });
}

function toBytes(data: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

/** The order of the UTF-8 bytes, which is that of the code points; JavaScript compares UTF-16 units. */
function compareUtf8(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = left[index].codePointAt(0)! - right[index].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
