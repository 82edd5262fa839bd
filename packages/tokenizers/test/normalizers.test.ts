import fc from "fast-check";
import { expect, test } from "vitest";
import { type Aligned, beginOf, endOf } from "../src/aligned.ts";
import { inForm, unicodeForm } from "../src/unicode-forms.ts";
import { growth, openJson, wordLevel } from "./tokenizer-files.ts";

const forms = ["NFC", "NFD", "NFKC", "NFKD"] as const;
const marks = Array.from({ length: 0xe01f0 }, (_, codePoint) => codePoint)
  .filter((codePoint) => codePoint >= 0x300 && !(codePoint >= 0xd800 && codePoint < 0xe000))
  .map((codePoint) => String.fromCodePoint(codePoint))
  .filter((character) => /\p{M}/u.test(character));

test("long runs of marks come out in the engine's order", () => {
  const mark = fc.oneof(fc.constantFrom(...marks), fc.constantFrom(...marks.slice(0, 80)));
  const run = fc.array(mark, { minLength: 64, maxLength: 130 }).map((found) => `e${found.join("")}x`);
  fc.assert(
    fc.property(run, fc.constantFrom(...forms), (text, form) => {
      expect(inForm(text, form)).toBe(text.normalize(form));
    }),
    { seed: 4, numRuns: 300 },
  );
});

test.each(forms)("%s of a letter with tens of thousands of marks is the same with pauses", (form) => {
  const normalize = unicodeForm(form);
  const letters = ["e", "é", "ệ", "ﬁ", "か", "ﾊ", "가", "", "ẛ", "\u09c7", "㌀"];
  const runs = [
    "\u0301\u0323",
    "\u0308\u0301\u0301",
    "\u3099\u0345\u0302",
    "\u0344\u0327",
    "\u0316\u09be",
    "\u0301\u1abf",
  ];
  for (const [index, letter] of letters.entries()) {
    for (const run of [runs[index % runs.length], runs[(index + 1) % 5]]) {
      const text = `ab é${letter}${run.repeat(40_000 / run.length)}é b`;
      const steps = normalize.steps?.({ text, at: 0 }) as Generator<undefined, Aligned>;
      let pauses = 0;
      let changed = steps.next();
      for (; !changed.done; pauses++) changed = steps.next();
      expect(pauses).toBeGreaterThan(5);
      const found = changed.value as Aligned;
      const expected = normalize({ text, at: 0 });
      expect([letter, run, found.text === expected.text]).toEqual([letter, run, true]);
      for (let at = 0; at < found.text.length; at++) {
        const [begin, end] = [beginOf(found, at), endOf(found, at)];
        if (begin !== beginOf(expected, at) || end !== endOf(expected, at)) expect.fail(`${letter} ${run} at ${at}`);
      }
    }
  }
});

test("and take time by their length", () => {
  const compose = (pairs: number) => () => inForm(`e${"\u0301\u0323".repeat(pairs)}`, "NFC");
  // The engine alone takes 16 times as long.
  expect(growth(compose(20_000), compose(80_000), 9)).toBeLessThan(9);
});

// From tokenizers 0.23.3, whose tables are those of Unicode 9.
test.each([
  ["NFKC", "\u32ff ①", "\u32ff 1"],
  ["NFKC", "\u{1fbf1}\ua7f2ﬁ", "\u{1fbf1}\ua7f2fi"],
  ["NFKD", "é\u{10781}\u{1e030}\u{1f16c}é", "e\u0301\u{10781}\u{1e030}\u{1f16c}e\u0301"],
  ["NFD", "\u{11938}\u{105c9}é", "\u{11938}\u{105c9}e\u0301"],
  ["NFC", "\u{11935}\u{11930}e\u0301\u{105d2}\u0307", "\u{11935}\u{11930}é\u{105d2}\u0307"],
  ["NFC", "a\u0301\u1abf\u0316", "á\u1abf\u0316"],
  ["NFD", "á\u{1e4ee}\u0316\u0345\u0334", "a\u0301\u{1e4ee}\u0334\u0316\u0345"],
] as const)("%s leaves what is newer than Unicode 9 as it is: %j", (form, text, expected) => {
  expect(unicodeForm(form)({ text, at: 0 }).text).toBe(expected);
});

test("runs of millions need no stack", () => {
  for (const character of ["\u1100", "\ud800"]) {
    const text = `e${character.repeat(10_000_000)}`;
    expect(unicodeForm("NFC")({ text, at: 0 }).text === text).toBe(true);
  }
  const marks = `x${"\u0323".repeat(4_500_000)}`;
  expect(inForm(marks, "NFC") === marks).toBe(true);
});

test("what is put where nothing was comes from nowhere", () => {
  const characters = { pre_tokenizer: { type: "Split", pattern: { String: "" }, behavior: "Isolated" } };
  const normalizer = { type: "Replace", pattern: { Regex: "^" }, content: "b" };
  const { tokens, offsets } = openJson(wordLevel("?", "a", "b"), { normalizer, ...characters }).encode("a");
  expect([tokens, offsets]).toEqual([
    ["b", "a"],
    [
      [0, 0],
      [0, 1],
    ],
  ]);
});

test("every character that the first one becomes is the first, to a Metaspace step that follows others", () => {
  const pretokenizers = [
    { type: "WhitespaceSplit" },
    { type: "Digits", individual_digits: true },
    { type: "Metaspace", prepend_scheme: "first" },
  ];
  const pre_tokenizer = { type: "Sequence", pretokenizers };
  const tokenizer = openJson(wordLevel("?"), { normalizer: { type: "NFKC" }, pre_tokenizer });
  expect(tokenizer.encode("½a").tokens.length).toBe(4);
  const words = openJson(wordLevel("?", "▁1", "▁⁄", "▁2", "a"), { normalizer: { type: "NFKC" }, pre_tokenizer });
  expect(words.encode("½a ½").ids).toEqual([1, 2, 3, 4, 0, 0, 0]);
});
