// What encoders compute, without a task around it.
import type { EncoderModel } from "../architecture.ts";
import { encoderOf } from "../encoding/encoder.ts";
import { expectOptions } from "../options.ts";
import { encodedIds, type ForwardOptions, type Ids, idList, noHead } from "./forwards.ts";
import type { TaskContext } from "./tasks.ts";

/** Logits of the masked-language head at every position: ids `[T]` -> `[T * V]`. */
export async function maskedLogits(
  context: TaskContext,
  ids: Ids,
  options: ForwardOptions = {},
): Promise<Float32Array> {
  expectOptions("logits", options, ["signal", "token_type_ids"]);
  const { modelType, vocabSize, heads } = context.model as EncoderModel;
  if (!heads.maskedLm) throw noHead(modelType, "a masked-language head");
  const row = rowOf(ids, options);
  const { length } = row.ids;
  const signal = context.signal(options.signal);
  const [values] = await encoderOf(context).run([row], heads.maskedLm, () => length, { signal });
  return cutColumns(values, length, vocabSize);
}

/** The first `width` columns of so many rows: a table of tokens may have more rows than there are tokens. */
export function cutColumns(values: Float32Array, rows: number, width: number): Float32Array {
  const columns = values.length / rows;
  return columns <= width ? values : values.filter((_, index) => index % columns < width);
}

/** Hidden states `[T * D]` by layer, as `output_hidden_states` gives them: the embedding first, the result last. */
export async function encoderStates(
  context: TaskContext,
  ids: Ids,
  options: ForwardOptions = {},
): Promise<Float32Array[]> {
  expectOptions("hiddenStates", options, ["signal", "token_type_ids"]);
  return encoderOf(context).hiddenStates(rowOf(ids, options), { signal: context.signal(options.signal) });
}

/** The last hidden states `[T * D]` of a text. */
export async function encode(
  context: TaskContext,
  text: string | Ids,
  options: { signal?: AbortSignal } = {},
): Promise<Float32Array> {
  expectOptions("encode", options, ["signal"]);
  const row = { ids: encodedIds(context, text) };
  const [states] = await encoderOf(context).states([row], { signal: context.signal(options.signal) });
  return states;
}

function rowOf(ids: Ids, { token_type_ids }: ForwardOptions) {
  return { ids: idList(ids), typeIds: token_type_ids === undefined ? undefined : idList(token_type_ids) };
}
