import { describe, expect, test } from "vitest";
import { type EncodeOptions, type Encoding, Tokenizer } from "../src/index.ts";
import { atSpaces, bertLike, failure, tokenizerJson, wordLevel } from "./tokenizer-files.ts";

// What is expected is what Hugging Face tokenizers 0.23.3 gives for the same file.

const tokenizer = bertLike();
/** The letters of a window, [CLS] as ^, [SEP] as | and [PAD] as _. */
const letters = ({ ids }: Encoding) => ids.map((id) => "_?^|abcd!"[id]).join("");
const windows = (text: string, options: EncodeOptions) => {
  const encoding = tokenizer.encode(text, { truncation: true, return_overflowing_tokens: true, ...options });
  return [encoding, ...encoding.overflowing].map(letters);
};

describe("a text that is too long", () => {
  const text = "a b c a b c ad b";

  test("is cut into windows, each begun with the last tokens of the one before", () => {
    expect(windows(text, { max_length: 5, stride: 1 })).toEqual(["^abc|", "^cab|", "^bca|", "^adb|"]);
    expect(windows(text, { max_length: 5 })).toEqual(["^abc|", "^abc|", "^adb|"]);
    expect(windows(text, { max_length: 6, stride: 3 })).toEqual([
      "^abca|",
      "^bcab|",
      "^cabc|",
      "^abca|",
      "^bcad|",
      "^cadb|",
    ]);
    expect(windows(text, { max_length: 11 })).toEqual(["^abcabcadb|"]);
    expect(windows(text, { max_length: 9, add_special_tokens: false })).toEqual(["abcabcadb"]);
  });

  test("is cut from the left, too", () => {
    expect(windows(text, { max_length: 5, stride: 1, truncation_side: "left" })).toEqual([
      "^adb|",
      "^bca|",
      "^cab|",
      "^abc|",
    ]);
    expect(windows(text, { max_length: 5, truncation_side: "left" })).toEqual(["^adb|", "^abc|", "^abc|"]);
  });

  test("keeps offsets and words of the whole in each window", () => {
    const options: EncodeOptions = { truncation: true, max_length: 5, stride: 1, return_overflowing_tokens: true };
    const { overflowing } = tokenizer.encode(text, options);
    expect(overflowing.map(({ offsets }) => offsets.slice(1, 4))).toEqual([
      [
        [4, 5],
        [6, 7],
        [8, 9],
      ],
      [
        [8, 9],
        [10, 11],
        [12, 13],
      ],
      [
        [12, 13],
        [13, 14],
        [15, 16],
      ],
    ]);
    expect(overflowing.map(({ word_ids }) => word_ids.slice(1, 4))).toEqual([
      [2, 3, 4],
      [4, 5, 6],
      [6, 6, 7],
    ]);
    expect(overflowing.map(({ special_tokens_mask }) => special_tokens_mask)).toEqual(
      new Array(3).fill([1, 0, 0, 0, 1]),
    );
  });

  test("may have nothing but special tokens left, and no room for those is an error", () => {
    expect(windows(text, { max_length: 2 })).toEqual(["^|", "^abcabcadb|"]);
    expect(failure(() => windows(text, { max_length: 1 }))).toEqual([
      "options",
      "encode: max_length: expected at least 2, got 1",
    ]);
  });

  test("is not cut where that is not asked for", () => {
    expect(letters(tokenizer.encode(text, { max_length: 3, truncation: false }))).toBe("^abcabcadb|");
    expect(letters(tokenizer.encode(text, { max_length: 4 }))).toBe("^ab|");
  });
});

describe("lengths of a tokenizer.json", () => {
  const lengths = {
    truncation: { direction: "Right", max_length: 4, strategy: "LongestFirst", stride: 0 },
    padding: { strategy: { Fixed: 6 }, direction: "Right", pad_id: 0, pad_type_id: 0, pad_token: "[PAD]" },
  };
  const json = { ...JSON.parse(tokenizerJson(wordLevel("_", "?", "a", "b"), atSpaces)), ...lengths };
  const open = (config?: object) =>
    Tokenizer.from({
      "tokenizer.json": JSON.stringify(json),
      ...(config && { "tokenizer_config.json": JSON.stringify(config) }),
    });
  const ids = (tokenizer: Tokenizer, options: EncodeOptions) => tokenizer.encode("a b a b a b a", options).ids.length;

  test("count where cutting or filling up is asked for without one", () => {
    expect(ids(open(), {})).toBe(7);
    expect(ids(open(), { truncation: true })).toBe(4);
    expect(ids(open(), { truncation: true, max_length: 3 })).toBe(3);
    expect(ids(open(), { truncation: true, padding: "max_length" })).toBe(6);
    expect(ids(open(), { padding: true })).toBe(7);
  });

  test("come after what the files beside it say", () => {
    const tokenizer = open({ model_max_length: 5, pad_token: "_" });
    expect(ids(tokenizer, { truncation: true })).toBe(5);
    expect(ids(tokenizer, { truncation: true, padding: "max_length" })).toBe(5);
    expect([tokenizer.maxLength, open().maxLength]).toEqual([5, undefined]);
  });

  test.each([-1, 2.5])("are refused where nobody can have them: %j", (max_length) => {
    const broken = { ...json, truncation: { ...lengths.truncation, max_length, stride: -2 } };
    expect(failure(() => Tokenizer.from({ "tokenizer.json": JSON.stringify(broken) }))).toEqual([
      "file",
      `tokenizer.json: truncation: max_length: expected a whole number from 0, got ${max_length}`,
    ]);
  });
});

