import * as jinja from "@huggingface/jinja";
import { describe, expect, test } from "vitest";
import { show } from "../src/errors.ts";
import { type EncodeOptions, Tokenizer } from "../src/index.ts";
import { basics, bytePieces, modelFile, normal } from "./model-file.ts";
import {
  atSpaces,
  bpe,
  byteFallback,
  failure,
  growth,
  numbered,
  openJson,
  refusal,
  tokenizerJson,
  wordLevel,
} from "./tokenizer-files.ts";

// What each row means is in the catalogue of bad inputs: an error of one class with a stable code, or a result that is
// the reference's (Hugging Face tokenizers 0.23.3, asked with the same files), and never anything else.

const words = wordLevel("?", "a", "b");
const file = (text: string | Uint8Array) => refusal({ "tokenizer.json": text });
const model = (value: object, rest?: object) => file(tokenizerJson(value, rest));
const added = (content: string, others: object = {}) => ({ content, special: true, normalized: false, ...others });
const utf8 = (text: string) => new TextEncoder().encode(text);

describe("T1: a file that is cut, or lacks its model, is refused", () => {
  const whole = tokenizerJson(words, atSpaces);

  test("wherever it is cut", () => {
    for (let length = 0; length < whole.length; length++) {
      expect(["file", "unsupported"]).toContain(refusal({ "tokenizer.json": whole.slice(0, length) })[0]);
      expect(["file", "unsupported"]).toContain(refusal({ "tokenizer.json": utf8(whole.slice(0, length)) })[0]);
    }
  });

  test("with a byte order mark, or in another encoding", () => {
    expect(file(`\ufeff${whole}`)[0]).toBe("file");
    expect(file(utf8(`\ufeff${whole}`))[0]).toBe("file");
    expect(file(Uint8Array.of(0x7b, 0x22, 0xff))[1]).toMatch(/^tokenizer.json: expected UTF-8/);
  });

  test.each<[string, string, string, string]>([
    ["is a list", "[]", "file", "tokenizer.json: expected an object, got [object Array]"],
    ["is null", "null", "file", "tokenizer.json: expected an object, got null"],
    ["has no model", "{}", "file", "tokenizer.json: model: expected an object, got undefined"],
    ["has a list as model", '{"model":[]}', "file", "tokenizer.json: model: expected an object, got [object Array]"],
    ["has an empty model", '{"model":{}}', "file", "tokenizer.json: model: vocab: expected object, got none"],
    ["has a model of a number", '{"model":{"type":5}}', "file", "tokenizer.json: model: type: expected string, got 5"],
    ["has a model that is none", '{"model":{"type":"constructor"}}', "unsupported", 'got "constructor"'],
    [
      "has no vocabulary",
      '{"model":{"type":"BPE","vocab":null,"merges":[]}}',
      "file",
      "vocab: expected object, got none",
    ],
    [
      "has a list as vocabulary",
      '{"model":{"type":"BPE","vocab":["a"],"merges":[]}}',
      "vocabulary",
      "model.vocab: row 0",
    ],
    ["has an empty vocabulary", '{"model":{"type":"WordPiece","vocab":{}}}', "vocabulary", "expected tokens, got none"],
    [
      "has no merges",
      '{"model":{"type":"BPE","vocab":{"a":0},"merges":null}}',
      "file",
      "merges: expected array, got none",
    ],
    [
      "has merges of an object",
      '{"model":{"type":"BPE","vocab":{"a":0},"merges":{}}}',
      "file",
      "merges: expected array",
    ],
    ["has an empty list of pieces", '{"model":{"type":"Unigram","vocab":[]}}', "vocabulary", ""],
    [
      "has an object of pieces",
      '{"model":{"type":"Unigram","vocab":{"a":0}}}',
      "vocabulary",
      "rows of a piece and its score",
    ],
  ])("that %s", (_, text, code, message) => {
    expect(file(text)).toEqual([code, expect.stringContaining(message)]);
  });

  test("but an old one that does not say its model's type opens", () => {
    const typeless = { vocab: numbered("ab"), merges: [] };
    expect(openJson(typeless).encode("ab").ids).toEqual([0, 1]);
    expect(
      openJson({
        vocab: [
          ["a", -1],
          ["?", -2],
        ],
        unk_id: 1,
      }).encode("ab").ids,
    ).toEqual([0, 1]);
    expect(openJson({ vocab: { "[UNK]": 0, a: 1 }, continuing_subword_prefix: "##" }).encode("a").ids).toEqual([1]);
  });
});

test("T2: a merge whose part or result is no token is refused", () => {
  const merges = (list: unknown[]) => model({ type: "BPE", vocab: numbered(["a", "b", "ab"]), merges: list });
  for (const [list, token] of [
    [["a b", "ab c"], "c"],
    [["c a"], "c"],
    [["b a"], "ba"],
    [["ab ab"], "abab"],
  ] as const) {
    const got = `tokenizer.json: model: merges[${list.length - 1}]: expected tokens of the vocabulary, got "`;
    expect(merges([...list])).toEqual(["vocabulary", expect.stringContaining(got)]);
    expect(merges([...list])[1]).toContain(token);
  }
});

