// What keys of config.json come to, against the same model with other keys.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fixtures, openChanged } from "./open.ts";
import { readJson } from "./shared.ts";

const ids = [3, 7, 1, 9, 20];

/** Logits of a fixture with changes to its config; undefined takes a key away. */
async function logitsOf(folder: string, config: object = {}): Promise<Float32Array> {
  const pipeline = await openChanged(folder, config);
  const logits = await pipeline.logits(ids);
  await pipeline.dispose();
  return logits;
}

describe("MPNet counts positions from 2, and leaves out tokens of id 1", () => {
  test.each([0, 3, null, 100])("with pad_token_id %j", async (pad_token_id) => {
    expect(await logitsOf("mpnet-masked-lm", { pad_token_id })).toEqual(await logitsOf("mpnet-masked-lm"));
    const pipeline = await openChanged("mpnet-masked-lm", { pad_token_id });
    expect((await pipeline.encode(Array(31).fill(5))).length).toBe(31 * 18);
    await expect(pipeline.encode(Array(32).fill(5))).rejects.toMatchObject({ code: "prompt-too-long" });
    await pipeline.dispose();
  });

  test("and needs a position behind those", async () => {
    const opening = openChanged("mpnet-masked-lm", { max_position_embeddings: 2 });
    await expect(opening).rejects.toMatchObject({ code: "bad-value", fields: { key: "max_position_embeddings" } });
  });
});

describe("T5's feed-forward layers are what is_gated_act and dense_act_fn say, whatever feed_forward_proj says", () => {
  const named = { is_gated_act: undefined, dense_act_fn: undefined };

  test.each<[folder: string, changes: object, same: object]>([
    ["mt5-odd", { dense_act_fn: "relu" }, { ...named, feed_forward_proj: "gated-relu" }],
    [
      "mt5-odd",
      { ...named, dense_act_fn: "gelu" },
      { ...named, feed_forward_proj: "gated-gelu", dense_act_fn: "gelu" },
    ],
    ["mt5-odd", { feed_forward_proj: "relu" }, {}],
    ["mt5-odd", { ...named, feed_forward_proj: "gelu_new", is_gated_act: true }, {}],
    ["mt5-odd", { ...named, feed_forward_proj: undefined }, { ...named, feed_forward_proj: "gated-gelu" }],
    ["t5-odd", { ...named, feed_forward_proj: undefined }, { ...named, feed_forward_proj: "relu" }],
    ["t5-odd", { dense_act_fn: "silu" }, { ...named, feed_forward_proj: "silu" }],
    ["t5-odd", { feed_forward_proj: "gated-silu", is_gated_act: null }, {}],
    ["longt5-local-long", { dense_act_fn: "silu" }, { ...named, feed_forward_proj: "silu" }],
  ])("%s: %j is %j", async (folder, changes, same) => {
    expect(await logitsOf(folder, changes)).toEqual(await logitsOf(folder, same));
  });

  test("and gelu of its own name is the exact one, also where it gates", async () => {
    expect(await logitsOf("mt5-odd", { dense_act_fn: "gelu" })).not.toEqual(await logitsOf("mt5-odd"));
  });

  test.each([
    [{ dense_act_fn: "banana" }, "dense_act_fn"],
    [{ dense_act_fn: "tanh" }, "dense_act_fn"],
    [{ is_gated_act: 1 }, "is_gated_act"],
    [{ is_gated_act: false }, undefined],
  ])("%j of a gated file is refused", async (changes, key) => {
    const error = await openChanged("mt5-odd", changes).catch((reason) => reason);
    expect(error).toMatchObject(key ? { fields: { key } } : { code: "missing" });
  });
});

test("T5: scale_decoder_outputs null is false", async () => {
  const unscaled = await logitsOf("t5-odd", { scale_decoder_outputs: false });
  expect(await logitsOf("t5-odd", { scale_decoder_outputs: null })).toEqual(unscaled);
  expect(await logitsOf("t5-odd")).not.toEqual(unscaled);
});

describe("numbers have the names of their family, or those of all", () => {
  const names: [folder: string, pairs: Record<string, string>][] = [
    ["distilbert-masked-lm", { dim: "hidden_size", n_heads: "num_attention_heads", n_layers: "num_hidden_layers" }],
    [
      "t5-odd",
      { d_model: "hidden_size", num_heads: "num_attention_heads", num_layers: "num_hidden_layers", d_kv: "head_dim" },
    ],
    [
      "gpt2-odd",
      {
        n_embd: "hidden_size",
        n_head: "num_attention_heads",
        n_layer: "num_hidden_layers",
        n_positions: "max_position_embeddings",
      },
    ],
    ["gpt_neo-odd", { num_heads: "num_attention_heads", num_layers: "num_hidden_layers" }],
  ];

  test.each(names)("%s: %j", async (folder, pairs) => {
    const config = readJson(join(fixtures, folder, "config.json"));
    const expected = await logitsOf(folder);
    const others = Object.fromEntries(Object.entries(pairs).map(([key, other]) => [other, config[key]]));
    const none = Object.fromEntries(Object.keys(pairs).map((key) => [key, undefined]));
    expect(await logitsOf(folder, others)).toEqual(expected);
    expect(await logitsOf(folder, { ...others, ...none })).toEqual(expected);
    for (const [key, other] of Object.entries(pairs)) {
      const opening = openChanged(folder, { [other]: config[key] + 1 });
      await expect(opening).rejects.toMatchObject({ code: "unsupported-value", fields: { key: other } });
    }
  });

  test("T5's decoder has its own number of layers, if the encoder's has the name of all", async () => {
    const changes = { num_layers: undefined, num_hidden_layers: 3, num_decoder_layers: undefined };
    const error = { code: "missing-key", fields: { key: "num_decoder_layers" } };
    await expect(openChanged("t5-odd", changes)).rejects.toMatchObject(error);
  });

  test("ModernBERT: sliding_window is half of local_attention", async () => {
    const folder = "modernbert-masked-lm";
    const expected = await logitsOf(folder);
    expect(await logitsOf(folder, { sliding_window: 2 })).toEqual(expected);
    expect(await logitsOf(folder, { sliding_window: 2, local_attention: undefined })).toEqual(expected);
    expect(await logitsOf(folder, { sliding_window: 1, local_attention: undefined })).not.toEqual(expected);
    const error = { code: "unsupported-value", fields: { key: "sliding_window" } };
    await expect(openChanged(folder, { sliding_window: 1 })).rejects.toMatchObject(error);
  });
});