describe("a pair that is too long", () => {
  const pair = (text_pair: string, options: EncodeOptions) => windows("a b c a b", { text_pair, ...options });

  test("loses from the longer text first, then from both", () => {
    expect(pair("c b a ad", { max_length: 8, stride: 1 })).toEqual([
      "^ab|cba|",
      "^bc|cba|",
      "^bc|aad|",
      "^ca|cba|",
      "^ca|aad|",
      "^ab|cba|",
      "^ab|aad|",
      "^ab|aad|",
    ]);
    expect(pair("c", { max_length: 7 })[0]).toBe("^abc|c|");
    expect(pair("c b a a b c", { max_length: 9 })[0]).toBe("^abc|cba|");
  });

  test("is cut from the left, too", () => {
    expect(pair("c b a ad", { max_length: 8, stride: 1, truncation_side: "left" })).toEqual([
      "^ab|aad|",
      "^ca|aad|",
      "^ca|cba|",
      "^bc|aad|",
      "^bc|cba|",
      "^ab|aad|",
      "^ab|cba|",
      "^ab|cba|",
    ]);
  });

  test("loses from the one that is named, if that is long enough", () => {
    expect(pair("c b", { max_length: 8, truncation: "only_first" })).toEqual(["^abc|cb|", "^ab|cb|"]);
    expect(windows("c b", { text_pair: "a b c a b", max_length: 8, truncation: "only_second" })).toEqual([
      "^cb|abc|",
      "^cb|ab|",
    ]);
    expect(failure(() => pair("c", { max_length: 7, truncation: "only_second" }))).toEqual([
      "options",
      "encode: truncation only_second: expected a text of more than 2 tokens, got 1",
    ]);
    expect(failure(() => pair("c b a ad", { max_length: 8, truncation: "only_first" }))[0]).toBe("options");
  });
});

describe("padding", () => {
  const batch = (options: EncodeOptions) => tokenizer.encodeBatch(["a b c", ["a", "b!"]], options);

  test("fills up to the longest of a batch, or a multiple, at either end", () => {
    expect(batch({ padding: true }).map(letters)).toEqual(["^abc|_", "^a|b!|"]);
    expect(batch({ padding: "longest", padding_side: "left" }).map(letters)).toEqual(["_^abc|", "^a|b!|"]);
    expect(batch({ padding: true, pad_to_multiple_of: 4, padding_side: "left" }).map(letters)).toEqual([
      "___^abc|",
      "__^a|b!|",
    ]);
    expect(batch({ padding: true, pad_to_multiple_of: 3 }).map(letters)).toEqual(["^abc|_", "^a|b!|"]);
    expect(batch({ padding: true, pad_to_multiple_of: 0 }).map(letters)).toEqual(["^abc|_", "^a|b!|"]);
  });

  test("to the longest cuts nothing at max_length, unless truncation says so", () => {
    for (const padding of [true, "longest"] as const) {
      expect(letters(tokenizer.encode("a b c", { padding, max_length: 4 }))).toBe("^abc|");
      expect(letters(tokenizer.encode("a b c", { padding, max_length: 4, truncation: true }))).toBe("^ab|");
    }
  });

  test("is marked in every list", () => {
    const [padded] = batch({ padding: true, padding_side: "left", pad_type_id: 1, pad_to_multiple_of: 8 });
    expect(padded.attention_mask).toEqual([0, 0, 0, 1, 1, 1, 1, 1]);
    expect(padded.special_tokens_mask).toEqual([1, 1, 1, 1, 0, 0, 0, 1]);
    expect(padded.type_ids).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
    expect(padded.word_ids).toEqual([null, null, null, null, 0, 1, 2, null]);
    expect(padded.sequence_ids).toEqual([null, null, null, null, 0, 0, 0, null]);
    expect(padded.offsets).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 1],
      [2, 3],
      [4, 5],
      [0, 0],
    ]);
    expect(padded.tokens.slice(0, 5)).toEqual(["[PAD]", "[PAD]", "[PAD]", "[CLS]", "a"]);
  });

  test("fills up to max_length, the windows that were cut off too", () => {
    expect(letters(tokenizer.encode("a b", { padding: "max_length", max_length: 6 }))).toBe("^ab|__");
    expect(letters(tokenizer.encode("a b c", { padding: "max_length", max_length: 4 }))).toBe("^abc|");
    const options: EncodeOptions = { padding: "max_length", max_length: 6, padding_side: "left" };
    expect(windows("a b c a b c", options)).toEqual(["^abca|", "__^bc|"]);
    expect(windows("a b c a b c", { ...options, padding: true })).toEqual(["^abca|", "__^bc|"]);
  });

  test("takes an id and a token of its own", () => {
    const { ids, tokens } = tokenizer.encode("a", { padding: "max_length", max_length: 4, pad_id: 9, pad_token: "x" });
    expect([ids, tokens]).toEqual([
      [2, 4, 3, 9],
      ["[CLS]", "a", "[SEP]", "x"],
    ]);
    expect(tokenizer.encode("a", { padding: "max_length", max_length: 4, pad_id: 9 }).tokens[3]).toBe("😀");
  });
});
