// The blocks of rotary decoders whose rows see what follows, too: encoders.
import {
  add,
  embedding,
  encoderAttentionSteps,
  type Forward,
  gated,
  type LinearWeight,
  linearSteps,
  normHeads,
  rmsNorm,
  rotate,
  scale,
  type VectorWeight,
} from "@kiloformer/core";
import type { EncoderModel, TD } from "./architecture.ts";
import { type Angles, anglesOf, encode, factsOf } from "./layers.ts";
import {
  anglesOfPlans,
  type BlockWeights,
  type LayerPlan,
  linearsOf,
  type RotaryConfig,
  type RotaryWeights,
} from "./rotary-decoder.ts";

/** An encoder with a rotary decoder's config and weights; windows reach as far ahead as back. */
export function rotaryEncoder(
  config: RotaryConfig,
  plans: readonly LayerPlan[],
  { table, blocks, norm }: RotaryWeights,
): EncoderModel {
  const { eps, embeddingScale = 1 } = config;
  return {
    ...factsOf(config, linearsOf(blocks[0])),
    kind: "encoder",
    typeVocabSize: 0,
    heads: {},
    forward(batch) {
      const angles = anglesOfPlans(plans, (rope) => anglesOf(batch, rope));
      return encode(batch, blocks.length, {
        embed: (ids) => scale(embedding(ids, table), embeddingScale),
        block: (x, layer) => {
          const { rope, window } = plans[layer];
          return block(x, config, blocks[layer], angles.get(rope), window, batch.lengths);
        },
        norm: (x) => rmsNorm(x, norm, eps),
      });
    },
  };
}

function* block(
  x: TD,
  { layout, eps, scale, activation }: RotaryConfig,
  weights: BlockWeights,
  angles: Angles | undefined,
  window: number | undefined,
  lengths: readonly number[],
): Forward<TD> {
  const { attentionNorm, headNorms, afterAttention, mlpNorm, afterMlp } = weights;
  const qkv = yield* linearSteps(rmsNorm(x, attentionNorm, eps), weights.qkv);
  if (headNorms) normHeads(qkv, headNorms.query, headNorms.key, eps, layout);
  if (angles) rotate(qkv, angles.cos, angles.sin, layout);
  const seen = yield* encoderAttentionSteps(qkv, lengths, layout, { scale, window });
  x = yield* addLinearSteps(x, seen, weights.output, afterAttention, eps);
  const widened = yield* linearSteps(rmsNorm(x, mlpNorm, eps), weights.gateUp);
  return yield* addLinearSteps(x, gated(widened, activation), weights.down, afterMlp, eps);
}

/** `x + linear(y)`, or `x + norm(linear(y))` in models that norm what a half of a block gives. */
function* addLinearSteps(x: TD, y: TD, weight: LinearWeight, norm: VectorWeight | undefined, eps: number): Forward<TD> {
  return norm
    ? add(x, rmsNorm(yield* linearSteps(y, weight), norm, eps))
    : yield* linearSteps(y, weight, { residual: x });
}
