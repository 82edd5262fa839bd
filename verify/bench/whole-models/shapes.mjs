// Models of published shapes with random weights, and the work that the benchmarks give them.

const dense = (name, shape, outputs = shape[0]) => ({ [`${name}.weight`]: shape, [`${name}.bias`]: [outputs] });
const norm = (name, width) => ({ [`${name}.weight`]: [width], [`${name}.bias`]: [width] });
const matrices = (names, shape) => Object.fromEntries(names.map((name) => [`${name}.weight`, shape]));

function bert(D, F, H, layers) {
  const config = {
    ...{ model_type: "bert", hidden_size: D, intermediate_size: F, num_attention_heads: H, num_hidden_layers: layers },
    ...{
      vocab_size: 30522,
      max_position_embeddings: 512,
      type_vocab_size: 2,
      hidden_act: "gelu",
      layer_norm_eps: 1e-12,
    },
  };
  const tensors = {
    ...matrices(["embeddings.word_embeddings"], [30522, D]),
    ...matrices(["embeddings.position_embeddings"], [512, D]),
    ...matrices(["embeddings.token_type_embeddings"], [2, D]),
    ...norm("embeddings.LayerNorm", D),
    ...dense("pooler.dense", [D, D]),
  };
  for (let layer = 0; layer < layers; layer++) {
    const block = `encoder.layer.${layer}`;
    for (const part of ["self.query", "self.key", "self.value", "output.dense"])
      Object.assign(tensors, dense(`${block}.attention.${part}`, [D, D]));
    Object.assign(
      tensors,
      norm(`${block}.attention.output.LayerNorm`, D),
      dense(`${block}.intermediate.dense`, [F, D]),
      dense(`${block}.output.dense`, [D, F]),
      norm(`${block}.output.LayerNorm`, D),
    );
  }
  return { config, tensors, products: layers * (4 * D * D + 2 * D * F), attention: layers * 2 * D, tokens: 30522 };
}

function gpt2(D, H, layers) {
  const config = {
    ...{ model_type: "gpt2", n_embd: D, n_head: H, n_layer: layers, vocab_size: 50257, n_positions: 1024 },
    ...{ activation_function: "gelu_new", layer_norm_epsilon: 1e-5, bos_token_id: 50256, eos_token_id: 50256 },
  };
  const tensors = { "wte.weight": [50257, D], "wpe.weight": [1024, D], ...norm("ln_f", D) };
  // Conv1D: [in, out].
  for (let layer = 0; layer < layers; layer++) {
    const block = `h.${layer}`;
    Object.assign(
      tensors,
      norm(`${block}.ln_1`, D),
      dense(`${block}.attn.c_attn`, [D, 3 * D], 3 * D),
      dense(`${block}.attn.c_proj`, [D, D]),
      norm(`${block}.ln_2`, D),
      dense(`${block}.mlp.c_fc`, [D, 4 * D], 4 * D),
      dense(`${block}.mlp.c_proj`, [4 * D, D], D),
    );
  }
  return { config, tensors, products: layers * 12 * D * D, head: 50257 * D, attention: layers * 2 * D, tokens: 50257 };
}

function llama(D, F, H, K, layers, V) {
  const config = {
    ...{ model_type: "llama", hidden_size: D, intermediate_size: F, num_hidden_layers: layers, vocab_size: V },
    ...{ num_attention_heads: H, num_key_value_heads: K, max_position_embeddings: 2048, rms_norm_eps: 1e-5 },
    ...{ rope_theta: 10000, tie_word_embeddings: true, hidden_act: "silu", bos_token_id: 0, eos_token_id: 0 },
  };
  const tensors = { "model.embed_tokens.weight": [V, D], "model.norm.weight": [D] };
  const E = D / H;
  for (let layer = 0; layer < layers; layer++) {
    const block = `model.layers.${layer}.`;
    Object.assign(
      tensors,
      matrices([`${block}input_layernorm`, `${block}post_attention_layernorm`], [D]),
      matrices([`${block}self_attn.q_proj`, `${block}self_attn.o_proj`], [D, D]),
      matrices([`${block}self_attn.k_proj`, `${block}self_attn.v_proj`], [K * E, D]),
      matrices([`${block}mlp.gate_proj`, `${block}mlp.up_proj`], [F, D]),
      matrices([`${block}mlp.down_proj`], [D, F]),
    );
  }
  const products = layers * (2 * D * D + 2 * D * K * E + 3 * D * F);
  return { config, tensors, products, head: V * D, attention: layers * 2 * D, tokens: V };
}

