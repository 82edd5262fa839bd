import { setFlagsFromString } from "node:v8";
import { expect } from "vitest";
import { type KernelBuild, supportsBuild } from "../src/index.ts";

// Node 20 knows relaxed SIMD behind a flag, Node 24 without; both builds run in every test.
setFlagsFromString("--experimental-wasm-relaxed-simd");

/** The kernel builds that this engine runs. */
export const builds: readonly KernelBuild[] = (["simd", "relaxed"] as const).filter(supportsBuild);

/** Numbers in [-1, 1), the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** An array of such numbers. */
export function randomArray(length: number, seed: number): Float32Array {
  const next = randomNumbers(seed);
  return Float32Array.from({ length }, next);
}

/** What a typed error must show: its stable code and its whole message. */
export const failing = (code: string, message: string) => expect.objectContaining({ code, message });
