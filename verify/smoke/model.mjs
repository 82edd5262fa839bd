// The model of the smoke tests: the published tinystories-260k where it is, else a small random Llama of our own.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, root } from "./tools.mjs";

const published = join(root, "../shared/models/tinystories-260k");

/**
 * `directory` and `files` of the model, and the `stories` to tell; their `text`, prompt included, is undefined where no
 * golden file has it: then the baseline kernels in Node define it.
 */
export function pickModel() {
  if (!existsSync(join(published, "expected.json"))) return randomModel();
  const golden = JSON.parse(readFileSync(join(published, "expected.json"), "utf8"));
  const stories = golden.stories.map(({ prompt, output_ids, text }) => {
    return { prompt, max_new_tokens: output_ids.length, text };
  });
  return { name: "tinystories-260k", directory: published, files: modelFiles(published), stories };
}

const modelFiles = (directory) => readdirSync(directory).filter((name) => name !== "expected.json");

function randomModel() {
  const directory = join(build, "random-llama");
  mkdirSync(directory, { recursive: true });
  const config = {
    model_type: "llama",
    hidden_size: 32,
    intermediate_size: 72,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 40,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: false,
    bos_token_id: 2,
    eos_token_id: 3,
  };
  const letters = Array.from("abcdefghijklmnopqrstuvwxyz가나다라마바사아자차");
  const vocabulary = Object.fromEntries(
    ["<pad>", "<unk>", "<sos>", "<eos>", ...letters].map((token, id) => [token, id]),
  );
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  writeFileSync(join(directory, "vocab.json"), JSON.stringify(vocabulary));
  writeFileSync(join(directory, "model.safetensors"), safetensors(randomLlama(config)));
  const stories = ["hello", "kiloformer"].map((prompt) => ({ prompt, max_new_tokens: 48, text: undefined }));
  return { name: "a random Llama (../shared is absent)", directory, files: modelFiles(directory), stories };
}

/** Name -> `[shape, values]`; the same values on every machine. */
function randomLlama({ hidden_size: D, intermediate_size: F, num_hidden_layers, vocab_size: V, ...config }) {
  const kvWidth = (D / config.num_attention_heads) * config.num_key_value_heads;
  const random = mulberry32(260);
  const matrix = (rows, columns) => [
    [rows, columns],
    Float32Array.from({ length: rows * columns }, () => (random() - 0.5) * (4 / Math.sqrt(columns))),
  ];
  const ones = () => [[D], new Float32Array(D).fill(1)];
  const tensors = { "model.embed_tokens.weight": matrix(V, D) };
  for (let layer = 0; layer < num_hidden_layers; layer += 1) {
    const block = {
      "input_layernorm.weight": ones(),
      "self_attn.q_proj.weight": matrix(D, D),
      "self_attn.k_proj.weight": matrix(kvWidth, D),
      "self_attn.v_proj.weight": matrix(kvWidth, D),
      "self_attn.o_proj.weight": matrix(D, D),
      "post_attention_layernorm.weight": ones(),
      "mlp.gate_proj.weight": matrix(F, D),
      "mlp.up_proj.weight": matrix(F, D),
      "mlp.down_proj.weight": matrix(D, F),
    };
    for (const [name, tensor] of Object.entries(block)) tensors[`model.layers.${layer}.${name}`] = tensor;
  }
  return { ...tensors, "model.norm.weight": ones(), "lm_head.weight": matrix(V, D) };
}

/** The safetensors format: header length, header, values, in this order. */
function safetensors(tensors) {
  let end = 0;
  const header = {};
  for (const [name, [shape, values]] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors).map(([, { buffer }]) => Buffer.from(buffer))]);
}

/** Numbers in [0, 1) from a seed: Tommy Ettinger's mulberry32. */
function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
