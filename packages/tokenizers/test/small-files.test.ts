// What tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json say of older files. Expected: AutoTokenizer of
// transformers 5.18.
import { readFileSync } from "node:fs";
import * as jinja from "@huggingface/jinja";
import { describe, expect, test } from "vitest";
import { Tokenizer, type TokenizerFiles } from "../src/index.ts";
import { basics, modelFile, normal } from "./model-file.ts";
import { shared } from "./shared.ts";
import { atSpaces, numbered, refusal, tokenizerJson, wordLevel } from "./tokenizer-files.ts";

const open = (files: Record<string, Uint8Array | string>, config: object = {}, more: Record<string, object> = {}) => {
  const others = { "tokenizer_config.json": config, ...more };
  const texts = Object.entries(others).map(([name, json]) => [name, JSON.stringify(json)]);
  return Tokenizer.from({ ...files, ...Object.fromEntries(texts) });
};
const plain = { add_special_tokens: false };
const roles = (tokenizer: Tokenizer) => [tokenizer.bosId, tokenizer.eosId, tokenizer.padId, tokenizer.unkId];

describe("vocab.txt", () => {
  // 0 to 4, then hello 5, < 6, new 7, > 8, ##x 9.
  const vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "<", "new", ">", "##x"];
  const files = { "vocab.txt": vocab.join("\n") };
  const text = "hello <NEW>x";

  test.each<[string, object, Record<string, object>, number[]]>([
    ["nothing", {}, {}, [5, 6, 7, 8, 1]],
    ["added_tokens_decoder", { added_tokens_decoder: { 10: { content: "<new>" } } }, {}, [5, 10, 1]],
    ["added_tokens.json", {}, { "added_tokens.json": { "<new>": 10 } }, [5, 10, 1]],
    ["additional_special_tokens", { additional_special_tokens: ["<NEW>"] }, {}, [5, 10, 1]],
    ["extra_special_tokens", { extra_special_tokens: { image: "<NEW>" } }, {}, [5, 10, 1]],
    ["a role", {}, { "special_tokens_map.json": { pad_token: "<NEW>" } }, [5, 10, 1]],
    ["a list beside it", {}, { "special_tokens_map.json": { additional_special_tokens: ["<NEW>"] } }, [5, 10, 1]],
  ])("%s adds tokens behind the vocabulary", (_, config, more, ids) => {
    const tokenizer = open(files, config, more);
    expect(tokenizer.encode(text, plain).ids).toEqual(ids);
    expect(tokenizer.vocabSize).toBe(ids.includes(10) ? 11 : 10);
    if (ids.includes(10)) expect(tokenizer.decode([5, 10], { skip_special_tokens: false })).toMatch(/^hello <new>$/i);
  });

  test("the tokens of added_tokens.json come by their ids, in whatever order it has them", () => {
    const tokenizer = open(files, {}, { "added_tokens.json": { "<a>": 11, "<b>": 10 } });
    expect(tokenizer.encode("<a> hello <b>", plain).ids).toEqual([11, 5, 10]);
  });

  test.each<[string, object, Record<string, object>, string]>([
    ["added_tokens.json", {}, { "added_tokens.json": { "<pad>": 10, "<a>": 11, "<b>": 12 } }, "hello <b>"],
    [
      "added_tokens_decoder",
      {
        added_tokens_decoder: {
          10: { content: "<pad>" },
          11: { content: "<a>" },
          12: { content: "<b>", special: true },
        },
      },
      {},
      "hello <a>",
    ],
  ])(
    "decoding skips tokens of %s that it or a role makes special; of the former those of lists, too",
    (_, config, more, text) => {
      const named = { pad_token: "<pad>", additional_special_tokens: ["<a>"] };
      expect(open(files, { ...named, ...config }, more).decode([5, 10, 11, 12])).toBe(text);
    },
  );

  test.each<[object, Record<string, object>]>([
    [{}, { "special_tokens_map.json": { pad_token: "<NEW>" } }],
    [{ additional_special_tokens: ["<NEW>"] }, {}],
  ])("a token of added_tokens.json that %j or %j names is found before a text is normalized", (config, more) => {
    const tokenizer = open(files, config, { ...more, "added_tokens.json": { "<NEW>": 10 } });
    expect(tokenizer.encode("<NEW> <new>", plain).ids).toEqual([10, 6, 7, 8]);
  });

  test("special_tokens_map.json goes first, unless tokenizer_config.json lists the added tokens", () => {
    const map = { "special_tokens_map.json": { pad_token: "[MASK]" } };
    expect(open(files, { pad_token: "[SEP]" }, map).padId).toBe(4);
    expect(open(files, { pad_token: "[SEP]", added_tokens_decoder: {} }, map).padId).toBe(3);
  });

  test("the mask is the token that is named, else what masks are called", () => {
    expect(open(files).maskId).toBe(4);
    expect(open(files, { mask_token: "hello" }).maskId).toBe(5);
    expect(open(files, { mask_token: "<none>" }).maskId).toBe(10);
  });

  test("the older files do not count where tokenizer_config.json lists the added tokens", () => {
    const config = { added_tokens_decoder: { 4: { content: "[MASK]", special: true } } };
    const more = {
      "added_tokens.json": { "<new>": 10 },
      "special_tokens_map.json": { additional_special_tokens: ["<old>"] },
    };
    const tokenizer = open(files, config, more);
    expect([tokenizer.vocabSize, tokenizer.tokenToId("<new>"), tokenizer.tokenToId("<old>")]).toEqual([
      10,
      undefined,
      undefined,
    ]);
  });

  test("MPNet's mask is its own where BERT's is a piece like others", () => {
    const tokens = ["<s>", "<pad>", "</s>", "[UNK]", "[MASK]", "hello", "<mask>"];
    for (const more of [{}, { mask_token: "<mask>" }]) {
      const mpnet = open({ "vocab.txt": tokens.join("\n") }, { tokenizer_class: "MPNetTokenizer", ...more });
      expect(mpnet.maskId).toBe(6);
      // The mask takes the spaces before it, and offsets leave them out.
      expect(mpnet.encode("hello  <mask>", plain).offsets).toEqual([
        [0, 5],
        [7, 13],
      ]);
    }
    const json = {
      model: { type: "WordPiece", vocab: numbered(tokens), unk_token: "[UNK]" },
      added_tokens: [{ id: 6, content: "<mask>", special: true }],
    };
    expect(Tokenizer.from({ "tokenizer.json": JSON.stringify(json) }).maskId).toBe(6);
  });

  test("a role's token is found as it says", () => {
    const mask_token = { content: "[MASK]", lstrip: true, special: true };
    expect(open(files, { mask_token }).encode("hello  [MASK]", plain).offsets).toEqual([
      [0, 5],
      [5, 13],
    ]);
  });

  test("a role's token is found in the normalized text where it says so", () => {
    const mask_token = { content: "[MASK]", normalized: true };
    expect(open(files, { mask_token }).encode("hello [mask]", plain).ids).toEqual([5, 4]);
    expect(open(files, { mask_token: "[MASK]" }).encode("hello [mask]", plain).ids).not.toContain(4);
  });

  test("MPNet's stands between <s> and </s>, by its class or by the model's type", () => {
    const mpnet = { "vocab.txt": ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", "hello", "world"].join("\n") };
    for (const tokenizer of [
      open(mpnet, { tokenizer_class: "MPNetTokenizer" }),
      open(mpnet, {}, { "config.json": { model_type: "mpnet" } }),
    ]) {
      expect(tokenizer.encode("hello").ids).toEqual([0, 5, 2]);
      expect(tokenizer.encode("hello", { text_pair: "world" }).ids).toEqual([0, 5, 2, 2, 6, 2]);
      expect(tokenizer.encode("hello", { text_pair: "world", ...plain }).type_ids).toEqual([0, 0]);
      expect(tokenizer.encode("hello <pad>", plain).ids).toEqual([5, 1]);
      expect(roles(tokenizer)).toEqual([0, 2, 1, 3]);
    }
  });

  test.each<[object, string[], number[]]>([
    [{ cls_token: "<CLS>" }, vocab, [10, 5, 7, 3]],
    [{ cls_token: "<CLS>", sep_token: "<SEP>" }, vocab, [11, 5, 7, 10]],
    [{}, ["[PAD]", "[UNK]", "hello", "new"], [5, 2, 3, 4]],
  ])("%j stands around texts where it is not in the vocabulary, too", (config, tokens, ids) => {
    const tokenizer = open({ "vocab.txt": tokens.join("\n") }, config);
    expect(tokenizer.encode("hello new").ids).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe("hello new");
  });

  test("without its unknown token is refused, whoever names it", () => {
    for (const config of [{}, { unk_token: "<what>" }])
      expect(() => open({ "vocab.txt": "hello" }, config)).toThrow(
        "unk_token: expected a token of the vocabulary, got",
      );
  });

  test("of another class is refused", () => {
    const config = JSON.stringify({ tokenizer_class: "BertJapaneseTokenizer" });
    const [code, message] = refusal({ ...files, "tokenizer_config.json": config });
    expect([code, message]).toEqual(["unsupported", expect.stringMatching(/tokenizer_class: expected one of BertTok/)]);
  });

  test("of another class that config.json alone names is refused, and the class of tokenizer_config.json goes first", () => {
    const model = { ...files, "config.json": JSON.stringify({ tokenizer_class: "BertJapaneseTokenizer" }) };
    const unnamed = '{"tokenizer_class": null}';
    const [code, message] = refusal({ ...model, "tokenizer_config.json": unnamed });
    expect([code, message]).toEqual([
      "unsupported",
      expect.stringMatching(/^config.json: tokenizer_class: expected one of BertTok.*got "BertJapaneseTokenizer"$/),
    ]);
    expect(open(model, { tokenizer_class: "BertTokenizer" }).encode("hello", plain).ids).toEqual([5]);
  });
});

