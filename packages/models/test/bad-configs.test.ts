import { describe, expect, test } from "vitest";
import {
  architectures,
  ConfigError,
  KiloformerError,
  openBareModel,
  Pipeline,
  type PipelineOptions,
} from "../src/index.ts";
import { openChanged } from "./open.ts";
import { failing } from "./shared.ts";
import { tinyConfig, tinyFiles, tinyVocabulary } from "./tiny.ts";

/** Opens a small model with changes to its config, and gives the error. */
async function failure(config: Record<string, unknown>, options: PipelineOptions = {}): Promise<unknown> {
  return Pipeline.fromFiles(tinyFiles({ config }), { onWarning: () => {}, ...options }).then(
    () => "no error",
    (error) => error,
  );
}

/** Every `model_type`, as messages list them. */
const types = architectures.flatMap(({ modelTypes }) => modelTypes).join(", ");

/** Keys to take away: JSON.stringify drops undefined. */
const without = (key: string) => ({ [key]: undefined });

test("a small random model opens without a warning, also where warnings are errors", async () => {
  const pipeline = await Pipeline.fromFiles(tinyFiles(), { strict: true });
  expect(pipeline.modelType).toBe("llama");
  await pipeline.dispose();
});

describe("C1 rejects a config.json that is no JSON object", () => {
  const cases: [string, string, string][] = [
    ["empty", "", "no bytes"],
    ["truncated", '{"model_type": "llama"', "the end of the JSON text"],
    ["HTML", "<!doctype html><html></html>", "HTML"],
    ["a top-level array", "[]", "array"],
    ["null", "null", "null"],
    ["a NaN literal", '{"rms_norm_eps": NaN}', "NaN"],
    ["an Infinity literal", '{"rms_norm_eps": Infinity}', "Infinity"],
  ];
  test.each(cases)("%s", async (_, text, says) => {
    const error = await Pipeline.fromFiles({ ...tinyFiles(), "config.json": text }).catch((e) => e);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/^config\.json: (rms_norm_eps: )?expected /);
    expect(error.message).toContain(says);
  });

  test("no config.json at all", async () => {
    const { "config.json": _, ...rest } = tinyFiles();
    await expect(Pipeline.fromFiles(rest)).rejects.toEqual(
      failing("missing-file", "config.json: expected this file, got none"),
    );
  });
});

describe("C2 rejects sizes that are missing or no counts, and names the key", () => {
  const keys = ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "intermediate_size"];
  const values: [string, unknown][] = [
    ["0", 0],
    ["-1", -1],
    ["1.5", 1.5],
    ['"768"', "768"],
    ["true", true],
    ["2147483648", 2 ** 31],
  ];
  test.each(keys)("%s", async (key) => {
    expect(await failure(without(key))).toEqual(
      failing("missing-key", `config.json: expected ${key} to be an integer from 1 to 2147483647, got no such key`),
    );
    expect(await failure({ [key]: null })).toEqual(
      failing("bad-value", `config.json: expected ${key} to be an integer from 1 to 2147483647, got null`),
    );
    for (const [shown, value] of values) {
      expect(await failure({ [key]: value })).toEqual(
        failing("bad-value", `config.json: expected ${key} to be an integer from 1 to 2147483647, got ${shown}`),
      );
    }
  });

  test("1e400 is not read as a number at all", async () => {
    const text = JSON.stringify(tinyConfig).replace('"hidden_size":24', '"hidden_size":1e400');
    const error = await Pipeline.fromFiles({ ...tinyFiles(), "config.json": text }).catch((e) => e);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/hidden_size|1e400/);
  });
});

