// Runs kernels over a small memory in which every operand once lies flush against the end, so that reading or writing
// past it traps, and otherwise between canaries that are NaN when read and noticed when written.
import { readFileSync } from "node:fs";
import v8 from "node:v8";

// On by default from V8 12 on; Node 20 has it behind a flag.
if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

type Data = Float32Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Uint32Array;
export interface Operand {
  data: Data;
  role: "input" | "output" | "changed" | "scratch" | "table";
  entries?: Operand[];
}

export const input = (data: Data): Operand => ({ data, role: "input" });
/** `length` floats that the kernel must write, and must not read before. */
export const output = (length: number): Operand => ({ data: new Float32Array(length), role: "output" });
/** An operand that is read and written. */
export const changed = (data: Data): Operand => ({ data, role: "changed" });
export const scratch = (length: number): Operand => ({ data: new Float32Array(length), role: "scratch" });
/** An array of the entries' addresses. */
export const table = (entries: Operand[]): Operand => ({
  data: new Uint32Array(entries.length),
  role: "table",
  entries,
});

type KernelFunction = (...operands: number[]) => number;
export interface Build {
  name: string;
  module: WebAssembly.Module;
  kernels: Record<string, KernelFunction>;
  memory: WebAssembly.Memory;
  /** Which loops the relaxed build's 8- and 4-bit products run: 0 those that suit the processor, 1 and 2 one of the two. */
  dotSteps: WebAssembly.Global;
}

const PAGES = 48;
const FIRST = 65536;
const CANARY_BYTES = 64;
const CANARIES = new Uint8Array(CANARY_BYTES).fill(0xff);

function instantiate(name: string): Build {
  const file = new URL(`../dist/kernels-${name}.wasm`, import.meta.url);
  const module = new WebAssembly.Module(readFileSync(file));
  const memory = new WebAssembly.Memory({ initial: PAGES });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const { DOT_STEPS, ...kernels } = instance.exports;
  return { name, module, memory, kernels: kernels as Build["kernels"], dotSteps: DOT_STEPS as WebAssembly.Global };
}

export const builds: Build[] = [instantiate("simd"), instantiate("relaxed")];

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