describe("vocab.json with merges.txt", () => {
  const vocab = numbered(["<|endoftext|>", "h", "i", "hi", "<", ">", "|", "a", "Ġ"]);
  const files = { "vocab.json": JSON.stringify(vocab), "merges.txt": "#version: 0.2\nh i\n" };
  const special = (content: string) => ({ content, special: true });

  test("GPT-2 has one token for all roles, and puts it around texts where it is told to", () => {
    expect(roles(open(files, { tokenizer_class: "GPT2Tokenizer" }))).toEqual([0, 0, undefined, 0]);
    const framed = open(files, { tokenizer_class: "GPT2Tokenizer", add_bos_token: true, add_eos_token: true });
    expect(framed.encode("hi").ids).toEqual([0, 3, 0]);
    const pair = framed.encode("hi", { text_pair: "a" });
    expect([pair.ids, pair.type_ids]).toEqual([
      [0, 3, 0, 0, 7, 0],
      [0, 0, 0, 1, 1, 1],
    ]);
    expect(framed.encode("hi", plain).ids).toEqual([3]);
    const behind = open(files, { tokenizer_class: "GPT2Tokenizer", add_bos_token: true, bos_token: "<s>" });
    expect(behind.encode("hi").ids).toEqual([9, 3]);
  });

  test("RoBERTa's stands between tokens that are not in the vocabulary, too", () => {
    const tokenizer_class = "RobertaTokenizer";
    expect(open(files, { tokenizer_class }).encode("hi").ids).toEqual([9, 3, 10]);
    expect(open(files, { tokenizer_class, cls_token: "[CLS]" }).encode("hi").ids).toEqual([13, 3, 10]);
  });

  test("RoBERTa's mask takes the spaces before it, as that of its tokenizer.json does, unless a file says that it does not", () => {
    const config = { tokenizer_class: "RobertaTokenizer" };
    expect(open(files, config).encode("a <mask>", plain).ids).toEqual([7, 13]);
    expect(open(files, { ...config, mask_token: "<mask>" }).encode("a <mask>", plain).ids).toEqual([7, 13]);
    const mask_token = { content: "<mask>", lstrip: false };
    expect(open(files, { ...config, mask_token }).encode("a <mask>", plain).ids).toEqual([7, 8, 13]);
  });

  test("GPT-NeoX composes letters, and has a token that fills up", () => {
    const more = { "vocab.json": JSON.stringify({ ...vocab, "<|padding|>": 9, Ã: 10, "©": 11 }) };
    for (const tokenizer of [
      open({ ...files, ...more }, { tokenizer_class: "GPTNeoXTokenizer" }),
      open({ ...files, ...more }, {}, { "config.json": { model_type: "gpt_neox" } }),
    ]) {
      expect(tokenizer.encode("e\u0301<|padding|>").ids).toEqual([10, 11, 9]);
      expect(roles(tokenizer)).toEqual([0, 0, 9, 0]);
    }
  });

  test("Qwen2's chat tokens are those of tokenizer_config.json", () => {
    const decoder = { 0: special("<|endoftext|>"), 9: special("<|im_start|>"), 10: special("<|im_end|>") };
    const config = { tokenizer_class: "Qwen2Tokenizer", added_tokens_decoder: decoder, eos_token: "<|im_end|>" };
    const tokenizer = open(files, config);
    expect(tokenizer.encode("<|im_start|>hi<|im_end|>").ids).toEqual([9, 3, 10]);
    expect(tokenizer.decode([9, 3, 10], { skip_special_tokens: false })).toBe("<|im_start|>hi<|im_end|>");
    expect(tokenizer.decode([9, 3, 10])).toBe("hi");
    expect(roles(tokenizer)).toEqual([undefined, 10, 0, 0]);
  });

  test("Qwen2 puts no token before texts but one that a file names", () => {
    const config = { tokenizer_class: "Qwen2Tokenizer", add_bos_token: true };
    expect(open(files, config).encode("hi").ids).toEqual([3]);
    expect(open(files, { ...config, bos_token: "<|endoftext|>", add_eos_token: true }).encode("hi").ids).toEqual([
      0, 3, 0,
    ]);
  });

  test("Qwen2's are known by the model's type, too", () => {
    const tokenizer = open(files, {}, { "config.json": { model_type: "qwen2" } });
    expect(roles(tokenizer)).toEqual([undefined, 0, 0, 0]);
    expect(tokenizer.encode("a i").ids).toEqual(open(files, { tokenizer_class: "Qwen2Tokenizer" }).encode("a i").ids);
  });

  test("split_special_tokens is the default of encode", () => {
    const tokenizer = open(files, { split_special_tokens: true, eos_token: "<a>" });
    expect(tokenizer.encode("<a>").ids).toEqual([4, 7, 5]);
    expect(tokenizer.encode("<a>", { split_special_tokens: false }).ids).toEqual([9]);
  });

  test.each(["CLIPTokenizer", "WhisperTokenizer"])("%s reads such files in another way, and is refused", (name) => {
    const config = JSON.stringify({ tokenizer_class: name });
    expect(refusal({ ...files, "tokenizer_config.json": config })[0]).toBe("unsupported");
  });
});

