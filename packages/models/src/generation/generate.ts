import { OptionError } from "@kiloformer/core";
import { beamRow } from "./beams.ts";
import type { GenerationSettings } from "./options.ts";
import { type CacheLike, type Row, type Sequence, toSequence } from "./row.ts";
import { sampleRow } from "./samples.ts";
import { type NewTextStream, stopStrings } from "./stop-strings.ts";

export type { CacheLike, FinishReason, Sequence } from "./row.ts";
export type { IdLogprob, TokenLogprob } from "./scores.ts";
export type { NewTextStream, TextStream } from "./stop-strings.ts";

/** A prompt: its first ids may be cached, but never the last one. */
export interface PromptState {
  readonly ids: readonly number[];
  readonly cache: CacheLike;
  /** The most new ids, in place of what the settings say. */
  readonly max_new_tokens?: number;
}

/** A prompt, or how to make it when its turn comes. */
export type PromptSource = PromptState | (() => PromptState | Promise<PromptState>);

/** New ids of one sequence. */
interface Feed {
  readonly cache: CacheLike;
  readonly ids: readonly number[];
}

/** What generation needs of a decoder. */
export interface StepDecoder {
  /** The most positions of one sequence. */
  readonly contextLength: number;
  /** Throws unless ids are in the vocabulary. */
  expectIds(ids: readonly number[]): void;
  /** Throws unless so many rows of so many positions fit into memory; they have the first `shared` ones in common. */
  checkMemory(positions: number, rows: number, shared: number): void;
  /** Feeds new ids to each sequence and gives the logits `[V]` after the last of them. */
  step(feeds: readonly Feed[], options: { readonly signal?: AbortSignal }): Promise<Float32Array[]>;
  /** Counts the work of choosing an id from logits, and gives the event loop a turn where one is due. */
  rest?(settings: GenerationSettings): Promise<void> | undefined;
}

/** Texts in the making at the same time: enough rows for full tiles. */
const MOST_AT_ONCE = 96;
const DEFAULT_NEW_TOKENS = 256;

/**
 * Continues a prompt and yields each new id; the return value is the whole text. Beams yield when they are done. The
 * prompt's cache is disposed of however it ends.
 * @param newTextStream the tokenizer's text, which stop strings are looked for in
 * @throws {OptionError} `prompt-too-long`, `bad-ids`, ...; {MemoryError} before memory is taken; the signal's reason
 */
export async function* generateIds(
  decoder: StepDecoder,
  prompt: PromptSource,
  settings: GenerationSettings,
  newTextStream?: NewTextStream,
): AsyncGenerator<number, Sequence> {
  const row = await start(decoder, prompt, settings, newTextStream);
  try {
    if (settings.num_return_sequences > 1) {
      const message = `stream: expected num_return_sequences: 1, got ${settings.num_return_sequences}`;
      throw new OptionError("conflicting-options", message);
    }
    let given = row.tracks[0]?.ids.length;
    while (row.tracks.length > 0) {
      await advance(decoder, [row], settings);
      if (settings.num_beams > 1 && row.tracks.length > 0) continue;
      const { ids } = row.tracks[0] ?? row.sequences[0];
      for (; given < ids.length; given++) yield ids[given];
    }
    return row.sequences[0];
  } finally {
    dispose(row);
  }
}

/**
 * Continues several prompts together, `num_return_sequences` texts each. Rows stop independently and make room for the
 * next; each result is what the prompt gives alone. Caches of prompts are disposed of however it ends.
 * @param newTextStream the tokenizer's text, which stop strings are looked for in
 * @throws {OptionError} `prompt-too-long`, `bad-ids`, ...; {MemoryError}; the signal's reason
 */
export async function generateRows(
  decoder: StepDecoder,
  prompts: readonly PromptSource[],
  settings: GenerationSettings,
  newTextStream?: NewTextStream,
): Promise<(readonly Sequence[])[]> {
  const results: (readonly Sequence[])[] = [];
  const running = new Map<number, Row>();
  let next = 0;
  try {
    while (next < prompts.length || running.size > 0) {
      while (next < prompts.length && (running.size === 0 || (running.size + 1) * width(settings) <= MOST_AT_ONCE)) {
        const index = next++;
        running.set(index, await start(decoder, prompts[index], settings, newTextStream));
      }
      await advance(decoder, [...running.values()], settings);
      for (const [index, row] of running) {
        if (row.tracks.length > 0) continue;
        results[index] = row.sequences;
        running.delete(index);
      }
    }
    return results;
  } finally {
    for (const row of running.values()) dispose(row);
    for (const prompt of prompts.slice(next)) if (typeof prompt !== "function") prompt.cache.dispose();
  }
}

