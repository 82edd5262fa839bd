import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { type KernelBuild, parseSafetensors, Runtime, supportsBuild } from "@kiloformer/core";
import { expect } from "vitest";

// Node 20 knows relaxed SIMD behind a flag, Node 24 without; both builds run in every test.
setFlagsFromString("--experimental-wasm-relaxed-simd");
export const builds: readonly KernelBuild[] = (["simd", "relaxed"] as const).filter(supportsBuild);

/** Where the files that are shared with the project lie, or undefined where they are absent. */
export const shared: string | undefined = (() => {
  const path = fileURLToPath(new URL("../../../../shared/", import.meta.url));
  return existsSync(`${path}models`) ? path : undefined;
})();
if (!shared) console.warn("skipped: tests of real models, as ../shared is not beside the repository");

/** Reads a JSON file. */
export const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));

/** The arrays of a safetensors file. */
export function readArrays(path: string): (name: string) => Float32Array {
  const file = parseSafetensors(readFileSync(path));
  return (name) => file.array(name) as Float32Array;
}

/** A runtime of one build that checks that no released tensor is used. */
export const debugRuntime = (build: KernelBuild) => Runtime.create({ build, debug: true });

/** The worst difference, relative to the largest absolute value expected; the first that is no number is the worst of all. */
export function worstDifference(
  actual: Float32Array,
  expected: ArrayLike<number>,
): { index: number; relative: number } {
  let scale = 0;
  let worst = { index: -1, relative: 0 };
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    const relative = Math.abs(actual[i] - expected[i]) / scale;
    if (Number.isNaN(relative)) return { index: i, relative };
    if (relative > worst.relative) worst = { index: i, relative };
  }
  return worst;
}

/** What a typed error must show: its stable code and its whole message. */
export const failing = (code: string, message: string) => expect.objectContaining({ code, message });
