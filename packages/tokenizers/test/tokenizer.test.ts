import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { type DecodeOptions, type DecodeStreamOptions, type EncodeOptions, Tokenizer } from "../src/index.ts";
import { encodeChecks } from "../src/options.ts";
import { codePointPlaces } from "./offsets.ts";
import { bertLike, bpe, failure, openJson, tokenizerJson, wordLevel } from "./tokenizer-files.ts";

// What is expected is what Hugging Face tokenizers 0.23.3 gives for the same file.

const tokenizer = bertLike();
const text = "😀 Ád x![SEP]é😀";

describe("encode", () => {
  const encoding = tokenizer.encode(text, { text_pair: "b", offsets: "code_points" });

  test("gives ids and tokens, the unknown ones as the vocabulary names them", () => {
    expect(encoding.ids).toEqual([2, 9, 4, 7, 1, 8, 3, 1, 3, 5, 3]);
    expect(encoding.tokens.join(" ")).toBe("[CLS] 😀 a ##d [UNK] ! [SEP] [UNK] [SEP] b [SEP]");
    expect(encoding.length).toBe(11);
    expect(encoding.overflowing).toEqual([]);
  });

  test("says of each token its word, its text, and whether it stands in one", () => {
    expect(encoding.word_ids).toEqual([null, 0, 1, 1, 2, 3, 4, 5, null, 0, null]);
    expect(encoding.sequence_ids).toEqual([null, 0, 0, 0, 0, 0, 0, 0, null, 1, null]);
    expect(encoding.type_ids).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    expect(encoding.attention_mask).toEqual(new Array(11).fill(1));
    expect(encoding.special_tokens_mask).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
  });

  test("has offsets in code points, or in UTF-16 units as slice counts them", () => {
    const points = [
      [0, 0],
      [0, 1],
      [2, 3],
      [3, 4],
      [5, 6],
      [6, 7],
      [7, 12],
      [12, 14],
      [0, 0],
      [0, 1],
      [0, 0],
    ];
    expect(encoding.offsets).toEqual(points);
    const { offsets } = tokenizer.encode(text, { text_pair: "b" });
    expect(tokenizer.encode(text, { text_pair: "b", offsets: "utf16" }).offsets).toEqual(offsets);
    expect(offsets.slice(1, 8).map(([begin, end]) => text.slice(begin, end))).toEqual([
      "😀",
      "Á",
      "d",
      "x",
      "!",
      "[SEP]",
      "é😀",
    ]);
    const places = codePointPlaces(text);
    expect(offsets.slice(1, 8).map((range) => range.map((unit) => places[unit]))).toEqual(points.slice(1, 8));
  });

  test("takes what was encoded before as it was", () => {
    const [first, second] = [tokenizer.encode("a b a b"), tokenizer.encode("a b a b")];
    first.ids.push(5);
    first.offsets[1][0] = 9;
    expect(second.ids).toEqual([2, 4, 5, 4, 5, 3]);
    expect(tokenizer.encode("a b a b").offsets).toEqual([
      [0, 0],
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
      [0, 0],
    ]);
  });
});

test("an encoding is shown with all of its lists, as it is written to JSON", () => {
  const encoding = tokenizer.encode("a b");
  const names = ["ids", "type_ids", "attention_mask", "sequence_ids", "overflowing", "tokens", "offsets", "word_ids"];
  for (const name of names) {
    expect(inspect(encoding)).toContain(`${name}: [`);
    expect(JSON.parse(JSON.stringify(encoding))).toHaveProperty(name);
  }
});

