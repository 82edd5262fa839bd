// What is worked on in parts gives what it gives in one: across blocks of tokens, stretches that are searched, chunks that are merged.
import { expect, test, vi } from "vitest";
import type { Aligned } from "../src/aligned.ts";
import { LongestMatch } from "../src/longest-match.ts";
import { Part, PieceTokens } from "../src/part.ts";
import { PieceCache } from "../src/piece-cache.ts";
import { drain } from "../src/steps.ts";
import { unicodeForm } from "../src/unicode-forms.ts";
import { atSpaces, bertLike, bpe, openJson } from "./tokenizer-files.ts";

test("tokens come back from every block, whatever room there was at first", () => {
  for (const first of [0, 7, 100, 20_000]) {
    const part = new Part(first);
    const count = 40_000;
    for (let at = 0; at < count; at++) part.push(at, at + 1, at + 2, count - at);
    expect(part.length).toBe(count);
    const wrong = Array.from({ length: count }, (_, at) => at).filter(
      (at) =>
        part.id(at) !== at || part.begin(at) !== at + 1 || part.end(at) !== at + 2 || part.word(at) !== count - at,
    );
    expect(wrong).toEqual([]);
  }
});

test("a search in stretches finds what one search finds", () => {
  const match = new LongestMatch(["ab", "abcd", "cde", "b c"]);
  const texts = ["xxabcdexxab", "abab cdeabc", "ab", "abc", "xxxxxxxx", "b b cd abcd"];
  for (const text of texts) {
    const found = (stretch: number): number[][] => {
      const places: number[][] = [];
      for (let from = 0; from < text.length; from = match.end) {
        if (match.find(text, from, from + stretch)) places.push([match.begin, match.end]);
      }
      return places;
    };
    for (let stretch = 1; stretch < 8; stretch++) expect(found(stretch), `${text} by ${stretch}`).toEqual(found(1000));
  }
});

const spaced = { pre_tokenizer: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "first" } };
const kept = {
  "a BERT": () => bertLike(),
  "merges within words": () => openJson(bpe("ab \u2581", ["a b", "ab ab", "\u2581 a"]), spaced),
  "merges across a line": () =>
    openJson(bpe("ab \u2581", ["a b", "ab ab", "\u2581 a"], { unk_token: "b" }), {
      normalizer: { type: "Prepend", prepend: "\u2581" },
    }),
  "a mark for the text's first word": () =>
    openJson(bpe("ab \u2581", ["a b", "ab ab", "\u2581 a"], { unk_token: "b" }), {
      pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, spaced.pre_tokenizer] },
    }),
  "a mark for whatever comes of the text's first character": () =>
    openJson(bpe("abx \u2581", ["a b", "ab ab", "\u2581 a"], { unk_token: "b" }), {
      normalizer: { type: "Prepend", prepend: "xa" },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "WhitespaceSplit" },
          { type: "Split", pattern: { String: "x" }, behavior: "Isolated" },
          spaced.pre_tokenizer,
        ],
      },
    }),
  "words cut twice": () =>
    openJson(bpe("ab ", ["a b", "ab ab"], { unk_token: " " }), {
      normalizer: { type: "NFD" },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { String: "c" }, behavior: "Isolated" },
          { type: "Split", pattern: { String: "bb" }, behavior: "MergedWithNext" },
        ],
      },
    }),
};

test("kept pieces are bounded: long ones are let in when they come again, and go when they cost too much", () => {
  const cache = new PieceCache();
  const tokens = (count: number) => {
    const piece = new PieceTokens();
    for (let at = 0; at < count; at++) piece.push(at, at, at + 1, 0);
    return piece;
  };
  const [first, long] = [tokens(1), "a".repeat(200)];
  expect(["a", long, long, "a".repeat(257), "a".repeat(257)].map((piece) => cache.get(piece))).toEqual([
    undefined,
    null,
    undefined,
    null,
    null,
  ]);
  cache.set("a", first);
  cache.set("word", first);
  cache.set(long, first);
  expect(["a", "word", long].map((piece) => cache.get(piece))).toEqual([first, first, first]);
  // 200 units and 16 for each of 200 tokens: 617 of them fit into 2^21.
  const many = tokens(200);
  for (let at = 0; at < 610; at++) cache.set(long.slice(5) + String(at).padStart(5, "0"), many);
  expect(cache.get(long)).toBe(first);
  for (let at = 610; at < 620; at++) cache.set(long.slice(5) + String(at).padStart(5, "0"), many);
  expect(cache.get(long)).toBeUndefined();
  for (let at = 0; at < 20_000; at++) cache.set(`w${at}`, first);
  expect([cache.get("a"), cache.get("word")]).toEqual([undefined, undefined]);
});

