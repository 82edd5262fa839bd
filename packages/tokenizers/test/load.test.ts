import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadTokenizer, sentencePieceParts, type TokenizerFiles } from "../src/index.ts";
import { basics, modelFile, normal } from "./model-file.ts";
import { shared } from "./shared.ts";

const model = modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")] });
const unigram = modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")], model_type: 1 });
const vocabulary = { "<sos>": 0, "<eos>": 1, a: 2 };
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const config = (value: object) => ({ "tokenizer_config.json": JSON.stringify(value) });

describe("loadTokenizer opens", () => {
  test("a .model file, from an object or a map", () => {
    for (const files of [{ "tokenizer.model": model }, new Map([["tokenizer.model", model]])]) {
      const tokenizer = loadTokenizer(files);
      expect(tokenizer.kind).toBe("sentencepiece");
      expect(tokenizer.encode("a")).toEqual([1, 3]);
    }
    expect(loadTokenizer({ "spiece.model": unigram }, sentencePieceParts).encode("a")).toEqual([1, 3]);
  });

  test("a G2P's vocabulary, as bytes or text", () => {
    for (const file of [json(vocabulary), JSON.stringify(vocabulary)]) {
      const tokenizer = loadTokenizer({ "vocab.json": file, "tokenizer.model": undefined });
      expect(tokenizer.kind).toBe("g2p");
      expect(tokenizer.encode("a")).toEqual([2, 0]);
    }
  });

  test("either without a telling name", () => {
    expect(loadTokenizer({ tokenizer: model }).kind).toBe("sentencepiece");
    expect(loadTokenizer({ tokenizer: json(vocabulary) }).kind).toBe("g2p");
    expect(loadTokenizer({ tokenizer: new TextEncoder().encode(`\n${JSON.stringify(vocabulary)}`) }).kind).toBe("g2p");
  });

  test("a .model file where a tokenizer.json lies beside it", () => {
    expect(loadTokenizer({ "tokenizer.json": json({ model: {} }), "tokenizer.model": model }).kind).toBe(
      "sentencepiece",
    );
  });

  test("a .model file as tokenizer_config.json says", () => {
    const ids = (value: object) => loadTokenizer({ "tokenizer.model": model, ...config(value) }).encode("a");
    expect(ids({ tokenizer_class: "LlamaTokenizerFast", add_bos_token: null, chat_template: "x" })).toEqual([1, 3]);
    expect(ids({ add_bos_token: false, add_eos_token: true })).toEqual([3, 2]);
    expect(ids({ tokenizer_class: "T5Tokenizer" })).toEqual([3, 2]);
  });

  test.skipIf(!shared)("published files", () => {
    const llama = loadTokenizer({ "tokenizer.model": readFileSync(`${shared}tokenizers/llama2/tokenizer.model`) });
    expect([llama.vocabSize, llama.bosId, llama.eosId, llama.unkId]).toEqual([32_000, 1, 2, 0]);
    const hama = loadTokenizer({ "vocab.json": readFileSync(`${shared}models/hama-g2p/vocab.json`) });
    expect([hama.vocabSize, hama.maxId, hama.bosId, hama.eosId, hama.padId, hama.unkId]).toEqual([
      139, 138, 2, 3, 0, 1,
    ]);
  });
});

describe("loadTokenizer refuses", () => {
  test.each<[string, TokenizerFiles, string, string]>([
    ["no file", {}, "unsupported", "tokenizer: expected a SentencePiece .model or a G2P vocab.json, got none"],
    [
      "a tokenizer.json",
      { "tokenizer.json": json({ model: {} }) },
      "unsupported",
      "tokenizer.json is not supported yet: give tokenizer.model",
    ],
    [
      "a vocabulary with merges",
      { "vocab.json": json(vocabulary), "merges.txt": json("") },
      "unsupported",
      "tokenizer: expected a SentencePiece .model or a G2P vocab.json, got vocab.json, merges.txt",
    ],
    [
      "a vocab.txt",
      { "vocab.txt": json("") },
      "unsupported",
      "tokenizer: expected a SentencePiece .model or a G2P vocab.json, got vocab.txt",
    ],
    ["a .model that is text", { "tokenizer.model": "x" }, "file", 'tokenizer.model: expected bytes, got "x"'],
    [
      "a .model of ranks",
      { "tokenizer.model": new TextEncoder().encode("IQ== 0\n") },
      "file",
      'tokenizer.model: expected a SentencePiece model, got "IQ== 0\\n"',
    ],
    ["a file that is nothing", { tokenizer: Uint8Array.of(1, 2) }, "file", "tokenizer: expected JSON, got SyntaxError"],
    [
      "a class with other ids",
      { "sentencepiece.bpe.model": model, ...config({ tokenizer_class: "XLMRobertaTokenizer" }) },
      "unsupported",
      'tokenizer_config.json: expected a tokenizer_class of LlamaTokenizer, GemmaTokenizer, T5Tokenizer, got "XLMRobertaTokenizer"',
    ],
    [
      "a class of an object's",
      { "tokenizer.model": model, ...config({ tokenizer_class: "constructor" }) },
      "unsupported",
      'T5Tokenizer, got "constructor"',
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
      'tokenizer_config.json: add_bos_token: expected a boolean, got "yes"',
    ],
  ])("%s", (_, files, code, message) => {
    expect(() => loadTokenizer(files)).toThrow(message);
    expect(() => loadTokenizer(files)).toThrow(expect.objectContaining({ code }));
  });
});
