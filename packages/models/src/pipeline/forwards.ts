// What a model computes, without a task around it.
import { kindOf, OptionError } from "@kiloformer/core";
import { show } from "../config.ts";
import { decoderOf } from "../generation/decoder.ts";
import { expectOptions } from "../options.ts";
import { type TaskContext, tokenizerOf } from "./tasks.ts";

/** Ids of one text, as a caller has them. */
export type Ids = readonly number[] | Int32Array;

/** Options of `logits` and `hiddenStates`. */
export interface ForwardOptions {
  readonly signal?: AbortSignal;
  /** Which of two texts each id belongs to, for encoders that tell them apart. */
  readonly token_type_ids?: Ids;
  /** What the decoder of an encoder-decoder writes: `ids` are then what the encoder reads. */
  readonly decoder_input_ids?: Ids;
}

/** Logits after each id: ids `[T]` -> `[T * V]`. */
export async function decoderLogits(
  context: TaskContext,
  ids: Ids,
  options: ForwardOptions = {},
): Promise<Float32Array> {
  expectOptions("logits", options, ["signal"]);
  return decoderOf(context).logits(idList(ids), { signal: context.signal(options.signal) });
}

/** Hidden states `[T * D]` by layer, as `output_hidden_states` gives them: the embedding first, the normalised result last. */
export async function decoderStates(
  context: TaskContext,
  ids: Ids,
  options: ForwardOptions = {},
): Promise<Float32Array[]> {
  expectOptions("hiddenStates", options, ["signal"]);
  return decoderOf(context).hiddenStates(idList(ids), { signal: context.signal(options.signal) });
}

/** The last hidden states `[T * D]` of a text. */
export async function encodeWithDecoder(
  context: TaskContext,
  text: string | Ids,
  options: { signal?: AbortSignal } = {},
): Promise<Float32Array> {
  expectOptions("encode", options, ["signal"]);
  return decoderOf(context).states(encodedIds(context, text), { signal: context.signal(options.signal) });
}

/** Ids of a text, or the ids that are given. */
export function encodedIds(context: TaskContext, text: string | Ids): readonly number[] {
  return typeof text === "string" ? tokenizerOf(context, "encode").encode(text).ids : idList(text);
}

/**
 * A copy, which stays as it was checked whatever the caller does while a call runs.
 * @throws {OptionError} `bad-ids`
 */
export function idList(ids: Ids): readonly number[] {
  if (Array.isArray(ids) || /^(Int32|Uint32|Uint16)Array$/.test(kindOf(ids))) return Array.from(ids);
  throw new OptionError("bad-ids", `ids: expected an array of integers, got ${show(ids)}`);
}

export function noHead(modelType: string, head: string): OptionError {
  return new OptionError("no-head", `${modelType}: expected a checkpoint with ${head}, got one without`);
}