// Words are kept when they come, longer pieces when they come again, lines of hundreds of characters never.
test.each(Object.entries(kept))(
  "%s gives a text the same tokens however often it has come, and wherever",
  (_, open) => {
    const tokenizer = open();
    for (const length of [1, 3, 11, 12, 13, 24, 25, 60, 127, 128, 129, 255, 256, 257, 400]) {
      const word = Array.from({ length }, (__, at) => "aaabbbbc ä"[(at * at * 7 + at + length) % 10]).join("");
      for (const text of [
        word,
        word,
        ` ${word}`,
        word,
        `b ${word}`,
        `${word} ${word}`,
        word,
        `xa${word}`,
        word,
        `\u00e4${word}`,
      ]) {
        expect(tokenizer.encode(text).toJSON()).toEqual(open().encode(text).toJSON());
      }
    }
  },
);

test("an encoding of many blocks has every list whole, and an added token where stretches meet", async () => {
  const tokenizer = bertLike();
  const [a] = tokenizer.encode("a", { add_special_tokens: false }).ids;
  const added = tokenizer.tokenToId("[SEP]")!;
  for (const words of [262_141, 262_142, 262_143]) {
    const text = `${"a ".repeat(words)}[SEP] a`;
    const encoding = tokenizer.encode(text);
    const ids = [tokenizer.tokenToId("[CLS]")!, ...new Array(words).fill(a), added, a, added];
    expect(encoding.ids.length).toBe(ids.length);
    expect(encoding.ids.findIndex((id, at) => id !== ids[at])).toBe(-1);
    const { offsets, word_ids, attention_mask, sequence_ids, length } = encoding;
    expect([offsets.length, word_ids.length, attention_mask.length, sequence_ids.length]).toEqual(
      new Array(4).fill(length),
    );
    expect(
      offsets.findIndex(([begin, end], at) => at > 0 && at <= words && (begin !== 2 * at - 2 || end !== 2 * at - 1)),
    ).toBe(-1);
    expect(word_ids.findIndex((word, at) => at > 0 && at < length - 1 && word !== at - 1)).toBe(-1);
    expect(offsets.slice(-3)).toEqual([
      [2 * words, 2 * words + 5],
      [2 * words + 6, 2 * words + 7],
      [0, 0],
    ]);
  }
  const text = "a b ".repeat(20_000);
  expect((await tokenizer.encodeAsync(text)).toJSON()).toEqual(tokenizer.encode(text).toJSON());
});

test.each([
  ["immediates where there are any: Bun lets messages pass timers by", [], [true, false, false]],
  [
    "messages in pages, which hold timers back, for a minute where nobody sees them",
    ["setImmediate"],
    [false, true, false],
  ],
  ["timers elsewhere", ["setImmediate", "MessageChannel"], [false, false, true]],
])("encodeAsync waits for %s", async (_, missing, expected) => {
  const waits = [
    vi.spyOn(globalThis, "setImmediate"),
    vi.spyOn(MessagePort.prototype, "postMessage"),
    vi.spyOn(globalThis, "setTimeout"),
  ];
  for (const name of missing) vi.stubGlobal(name, undefined);
  vi.resetModules();
  const files = await import("./tokenizer-files.ts");
  vi.unstubAllGlobals();
  for (const wait of waits) wait.mockClear();
  const tokenizer = files.bertLike();
  const text = "a b ".repeat(250_000);
  const encoded = await tokenizer.encodeAsync(text);
  expect(waits.map((wait) => wait.mock.calls.length > 1)).toEqual(expected);
  vi.restoreAllMocks();
  expect(encoded.length).toBe(tokenizer.encode(text).length);
});

test("encodeAsync looks at the clock after each piece of some length, as many of them come at once", async () => {
  const tokenizer = openJson(bpe("ab", ["a b"]), atSpaces);
  const clock = vi.spyOn(performance, "now");
  try {
    const text = Array.from({ length: 100 }, (_, at) => "ab".repeat(1000 + at)).join(" ");
    expect((await tokenizer.encodeAsync(text)).length).toBe(104_950);
    expect(clock.mock.calls.length).toBeGreaterThan(100);
  } finally {
    clock.mockRestore();
  }
});

test("a clock that stands still, as tests of programs have it, stops no text", async () => {
  const tokenizer = bertLike();
  vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout"] });
  try {
    expect((await tokenizer.encodeAsync("a b ".repeat(250_000))).length).toBe(500_002);
  } finally {
    vi.useRealTimers();
  }
});

