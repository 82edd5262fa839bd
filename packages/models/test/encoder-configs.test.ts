// Configs of encoders and encoder-decoders that cannot be right: rows C2 to C11 of the bad inputs, family by family.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigError, Pipeline, WeightError } from "../src/index.ts";
import { fixtures, openChanged } from "./open.ts";
import { readJson, shared } from "./shared.ts";

const references = `${shared}references/`;

/** Opens a reference with changes to its config, and gives the error. */
async function failure(name: string, changes: Record<string, unknown>): Promise<unknown> {
  const config = { ...readJson(join(references, name, "config.json")), ...changes };
  const weights = readFileSync(join(references, name, "model.safetensors"));
  const files = { "config.json": JSON.stringify(config), "model.safetensors": weights };
  return Pipeline.fromFiles(files, { strict: true, onWarning: () => {} }).then(
    async (pipeline) => {
      await pipeline.dispose();
      return "no error";
    },
    (error) => error,
  );
}

const counts: Record<string, readonly string[]> = {
  bert: ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"],
  roberta: ["hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"],
  distilbert: ["dim", "n_layers", "n_heads", "hidden_dim", "vocab_size", "max_position_embeddings"],
  electra: ["hidden_size", "embedding_size", "intermediate_size"],
  mpnet: ["hidden_size", "num_attention_heads", "vocab_size"],
  modernbert: [
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "intermediate_size",
    "vocab_size",
    "local_attention",
  ],
  t5: ["d_model", "d_kv", "d_ff", "num_heads", "num_layers", "num_decoder_layers", "vocab_size"],
  "longt5-tglobal": ["local_radius", "global_block_size"],
};
const required = new Set(["hidden_size", "dim", "d_model", "vocab_size", "intermediate_size", "d_ff", "hidden_dim"]);

describe.runIf(existsSync(references))("C2: a count that is none is refused by its key", () => {
  const cases = Object.entries(counts).flatMap(([name, keys]) => keys.map((key) => [name, key]));
  test.each(cases)("%s: %s", async (name, key) => {
    for (const value of [0, -1, 1.5, "48", true, 2 ** 40]) {
      const error = (await failure(name, { [key]: value })) as ConfigError;
      expect(error, `${key} = ${value}`).toBeInstanceOf(ConfigError);
      expect(error.message).toContain(key);
    }
    if (!required.has(key)) return;
    expect(await failure(name, { [key]: undefined })).toEqual(expect.objectContaining({ code: "missing-key" }));
  });
});

/** Changes that are refused, and a word of the message that says why. */
const refused: [name: string, changes: Record<string, unknown>, word: string][] = [
  ["bert", { hidden_act: "banana" }, "hidden_act"],
  ["bert", { hidden_act: "constructor" }, "hidden_act"],
  ["bert", { num_attention_heads: 5 }, "num_attention_heads"],
  ["bert", { layer_norm_eps: 0 }, "layer_norm_eps"],
  ["bert", { layer_norm_eps: "1e-5" }, "layer_norm_eps"],
  ["bert", { position_embedding_type: "relative_key" }, "position_embedding_type"],
  ["bert", { is_decoder: true }, "is_decoder"],
  ["bert", { is_causal: true }, "is_causal"],
  ["bert", { add_cross_attention: true }, "add_cross_attention"],
  ["bert", { quantization_config: { bits: 8 } }, "quantization_config"],
  ["bert", { tie_word_embeddings: "yes" }, "tie_word_embeddings"],
  ["bert", { banana: 1 }, "banana"],
  ["roberta", { pad_token_id: 1.5 }, "pad_token_id"],
  ["roberta", { pad_token_id: 257 }, "pad_token_id"],
  ["roberta", { max_position_embeddings: 2 }, "max_position_embeddings"],
  ["distilbert", { activation: "swiglu" }, "activation"],
  ["mpnet", { relative_attention_num_buckets: 8 }, "relative_attention_num_buckets"],
  ["modernbert", { layer_types: ["full_attention"] }, "layer_types"],
  ["modernbert", { layer_types: ["full_attention", "banana"] }, "layer_types"],
  ["modernbert", { norm_eps: 0 }, "norm_eps"],
  ["modernbert", { hidden_activation: "tanh" }, "hidden_activation"],
  ["modernbert", { classifier_pooling: "max" }, "classifier_pooling"],
  ["modernbert", { is_causal: true }, "is_causal"],
  ["modernbert", { causal_mask: true }, "causal_mask"],
  ["modernbert", { is_causal: true, sliding_window: 8, local_attention: undefined }, "causal mask"],
  ["modernbert", { rope_parameters: { full_attention: { rope_theta: 0 } } }, "rope_theta"],
  ["t5", { is_decoder: true }, "is_decoder"],
  ["t5", { quantization_config: { bits: 8 } }, "quantization_config"],
  ["modernbert", { quantization_config: { bits: 8 } }, "quantization_config"],
  ["t5", { decoder_start_token_id: undefined, pad_token_id: 257 }, "pad_token_id"],
  ["t5", { feed_forward_proj: "gated" }, "feed_forward_proj"],
  ["t5", { feed_forward_proj: "__proto__" }, "feed_forward_proj"],
  ["t5", { layer_norm_epsilon: -1 }, "layer_norm_epsilon"],
  ["t5", { relative_attention_num_buckets: 2 }, "relative_attention_num_buckets"],
  ["t5", { decoder_start_token_id: 257 }, "decoder_start_token_id"],
  ["t5", { scale_decoder_outputs: 1 }, "scale_decoder_outputs"],
  ["t5", { eos_token_id: 9999 }, "eos_token_id"],
  ["longt5-local", { encoder_attention_type: "global" }, "encoder_attention_type"],
];

