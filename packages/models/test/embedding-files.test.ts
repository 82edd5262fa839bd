// What the files of sentence-transformers say, and what of it is refused.
import { type Dtype, parseSafetensors } from "@kiloformer/core";
import { describe, expect, test } from "vitest";
import { Pipeline } from "../src/index.ts";
import { changeTensors, type Tensors } from "./open.ts";
import { filesOf, modules, open } from "./sentence-transformers.ts";
import { failing } from "./shared.ts";

/** The bytes of -1/4, which all of these dtypes have. */
const minusQuarter = {
  F16: [0, 0xb4],
  BF16: [0x80, 0xbe],
  F32: [0, 0, 0x80, 0xbe],
  F64: [0, 0, 0, 0, 0, 0, 0xd0, 0xbf],
};

describe("modules.json", () => {
  const unsafe = [
    "../1_Pooling",
    "/etc",
    "C:\\x",
    "1_Pooling\\..",
    "%2e%2e/1_Pooling",
    "https://evil/x",
    "a/../../b",
    "a\0b",
    ".hidden",
    "a//b",
    7,
    null,
  ];
  test.each(unsafe)("a module's folder may not be %j", async (path) => {
    const list = [...modules(["Transformer", ""]), { type: "sentence_transformers.models.Pooling", path }];
    await expect(open("bert-mean", { "modules.json": list })).rejects.toMatchObject({
      name: "ConfigError",
      code: "unsafe-path",
      message: expect.stringMatching(/^modules\.json: expected \[1\]\.path to be a folder of the model, got /),
    });
  });

  test.each([
    ["", "invalid-json"],
    ["{}", "not-a-list"],
    ['"text"', "not-a-list"],
    ['[], "other": []', "not-a-list"],
    ["[", "invalid-json"],
    ["[NaN]", "not-finite"],
    ["[{}]", "bad-value"],
    ["[null]", "bad-value"],
    [`${"[".repeat(70)}${"]".repeat(70)}`, "too-deep"],
  ])("%j is a typed error", async (text, code) => {
    await expect(open("bert-mean", { "modules.json": text })).rejects.toMatchObject({ name: "ConfigError", code });
  });

  const transformer = ["Transformer", ""] as const;
  const pooling = ["Pooling", "1_Pooling"] as const;
  test.each([
    [
      "WordEmbeddings first",
      [["WordEmbeddings", "0"], pooling],
      "expected the first module to be Transformer or StaticEmbedding",
    ],
    ["no pooling", [transformer], "expected the second module to be Pooling, got none"],
    ["nothing", [], "expected the first module to be Transformer or StaticEmbedding, got none"],
    [
      "an unknown one",
      [transformer, pooling, ["CNN", "2_CNN"]],
      "expected modules of Normalize, Dropout, LayerNorm, Dense behind the pooling, got sentence_transformers.models.CNN",
    ],
    ["constructor", [transformer, pooling, ["constructor", "x"]], "got sentence_transformers.models.constructor"],
  ] as const)("%s: the model opens, and embed says what is not supported", async (_, entries, message) => {
    const { pipeline } = await open("bert-mean", { "modules.json": modules(...entries) });
    await expect(pipeline.embed("hello")).rejects.toMatchObject({
      name: "ConfigError",
      code: "unsupported-module",
      message: expect.stringContaining(message),
    });
    expect((await pipeline.encode("hello")).length).toBe(60);
  });

  test("classes of others are not the library's", async () => {
    const list = [{ type: "custom_st.Transformer", path: "" }, ...modules(["Pooling", "1_Pooling"])];
    const { pipeline } = await open("bert-mean", { "modules.json": list });
    await expect(pipeline.embed("hello")).rejects.toThrow("got custom_st.Transformer");
  });

  test("the vectors of tokens, and other tasks than hidden states, are not supported", async () => {
    const settings = { transformer_task: "fill-mask" };
    const other = await open("bert-mean", { "sentence_bert_config.json": settings });
    await expect(other.pipeline.embed("hello")).rejects.toMatchObject({ code: "unsupported-value" });
    const dense = {
      in_features: 20,
      out_features: 12,
      activation_function: "torch.nn.modules.activation.Tanh",
      module_input_name: "token_embeddings",
    };
    const { pipeline } = await open("bert-dense", { "2_Dense/config.json": dense });
    await expect(pipeline.embed("hello")).rejects.toMatchObject({ code: "unsupported-value" });
  });

  const weights = "2_Dense/model.safetensors";
  /** A case with other tensors in one of its files. */
  async function withTensors(
    name: string,
    file: string,
    change: (tensors: Tensors) => void,
    others: Record<string, unknown> = {},
  ): Promise<Pipeline> {
    const files = filesOf(name, others);
    return Pipeline.fromFiles({ ...files, [file]: changeTensors(files[file] as Uint8Array, change) });
  }
  const zeros = (dtype: Dtype, bytes: number, ...shape: number[]) => ({ dtype, shape, data: new Uint8Array(bytes) });

  test.each<[string, string, string, (tensors: Tensors) => void, string, string]>([
    [
      "a Dense without its bias",
      "bert-dense",
      weights,
      (tensors) => tensors.delete("linear.bias"),
      "missing",
      `${weights}: expected tensors that are missing: linear.bias`,
    ],
    [
      "a bias of whole numbers",
      "bert-dense",
      weights,
      (tensors) => tensors.set("linear.bias", zeros("I64", 96, 12)),
      "unsupported-dtype",
      `${weights}: expected linear.bias of dtype F64, F32, F16 or BF16, got I64`,
    ],
    [
      "a table with too few weights",
      "static-model2vec",
      "model.safetensors",
      (tensors) => tensors.set("weights", zeros("F32", 12, 3)),
      "misshaped",
      "model.safetensors: expected weights of shape [104], got [3]",
    ],
  ])("%s: a typed error", async (_, name, file, change, code, message) => {
    const opened = withTensors(name, file, change).then((pipeline) => pipeline.embed("hello"));
    await expect(opened).rejects.toThrow(failing(code, message));
  });

  test.each(["F16", "BF16", "F64"] as const)("a Dense of %s is what its values say", async (dtype) => {
    const allOf = (dtype: keyof typeof minusQuarter) => (tensors: Tensors) => {
      const value = minusQuarter[dtype];
      for (const [key, { shape }] of tensors) {
        const bytes = shape.reduce((count, size) => count * size, value.length);
        tensors.set(key, {
          dtype,
          shape,
          data: Uint8Array.from({ length: bytes }, (_, at) => value[at % value.length]),
        });
      }
    };
    // Without the last module, which makes vectors of all lengths the same.
    const others = { "modules.json": modules(["Transformer", ""], ["Pooling", "1_Pooling"], ["Dense", "2_Dense"]) };
    const plain = await withTensors("bert-dense", weights, allOf("F32"), others);
    const other = await withTensors("bert-dense", weights, allOf(dtype), others);
    expect(await other.embed("hello")).toEqual(await plain.embed("hello"));
    await Promise.all([plain.dispose(), other.dispose()]);
  });

  test("an activation of another place is not called Tanh", async () => {
    const config = { in_features: 20, out_features: 12, bias: true, activation_function: "my.Activation" };
    const { pipeline } = await open("bert-dense", { "2_Dense/config.json": config });
    const known = "Identity, Tanh, Sigmoid, ReLU, GELU, SiLU, ELU, LeakyReLU, Softplus";
    const message = `2_Dense/config.json: expected an activation of torch.nn that is one of ${known}, got my.Activation`;
    await expect(pipeline.embed("hello")).rejects.toThrow(failing("unsupported-activation", message));
  });

  test.each<[string, Record<string, unknown>, string, string]>([
    [
      "weights that are a pickle",
      { "2_Dense/model.safetensors": undefined, "2_Dense/pytorch_model.bin": "x" },
      "missing-file",
      "2_Dense/model.safetensors: expected this file, got 2_Dense/pytorch_model.bin only, which is a Python pickle",
    ],
    [
      "no weights",
      { "2_Dense/model.safetensors": undefined },
      "missing-file",
      "2_Dense/model.safetensors: expected this file, got none",
    ],
    [
      "weights of another shape",
      { "2_Dense/config.json": { in_features: 20, out_features: 13 } },
      "misshaped",
      "2_Dense/model.safetensors: expected linear.bias of shape [13], got [12]",
    ],
    [
      "no size",
      { "2_Dense/config.json": { in_features: 20 } },
      "missing-key",
      "2_Dense/config.json: expected out_features to be an integer from 1 to 2147483647, got no such key",
    ],
    [
      "a pooling that is none",
      { "1_Pooling/config.json": { embedding_dimension: 20, pooling_mode: ["mean", "median"] } },
      "unsupported-value",
      '1_Pooling/config.json: expected pooling_mode to be some of cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken, got ["mean","median"]',
    ],
    [
      "prompts that are no texts",
      { "config_sentence_transformers.json": { prompts: { query: 1 } } },
      "bad-value",
      'config_sentence_transformers.json: expected prompts to be texts by their names, got {"query":1}',
    ],
    [
      "a default that is no prompt",
      { "config_sentence_transformers.json": { default_prompt_name: "passage" } },
      "bad-value",
      'config_sentence_transformers.json: expected default_prompt_name to be a name of prompts, got "passage"',
    ],
  ])("%s: a typed error", async (_, changes, code, message) => {
    const opened = open("bert-dense", changes).then(({ pipeline }) => pipeline.embed("hello"));
    await expect(opened).rejects.toThrow(failing(code, message));
  });

  test("a key that nobody knows is spoken of, and an error with strict", async () => {
    const changes = { "1_Pooling/config.json": { embedding_dimension: 20, pooling_mode: "mean", dark_matter: 1 } };
    const message = '1_Pooling/config.json: expected only keys that this runtime knows, got "dark_matter"';
    expect((await open("bert-mean", changes)).warnings).toEqual([message]);
    await expect(open("bert-mean", changes, true)).rejects.toThrow(failing("unknown-key", message));
  });

  test("rows of a table that its mapping leads out of are refused", async () => {
    const files = filesOf("static-model2vec-bare-quantized");
    const file = Uint8Array.from(files["model.safetensors"] as Uint8Array);
    const { begin } = parseSafetensors(file).tensors.get("mapping")!;
    file[begin] = 30;
    const opened = Pipeline.fromFiles({ ...files, "model.safetensors": file });
    const message = "model.safetensors: expected mapping to have rows from 0 to 29, got 30";
    await expect(opened).rejects.toThrow(failing("bad-mapping", message));
  });

  test("ids beyond the rows of a table that several tokens share are refused", async () => {
    const { pipeline } = await open("static-model2vec-bare-quantized");
    const error = failing("bad-ids", "ids: expected rows from 0 to 29, got 40");
    await expect(pipeline.hiddenStates([3, 40])).rejects.toThrow(error);
    expect((await pipeline.hiddenStates([3, 29]))[0].length).toBe(48);
  });
});