describe("C3 rejects head counts that do not fit", () => {
  const cases: [string, Record<string, unknown>, string][] = [
    [
      "heads that do not divide hidden_size",
      { num_attention_heads: 5, num_key_value_heads: 5 },
      "config.json: expected num_attention_heads to be a divisor of hidden_size, 24, got 5",
    ],
    [
      "no key/value heads",
      { num_key_value_heads: 0 },
      "config.json: expected num_key_value_heads to be an integer from 1 to 4, got 0",
    ],
    [
      "more key/value heads than heads",
      { num_key_value_heads: 8 },
      "config.json: expected num_key_value_heads to be an integer from 1 to 4, got 8",
    ],
    [
      "key/value heads that do not divide the heads",
      { num_key_value_heads: 3 },
      "config.json: expected num_key_value_heads to be a divisor of num_attention_heads, 4, got 3",
    ],
    [
      "an odd head_dim",
      { head_dim: 5 },
      "config.json: expected head_dim to be even, as rotary embedding turns pairs, got 5",
    ],
  ];
  test.each(cases)("%s", async (_, config, message) => {
    expect(await failure(config)).toEqual(failing("bad-value", message));
  });

  test("but a head_dim of its own frees hidden_size from being a multiple", async () => {
    const config = { hidden_size: 24, num_attention_heads: 5, num_key_value_heads: 1, head_dim: 6 };
    expect(await failure(config)).toEqual(expect.objectContaining({ code: "misshaped" }));
  });
});

describe("C4 rejects what it does not know, with the list of what it does", () => {
  test.each(["banana", "constructor", "__proto__", 7, null])("model_type %j", async (model_type) => {
    const error = await failure({ model_type });
    expect(error).toEqual(expect.objectContaining({ code: "unsupported-model" }));
    expect((error as Error).message).toBe(
      `config.json: expected model_type to be one of ${types}, got ${JSON.stringify(model_type)}`,
    );
  });

  test("no model_type", async () => {
    expect(await failure(without("model_type"))).toEqual(
      failing("missing-key", `config.json: expected model_type to be one of ${types}, got no such key`),
    );
  });

  test.each(["banana", "constructor", 3])("hidden_act %j", async (hidden_act) => {
    expect(await failure({ hidden_act })).toEqual(
      failing(
        "unsupported-value",
        `config.json: expected hidden_act to be one of silu, swish, relu, gelu, gelu_python, gelu_new, gelu_fast, gelu_pytorch_tanh, gelu_python_tanh, got ${JSON.stringify(hidden_act)}`,
      ),
    );
  });

  test.each(["banana", "constructor"])("rope_scaling type %j", async (type) => {
    for (const key of ["type", "rope_type"]) {
      expect(await failure({ rope_scaling: { [key]: type, factor: 2 } })).toEqual(
        failing(
          "unsupported-value",
          `config.json: rope_scaling: expected ${key} to be one of default, linear, dynamic, llama3, yarn, longrope, got "${type}"`,
        ),
      );
    }
  });

  test("a rope_scaling with a factor and no type", async () => {
    const types = "default, linear, dynamic, llama3, yarn, longrope";
    expect(await failure({ rope_scaling: { factor: 2 } })).toEqual(
      failing("missing-key", `config.json: rope_scaling: expected rope_type to be one of ${types}, got no such key`),
    );
  });

  test("a rope_scaling without its factor", async () => {
    expect(await failure({ rope_scaling: { type: "linear" } })).toEqual(
      failing("missing-key", "config.json: rope_scaling: expected factor to be a number above 0, got no such key"),
    );
  });

  test("quantized checkpoints", async () => {
    expect(await failure({ quantization_config: { bits: 4 } })).toEqual(
      failing(
        "unsupported-value",
        'config.json: expected no quantization_config, got {"bits":4}: of quantized checkpoints those that kiloformer quantize wrote are supported',
      ),
    );
  });
});

describe("C5 rejects sizes that no file has, at once", () => {
  test("2^31 layers", async () => {
    expect(await failure({ num_hidden_layers: 2 ** 31 })).toEqual(expect.objectContaining({ code: "bad-value" }));
  });

  test("a million layers", async () => {
    const begin = performance.now();
    expect(await failure({ num_hidden_layers: 1e6 })).toEqual(
      failing(
        "missing",
        "model.safetensors: expected 1000000 layers model.layers.N, got 2; missing: model.layers.2, model.layers.3, model.layers.4, model.layers.5, model.layers.6",
      ),
    );
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  test("a context of 1e12 positions", async () => {
    expect(await failure({ max_position_embeddings: 1e12 })).toEqual(
      failing(
        "bad-value",
        "config.json: expected max_position_embeddings to be an integer from 1 to 2147483647, got 1000000000000",
      ),
    );
  });

  test("a context whose cache no memory holds is refused when it is asked for, before any is taken", async () => {
    const pipeline = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 2e9 } }));
    const held = pipeline.heldBytes;
    const error = await pipeline.generate("abc", { max_new_tokens: 1e9 }).catch((e) => e);
    expect(error.code).toBe("over-limit");
    expect(error.message).toMatch(
      /^key\/value cache for 1000000004 positions: expected at most \d+ more bytes, got \d+$/,
    );
    expect(pipeline.heldBytes).toBe(held);
    expect(await pipeline.generate("abc", { max_new_tokens: 3 })).toEqual(expect.any(String));
    await pipeline.dispose();
  });
});

