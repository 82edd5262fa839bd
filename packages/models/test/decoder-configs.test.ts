import { ConfigError, type TensorInfo, WeightError, Weights } from "@kiloformer/core";
import { describe, expect, test } from "vitest";
import type { Architecture, DecoderModel } from "../src/architecture.ts";
import { ConfigReader } from "../src/config.ts";
import { gemma3 } from "../src/gemma3.ts";
import { isGenerationKey } from "../src/generation/options.ts";
import { gptNeo } from "../src/gpt-neo.ts";
import { gptNeox } from "../src/gpt-neox.ts";
import { gpt2 } from "../src/gpt2.ts";
import { llama } from "../src/llama.ts";
import { mistral } from "../src/mistral.ts";
import { phi3 } from "../src/phi3.ts";
import { qwen2 } from "../src/qwen2.ts";
import { qwen3 } from "../src/qwen3.ts";
import { smollm3 } from "../src/smollm3.ts";

const architectures: Architecture[] = [llama, mistral, qwen2, qwen3, phi3, smollm3, gemma3, gpt2, gptNeo, gptNeox];

// biome-ignore lint/suspicious/noExplicitAny: what a config.json holds
type Config = Record<string, any>;
type Shapes = Record<string, readonly number[]>;

/** The names of one layer for all layers. */
function perLayer(prefix: string, layers: number, shapes: Shapes): Shapes {
  const names = Object.entries(shapes);
  return Object.fromEntries(
    Array.from({ length: layers }, (_, n) => names.map(([name, shape]) => [`${prefix}${n}.${name}`, shape])).flat(),
  );
}

/** `NAME.weight [out, in]`, and `NAME.bias` if there is one. */
const linear = (name: string, outputs: number, inputs: number, bias = false): Shapes => ({
  [`${name}.weight`]: [outputs, inputs],
  ...(bias && { [`${name}.bias`]: [outputs] }),
});
const layerNorm = (name: string, D: number): Shapes => ({ [`${name}.weight`]: [D], [`${name}.bias`]: [D] });

/** What the files of Llama's relatives hold. */
function rotaryShapes(c: Config): Shapes {
  const { hidden_size: D, intermediate_size: F, vocab_size: V, num_attention_heads: H, num_key_value_heads: K } = c;
  const E = c.head_dim ?? (c.model_type === "qwen3" ? 128 : D / H);
  const type = c.model_type;
  const bias = type === "qwen2" || c.attention_bias;
  const projections = {
    ...linear("self_attn.q_proj", H * E, D, bias),
    ...linear("self_attn.k_proj", K * E, D, bias),
    ...linear("self_attn.v_proj", K * E, D, bias),
    ...linear("mlp.gate_proj", F, D),
    ...linear("mlp.up_proj", F, D),
  };
  const fused = {
    ...linear("self_attn.qkv_proj", (H + 2 * K) * E, D),
    ...linear("mlp.gate_up_proj", 2 * F, D),
  };
  const layers = perLayer("model.layers.", c.num_hidden_layers, {
    ...(type === "phi3" ? fused : projections),
    ...linear("self_attn.o_proj", D, H * E, c.attention_bias),
    ...linear("mlp.down_proj", D, F),
    "input_layernorm.weight": [D],
    "post_attention_layernorm.weight": [D],
    ...((type === "qwen3" || type === "gemma3_text") && {
      "self_attn.q_norm.weight": [E],
      "self_attn.k_norm.weight": [E],
    }),
    ...(type === "gemma3_text" && {
      "pre_feedforward_layernorm.weight": [D],
      "post_feedforward_layernorm.weight": [D],
    }),
  });
  const tied = c.tie_word_embeddings ?? (type === "gemma3_text" || type === "smollm3");
  const head: Shapes = tied ? {} : { "lm_head.weight": [V, D] };
  return { "model.embed_tokens.weight": [V, D], ...layers, "model.norm.weight": [D], ...head };
}

