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
import type { EncoderBatch, EncoderModel, TD } from "./architecture.ts";
import { type Angles, anglesOf, encode, SizedModel } from "./layers.ts";
import type { Rope } from "./rope.ts";
import {
  type BlockWeights,
  type LayerPlan,
  linearsOf,
  type RotaryConfig,
  type RotaryWeights,
} from "./rotary-decoder.ts";

/** An encoder with a rotary decoder's config and weights; windows reach as far ahead as back. */
export class RotaryEncoder extends SizedModel implements EncoderModel {
  readonly kind = "encoder";
  readonly typeVocabSize = 0;
  readonly heads = {};
  readonly #config: RotaryConfig;
  readonly #plans: readonly LayerPlan[];
  readonly #weights: RotaryWeights;

  constructor(config: RotaryConfig, plans: readonly LayerPlan[], weights: RotaryWeights) {
    super(config, linearsOf(weights));
    this.#config = config;
    this.#plans = plans;
    this.#weights = weights;
  }

  *forward(batch: EncoderBatch): Forward<TD> {
    const { eps, embeddingScale = 1 } = this.#config;
    const { table, blocks, norm } = this.#weights;
    const angles = new Map<Rope, Angles>();
    for (const { rope } of this.#plans) if (rope && !angles.has(rope)) angles.set(rope, anglesOf(batch, rope));
    return yield* encode(batch, blocks.length, {
      embed: (ids) => scale(embedding(ids, table), embeddingScale),
      block: (x, layer) => {
        const { rope, window } = this.#plans[layer];
        return this.#block(x, blocks[layer], rope && angles.get(rope), window, batch.lengths);
      },
      norm: (x) => rmsNorm(x, norm, eps),
    });
  }

  *#block(
    x: TD,
    weights: BlockWeights,
    angles: Angles | undefined,
    window: number | undefined,
    lengths: readonly number[],
  ): Forward<TD> {
    const { layout, eps, scale, activation } = this.#config;
    const { attentionNorm, headNorms, afterAttention, mlpNorm, afterMlp } = weights;
    const qkv = yield* linearSteps(rmsNorm(x, attentionNorm, eps), weights.qkv);
    if (headNorms) normHeads(qkv, headNorms.query, headNorms.key, eps, layout);
    if (angles) rotate(qkv, angles.cos, angles.sin, layout);
    const seen = yield* encoderAttentionSteps(qkv, lengths, layout, { scale, window });
    x = yield* addLinearSteps(x, seen, weights.output, afterAttention, eps);
    const widened = yield* linearSteps(rmsNorm(x, mlpNorm, eps), weights.gateUp);
    return yield* addLinearSteps(x, gated(widened, activation), weights.down, afterMlp, eps);
  }
}

/** `x + linear(y)`, or `x + norm(linear(y))` in models that norm what a half of a block gives. */
function* addLinearSteps(x: TD, y: TD, weight: LinearWeight, norm: VectorWeight | undefined, eps: number): Forward<TD> {
  return norm
    ? add(x, rmsNorm(yield* linearSteps(y, weight), norm, eps))
    : yield* linearSteps(y, weight, { residual: x });
}
