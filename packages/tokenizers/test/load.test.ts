import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  allFormats,
  bertFormats,
  g2pVocabulary,
  openTokenizer,
  sentencePiece,
  sentencePieceParts,
  Tokenizer,
  type TokenizerFiles,
} from "../src/index.ts";
import { basics, modelFile, normal } from "./model-file.ts";
import { shared } from "./shared.ts";

const model = modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")] });
const unigram = modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")], model_type: 1 });
const vocabulary = { "<sos>": 0, "<eos>": 1, a: 2 };
const bytes = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => bytes(JSON.stringify(value));
const config = (value: object) => ({ "tokenizer_config.json": JSON.stringify(value) });
const wordLevel = { type: "WordLevel", unk_token: "a", vocab: { a: 7 } };
const words = (...tokens: string[]) => tokens.join("\n");
const ranks = words(...["a", "b", " ", "ab"].map((token, rank) => `${btoa(token)} ${rank}`));
const merges = { "vocab.json": json({ a: 0, b: 1, ab: 2, Ġ: 3 }), "merges.txt": "#version: 0.2\na b\n" };

describe("Tokenizer.from opens", () => {
  test("a .model file, from an object or a map", () => {
    for (const files of [{ "tokenizer.model": model }, new Map([["tokenizer.model", model]])]) {
      const tokenizer = Tokenizer.from(files);
      expect(tokenizer.kind).toBe("sentencepiece");
      expect(tokenizer.encode("a").ids).toEqual([3]);
    }
    expect(Tokenizer.from({ "spiece.model": unigram }).encode("a").ids).toEqual([3]);
  });

  test("a G2P's vocabulary, as bytes or text", () => {
    for (const file of [json(vocabulary), JSON.stringify(vocabulary)]) {
      const tokenizer = Tokenizer.from({ "vocab.json": file, "tokenizer.model": undefined });
      expect(tokenizer.kind).toBe("g2p");
      expect(tokenizer.encode("a").ids).toEqual([2, 0]);
    }
  });

  test.each<[string, TokenizerFiles, string, string, number[]]>([
    ["tokenizer.json", { "tokenizer.json": json({ model: wordLevel }) }, "tokenizer.json", "a", [7]],
    ["vocab.txt", { "vocab.txt": words("[UNK]", "[CLS]", "[SEP]", "a", "##b") }, "wordpiece", "AB", [1, 3, 4, 2]],
    ["vocab.json with merges.txt", merges, "bpe", "ab a", [2, 3, 0]],
    ["a tiktoken rank file", { "x.tiktoken": ranks }, "tiktoken", "ab a", [3, 2, 0]],
    ["a tiktoken rank file that is called a model", { "tokenizer.model": bytes(ranks) }, "tiktoken", "ab a", [3, 2, 0]],
  ])("%s", (_, files, kind, text, ids) => {
    const tokenizer = Tokenizer.from(files);
    expect([tokenizer.kind, tokenizer.encode(text).ids]).toEqual([kind, ids]);
    expect(tokenizer.description).toContain(Object.keys(files)[0]);
  });

  test("any of them without a telling name", () => {
    expect(Tokenizer.from({ tokenizer: model }).kind).toBe("sentencepiece");
    expect(Tokenizer.from({ tokenizer: json(vocabulary) }).kind).toBe("g2p");
    expect(Tokenizer.from({ tokenizer: bytes(`\n${JSON.stringify(vocabulary)}`) }).kind).toBe("g2p");
    expect(Tokenizer.from({ "20B.json": json({ version: "1.0", model: wordLevel }) }).kind).toBe("tokenizer.json");
    expect(Tokenizer.from({ ranks }).kind).toBe("tiktoken");
  });

  test("a tokenizer.json rather than a .model file beside it, unless sentencepiece's rule is asked for", () => {
    const files = { "tokenizer.model": model, "tokenizer.json": json({ model: wordLevel }) };
    expect(Tokenizer.from(files).kind).toBe("tokenizer.json");
    expect(Tokenizer.from(files, { rule: "huggingface" }).kind).toBe("tokenizer.json");
    expect(Tokenizer.from(files, { rule: "sentencepiece" }).kind).toBe("sentencepiece");
    expect(Tokenizer.from({ "tokenizer.json": files["tokenizer.json"] }, { rule: "sentencepiece" }).kind).toBe(
      "tokenizer.json",
    );
  });

  test("a .model file as tokenizer_config.json says, or config.json", () => {
    const ids = (value: object) => Tokenizer.from({ "tokenizer.model": model, ...config(value) }).encode("a").ids;
    expect(ids({ tokenizer_class: "LlamaTokenizerFast", add_bos_token: null, chat_template: "x" })).toEqual([1, 3]);
    expect(ids({ add_bos_token: false, add_eos_token: true })).toEqual([3, 2]);
    expect(ids({ tokenizer_class: "T5Tokenizer" })).toEqual([3, 2]);
    const files = (model_type: string) => ({ "tokenizer.model": model, "config.json": JSON.stringify({ model_type }) });
    expect(Tokenizer.from(files("llama")).encode("a").ids).toEqual([1, 3]);
    expect(Tokenizer.from(files("t5")).encode("a").ids).toEqual([3, 2]);
    expect(Tokenizer.from(files("constructor")).encode("a").ids).toEqual([3]);
  });

  test("a pair around which special tokens stand as around two texts", () => {
    const tokenizer = Tokenizer.from({ "x.model": model, ...config({ add_bos_token: true, add_eos_token: true }) });
    expect(tokenizer.encode("a", { text_pair: "a" }).ids).toEqual([1, 3, 2, 1, 3, 2]);
  });

  test("T5's sentinels, which no .model file has", () => {
    const tokenizer = Tokenizer.from({ "spiece.model": unigram, ...config({ tokenizer_class: "T5Tokenizer" }) });
    expect([tokenizer.tokenToId("<extra_id_0>"), tokenizer.tokenToId("<extra_id_99>")]).toEqual([105, 6]);
    expect([tokenizer.vocabSize, tokenizer.maxId]).toEqual([106, 105]);
    const { ids } = tokenizer.encode("a<extra_id_0>a");
    expect(ids).toEqual([3, 105, 3, 2]);
    expect(tokenizer.decode(ids)).toBe("a a");
    expect(tokenizer.decode(ids, { skip_special_tokens: false })).toBe("a<extra_id_0> a</s>");
  });

  test("only the formats that it is given", () => {
    const open = (...names: string[]) =>
      openTokenizer(
        { "vocab.json": json(vocabulary), "x.model": model },
        allFormats.filter(({ name }) => names.includes(name)),
      );
    expect(open("a G2P's vocab.json").kind).toBe("g2p");
    expect(() => open("vocab.txt")).toThrow("tokenizer: expected vocab.txt, got");
    expect(openTokenizer({ "x.model": model }, [g2pVocabulary, sentencePiece(sentencePieceParts)]).kind).toBe(
      "sentencepiece",
    );
    expect(openTokenizer({ "vocab.txt": words("[UNK]", "a") }, bertFormats).encode("A").ids).toEqual([4, 1, 2]);
    const wordPiece = { type: "WordPiece", vocab: { "[UNK]": 0, a: 1 } };
    expect(openTokenizer({ "tokenizer.json": json({ model: wordPiece }) }, bertFormats).encode("a").ids).toEqual([1]);
    const refused = () => openTokenizer({ "tokenizer.json": json({ model: wordLevel }) }, bertFormats);
    expect(refused).toThrow('tokenizer.json: model: type: expected one of WordPiece, got "WordLevel"');
    expect(refused).toThrow(expect.objectContaining({ code: "unsupported" }));
  });

  test.skipIf(!shared)("published files", () => {
    const llama = Tokenizer.from({ "tokenizer.model": readFileSync(`${shared}tokenizers/llama2/tokenizer.model`) });
    expect([llama.vocabSize, llama.bosId, llama.eosId, llama.unkId]).toEqual([32_000, 1, 2, 0]);
    const hama = Tokenizer.from({ "vocab.json": readFileSync(`${shared}models/hama-g2p/vocab.json`) });
    expect([hama.vocabSize, hama.maxId, hama.bosId, hama.eosId, hama.padId, hama.unkId]).toEqual([
      139, 138, 2, 3, 0, 1,
    ]);
  });
});

