import type { GenerationSettings } from "./options.ts";
import type { TextBounds } from "./processors.ts";
import { describeChoice, type TokenLogprob } from "./scores.ts";
import type { StopStrings, TextEnd } from "./stop-strings.ts";

/** What a model remembers of one sequence. */
export interface CacheLike {
  /** Positions cached. */
  readonly length: number;
  /** The same positions for a sequence that goes another way from here on. */
  fork(): CacheLike;
  dispose(): void;
}

/** Why a text ended: an end-of-text id or a stop string, or a limit. */
export type FinishReason = "stop" | "length";

/** A text that ended. */
export interface Sequence {
  /** Prompt and new ids, without the end-of-text id; ids that complete a stop string stay. */
  readonly ids: readonly number[];
  readonly promptLength: number;
  readonly finishReason: FinishReason;
  /** The end-of-text id that ended it, if one did. */
  readonly eosTokenId?: number;
  /** Of beam search: the sum of log probabilities, the end-of-text id's included, over length ** length_penalty. */
  readonly score?: number;
  /** One for each new id, where `logprobs` asks for them. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Beside them, of a text without beams: the log probability of the end-of-text id that ended it. */
  readonly eosLogprob?: number;
}

/** A text in the making. */
export interface Track {
  readonly ids: number[];
  readonly logprobs: TokenLogprob[];
  readonly cache: CacheLike;
  /** Where stop strings are looked for next. */
  readonly end: TextEnd | undefined;
}

/** All texts that are made of one prompt. */
export interface Row {
  /** Those that go on; none when the row is done. Whoever drops a row disposes of their caches. */
  readonly tracks: readonly Track[];
  /** Those that ended, complete when the row is done. */
  readonly sequences: readonly Sequence[];
  /** How many ids are to be chosen next. */
  begin(): number;
  /**
   * Chooses one of them, in their order: between two of them there may be a pause.
   * @param logits `[V]` after each track, all of them each time
   */
  choose(index: number, logits: readonly Float32Array[]): void;
  /** After all choices: what goes on becomes the tracks. */
  end(): void;
}

/** What the texts of a row have in common. */
export interface RowContext extends TextBounds {
  readonly settings: GenerationSettings;
  readonly stops: StopStrings | undefined;
}

/** Why an id ends a text, or where stop strings are looked for after it. */
export function follow(
  { ids, end }: Track,
  id: number,
  { settings, limit, stops }: RowContext,
): { finishReason?: FinishReason; end?: TextEnd } {
  if (settings.eos_token_id.includes(id)) return { finishReason: "stop" };
  const next = end && stops?.next(end, ids, id);
  if (stops && !next) return { finishReason: "stop" };
  return ids.length + 1 >= limit ? { finishReason: "length" } : { end: next };
}

/** Adds an id that was chosen by scores `[V]` to a text, unless it only says that the text ends. */
export function append(
  { ids, logprobs }: Pick<Track, "ids" | "logprobs">,
  id: number,
  scores: Float32Array,
  { eos_token_id, logprobs: wanted }: GenerationSettings,
): void {
  if (eos_token_id.includes(id)) return;
  ids.push(id);
  if (wanted !== false) logprobs.push(describeChoice(scores, id, wanted === true ? 0 : wanted));
}

/** @param lastId the id that ended it, where it was not a limit from the start */
export function toSequence(
  { ids, logprobs }: Pick<Track, "ids" | "logprobs">,
  finishReason: FinishReason,
  { promptLength, settings }: RowContext,
  lastId = -1,
): Sequence {
  const eosTokenId = settings.eos_token_id.includes(lastId) ? lastId : undefined;
  return { ids, promptLength, finishReason, eosTokenId, logprobs: settings.logprobs === false ? undefined : logprobs };
}