test("T3: a merge that the continuing prefix cuts apart is refused", () => {
  const merges = (prefix: string, merge: [string, string], tokens: string[]) =>
    model({ type: "BPE", vocab: numbered(tokens), merges: [merge], continuing_subword_prefix: prefix });
  expect(merges("##", ["a", "b"], ["a", "b", "ab"])[0]).toBe("vocabulary");
  expect(merges("#####", ["a", "##b"], ["a", "##b", "ab"])[0]).toBe("vocabulary");
  expect(merges("#", ["a", "é"], ["a", "é", "aé"])[0]).toBe("vocabulary");
  const fits = {
    type: "BPE",
    vocab: numbered(["a", "##b", "ab"]),
    merges: [["a", "##b"]],
    continuing_subword_prefix: "##",
  };
  expect(openJson(fits).encode("abb").ids).toEqual([2, 1]);
});

test("T4: merges have two parts, and of equal ones the last counts", () => {
  const vocab = numbered(["a", "b", "c", "ab", "bc"]);
  for (const merge of ["a", "a b c", "", "a  b", " ", ["a"], ["a", "b", "c"], [], ["a", 1], ["", "a"], null, 5, {}]) {
    const [code, message] = model({ type: "BPE", vocab, merges: ["a b", merge] });
    expect([code, message]).toEqual([
      "vocabulary",
      `tokenizer.json: model: merges[1]: expected two tokens, got ${show(merge)}`,
    ]);
  }
  const ids = (merges: string[]) => openJson({ type: "BPE", vocab, merges }).encode("abc").ids;
  expect(ids(["a b", "b c"])).toEqual([3, 2]);
  expect(ids(["a b", "b c", "a b"])).toEqual([0, 4]);
});

test("T5: an id that is no whole number from 0 to 2^32 - 1 is refused", () => {
  for (const id of [-1, 1.5, "7", 2 ** 32, null, 1e300, {}, true]) {
    for (const type of ["BPE", "WordPiece", "WordLevel"]) {
      const [code, message] = model({ type, vocab: { a: 0, b: id }, merges: [] });
      const got = `tokenizer.json: model: "b": expected an id from 0 to 4294967295, got ${show(id)}`;
      expect([code, message]).toEqual(["vocabulary", got]);
    }
    if (id !== null) expect(model(words, { added_tokens: [{ id, content: "x" }] })[0]).toBe("vocabulary");
  }
});

test("T6: equal ids, holes and large ids open, and nothing is as large as the largest id", () => {
  const before = process.memoryUsage();
  const tokenizer = openJson(
    { type: "WordLevel", vocab: { a: 3, b: 3, c: 99_999_999, d: 4_294_967_295 }, unk_token: "a" },
    atSpaces,
  );
  expect(tokenizer.encode("a b c d").ids).toEqual([3, 3, 99_999_999, 4_294_967_295]);
  for (let time = 0; time < 3; time++) expect(tokenizer.decode([3, 99_999_999])).toBe("a c");
  expect(failure(() => tokenizer.decode([4]))).toEqual(["ids", "decode: expected an id of the vocabulary, got 4"]);
  expect([tokenizer.vocabSize, tokenizer.maxId]).toEqual([4, 4_294_967_295]);
  const letters = openJson({ type: "BPE", vocab: { a: 2 ** 31, b: 1, c: 2 ** 32 - 1 }, merges: [] });
  expect(letters.encode("abac").ids).toEqual([2 ** 31, 1, 2 ** 31, 2 ** 32 - 1]);
  const unknown = { type: "BPE", vocab: { a: 2 ** 31, b: 1, "?": 2 ** 32 - 1 }, merges: [], unk_token: "?" };
  const { ids } = openJson(unknown).encode("abcb".repeat(10_000));
  expect([ids.length, ...ids.slice(-4)]).toEqual([40_000, 2 ** 31, 1, 2 ** 32 - 1, 1]);
  const merging = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 ** 31 }, merges: ["a b"] };
  const expected = "merges[0]: expected tokens of the vocabulary with ids up to 2147483647";
  expect(model(merging)).toEqual(["vocabulary", expect.stringContaining(expected)]);
  const after = process.memoryUsage();
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(50e6);
});

