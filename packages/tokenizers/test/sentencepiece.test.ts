import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { beginOf, endOf } from "../src/aligned.ts";
import { TokenizerError } from "../src/errors.ts";
import { openSentencePiece, type SentencePiece } from "../src/sentencepiece.ts";
import { sentencePieceParts } from "../src/sentencepiece-parts.ts";
import { drain } from "../src/steps.ts";
import {
  basics,
  bytePieces,
  bytes,
  concatenate,
  float,
  type ModelFile,
  modelFile,
  normal,
  number,
  type PieceEntry,
} from "./model-file.ts";
import { shared } from "./shared.ts";

const open = (model: ModelFile) => openSentencePiece(modelFile(model), sentencePieceParts);

/** Ids of a text, where each lies in it in code points, and what the model calls its unknown ones. */
function encodeAll({ model, normalize }: SentencePiece, text: string) {
  const normalized = drain(normalize({ text, at: 0 }));
  const tokens = normalized.text === "" ? { ids: [], begins: [], ends: [] } : model.tokenize(normalized.text);
  const points = [0];
  for (const character of text) {
    for (let unit = 0; unit < character.length; unit++) points.push((points.at(-1) as number) + (unit === 0 ? 1 : 0));
  }
  const offsets = tokens.ids.flatMap((_, index) => {
    const [begin, end] = [tokens.begins[index], tokens.ends[index]];
    const from = beginOf(normalized, begin);
    return [points[from], points[end > begin ? endOf(normalized, end - 1) : from]];
  });
  const pieces = tokens.ids.map((id, index) =>
    id === model.tokenToId("<unk>")
      ? normalized.text.slice(tokens.begins[index], tokens.ends[index])
      : model.idToToken(id),
  );
  return { ids: tokens.ids, offsets, pieces, norm: normalized.text };
}

const encode = (tokenizer: SentencePiece, text: string) => encodeAll(tokenizer, text).ids;

function decode({ decodeStream }: SentencePiece, ids: readonly number[], skips = true): string {
  const stream = decodeStream(skips);
  return ids.map((id) => stream.push(id)).join("") + stream.end();
}

interface FixtureModel extends Omit<ModelFile, "charsmap"> {
  readonly charsmap: boolean;
  readonly encoded: readonly (readonly [text: string, ids: number[], offsets: number[], decoded: string])[];
  readonly decoded: readonly (readonly [ids: number[], text: string])[];
}

const fixture = JSON.parse(readFileSync(new URL("fixtures/sentencepiece.json", import.meta.url), "utf8"));

describe(`random models, ids and text of ${fixture.library}`, () => {
  const charsmap = Buffer.from(fixture.charsmap, "base64");
  test.each<FixtureModel>(fixture.models)("model %#", (model) => {
    const pieces = model.byte_fallback ? model.pieces.toSpliced(3, 0, ...bytePieces) : model.pieces;
    const denormalizer = model.denormalizer && { ...model.denormalizer, charsmap };
    const tokenizer = open({ ...model, pieces, charsmap: model.charsmap ? charsmap : undefined, denormalizer });
    for (const [text, ids, offsets, decoded] of model.encoded) {
      expect({ text, ...encodeAll(tokenizer, text) }).toMatchObject({ text, ids, offsets });
      expect([text, decode(tokenizer, ids)]).toEqual([text, decoded]);
    }
    for (const [ids, text] of model.decoded) expect([ids, decode(tokenizer, ids)]).toEqual([ids, text]);
  });
});

interface LongCase {
  readonly alphabet: string;
  readonly words: boolean;
  readonly pieces: readonly PieceEntry[];
  readonly tokens: number;
  readonly checksum: number;
}