describe("the small files say", () => {
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "é", "e"];
  const vocab = { "vocab.txt": words(...tokens) };
  const open = (value: object, others: Record<string, string> = {}) =>
    Tokenizer.from({ ...vocab, ...config(value), ...others });

  test("how long a text may be, sentence-transformers before all", () => {
    expect(open({}).maxLength).toBe(undefined);
    expect(open({ model_max_length: 512 }).maxLength).toBe(512);
    expect(open({ model_max_length: 1e30 }).maxLength).toBe(undefined);
    expect(open({ max_len: 512 }).maxLength).toBe(512);
    const sentence = { "sentence_bert_config.json": '{"max_seq_length": 5}' };
    const tokenizer = open({ model_max_length: 512 }, sentence);
    expect(tokenizer.maxLength).toBe(5);
    expect(tokenizer.encode("a a a a a", { truncation: true }).ids).toEqual([2, 4, 4, 4, 3]);
    expect(tokenizer.encode("a a a a a").ids).toHaveLength(7);
  });

  test("the sides that are cut off and filled up", () => {
    const options = { truncation: true, padding: "max_length" } as const;
    const left = open({ model_max_length: 4, padding_side: "left", truncation_side: "left" });
    expect(left.encode("a b e", options).ids).toEqual([2, 5, 7, 3]);
    expect(left.encode("a", options).ids).toEqual([0, 2, 4, 3]);
    const right = open({ model_max_length: 4 });
    expect(right.encode("a b e", options).ids).toEqual([2, 4, 5, 3]);
    expect(right.encode("a", options).ids).toEqual([2, 4, 3, 0]);
    expect(right.encode("a", { ...options, padding_side: "left" }).ids).toEqual([0, 2, 4, 3]);
  });

  test("whether letters become small and lose their accents", () => {
    const ids = (value: object) => open(value).encode("Aé", { add_special_tokens: false }).ids;
    const split = { "vocab.txt": words(...tokens, "##é", "##e") };
    expect(ids({})).toEqual([1]);
    expect(Tokenizer.from({ ...split }).encode("Aé").ids).toEqual([2, 4, 9, 3]);
    expect(Tokenizer.from({ ...split, ...config({ strip_accents: false }) }).encode("Aé").ids).toEqual([2, 4, 8, 3]);
    expect(Tokenizer.from({ ...split, ...config({ do_lower_case: false }) }).encode("aé").ids).toEqual([2, 4, 8, 3]);
    expect(Tokenizer.from({ ...split, ...config({ do_lower_case: false }) }).encode("Aé").ids).toEqual([2, 1, 3]);
  });

  test("which tokens have a meaning, in either of two spellings", () => {
    const roles = { bos_token: "a", eos_token: { content: "b" }, pad_token: "e", unk_token: "é" };
    for (const tokenizer of [open(roles), open({}, { "special_tokens_map.json": JSON.stringify(roles) })]) {
      expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId, tokenizer.unkId]).toEqual([4, 5, 7, 6]);
    }
    const plain = open({});
    expect([plain.bosId, plain.eosId, plain.padId, plain.unkId]).toEqual([undefined, undefined, 0, 1]);
  });
});

