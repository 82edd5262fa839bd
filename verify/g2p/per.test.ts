import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compare, phonesOf, readReferences, readTsv, score } from "./per.ts";

const data = new URL("../../../shared/data/g2p/", import.meta.url);

const english = readReferences(
  "a AH0\na(2) EY1\nchurch CH ER1 CH # a comment\nhello HH AH0 L OW1\ndrawing D R AO1 IH0 NG\n",
);
const korean = readReferences("가\t/ka̠/\n계\t/kje̞/, /ke̞/\n값\t/ka̠p̚/\n");

describe("phonesOf", () => {
  test("counts diphthongs and affricates once, and ignores stress and length", () => {
    expect(phonesOf("ˈt͡ʃaɪld", "en")).toEqual(["t͡ʃ", "aɪ", "l", "d"]);
    expect(phonesOf("hɛˈloʊ", "en")).toEqual(["h", "ɛ", "l", "oʊ"]);
    expect(phonesOf("ˈka̠ːɡa̠", "ko")).toEqual(["k", "a", "ɡ", "a"]);
  });
  test("takes g for ɡ, ɚ for ɝ, and in English ə for ʌ", () => {
    expect(phonesOf("gɚə", "en")).toEqual(["ɡ", "ɝ", "ʌ"]);
    expect(phonesOf("ə", "ko")).toEqual(["ə"]);
  });
  test("keeps aspiration, tenseness, unreleased stops and palatal consonants", () => {
    expect(phonesOf("kʰa̠k͈a̠k̚ɕʰi", "ko")).toEqual(["kʰ", "a", "k͈", "a", "k̚", "ɕʰ", "i"]);
    expect(phonesOf("t͡ɕʰt͡ɕ͈t͡ɕ", "ko")).toEqual(["t͡ɕʰ", "t͡ɕ͈", "t͡ɕ"]);
  });
  test("counts a Korean glide with its vowel", () => {
    expect(phonesOf("kwa̠njʌ̹", "ko")).toEqual(["k", "wa", "n", "jʌ"]);
    expect(phonesOf("kwɑjɛ", "en")).toEqual(["k", "w", "ɑ", "j", "ɛ"]);
  });
});

describe("compare", () => {
  test.each([
    ["", "", 0],
    ["abc", "abc", 0],
    ["abc", "", 3],
    ["", "ab", 2],
    ["abc", "axc", 1],
    ["abc", "ac", 1],
    ["abc", "abxc", 1],
    ["kitten", "sitting", 3],
  ])("%j to %j takes %d edits", (wanted, written, edits) => {
    const result = compare([...wanted], [...written]);
    expect(result.edits).toBe(edits);
    expect(result.pairs.filter(([a, b]) => a !== b)).toHaveLength(edits);
    expect(result.pairs.map(([a]) => a).join("")).toBe(wanted);
    expect(result.pairs.map(([, b]) => b).join("")).toBe(written);
  });
});

describe("score", () => {
  test("takes the closest reference", () => {
    expect(score([["a", "eɪ"]], english)).toMatchObject({ words: 1, wrong: 0, edits: 0, phones: 1, per: 0, wer: 0 });
    expect(score([["계", "ke"]], korean)).toMatchObject({ edits: 0, phones: 2 });
  });
  test("sums edits over summed lengths, not rates over words", () => {
    // church: 1 of 3 phones; hello: 1 of 4; together 2 of 7.
    const result = score(
      [
        ["church", "t͡ʃɝʃ"],
        ["hello", "hʌloʊz"],
      ],
      english,
    );
    expect(result).toMatchObject({ words: 2, wrong: 2, edits: 2, phones: 7 });
    expect(result.per).toBeCloseTo(200 / 7, 12);
    expect([...result.confusions]).toEqual([
      ["t͡ʃ\tʃ", 1],
      ["\tz", 1],
    ]);
  });
  test("a missing tie bar is an error, a missing vowel-quality mark is none", () => {
    expect(score([["church", "tʃɝt͡ʃ"]], english).edits).toBe(2);
    expect(score([["값", "kap̚"]], korean).edits).toBe(0);
    expect(score([["값", "kap"]], korean).edits).toBe(1);
  });
  test("words of either form of Hangul are the same word", () => {
    expect(score(readTsv("가\tka\n".normalize("NFD")), korean).edits).toBe(0);
  });
  test("the references scored against themselves give 0", () => {
    for (const references of [english, korean]) {
      const lines = [...references].flatMap(([word, all]) => all.map((ipa): [string, string] => [word, ipa]));
      expect(score(lines, references)).toMatchObject({ words: lines.length, edits: 0, per: 0 });
    }
  });
  test("a word without a reference is an error that names it", () => {
    expect(() => score([["zebra", "z"]], english)).toThrow("references: expected zebra, got none");
  });
});

describe("files", () => {
  test("a line without a tab is an error that shows it", () => {
    expect(() => readTsv("one two")).toThrow('tsv: expected word<TAB>ipa, got "one two"');
  });
  test("an unknown phone is an error that names it", () => {
    expect(() => readReferences("x QQ\n")).toThrow("cmudict: expected an ARPAbet phone, got QQ");
  });
});

const here = existsSync(data);
const because = here ? "" : " (skipped: ../shared/data/g2p is absent)";

describe.skipIf(!here)(`the dictionaries${because}`, () => {
  test.each([
    ["cmudict.dict", 119_789, 128_162],
    ["ipa-dict-ko.tsv", 59_390, 63_389],
  ])("%s scored against itself gives 0 %%", (file, words, pronunciations) => {
    const references = readReferences(readFileSync(new URL(file, data), "utf8"));
    const lines = [...references].flatMap(([word, all]) => all.map((ipa): [string, string] => [word, ipa]));
    expect(references.size).toBe(words);
    expect(lines.length).toBeGreaterThanOrEqual(pronunciations);
    expect(score(lines, references)).toMatchObject({ words: lines.length, edits: 0, per: 0, wer: 0 });
  });
});
