// Opens a model's folder without a pipeline around it, and compares what it computes with what a folder expects.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Dtype, type KernelBuild, parseSafetensors, writeSafetensors } from "@kiloformer/core";
import { expect } from "vitest";
import type { Architecture } from "../src/architecture.ts";
import { architectures, openBareModel, Pipeline, type PipelineOptions } from "../src/index.ts";
import { loadModel } from "../src/pipeline/load.ts";
import type { Loaded } from "../src/pipeline/tasks.ts";
import { type ComputedTensor, replay } from "../src/verify/index.ts";
import { debugRuntime, readJson, worstDifference } from "./shared.ts";

/** Where the fixtures of this repository lie. */
export const fixtures = fileURLToPath(new URL("../../../verify/fixtures/", import.meta.url));

/** A fixture's files by their names, those of its folders too, without what it expects. */
export function fixtureFiles(name: string): Record<string, Uint8Array> {
  const folder = join(fixtures, name);
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("expected."))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Object.fromEntries(names.map((file) => [file, readFileSync(join(folder, file))]));
}

/** What a fixture's inputs give. */
export async function computeFixture(
  name: string,
  options: Pick<PipelineOptions, "runtime" | "dtype">,
): Promise<readonly ComputedTensor[]> {
  const bare = await openBareModel(fixtureFiles(name), architectures, { ...options, onWarning() {} });
  const expected = readFileSync(join(fixtures, name, "expected.safetensors"));
  const { computed } = await replay(bare, expected, readJson(join(fixtures, name, "expected.json")));
  await bare.dispose();
  return computed;
}

export interface Opened extends Loaded {
  readonly warnings: readonly string[];
}

/** A folder's model on one build, in a runtime that checks that no released tensor is used. */
export async function openFolder(
  folder: string,
  architectures: readonly Architecture[],
  build: KernelBuild,
): Promise<Opened> {
  const files = readdirSync(folder).filter((name) => !name.startsWith("expected."));
  const { toSources } = await import("../src/pipeline/files.ts");
  const sources = toSources(Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name))])));
  const warnings: string[] = [];
  const runtime = await debugRuntime(build);
  const options = { runtime, onWarning: (message: string) => warnings.push(message) };
  const loaded = await loadModel(sources, architectures, options, []);
  return { ...loaded, warnings };
}

/** A tensor of a file. */
export interface Stored {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The tensors of a file, by their names. */
export type Tensors = Map<string, Stored>;

/** A safetensors file with changes to its tensors. */
export function changeTensors(bytes: Uint8Array, change: (tensors: Tensors) => void): Uint8Array {
  const file = parseSafetensors(bytes);
  const tensors: Tensors = new Map(
    [...file.tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape, data: file.view(name) }]),
  );
  change(tensors);
  return writeSafetensors(tensors);
}

/** A fixture with changes to its config, its tensors, and other files; null takes a file away. */
export function openChanged(
  folder: string,
  changes: object = {},
  change: (tensors: Tensors) => void = () => {},
  others: Readonly<Record<string, string | null>> = {},
): Promise<Pipeline> {
  const given = fixtureFiles(folder);
  const weights = changeTensors(given["model.safetensors"], change);
  const config = { ...readJson(join(fixtures, folder, "config.json")), ...changes };
  const changed = { "config.json": JSON.stringify(config), "model.safetensors": weights };
  const files = Object.entries({ ...given, ...changed, ...others }).filter(([, content]) => content !== null);
  return Pipeline.fromFiles(Object.fromEntries(files) as Record<string, string>, { strict: true });
}

/** The tensors and facts that a folder expects. */
export function readExpected(folder: string) {
  const file = parseSafetensors(readFileSync(join(folder, "expected.safetensors")));
  const facts = readJson(join(folder, "expected.json"));
  const shape = (name: string) => [...file.tensors.get(name)!.shape];
  const ids = (name: string): number[][] => {
    const [rows, columns] = shape(name);
    const values = Array.from(file.array(name) as BigInt64Array, Number);
    return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
  };
  return { file, facts, shape, ids, has: (name: string) => file.tensors.has(name) };
}

/**
 * Asserts that a tensor (or the part of one) is as near to what is expected as the larger of 1e-5 and four times PyTorch's own
 * float32 error, relative to the largest value of the whole tensor.
 */
export function expectNear(
  name: string,
  actual: Float32Array,
  expected: ArrayLike<number>,
  pytorchError = 0,
  whole: ArrayLike<number> = expected,
): void {
  expect(actual.length, name).toBe(expected.length);
  const scale = largest(whole) / largest(expected);
  const { index, relative } = worstDifference(actual, expected);
  const tolerance = Math.max(1e-5, 4 * pytorchError);
  const where = `${name}[${index}]: ${actual[index]}, expected ${expected[index]}, tolerance ${tolerance}`;
  expect(relative / scale, where).toBeLessThanOrEqual(tolerance);
}

function largest(values: ArrayLike<number>): number {
  let size = 0;
  for (let i = 0; i < values.length; i++) size = Math.max(size, Math.abs(values[i]));
  return size;
}
