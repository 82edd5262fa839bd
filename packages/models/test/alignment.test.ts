// Which letters each phone is written with, beside what a person says of it.
import { describe, expect, test } from "vitest";
import { alignPhones } from "../src/phonetics/align.ts";
import { phonesOf } from "../src/phonetics/phones.ts";

/** Letters and their phones, in order: `x:k+s` stands for two, `e:` is not heard. */
const english = [
  "kn:n igh:aɪ t:t",
  "th:θ r:ɹ ough:u",
  "th:θ ough:ɔ t:t",
  "d:d augh:ɔ t:t er:ɝ",
  "eigh:eɪ t:t",
  "ph:f o:oʊ n:n e:",
  "ph:f y:ɪ s:z i:ɪ c:k s:s",
  "e:ɪ x:ɡ+z a:æ m:m",
  "b:b o:ɑ x:k+s e:ɪ s:z",
  "c:k u:j+u t:t e:",
  "f:f ew:j+u",
  "b:b eau:j+u t:t y:i",
  "v:v i:j ew:u",
  "o:ʌ n:n i:j o:ə n:n",
  "m:m i:ɪ ll:l i:j o:ə n:n",
  "n:n a:eɪ ti:ʃ o:ə n:n",
  "m:m i:ɪ ssi:ʃ o:ə n:n",
  "v:v i:ɪ si:ʒ o:ə n:n",
  "s:s p:p e:ɛ ci:ʃ a:ə l:l",
  "m:m ea:ɛ s:ʒ ur:ɝ e:",
  "n:n a:eɪ t:t͡ʃ ur:ɝ e:",
  "ch:t͡ʃ ur:ɝ ch:t͡ʃ",
  "m:m a:æ tch:t͡ʃ",
  "b:b r:ɹ i:ɪ dg:d͡ʒ e:",
  "gn:n o:oʊ m:m e:",
  "l:l a:æ mb:m",
  "wr:ɹ i:aɪ t:t e:",
  "ps:s y:aɪ ch:k i:ɪ c:k",
  "h: o:ɑ n:n e:ə s:s t:t",
  "rh:ɹ y:ɪ th:ð m:ə+m",
  "t:t a:eɪ b:b le:ə+l",
  "c:s e:ɛ n:n t:t er:ɝ",
  "s:s i:ɪ ng:ŋ er:ɝ",
  "f:f i:ɪ n:ŋ g:ɡ er:ɝ",
  "th:θ i:ɪ n:ŋ k:k",
  "l:l a:æ n:ŋ g:ɡ u:w a:ə g:d͡ʒ e:",
  "qu:k+w ee:i n:n",
  "gu:ɡ e:ɛ ss:s",
  "h:h a:æ pp:p y:i",
  "o:ə cc:k ur:ɝ",
  "a:ə c:k c:s e:ɛ p:p t:t",
  "sc:s i:aɪ e:ə n:n c:s e:",
  "sc:s i:ɪ ss:z or:ɝ s:z",
  "i:aɪ s: l:l a:ə n:n d:d",
  "m:m u:ʌ sc:s le:ə+l",
  "c:k a:æ st:s le:ə+l",
  "w:w a:ɔ l: k:k e: d:t",
  "c:k r:ɹ e:i a:eɪ t:t e:",
  "i:aɪ d:d e:i a:ə",
  "m:m e:i d:d i:i a:ə",
  "a:ɛ r:ɹ e:i a:ə",
  "c:k u:j+ʊ r:ɹ i:i ou:ə s:s",
  "p:p o:oʊ e:ə t:t",
  "l:l i:aɪ o:ə n:n",
  "p:p eo:i p:p le:ə+l",
  "f:f r:ɹ ie:ɛ n:n d:d",
  "s:s ai:ɛ d:d",
  "b:b l:l oo:ʌ d:d",
  "b:b e:ɪ c:k au:ɔ s:z e:",
  "y:j e:ɛ ll:l ow:oʊ",
  "o:w+ʌ n:n e:",
  "w:w e:ɛ d: n:n e: s:z d:d ay:eɪ",
  "p:p i:i zz:t+s a:ə",
  "d:d o:oʊ n:n ': t:t",
  "o:oʊ ': n:n ei:i l:l",
  "v:v a:æ c:k u:j u:u m:m",
  "sh:ʃ e:ɛ p:p h: er:ɝ d:d",
  "th:t o:ɑ m:m a:ə s:s",
  "a:ɑ r:ɹ ch:k i:ə t:t e:ɛ c:k t:t",
];
const korean = [
  "ㄷ:d ㅏ:a ㄺ:g",
  "ㄷ:d ㅏ:a ㄺ:g ㄱ:k͈ ㅏ:a ㄹ:l ㅂ:b ㅣ:i",
  "ㅇ: ㅡ:ɯ ㅁ:m ㅇ: ㅏ:a ㄱ:g",
  "ㅇ: ㅏ:a ㄴ:n ㄴ:n ㅕ:jʌ ㅇ:ŋ",
  "ㅈ:t͡ɕ ㅗ:o ㅎㄷ:tʰ ㅏ:a",
  "ㅊ:t͡ɕʰ ㅜ:u ㄱㅎ:kʰ ㅏ:a",
  "ㅈ:t͡ɕ ㅗ:o ㅎ: ㅇ: ㅏ:a",
  "ㅁ:m ㅏ:a ㄶ:n ㅇ: ㅣ:i",
  "ㅇ: ㅏ:a ㄵ:n ㄷ:t͈ ㅏ:a",
  "ㄱ:k ㅏ:a ㅄ:p+s͈ ㅇ: ㅣ:i",
  "ㅇ: ㅕ:jʌ ㅇ:ŋ ㅇ: ㅓ:ʌ",
  "ㅇ: ㅢ:ɯi ㅅ:s ㅏ:a",
  "ㄲ:k͈ ㅗ:o ㅊ:n ㅇ:n ㅣ:i ㅍ:p̚",
  "ㄱ:g ㅏ:a ㅌ:t͡ɕʰ ㅇ: ㅣ:i",
  "ㄷ:t ㅗ:o ㄱ:ŋ ㄹ:n ㅣ:i ㅂ:p̚",
  "ㅅ:sʰ ㅓ:ʌ̹ ㄹ:ɾ ㅇ: ㅢ:ɰi",
];