describe("T7: unknown tokens", () => {
  test("that are in neither vocabulary nor added tokens are refused when the file is opened", () => {
    for (const type of ["BPE", "WordPiece", "WordLevel"]) {
      const [code, message] = model({ type, vocab: { a: 0 }, merges: [], unk_token: "?" });
      const expected = 'tokenizer.json: model: unk_token: expected a token of the vocabulary, got "?"';
      expect([code, message]).toEqual(["vocabulary", expected]);
    }
    expect(model({ type: "Unigram", vocab: [["a", 0]], unk_id: 1 })).toEqual([
      "vocabulary",
      "tokenizer.json: model: unk_id: expected an id below 1, got 1",
    ]);
  });

  test("that only added tokens have: what they stand for is an error, as it is the reference's", () => {
    const rest = { ...atSpaces, added_tokens: [added("?", { id: 1 })] };
    for (const type of ["BPE", "WordPiece", "WordLevel"]) {
      const tokenizer = openJson({ type, vocab: { a: 0 }, merges: [], unk_token: "?" }, rest);
      expect(tokenizer.encode("a?").ids).toEqual([0, 1]);
      expect(failure(() => tokenizer.encode("q"))[0]).toBe("unknown");
    }
  });

  test("that a model does not have: byte-pair encoding leaves the character out, Unigram refuses it", () => {
    const pairs = openJson(bpe("ab", ["a b"]));
    expect(pairs.encode("axb").ids).toEqual([2]);
    expect(pairs.encode("xxx").ids).toEqual([]);
    const unigram = openJson({ type: "Unigram", vocab: [["a", -1]], unk_id: null });
    expect(unigram.encode("aa").ids).toEqual([0, 0]);
    expect(failure(() => unigram.encode("ab"))).toEqual(["unknown", expect.stringContaining('got "b"')]);
  });

  test("of which there is none by default where WordPiece or WordLevel needs one", () => {
    for (const type of ["WordPiece", "WordLevel"]) {
      expect(model({ type, vocab: { a: 0 } })[0]).toBe("vocabulary");
    }
  });
});

test("T8: an added token's id is the model's or the next free one, and empty ones count for nothing", () => {
  const ids = (text: string, tokens: object[], vocab = numbered("ab")) =>
    openJson({ type: "WordLevel", unk_token: "a", vocab }, { ...atSpaces, added_tokens: tokens }).encode(text).ids;
  expect(ids("a <x> b", [added("<x>", { id: 0 })])).toEqual([0, 2, 1]);
  expect(ids("a <x> b", [added("<x>", { id: 4_000_000_000 })])).toEqual([0, 2, 1]);
  expect(ids("a <x> b", [added("", { id: 5 })])).toEqual([0, 0, 1]);
  const three = [added("<x>", { id: 9 }), added("<y>", { id: 9 }), added("<z>", { id: 1 })];
  expect(ids("a <x> <y> <z> b", three)).toEqual([0, 2, 3, 4, 1]);
  expect(ids("a b", [added("b", { id: 9 })])).toEqual([0, 1]);
  expect(ids("a b <x> <y>", [added("<x>"), added("<y>")], { a: 0, b: 7 })).toEqual([0, 7, 2, 3]);
  // A token that the model has moves no other, where its ids have holes.
  const holes = { a: 0, b: 1, "<p>": 100 };
  const idsOf = (tokens: Record<string, number>, vocab: Record<string, number> = holes) => {
    const list = Object.entries(tokens).map(([content, id]) => added(content, { id }));
    const opened = openJson({ type: "WordLevel", unk_token: "a", vocab }, { ...atSpaces, added_tokens: list });
    return [...Object.keys(tokens).map((token) => opened.tokenToId(token)), opened.maxId];
  };
  expect(idsOf({ "<p>": 100, "<x>": 3 })).toEqual([100, 3, 100]);
  expect(idsOf({ "<p>": 100, "<x>": 101, "<y>": 4 })).toEqual([100, 3, 4, 100]);
  expect(idsOf({ "<x>": 50, "<y>": 7 })).toEqual([3, 4, 100]);
  expect(idsOf({ "<p>": 3, "<x>": 4 }, { a: 0, b: 1, "<p>": 3 })).toEqual([3, 3, 3]);
  const tokenizer = openJson(words, { added_tokens: [added("", { id: 5 }), added("<x>", { id: 0 })] });
  expect([tokenizer.vocabSize, tokenizer.maxId]).toEqual([4, 3]);
});

describe("T9: added tokens", () => {
  test("of any number and overlap are found in one pass", () => {
    const many = Array.from({ length: 100_000 }, (_, index) => added(`x${index}`));
    const long = Array.from({ length: 300 }, (_, index) => added(`${"a".repeat(index + 1)}b`));
    const tokenizer = openJson(words, { ...atSpaces, added_tokens: [...many, ...long] });
    expect(tokenizer.encode("x99999x1x12").ids.map((id) => tokenizer.idToToken(id))).toEqual(["x99999", "x1", "x12"]);
    expect(tokenizer.encode(`${"a".repeat(1500)}b`).offsets).toEqual([
      [0, 1200],
      [1200, 1501],
    ]);
    for (const text of ["x99 x99999 x", "aaaa ", "a"]) {
      const run = (length: number) => () => tokenizer.encode(text.repeat(length / text.length));
      expect(growth(run(60_000), run(120_000), 3)).toBeLessThan(3);
    }
  }, 60_000);

  test("that the normalizer makes again are not looked for again", () => {
    const tokens = [added("<x>", { normalized: true }), added("q", { normalized: true })];
    const replace = (from: string, content: string) => ({ type: "Replace", pattern: { String: from }, content });
    const tokensOf = (normalizer: object) => {
      const { ids, offsets } = openJson(wordLevel("a", "b"), { ...atSpaces, normalizer, added_tokens: tokens }).encode(
        "a q b <x>",
      );
      return [ids, offsets[3]];
    };
    // Of two with the same content the first is found.
    expect(tokensOf(replace("q", "<x>"))).toEqual([
      [0, 2, 1, 2],
      [6, 9],
    ]);
    expect(tokensOf(replace("<x>", "<x><x>"))).toEqual([
      [0, 3, 1, 2],
      [8, 9],
    ]);
  });
});

