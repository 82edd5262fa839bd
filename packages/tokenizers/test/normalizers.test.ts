import fc from "fast-check";
import { expect, test } from "vitest";
import { inForm, unicodeForm } from "../src/normalizers.ts";
import { openJson, wordLevel } from "./tokenizer-files.ts";

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

test("and take time by their length", () => {
  const time = (pairs: number): number => {
    const text = `e${"\u0301\u0323".repeat(pairs)}`;
    const begin = performance.now();
    inForm(text, "NFC");
    return performance.now() - begin;
  };
  const best = (pairs: number): number => Math.min(time(pairs), time(pairs), time(pairs));
  // The engine alone takes 16 times as long.
  expect(best(80_000) / best(20_000)).toBeLessThan(9);
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