test.each<LongCase>(fixture.long)(
  "60,000 characters, where sums of float32 are counted anew, words: $words",
  (long) => {
    const { alphabet, words, pieces, tokens, checksum } = long;
    const letters = [...alphabet, ...(words ? ["▁"] : [])];
    const flags = { add_dummy_prefix: false, remove_extra_whitespaces: false, escape_whitespaces: false };
    const { model } = open({ model_type: 1, pieces, ...flags });
    let text = "";
    for (let state = 1; text.length < 60_000; ) {
      state = Number((BigInt(state) * 1103515245n + 12345n) % 2n ** 31n);
      text += letters[(state >> 16) % letters.length];
    }
    const { ids } = model.tokenize(text);
    expect(ids.length).toBe(tokens);
    expect(ids.reduce((sum, id) => (sum * 31 + id) % 1_000_003, 0)).toBe(checksum);
  },
);

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
    const tokenizer = openSentencePiece(readFileSync(`${shared}tokenizers/${file}`), sentencePieceParts);
    const vectors = JSON.parse(readFileSync(`${shared}tokenizers/vectors/sentencepiece-0.2.2/${name}.json`, "utf8"));
    expect(vectors.cases.length).toBeGreaterThan(500);
    for (const { text, dec, ...expected } of vectors.cases) {
      expect({ text, ...encodeAll(tokenizer, text) }).toEqual({ text, ...expected });
      expect([text, decode(tokenizer, expected.ids)]).toEqual([text, dec]);
    }
  });

  test("the stories of tinystories-260k", () => {
    const folder = `${shared}models/tinystories-260k/`;
    const tokenizer = openSentencePiece(readFileSync(`${folder}tokenizer.model`));
    const { stories } = JSON.parse(readFileSync(`${folder}expected.json`, "utf8"));
    for (const { prompt, input_ids, output_ids, text } of stories) {
      expect([tokenizer.bosId, ...encode(tokenizer, prompt)]).toEqual(input_ids);
      expect(decode(tokenizer, [...input_ids, ...output_ids])).toBe(text);
    }
  });
});

describe("BPE", () => {
  test("merges the highest score first, and of equal ones the leftmost", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("ab", "bc", "a", "b", "c", "▁")], add_dummy_prefix: false });
    expect(encode(tokenizer, "abc")).toEqual([3, 7]);
    const ties: PieceEntry[] = [...basics, ["aa", -1, 1], ["a", -2, 1]];
    expect(encode(open({ pieces: ties, add_dummy_prefix: false }), "aaaaa")).toEqual([3, 3, 4]);
  });

  test("spells a character that is no piece in bytes", () => {
    const tokenizer = open({ pieces: [...basics, ...bytePieces, ...normal("▁")], byte_fallback: true });
    expect(encode(tokenizer, "é")).toEqual([259, 3 + 0xc3, 3 + 0xa9]);
  });

  test("makes one unknown of neighbours where there are no byte pieces", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("a")], add_dummy_prefix: false });
    expect(encode(tokenizer, "xyaz")).toEqual([0, 3, 0]);
  });

  test("never makes a control piece of text", () => {
    const tokenizer = open({ pieces: [...basics, ["!", 0, 3], ...normal("a")], add_dummy_prefix: false });
    expect(encode(tokenizer, "a!</s>")).toEqual([4, 0]);
  });

  test("segments a word of a million characters", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("aaaa", "aa", "a")], add_dummy_prefix: false });
    expect(encode(tokenizer, "a".repeat(1_000_001)).length).toBe(250_001);
  });
});

describe("text", () => {
  const tokenizer = open({ pieces: [...basics, ...bytePieces, ...normal("▁a", "▁", "a")], byte_fallback: true });

  test("that is empty has no ids", () => {
    expect(encode(tokenizer, "")).toEqual([]);
    expect(encode(tokenizer, "  ")).toEqual([]);
    expect(decode(tokenizer, [])).toBe("");
  });

  test("keeps NUL and U+FEFF", () => {
    expect(decode(tokenizer, encode(tokenizer, "a\0\ufeff"))).toBe("a\0\ufeff");
  });

  test("has offsets in the text that the user gave, where it is a part of that", () => {
    const { normalize, model } = tokenizer;
    const begins = Int32Array.of(9, 9, 9, 20, 30);
    const ends = Int32Array.of(9, 9, 10, 21, 33);
    const normalized = drain(normalize({ text: "a a", at: 2, begins, ends }));
    expect(normalized.text).toBe("▁a▁a");
    expect([0, 1, 2, 3].map((unit) => beginOf(normalized, unit))).toEqual([9, 9, 20, 30]);
    expect([0, 1, 2, 3].map((unit) => endOf(normalized, unit))).toEqual([9, 20, 30, 33]);
    expect(model.tokenize(normalized.text)).toMatchObject({ begins: [0, 2], ends: [2, 4] });
  });
});

describe("special pieces", () => {
  test("are found by the names that the model gives them", () => {
    const named: PieceEntry[] = [["<unk>", 0, 2], ["[B]", 0, 3], ["<pad>", 0, 3], ...normal("a")];
    const tokenizer = open({ pieces: named, bos_piece: "[B]" });
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId, tokenizer.unkId]).toEqual([1, undefined, 2, 0]);
    expect(open({ pieces: [...basics, ...normal("a")], bos_piece: "" }).bosId).toBe(1);
  });

  test("are the control pieces, which decoding can print", () => {
    const tokenizer = open({ pieces: [...basics, ...normal("▁a")] });
    expect(decode(tokenizer, [1, 3, 2])).toBe("a");
    expect(decode(tokenizer, [1, 3, 2], false)).toBe("<s> a</s>");
    const stream = tokenizer.decodeStream(true);
    expect([stream.write("<x>"), stream.push(3), stream.push(3), stream.end()]).toEqual(["<x>", " a", " a", ""]);
  });
});

