import fc from "fast-check";
import { expect, test } from "vitest";
import { compatibilityJamo, joinConjoining, joinHangul, splitConjoining, splitHangul } from "../src/index.ts";

const every = Array.from({ length: 11_172 }, (_, index) => String.fromCharCode(0xac00 + index)).join("");
const koreanText = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0xac00, max: 0xd7a3 }).map((code) => String.fromCharCode(code)),
      fc.constantFrom(" ", "a", "😀"),
    ),
  )
  .map((characters) => characters.join(""));

test("a syllable is its initial, medial and final, a cluster one letter", () => {
  expect(splitHangul("가 닭 끓 힣a")).toBe("ㄱㅏ ㄷㅏㄺ ㄲㅡㅀ ㅎㅣㅎa");
  expect(splitHangul("\uabff\ud7a4")).toBe("\uabff\ud7a4");
});

test("splitting and joining is the identity on syllables and what is no Hangul", () => {
  expect(joinHangul(splitHangul(every))).toBe(every);
  fc.assert(
    fc.property(koreanText, (text) => {
      expect(joinHangul(splitHangul(text))).toBe(text);
      expect(joinConjoining(splitConjoining(text))).toBe(text);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("a consonant closes a syllable unless a vowel follows it", () => {
  expect(joinHangul("ㄱㅏㄱㅏㄱㄱㅏ")).toBe("가각가");
  expect(joinHangul("ㅋㅋㅏㄸㅗㄸㅏㅣㅏ")).toBe("ㅋ카또따ㅣㅏ");
  expect(joinHangul("ㄷㅏㄸ")).toBe("다ㄸ");
});

test("conjoining jamo are those of Unicode's decomposition", () => {
  expect(splitConjoining(every)).toBe(every.normalize("NFD"));
  expect(joinConjoining(every.normalize("NFD"))).toBe(every);
  expect(joinConjoining("가\u11a8")).toBe("각");
  expect(joinConjoining("각\u11a8\u11c3")).toBe("각\u11a8\u11c3");
  expect(splitConjoining("é")).toBe("é");
});

test("conjoining jamo and compatibility jamo are the same letters", () => {
  expect(compatibilityJamo(splitConjoining(every))).toBe(splitHangul(every));
  expect(compatibilityJamo("\u1100\u1161\u11a7\u11c3\u1113")).toBe("ㄱㅏ\u11a7\u11c3\u1113");
});

test("every text comes back where that is asked for, with fillers between jamo that stand alone", () => {
  const reversible = { reversible: true };
  expect(splitHangul("안ㅏ", reversible)).toBe("ㅇㅏㄴ\u3164ㅏ");
  expect(splitHangul("안녕", reversible)).toBe("ㅇㅏㄴㄴㅕㅇ");
  expect(splitHangul("가\u3164나", reversible)).toBe("ㄱㅏ\u3164\u3164ㄴㅏ");
  const letters = fc.constantFrom(..."가간갉아나ㄱㄴㄳㅏㅘㅤa 漢ᄀ\u1160\u115f힣뷁ㅋㅠ".split(""));
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 12 }), (characters) => {
      const text = characters.join("");
      expect(joinHangul(splitHangul(text, reversible), reversible)).toBe(text);
    }),
    { numRuns: 5000 },
  );
});
