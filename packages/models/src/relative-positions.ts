import { type DistanceBias, distanceBias, type EmbeddingWeight, type Runtime } from "@kiloformer/core";

const { fround } = Math;

/** How distances share learned biases: half of the buckets for exact distances, half for ever wider ranges. */
export interface Buckets {
  readonly count: number;
  /** From this distance on all share the last bucket. */
  readonly maxDistance: number;
  /** Whether keys before and behind a query have buckets of their own; else those behind it share bucket 0. */
  readonly bidirectional: boolean;
}

/**
 * The bucket of a key at `distance` = its position less the query's. Rounded to float32 where PyTorch rounds, as a distance at
 * the edge of a range must fall to the same side.
 * @see Raffel et al., "Exploring the Limits of Transfer Learning", 2020; transformers 5.18, models/t5/modeling_t5.py
 */
export function bucketOf(distance: number, { count, maxDistance, bidirectional }: Buckets): number {
  const side = bidirectional ? Math.floor(count / 2) : count;
  const first = bidirectional && distance > 0 ? side : 0;
  const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = Math.floor(side / 2);
  if (far < exact) return first + far;
  const octaves = fround(fround(Math.log(fround(far / exact))) / fround(Math.log(maxDistance / exact)));
  return first + Math.min(exact + Math.trunc(fround(octaves * (side - exact))), side - 1);
}

/** Biases `[H, W]` for every distance between positions below `longest`; where keys behind a query have no buckets of their own, for none to those. */
export type BucketBias = (runtime: Runtime, table: EmbeddingWeight, longest: number) => DistanceBias;

/** Makes such biases. Buckets are remembered: a decoder asks for those of one distance more with each token. */
export function bucketBias(buckets: Buckets): BucketBias {
  let reach = 0;
  let known = new Int32Array(0);
  return (runtime, table, longest) => {
    if (longest > reach) {
      reach = 2 ** Math.ceil(Math.log2(longest));
      known = new Int32Array(2 * reach - 1).map((_, index) => bucketOf(index + 1 - reach, buckets));
    }
    const ids = known.subarray(reach - longest, buckets.bidirectional ? reach + longest - 1 : reach);
    return distanceBias(table, runtime.upload(ids, [ids.length] as const), longest - 1);
  };
}