describe("C6 rejects tensors that do not fit the config", () => {
  test("a layer that the file has not", async () => {
    expect(await failure({ num_hidden_layers: 3 })).toEqual(
      failing("missing", "model.safetensors: expected 3 layers model.layers.N, got 2; missing: model.layers.2"),
    );
  });

  test("shapes that differ, the first five of them", async () => {
    expect(await failure({ intermediate_size: 41 })).toEqual(
      failing(
        "misshaped",
        "model.safetensors: expected model.layers.0.mlp.gate_proj.weight of shape [41, 24], got [40, 24]; " +
          "model.layers.0.mlp.up_proj.weight of shape [41, 24], got [40, 24]; " +
          "model.layers.0.mlp.down_proj.weight of shape [24, 41], got [24, 40]; " +
          "model.layers.1.mlp.gate_proj.weight of shape [41, 24], got [40, 24]; " +
          "model.layers.1.mlp.up_proj.weight of shape [41, 24], got [40, 24]; and 1 more",
      ),
    );
  });

  const extra = (name: string) =>
    tinyFiles({ tensors: (tensors) => tensors.set(name, { dtype: "F32", shape: [1], data: new Uint8Array(4) }) });

  test("harmless extra tensors pass in silence", async () => {
    const files = extra("model.layers.0.self_attn.rotary_emb.inv_freq");
    const pipeline = await Pipeline.fromFiles(files, { strict: true });
    await pipeline.dispose();
  });

  test("unknown extra tensors are a warning, and an error where warnings are", async () => {
    const warnings: string[] = [];
    const pipeline = await Pipeline.fromFiles(extra("banana"), { onWarning: (text) => warnings.push(text) });
    expect(warnings).toEqual(['weights: expected only tensors that llama has, got "banana"']);
    await pipeline.dispose();
    await expect(Pipeline.fromFiles(extra("banana"), { strict: true })).rejects.toEqual(
      failing("unknown", 'weights: expected only tensors that llama has, got "banana"'),
    );
  });

  test("names are shown as such: cut, without control characters, and only the first", async () => {
    const key = "\u001b[2J\n";
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`${key}${i}`, 1]));
    const warnings: string[] = [];
    const { "model.safetensors": weights } = extra(key.repeat(100_000));
    const files = { ...tinyFiles({ config: many }), "model.safetensors": weights };
    const pipeline = await Pipeline.fromFiles(files, { onWarning: (text) => warnings.push(text) });
    const shown = (text: string) => JSON.stringify(text).slice(1, -1);
    expect(warnings).toEqual([
      expect.stringMatching(/^config\.json: .* got "\\u001b\[2J\\n0", .* and 20 more$/),
      `weights: expected only tensors that llama has, got "${shown(key.repeat(16))}…"`,
    ]);
    await pipeline.dispose();
  });

  test("unknown config keys are a warning, and an error where warnings are", async () => {
    const warnings: string[] = [];
    const config = { banana: 1, rope_scaling: { type: "linear", factor: 2, attn_factor: 3 } };
    const pipeline = await Pipeline.fromFiles(tinyFiles({ config }), { onWarning: (text) => warnings.push(text) });
    const message = 'config.json: expected only keys that this runtime knows, got "banana", "rope_scaling.attn_factor"';
    expect(warnings).toEqual([message]);
    await pipeline.dispose();
    expect(await failure(config, { strict: true })).toEqual(failing("unknown-key", message));
  });
});

