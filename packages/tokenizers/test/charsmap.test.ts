import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Charsmap } from "../src/charsmap.ts";
import { codePointPlaces } from "./offsets.ts";
import { shared } from "./shared.ts";

const fixture = (name: string) => JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8"));
const charsmap = new Charsmap(Buffer.from(fixture("sentencepiece").charsmap, "base64"), "test");
const { library, charsmap: cases } = fixture("unigram");

/** The normalized text, and where each of its characters lies in the original, in code points. */
function normalize(map: Charsmap, text: string, rule: "huggingface" | "sentencepiece" = "huggingface") {
  const { text: normalized, begins, ends } = map.normalize({ text, at: 0 }, rule);
  const places = codePointPlaces(text);
  const offsets: number[] = [];
  let at = 0;
  for (const { length } of normalized) {
    offsets.push(places[begins ? begins[at] : at], places[ends ? ends[at + length - 1] : at + length]);
    at += length;
  }
  return [normalized, offsets];
}

test(`text and offsets of ${library}`, () => {
  for (const [text, normalized, offsets] of cases) {
    expect([text, ...normalize(charsmap, text)]).toEqual([text, normalized, offsets]);
  }
});

test("text that has nothing to replace is returned as it is", () => {
  const input = { text: "plain かな 한국", at: 7 };
  expect(charsmap.normalize(input, "huggingface")).toBe(input);
  expect(charsmap.normalize(input, "sentencepiece")).toBe(input);
});

test("the rules differ: the longest match, or the shortest for a whole cluster", () => {
  expect(normalize(charsmap, "ﬁ\u0301x", "sentencepiece")).toEqual(["fi\u0301x", [0, 1, 0, 1, 1, 2, 2, 3]]);
  expect(normalize(charsmap, "ﬁ\u0301x")).toEqual(["fix", [0, 1, 1, 2, 2, 3]]);
  expect(normalize(charsmap, "adx", "sentencepiece")[0]).toBe("bx");
  expect(normalize(charsmap, "adx")[0]).toBe("adx");
});

test("offsets are in the text that the user gave, where the text is a part of that", () => {
  const begins = Int32Array.of(9, 9, 10, 20);
  const ends = Int32Array.of(9, 10, 12, 30);
  const { text, begins: from, ends: to } = charsmap.normalize({ text: "aﬁ", at: 2, begins, ends }, "huggingface");
  expect([text, from?.slice(0, 3), to?.slice(0, 3)]).toEqual([
    "afi",
    Int32Array.of(10, 20, 20),
    Int32Array.of(12, 30, 30),
  ]);
});

describe.skipIf(!shared)("the charsmap of XLM-R", () => {
  const json =
    shared && readFileSync(`${shared}tokenizers/rebuilt/xlm-roberta-base/tokenizer.json`, "utf8").slice(0, 1e6);
  const map = new Charsmap(
    Buffer.from(/"precompiled_charsmap":"([^"]*)"/.exec(json || "")?.[1] ?? "CAAAAAAAAAAAAAAA", "base64"),
    "test",
  );

  test("composes decomposed kana and Hangul by sentencepiece's rule only", () => {
    expect(normalize(map, "ﾊﾞ", "sentencepiece")[0]).toBe("バ");
    expect(normalize(map, "ﾊﾞ")[0]).toBe("ハ\u3099");
    expect(normalize(map, "e\u0301", "sentencepiece")[0]).toBe("é");
  });

  test("takes time in proportion to the text's length", () => {
    for (const part of ["plain text ", "ＡＢＣ", "क्षि", "👨‍👩‍👧 ", "\u0301", "🇰🇷"]) {
      const text = part.repeat(100_000 / part.length);
      const begin = performance.now();
      expect(map.normalize({ text, at: 0 }, "huggingface").text.length).toBeGreaterThan(90_000);
      expect(performance.now() - begin).toBeLessThan(2000);
    }
  });

  test("pauses in texts that have no place to be cut", () => {
    const jamo = "안녕하세요 각나가".normalize("NFD");
    for (const part of [
      "1\t2\n",
      jamo,
      "ﷺ",
      "ﻣﺮ ",
      "a\u0301\u0302 ",
      "\t\u0301",
      "\r\n\u0301",
      "\u1100\u1100\u1161\u11a8 ",
    ]) {
      const text = part.repeat(20_000 / part.length);
      const steps = map.normalizeSteps({ text, at: 0 }, "huggingface");
      let pauses = 0;
      let last = steps.next();
      for (; !last.done; last = steps.next()) pauses++;
      expect([part, pauses > 10]).toEqual([part, true]);
      const short = map.normalize({ text: part, at: 0 }, "huggingface").text;
      expect(last.value.text.startsWith(short.repeat(3))).toBe(true);
    }
  });

  test("finds clusters across the pieces that a segmenter is given", () => {
    // A cluster of 5 bytes whose first character is replaced loses its mark, wherever it stands.
    for (const before of [250, 251, 252, 253, 254, 255, 256, 257]) {
      const text = `x${"\u0301".repeat(before)}`;
      expect(map.normalize({ text: `${text}ª\u0301y`, at: 0 }, "huggingface").text).toBe(`${text}ay`);
      expect(map.normalize({ text: `${"🇰🇷".repeat(before)}ª\u0301🇰`, at: 0 }, "huggingface").text).toBe(
        `${"🇰🇷".repeat(before)}a🇰`,
      );
    }
  });
});

test("a grapheme cluster of many marks ends where one of few does", () => {
  const few = "e\u0301\u0327\u0301";
  for (const after of ["ﬁ\u0301x", "\u200d👍", "a", "\u{1f3fd}ﬁ", ""]) {
    const [short] = normalize(charsmap, few + after);
    for (const count of [400, 1500, 5000]) {
      const long = few + "\u0301".repeat(count) + "\u{1d165}".repeat(count);
      const [marked] = normalize(charsmap, long + after) as [string];
      expect(marked).toBe(
        normalize(charsmap, long)[0] + (short as string).slice((normalize(charsmap, few)[0] as string).length),
      );
    }
  }
});