describe.runIf(existsSync(references))("C3, C4, C10, C11: what is not honoured is refused", () => {
  test.each(refused)("%s: %j", async (name, changes, word) => {
    const error = (await failure(name, changes)) as Error;
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(word);
  });

  test.each([
    ["bert", { eos_token_id: null, pad_token_id: -1 }],
    ["t5", { pad_token_id: -1 }],
    ["t5", { eos_token_id: [1, 5] }],
    ["modernbert", { rope_parameters: undefined, global_rope_theta: 160_000, local_rope_theta: 10_000 }],
    ["modernbert", { is_causal: false, causal_mask: false }],
    ["modernbert", { is_causal: false, sliding_window: 8, local_attention: undefined }],
  ])("but %s: %j is not", async (name, changes) => {
    expect(await failure(name, changes)).toBe("no error");
  });
});

describe.runIf(existsSync(references))("C5, C6, C7: a config that the checkpoint contradicts", () => {
  test.each([
    ["bert", { num_hidden_layers: 12 }],
    ["bert", { num_hidden_layers: 2 ** 31 - 1 }],
    ["bert", { hidden_size: 64, num_attention_heads: 4 }],
    ["bert", { vocab_size: 300 }],
    ["bert", { max_position_embeddings: 41 }],
    ["modernbert", { intermediate_size: 140 }],
    ["t5", { num_decoder_layers: 5 }],
    ["t5", { d_kv: 16 }],
    ["mpnet", { num_attention_heads: 6 }],
  ])("%s: %j is refused", async (name, changes) => {
    expect(await failure(name, changes)).toBeInstanceOf(WeightError);
  });

  test("C7: a table with more rows than tokens gives logits of the tokens only", async () => {
    const folder = join(references, "bert-masked-lm");
    const config = { ...readJson(join(folder, "config.json")), vocab_size: 200 };
    const files = {
      "config.json": JSON.stringify(config),
      "model.safetensors": readFileSync(join(folder, "model.safetensors")),
    };
    const pipeline = await Pipeline.fromFiles(files, { onWarning: () => {} });
    expect((await pipeline.logits([5, 6, 7])).length).toBe(3 * 200);
    await expect(pipeline.logits([5, 200])).rejects.toEqual(expect.objectContaining({ code: "bad-ids" }));
    await pipeline.dispose();
  });
});

test.each([
  ["bert-sequence-classification-odd", "BertForMultipleChoice"],
  ["distilbert-token-classification", "DistilBertForMultipleChoice"],
  ["electra-token-classification", "ElectraForMultipleChoice"],
  ["mpnet-token-classification", "MPNetForMultipleChoice"],
  ["modernbert-token-classification", "ModernBertForMultipleChoice"],
])("%s as %s opens without its head, which scores choices and has no labels", async (name, architecture) => {
  const folder = join(fixtures, name);
  const config = readJson(join(folder, "config.json"));
  const weights = readFileSync(join(folder, "model.safetensors"));
  const open = (changes: object) =>
    Pipeline.fromFiles(
      { "config.json": JSON.stringify({ ...config, ...changes }), "model.safetensors": weights },
      { onWarning: () => {} },
    );
  const [given, choices] = await Promise.all([
    open({}),
    open({ architectures: [architecture], id2label: undefined, num_labels: undefined }),
  ]);
  expect(await choices.hiddenStates([5, 6, 7])).toEqual(await given.hiddenStates([5, 6, 7]));
  await expect(choices.classify("a")).rejects.toMatchObject({ name: "OptionError" });
  await given.dispose();
  await choices.dispose();
});

test("what DistilBERT's config says of labels is not looked at where there is no classifier", async () => {
  const folder = join(fixtures, "distilbert-masked-lm");
  const labels = { num_labels: 1, problem_type: "single_label_classification" };
  const files = {
    "config.json": JSON.stringify({ ...readJson(join(folder, "config.json")), ...labels }),
    "model.safetensors": readFileSync(join(folder, "model.safetensors")),
  };
  const pipeline = await Pipeline.fromFiles(files, { strict: true });
  await pipeline.dispose();
});

test("the size of the generator that ELECTRA was trained with is no unknown key", async () => {
  await (await openChanged("electra-masked-lm", { generator_size: "0.25" })).dispose();
});

test("what converted and trained configs say beside the model is no unknown key", async () => {
  const folder = join(fixtures, "bert-base-model");
  const beside = { embedding_size: 9, pre_trained: "", training: "", padding: "max_length", mask_token_id: 4 };
  // transformers 4 wrote these where a config was saved whole.
  const whole = {
    ...{ tie_encoder_decoder: false, tf_legacy_loss: false, cross_attention_hidden_size: null, pruned_heads: {} },
    ...{ exponential_decay_length_penalty: null, penalty_alpha: null },
  };
  const more = { _flash_attn_2_enabled: false, num_steps: 1, export_model_type: "transformer", ...whole };
  const config = { ...readJson(join(folder, "config.json")), ...beside, ...more };
  const files = {
    "config.json": JSON.stringify(config),
    "model.safetensors": readFileSync(join(folder, "model.safetensors")),
  };
  const pipeline = await Pipeline.fromFiles(files, { strict: true });
  await pipeline.dispose();
});
