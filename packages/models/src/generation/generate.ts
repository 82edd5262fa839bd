import { type KvCache, OptionError } from "@kiloformer/core";
import type { Decoder } from "./decoder.ts";
import type { GenerationSettings } from "./options.ts";
import { createSampler, type Sampler } from "./sampler.ts";

/** Why a text ended: an end-of-text id, or a limit. */
export type FinishReason = "stop" | "length";

/** One text in the making. */
export interface Sequence {
  /** Prompt and new ids, without the one that ended the text. */
  readonly ids: number[];
  readonly promptLength: number;
  finishReason: FinishReason | undefined;
}

interface Running extends Sequence {
  readonly cache: KvCache;
  readonly sampler: Sampler;
  readonly limit: number;
  readonly ends: ReadonlySet<number>;
}

/** Texts in the making at the same time: enough rows for full tiles. */
const MOST_AT_ONCE = 96;
const DEFAULT_NEW_TOKENS = 256;

/**
 * Continues a prompt and yields each new id; the return value says why it ended.
 * @throws {OptionError} `prompt-too-long`, `bad-ids`, {MemoryError} before any cache is taken; the signal's reason
 */
export async function* generateIds(
  decoder: Decoder,
  prompt: readonly number[],
  settings: GenerationSettings,
): AsyncGenerator<number, Sequence> {
  const sequence = start(decoder, prompt, settings);
  try {
    while (sequence.finishReason === undefined) {
      const before = sequence.ids.length;
      await advance(decoder, [sequence], settings.signal);
      if (sequence.ids.length > before) yield sequence.ids[before];
    }
    return sequence;
  } finally {
    sequence.cache.dispose();
  }
}

/**
 * Continues several prompts together. Rows stop independently and make room for the next; each result is what the prompt
 * gives alone.
 */
export async function generateBatch(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
): Promise<Sequence[]> {
  const results: Sequence[] = [];
  const running = new Set<Running>();
  let next = 0;
  try {
    while (next < prompts.length || running.size > 0) {
      while (next < prompts.length && running.size < MOST_AT_ONCE) {
        const sequence = start(decoder, prompts[next++], settings);
        results.push(sequence);
        running.add(sequence);
        if (sequence.finishReason !== undefined) finish(sequence, running);
      }
      if (running.size === 0) continue;
      const active = [...running];
      await advance(decoder, active, settings.signal);
      for (const sequence of active) if (sequence.finishReason !== undefined) finish(sequence, running);
    }
    return results;
  } finally {
    for (const { cache } of running) cache.dispose();
  }
}

function finish(sequence: Running, running: Set<Running>): void {
  sequence.cache.dispose();
  running.delete(sequence);
}

/** One new id for each sequence. */
async function advance(
  decoder: Decoder,
  sequences: readonly Running[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const feeds = sequences.map(({ cache, ids }) => ({ cache, ids: cache.length === 0 ? ids : ids.slice(cache.length) }));
  const logits = await decoder.step(feeds, { signal });
  sequences.forEach((sequence, index) => {
    const id = sequence.sampler(logits[index], sequence.ids);
    if (sequence.ends.has(id)) sequence.finishReason = "stop";
    else if (sequence.ids.push(id) >= sequence.limit) sequence.finishReason = "length";
  });
}

function start(decoder: Decoder, prompt: readonly number[], settings: GenerationSettings): Running {
  decoder.expectIds(prompt);
  const { contextLength } = decoder.model;
  const wanted = settings.maxNewTokens ?? DEFAULT_NEW_TOKENS;
  let kept = prompt;
  if (prompt.length > contextLength || (settings.truncate && prompt.length + wanted > contextLength)) {
    if (!settings.truncate) {
      throw new OptionError(
        "prompt-too-long",
        `prompt: expected at most ${contextLength} tokens, the model's context, got ${prompt.length}; truncate: true keeps its end`,
        { contextLength, promptLength: prompt.length },
      );
    }
    kept = prompt.slice(-Math.max(1, contextLength - wanted));
  }
  const asked = settings.maxNewTokens ?? (settings.maxLength === undefined ? wanted : settings.maxLength - kept.length);
  const limit = Math.min(contextLength, kept.length + Math.max(0, asked));
  decoder.pool.check(limit, `key/value cache for ${limit} positions`);
  return {
    ids: [...kept],
    promptLength: kept.length,
    finishReason: limit <= kept.length ? "length" : undefined,
    cache: decoder.newCache(),
    sampler: createSampler(settings),
    limit,
    ends: new Set(settings.eosTokenIds),
  };
}
