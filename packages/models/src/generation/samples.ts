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
  let goingOn: Sample[] = [];
  const split = () => {
    const all: Sample[] = [];
    for (let stream = 0; stream < settings.num_return_sequences; stream++) {
      const cache = stream === 0 ? prompt.cache : prompt.cache.fork();
      const sampler = createSampler(settings, context, stream);
      all.push({ ids: [...prompt.ids], logprobs: [], cache, end: prompt.end, stream, sampler });
    }
    return all;
  };
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
    begin() {
      samples ??= split();
      return samples.length;
    },
    choose(index, logits) {
      const all = samples!;
      // Samplers write to logits: several share those after the prompt.
      const own = logits.length < all.length ? logits[0].slice() : logits[index];
      if (goesOn(all[index], own)) goingOn.push(all[index]);
    },
    end() {
      samples = goingOn;
      goingOn = [];
    },
  };
}