describe("T10: steps", () => {
  const nested = (list: string, depth: number, inner: string) =>
    `${`{"type":"Sequence","${list}":[`.repeat(depth)}${inner}${"]}".repeat(depth)}`;
  const lists: [string, string, string][] = [
    ["normalizer", "normalizers", '{"type":"NFC"}'],
    ["pre_tokenizer", "pretokenizers", '{"type":"WhitespaceSplit"}'],
    ["post_processor", "processors", '{"type":"ByteLevel"}'],
    ["decoder", "decoders", '{"type":"Fuse"}'],
  ];

  test.each(lists)("of a %s nest 64 deep at most", (name, list, inner) => {
    const open = (depth: number) =>
      Tokenizer.from({
        "tokenizer.json": `{"model":${JSON.stringify(words)},"${name}":${nested(list, depth, inner)}}`,
      });
    expect(open(64).encode("a").ids).toEqual([1]);
    for (const depth of [65, 10_000]) {
      const [code, message] = failure(() => open(depth));
      const got = `tokenizer.json: ${name}: expected sequences at most 64 deep, got deeper ones`;
      expect([code, message]).toEqual(["file", got]);
    }
  });

  test("of no known type are refused by name", () => {
    for (const [name] of lists) {
      for (const type of ["Frobnicate", "constructor", "__proto__"]) {
        expect(model(words, { [name]: { type } })).toEqual(["unsupported", expect.stringContaining(`got "${type}"`)]);
      }
      expect(model(words, { [name]: {} })[0]).toBe("file");
      expect(model(words, { [name]: "NFC" })[0]).toBe("file");
    }
  });

  test("that name a special token which is missing are refused", () => {
    const template = (special_tokens: object) => ({
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "[CLS]", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens,
    });
    expect(model(words, { post_processor: template({}) })).toEqual([
      "file",
      "tokenizer.json: post_processor: special_tokens: expected the token [CLS] of the template, got none",
    ]);
    const bad = (special: object, code: string, got: string) => {
      const [found, message] = model(words, { post_processor: template({ "[CLS]": { id: "[CLS]", ...special } }) });
      expect([found, message]).toEqual([code, `tokenizer.json: post_processor: special_tokens: [CLS]: ${got}`]);
    };
    for (const id of ["x", -1, 1.5, null, 2 ** 32, {}]) {
      bad({ ids: [0, id], tokens: ["[CLS]"] }, "vocabulary", `ids[1]: expected an id, got ${show(id)}`);
    }
    bad({ ids: null, tokens: ["[CLS]"] }, "file", "ids: expected array, got none");
    bad({ ids: [0], tokens: [5] }, "file", "tokens: expected texts, got [object Array]");
    const lists = (changes: object) => model(words, { post_processor: { ...template({}), ...changes } });
    const text = (id: string) => [{ Sequence: { id, type_id: 0 } }];
    expect(lists({ single: null })[1]).toContain("post_processor: single: expected array, got none");
    expect(lists({ single: text("A"), pair: null })[1]).toContain("post_processor: pair: expected array, got none");
    expect(lists({ single: text("B") })[1]).toContain('single: expected the sequence A alone, got "B"');
    expect(lists({ single: text("x") })[1]).toContain('single: expected the sequence A alone, got "x"');
    expect(lists({ single: text("A"), pair: text("a") })[1]).toContain('pair: expected a sequence A or B, got "a"');
    expect(model(words, { post_processor: { type: "BertProcessing", cls: ["[CLS]", 1] } })[0]).toBe("file");
    expect(model(words, { post_processor: { type: "BertProcessing", cls: ["x", 1], sep: ["y", -1] } })[0]).toBe("file");
  });
});

test("T10: what stands for a space, or is stripped, is one character", () => {
  const steps = (character: string): [string, object, string][] => [
    ["pre_tokenizer", { type: "Metaspace", replacement: character }, "replacement"],
    ["decoder", { type: "Metaspace", replacement: character }, "replacement"],
    ["pre_tokenizer", { type: "CharDelimiterSplit", delimiter: character }, "delimiter"],
    ["decoder", { type: "Strip", content: character, start: 1, stop: 0 }, "content"],
  ];
  for (const character of ["", "##", "e\u0301"]) {
    for (const [name, step, key] of steps(character)) {
      const got = `tokenizer.json: ${name}: ${key}: expected one character, got ${show(character)}`;
      expect(model(words, { [name]: step })).toEqual(["file", got]);
    }
  }
  for (const character of ["é", "😀", "\n"]) {
    for (const [name, step] of steps(character))
      expect(openJson(words, { [name]: step }).encode("a").ids).toHaveLength(1);
  }
  expect(model(words, { pre_tokenizer: { type: "CharDelimiterSplit" } })[1]).toContain("one character, got undefined");
});

describe("T11: a pattern", () => {
  const split = (Regex: string) => ({ pre_tokenizer: { type: "Split", pattern: { Regex }, behavior: "Isolated" } });
  const pieces = (pattern: string, text: string) => openJson(wordLevel("?"), split(pattern)).encode(text).tokens.length;

  test("that is none, or of a kind that is not built in, is refused", () => {
    for (const pattern of ["(", ")", "[", "a{2,1}", "*", "\\", "(?<name", "(?"]) {
      expect(["file", "unsupported"]).toContain(model(words, split(pattern))[0]);
    }
    expect(model(words, { pre_tokenizer: { type: "Split", pattern: {}, behavior: "Isolated" } })[0]).toBe("file");
    expect(model(words, { pre_tokenizer: { type: "Split", pattern: { String: "" }, behavior: "Sideways" } })[0]).toBe(
      "unsupported",
    );
  });

  test("of Oniguruma's that JavaScript lacks cuts as it does there", () => {
    expect(pieces("(?i:'S)", "it's it'S it'\u017f")).toBe(6);
    expect(pieces("\\Aa", "aaa")).toBe(2);
    expect(pieces("a++", "baab")).toBe(3);
    expect(pieces("a++a", "aaa")).toBe(1);
    expect(pieces("\\h+", "xdeadz")).toBe(3);
    expect(pieces("a\\z", "ab a")).toBe(2);
  });
});

test("T12: a pattern that backtracks for ever elsewhere takes no time", () => {
  const begin = performance.now();
  for (const pattern of ["(a+)+$", "(a|a)*b", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
    const tokenizer = openJson(wordLevel("?"), {
      pre_tokenizer: { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated" },
    });
    expect(tokenizer.encode(`${"a".repeat(300)}!`).offsets.at(-1)?.[1]).toBe(301);
  }
  expect(performance.now() - begin).toBeLessThan(2000);
});

describe("T14: numbers that make no sense", () => {
  test("in the file are refused", () => {
    for (const dropout of [2, 0.1, -1]) {
      expect(model({ ...bpe("a", []), dropout })).toEqual([
        "unsupported",
        expect.stringContaining(`dropout: expected none, got ${dropout}`),
      ]);
    }
    for (const dropout of [0, null]) expect(openJson({ ...bpe("a", []), dropout }).encode("a").ids).toEqual([0]);
    expect(model(words, { padding: { strategy: "BatchLongest", pad_id: -1 } })[0]).toBe("file");
    expect(model(words, { truncation: { max_length: 4, direction: "Up" } })[0]).toBe("unsupported");
  });

  test("of lengths that the file sets are never used, as it cuts and fills nothing unless asked", () => {
    const truncation = { max_length: 1, stride: 0, strategy: "LongestFirst", direction: "Right" };
    const padding = { strategy: { Fixed: 512 }, pad_id: 0, pad_type_id: 0, pad_token: "?", direction: "Right" };
    for (const max_length of [0, 1, 2 ** 53]) {
      const rest = { ...atSpaces, truncation: { ...truncation, max_length }, padding };
      expect(openJson(words, rest).encode("a b a").ids).toEqual([1, 2, 1]);
    }
    for (const [max_length, stride] of [
      [8, 8],
      [8, 100],
      [-1, 0],
    ]) {
      const got = `tokenizer.json: truncation: stride: expected less than the max_length ${max_length}, got ${stride}`;
      expect(model(words, { truncation: { ...truncation, max_length, stride } })).toEqual(["file", got]);
    }
    for (const length of [1e12, 2 ** 24 + 1, -1, 1.5, "8"]) {
      const got = `tokenizer.json: padding: expected a length from 0 to 16777216, got ${show(length)}`;
      expect(model(words, { padding: { ...padding, strategy: { Fixed: length } } })).toEqual(["file", got]);
      const multiple = { ...padding, strategy: "BatchLongest", pad_to_multiple_of: length };
      expect(model(words, { padding: multiple })).toEqual(["file", got]);
    }
  });

  test("of tokens that no memory holds are refused before they are made", () => {
    const tokenizer = openJson(words, atSpaces);
    const pad = { pad_id: 0, pad_token: "?" };
    const refused = (options: EncodeOptions, expected: string, text = "a") =>
      expect(failure(() => tokenizer.encode(text, options))).toEqual(["options", `encode: ${expected}`]);
    const most = "padding: expected at most 16777216 tokens to fill up to";
    refused({ ...pad, padding: "max_length", max_length: 120_000_000 }, `${most}, got 120000000`);
    refused({ ...pad, padding: true, pad_to_multiple_of: 999_999_999 }, `${most}, got 999999999`);
    const batch: EncodeOptions = { ...pad, padding: "max_length", max_length: 2 ** 24 };
    expect(failure(() => tokenizer.encodeBatch(Array(9).fill("a"), batch))).toEqual([
      "options",
      "encode: padding: expected at most 134217728 tokens that fill up a batch, got 150994935",
    ]);
    const windows = "stride: expected windows of at most 134217728 tokens together";
    const options = { truncation: true, return_overflowing_tokens: true };
    refused({ ...options, max_length: 5000, stride: 4999 }, `${windows}, got 150005000`, "a ".repeat(35_000));
    const text = "a ".repeat(20_000);
    refused({ ...options, max_length: 8, text_pair: text }, `${windows}, got 200000000`, text);
  });

  test("in options are refused", () => {
    const tokenizer = openJson(words, atSpaces);
    for (const options of [
      { truncation: true, max_length: 2, stride: 2 },
      { truncation: true, max_length: 2, stride: 3 },
      { padding: "max_length", pad_id: 0, max_length: 1e12 },
      { padding: true, pad_id: 0, pad_to_multiple_of: 1e12 },
      { max_length: -1 },
      { max_length: 1.5 },
      { max_length: NaN },
      { max_length: "3" },
      { truncation: true },
      { padding: "max_length", pad_id: 0 },
      { padding: true },
    ]) {
      expect([options, failure(() => tokenizer.encode("a b a", options as object))[0]]).toEqual([options, "options"]);
    }
  });
});

describe("T15: bytes and scores", () => {
  test("that are none in a .model file are refused", () => {
    const open = (...pieces: [string, number, number][]) =>
      refusal({ "x.model": modelFile({ pieces: [...basics, ...pieces], byte_fallback: true }) });
    for (const piece of ["<0x-1>", "<0xZZ>"]) expect(open([piece, 0, 6])[0]).toBe("vocabulary");
    expect(open(...(bytePieces.slice(1) as [string, number, number][]))).toEqual([
      "vocabulary",
      "x.model: expected 256 byte pieces, got 255",
    ]);
  });

  test("that are missing in a tokenizer.json: only characters with all their bytes are spelled", () => {
    const vocab = numbered(["?", "<0xC3>", "<0xA9>", "<0x-1>", "<0xZZ>"]);
    const { ids } = openJson({ type: "BPE", vocab, merges: [], unk_token: "?", byte_fallback: true }).encode("éè");
    expect(ids).toEqual([1, 2, 0]);
  });

  test("in a charsmap that is no base64 or too short", () => {
    for (const precompiled_charsmap of ["!!!!", "AAA", "A", "", "////"]) {
      expect(model(words, { normalizer: { type: "Precompiled", precompiled_charsmap } })[0]).toBe("file");
    }
    expect(model(words, { normalizer: { type: "Precompiled", precompiled_charsmap: 5 } })[0]).toBe("file");
    expect(refusal({ "x.tiktoken": "!!!! 0\n" })[0]).toBe("unsupported");
  });

  test("of Unigram that are no numbers", () => {
    for (const score of ["null", '"1"', "true", "1e400", "[]"]) {
      expect(file(`{"model":{"type":"Unigram","vocab":[["a",${score}]]}}`)[0]).toBe("vocabulary");
    }
    for (const score of ["NaN", "Infinity", "01", "1."]) {
      expect(file(`{"model":{"type":"Unigram","vocab":[["a",${score}]]}}`)[0]).toBe("file");
    }
  });
});

describe("T16: text files", () => {
  const bert = (vocab: string) => Tokenizer.from({ "vocab.txt": vocab });
  const pairs = (merges: string) =>
    Tokenizer.from({ "vocab.json": JSON.stringify(numbered(["a", "b", "ab", "#", "##"])), "merges.txt": merges });

  test("of a vocabulary: any line end, the last one or not, blank lines and repeats count", () => {
    const ids = (vocab: string) => ["a", "b"].map((token) => bert(vocab).tokenToId(token));
    expect(ids("[UNK]\na\nb")).toEqual([1, 2]);
    expect(ids("[UNK]\na\nb\n")).toEqual([1, 2]);
    expect(ids("[UNK]\r\na\r\nb\r\n")).toEqual([1, 2]);
    expect(ids("[UNK]\n\na\n\nb\n")).toEqual([2, 4]);
    expect(ids("[UNK]\na\na\nb\n")).toEqual([2, 3]);
    expect(ids("[UNK]\n\u2028\na\n\u0085\nb")).toEqual([2, 4]);
    expect(bert("[UNK]\n\u2028\na\rb").tokenToId("a\rb")).toBe(2);
    for (const other of ["\x1c", "\u200b", "\ufeff", "\0"]) {
      expect(bert(`[UNK]\na${other}\nb`).tokenToId(`a${other}`)).toBe(1);
    }
    expect(bert("[UNK]\n a\nb").tokenToId(" a")).toBe(1);
    expect(bert("\ufeffx\n[UNK]\na").tokenToId("\ufeffx")).toBe(0);
  });

  test("of merges: any line end, blank lines, a version; a merge may begin with #", () => {
    const tokens = (merges: string) => pairs(merges).encode("ab ##").tokens.slice(0, 4);
    for (const merges of [
      "#version: 0.2\na b\n",
      "a b",
      "#version: 0.2\r\na b\r\n",
      "#version: 0.2\n\na b\n\n",
      "a b\na b\n",
    ]) {
      expect(tokens(merges)).toEqual(["ab", "#", "#"]);
    }
    expect(tokens("# #\na b\n")).toEqual(["ab", "##"]);
    expect(failure(() => pairs("\ufeff#version: 0.2\na b\n"))[0]).toBe("vocabulary");
    expect(failure(() => pairs("a b c"))[0]).toBe("vocabulary");
  });
});

describe("T17: a chat template", () => {
  const tokenizer = Tokenizer.from({
    "tokenizer.json": tokenizerJson(words, { ...atSpaces, added_tokens: [added("<s>")] }),
    "tokenizer_config.json": JSON.stringify({
      bos_token: "<s>",
      chat_template:
        "{{ bos_token }}{% for m in messages %} {{ m.content }}{% endfor %}{% if add_generation_prompt %} b{% endif %}",
    }),
  });
  const messages = [{ role: "user", content: "a" }];
  const render = (chat_template: string) =>
    failure(() => tokenizer.applyChatTemplate(messages, { jinja, chat_template }));

  test("is rendered to text, or to ids", () => {
    expect(tokenizer.applyChatTemplate(messages, { jinja })).toBe("<s> a");
    const options = { jinja, add_generation_prompt: true };
    expect(tokenizer.applyChatTemplate(messages, options)).toBe("<s> a b");
    expect(tokenizer.applyChatTemplate(messages, { ...options, tokenize: true }).ids).toEqual([3, 1, 2]);
    expect(tokenizer.applyChatTemplate(messages, { jinja, chat_template: "{{ x }}", x: 5 })).toBe("5");
    const cut = { ...options, tokenize: true, truncation: true, max_length: 2 } as const;
    expect(tokenizer.applyChatTemplate(messages, cut).ids).toEqual([3, 1]);
    expect(failure(() => tokenizer.applyChatTemplate(messages, { ...options, max_length: 2 }))).toEqual([
      "options",
      "applyChatTemplate: max_length: expected tokenize beside it, got 2",
    ]);
    expect(failure(() => tokenizer.applyChatTemplate(messages, { ...options, return_dict: true }))[0]).toBe("options");
  });

  test("that costs too much, fails, or reaches for the host is refused", () => {
    expect(render("{% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}{% endfor %}")[0]).toBe("template");
    expect(
      render(`{% set ns = namespace(x='ab') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`)[0],
    ).toBe("template");
    expect(render(`{{ ${"(".repeat(1e5)}1${")".repeat(1e5)} }}`)[0]).toBe("template");
    expect(render("{% for %}")[0]).toBe("template");
    expect(render("{{ ''.constructor.constructor('return process')() }}")[0]).toBe("template");
    expect(render("{{ raise_exception('no') }}")[0]).toBe("template");
  });

  test("that is not there is an option's error", () => {
    const bare = openJson(words);
    expect(failure(() => bare.applyChatTemplate(messages, { jinja }))[0]).toBe("options");
    const bert = Tokenizer.from({ "vocab.txt": "[UNK]\na" });
    expect(failure(() => bert.applyChatTemplate(messages, { jinja }))[0]).toBe("options");
  });
});

/** One tokenizer of each kind that texts go through; all but the first two give back what they are given. */
const bytesAsCharacters = Array.from({ length: 256 }, (_, byte) =>
  (byte >= 33 && byte < 127) || (byte > 160 && byte !== 173) ? String.fromCharCode(byte) : "",
);
let next = 256;
const alphabet = bytesAsCharacters.map((character) => character || String.fromCharCode(next++)).join("");
const kinds: Record<string, Tokenizer> = {
  wordpiece: Tokenizer.from({ "vocab.txt": "[UNK]\n[CLS]\n[SEP]\na\n##a\ne" }),
  unigram: openJson(
    {
      type: "Unigram",
      vocab: [
        ["<unk>", 0],
        ["▁", -3],
        ["a", -1],
        ["▁a", -2],
      ],
      unk_id: 0,
    },
    { pre_tokenizer: { type: "Metaspace" }, decoder: { type: "Metaspace" } },
  ),
  "byte-level": openJson(bpe(alphabet, ["Ġ a"]), {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    decoder: { type: "ByteLevel" },
  }),
  "byte fallback": byteFallback("▁", "a"),
  sentencepiece: Tokenizer.from({
    "x.model": modelFile({
      pieces: [...basics, ...bytePieces, ...normal("▁a", "▁", "a")],
      byte_fallback: true,
      remove_extra_whitespaces: false,
    }),
  }),
  tiktoken: Tokenizer.from({
    "x.tiktoken": Array.from({ length: 256 }, (_, byte) => `${btoa(String.fromCharCode(byte))} ${byte}`).join("\n"),
  }),
};
const exact = Object.entries(kinds).slice(2);

describe.each(Object.entries(kinds))("%s", (name, tokenizer) => {
  const isExact = exact.some(([known]) => known === name);

  test("X1: encodes nothing, spaces, NUL and U+FEFF, and decodes nothing", () => {
    expect(tokenizer.encode("", { add_special_tokens: false }).ids).toEqual([]);
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.decodeStream().end()).toBe("");
    for (const text of ["   ", "\0", "a\0a", "a\ufeffa", "\ufeff", "\t\n\u00a0", "\u2028"]) {
      const { ids, offsets, length } = tokenizer.encode(text, { add_special_tokens: false });
      expect([offsets.length, length]).toEqual([ids.length, ids.length]);
      if (isExact) expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  test("X2: a lone surrogate is U+FFFD", () => {
    for (const lone of ["\ud83d", "\ude00", "\ude00\ud83d"]) {
      const fixed = "\ufffd".repeat(lone.length);
      expect(tokenizer.encode(`a${lone}a`)).toEqual(tokenizer.encode(`a${fixed}a`));
      expect(tokenizer.encode(`a${lone}a`, { text_pair: lone }).ids).toEqual(
        tokenizer.encode(`a${fixed}a`, { text_pair: fixed }).ids,
      );
    }
  });

  test("X4: families, flags, bidi controls and many marks go through, and streaming breaks no character", () => {
    const marks = `e${"\u0301".repeat(200_000)}`;
    for (const text of ["👨‍👩‍👧‍👦", "🇰🇷🇫🇷", "\u202e\u05d0\u05d1\u202c \u200fa", "ẛ̣ 각\u11a8", marks]) {
      const { ids } = tokenizer.encode(text, { add_special_tokens: false });
      if (!isExact) continue;
      expect(tokenizer.decode(ids) === text).toBe(true);
      if (text === marks) continue;
      const stream = tokenizer.decodeStream();
      const parts = [...ids.map((id) => stream.push(id)), stream.end()];
      expect(parts.join("")).toBe(text);
      for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}|\ufffd/u);
    }
  });

  test("X6: what is no text, and too many of them, is a typed error", () => {
    for (const text of [5, null, undefined, Buffer.from("a"), ["a"], [["a"]], {}, 1n]) {
      const expected = ["text", `encode: expected a string, got ${show(text)}`];
      expect(failure(() => tokenizer.encode(text as string))).toEqual(expected);
      expect(failure(() => tokenizer.encodeBatch([["a", ["b"]], text] as string[]))[0]).toBe("text");
      if (text !== undefined)
        expect(failure(() => tokenizer.encode("a", { text_pair: text as string }))[0]).toBe("options");
    }
    for (const texts of ["a", null, undefined, {}, new Set(["a"]), new Array(1e6).fill("a")]) {
      const expected = `encodeBatch: expected a list of at most 262144 texts, got ${show(texts)}`;
      expect(failure(() => tokenizer.encodeBatch(texts as string[]))).toEqual(["text", expected]);
    }
  });

  test("X7: ids that are none are refused", () => {
    for (const id of [-1, NaN, 1e9, 1n, 1.5, "1", null, undefined, [1]]) {
      const expected = ["ids", `decode: expected an id of the vocabulary, got ${show(id)}`];
      expect(failure(() => tokenizer.decode([id as number]))).toEqual(expected);
      expect(failure(() => tokenizer.decodeStream().push(id as number))).toEqual(expected);
    }
    for (const ids of [5, null, undefined, "12", {}]) {
      expect(failure(() => tokenizer.decode(ids as number[]))).toEqual([
        "ids",
        `decode: expected a list of ids, got ${show(ids)}`,
      ]);
    }
  });
});

test("X2: async encoding, too, and the text's other half", async () => {
  const tokenizer = kinds.tiktoken;
  expect((await tokenizer.encodeAsync("a\ud83d")).ids).toEqual(tokenizer.encode("a\ufffd").ids);
  await expect(tokenizer.encodeAsync(5 as unknown as string)).rejects.toMatchObject({ code: "text" });
});

describe.each(["NFC", "NFD", "NFKC", "NFKD"])("X4: %s", (type) => {
  test("of many marks is what the standard says, and linear", () => {
    const tokenizer = openJson(wordLevel("?"), { normalizer: { type } });
    const run = (count: number) => () => tokenizer.encode(`e${"\u0301".repeat(count)}`);
    expect(growth(run(100_000), run(200_000), 3)).toBeLessThan(3);
    const characters = openJson({ type: "Unigram", vocab: [["?", 0]], unk_id: 0 }, { normalizer: { type } });
    const marks = `e${"\u0301\u0323".repeat(50)}`;
    expect(characters.encode(marks).tokens.join("")).toBe(marks.normalize(type));
  });
});

describe("X5: special tokens that a text spells", () => {
  test("match in a tokenizer.json, unless they are to be split", () => {
    const tokens = ["?", ..."<|im_end|>", "hi"];
    const tokenizer = openJson(bpe(tokens.join(""), []), { added_tokens: [added("<|im_end|>")] });
    const special = tokenizer.tokenToId("<|im_end|>") as number;
    expect(tokenizer.encode("hi<|im_end|>").ids.at(-1)).toBe(special);
    const split = tokenizer.encode("hi<|im_end|>", { split_special_tokens: true });
    expect([split.ids.includes(special), split.tokens.join("")]).toEqual([false, "hi<|im_end|>"]);
  });

  test("do not match in a tiktoken file, unless they are asked for", () => {
    const ranks = Array.from({ length: 256 }, (_, byte) => `${btoa(String.fromCharCode(byte))} ${byte}`).join("\n");
    const config = { added_tokens_decoder: { 256: added("<|endoftext|>") } };
    const tokenizer = Tokenizer.from({ "x.tiktoken": ranks, "tokenizer_config.json": JSON.stringify(config) });
    expect(tokenizer.encode("<|endoftext|>").ids).toEqual([...utf8("<|endoftext|>")]);
    expect(tokenizer.encode("<|endoftext|>", { split_special_tokens: false }).ids).toEqual([256]);
    expect(tokenizer.encode("<|endoftext|>", { split_special_tokens: true }).ids).toEqual([...utf8("<|endoftext|>")]);
  });
});
