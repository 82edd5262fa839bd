import { writeSafetensors } from "@kiloformer/core";

/** A small config that every test may change. */
export const tinyConfig = {
  model_type: "llama",
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 19,
  max_position_embeddings: 160,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: false,
  bos_token_id: 2,
  eos_token_id: 3,
};
export type TinyConfig = Omit<typeof tinyConfig, "model_type"> & Record<string, unknown>;

/** The vocabulary of a small G2P. */
export const tinyVocabulary = Object.fromEntries(
  ["<pad>", "<unk>", "<sos>", "<eos>", ..."abcdefgh", "ɑ", "b̥", "t͡ʃ", "ɛ", "ㄱ", "ㅏ", "ㄴ"].map((token, id) => [
    token,
    id,
  ]),
);

type Arrays = Map<string, { dtype: "F32" | "F16" | "BF16"; shape: number[]; data: Uint8Array }>;

/** Random weights of the shapes that a config asks for, the same for the same seed. */
export function tinyTensors(config: TinyConfig, seed = 1): Arrays {
  let state = seed;
  // A table whose length is prime, so that no two rows are alike: large models are made quickly.
  const table = Float32Array.from({ length: 65_537 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  let next = 0;
  const tensors: Arrays = new Map();
  const put = (name: string, shape: number[], scale = 2 / Math.sqrt(shape.at(-1)!), shift = 0) => {
    const size = shape.reduce((product, axis) => product * axis, 1);
    const values = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      values[i] = table[next] * scale + shift;
      next = next === 65_536 ? 0 : next + 1;
    }
    tensors.set(name, { dtype: "F32", shape, data: new Uint8Array(values.buffer) });
  };
  const { hidden_size: D, intermediate_size: F, num_attention_heads: H, num_key_value_heads: K } = config;
  const E = (config.head_dim as number | undefined) ?? D / H;
  put("model.embed_tokens.weight", [config.vocab_size, D], 2);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const name = `model.layers.${layer}.`;
    put(`${name}input_layernorm.weight`, [D], 0.2, 1);
    put(`${name}self_attn.q_proj.weight`, [H * E, D]);
    put(`${name}self_attn.k_proj.weight`, [K * E, D]);
    put(`${name}self_attn.v_proj.weight`, [K * E, D]);
    put(`${name}self_attn.o_proj.weight`, [D, H * E]);
    put(`${name}post_attention_layernorm.weight`, [D], 0.2, 1);
    put(`${name}mlp.gate_proj.weight`, [F, D]);
    put(`${name}mlp.up_proj.weight`, [F, D]);
    put(`${name}mlp.down_proj.weight`, [D, F]);
  }
  put("model.norm.weight", [D], 0.2, 1);
  if (!config.tie_word_embeddings) put("lm_head.weight", [config.vocab_size, D], 4);
  return tensors;
}

/** The files of a small random model; any part of it can be replaced. */
export function tinyFiles(
  changes: {
    config?: Record<string, unknown>;
    /** Sizes that the tensors follow; those of `config` alone leave the tensors as they were. */
    shape?: Partial<typeof tinyConfig>;
    tensors?: (tensors: Arrays) => void;
    vocabulary?: object;
  } = {},
): Record<string, Uint8Array | string> {
  const config = { ...tinyConfig, ...changes.config };
  const tensors = tinyTensors({ ...tinyConfig, ...changes.shape });
  changes.tensors?.(tensors);
  return {
    "config.json": JSON.stringify(config),
    "model.safetensors": writeSafetensors(tensors),
    "vocab.json": JSON.stringify(changes.vocabulary ?? tinyVocabulary),
  };
}
