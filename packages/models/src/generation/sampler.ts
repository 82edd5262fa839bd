import type { GenerationSettings } from "./options.ts";
import { createProcessor, type TextBounds } from "./processors.ts";
import { seededRandom } from "./random.ts";
import { likeliest, likeliestAllowed, logSumExp } from "./scores.ts";

/**
 * Picks the next id from logits `[V]`; `ids` are all ids so far, prompt included. Logits become the scores that it picks
 * from.
 */
export type Sampler = (logits: Float32Array, ids: readonly number[]) => number;

/**
 * A sampler of one text from settings, its random source included.
 * @param stream which of several texts from one prompt it is: each draws on its own
 * @throws {NonFiniteError} (the sampler) `non-finite-logits`; {OptionError} `nothing-allowed`
 */
export function createSampler(
  settings: GenerationSettings,
  bounds: TextBounds = { promptLength: 0, limit: Number.POSITIVE_INFINITY },
  stream = 0,
): Sampler {
  const process = createProcessor(settings, bounds);
  const random = settings.do_sample ? randomOf(settings, stream) : undefined;
  return (logits, ids) => {
    const id = likeliest(logits);
    if (!process && !random) return id;
    process?.(logits, ids);
    return random ? draw(logits, random) : likeliestAllowed(logits);
  };
}

/** The random source that settings ask for: the same for the same seed, else a new one. */
export function randomOf({ seed }: GenerationSettings, stream = 0): () => number {
  return seededRandom(seed ?? Math.floor(Math.random() * 2 ** 32), stream);
}

/** An id, drawn in proportion to its probability. */
function draw(scores: Float32Array, random: () => number): number {
  let last = likeliestAllowed(scores);
  const total = logSumExp(scores, scores[last]);
  let target = random();
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] === Number.NEGATIVE_INFINITY) continue;
    target -= Math.exp(scores[id] - total);
    if (target < 0) return id;
    last = id;
  }
  return last;
}