test("a word of many chunks merges as a whole", () => {
  const tokenizer = openJson(bpe("ab", ["a a", "aa aa", "aaaa aaaa", "b b"]));
  const text = `${"a".repeat(80_000)}${"b".repeat(50_001)}`;
  const { ids, tokens, offsets } = tokenizer.encode(text);
  expect(ids.length).toBe(10_000 + 25_001);
  expect(tokens.findIndex((token, at) => token !== (at < 10_000 ? "aaaaaaaa" : at < 35_000 ? "bb" : "b"))).toBe(-1);
  expect(offsets.findIndex(([begin, end], at) => text.slice(begin, end) !== tokens[at])).toBe(-1);
  expect(offsets.findIndex(([begin], at) => begin !== (at > 0 ? offsets[at - 1][1] : 0))).toBe(-1);
});

test("what normalizers make of a long text in parts is what they make of it in one", () => {
  const space = { String: " " };
  const [prepend, drop, mark, twice] = [
    { type: "Prepend", prepend: "_" },
    { type: "Replace", pattern: space, content: "" },
    { type: "Replace", pattern: space, content: "_" },
    { type: "Replace", pattern: { String: "  " }, content: "b" },
  ];
  const model = { ...bpe("ab_ .", []), unk_token: undefined };
  const spell = (text: string, ...normalizers: object[]) => {
    const { tokens, offsets } = openJson(model, { normalizer: { type: "Sequence", normalizers } }).encode(text);
    return { spelled: tokens.join(""), offsets };
  };
  const many = 100_001;
  const spaces = " ".repeat(many);
  // All that comes before the first letter vanishes, so that the prefix stands before that.
  const { spelled, offsets } = spell(`${spaces}ab`, drop, prepend);
  expect([spelled, offsets[0]]).toEqual(["_ab", [many, many + 1]]);
  expect(spell(`${spaces}a`, prepend, mark).spelled).toBe(`_${"_".repeat(many)}a`);
  // Pairs are counted from the first one on, wherever a text may be cut.
  expect(spell(`a${spaces}a`, twice).spelled).toBe(`a${"b".repeat(many >> 1)} a`);
  const dots = { type: "Replace", pattern: { String: ".." }, content: "b" };
  for (const word of ["a", "ab"]) {
    expect(spell(word + ".".repeat(many), dots).spelled).toBe(`${word}${"b".repeat(many >> 1)}.`);
  }
});

test("texts of tokens come back from every block", () => {
  const part = new Part();
  for (let at = 0; at < 40_000; at += 3) part.setText(at, `text ${at}`);
  const wrong = Array.from({ length: 40_000 }, (_, at) => at).filter(
    (at) => part.text(at) !== (at % 3 === 0 ? `text ${at}` : undefined),
  );
  expect(wrong).toEqual([]);
});

test("a character of two units is cut nowhere in a long word without an unknown token", () => {
  const { ids, offsets } = openJson({ type: "BPE", vocab: { a: 0, "😀": 1 }, merges: [] }).encode(
    `a${"😀".repeat(9000)}`,
  );
  expect([ids.length, ids.slice(1).every((id) => id === 1), offsets[9000]]).toEqual([9001, true, [17_999, 18_001]]);
});

test("where characters vanish from a long word, places are sums of lengths across its parts", () => {
  // As the library: what is left counts from the beginning, as if nothing had been between.
  const { ids, offsets } = openJson({ type: "BPE", vocab: { a: 0 }, merges: [] }).encode("éa".repeat(20_000));
  expect(ids.length).toBe(20_000);
  expect([offsets[0], offsets[1], offsets[2], offsets[3]]).toEqual([
    [0, 1],
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
  expect(offsets[19_999]).toEqual([13_332, 13_333]);
});

test.each([
  ["NFKC", "x", "\uff8a\uff9e"],
  ["NFC", "x", "\u1100\u1161"],
  ["NFC", "x", "\u1100\u1161\u11a8"],
  ["NFC", "xy", "e\u0323\u0301"],
  ["NFD", "", "\u00e9"],
  ["NFKC", "", "か\u3099"],
] as const)("%s of a text that begins with %j and goes on with %j is the same with pauses", (form, begin, unit) => {
  const text = begin + unit.repeat(40_000);
  const changed = drain(unicodeForm(form).steps?.({ text, at: 0 }) as Generator<undefined, Aligned>);
  expect(changed.text === text.normalize(form)).toBe(true);
});
