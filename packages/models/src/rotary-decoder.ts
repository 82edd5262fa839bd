// The decoder that Llama began: RMS norms, rotary positions, grouped-query attention, gated feed-forward.
import {
  activate,
  add,
  embedding,
  type Forward,
  type GatedActivation,
  gated,
  type HeadLayout,
  isLong,
  type LinearWeight,
  linear,
  linearSteps,
  normHeads,
  rmsNorm,
  rotate,
  type SequenceSpan,
  scale,
  type VectorWeight,
  type Weights,
} from "@kiloformer/core";
import type { DecoderBatch, DecoderModel, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import {
  type Angles,
  attend,
  decode,
  factsOf,
  gatedActivations,
  newAngles,
  pick,
  refuseForeign,
  reserveLayers,
  reserveVocabulary,
  type Stretch,
  type Vocabulary,
  type Wanted,
} from "./layers.ts";
import { type Rope, type RopeDefaults, readRope } from "./rope.ts";

/** What is the same in all layers. */
export interface RotaryConfig {
  readonly modelType: string;
  /** D */ readonly hiddenSize: number;
  /** F */ readonly intermediateSize: number;
  readonly layers: number;
  /** V */ readonly vocabSize: number;
  readonly layout: HeadLayout;
  readonly eps: number;
  readonly activation: GatedActivation;
  readonly tied: boolean;
  readonly contextLength: number;
  /** Factor on attention scores. */
  readonly scale: number;
  /** Factor on embeddings. Default 1. */
  readonly embeddingScale?: number;
  /** Logits x become `cap * tanh(x / cap)`. */
  readonly softcap?: number;
  /** Positions of new rows, where they do not just go on. */
  readonly stretchesOf?: (batch: DecoderBatch) => readonly Stretch[];
  /** Beyond this length caches are computed anew. */
  readonly recomputesBeyond?: number;
  /** Whether the checkpoint may lack an output layer. */
  readonly headless: boolean;
}

/** What layers may have of their own. */
export interface LayerPlan {
  /** Undefined: this layer does not turn its queries and keys. */
  readonly rope: Rope | undefined;
  /** Positions before its own that a row sees. Undefined: all. */
  readonly window?: number;
}

export interface BlockWeights {
  readonly attentionNorm: VectorWeight;
  /** Queries, keys and values in one: they see the same input. */
  readonly qkv: LinearWeight;
  /** Norms of each head's queries and keys. */
  readonly headNorms?: { readonly query: VectorWeight; readonly key: VectorWeight };
  readonly output: LinearWeight;
  /** Of what attention gives, before it joins the residual. */
  readonly afterAttention?: VectorWeight;
  readonly mlpNorm: VectorWeight;
  /** Gate and up projection in one. */
  readonly gateUp: LinearWeight;
  readonly down: LinearWeight;
  /** Of what the feed-forward layer gives, before it joins the residual. */
  readonly afterMlp?: VectorWeight;
}

export interface RotaryWeights extends Vocabulary {
  readonly blocks: readonly BlockWeights[];
  readonly norm: VectorWeight;
}

/** What a family's config need not say. */
export interface RotaryDefaults {
  /** Default 1e-6. */
  readonly eps?: number;
  /** Default false. */
  readonly tied?: boolean;
  /** E. Default `hidden_size` / `num_attention_heads`. */
  readonly headWidth?: number;
  /** Default: as many as there are heads. */
  readonly kvHeads?: number;
  /** The key and the value of the activation. Default `hidden_act`, `silu`. */
  readonly activation?: readonly [key: string, value: string];
}

/** The keys that all these families share; refuses what none of them honours. */
export function readRotary(config: ConfigReader, defaults: RotaryDefaults = {}) {
  const hiddenSize = config.integer("hidden_size");
  const heads = config.integer("num_attention_heads");
  // Null is as many as there are heads, also where the family's default is another number.
  const usual = config.given("num_key_value_heads") === null ? heads : (defaults.kvHeads ?? heads);
  const kvHeads = config.integer("num_key_value_heads", { max: heads }, usual);
  if (heads % kvHeads !== 0) throw config.bad("num_key_value_heads", `a divisor of num_attention_heads, ${heads}`);
  if (!config.has("head_dim") && !defaults.headWidth && hiddenSize % heads !== 0) {
    throw config.bad("num_attention_heads", `a divisor of hidden_size, ${hiddenSize}`);
  }
  refuseForeign(config);
  config.refuse("rope_interleaved", "this family turns channel i with channel i + E / 2", [false]);
  const headWidth = config.integer("head_dim", {}, defaults.headWidth ?? hiddenSize / heads);
  const [activationKey, activation] = defaults.activation ?? ["hidden_act", "silu"];
  return {
    modelType: config.modelType,
    hiddenSize,
    intermediateSize: config.integer("intermediate_size"),
    layers: config.integer("num_hidden_layers"),
    vocabSize: config.integer("vocab_size"),
    layout: { heads, kvHeads, headWidth },
    eps: config.number("rms_norm_eps", 0, defaults.eps ?? 1e-6),
    activation: config.oneOf(activationKey, gatedActivations, activation),
    tied: config.boolean("tie_word_embeddings", defaults.tied ?? false),
    scale: 1 / Math.sqrt(headWidth),
    headless: config.mayLackHead,
  };
}

/** Refuses biases that a family has not: many configs say so. */
export function refuseBiases(
  config: ConfigReader,
  ...keys: readonly ("attention_bias" | "mlp_bias" | "lm_head_bias")[]
) {
  for (const key of keys) config.refuse(key, "this family has no such biases", [false]);
}

/** What `readRotary` read, with the rotary embedding of models that have one, and the context that it reaches. */
export function readContext<Shape extends { readonly layout: HeadLayout }>(
  config: ConfigReader,
  shape: Shape,
  maxPositions: number,
  defaults: Omit<RopeDefaults, "headWidth" | "contextLength"> = {},
) {
  const given = config.integer("max_position_embeddings", {}, maxPositions);
  const rope = readRope(config, { headWidth: shape.layout.headWidth, contextLength: given, ...defaults });
  return { ...shape, rope, contextLength: Math.floor(given * rope.contextFactor) };
}

/**
 * Positions before its own that a row of a sliding layer sees: `sliding_window` counts its own too. Undefined: all.
 * @param usual `sliding_window` where the config has no such key
 */
export function readWindow(config: ConfigReader, usual?: number): number | undefined {
  const given = config.given("sliding_window");
  if (given === null || (given ?? usual) === undefined) return undefined;
  return config.integer("sliding_window", {}, usual) - 1;
}

const layerTypes = ["full_attention", "sliding_attention"];
const isLayerType = (value: unknown): value is string => layerTypes.includes(value as string);

/** `layer_types`, or what the family has where there are none: whether each layer slides. */
export function readLayerTypes(config: ConfigReader, layers: number, slides: (layer: number) => boolean): boolean[] {
  const types = config.list("layer_types", layers, `of ${layerTypes.join(", ")}`, isLayerType);
  return Array.from({ length: layers }, (_, layer) => (types ? types[layer] === layerTypes[1] : slides(layer)));
}

/** The window of each layer: of those that `layer_types` names, or of those that slide where there is no such key. */
export function readWindows(
  config: ConfigReader,
  layers: number,
  window: number | undefined,
  slides: (layer: number) => boolean,
): (number | undefined)[] {
  const sliding = readLayerTypes(config, layers, (layer) => window !== undefined && slides(layer));
  if (window === undefined && sliding.includes(true)) {
    throw config.bad("layer_types", "full_attention in all layers, as the config turns sliding windows off");
  }
  return sliding.map((isSliding) => (isSliding ? window : undefined));
}

/** The plans of layers that are all alike. */
export function readUniformPlans(config: ConfigReader, layers: number, rope: Rope, window?: number): LayerPlan[] {
  const windows = readWindows(config, layers, window, () => true);
  if (windows.some((own) => own !== window)) {
    throw config.bad("layer_types", "sliding_attention in all layers, as this family has one window for all");
  }
  return windows.map(() => ({ rope, window }));
}

/** Reserves the vocabulary and the last norm, and has the family reserve its blocks. */
export function reserveRotary(
  config: RotaryConfig,
  weights: Weights,
  block: (weights: Weights, layer: number) => BlockWeights,
  norm: { plus?: number } = {},
): RotaryWeights {
  const model = weights.base("model.", "embed_tokens.weight");
  const vocabulary = reserveVocabulary(weights, model, { table: "embed_tokens", heads: ["lm_head"] }, config);
  const blocks = reserveLayers(model, "layers.", config.layers, block);
  return { ...vocabulary, blocks, norm: model.vector("norm.weight", config.hiddenSize, norm) };
}

/** Buffers that older checkpoints of these families carry. */
export const isRotaryBuffer = (name: string) => /(^|\.)rotary_emb\.inv_freq$/.test(name);

/** Which layers of a block have biases. */
export interface BlockBiases {
  /** Queries, keys and values. */
  readonly attention?: boolean;
  readonly output?: boolean;
  readonly mlp?: boolean;
}

/** The linear layers of a block as most of these families name them. */
export function reserveLinears(
  { hiddenSize: D, intermediateSize: F, layout }: RotaryConfig,
  block: Weights,
  biases: BlockBiases = {},
): Pick<BlockWeights, "qkv" | "output" | "gateUp" | "down"> {
  const self = block.scope("self_attn.");
  const mlp = block.scope("mlp.");
  const width = layout.heads * layout.headWidth;
  const kvWidth = layout.kvHeads * layout.headWidth;
  return {
    qkv: self.linear({ q_proj: width, k_proj: kvWidth, v_proj: kvWidth }, D, { bias: biases.attention, leastBits: 8 }),
    output: self.linear({ o_proj: D }, width, { bias: biases.output, leastBits: 8 }),
    gateUp: mlp.linear({ gate_proj: F, up_proj: F }, D, { bias: biases.mlp }),
    down: mlp.linear({ down_proj: D }, F, { bias: biases.mlp }),
  };
}

/** The weights of a block as most of these families name them. */
export function reserveBlock(config: RotaryConfig, block: Weights, biases?: BlockBiases): BlockWeights {
  return {
    attentionNorm: block.vector("input_layernorm.weight", config.hiddenSize),
    mlpNorm: block.vector("post_attention_layernorm.weight", config.hiddenSize),
    ...reserveLinears(config, block, biases),
  };
}

/** The norms of each head's queries and keys. */
export function reserveHeadNorms({ layout }: RotaryConfig, block: Weights, norm: { plus?: number } = {}) {
  const self = block.scope("self_attn.");
  return {
    query: self.vector("q_norm.weight", layout.headWidth, norm),
    key: self.vector("k_norm.weight", layout.headWidth, norm),
  };
}

/** The linear layers of a block. */
export function linearsOf({ qkv, output, gateUp, down }: BlockWeights): LinearWeight[] {
  return [qkv, output, gateUp, down];
}

/** The angles of each rope that layers have. */
export function anglesOfPlans(
  plans: readonly LayerPlan[],
  write: (rope: Rope) => Angles,
): Map<Rope | undefined, Angles> {
  const angles = new Map<Rope | undefined, Angles>();
  for (const { rope } of plans) if (rope && !angles.has(rope)) angles.set(rope, write(rope));
  return angles;
}

/** A decoder of this shape, from its config, the plan of its layers and its weights. */
export function rotaryDecoder(
  config: RotaryConfig,
  plans: readonly LayerPlan[],
  { table, head, blocks, norm }: RotaryWeights,
): DecoderModel {
  const { layout, recomputesBeyond, eps, embeddingScale = 1, stretchesOf } = config;
  return {
    ...factsOf(config, linearsOf(blocks[0])),
    kind: "decoder",
    layout,
    recomputesBeyond,
    logits: head && ((hidden) => capped(linearSteps(hidden, head), config.softcap)),
    forward(batch) {
      const angles = anglesOfPlans(plans, (rope) => newAngles(batch, rope, stretchesOf?.(batch)));
      return decode(batch, blocks.length, {
        embed(ids) {
          const x = embedding(ids, table);
          return embeddingScale === 1 ? x : scale(x, embeddingScale);
        },
        block: (x, layer, spans, wanted) => {
          const { rope, window } = plans[layer];
          return block(x, config, blocks[layer], { angles: angles.get(rope), window, spans, wanted });
        },
        picks: true,
        norm: (x) => rmsNorm(x, norm, eps),
      });
    },
  };
}

/** What a layer attends to, and by which angles. */
interface Attention {
  readonly angles: Angles | undefined;
  readonly window: number | undefined;
  readonly spans: readonly SequenceSpan[];
  readonly wanted: Wanted | undefined;
}

function* block(x: TD, config: RotaryConfig, weights: BlockWeights, attention: Attention): Forward<TD> {
  const { eps, activation } = config;
  const { attentionNorm, output, afterAttention, qkv, mlpNorm, gateUp, down, afterMlp } = weights;
  const normed = rmsNorm(x, attentionNorm, eps);
  const projected = isLong(normed, qkv) ? yield* linearSteps(normed, qkv) : linear(normed, qkv);
  const seen = attendTurned(projected, config, weights, attention);
  x = addLinear(pick(x, attention.wanted), seen, output, afterAttention, eps);
  const again = rmsNorm(x, mlpNorm, eps);
  const widened = gated(isLong(again, gateUp) ? yield* linearSteps(again, gateUp) : linear(again, gateUp), activation);
  return isLong(widened, down) && !afterMlp
    ? yield* linearSteps(widened, down, { residual: x })
    : addLinear(x, widened, down, afterMlp, eps);
}

function attendTurned(
  qkv: TD,
  { layout, eps, scale }: RotaryConfig,
  { headNorms }: BlockWeights,
  { angles, window, spans, wanted }: Attention,
): TD {
  if (headNorms) normHeads(qkv, headNorms.query, headNorms.key, eps, layout);
  if (angles) rotate(qkv, angles.cos, angles.sin, layout);
  return attend(qkv, spans, layout, { scale, window, causal: true }, wanted);
}

/** `x + linear(y)`, or `x + norm(linear(y))` in models that norm what a half of a block gives. */
function addLinear(x: TD, y: TD, weight: LinearWeight, norm: VectorWeight | undefined, eps: number): TD {
  return norm ? add(x, rmsNorm(linear(y, weight), norm, eps)) : linear(y, weight, { residual: x });
}

function capped(logits: Forward<TD>, softcap: number | undefined): Forward<TD> {
  if (!softcap) return logits;
  return (function* () {
    return scale(activate(scale(yield* logits, 1 / softcap), "tanh"), softcap);
  })();
}