const bytesOf = (data: Data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/**
 * Calls the kernel once for each operand that can be the last in memory, and checks each time that inputs and canaries are
 * as before and that the results have the same bits. Returns what the outputs and changed operands hold, in order.
 */
export function run(build: Build, kernel: string, ...operands: (Operand | number)[]): Float32Array[] {
  const places = operands.filter((operand) => typeof operand !== "number");
  const all = places.flatMap((operand) => [...(operand.entries ?? []), operand]);
  let results: Float32Array[] | undefined;
  for (const last of all) {
    const next = runOnce(build, kernel, operands, all, last);
    for (const [i, result] of next.entries()) {
      if (!results || equalBytes(bytesOf(results[i]), bytesOf(result))) continue;
      throw new Error(
        `${build.name} ${kernel}: expected the same bits wherever operands lie, got others in output ${i}`,
      );
    }
    results = next;
  }
  return results ?? [];
}

function runOnce(
  build: Build,
  kernel: string,
  operands: (Operand | number)[],
  all: Operand[],
  last: Operand,
): Float32Array[] {
  const memory = new Uint8Array(build.memory.buffer);
  const addresses = new Map<Operand, number>();
  let cursor = FIRST;
  for (const [i, operand] of all.entries()) {
    const { byteLength, BYTES_PER_ELEMENT } = operand.data;
    // Aligned to the element, and to nothing more.
    const address =
      operand === last
        ? memory.length - byteLength
        : Math.ceil((cursor + CANARY_BYTES) / 16) * 16 + BYTES_PER_ELEMENT * (1 + (i % 3));
    if (operand !== last) cursor = address + byteLength + CANARY_BYTES;
    if (cursor > memory.length - last.data.byteLength - CANARY_BYTES)
      throw new Error(`${kernel}: operands need more memory`);
    addresses.set(operand, address);
    memory.fill(0xff, address - CANARY_BYTES, Math.min(address + byteLength + CANARY_BYTES, memory.length));
    if (operand.role !== "output" && operand.role !== "scratch") memory.set(bytesOf(operand.data), address);
  }
  for (const operand of all) {
    if (!operand.entries) continue;
    operand.data = Uint32Array.from(operand.entries, (entry) => addresses.get(entry)!);
    memory.set(bytesOf(operand.data), addresses.get(operand)!);
  }
  build.kernels[kernel](
    ...operands.map((operand) => (typeof operand === "number" ? operand : addresses.get(operand)!)),
  );
  for (const [i, operand] of all.entries()) {
    const address = addresses.get(operand)!;
    const end = address + operand.data.byteLength;
    // Nothing lies behind the last operand.
    const behind = memory.subarray(end, end + CANARY_BYTES);
    if (
      !(
        equalBytes(memory.subarray(address - CANARY_BYTES, address), CANARIES) &&
        equalBytes(behind, CANARIES.subarray(0, behind.length))
      )
    ) {
      throw new Error(`${build.name} ${kernel}: expected the bytes around operand ${i} untouched, got a write there`);
    }
    if (operand.role !== "input" && operand.role !== "table") continue;
    if (!equalBytes(memory.subarray(address, end), bytesOf(operand.data))) {
      throw new Error(`${build.name} ${kernel}: expected input ${i} unchanged, got a write to it`);
    }
  }
  return all
    .filter((operand) => operand.role === "output" || operand.role === "changed")
    .map((operand) => {
      const address = addresses.get(operand)!;
      const bytes = new Uint8Array(Math.ceil(operand.data.byteLength / 4) * 4);
      bytes.set(memory.subarray(address, address + operand.data.byteLength));
      return new Float32Array(bytes.buffer);
    });
}

/** A seeded generator of numbers in [-1, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  };
}

export function randomFloats(n: number, seed: number, size = 1): Float32Array {
  const next = randomNumbers(seed * 2654435761 + n + 1);
  const floats = new Float32Array(n);
  for (let i = 0; i < n; i++) floats[i] = next() * size;
  return floats;
}

/** Whole numbers from -8 to 8: sums of their products are exact in f32 in any order. */
export function randomIntegers(n: number, seed: number): Float32Array {
  const values = randomFloats(n, seed, 8.49);
  for (let i = 0; i < n; i++) values[i] = Math.round(values[i]);
  return values;
}

/** The distance between neighbouring f32 values near `value`. */
export function ulp(value: number): number {
  const size = Math.abs(value);
  if (!(size < Number.POSITIVE_INFINITY)) return 2 ** 104;
  return 2 ** (Math.max(Math.floor(Math.log2(size)), -126) - 23);
}

type Tolerance = number | ((index: number, expected: number) => number);

/** The largest ratio of error to tolerance, and where it is. NaN and infinities must be met exactly. */
export function worst(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): { ratio: number; index: number } {
  let found = { ratio: -1, index: -1 };
  for (let index = 0; index < expected.length; index++) {
    const [a, e] = [actual[index], expected[index]];
    const allowed = typeof tolerance === "number" ? tolerance : tolerance(index, e);
    let ratio = Object.is(a, e) || a === e ? 0 : Math.abs(a - e) / allowed;
    if (Number.isNaN(ratio)) ratio = Number.POSITIVE_INFINITY;
    if (ratio > found.ratio) found = { ratio, index };
  }
  return found;
}

export function expectClose(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): void {
  if (actual.length !== expected.length)
    throw new Error(`${what}: expected ${expected.length} values, got ${actual.length}`);
  const { ratio, index } = worst(actual, expected, tolerance);
  if (ratio <= 1) return;
  const allowed = typeof tolerance === "number" ? tolerance : tolerance(index, expected[index]);
  throw new Error(
    `${what}: expected ${expected[index]} at index ${index} (tolerance ${allowed}), got ${actual[index]}`,
  );
}

/** The same bits; NaNs of any kind count as equal. */
export function expectSame(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (actual.length !== expected.length)
    throw new Error(`${what}: expected ${expected.length} values, got ${actual.length}`);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i]))
      throw new Error(`${what}: expected ${expected[i]} at index ${i}, got ${actual[i]}`);
  }
}
