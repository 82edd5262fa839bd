// What tokenizer_config.json says to the tasks around a tokenizer.
import { describe, expect, test } from "vitest";
import { openChanged, type Tensors } from "./open.ts";

const pair = { text: "hello world", text_pair: "good morning" };
const folder = "heads/bert-one-label";

/** Both texts are told apart by nothing. */
function forget(tensors: Tensors): void {
  const types = tensors.get("bert.embeddings.token_type_embeddings.weight")!;
  const half = types.data.subarray(0, types.data.length / 2);
  tensors.set("bert.embeddings.token_type_embeddings.weight", { ...types, data: Buffer.concat([half, half]) });
}

async function scores(settings: object | null, config: object = {}, change?: (tensors: Tensors) => void) {
  const others = { "tokenizer_config.json": settings && JSON.stringify(settings) };
  const pipeline = await openChanged(folder, config, change, others);
  const [[classified], ranked] = [
    await pipeline.classify(pair, { function_to_apply: "none" }),
    await pipeline.rerank(pair.text, [pair.text_pair], { activation: "identity" }),
  ];
  const [embedded] = await pipeline.embedBatch([pair.text]);
  await pipeline.dispose();
  return { classified: classified.score, ranked: ranked[0].score, embedded };
}

const both = ["input_ids", "token_type_ids", "attention_mask"];
const bare = ["input_ids", "attention_mask"];
const tokens = { unk_token: "[UNK]", pad_token: "[PAD]", cls_token: "[CLS]", sep_token: "[SEP]", mask_token: "[MASK]" };

describe("a model is told which text a token is of", () => {
  test.each<[settings: object | null, config: object]>([
    [null, {}],
    [{}, {}],
    [{ tokenizer_class: "BertTokenizer" }, {}],
    [{ tokenizer_class: "BertTokenizerFast" }, {}],
    [{ tokenizer_class: "ElectraTokenizer" }, {}],
    [{ tokenizer_class: "DebertaV2TokenizerFast" }, {}],
    [{ tokenizer_class: "PreTrainedTokenizerFast", model_input_names: both }, {}],
    [{ tokenizer_class: "BertTokenizer" }, { tokenizer_class: "PreTrainedTokenizerFast" }],
  ])("by %j beside %j", async (settings, config) => {
    const given = settings && { ...tokens, ...settings };
    const told = await scores({ ...tokens, model_input_names: both });
    expect(await scores(given, config)).toEqual(told);
    expect((await scores(given, config, forget)).classified).not.toBe(told.classified);
  });

  test.each<[settings: object, config: object]>([
    [{ tokenizer_class: "BertTokenizer", model_input_names: bare }, {}],
    [{ tokenizer_class: "PreTrainedTokenizerFast" }, {}],
    [{ tokenizer_class: "TokenizersBackend" }, {}],
    [{ tokenizer_class: "RobertaTokenizer" }, {}],
    [{ tokenizer_class: "DistilBertTokenizer" }, {}],
    [{}, { tokenizer_class: "PreTrainedTokenizerFast" }],
  ])("not by %j beside %j", async (settings, config) => {
    const given = { ...tokens, ...settings };
    expect(await scores(given, config)).toEqual(await scores(given, config, forget));
  });
});

describe("fillMask looks for the token that the files name", () => {
  const masked = "heads/bert-masked-lm";
  const content = { content: "hello", lstrip: false, normalized: false, rstrip: false, single_word: false };

  test.each<[config: object, map: object | null]>([
    [{ mask_token: "hello" }, null],
    [{ mask_token: content }, null],
    [{}, { mask_token: "hello" }],
    [{ mask_token: "[MASK]" }, { mask_token: content }],
    [{ mask_token: "hello", added_tokens_decoder: {} }, { mask_token: "[MASK]" }],
  ])("%j beside %j", async (config, map) => {
    const settings = { ...tokens, mask_token: undefined, ...config };
    const others = {
      "tokenizer_config.json": JSON.stringify(settings),
      "special_tokens_map.json": map && JSON.stringify(map),
    };
    const pipeline = await openChanged(masked, {}, () => {}, others);
    const fills = await pipeline.fillMask("hello world");
    expect(fills).toHaveLength(5);
    await expect(pipeline.fillMask("[MASK] world")).rejects.toMatchObject({
      message: 'fillMask: expected hello in the text, got none in "[MASK] world"',
    });
    await pipeline.dispose();
  });

  test("and none where that is no token", async () => {
    const others = { "tokenizer_config.json": JSON.stringify({ ...tokens, mask_token: "<nothing>" }) };
    const pipeline = await openChanged(masked, {}, () => {}, others);
    await expect(pipeline.fillMask("[MASK] world")).rejects.toMatchObject({ code: "no-mask" });
    await pipeline.dispose();
  });
});
