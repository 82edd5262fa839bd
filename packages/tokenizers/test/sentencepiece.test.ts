import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SentencePieceTokenizer, sentencePieceParts } from "../src/index.ts";
import { basics, bytePieces, type ModelFile, modelFile, normal, type PieceEntry } from "./model-file.ts";
import { shared } from "./shared.ts";

const open = (model: ModelFile) => new SentencePieceTokenizer(modelFile(model), sentencePieceParts);
const plain = { add_special_tokens: false };

interface FixtureModel extends Omit<ModelFile, "charsmap"> {
  readonly charsmap: boolean;
  readonly encoded: readonly (readonly [text: string, ids: number[], decoded: string])[];
  readonly decoded: readonly (readonly [ids: number[], text: string])[];
}

const fixture = JSON.parse(readFileSync(new URL("fixtures/sentencepiece.json", import.meta.url), "utf8"));

describe(`random models, ids and text of ${fixture.library}`, () => {
  const charsmap = Buffer.from(fixture.charsmap, "base64");
  test.each<FixtureModel>(fixture.models)("model %#", (model) => {
    const pieces = model.byte_fallback ? model.pieces.toSpliced(3, 0, ...bytePieces) : model.pieces;
    const tokenizer = open({ ...model, pieces, charsmap: model.charsmap ? charsmap : undefined });
    for (const [text, ids, decoded] of model.encoded) {
      expect([text, tokenizer.encode(text, plain)]).toEqual([text, ids]);
      expect([text, tokenizer.decode(ids)]).toEqual([text, decoded]);
    }
    for (const [ids, text] of model.decoded) expect([ids, tokenizer.decode(ids)]).toEqual([ids, text]);
  });
});

describe.skipIf(!shared)("published models, ids and text of sentencepiece 0.2.2", () => {
  test.each([
    ["llama2", "llama2/tokenizer.model"],
    ["t5", "torchtune-assets/sentencepiece.model"],
    ["torchtune-m", "torchtune-assets/m.model"],
    ["sp-test-en", "sentencepiece-test/test_model.model"],
    ["sp-test-ja", "sentencepiece-test/test_ja_model.model"],
    ["xlm-roberta-base-rebuilt", "rebuilt/xlm-roberta-base/sentencepiece.bpe.model"],
    ["zipa-unigram127", "zipa/unigram_127.model"],
  ])("%s", (name, file) => {
    const tokenizer = new SentencePieceTokenizer(readFileSync(`${shared}tokenizers/${file}`), sentencePieceParts);
    const vectors = JSON.parse(readFileSync(`${shared}tokenizers/vectors/sentencepiece-0.2.2/${name}.json`, "utf8"));
    expect(vectors.cases.length).toBeGreaterThan(500);
    for (const { text, ids, pieces, dec } of vectors.cases) {
      expect([text, tokenizer.encode(text, plain)]).toEqual([text, ids]);
      expect([text, tokenizer.decode(ids)]).toEqual([text, dec]);
      // An unknown piece is printed as the text it stands for.
      const known = pieces.filter((_: string, index: number) => ids[index] !== tokenizer.unkId);
      expect(ids.filter((id: number) => id !== tokenizer.unkId).map((id: number) => tokenizer.idToToken(id))).toEqual(
        known,
      );
    }
  });

  test("the stories of tinystories-260k", () => {
    const folder = `${shared}models/tinystories-260k/`;
    const tokenizer = new SentencePieceTokenizer(readFileSync(`${folder}tokenizer.model`));
    const { stories } = JSON.parse(readFileSync(`${folder}expected.json`, "utf8"));
    for (const { prompt, input_ids, output_ids, text } of stories) {
      expect(tokenizer.encode(prompt)).toEqual(input_ids);
      expect(tokenizer.decode([...input_ids, ...output_ids])).toBe(text);
    }
  });
});