describe(".model", () => {
  const bytes = (...pieces: string[]) => modelFile({ pieces: [...basics, ...normal(...pieces)], model_type: 1 });
  const files = { "spiece.model": bytes("▁", "a") };
  const spaced = { model_type: 1, remove_extra_whitespaces: false };

  test("T5 has 100 sentinels, or as many as extra_ids says; mT5 none", () => {
    const sizes = (config: object, model_type = "t5") =>
      open(files, config, { "config.json": { model_type } }).vocabSize;
    expect(sizes({})).toBe(105);
    expect(sizes({ extra_ids: 3 })).toBe(8);
    expect(sizes({ tokenizer_class: "T5Tokenizer", extra_ids: 0 }, "mt5")).toBe(5);
    expect(sizes({}, "mt5")).toBe(5);
    const own = open({ "spiece.model": bytes("▁", "a", "<extra_id_0>") }, { tokenizer_class: "T5Tokenizer" });
    expect(own.encode("a <extra_id_0>", plain).ids).toContain(5);
  });

  // ▁ is piece 3 of the file, a 4.
  test.each<[string, string, object, number[]]>([
    ["Llama's", "LlamaTokenizer", {}, [1, 5, 4, 3, 6, 4]],
    ["Llama's as older releases read it", "LlamaTokenizer", { legacy: true }, [1, 5, 3, 4, 3, 6, 3, 4]],
    ["T5's", "T5Tokenizer", { extra_ids: 0 }, [5, 3, 4, 3, 6, 3, 4, 2]],
    ["XLM-R's", "XLMRobertaTokenizer", {}, [0, 7, 4, 5, 4, 8, 4, 5, 2]],
  ])("%s finds tokens that added_tokens.json has", (_, tokenizer_class, config, ids) => {
    const added = { "added_tokens.json": { "<|b|>": 6, "<|a|>": 5, "<s>": 1 } };
    const model = { "tokenizer.model": modelFile({ ...spaced, pieces: [...basics, ...normal("▁", "a")] }) };
    const tokenizer = open(model, { tokenizer_class, ...config }, added);
    expect(tokenizer.encode("<|a|>a <|b|>a").ids).toEqual(ids);
    expect(tokenizer.decode(ids).replaceAll("> ", ">")).toBe("<|a|>a <|b|>a");
  });

  test.each<[string, object, Record<string, object>]>([
    ["tokenizer_config.json", { bos_token: "<s>", eos_token: { content: "</s>" } }, {}],
    ["special_tokens_map.json", {}, { "special_tokens_map.json": { bos_token: "<s>", eos_token: "</s>" } }],
    ["added_tokens_decoder", { added_tokens_decoder: { 1: { content: "<s>" }, 2: { content: "</s>" } } }, {}],
  ])(
    "control pieces are found in texts where %s names them, unless sentencepiece's rules are asked for",
    (_, config, more) => {
      const model = { "tokenizer.model": modelFile({ ...spaced, pieces: [...basics, ...normal("▁", "a")] }) };
      const named = { tokenizer_class: "LlamaTokenizer", ...config };
      const tokenizer = open(model, named, more);
      expect(tokenizer.encode("<s>a</s>a", plain).ids).toEqual([1, 4, 2, 4]);
      expect(tokenizer.decode([1, 3, 4, 2])).toBe("a");
      const files = { ...model, "tokenizer_config.json": JSON.stringify(named) };
      const others = [
        open(model, { tokenizer_class: "LlamaTokenizer" }),
        Tokenizer.from(files, { rule: "sentencepiece" }),
      ];
      for (const other of others) expect(other.encode("<s>a", plain).ids).toEqual([3, 0, 4]);
    },
  );

  test("an end of texts that added_tokens.json has is special, as its role says", () => {
    const more = { "added_tokens.json": { "<|end|>": 5 }, "special_tokens_map.json": { eos_token: "<|end|>" } };
    const tokenizer = open(files, { tokenizer_class: "LlamaTokenizer" }, more);
    expect([tokenizer.eosId, tokenizer.isSpecial(5), tokenizer.decode([4, 5])]).toEqual([5, true, "a"]);
  });

  test("XLM-R's has fairseq's ids, and a mask behind them", () => {
    for (const [config, model] of [
      [{}, { model_type: "xlm-roberta" }],
      [{ tokenizer_class: "XLMRobertaTokenizer" }, { model_type: "bert" }],
      [{}, { model_type: "bert", tokenizer_class: "XLMRobertaTokenizer" }],
    ] as const) {
      const tokenizer = open(files, config, { "config.json": model });
      // ▁ and a are pieces 3 and 4 of the file.
      expect(tokenizer.encode("a").ids).toEqual([0, 4, 5, 2]);
      expect(tokenizer.encode("a", { text_pair: "a" }).ids).toEqual([0, 4, 5, 2, 2, 4, 5, 2]);
      expect(tokenizer.encode("a", { text_pair: "a" }).type_ids).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
      expect(tokenizer.encode("a <mask>x", plain).ids).toEqual([4, 5, 6, 4, 3]);
      expect([...roles(tokenizer), tokenizer.vocabSize]).toEqual([0, 2, 1, 3, 7]);
      expect(tokenizer.decode([0, 1, 4, 5, 6, 2])).toBe("a");
      expect(tokenizer.decode([0, 1, 4, 5, 6, 2], { skip_special_tokens: false })).toBe("<s><pad> a<mask></s>");
    }
  });

  test.skipIf(!shared)("XLM-R's as published gives the ids of its tokenizer.json", () => {
    const folder = `${shared}tokenizers/rebuilt/xlm-roberta-base/`;
    const model = { "sentencepiece.bpe.model": readFileSync(`${folder}sentencepiece.bpe.model`) };
    const ours = open(model, {}, { "config.json": { model_type: "xlm-roberta" } });
    const theirs = Tokenizer.from({ "tokenizer.json": readFileSync(`${folder}tokenizer.json`) });
    const texts = ["Hello <mask> world!", "Où est la bibliothèque ?", "我们的故事从这里开始", "ﬁ ½ 🏳️‍🌈 한국어</s>", ""];
    for (const text of texts) {
      expect(ours.encode(text, { text_pair: "and" }).ids).toEqual(theirs.encode(text, { text_pair: "and" }).ids);
    }
  });

  test("CamemBERT numbers its pieces in another way, and is refused", () => {
    const [code, message] = refusal({ ...files, "config.json": JSON.stringify({ model_type: "camembert" }) });
    expect([code, message]).toEqual([
      "unsupported",
      expect.stringContaining("config.json: model_type: expected one of"),
    ]);
  });

  test("Gemma's begins with <bos> by the model's type too", () => {
    expect(open(files, {}, { "config.json": { model_type: "gemma3_text" } }).encode("a").ids[0]).toBe(1);
  });
});