/** What stands in a line of the lists above. */
function parse(line: string) {
  const letters: string[] = [];
  const phones: string[] = [];
  const ranges: [number, number][] = [];
  for (const group of line.split(" ")) {
    const [spelling, sound] = group.split(":");
    const range: [number, number] = [letters.length, letters.length + spelling.length];
    letters.push(...spelling);
    for (const phone of sound === "" ? [] : sound.split("+")) {
      phones.push(phone);
      ranges.push(range);
    }
  }
  return { letters, phones, ranges };
}

const told = (letters: readonly string[], phones: readonly string[], ranges: readonly (readonly number[])[]) =>
  `${letters.join("")}: ${phones.map((phone, index) => `${letters.slice(...ranges[index]).join("")}→${phone}`).join(" ")}`;

describe.each([
  ["english", english, "latin"],
  ["korean", korean, "hangul"],
] as const)("phones of %s words", (_, lines, script) => {
  test("are found at the letters where a person finds them", () => {
    const found = lines.map((line) => {
      const { letters, phones } = parse(line);
      return told(letters, phones, alignPhones(letters, phones, script));
    });
    const expected = lines.map((line) => {
      const { letters, phones, ranges } = parse(line);
      return told(letters, phones, ranges);
    });
    expect(found).toEqual(expected);
  });

  test("are found there, too, where the model says which letter it wrote each one for", () => {
    for (const line of lines) {
      const { letters, phones, ranges } = parse(line);
      for (const end of [0, 1]) {
        const anchors = ranges.map((range) => (end === 0 ? range[0] : range[1] - 1));
        const found = alignPhones(letters, phones, script, anchors);
        expect(told(letters, phones, found)).toBe(told(letters, phones, ranges));
      }
    }
  });
});

test("choir is not: a person finds both of w and aɪ in oi, and r alone in ɝ", () => {
  const [letters, phones] = [Array.from("choir"), ["k", "w", "aɪ", "ɝ"]];
  expect(told(letters, phones, alignPhones(letters, phones, "latin"))).toBe("choir: ch→k o→w o→aɪ ir→ɝ");
});

describe("an alignment", () => {
  test("is where the model says, against all spelling", () => {
    const [letters, phones] = [Array.from("abcd"), ["t", "ɑ"]];
    expect(alignPhones(letters, phones, "latin", [2, 3])).toEqual([
      [2, 3],
      [3, 4],
    ]);
  });

  test("is in order and covers every phone, however many there are for however few letters", () => {
    for (const script of ["latin", "hangul"] as const) {
      for (let count = 0; count < 40; count++) {
        for (const word of ["a", "kst", "ㅇㅏ", "'", "<unk>xx"]) {
          const letters = Array.from(word);
          const phones = Array.from({ length: count }, (_, index) => ["t͡ʃ", "ɑ", "5", "sʰ", "ɝ"][(index * 7) % 5]);
          const found = alignPhones(letters, phones, script);
          expect(found).toHaveLength(count);
          found.forEach(([begin, end], index) => {
            expect(begin).toBeGreaterThanOrEqual(index > 0 ? found[index - 1][0] : 0);
            expect(end).toBeGreaterThan(begin);
            expect(end).toBeLessThanOrEqual(letters.length);
          });
        }
      }
    }
  });
});

describe("IPA is cut into phones", () => {
  test.each([
    ["t͡ʃɝt͡ʃ", ["t͡ʃ", "ɝ", "t͡ʃ"]],
    ["aɪoʊeəɔɪ", ["aɪ", "oʊ", "eə", "ɔɪ"]],
    ["həˈloʊ", ["h", "ə", "ˈl", "oʊ"]],
    ["biːtʰ", ["b", "iː", "tʰ"]],
    ["kjut", ["k", "j", "u", "t"]],
    ["tu wʌn", ["t", "u", "w", "ʌ", "n"]],
    ["", []],
  ])("%s", (ipa, phones) => {
    expect(phonesOf(ipa, "latin")).toEqual(phones);
  });

  test("a glide and its vowel are one in Korean", () => {
    expect(phonesOf("hagjʌɯit͡ɕ͈ʰp̚", "hangul")).toEqual(["h", "a", "g", "jʌ", "ɯi", "t͡ɕ͈ʰ", "p̚"]);
  });
});
