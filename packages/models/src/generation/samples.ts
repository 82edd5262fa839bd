import { append, follow, type Row, type RowContext, type Sequence, type Track, toSequence } from "./row.ts";
import { createSampler, type Sampler } from "./sampler.ts";
import { describeChoice } from "./scores.ts";

interface Sample extends Track {
  end: Track["end"];
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
  /** Whether a text goes on after its next id. */
  const goesOn = (sample: Sample, logits: Float32Array): boolean => {
    const id = sample.sampler(logits, sample.ids);
    const { finishReason, end } = follow(sample, id, context);
    append(sample, id, logits, settings);
    sample.end = end;
    if (!finishReason) return true;
    sample.cache.dispose();
    const sequence = toSequence(sample, finishReason, context, id);
    const ends = sequence.logprobs && sequence.eosTokenId !== undefined;
    sequences[sample.stream] = ends ? { ...sequence, eosLogprob: describeChoice(logits, id, 0).logprob } : sequence;
    return false;
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
      for (let index = 0; index < samples.length; index++) {
        if (goesOn(samples[index], isFirst ? logits[0].slice() : logits[index])) goingOn.push(samples[index]);
        yield;
      }
      samples = goingOn;
    },
  };
}