describe("tiktoken ranks", () => {
  const rank = (text: string, id: number) => `${btoa(text)} ${id}\n`;
  const bytes = Array.from({ length: 256 }, (_, byte) => rank(String.fromCharCode(byte), byte)).join("");

  test("a token may be spelled like a property of all objects", () => {
    const ranks = bytes + rank("__", 256) + rank("proto", 257) + rank("__proto__", 258);
    const tokenizer = Tokenizer.from({ "x.tiktoken": ranks }, { pattern: "\\S+" });
    expect(tokenizer.encode("__proto__").ids).toEqual([258]);
    expect(tokenizer.decode([258])).toBe("__proto__");
  });

  test("Whisper's token of no bytes is one", () => {
    const tokenizer = Tokenizer.from({ "x.tiktoken": `${bytes}= 256\n${rank("ab", 257)}` });
    expect(tokenizer.encode("ab c").ids).toEqual([257, 32, 99]);
    expect([tokenizer.decode([256, 257]), tokenizer.idToToken(256)]).toEqual(["ab", ""]);
  });

  // By the programs that these files are published with: openai-whisper 20250625, llama-models 0.3.0, tiktoken 0.14.0.
  test.each([
    ["Whisper", 50_257, { "<|endoftext|>": 50_257 }, "HI'LL 12345", "HI|'|LL| 12345"],
    [
      "Llama 3",
      128_000,
      { "<|begin_of_text|>": 128_000, "<|end_of_text|>": 128_001 },
      "HI'LL 12345",
      "HI|'LL| |123|45",
    ],
    ["Llama 4", 200_000, { "<|begin_of_text|>": 200_000, "<|end_of_text|>": 200_001 }, "HI'LL 12345", "HI'LL| |123|45"],
    ["o200k", 199_998, { "<|endoftext|>": 199_999 }, "HI'LL 12345", "HI'LL| |123|45"],
    ["Qwen", 151_643, { "<|endoftext|>": 151_643 }, "HI'LL 12345", "HI|'LL| |1|2|3|4|5"],
  ])("%s is known by its %i ranks", (_, count, special, text, words) => {
    const unlike = (id: number) => String.fromCharCode(id & 255, 0, (id >> 8) & 255, id >> 16);
    const others = Array.from({ length: count - 256 }, (_, index) => rank(unlike(index), index + 256)).join("");
    const tokenizer = Tokenizer.from({ "x.tiktoken": bytes + others });
    for (const [token, id] of Object.entries(special)) expect(tokenizer.tokenToId(token)).toBe(id);
    const { word_ids } = tokenizer.encode(text);
    const cut = [...text].map((character, at) => (at && word_ids[at] !== word_ids[at - 1] ? "|" : "") + character);
    expect(cut.join("")).toBe(words);
    const [[token, id]] = Object.entries(special);
    expect(tokenizer.encode(token, { split_special_tokens: false }).ids).toEqual([id]);
    // Another token of that id counts more.
    const named = open({ "x.tiktoken": bytes + others }, { added_tokens_decoder: { [id]: { content: "<own>" } } });
    expect([named.tokenToId(token), named.idToToken(id)]).toEqual([undefined, "<own>"]);
  });

  test("a word that is spelled like a special token is none", () => {
    const config = { added_tokens_decoder: { 300: { content: "EOT", special: true } } };
    const tokenizer = open({ "x.tiktoken": bytes }, config);
    expect(tokenizer.encode("EOT").ids).toEqual([69, 79, 84]);
    expect(tokenizer.encode("EOT", { split_special_tokens: false }).ids).toEqual([300]);
    expect(tokenizer.decode([69, 300], { skip_special_tokens: false })).toBe("EEOT");
  });
});

