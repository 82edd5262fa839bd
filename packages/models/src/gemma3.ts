import type { HeadLayout, Weights } from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { embedBatch } from "./embedding/embed.ts";
import { embedWithDecoder } from "./embedding/embed-decoder.ts";
import { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
import { encode, encoderStates } from "./pipeline/encoder-forwards.ts";
import { decoderStates, encodeWithDecoder } from "./pipeline/forwards.ts";
import type { TaskContext } from "./pipeline/tasks.ts";
import { readRope } from "./rope.ts";
import {
  type BlockWeights,
  isRotaryBuffer,
  type RotaryConfig,
  readRotary,
  readWindow,
  readWindows,
  refuseBiases,
  reserveHeadNorms,
  reserveLinears,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";
import { rotaryEncoder } from "./rotary-encoder.ts";

/** Norm weights are stored less 1. */
const norm = { plus: 1 };

/**
 * Gemma 3, the text models: most layers have a window and short wavelengths, some see everything and have long ones; norms
 * before and after each half of a block, and of each head. With `use_bidirectional_attention` (EmbeddingGemma) an encoder.
 * @see transformers 5.18, models/gemma3/modeling_gemma3.py; Gemma Team, "Gemma 3 Technical Report", 2025
 */
export const gemma3: Architecture = {
  modelTypes: ["gemma3_text"],
  load(config, weights) {
    const shape = readRotary(config, {
      kvHeads: 4,
      headWidth: 256,
      tied: true,
      activation: ["hidden_activation", "gelu_pytorch_tanh"],
    });
    const contextLength = config.integer("max_position_embeddings", {}, 131_072);
    const ropes = readRopes(config, shape.layout, contextLength);
    refuseBiases(config, "mlp_bias");
    const bias = config.boolean("attention_bias", false);
    const softcap = config.has("final_logit_softcapping") ? config.number("final_logit_softcapping", 0) : undefined;
    // The reference reads it and caps nothing; others do cap.
    config.refuse("attn_logit_softcapping", "attention scores are not capped");
    const bidirectional = config.boolean("use_bidirectional_attention", false);
    const whole = {
      ...shape,
      // An encoder has no use for an output layer.
      ...(bidirectional && { tied: false, headless: true }),
      contextLength,
      softcap,
      scale: 1 / Math.sqrt(config.number("query_pre_attn_scalar", 0, 256)),
      // In float32: in bfloat16 the reference rounds this factor to 8 bits.
      embeddingScale: Math.fround(Math.sqrt(shape.hiddenSize)),
    };
    const reserved = reserveRotary(whole, weights, (block) => reserveGemmaBlock(whole, block, bias), norm);
    const plans = readGemmaWindows(config, shape.layers, bidirectional).map((window) => ({
      rope: window === undefined ? ropes.global : ropes.local,
      window,
    }));
    return (bidirectional ? rotaryEncoder : rotaryDecoder)(whole, plans, reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: {
    ...embeddingDecoderTasks,
    embedBatch: (context, ...rest) => (isEncoder(context) ? embedBatch : embedWithDecoder)(context, ...rest),
    encode: (context, ...rest) => (isEncoder(context) ? encode : encodeWithDecoder)(context, ...rest),
    hiddenStates: (context, ...rest) => (isEncoder(context) ? encoderStates : decoderStates)(context, ...rest),
  },
};

const isEncoder = ({ model }: TaskContext) => model.kind === "encoder";

/** Each kind of layer has its own parameters; older configs scale the global layers only. */
function readRopes(config: ConfigReader, { headWidth }: HeadLayout, contextLength: number) {
  const parameters = config.object("rope_parameters");
  const [full, sliding] = ["full_attention", "sliding_attention"].map((type) => parameters?.object(type));
  const scaling = config.object("rope_scaling");
  const defaults = { headWidth, contextLength };
  const theta = full?.number("rope_theta", 0, 1_000_000) ?? 1_000_000;
  return {
    global: readRope(config, { ...defaults, theta }, scaling ?? full ?? null),
    local: readRope(config, { ...defaults, thetaKey: "rope_local_base_freq" }, sliding ?? null),
  };
}

function readGemmaWindows(config: ConfigReader, layers: number, bidirectional: boolean): (number | undefined)[] {
  const pattern = config.integer("sliding_window_pattern", {}, 6);
  // Newer versions save it beside `layer_types`, and read it no more.
  if (config.has("layer_types")) config.ignore("_sliding_window_pattern");
  else config.refuse("_sliding_window_pattern", "sliding_window_pattern is what is read", [pattern]);
  const given = readWindow(config, 4096);
  // Half of `sliding_window` to each side: the reference rounds it down.
  const window = bidirectional && given !== undefined ? Math.floor((given + 1) / 2) : given;
  return readWindows(config, layers, window, (layer) => (layer + 1) % pattern !== 0);
}

function reserveGemmaBlock(config: RotaryConfig, block: Weights, bias: boolean): BlockWeights {
  const { hiddenSize: D } = config;
  return {
    ...reserveLinears(config, block, { attention: bias, output: bias }),
    attentionNorm: block.vector("input_layernorm.weight", D, norm),
    headNorms: reserveHeadNorms(config, block, norm),
    afterAttention: block.vector("post_attention_layernorm.weight", D, norm),
    mlpNorm: block.vector("pre_feedforward_layernorm.weight", D, norm),
    afterMlp: block.vector("post_feedforward_layernorm.weight", D, norm),
  };
}
