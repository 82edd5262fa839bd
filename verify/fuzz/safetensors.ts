import fc from "fast-check";
import { SafetensorsError } from "../../packages/core/src/errors.ts";
import { parseSafetensors } from "../../packages/core/src/safetensors.ts";
import { safetensorsFile } from "../../packages/core/test/support/safetensors-files.ts";
import { leastMs } from "./timing.ts";

export interface Outcome {
  /** How many inputs ended how: "accepted" or the code of the error. */
  readonly counts: ReadonlyMap<string, number>;
  readonly slowestMs: number;
}

/** What the parser says about a file: "accepted" or the code of its error; anything else that it throws is a failure. */
export function verdict(bytes: Uint8Array): string {
  try {
    parseSafetensors(bytes);
    return "accepted";
  } catch (error) {
    if (error instanceof SafetensorsError) return error.code;
    throw error;
  }
}

/** Feeds so many generated files to the parser: each must give a header or a typed error, within the limit. */
export function run(count: number, seed: number, limitMs: number): Outcome {
  const counts = new Map<string, number>();
  let slowestMs = 0;
  const property = fc.property(safetensorsFile, ({ bytes }) => {
    let code = "";
    const bestMs = leastMs(limitMs, () => {
      code = verdict(bytes);
    });
    if (bestMs > limitMs) throw new Error(`took ${bestMs.toFixed(1)} ms`);
    slowestMs = Math.max(slowestMs, bestMs);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  });
  fc.assert(property, { numRuns: count, seed });
  return { counts, slowestMs };
}

/** What another implementation needs to compare: the file, the verdict, and what was read. */
export interface Sample {
  readonly bytes: Uint8Array;
  readonly verdict: string;
  /** `{tensors: {name: [dtype, shape, begin, end]}, metadata}` with absolute offsets. */
  readonly content: unknown;
}

export function* samples(count: number, seed: number): Generator<Sample> {
  const batch = 10_000;
  for (let done = 0; done < count; done += batch) {
    const files = fc.sample(safetensorsFile, { numRuns: Math.min(batch, count - done), seed: seed + done });
    for (const { bytes } of files) yield { bytes, verdict: verdict(bytes), content: contentOf(bytes) };
  }
}

function contentOf(bytes: Uint8Array): unknown {
  if (verdict(bytes) !== "accepted") return null;
  const { tensors, metadata } = parseSafetensors(bytes);
  return {
    tensors: [...tensors.values()].map(({ name, dtype, shape, begin, end }) => [name, dtype, shape, begin, end]),
    metadata: [...metadata],
  };
}