describe("BPE", () => {
  test("merges the highest score first, and of equal ones the leftmost", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("ab", "bc", "a", "b", "c", "▁")], add_dummy_prefix: false });
    expect(tokenizer.encode("abc", plain)).toEqual([3, 7]);
    const ties: PieceEntry[] = [...basics, ["aa", -1, 1], ["a", -2, 1]];
    expect(open({ pieces: ties, add_dummy_prefix: false }).encode("aaaaa", plain)).toEqual([3, 3, 4]);
  });

  test("spells a character that is no piece in bytes", () => {
    const tokenizer = open({ pieces: [...basics, ...bytePieces, ...normal("▁")], byte_fallback: true });
    expect(tokenizer.encode("é", plain)).toEqual([259, 3 + 0xc3, 3 + 0xa9]);
  });

  test("makes one unknown of neighbours where there are no byte pieces", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("a")], add_dummy_prefix: false });
    expect(tokenizer.encode("xyaz", plain)).toEqual([0, 3, 0]);
  });

  test("never makes a control piece of text", () => {
    const tokenizer = open({ pieces: [...basics, ["!", 0, 3], ...normal("a")], add_dummy_prefix: false });
    expect(tokenizer.encode("a!</s>", plain)).toEqual([4, 0]);
  });

  test("segments a word of a million characters", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("aaaa", "aa", "a")], add_dummy_prefix: false });
    expect(tokenizer.encode("a".repeat(1_000_001), plain).length).toBe(250_001);
  });
});

describe("text", () => {
  const tokenizer = open({ pieces: [...basics, ...bytePieces, ...normal("▁a", "▁", "a")], byte_fallback: true });

  test("that is empty has the begin id only", () => {
    expect(tokenizer.encode("")).toEqual([1]);
    expect(tokenizer.encode("", plain)).toEqual([]);
  });

  test("with a lone surrogate is that with U+FFFD", () => {
    expect(tokenizer.encode("a\ud800a")).toEqual(tokenizer.encode("a\ufffda"));
    expect(tokenizer.encode("\udc00\ud800")).toEqual(tokenizer.encode("\ufffd\ufffd"));
  });

  test("keeps NUL and U+FEFF", () => {
    expect(tokenizer.decode(tokenizer.encode("a\0\ufeff"))).toBe("a\0\ufeff");
  });
});

describe("begin and end ids", () => {
  const pieces = [...basics, ...normal("▁a", "▁", "a")];
  const file = modelFile({ pieces });

  test("are added as Llama's are: begin yes, end no", () => {
    const tokenizer = new SentencePieceTokenizer(file);
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.unkId, tokenizer.padId]).toEqual([1, 2, 0, undefined]);
    expect(tokenizer.encode("a")).toEqual([1, 3]);
    expect(tokenizer.encode("a", { add_special_tokens: true })).toEqual([1, 3]);
    expect(tokenizer.encode("a", { add_special_tokens: false })).toEqual([3]);
  });

  test("follow the options of the tokenizer and of the call", () => {
    const tokenizer = new SentencePieceTokenizer(file, { add_bos_token: false, add_eos_token: true });
    expect(tokenizer.encode("a")).toEqual([3, 2]);
    expect(tokenizer.encode("a", { add_bos: true, add_eos: false })).toEqual([1, 3]);
    expect(tokenizer.encode("a", { add_special_tokens: false, add_eos: true })).toEqual([3, 2]);
  });

  test("are found by the names that the model gives them", () => {
    const named: PieceEntry[] = [["<unk>", 0, 2], ["[B]", 0, 3], ["<pad>", 0, 3], ...normal("a")];
    const tokenizer = open({ pieces: named, bos_piece: "[B]" });
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual([1, undefined, 2]);
    expect(open({ pieces: [...basics, ...normal("a")], bos_piece: "" }).bosId).toBe(1);
  });

  test("are not added where the model has none", () => {
    expect(open({ pieces: [["<unk>", 0, 2], ...normal("▁a", "▁", "a")] }).encode("a")).toEqual([1]);
  });
});

test("tokens and ids are found both ways", () => {
  const tokenizer = open({ pieces: [...basics, ...normal("▁a", "constructor")] });
  expect(tokenizer.vocabSize).toBe(5);
  expect(tokenizer.maxId).toBe(4);
  expect(tokenizer.tokenToId("▁a")).toBe(3);
  expect(tokenizer.tokenToId("</s>")).toBe(2);
  expect(tokenizer.tokenToId("toString")).toBe(undefined);
  expect(tokenizer.idToToken(4)).toBe("constructor");
  expect(tokenizer.idToToken(5)).toBe(undefined);
});

test("a model without Unigram and charsmaps needs neither", () => {
  const bpe = new SentencePieceTokenizer(modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")] }));
  expect(bpe.encode(" a  ")).toEqual([1, 3]);
});