function gpt2Shapes(c: Config): Shapes {
  const { n_embd: D, vocab_size: V, n_positions: S, n_inner: F = 4 * D } = c;
  const transposed = (name: string, outputs: number, inputs: number) => ({
    [`${name}.weight`]: [inputs, outputs],
    [`${name}.bias`]: [outputs],
  });
  const layers = perLayer("h.", c.n_layer, {
    ...layerNorm("ln_1", D),
    ...transposed("attn.c_attn", 3 * D, D),
    ...transposed("attn.c_proj", D, D),
    ...layerNorm("ln_2", D),
    ...transposed("mlp.c_fc", F, D),
    ...transposed("mlp.c_proj", D, F),
  });
  return { "wte.weight": [V, D], "wpe.weight": [S, D], ...layers, ...layerNorm("ln_f", D) };
}

function gptNeoShapes(c: Config): Shapes {
  const { hidden_size: D, vocab_size: V, max_position_embeddings: S } = c;
  const layers = perLayer("transformer.h.", c.num_layers, {
    ...layerNorm("ln_1", D),
    ...linear("attn.attention.q_proj", D, D),
    ...linear("attn.attention.k_proj", D, D),
    ...linear("attn.attention.v_proj", D, D),
    ...linear("attn.attention.out_proj", D, D, true),
    ...layerNorm("ln_2", D),
    ...linear("mlp.c_fc", 4 * D, D, true),
    ...linear("mlp.c_proj", D, 4 * D, true),
  });
  const tables = { "transformer.wte.weight": [V, D], "transformer.wpe.weight": [S, D] };
  return { ...tables, ...layers, ...layerNorm("transformer.ln_f", D) };
}

function gptNeoxShapes(c: Config): Shapes {
  const { hidden_size: D, intermediate_size: F, vocab_size: V } = c;
  const layers = perLayer("gpt_neox.layers.", c.num_hidden_layers, {
    ...layerNorm("input_layernorm", D),
    ...layerNorm("post_attention_layernorm", D),
    ...linear("attention.query_key_value", 3 * D, D, true),
    ...linear("attention.dense", D, D, true),
    ...linear("mlp.dense_h_to_4h", F, D, true),
    ...linear("mlp.dense_4h_to_h", D, F, true),
  });
  const tables = { "gpt_neox.embed_in.weight": [V, D], "embed_out.weight": [V, D] };
  return { ...tables, ...layers, ...layerNorm("gpt_neox.final_layer_norm", D) };
}

const shapesOf = (config: Config): Shapes => {
  const special: Record<string, (c: Config) => Shapes> = {
    gpt2: gpt2Shapes,
    gpt_neo: gptNeoShapes,
    gpt_neox: gptNeoxShapes,
  };
  return (special[config.model_type] ?? rotaryShapes)(config);
};

const size = (shape: readonly number[]) => shape.reduce((product, axis) => product * axis, 1);

/** What a config and the tensors of a file come to, as a pipeline's plan does it. */
function plan(config: Config, shapes: Shapes) {
  const infos = Object.entries(shapes).map(([name, shape]): [string, TensorInfo] => {
    return [name, { name, dtype: "F32", shape, begin: 0, end: 4 * size(shape), file: "model.safetensors" }];
  });
  const architecture = architectures.find(({ modelTypes }) => modelTypes.includes(config.model_type))!;
  const reader = new ConfigReader(config);
  const weights = Weights.over(new Map(infos));
  const model = architecture.load(reader, weights) as DecoderModel;
  const unknownKeys = reader.finish(isGenerationKey);
  const reservation = weights.finish();
  const unknownTensors = reservation.unused.filter((name) => !architecture.harmless(name));
  return { model, reservation, unknownKeys, unknownTensors };
}