describe("C7 vocab_size and the embedding's rows", () => {
  test("more rows than the vocabulary: their logits are left out", async () => {
    const files = tinyFiles({ config: { vocab_size: 19 }, tensors: padRows });
    const pipeline = await Pipeline.fromFiles(files, { strict: true });
    const plain = await Pipeline.fromFiles(tinyFiles());
    expect(await pipeline.logits([4, 5, 6])).toEqual(await plain.logits([4, 5, 6]));
    await pipeline.dispose();
    await plain.dispose();
  });

  test("fewer rows are rejected", async () => {
    expect(await failure({ vocab_size: 20 })).toEqual(
      failing(
        "misshaped",
        "model.safetensors: expected model.embed_tokens.weight of shape [20, 24], got [19, 24]; lm_head.weight of shape [20, 24], got [19, 24]",
      ),
    );
  });

  function padRows(tensors: Parameters<NonNullable<NonNullable<Parameters<typeof tinyFiles>[0]>["tensors"]>>[0]) {
    for (const name of ["model.embed_tokens.weight", "lm_head.weight"]) {
      const { data } = tensors.get(name)!;
      const padded = new Uint8Array(24 * 24 * 4).fill(0x41);
      padded.set(data);
      tensors.set(name, { dtype: "F32", shape: [24, 24], data: padded });
    }
  }
});

test("C8 a tokenizer with ids beyond the embedding is rejected at load", async () => {
  const files = tinyFiles({ vocabulary: { ...tinyVocabulary, z: 19 } });
  await expect(Pipeline.fromFiles(files)).rejects.toEqual(
    failing("vocabulary-too-large", "tokenizer: expected ids below the model's vocab_size of 19, got 19"),
  );
});

// As Gemma 3's <image_soft_token> is, in the models without images.
test("C8 a special token beyond the embedding is refused where a text has it; one that is not special at load", async () => {
  const { "vocab.json": _, ...rest } = tinyFiles();
  const withToken = (special: boolean) => ({
    ...rest,
    "tokenizer.json": JSON.stringify({
      model: { type: "WordLevel", unk_token: "<unk>", vocab: tinyVocabulary },
      pre_tokenizer: { type: "WhitespaceSplit" },
      added_tokens: [{ id: 19, content: "<image>", special, normalized: false }],
    }),
  });
  const pipeline = await Pipeline.fromFiles(withToken(true), { strict: true });
  expect(await pipeline.generate("a b", { max_new_tokens: 1, eos_token_id: null })).not.toBe("");
  await expect(pipeline.generate("a <image> b")).rejects.toEqual(
    failing("bad-ids", "ids: expected integers from 0 to 18, got 19 at 1"),
  );
  await pipeline.dispose();
  await expect(Pipeline.fromFiles(withToken(false))).rejects.toMatchObject({ code: "vocabulary-too-large" });
});

describe("C9 the output layer", () => {
  test("missing and untied is rejected", async () => {
    const files = tinyFiles({ tensors: (tensors) => tensors.delete("lm_head.weight") });
    await expect(Pipeline.fromFiles(files)).rejects.toEqual(
      failing("missing", "model.safetensors: expected tensors that are missing: lm_head.weight"),
    );
  });

  test.each([
    ["of a bare model", { architectures: ["LlamaModel"] }, {}],
    ["of a model for another task", { architectures: ["LlamaForSequenceClassification"] }, {}],
    ["of a sentence-transformers folder", { architectures: ["LlamaForCausalLM"] }, { "modules.json": "[]" }],
  ])("%s may be missing, as nothing but generation and logits need it", async (_, config, more) => {
    const files = tinyFiles({ config, tensors: (tensors) => tensors.delete("lm_head.weight") });
    const [lacking, complete] = await Promise.all([
      openBareModel({ ...files, ...more }, architectures, { strict: true }),
      openBareModel(tinyFiles(), architectures),
    ]);
    expect(await lacking.decoder.hiddenStates([4, 5])).toEqual(await complete.decoder.hiddenStates([4, 5]));
    await expect(lacking.decoder.logits([4, 5])).rejects.toMatchObject({ code: "no-head" });
    await lacking.dispose();
    await complete.dispose();
  });

  test.each([
    ["gpt2-odd", "GPT2ForSequenceClassification"],
    ["gpt_neo-odd", "GPTNeoForSequenceClassification"],
    ["gpt_neox-serial", "GPTNeoXForSequenceClassification"],
  ])("%s as %s may lack it, too", async (folder, architecture) => {
    const changes = { architectures: [architecture], tie_word_embeddings: false };
    const pipeline = await openChanged(folder, changes, (tensors) => tensors.delete("embed_out.weight"));
    await expect(pipeline.logits([4, 5])).rejects.toMatchObject({ code: "no-head" });
    await pipeline.dispose();
  });

  test("in the file goes before tie_word_embeddings", async () => {
    const tied = await Pipeline.fromFiles(tinyFiles({ config: { tie_word_embeddings: true } }), { strict: true });
    const untied = await Pipeline.fromFiles(tinyFiles());
    expect(await tied.logits([4, 5])).toEqual(await untied.logits([4, 5]));
    await tied.dispose();
    await untied.dispose();
  });

  test("tied without one of its own is the embedding", async () => {
    const copy = tinyFiles({
      tensors: (tensors) => tensors.set("lm_head.weight", tensors.get("model.embed_tokens.weight")!),
    });
    const shared = tinyFiles({
      config: { tie_word_embeddings: true },
      tensors: (tensors) => tensors.delete("lm_head.weight"),
    });
    const [a, b] = await Promise.all([Pipeline.fromFiles(copy), Pipeline.fromFiles(shared, { strict: true })]);
    expect(await b.logits([4, 5, 18])).toEqual(await a.logits([4, 5, 18]));
    await a.dispose();
    await b.dispose();
  });
});

