// `kiloformer/verify`: computes again what PyTorch computed, anywhere that JavaScript runs.
import { type TensorData, writeSafetensors } from "@kiloformer/core";
import type { ComputedTensor } from "./replay.ts";

export type { Comparison } from "./compare.ts";
export type { ExpectedFacts } from "./facts.ts";
export { type ComputedTensor, type Replay, replay } from "./replay.ts";

/** What was computed, as a safetensors file under the names that were expected. */
export function toSafetensors(computed: readonly ComputedTensor[]): Uint8Array<ArrayBuffer> {
  const tensors = computed.map(({ name, shape, values }): [string, TensorData] => {
    return [name, { dtype: values instanceof BigInt64Array ? "I64" : "F32", shape, data: values }];
  });
  return writeSafetensors(tensors);
}