const factors = (length: number) => Array.from({ length }, (_, i) => 1 + i / 8);
const summary = {
  summary_activation: null,
  summary_first_dropout: 0.1,
  summary_proj_to_labels: true,
  summary_type: "cls_index",
  summary_use_proj: true,
};
const ids = { bos_token_id: 1, eos_token_id: 2, pad_token_id: 0 };
const saved = { torch_dtype: "bfloat16", transformers_version: "4.51.0", use_cache: true, initializer_range: 0.02 };
const openaiGpt2 = {
  activation_function: "gelu_new",
  architectures: ["GPT2LMHeadModel"],
  attn_pdrop: 0.1,
  bos_token_id: 50256,
  embd_pdrop: 0.1,
  eos_token_id: 50256,
  initializer_range: 0.02,
  layer_norm_epsilon: 1e-5,
  model_type: "gpt2",
  n_ctx: 1024,
  n_embd: 768,
  n_head: 12,
  n_layer: 12,
  n_positions: 1024,
  resid_pdrop: 0.1,
  ...summary,
  task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
  vocab_size: 50257,
};
const phi3Mini = {
  _name_or_path: "Phi-3-mini-4k-instruct",
  architectures: ["Phi3ForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  auto_map: { AutoConfig: "configuration_phi3.Phi3Config", AutoModelForCausalLM: "modeling_phi3.Phi3ForCausalLM" },
  bos_token_id: 1,
  embd_pdrop: 0,
  eos_token_id: 32000,
  hidden_act: "silu",
  hidden_size: 3072,
  intermediate_size: 8192,
  max_position_embeddings: 4096,
  model_type: "phi3",
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  original_max_position_embeddings: 4096,
  pad_token_id: 32000,
  resid_pdrop: 0,
  rms_norm_eps: 1e-5,
  rope_scaling: null as unknown,
  rope_theta: 10000,
  sliding_window: 2047,
  tie_word_embeddings: false,
  ...saved,
  vocab_size: 32064,
};
const qwen25 = {
  architectures: ["Qwen2ForCausalLM"],
  attention_dropout: 0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  hidden_act: "silu",
  hidden_size: 896,
  intermediate_size: 4864,
  max_position_embeddings: 32768,
  max_window_layers: 21,
  model_type: "qwen2",
  num_attention_heads: 14,
  num_hidden_layers: 24,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000,
  sliding_window: 32768,
  tie_word_embeddings: true,
  ...saved,
  use_mrope: false,
  use_sliding_window: false,
  vocab_size: 151936,
};
const gemma1b = {
  architectures: ["Gemma3ForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  attn_logit_softcapping: null,
  bos_token_id: 2,
  cache_implementation: "hybrid",
  eos_token_id: [1, 106],
  final_logit_softcapping: null,
  head_dim: 256,
  hidden_activation: "gelu_pytorch_tanh",
  hidden_size: 1152,
  intermediate_size: 6912,
  max_position_embeddings: 32768,
  model_type: "gemma3_text",
  num_attention_heads: 4,
  num_hidden_layers: 26,
  num_key_value_heads: 1,
  pad_token_id: 0,
  query_pre_attn_scalar: 256,
  rms_norm_eps: 1e-6,
  rope_local_base_freq: 10000,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: 512,
  sliding_window_pattern: 6,
  ...saved,
  vocab_size: 262144,
};
const { sliding_window_pattern: _pattern, cache_implementation: _cache, ...gemmaLater } = gemma1b;
const mistral7b = {
  architectures: ["MistralForCausalLM"],
  ...ids,
  hidden_act: "silu",
  hidden_size: 4096,
  intermediate_size: 14336,
  max_position_embeddings: 32768,
  model_type: "mistral",
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  sliding_window: 4096 as number | null,
  tie_word_embeddings: false,
  ...saved,
  vocab_size: 32000,
};
const qwen06b = {
  architectures: ["Qwen3ForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: "silu",
  hidden_size: 1024,
  intermediate_size: 3072,
  max_position_embeddings: 40960,
  max_window_layers: 28,
  model_type: "qwen3",
  num_attention_heads: 16,
  num_hidden_layers: 28,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null as unknown,
  rope_theta: 1000000,
  sliding_window: null,
  tie_word_embeddings: true,
  ...saved,
  use_sliding_window: false,
  vocab_size: 151936,
};
const smol3b = {
  architectures: ["SmolLM3ForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  bos_token_id: 128000,
  eos_token_id: 128012,
  hidden_act: "silu",
  hidden_size: 2048,
  intermediate_size: 11008,
  layer_types: Array(36).fill("full_attention"),
  max_position_embeddings: 65536,
  max_window_layers: 28,
  mlp_bias: false,
  model_type: "smollm3",
  no_rope_layer_interval: 4,
  no_rope_layers: Array.from({ length: 36 }, (_, layer) => (layer % 4 === 3 ? 0 : 1)),
  num_attention_heads: 16,
  num_hidden_layers: 36,
  num_key_value_heads: 4,
  pad_token_id: 128004,
  pretraining_tp: 2,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 5000000,
  sliding_window: null,
  ...saved,
  use_sliding_window: false,
  vocab_size: 128256,
};
const neo125m = {
  activation_function: "gelu_new",
  architectures: ["GPTNeoForCausalLM"],
  attention_dropout: 0,
  attention_layers: Array.from({ length: 12 }, (_, layer) => (layer % 2 ? "local" : "global")),
  attention_types: [[["global", "local"], 6]],
  bos_token_id: 50256,
  embed_dropout: 0,
  eos_token_id: 50256,
  gradient_checkpointing: false,
  hidden_size: 768,
  initializer_range: 0.02,
  intermediate_size: null,
  layer_norm_epsilon: 1e-5,
  max_position_embeddings: 2048,
  model_type: "gpt_neo",
  num_heads: 12,
  num_layers: 12,
  resid_dropout: 0,
  ...summary,
  torch_dtype: "float32",
  transformers_version: "4.9.0.dev0",
  use_cache: true,
  vocab_size: 50257,
  window_size: 256,
};
const pythia70m = {
  architectures: ["GPTNeoXForCausalLM"],
  bos_token_id: 0,
  eos_token_id: 0,
  hidden_act: "gelu",
  hidden_size: 512,
  intermediate_size: 2048,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 2048,
  model_type: "gpt_neox",
  num_attention_heads: 8,
  num_hidden_layers: 6,
  rotary_emb_base: 10000,
  rotary_pct: 0.25,
  tie_word_embeddings: false,
  ...saved,
  use_parallel_residual: true,
  vocab_size: 50304,
};
const smolLm135m = {
  architectures: ["LlamaForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  ...ids,
  hidden_act: "silu",
  hidden_size: 576,
  intermediate_size: 1536,
  is_llama_config: true,
  max_position_embeddings: 8192,
  mlp_bias: false,
  model_type: "llama",
  num_attention_heads: 9,
  num_hidden_layers: 30,
  num_key_value_heads: 3,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_interleaved: false,
  rope_scaling: null as unknown,
  rope_theta: 100000,
  tie_word_embeddings: true,
  ...saved,
  "transformers.js_config": { kv_cache_dtype: { q4f16: "float16", fp16: "float16" } },
  vocab_size: 49152,
};
const llama3Rope = { factor: 32, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 8192 };

/** Configs as they are published, the context that they state, and how many numbers their files hold. */
const published: Record<string, { config: Config; context: number; parameters: number }> = {
  gpt2: { config: openaiGpt2, context: 1024, parameters: 124_439_808 },
  "gpt2-medium": {
    config: { ...openaiGpt2, n_embd: 1024, n_head: 16, n_layer: 24, n_special: 0, predict_special_tokens: true },
    context: 1024,
    parameters: 354_823_168,
  },
  distilgpt2: {
    config: { ...openaiGpt2, n_layer: 6, _num_labels: 1, id2label: { 0: "LABEL_0" }, label2id: { LABEL_0: 0 } },
    context: 1024,
    parameters: 81_912_576,
  },
  "gpt-neo-125m": { config: neo125m, context: 2048, parameters: 125_198_592 },
  "pythia-70m": { config: pythia70m, context: 2048, parameters: 70_426_624 },
  "gpt-neox-20b": {
    config: {
      ...pythia70m,
      attention_probs_dropout_prob: 0,
      hidden_dropout_prob: 0,
      hidden_act: "gelu_fast",
      hidden_size: 6144,
      intermediate_size: 24576,
      num_attention_heads: 64,
      num_hidden_layers: 44,
      vocab_size: 50432,
    },
    context: 2048,
    parameters: 20_554_567_680,
  },
  "Mistral-7B-v0.1": { config: mistral7b, context: 32768, parameters: 7_241_732_096 },
  "Mistral-7B-v0.3": {
    config: { ...mistral7b, attention_dropout: 0, rope_theta: 1e6, sliding_window: null, vocab_size: 32768 },
    context: 32768,
    parameters: 7_248_023_552,
  },
  "Qwen2.5-0.5B": { config: qwen25, context: 32768, parameters: 494_032_768 },
  "Qwen2.5-0.5B with yarn, as its page says": {
    config: { ...qwen25, rope_scaling: { factor: 4, original_max_position_embeddings: 32768, type: "yarn" } },
    context: 131_072,
    parameters: 494_032_768,
  },
  "Qwen3-0.6B": { config: qwen06b, context: 40960, parameters: 596_049_920 },
  "gemma-3-270m": {
    config: {
      ...gemmaLater,
      _sliding_window_pattern: 6,
      hidden_size: 640,
      intermediate_size: 2048,
      layer_types: Array.from({ length: 18 }, (_, n) => (n % 6 === 5 ? "full_attention" : "sliding_attention")),
      num_hidden_layers: 18,
      use_bidirectional_attention: false,
    },
    context: 32768,
    parameters: 268_098_176,
  },
  "gemma-3-1b": { config: gemma1b, context: 32768, parameters: 999_885_952 },
  "Phi-3-mini-4k": { config: phi3Mini, context: 4096, parameters: 3_821_079_552 },
  "Phi-3-mini-128k": {
    config: {
      ...phi3Mini,
      max_position_embeddings: 131_072,
      rope_scaling: { long_factor: factors(48), short_factor: factors(48), type: "longrope" },
      sliding_window: 262_144,
    },
    context: 131_072,
    parameters: 3_821_079_552,
  },
  "Phi-3-mini-128k of April 2024": {
    config: {
      ...phi3Mini,
      max_position_embeddings: 131_072,
      rope_scaling: { long_factor: factors(48), short_factor: factors(48), type: "su" },
    },
    context: 131_072,
    parameters: 3_821_079_552,
  },
  "Phi-4-mini": {
    config: {
      ...phi3Mini,
      full_attn_mod: 1,
      interpolate_factor: 1,
      lm_head_bias: false,
      max_position_embeddings: 131_072,
      mlp_bias: false,
      num_attention_heads: 24,
      num_key_value_heads: 8,
      partial_rotary_factor: 0.75,
      rope_scaling: { long_factor: factors(48), short_factor: factors(48), type: "longrope" },
      sliding_window: 262_144,
      tie_word_embeddings: true,
      vocab_size: 200_064,
    },
    context: 131_072,
    parameters: 3_836_021_760,
  },
  "SmolLM2-135M": { config: smolLm135m, context: 8192, parameters: 134_515_008 },
  "Llama-3.2-1B": {
    config: {
      ...smolLm135m,
      head_dim: 64,
      hidden_size: 2048,
      intermediate_size: 8192,
      max_position_embeddings: 131_072,
      num_attention_heads: 32,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      rope_scaling: { ...llama3Rope, rope_type: "llama3" },
      rope_theta: 500_000,
      vocab_size: 128_256,
    },
    context: 131_072,
    parameters: 1_235_814_400,
  },
  "SmolLM3-3B": { config: smol3b, context: 65536, parameters: 3_075_098_624 },
};
const names = Object.keys(published);

describe("published configs open without a complaint, with as many numbers as their files hold", () => {
  test.each(names)("%s", (name) => {
    const { config, context, parameters } = published[name];
    const shapes = shapesOf(config);
    const { model, reservation, unknownKeys, unknownTensors } = plan(config, shapes);
    expect(unknownKeys).toEqual([]);
    expect(unknownTensors).toEqual([]);
    expect(model.contextLength).toBe(context);
    expect(model.vocabSize).toBe(config.vocab_size);
    expect(model.logits).toBeDefined();
    const count = reservation.tasks.reduce((sum, { info }) => sum + size(info.shape), 0);
    expect(count).toBe(parameters);
  });

  test.each(names)("%s without the prefix of its names, as a bare model", (name) => {
    const { config } = published[name];
    const entries = Object.entries(shapesOf(config)).filter(([key]) => !/^(lm_head|embed_out)\./.test(key));
    const shapes = Object.fromEntries(
      entries.map(([key, shape]) => [key.replace(/^(model|transformer|gpt_neox)\./, ""), shape]),
    );
    const bare = { ...config, architectures: ["GPT2Model"], tie_word_embeddings: false };
    const { model, unknownTensors } = plan(bare, shapes);
    expect(unknownTensors).toEqual([]);
    expect(model.logits).toBeUndefined();
  });
});

/** One published config of each family. */
const families: [string, Config][] = [
  openaiGpt2,
  neo125m,
  pythia70m,
  smolLm135m,
  mistral7b,
  qwen25,
  qwen06b,
  gemma1b,
  phi3Mini,
  smol3b,
].map((config) => [config.model_type, config]);
const configOf = Object.fromEntries(families);

/** What a changed config throws. */
function failure(config: Config, shapes: Shapes): ConfigError | WeightError {
  try {
    plan(config, shapes);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof WeightError) return error;
    throw error;
  }
  throw new Error("no error");
}

const fused = { type: "longrope", short_factor: factors(48), long_factor: factors(48) };
/** Values that no model can have or that are not supported: each is an error that names its key. */
const refused: Record<string, [key: string, value: unknown, inner?: string][]> = {
  llama: [
    ["sliding_window", 4096],
    ["rope_interleaved", true],
    ["mlp_bias", 0],
    ["per_layer_config", {}],
    ["layer_types", [...Array(29).fill("full_attention"), "sliding_attention"]],
    ["rope_scaling", { rope_type: "llama3", factor: 8, high_freq_factor: 4 }, "low_freq_factor"],
    ["rope_scaling", { ...llama3Rope, type: "llama3", factor: 0 }, "factor"],
    ["rope_scaling", { type: "yarn", factor: 4, beta_fast: 0 }, "beta_fast"],
    ["rope_scaling", { type: "yarn", factor: 4, truncate: 1 }, "truncate"],
    ["rope_scaling", { type: "constructor" }, "type"],
    ["rope_scaling", { type: "su" }, "type"],
    ["rope_scaling", { rope_type: "dynamic", factor: "2" }, "factor"],
    ["rope_parameters", "default"],
  ],
  mistral: [
    ["sliding_window", 0],
    ["sliding_window", -1],
    ["sliding_window", 1.5],
    ["sliding_window", "4096"],
    ["layer_types", Array(32).fill("full_attention")],
    ["layer_types", Array(31).fill("sliding_attention")],
    ["head_dim", 7],
    ["num_key_value_heads", 3],
    ["num_attention_heads", 24],
    ["quantization_config", { bits: 4 }],
    ["hidden_act", "constructor"],
    ["partial_rotary_factor", 0.5],
    ["attention_bias", true],
    ["mlp_bias", true],
    ["rope_theta", 0],
    ["rms_norm_eps", 0],
    ["rms_norm_eps", "1e-5"],
  ],
  qwen2: [
    ["sliding_window", 0],
    ["max_window_layers", -1],
    ["use_sliding_window", "yes"],
    ["layer_types", Array(24).fill("sliding_attention")],
    ["layer_types", Array(24).fill("attention")],
    ["mlp_bias", true],
    ["use_mrope", true],
    ["dual_chunk_attention_config", { chunk_size: 262_144 }],
  ],
  qwen3: [
    ["head_dim", 0],
    ["head_dim", 5],
    ["attention_bias", 1],
    ["sliding_window", 0],
    ["rope_parameters", { rope_type: "default", partial_rotary_factor: 0.5 }, "partial_rotary_factor"],
  ],
  phi3: [
    ["rope_scaling", { type: "linear", factor: 2 }, "type"],
    ["rope_scaling", { type: "llama3", factor: 2 }, "type"],
    ["rope_scaling", { type: "su" }, "short_factor"],
    ["rope_scaling", { ...fused, short_factor: factors(47) }, "short_factor"],
    ["rope_scaling", { ...fused, long_factor: [...factors(47), 0] }, "long_factor"],
    ["rope_scaling", { ...fused, long_factor: [...factors(47), "1"] }, "long_factor"],
    ["original_max_position_embeddings", 0],
    ["attention_bias", true],
    ["mlp_bias", true],
    ["lm_head_bias", true],
    ["partial_rotary_factor", 0],
    ["partial_rotary_factor", 1.5],
    ["partial_rotary_factor", 0.001],
    ["sliding_window", 0],
    ["layer_types", Array(32).fill("full_attention")],
  ],
  smollm3: [
    ["no_rope_layers", Array(35).fill(1)],
    ["no_rope_layers", Array(36).fill(2)],
    ["no_rope_layers", Array(36).fill(true)],
    ["no_rope_layers", "1"],
    ["no_rope_layer_interval", 0],
    ["layer_types", Array(36).fill("sliding_attention")],
    ["sliding_window", 0],
    ["mlp_bias", 1],
  ],
  gemma3_text: [
    ["attn_logit_softcapping", 50],
    ["final_logit_softcapping", 0],
    ["final_logit_softcapping", -30],
    ["use_bidirectional_attention", 1],
    ["query_pre_attn_scalar", 0],
    ["hidden_activation", "banana"],
    ["rope_local_base_freq", 0],
    ["sliding_window_pattern", 0],
    ["_sliding_window_pattern", 5],
    ["layer_types", Array(26).fill("global")],
    ["sliding_window", 0],
    ["rope_scaling", { rope_type: "linear" }, "factor"],
    ["rope_parameters", { sliding_attention: { rope_type: "banana" } }, "rope_type"],
    ["rope_parameters", { full_attention: { rope_type: "default", rope_theta: -1 } }, "rope_theta"],
    ["rope_parameters", { full_attention: [] }, "full_attention"],
  ],
  gpt2: [
    ["n_head", 7],
    ["n_head", 0],
    ["n_inner", 0],
    ["n_positions", 0],
    ["layer_norm_epsilon", 0],
    ["activation_function", "banana"],
    ["add_cross_attention", true],
    ["hidden_size", 512],
    ["num_hidden_layers", 5],
    ["num_attention_heads", 5],
    ["max_position_embeddings", 5],
    ["scale_attn_weights", 1],
    ["scale_attn_by_inverse_layer_idx", "no"],
    ["tie_word_embeddings", 1],
  ],
  gpt_neo: [
    ["attention_layers", Array(11).fill("global")],
    ["attention_layers", Array(12).fill("sparse")],
    ["attention_types", [[["global"], 12.5]]],
    ["attention_types", [[["sparse"], 12]]],
    ["attention_types", [[[], 12]]],
    ["attention_types", [["global", 12]]],
    ["attention_types", "global"],
    ["window_size", 0],
    ["num_heads", 5],
    ["intermediate_size", -1],
    ["num_hidden_layers", 5],
  ],
  gpt_neox: [
    ["rotary_pct", 0],
    ["rotary_pct", 2],
    ["rotary_pct", 0.001],
    ["rotary_emb_base", 0],
    ["rope_theta", 500],
    ["partial_rotary_factor", 0.5],
    ["rope_parameters", { rope_type: "default", partial_rotary_factor: 7 }, "partial_rotary_factor"],
    ["use_parallel_residual", 1],
    ["attention_bias", "no"],
    ["hidden_act", "quick_gelu"],
    ["layer_norm_eps", -1],
    ["num_attention_heads", 5],
  ],
};

describe.each(families)("%s", (type, config) => {
  const shapes = shapesOf(config);
  const own = refused[type].map(([key, value, inner]) => [key, value, inner ?? key] as const);
  const shared = [
    ["is_causal", false, "is_causal"],
    ["quantization_config", { bits: 4 }, "quantization_config"],
    ["vocab_size", 0, "vocab_size"],
    ["vocab_size", "32000", "vocab_size"],
    ["vocab_size", 1.5, "vocab_size"],
    ["tie_word_embeddings", "yes", "tie_word_embeddings"],
  ] as const;

  test.each([...own, ...shared])("refuses %s = %j and names %s", (key, value, named) => {
    const error = failure({ ...config, [key]: value }, shapes);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.code).toMatch(/^(bad-value|unsupported-value|missing-key)$/);
    expect(error.fields.key).toBe(named);
    expect(error.message).toMatch(/^config\.json: .*expected /);
  });

  const required = ["hidden_size", "n_embd", "num_hidden_layers", "n_layer", "num_layers", "vocab_size"];
  const sizes = [...required, "num_attention_heads", "n_head", "num_heads", "intermediate_size"].filter(
    (key) => config[key] !== undefined && config[key] !== null,
  );
  test.each(sizes)("refuses a config whose %s is missing, 0, -1, 1.5, a string or true", (key) => {
    const { [key]: _, ...without } = config;
    expect(failure(without, shapes)).toMatchObject({ code: "missing-key", fields: { key } });
    for (const value of [0, -1, 1.5, "768", true, 2 ** 31]) {
      expect(failure({ ...config, [key]: value }, shapes), `${value}`).toMatchObject({
        code: "bad-value",
        fields: { key },
      });
    }
  });

  const layersKey = ["num_hidden_layers", "n_layer", "num_layers"].find((key) => config[key] !== undefined)!;
  test("refuses layers that the file has not, at once", () => {
    const { layer_types: _, no_rope_layers: __, attention_layers: ___, ...plain } = config;
    const begin = performance.now();
    const more = { ...plain, [layersKey]: 1e9, ...(type === "gpt_neo" && { attention_types: [[["global"], 1e9]] }) };
    const error = failure(more, shapes);
    expect(error).toMatchObject({ code: "missing", fields: { expected: 1e9, actual: config[layersKey] } });
    expect(performance.now() - begin).toBeLessThan(2000);
  });

  test("takes more rows than vocab_size has, and refuses fewer", () => {
    const larger = plan({ ...config, vocab_size: config.vocab_size - 7 }, shapes);
    expect(larger.model.vocabSize).toBe(config.vocab_size - 7);
    expect(failure({ ...config, vocab_size: config.vocab_size + 1 }, shapes)).toMatchObject({ code: "misshaped" });
  });

  const headName = type === "gpt_neox" ? "embed_out.weight" : "lm_head.weight";
  const table = Object.entries(shapes).find(([name]) => /(embed_tokens|wte|embed_in)\.weight$/.test(name))!;
  const { [headName]: _head, ...headless } = shapes;
  const owns = (given: ReturnType<typeof plan>) => given.reservation.tasks.some(({ info }) => info.name === headName);

  test("takes the file's output layer before tie_word_embeddings", () => {
    const given = plan({ ...config, tie_word_embeddings: true }, { ...headless, [headName]: table[1] });
    expect(owns(given)).toBe(true);
    expect(given.unknownTensors).toEqual([]);
  });

  test("takes the table where the file has no output layer and they are tied", () => {
    const given = plan({ ...config, tie_word_embeddings: true }, headless);
    expect(owns(given)).toBe(false);
    expect(given.model.logits).toBeDefined();
  });

  test("refuses an untied file without an output layer, unless it is of a bare model", () => {
    const untied = { ...config, tie_word_embeddings: false };
    expect(failure(untied, headless)).toMatchObject({ code: "missing", fields: { missing: [headName] } });
    const { model } = plan({ ...untied, architectures: ["SomeModel"] }, headless);
    expect(model.logits).toBeUndefined();
  });

  test("says which tensors it does not know", () => {
    const { unknownTensors } = plan(config, { ...shapes, "score.weight": [2, 2] });
    expect(unknownTensors).toEqual(["score.weight"]);
  });
});

describe("harmless tensors of older files", () => {
  const buffers: [string, string[]][] = [
    ["gpt2", ["h.0.attn.bias", "h.11.attn.masked_bias"]],
    ["gpt_neo", ["transformer.h.0.attn.attention.bias", "transformer.h.0.attn.attention.masked_bias"]],
    [
      "gpt_neox",
      ["attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"].map(
        (name) => `gpt_neox.layers.0.${name}`,
      ),
    ],
    ["llama", ["model.layers.0.self_attn.rotary_emb.inv_freq"]],
  ];
  test.each(buffers)("%s: %j", (type, extra) => {
    const shapes = { ...shapesOf(configOf[type]), ...Object.fromEntries(extra.map((name) => [name, [1]])) };
    expect(plan(configOf[type], shapes).unknownTensors).toEqual([]);
  });
});

test("an unknown key is named, also among nested ones", () => {
  const rope_scaling = { ...llama3Rope, rope_type: "llama3", attn_factor: 3 };
  const config = { ...smolLm135m, banana: 1, rope_scaling };
  expect(plan(config, shapesOf(config)).unknownKeys).toEqual(["banana", "rope_scaling.attn_factor"]);
});

test("gpt_neox passes over other families' names where they say what rope_parameters does", () => {
  const config = configOf.gpt_neox;
  const rope = { rope_theta: 500, partial_rotary_factor: 0.5 };
  const rope_parameters = { rope_type: "default", ...rope };
  expect(plan({ ...config, ...rope, rope_parameters }, shapesOf(config)).unknownKeys).toEqual([]);
  expect(failure({ ...config, rope_theta: 400, rope_parameters }, shapesOf(config)).fields.key).toBe("rope_theta");
});

test("gpt_neo reads attention_types where there is no attention_layers", () => {
  const { attention_layers: _, ...config } = neo125m;
  expect(plan(config, shapesOf(config)).unknownKeys).toEqual([]);
  const error = failure({ ...config, attention_types: [[["global", "local"], 5]] }, shapesOf(config));
  expect(error).toMatchObject({ code: "bad-value", fields: { key: "attention_types" } });
});