test("tiktoken leaves out what a pattern that is given does not match", () => {
  const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");
  const ranks = Array.from({ length: 256 }, (_, byte) => `${base64(String.fromCharCode(byte))} ${byte}`);
  const file = { "x.tiktoken": [...ranks, `${base64("ab")} 256`].join("\n") };
  const { ids, offsets } = Tokenizer.from(file, { pattern: "[a-z]+" }).encode("ab CD ab");
  expect([ids, offsets]).toEqual([
    [256, 256],
    [
      [0, 2],
      [6, 8],
    ],
  ]);
  expect(Tokenizer.from(file, { pattern: "\\w+|\\s+" }).encode("ab CD, ab").ids).toEqual([256, 32, 67, 68, 32, 256]);
});

describe("a chat template is given the names that tokens usually have", () => {
  const chat_template =
    "{% for m in messages %}{{ bos_token }}{{ m.content }}{{ eos_token }}{% endfor %}|{{ unk_token }}";
  const end = "<|endoftext|>";
  const say = (files: TokenizerFiles) =>
    Tokenizer.from(files).applyChatTemplate([{ role: "user", content: "a" }], { jinja });
  const config = (more: object = {}) => ({ "tokenizer_config.json": JSON.stringify({ chat_template, ...more }) });
  const pairs = { "vocab.json": JSON.stringify({ a: 0, [end]: 1 }), "merges.txt": "#version: 0.2\n" };
  const json = (...tokens: string[]) => ({ "tokenizer.json": tokenizerJson(wordLevel(...tokens), atSpaces) });

  test.each([
    ["GPT-2's vocab.json", { ...pairs, ...config() }, `${end}a${end}|${end}`],
    ["a role that is given to no token", { ...pairs, ...config({ bos_token: null }) }, `a${end}|${end}`],
    [
      "a .model",
      { "x.model": modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")] }), ...config() },
      "<s>a</s>|<unk>",
    ],
    [
      "a tokenizer.json of a class",
      { ...json("<unk>", "<s>", "</s>"), ...config({ tokenizer_class: "LlamaTokenizer" }) },
      "<s>a</s>|<unk>",
    ],
    ["a model's type", { ...json("a", end), ...config(), "config.json": '{"model_type":"qwen3"}' }, `a${end}|${end}`],
    [
      "a type without a class",
      { ...json("<unk>", "<s>", "</s>"), ...config(), "config.json": '{"model_type":"llama"}' },
      "a|",
    ],
    [
      "a type whose class counts for nothing",
      {
        ...json("<s>", "</s>"),
        ...config({ tokenizer_class: "LlamaTokenizer" }),
        "config.json": '{"model_type":"mistral"}',
      },
      "a|",
    ],
    [
      "a type that goes before a class",
      {
        ...json("<s>", end),
        ...config({ tokenizer_class: "LlamaTokenizer" }),
        "config.json": '{"model_type":"qwen2"}',
      },
      `a${end}|${end}`,
    ],
    ["names that no token has", { ...json("a", "b"), ...config({ tokenizer_class: "LlamaTokenizer" }) }, "a|"],
    ["what the files say", { ...pairs, ...config({ eos_token: "a", bos_token: "b" }) }, `baa|${end}`],
    ["an older file", { ...pairs, ...config(), "special_tokens_map.json": '{"eos_token":"a"}' }, `${end}aa|${end}`],
  ])("%s", (_, files, expected) => expect(say(files)).toBe(expected));

  test.each([
    ["", "gpt2", end],
    ["", "gpt_neo", end],
    ["", "gpt_neox", `${end}<|padding|>`],
    ["", "qwen3", end + end],
    ["", "gemma3_text", "<eos><pad><mask>"],
    ["", "smollm3", ""],
    ["GPT2Tokenizer", "gpt_neox", end],
    ["CodeLlamaTokenizer", "smollm3", "</s>"],
    ["LlamaTokenizer", "phi3", ""],
  ])("of the class %j in a folder of %s", (tokenizer_class, model_type, expected) => {
    const files = {
      ...json(end, "<|padding|>", "</s>", "<eos>", "<pad>", "<mask>"),
      ...config({ tokenizer_class, chat_template: "{{ eos_token }}{{ pad_token }}{{ mask_token }}" }),
    };
    expect(say({ ...files, "config.json": JSON.stringify({ model_type }) })).toBe(expected);
  });
});