test("a pointer beside a tokenizer is passed over, whatever it stands for", () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n";
  const tokenizer = { "tokenizer.json": json({ model: wordLevel }) };
  for (const name of ["model.safetensors", "spiece.model", "onnx/model.onnx", "vocab.txt", "README.md"]) {
    const files = { [name]: bytes(pointer), ...tokenizer };
    expect(Tokenizer.from(files).encode("a").ids).toEqual([7]);
  }
});

describe("Tokenizer.from refuses", () => {
  const names =
    "tokenizer.json, a SentencePiece .model, vocab.json with merges.txt, a tiktoken rank file, a G2P's vocab.json, vocab.txt";
  test.each<[string, unknown, string, string]>([
    ["no file", {}, "unsupported", `tokenizer: expected ${names}, got no file`],
    ["settings alone", config({}), "unsupported", `tokenizer: expected ${names}, got no file`],
    ["nothing at all", null, "file", "tokenizer: expected files by their names, got null"],
    [
      "a file that is a list",
      { "tokenizer.json": [1] },
      "file",
      "tokenizer.json: expected bytes or text, got [object Array]",
    ],
    [
      "a vocabulary without merges",
      { "vocab.json": json({ a: 0 }) },
      "unsupported",
      `tokenizer: expected ${names}, got vocab.json`,
    ],
    ["an empty vocab.txt", { "vocab.txt": "" }, "vocabulary", "vocab.txt: model: expected tokens, got none"],
    [
      "a pointer of Git LFS",
      { "vocab.txt": "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n" },
      "file",
      "vocab.txt: expected the file itself, got a Git LFS pointer (run `git lfs pull`)",
    ],
    [
      "a page about an error",
      { "tokenizer.json": new TextEncoder().encode("\n<!DOCTYPE html><title>404</title>") },
      "file",
      "tokenizer.json: expected the file itself, got an HTML page",
    ],
    ["a .model that is text", { "tokenizer.model": "x" }, "file", 'tokenizer.model: expected bytes, got "x"'],
    [
      "a .model that is a pointer to it",
      { "tokenizer.model": bytes("version https://git-lfs.github.com/spec/v1\n") },
      "file",
      "tokenizer.model: expected the file itself, got a Git LFS pointer (run `git lfs pull`)",
    ],
    [
      "ranks with a line of something else",
      { "x.tiktoken": "IQ== 0\nx" },
      "file",
      'x.tiktoken: line 2: expected base64 and a rank, got "x"',
    ],
    [
      "a file that is nothing",
      { tokenizer: Uint8Array.of(1, 2) },
      "unsupported",
      `tokenizer: expected ${names}, got tokenizer`,
    ],
    [
      "a class with other ids",
      { "sentencepiece.bpe.model": model, ...config({ tokenizer_class: "CamembertTokenizer" }) },
      "unsupported",
      'tokenizer_config.json: tokenizer_class: expected one of LlamaTokenizer, GemmaTokenizer, T5Tokenizer, MT5Tokenizer, XLMRobertaTokenizer for a .model file, got "CamembertTokenizer"',
    ],
    [
      "a class of an object's",
      { "tokenizer.model": model, ...config({ tokenizer_class: "constructor" }) },
      "unsupported",
      'XLMRobertaTokenizer for a .model file, got "constructor"',
    ],
    [
      "a config that is a list",
      { "tokenizer.model": model, "tokenizer_config.json": "[]" },
      "file",
      "tokenizer_config.json: expected an object, got [object Array]",
    ],
    [
      "a flag that is a text",
      { "tokenizer.model": model, ...config({ add_bos_token: "yes" }) },
      "file",
      'tokenizer_config.json: add_bos_token: expected boolean, got "yes"',
    ],
    [
      "a side that is none",
      { "tokenizer.model": model, ...config({ padding_side: "up" }) },
      "file",
      'tokenizer_config.json: padding_side: expected "left" or "right", got "up"',
    ],
    [
      "an added token without an id",
      { "x.tiktoken": ranks, ...config({ added_tokens_decoder: { "-1": { content: "<x>" } } }) },
      "vocabulary",
      'tokenizer_config.json: added_tokens_decoder: -1: expected an id, got "-1"',
    ],
  ])("%s", (_, files, code, message) => {
    const open = () => Tokenizer.from(files as TokenizerFiles);
    expect(open).toThrow(message);
    expect(open).toThrow(expect.objectContaining({ code }));
  });
});

describe("nothing that is asked for is ignored", () => {
  const slim = openTokenizer({ "x.model": model }, [sentencePiece({})]) as Tokenizer;

  test.each([{ truncation: true }, { max_length: 2 }, { stride: 1 }, { padding: true }, { pad_id: 0 }])(
    "where a page left out what cuts and fills: %o",
    (options) => expect(() => slim.encode("a", options)).toThrow("expected a format that was given a postProcessor"),
  );

  test("where it left out what cleans up", () => {
    expect(slim.decode([3])).toBe("a");
    expect(() => slim.decode([3], { clean_up_tokenization_spaces: true })).toThrow("clean_up_tokenization_spaces");
  });

  test("by Tokenizer.from", () => {
    expect(() => Tokenizer.from({ "x.model": model }, { pattern: "a" })).toThrow(
      "pattern: expected a tiktoken rank file",
    );
    expect(() => Tokenizer.from({ "x.model": model }, { rules: "huggingface" } as object)).toThrow('got "rules"');
    expect(() => Tokenizer.from({ "x.model": model }, { rule: "mine" } as object)).toThrow('got "mine"');
  });
});