describe("C10 end-of-text ids", () => {
  test.each([[[3, 4]], [null], [-1], [3]])("%j is accepted", async (eos_token_id) => {
    const pipeline = await Pipeline.fromFiles(tinyFiles({ config: { eos_token_id, pad_token_id: -1 } }));
    await pipeline.dispose();
  });

  test.each([[19], [[3, 99]], ["</s>"], [1.5], [1e9]])(
    "%j is rejected beside generation_config.json too",
    async (id) => {
      const message = `config.json: expected eos_token_id to be ids from 0 to 18, got ${typeof id === "number" ? id : JSON.stringify(id)}`;
      const open = (generation: object, config: object) => {
        const generationConfig = { "generation_config.json": JSON.stringify(generation) };
        return Pipeline.fromFiles({ ...tinyFiles({ config: { ...config } }), ...generationConfig });
      };
      for (const generation of [{}, { eos_token_id: 3 }, { eos_token_id: null }]) {
        await expect(open(generation, { eos_token_id: id })).rejects.toEqual(failing("bad-value", message));
      }
      const named = failing("bad-value", `generation_${message}`);
      await expect(open({ eos_token_id: id }, { eos_token_id: 3 })).rejects.toEqual(named);
      for (const eos_token_id of [null, -1, undefined, 5]) {
        await (await open({ eos_token_id: 3 }, { eos_token_id })).dispose();
      }
    },
  );

  test.each([[19], [[3, 99]], ["</s>"], [1.5], [-2]])("%j is rejected", async (eos_token_id) => {
    expect(await failure({ eos_token_id })).toEqual(
      failing(
        "bad-value",
        `config.json: expected eos_token_id to be ids from 0 to 18, got ${JSON.stringify(eos_token_id)}`,
      ),
    );
  });
});

describe("C11 rejects factors that make no sense", () => {
  const cases: [string, unknown][] = [
    ["rope_theta", 0],
    ["rope_theta", -1],
    ["rms_norm_eps", 0],
    ["rms_norm_eps", -1e-5],
    ["rms_norm_eps", "1e-5"],
  ];
  test.each(cases)("%s %j", async (key, value) => {
    expect(await failure({ [key]: value })).toEqual(
      failing("bad-value", `config.json: expected ${key} to be a number above 0, got ${JSON.stringify(value)}`),
    );
  });
});

test("keys that are empty, or names of a model's own, say nothing of it", async () => {
  const warnings: string[] = [];
  const files = tinyFiles({ config: { pruned_heads: {}, anything: [], name: "Squad", language: "english" } });
  await (await Pipeline.fromFiles(files, { strict: true, onWarning: (warning) => warnings.push(warning) })).dispose();
  expect(warnings).toEqual([]);
});