const transformer = "sentence_bert_config.json";
const plainText = { text: { method: "forward", method_output_name: "last_hidden_state" } };

describe(transformer, () => {
  test.each<[settings: object, message: string]>([
    [
      { modality_config: { ...plainText, message: { ...plainText.text, format: "flat" } } },
      "modality_config: expected no message, got ",
    ],
    [
      { modality_config: { text: { method: "forward", method_output_name: ["hidden_states", -2] } } },
      'modality_config: text: expected no method_output_name, got ["hidden_states",-2]: only last_hidden_state is read',
    ],
    [
      { modality_config: { text: { ...plainText.text, method: "get_text_features" } } },
      'modality_config: text: expected no method, got "get_text_features"',
    ],
    [{ modality_config: { image: plainText.text } }, "modality_config: expected text to be an object, got undefined"],
    [{ module_output_name: "sentence_embedding" }, "expected no module_output_name"],
    [
      { processing_kwargs: { text: { max_length: 6 } } },
      'expected no processing_kwargs, got {"text":{"max_length":6}}',
    ],
    [{ config_kwargs: { num_hidden_layers: 1 } }, "config_kwargs: expected no num_hidden_layers, got 1"],
    [{ config_args: { hidden_act: "relu" } }, 'config_args: expected no hidden_act, got "relu"'],
    [{ model_kwargs: { default_task: "x" } }, "model_kwargs: expected no default_task"],
    [{ model_args: { quantization_config: {} } }, "model_args: expected no quantization_config"],
    [{ processor_kwargs: { do_lower_case: true } }, "processor_kwargs: expected no do_lower_case, got true"],
    [{ tokenizer_args: { truncation_side: "left" } }, "tokenizer_args: expected no truncation_side"],
  ])("%j: the model opens, and embed says what is not supported", async (settings, message) => {
    const { pipeline, warnings } = await open("bert-mean", { [transformer]: settings });
    expect(warnings).toEqual([]);
    await expect(pipeline.embed("hello")).rejects.toMatchObject({
      name: "ConfigError",
      code: "unsupported-value",
      message: expect.stringContaining(`${transformer}: ${message}`),
    });
    expect((await pipeline.encode("hello")).length).toBe(60);
    await pipeline.dispose();
  });

  test.each([
    {},
    { modality_config: plainText, module_output_name: "token_embeddings" },
    { modality_config: { ...plainText, image: { method: "get_image_features", method_output_name: null } } },
    { processing_kwargs: {} },
    { processing_kwargs: { text: {} } },
    { model_kwargs: { torch_dtype: "float16", attn_implementation: "eager", device_map: "auto" } },
    { model_args: { add_pooling_layer: false }, config_args: { trust_remote_code: true } },
    { processor_kwargs: { use_fast: true, padding_side: "left" } },
    { tokenizer_args: { truncation_side: "right", model_max_length: 1e30 } },
  ])("%j changes nothing", async (settings) => {
    const [plain, changed] = [
      await open("bert-mean", {}, true),
      await open("bert-mean", { [transformer]: settings }, true),
    ];
    expect(await changed.pipeline.embed("hello world")).toEqual(await plain.pipeline.embed("hello world"));
    await Promise.all([plain.pipeline.dispose(), changed.pipeline.dispose()]);
  });

  test("an empty one leaves it to the next", async () => {
    const files = { [transformer]: {}, "sentence_roberta_config.json": { max_seq_length: 3 } };
    const { pipeline } = await open("bert-mean", files);
    expect(await pipeline.embed("hello world")).toEqual(await pipeline.embed("hello"));
    await pipeline.dispose();
  });

  test("do_lower_case leaves special tokens that a text spells", async () => {
    const settings = { max_seq_length: null, do_lower_case: true };
    const [plain, small] = [await open("bert-mean"), await open("bert-mean", { [transformer]: settings })];
    const lower = "hello [SEP] world[MASK][ sep ]";
    expect(await small.pipeline.embed("HELLO [SEP] World[MASK][ SEP ]")).toEqual(await plain.pipeline.embed(lower));
    await Promise.all([plain.pipeline.dispose(), small.pipeline.dispose()]);
  });

  test("without modules.json it says nothing, as in the library", async () => {
    const files = { [transformer]: { max_seq_length: 3 } };
    const [plain, beside] = [await open("bert-no-modules"), await open("bert-no-modules", files)];
    expect(await beside.pipeline.embed("hello world")).toEqual(await plain.pipeline.embed("hello world"));
    await Promise.all([plain.pipeline.dispose(), beside.pipeline.dispose()]);
  });
});