test("tokens and ids are found both ways", () => {
  const { model } = open({ pieces: [...basics, ...normal("▁a", "constructor", "😀")] });
  expect([model.size, model.maxId]).toEqual([6, 5]);
  expect(model.tokenToId("▁a")).toBe(3);
  expect(model.tokenToId("</s>")).toBe(2);
  expect(model.tokenToId("😀")).toBe(5);
  expect(model.tokenToId("toString")).toBe(undefined);
  expect(model.tokenToId("const")).toBe(undefined);
  expect([-1, 0, 4, 5, 6, 1.5, NaN].map(model.idToToken)).toEqual([
    undefined,
    "<unk>",
    "constructor",
    "😀",
    undefined,
    undefined,
    undefined,
  ]);
});

test("a model without Unigram and charsmaps needs neither", () => {
  const bpe = openSentencePiece(modelFile({ pieces: [...basics, ...normal("▁a", "▁", "a")] }));
  expect(encode(bpe, " a  ")).toEqual([3]);
});

test("Hugging Face's rule can be chosen: clusters are replaced whole, and sums are of float64", () => {
  const charsmap = Buffer.from(fixture.charsmap, "base64");
  const pieces: PieceEntry[] = [...basics, ["-", -2.3, 1], ["--", -4.6, 1], ["---", -6.9, 1]];
  const file = modelFile({ pieces, model_type: 1, charsmap, add_dummy_prefix: false });
  const [google, hugging] = (["sentencepiece", "huggingface"] as const).map((rule) =>
    openSentencePiece(file, { ...sentencePieceParts, rule }),
  );
  // U+FB01 and a mark are one cluster, of which Hugging Face keeps what the first character becomes.
  expect(drain(google.normalize({ text: "ﬁ\u0301", at: 0 })).text).toBe("fi\u0301");
  expect(drain(hugging.normalize({ text: "ﬁ\u0301", at: 0 })).text).toBe("fi");
  expect(encode(google, "-----")).toEqual([4, 5]);
  expect(encode(hugging, "-----")).toEqual([3, 4, 4]);
});