describe("encodeBatch and encodeAsync", () => {
  const texts = [text, "", "a b", "ad ".repeat(3000)];

  test("give what encode gives", async () => {
    const options: EncodeOptions = {
      offsets: "code_points",
      truncation: true,
      max_length: 8,
      return_overflowing_tokens: true,
      stride: 2,
    };
    const alone = texts.map((each) => tokenizer.encode(each, options));
    const together = tokenizer.encodeBatch(texts, options);
    const later = await Promise.all(texts.map((each) => tokenizer.encodeAsync(each, options)));
    for (const [index, expected] of alone.entries()) {
      for (const actual of [together[index], later[index]]) {
        expect(actual).toEqual(expected);
        expect([actual.tokens, actual.offsets, actual.word_ids]).toEqual([
          expected.tokens,
          expected.offsets,
          expected.word_ids,
        ]);
      }
    }
    expect(tokenizer.encodeBatch([])).toEqual([]);
  });

  test("take nothing else", () => {
    const codeOf = (run: () => unknown) => failure(run)[0];
    expect(codeOf(() => tokenizer.encodeBatch([["a", "b", "c"] as unknown as string]))).toBe("text");
    expect(codeOf(() => tokenizer.encodeBatch(new Array(2)))).toBe("text");
    expect(codeOf(() => tokenizer.encode("a", null as unknown as EncodeOptions))).toBe("options");
    expect(codeOf(() => tokenizer.decodeStream({ prefix_ids: [1e9] }))).toBe("ids");
    expect(tokenizer.tokenToId(null as unknown as string)).toBe(undefined);
  });

  test("take pairs, of a batch each its own", () => {
    const pairs = tokenizer.encodeBatch([["a", "b"], "c"], { text_pair: "a" });
    expect(pairs.map(({ ids }) => ids)).toEqual([
      [2, 4, 3, 5, 3],
      [2, 6, 3, 4, 3],
    ]);
    expect(tokenizer.encodeBatch([["a", "b"], "c"]).map(({ ids }) => ids)).toEqual([
      [2, 4, 3, 5, 3],
      [2, 6, 3],
    ]);
  });
});