describe("chat templates", () => {
  const message =
    "embed: expected a modules.json beside a chat template, got none; texts are read without the template";
  test.each<[name: string, changes: Record<string, unknown>, expected: readonly string[]]>([
    ["bert-no-modules", { "chat_template.jinja": "{{ messages }}" }, [message]],
    ["bert-no-modules", { "tokenizer_config.json": { chat_template: "{{ messages }}" } }, [message]],
    ["bert-no-modules", { "tokenizer_config.json": { chat_template: null } }, []],
    ["bert-mean", { "chat_template.jinja": "{{ messages }}" }, []],
  ])("%s with %j: embed speaks once of what it leaves out", async (name, changes, expected) => {
    const { pipeline, warnings } = await open(name, changes);
    for (const text of ["hello", "world"]) await pipeline.embed(text);
    expect(warnings).toEqual(expected);
    await pipeline.dispose();
  });
});

describe("files that the library does not open", () => {
  const settings = "config_sentence_transformers.json";
  const pooling = "1_Pooling/config.json";
  const dimension = { embedding_dimension: 20 };
  test.each<[changes: Record<string, unknown>, code: string, message: string]>([
    ...([null, [], "text", 3].map((prompts): [object, string, string] => [
      { [settings]: { prompts } },
      "bad-value",
      `${settings}: expected prompts to be texts by their names, got ${JSON.stringify(prompts)}`,
    ]) as [Record<string, unknown>, string, string][]),
    [
      { [settings]: { prompts: {}, default_prompt_name: "passage" } },
      "bad-value",
      `${settings}: expected default_prompt_name to be a name of prompts, got "passage"`,
    ],
    [
      { [settings]: { model_type: "CrossEncoder", prompts: {}, default_prompt_name: "query" } },
      "bad-value",
      `${settings}: expected default_prompt_name to be a name of prompts, got "query"`,
    ],
    [{ [pooling]: undefined }, "missing-file", `${pooling}: expected this file, got none`],
    [
      { "modules.json": modules(["Transformer", ""], ["Pooling", "9_Pooling"]) },
      "missing-file",
      "9_Pooling/config.json: expected this file, got none",
    ],
    [
      { [pooling]: { pooling_mode: "cls" } },
      "missing-key",
      `${pooling}: expected embedding_dimension to be an integer`,
    ],
    [
      { [pooling]: { ...dimension, pooling_mode: null } },
      "unsupported-value",
      `${pooling}: expected pooling_mode to be`,
    ],
    [{ [pooling]: { ...dimension, pooling_mode: [] } }, "unsupported-value", `${pooling}: expected pooling_mode to be`],
  ])("%j: a typed error", async (changes, code, message) => {
    const opened = open("bert-mean", changes).then(({ pipeline }) => pipeline.embed("hello"));
    await expect(opened).rejects.toMatchObject({
      name: "ConfigError",
      code,
      message: expect.stringContaining(message),
    });
  });

  test("of a pooling whose flags are all false it takes the mean", async () => {
    const none = { word_embedding_dimension: 20, pooling_mode_cls_token: false, pooling_mode_mean_tokens: false };
    const [mean, flags] = [await open("bert-mean"), await open("bert-mean", { [pooling]: none })];
    expect(await flags.pipeline.embed("hello")).toEqual(await mean.pipeline.embed("hello"));
    await Promise.all([mean.pipeline.dispose(), flags.pipeline.dispose()]);
  });

  test("a table's texts are no pairs", async () => {
    const tokenizer = JSON.parse(String(filesOf("static-embedding")["tokenizer.json"]));
    const truncation = { direction: "Right", max_length: 6, strategy: "OnlySecond", stride: 0 };
    const { pipeline } = await open("static-embedding", { "tokenizer.json": { ...tokenizer, truncation } });
    const error = failing(
      "unsupported-value",
      'tokenizer.json: truncation: expected no strategy, got "OnlySecond": texts are no pairs',
    );
    await expect(pipeline.embed("hello")).rejects.toThrow(error);
  });
});
