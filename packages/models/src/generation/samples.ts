import { append, follow, type Row, type RowContext, type Sequence, type Track, toSequence } from "./row.ts";
import { createSampler, type Sampler } from "./sampler.ts";
import { describeChoice } from "./scores.ts";

interface Sample extends Track {
  readonly stream: number;
  readonly sampler: Sampler;
}

/** A row of `num_return_sequences` texts that are drawn (or the likeliest one), each on its own. They share the prefill. */
export function sampleRow(prompt: Track, context: RowContext): Row {
  const { settings } = context;
  const sequences: Sequence[] = [];
  let samples: Sample[] | undefined;
  const split = () =>
    Array.from({ length: settings.num_return_sequences }, (_, stream) => ({
      ...prompt,
      ids: [...prompt.ids],
      logprobs: [],
      cache: stream === 0 ? prompt.cache : prompt.cache.fork(),
      stream,
      sampler: createSampler(settings, context, stream),
    }));
  const choose = (sample: Sample, logits: Float32Array): Sample | undefined => {
    const id = sample.sampler(logits, sample.ids);
    const { finishReason, end } = follow(sample, id, context);
    append(sample, id, logits, settings);
    if (!finishReason) return { ...sample, end };
    sample.cache.dispose();
    const sequence = toSequence(sample, finishReason, context, id);
    const ends = sequence.logprobs && sequence.eosTokenId !== undefined;
    sequences[sample.stream] = ends ? { ...sequence, eosLogprob: describeChoice(logits, id, 0).logprob } : sequence;
    return undefined;
  };
  return {
    get tracks() {
      return samples ?? [prompt];
    },
    sequences,
    *advance(logits) {
      const isFirst = samples === undefined;
      samples ??= split();
      const goingOn: Sample[] = [];
      for (const [index, sample] of samples.entries()) {
        const next = choose(sample, isFirst ? logits[0].slice() : logits[index]);
        if (next) goingOn.push(next);
        yield;
      }
      samples = goingOn;
    },
  };
}