test("C12 auto_map, internal keys and __proto__ are ignored, never fetched, imported or merged", async () => {
  const text = JSON.stringify(tinyConfig).replace(
    "{",
    '{"auto_map": {"AutoModel": "evil.py--Model"}, "_attn_implementation_internal": "x", "__proto__": {"polluted": true}, ',
  );
  const warnings: string[] = [];
  const options = { onWarning: (message: string) => warnings.push(message) };
  const pipeline = await Pipeline.fromFiles({ ...tinyFiles(), "config.json": text }, options);
  expect((Object.prototype as { polluted?: boolean }).polluted).toBeUndefined();
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  expect(warnings.join()).not.toContain("auto_map");
  await pipeline.dispose();
});

test("C13 nesting of 100,000 levels is refused", async () => {
  const text = JSON.stringify(tinyConfig).replace("{", `{"deep": ${"[".repeat(1e5)}${"]".repeat(1e5)}, `);
  const error = await Pipeline.fromFiles({ ...tinyFiles(), "config.json": text }).catch((e) => e);
  expect(error).toBeInstanceOf(KiloformerError);
  expect(error.message).toMatch(/64/);
});

test("modelType reads a config's model_type, from text, bytes or an object", () => {
  const text = JSON.stringify(tinyConfig);
  expect(Pipeline.modelType(text)).toBe("llama");
  expect(Pipeline.modelType(new TextEncoder().encode(text))).toBe("llama");
  expect(Pipeline.modelType(tinyConfig)).toBe("llama");
  expect(() => Pipeline.modelType({ model_type: "banana" })).toThrow(/expected model_type to be one of bert, roberta/);
});

describe("labels and classes", () => {
  const cases: [string, Record<string, unknown>, string][] = [
    ["a class that is an object", { architectures: [{}] }, "architectures to be names of classes, got [{}]"],
    ["a class that is a number", { architectures: [3] }, "architectures to be names of classes, got [3]"],
    ["labels in a list", { id2label: ["a"] }, 'id2label to be labels by their ids, got ["a"]'],
    ["labels that are a text", { id2label: "a" }, 'id2label to be labels by their ids, got "a"'],
    ["labels of no ids", { id2label: { a: "b" } }, 'id2label to be labels by their ids, got {"a":"b"}'],
    [
      "a choice between one label",
      { id2label: { 0: "a" }, problem_type: "single_label_classification" },
      'problem_type to be regression or multi_label_classification where there is one label, got "single_label_classification"',
    ],
  ];
  test.each(cases)("%s", async (_, config, message) => {
    const opening = openChanged("heads/bert-one-label", { label2id: undefined, ...config });
    await expect(opening).rejects.toThrow(failing("bad-value", `config.json: expected ${message}`));
  });
});

test("sizes that no file has are refused before anything as large is made", async () => {
  const code = async (folder: string, changes: object, others: Readonly<Record<string, string>> = {}) => {
    const begin = performance.now();
    const error = await openChanged(folder, changes, undefined, others).then(
      (pipeline) => pipeline.dispose(),
      (thrown: unknown) => thrown as { code: string } | undefined,
    );
    expect(performance.now() - begin, JSON.stringify(changes)).toBeLessThan(5000);
    return error?.code;
  };
  for (const folder of ["modernbert-masked-lm", "llama-odd-generation", "gemma3-odd", "smollm3-odd", "qwen2-sliding"]) {
    expect(await code(folder, { num_hidden_layers: 4e7 }), folder).toBe("missing");
  }
  for (const folder of ["llama-rope-linear", "llama-rope-dynamic", "llama-yarn"]) {
    expect(await code(folder, { head_dim: 1e8 }), folder).toMatch(/misshaped|missing/);
  }
  const vocab = { a: 0, b: 1, c: 2 ** 32 - 2 };
  const tokenizer = { model: { type: "WordLevel", unk_token: "a", vocab } };
  const others = { "tokenizer.json": JSON.stringify(tokenizer) };
  expect(await code("llama-odd-generation", {}, others)).toBe("vocabulary-too-large");
});

test("a radius of LongT5 beyond all texts is one that sees all of them", async () => {
  const [far, near] = await Promise.all(
    [2 ** 30, 200].map((local_radius) => openChanged("longt5-local-long", { local_radius })),
  );
  const ids = Array.from({ length: 90 }, (_, index) => index % 90);
  expect(await far.encode(ids)).toEqual(await near.encode(ids));
  await Promise.all([far.dispose(), near.dispose()]);
});