describe("a .model file is refused when", () => {
  const pieces = [...basics, ...normal("▁a", "a")];
  const good = modelFile({ pieces });
  const piece = (...fields: Uint8Array[]) => concatenate([good, bytes(1, concatenate(fields))]);
  const and = (...more: PieceEntry[]) => modelFile({ pieces: [...pieces, ...more], byte_fallback: true });

  test.each<[string, Uint8Array, string, string]>([
    ["it is empty", new Uint8Array(), "file", 'expected a SentencePiece model, got ""'],
    [
      "it is text",
      new TextEncoder().encode("version https://git-lfs"),
      "file",
      'expected a SentencePiece model, got "version https://git-lfs"',
    ],
    ["it ends early", good.subarray(0, 10), "file", "expected 14 bytes at offset 2, got 8"],
    [
      "it ends between pieces",
      good.subarray(0, 16),
      "file",
      "expected a trainer_spec and a normalizer_spec, got the file's end",
    ],
    [
      "a varint does not end",
      Uint8Array.from([10, ...Array(11).fill(255)]),
      "file",
      'expected a varint of at most 10 bytes at offset 1, got "more"',
    ],
    ["a field has number 0", Uint8Array.of(2, 0), "file", "expected a protobuf field at offset 0, got 2"],
    ["a wire type is a group's", Uint8Array.of(11, 0), "file", "expected a protobuf field at offset 0, got 11"],
    [
      "a piece's text is a number",
      piece(number(1, 5)),
      "file",
      'piece 5: expected a text, a score and a type from 1 to 6, got "", 0, 1',
    ],
    [
      "a piece is empty",
      piece(float(2, 1)),
      "file",
      'piece 5: expected a text, a score and a type from 1 to 6, got "", 1, 1',
    ],
    ["a piece's type is bytes", piece(bytes(1, "b"), bytes(3, "x")), "file", 'a type from 1 to 6, got "b", 0, 0'],
    ["a piece is not UTF-8", piece(bytes(1, Uint8Array.of(0xff))), "file", "piece 5: expected UTF-8, got 255"],
    [
      "a score is NaN",
      and(["b", NaN, 1]),
      "file",
      'piece 5: expected a text, a score and a type from 1 to 6, got "b", NaN, 1',
    ],
    [
      "a type is unknown",
      and(["b", 0, 7]),
      "file",
      'piece 5: expected a text, a score and a type from 1 to 6, got "b", 0, 7',
    ],
    ["a piece comes twice", and(["a", 0, 1]), "vocabulary", 'piece 5: expected a piece that is new, got "a"'],
    [
      "a control piece comes twice",
      and(["<s>", 0, 3]),
      "vocabulary",
      'piece 5: expected a piece that is new, got "<s>"',
    ],
    [
      "there is no unknown piece",
      modelFile({ pieces: normal("a") }),
      "vocabulary",
      "expected an unknown piece, got none",
    ],
    ["there are two unknown pieces", and(["u", 0, 2]), "vocabulary", 'piece 5: expected one unknown piece, got "u"'],
    ...["<0x-1>", "<0xZZ>", "<0xff>", "<0x100>", "byte"].map((text): [string, Uint8Array, string, string] => [
      `a byte piece is ${text}`,
      and([text, 0, 6]),
      "vocabulary",
      `piece 5: expected a byte from <0x00> to <0xFF>, got "${text}"`,
    ]),
    ["a byte piece is missing", and(...bytePieces.slice(1)), "vocabulary", "expected 256 byte pieces, got 255"],
    [
      "byte pieces are not asked for",
      modelFile({ pieces: [...pieces, ...bytePieces] }),
      "vocabulary",
      "expected 0 byte pieces, got 256",
    ],
    [
      "its type is unknown",
      modelFile({ pieces, model_type: 9 }),
      "unsupported",
      "expected a model of type bpe, word, char or unigram, got 9",
    ],
    [
      "its charsmap is longer than its bytes",
      modelFile({ pieces, charsmap: Uint8Array.of(8, 0, 0, 0, 1) }),
      "file",
      "precompiled_charsmap: expected 4-byte units within 5 bytes, got 8",
    ],
  ])("%s", (_, file, code, message) => {
    const run = () => openSentencePiece(file, { ...sentencePieceParts, file: "x.model" });
    expect(run).toThrow(TokenizerError);
    expect(run).toThrow(expect.objectContaining({ code, message: expect.stringMatching(/^x\.model: /) }));
    expect(run).toThrow(message);
  });

  test.each<[string, ModelFile, string]>([
    ["Unigram", { pieces, model_type: 1 }, 'expected a model of type bpe, word, char, got "unigram"'],
    ["its charsmap", { pieces, charsmap: new Uint8Array(9) }, "expected no precompiled_charsmap, got one"],
    [
      "what decoded text goes through",
      { pieces, denormalizer: { charsmap: new Uint8Array(9) } },
      "expected no precompiled_charsmap, got one",
    ],
  ])("%s is left out", (_, model, message) => {
    expect(() => openSentencePiece(modelFile(model))).toThrow(message);
    expect(() => openSentencePiece(modelFile(model))).toThrow(expect.objectContaining({ code: "unsupported" }));
  });

  test("it is cut anywhere", () => {
    for (let length = 0; length < good.length; length++) {
      expect(() => openSentencePiece(good.subarray(0, length))).toThrow(expect.objectContaining({ code: "file" }));
    }
  });

  test.each([
    ["it", modelFile({ pieces, model_type: 1 })],
    ["its charsmap", modelFile({ pieces, model_type: 1, charsmap: Buffer.from(fixture.charsmap, "base64") })],
  ])("%s is changed anywhere, or it loads", (_, original) => {
    const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
        const changed = Uint8Array.from(original);
        for (const [at, byte] of changes) changed[at] = byte;
        for (const rule of ["sentencepiece", "huggingface"] as const) {
          try {
            encode(openSentencePiece(changed, { ...sentencePieceParts, rule }), "a b\0é 😀ad");
          } catch (error) {
            expect(error).toBeInstanceOf(TokenizerError);
          }
        }
      }),
      { seed: 3, numRuns: 1500 },
    );
  });
});

test.each([-1, 1.5, NaN, 1e9, 2 ** 32, Infinity, "1", null, undefined])("the id %s is refused", (id) => {
  const { decodeStream } = open({ pieces: [...basics, ...normal("a")] });
  const run = () => decodeStream(true).push(id as number);
  expect(run).toThrow(expect.objectContaining({ code: "ids" }));
  expect(run).toThrow("decode: expected an id from 0 to 3, got ");
});