function t5(D, F, H, layers, V) {
  const config = {
    ...{ model_type: "t5", d_model: D, d_ff: F, d_kv: D / H, num_heads: H, num_layers: layers, vocab_size: V },
    ...{ num_decoder_layers: layers, feed_forward_proj: "relu", relative_attention_num_buckets: 32 },
    ...{ relative_attention_max_distance: 128, layer_norm_epsilon: 1e-6, tie_word_embeddings: true },
    ...{ is_encoder_decoder: true, pad_token_id: 0, eos_token_id: 1, decoder_start_token_id: 0 },
  };
  const tensors = { "shared.weight": [V, D] };
  for (const side of ["encoder", "decoder"]) {
    tensors[`${side}.final_layer_norm.weight`] = [D];
    tensors[`${side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`] = [32, H];
    for (let layer = 0; layer < layers; layer++) {
      const parts = side === "encoder" ? ["SelfAttention"] : ["SelfAttention", "EncDecAttention"];
      for (const [index, part] of parts.entries()) {
        const block = `${side}.block.${layer}.layer.${index}.`;
        Object.assign(
          tensors,
          matrices(
            ["q", "k", "v", "o"].map((name) => `${block}${part}.${name}`),
            [D, D],
          ),
        );
        tensors[`${block}layer_norm.weight`] = [D];
      }
      const block = `${side}.block.${layer}.layer.${parts.length}.`;
      tensors[`${block}layer_norm.weight`] = [D];
      Object.assign(
        tensors,
        matrices([`${block}DenseReluDense.wi`], [F, D]),
        matrices([`${block}DenseReluDense.wo`], [D, F]),
      );
    }
  }
  return {
    ...{
      config,
      tensors,
      products: layers * (4 * D * D + 2 * D * F),
      attention: layers * 2 * D,
      head: V * D,
      tokens: V,
    },
    /** Of one new token; keys and values of the encoder's states are made once, `memory` for each of them. */
    decoderProducts: layers * (6 * D * D + 2 * D * F),
    memory: layers * 2 * D * D,
  };
}

/** Text after text through an encoder. */
function encode(texts, length) {
  return ({ products, attention }) => ({
    ...{ kind: "encode", texts, length },
    figures: [{ name: `${texts} x ${length} tokens`, multiplyAdds: texts * length * (products + attention * length) }],
  });
}

/** A prompt, then one token after another; logits after the last one of the prompt only. */
function write(prompt, steps) {
  return ({ products, attention, head }) => ({
    ...{ kind: "write", prompt, steps },
    figures: [
      {
        name: `prefill ${prompt}`,
        multiplyAdds: prompt * (products + (attention * (prompt + 1)) / 2) + head,
        tokens: prompt,
      },
      {
        ...{ name: `decode ${steps}`, tokens: steps, weights: products + head },
        multiplyAdds: steps * (products + head + attention * (prompt + steps / 2)),
      },
    ],
  });
}

/** A text that an encoder reads, and the tokens of the answer. */
function answer(length, steps) {
  return ({ products, attention, head, decoderProducts, memory }) => ({
    ...{ kind: "answer", prompt: length, steps },
    figures: [
      { name: `encode ${length}`, multiplyAdds: length * (products + attention * length + memory), tokens: length },
      {
        ...{ name: `decode ${steps}`, tokens: steps, weights: decoderProducts + head },
        multiplyAdds: steps * (decoderProducts + head + attention * (length + steps / 2)),
      },
    ],
  });
}

/**
 * What is measured, by the name of its folder. `isQuick`: the same with two layers and little work, for a run of seconds.
 */
export function modelsOf(isQuick) {
  const layers = (count) => (isQuick ? 2 : count);
  const [prompt, steps] = isQuick ? [32, 8] : [256, 64];
  const texts = [encode(1, 16), encode(1, 128), encode(1, 512), encode(8, 128)].slice(0, isQuick ? 2 : 4);
  const all = {
    minilm: model("all-MiniLM-L6-v2", bert(384, 1536, 12, layers(6)), texts),
    bert: model("bert-base", bert(768, 3072, 12, layers(12)), [encode(1, isQuick ? 16 : 128)]),
    gpt2: model("GPT-2 124M", gpt2(768, 12, layers(12)), [write(prompt, steps)], ["BF16", "F16"]),
    llama: model("Llama 135M", llama(576, 1536, 9, 3, layers(30), 49152), [write(prompt, steps)], ["BF16", "F16"]),
    t5: model("t5-small", t5(512, 2048, 8, layers(6), 32128), [answer(prompt / 2, steps / 2)]),
  };
  const folder = (name) => (isQuick ? `${name}-quick` : name);
  return Object.fromEntries(
    Object.entries(all).map(([name, shape]) => [name, { name, folder: folder(name), ...shape }]),
  );
}

/** `dtypes` are those of further checkpoints of the same weights. */
function model(title, shape, works, dtypes = []) {
  const sizes = Object.values(shape.tensors).map((axes) => axes.reduce((product, axis) => product * axis, 1));
  const parameters = sizes.reduce((sum, size) => sum + size, 0);
  return { title, ...shape, parameters, dtypes, works: works.map((work) => work(shape)) };
}