/** Texts in the making for one prompt. */
function width({ num_beams, num_return_sequences }: GenerationSettings): number {
  return Math.max(num_beams, num_return_sequences);
}

function dispose({ tracks }: Row): void {
  for (const { cache } of tracks) cache.dispose();
}

/** One new id for each text in the making. */
async function advance(decoder: StepDecoder, rows: readonly Row[], settings: GenerationSettings): Promise<void> {
  const { signal } = settings;
  signal?.throwIfAborted();
  const feeds: Feed[] = [];
  for (const { tracks } of rows) {
    for (const { cache, ids } of tracks) feeds.push({ cache, ids: ids.slice(cache.length) });
  }
  if (feeds.length === 0) return;
  const logits = await decoder.step(feeds, { signal });
  let next = 0;
  for (const row of rows) {
    const begin = next;
    next += row.tracks.length;
    const own = logits.slice(begin, next);
    const choices = row.begin();
    for (let index = 0; index < choices; index++) {
      row.choose(index, own);
      const turn = decoder.rest?.(settings);
      if (turn) await turn;
    }
    row.end();
  }
}

async function start(
  decoder: StepDecoder,
  source: PromptSource,
  settings: GenerationSettings,
  newTextStream: NewTextStream | undefined,
): Promise<Row> {
  const prompt = typeof source === "function" ? await source() : source;
  const { cache } = prompt;
  try {
    decoder.expectIds(prompt.ids);
    const ids = fit(prompt, decoder.contextLength, settings);
    const { max_length = ids.length + DEFAULT_NEW_TOKENS, stop_strings, num_beams } = settings;
    const { max_new_tokens = settings.max_new_tokens } = prompt;
    const asked = max_new_tokens === undefined ? max_length : ids.length + max_new_tokens;
    const limit = Math.min(decoder.contextLength, asked);
    decoder.checkMemory(limit, width(settings), ids.length);
    const stops = stop_strings.length > 0 ? stopStrings(stop_strings, newTextStream) : undefined;
    const context = { settings, promptLength: ids.length, limit, stops };
    const track = { ids, logprobs: [], cache, end: stops?.start(ids) };
    if (limit > ids.length) return num_beams > 1 ? beamRow(track, context) : sampleRow(track, context);
    cache.dispose();
    const sequences = new Array(settings.num_return_sequences).fill(toSequence(track, "length", context));
    return { tracks: [], sequences, begin: () => 0, choose() {}, end() {} };
  } catch (error) {
    cache.dispose();
    throw error;
  }
}

/** The ids that are fed: all, or the end of a prompt that leaves no room. What is cached cannot be cut. */
function fit(prompt: PromptState, contextLength: number, settings: GenerationSettings): number[] {
  const { cache, max_new_tokens: asked = settings.max_new_tokens } = prompt;
  const { truncate, max_length } = settings;
  let ids = [...prompt.ids];
  if (truncate && cache.length === 0) {
    // As many new ids as the context could never hold make no more room than one.
    const room = asked === undefined || asked >= contextLength ? 1 : asked;
    const most = asked === undefined ? Math.min(contextLength, max_length ?? contextLength) : contextLength;
    ids = ids.slice(-Math.max(1, most - room));
  }
  const promptLength = ids.length;
  if (promptLength > contextLength) {
    const expected = `at most ${contextLength} tokens, the model's context`;
    const message = `prompt: expected ${expected}, got ${promptLength}; truncate: true keeps its end`;
    throw new OptionError("prompt-too-long", message, { contextLength, promptLength });
  }
  // As in transformers, a prompt that is all of max_length is a mistake.
  if (asked === undefined && max_length !== undefined && promptLength >= max_length) {
    const expected = `fewer tokens than max_length, ${max_length} (max_new_tokens counts new ones only)`;
    const message = `prompt: expected ${expected}, got ${promptLength}`;
    throw new OptionError("prompt-too-long", message, { max_length, promptLength });
  }
  return ids;
}