describe("an option", () => {
  const base: EncodeOptions = {
    text_pair: "c b a ad",
    truncation: true,
    max_length: 9,
    return_overflowing_tokens: true,
    padding: "max_length",
  };
  // For each option other values than base's, and what else has to be so that it matters.
  const cases: Record<keyof EncodeOptions, [EncodeOptions, EncodeOptions?][]> = {
    text_pair: [[{ text_pair: "a" }], [{ text_pair: undefined }]],
    add_special_tokens: [[{ add_special_tokens: false }]],
    truncation: [
      [{ truncation: false }],
      [{ truncation: "only_first" }],
      [{ truncation: "only_second" }, { max_length: 11 }],
    ],
    max_length: [[{ max_length: 8 }]],
    stride: [[{ stride: 1 }]],
    truncation_side: [[{ truncation_side: "left" }]],
    return_overflowing_tokens: [[{ return_overflowing_tokens: false }]],
    padding: [
      [{ padding: false }, { max_length: 30 }],
      [{ padding: true }, { max_length: 30 }],
      [{ padding: "longest" }, { max_length: 30 }],
    ],
    pad_to_multiple_of: [[{ pad_to_multiple_of: 7 }]],
    padding_side: [[{ padding_side: "left" }, { max_length: 30 }]],
    pad_id: [[{ pad_id: 5 }, { max_length: 30 }]],
    pad_token: [[{ pad_token: "pad" }, { max_length: 30 }]],
    pad_type_id: [[{ pad_type_id: 1 }, { max_length: 30 }]],
    split_special_tokens: [[{ split_special_tokens: true }]],
    offsets: [[{ offsets: "code_points" }]],
  };
  const view = (options: EncodeOptions) => {
    const show = (encoding: ReturnType<typeof tokenizer.encode>): unknown => [
      encoding.toJSON(),
      encoding.tokens,
      encoding.offsets,
      encoding.overflowing.map(show),
    ];
    return JSON.stringify(show(tokenizer.encode("[SEP]😀 a b c a b", options)));
  };

  test("of encode is checked, and every one has a case here", () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(encodeChecks).sort());
    for (const name of Object.keys(encodeChecks)) {
      for (const value of ["?", -1, {}, null, 1n, []]) {
        if (typeof value === "string" && ["text_pair", "pad_token"].includes(name)) continue;
        expect(() => tokenizer.encode("a", { [name]: value })).toThrow(expect.objectContaining({ code: "options" }));
      }
    }
  });

  test.each(Object.entries(cases))("of encode changes what it gives: %s", (_, changes) => {
    for (const [change, others] of changes)
      expect(view({ ...base, ...others, ...change })).not.toBe(view({ ...base, ...others }));
  });

  test("of decode changes what it gives", () => {
    const ids = [2, 4, 7, 5, 8, 3, 1];
    const texts = ([{}, { skip_special_tokens: false }] as DecodeOptions[]).map((options) =>
      tokenizer.decode(ids, options),
    );
    expect(texts).toEqual(["ad b!", "[CLS] ad b! [SEP] [UNK]"]);
    const plain = bertLike({ decoder: { type: "WordPiece", prefix: "##", cleanup: false } });
    expect(plain.decode(ids)).toBe("ad b !");
    expect(plain.decode(ids, { clean_up_tokenization_spaces: true })).toBe("ad b!");
    for (const clean of [true, false])
      expect(tokenizer.decode(ids, { clean_up_tokenization_spaces: clean })).toBe("ad b!");
  });

  // Words stay as they are, but a decoder of word pieces that cleans up joins one pair.
  test("of decode cleans up as transformers does, and decoders as tokenizers does", () => {
    const words = ["I", "do", "not", ".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re", "'"];
    const decoder = (cleanup: boolean) => ({ decoder: { type: "WordPiece", prefix: "##", cleanup } });
    const ids = [0, 1, 2, 6, 0, 1, 7, 3, 0, 9, 12, 0, 10, 0, 11, 4, 8, 5];
    const all = { clean_up_tokenization_spaces: true };
    expect(openJson(wordLevel(...words), decoder(false)).decode(ids, all)).toBe("I do not, I don't. I's'I've I're?'m!");
    expect(openJson(wordLevel(...words), decoder(true)).decode(ids)).toBe("I do not, I don't. I's ' I've I're?'m!");
    const pieces = openJson(wordLevel("I", "do not"), decoder(true));
    expect([pieces.decode([0, 1]), openJson(wordLevel("I", "do not"), decoder(false)).decode([0, 1], all)]).toEqual([
      "I don't",
      "I do not",
    ]);
  });

  test("tokenizer_config.json says whether texts of a model are cleaned up, of byte pairs only with a second flag", () => {
    const forced = { clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: true };
    const cases: [model: object, settings: object, cleans: unknown][] = [
      [wordLevel("a"), {}, undefined],
      [wordLevel("a"), { clean_up_tokenization_spaces: false }, false],
      [wordLevel("a"), { clean_up_tokenization_spaces: true }, true],
      [bpe("a", []), { clean_up_tokenization_spaces: true }, false],
      [bpe("a", []), { clean_up_tokenization_spaces: true, ...forced }, true],
    ];
    for (const [model, settings, cleans] of cases) {
      const files = { "tokenizer.json": tokenizerJson(model), "tokenizer_config.json": JSON.stringify(settings) };
      expect(Tokenizer.from(files).parts.cleansUp).toBe(cleans);
    }
  });

  test("of decodeStream changes what it gives", () => {
    const stream = (options: DecodeStreamOptions) => {
      const { push, end } = tokenizer.decodeStream(options);
      return [...[2, 4, 7, 3].map((id) => push(id)), end()];
    };
    expect(stream({})).toEqual(["", "a", "d", "", ""]);
    expect(stream({ skip_special_tokens: false })).toEqual(["[CLS]", " a", "d", " [SEP]", ""]);
    expect(stream({ prefix_ids: [5] })).toEqual(["", " a", "d", "", ""]);
    for (const wrong of [{ prefix_ids: 5 }, { prefix_ids: null }, { prefixIds: [] }]) {
      expect(() => tokenizer.decodeStream(wrong as object)).toThrow(
        expect.objectContaining({ code: expect.stringMatching("options|ids") }),
      );
    }
  });
});

describe("the vocabulary", () => {
  test("is found by token and by id", () => {
    expect([tokenizer.tokenToId("##d"), tokenizer.tokenToId("[CLS]"), tokenizer.tokenToId("constructor")]).toEqual([
      7,
      2,
      undefined,
    ]);
    expect([7, 2, 10, -1, 1.5].map((id) => tokenizer.idToToken(id))).toEqual([
      "##d",
      "[CLS]",
      undefined,
      undefined,
      undefined,
    ]);
    expect([tokenizer.vocabSize, tokenizer.maxId]).toEqual([10, 9]);
  });
});
