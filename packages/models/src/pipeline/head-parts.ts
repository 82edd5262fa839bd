// What tasks of an encoder's heads share.
import { ConfigError } from "@kiloformer/core";
import type { EncoderHeads } from "../architecture.ts";
import { show } from "../config.ts";
import { noHead } from "./forwards.ts";
import type { TaskContext } from "./tasks.ts";

/** @throws {OptionError} `no-head` */
export function headOf<K extends keyof EncoderHeads>(
  { model }: TaskContext,
  name: K,
  words: string,
): NonNullable<EncoderHeads[K]> {
  const head = model.kind === "encoder" ? model.heads[name] : undefined;
  if (head) return head;
  throw noHead(model.modelType, words);
}

/**
 * Names of classes, as many as there are logits: those of `id2label`, unless it has another number of them.
 * @throws {ConfigError} `bad-value`
 */
export function labelsOf({ config }: TaskContext, count: number): string[] {
  const { id2label } = config;
  const named = new Map(Object.entries(Object(id2label)).map(([id, label]) => [Number(id), label]));
  return Array.from({ length: count }, (_, index) => {
    if (named.size !== count) return `LABEL_${index}`;
    const label = named.get(index);
    if (typeof label === "string" || typeof label === "number") return String(label);
    const message = `config.json: expected id2label to have a text for ${index}, got ${show(label)}`;
    throw new ConfigError("bad-value", message, { key: "id2label", value: id2label });
  });
}

/** `e ** x` over their sum. */
export function softmax(logits: Float32Array): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]);
  const scores = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    scores[i] = Math.exp(logits[i] - largest);
    sum += scores[i];
  }
  for (let i = 0; i < scores.length; i++) scores[i] /= sum;
  return scores;
}
