// Texts as they are read: numbers, letters, apostrophes and words of a lexicon.
import { G2PTokenizer } from "@kiloformer/tokenizers";
import { describe, expect, test } from "vitest";
import { readLexicon } from "../src/phonetics/lexicon.ts";
import { readNumber } from "../src/phonetics/numbers.ts";
import { readText } from "../src/phonetics/spoken.ts";
import { failing } from "./shared.ts";

const jamo = "ㄱㄲㄳㄴㄵㄶㄷㄸㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅃㅄㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ";
const vocabularyOf = (letters: string) =>
  new G2PTokenizer(Object.fromEntries(["<unk>", "<sos>", "<eos>", ...letters].map((token, id) => [token, id])));
const tokenizer = vocabularyOf(`abcdefghijklmnopqrstuvwxyz${jamo}`);
const apostrophes = vocabularyOf(`abcdefghijklmnopqrstuvwxyz'`);

const silent = () => {};

/** What is read, words in brackets. */
const read = (text: string, by = tokenizer, numbers = true, lexicon = {}) =>
  readText(text, by, numbers, readLexicon("test", lexicon, silent))
    .map(({ kind, text, ipa }) => (kind === "word" ? `[${ipa === undefined ? text : `/${ipa}/`}]` : text))
    .join("");
const words = (text: string) => read(text).replace(/[[\]]/g, "");

describe("a number in English", () => {
  test.each([
    ["0", "zero"],
    ["7", "seven"],
    ["10", "ten"],
    ["19", "nineteen"],
    ["20", "twenty"],
    ["42", "forty two"],
    ["100", "one hundred"],
    ["101", "one hundred one"],
    ["999", "nine hundred ninety nine"],
    ["1000", "one thousand"],
    ["1,100", "one thousand one hundred"],
    ["12345", "twelve thousand three hundred forty five"],
    ["1,000,000", "one million"],
    ["1000001", "one million one"],
    ["2,000,000,000", "two billion"],
    ["1,000,000,000,000", "one trillion"],
    ["999999999999999", /^nine hundred ninety nine trillion .* nine hundred ninety nine$/],
    ["1000000000000000", "one quadrillion"],
    ["1000000000000001", /^one( zero){14} one$/],
    ["12345678901234567", /^one two three/],
    ["007", "zero zero seven"],
    ["-5", "minus five"],
    ["−1,234.05", "minus one thousand two hundred thirty four point zero five"],
    ["0.5", "zero point five"],
    ["3.14", "three point one four"],
    ["1984", "nineteen eighty four"],
    ["1900", "nineteen hundred"],
    ["1905", "nineteen oh five"],
    ["1901", "nineteen oh one"],
    ["11999", "eleven thousand nine hundred ninety nine"],
    ["1066", "one thousand sixty six"],
    ["1100", "eleven hundred"],
    ["2000", "two thousand"],
    ["2009", "two thousand nine"],
    ["2010", "twenty ten"],
    ["2026", "twenty twenty six"],
    ["2100", "two thousand one hundred"],
    ["1984.5", "one thousand nine hundred eighty four point five"],
  ])("%s", (figures, expected) => {
    const said = readNumber(figures, "", false);
    if (typeof expected === "string") expect(said).toBe(expected);
    else expect(said).toMatch(expected);
  });

  test.each([
    ["1", "st", "first"],
    ["2", "nd", "second"],
    ["3", "rd", "third"],
    ["5", "th", "fifth"],
    ["8", "th", "eighth"],
    ["9", "th", "ninth"],
    ["11", "th", "eleventh"],
    ["12", "th", "twelfth"],
    ["20", "th", "twentieth"],
    ["21", "st", "twenty first"],
    ["100", "th", "one hundredth"],
    ["1984", "th", "one thousand nine hundred eighty fourth"],
    ["1,000,000", "th", "one millionth"],
    ["1990", "s", "nineteen nineties"],
    ["6", "s", "sixes"],
    ["26", "s", "twenty sixes"],
    ["1960", "s", "nineteen sixties"],
    ["1900", "s", "nineteen hundreds"],
  ])("%s%s", (figures, suffix, expected) => {
    expect(readNumber(figures, suffix, false)).toBe(expected);
  });
});

describe("a number in Korean", () => {
  test.each([
    ["0", "영"],
    ["1", "일"],
    ["10", "십"],
    ["11", "십일"],
    ["20", "이십"],
    ["105", "백오"],
    ["1984", "천구백팔십사"],
    ["2026", "이천이십육"],
    ["10000", "만"],
    ["10,001", "만 일"],
    ["12345", "만 이천삼백사십오"],
    ["110000", "십일만"],
    ["100000000", "일억"],
    ["123456789", "일억 이천삼백사십오만 육천칠백팔십구"],
    ["1000000000000", "일조"],
    ["1000000000000000", "천조"],
    ["1000000000000001", "일공공공 공공공공 공공공공 공공공일"],
    ["010", "공일공"],
    ["-3", "마이너스 삼"],
    ["3.05", "삼점 영오"],
  ])("%s", (figures, expected) => {
    expect(readNumber(figures, "", true)).toBe(expected);
  });
});

describe("numbers in a text", () => {
  test.each([
    ["I have 3 cats and 2 dogs.", "I have three cats and two dogs."],
    ["On the 1st, 2nd and 3rd of May", "On the first, second and third of May"],
    ["The 1990s.", "The nineteen nineties."],
    ["It was -5, not 10-20; see (-3).", "It was minus five, not ten-twenty; see (minus three)."],
    ["MP3, b2b and 3D in 4K", "MP three, b two b and three D in four K"],
    [
      "12.05.2024, 1,2,3, v1.2.3, 192.168.0.1",
      /^twelve\.zero five\.twenty twenty four, one,two,three, v one\.two\.three, one/,
    ],
    ["1,234 of 1234,567", "one thousand two hundred thirty four of twelve thirty four,five hundred sixty seven"],
    ["5.", "five."],
    ["42", "forty two"],
    ["제3장, 5개, 1,000원", "제삼장, 오개, 천원"],
    ["7 나라, 8", "칠 나라, 팔"],
    ["Room 7 나라 8", "Room seven 나라 팔"],
    ["Room 7개", "Room 칠개"],
    ["나라 3rd", "나라 third"],
    ["❤️ 5 cats", "❤️ five cats"],
    ["cafe\u03015 ok", "cafe\u0301 five ok"],
    ["中文 12, 3", "中文 12, 3"],
    ["½ ² ٣ Ⅳ １", "½ ² ٣ Ⅳ １"],
    ["10km 5% $7", "ten km five% $seven"],
  ])("%s", (text, expected) => {
    if (typeof expected === "string") expect(words(text)).toBe(expected);
    else expect(words(text)).toMatch(expected);
  });

  test("pass where they are asked to, or where the vocabulary cannot spell them", () => {
    expect(read("3rd of 10, 5개", tokenizer, false)).toBe("3[rd] [of] 10, 5[개]");
    expect(read("b 10 2", vocabularyOf("abent"))).toBe("[b] [ten] 2");
  });
});

describe("upper case", () => {
  test.each([
    ["BBC", "[B][B][see]"],
    ["TV는 HTML, XML", "[T][V][는] [H][T][M][L], [ex][M][L]"],
    ["WWW JZ", "[double][you][double][you][double][you] [jay][zee]"],
    ["NASA USA NYC SKY", "[NASA] [USA] [NYC] [SKY]"],
    ["A B BCDFGH Bbc bBC", "[A] [B] [BCDFGH] [Bbc] [bBC]"],
    ["ЗБК ΒΓΔ", "ЗБК ΒΓΔ"],
  ])("%s", (text, expected) => {
    expect(read(text)).toBe(expected);
  });
});

describe("an apostrophe", () => {
  test("inside a word belongs to it: the vocabulary's own, or none where it has none", () => {
    const text = "'Don't, O’Neil' rock'n'roll dogs' '90s";
    expect(read(text)).toBe("'[Dont], [ONeil]' [rocknroll] [dogs]' '[nineties]");
    expect(read(text, apostrophes)).toBe("'[Don't], [O’Neil]' [rock'n'roll] [dogs]' '[nineties]");
  });

  test("stays where the word is none of the vocabulary's", () => {
    expect(read("Straße's l'été 나'라")).toBe("Straße'[s] [lété] [나]'[라]");
  });
});

describe("a lexicon", () => {
  const lexicon = {
    "don't": "dəʊnt",
    K팝: ["keɪpʰap", "x"],
    ÉTÉ: "ete",
    팝: "pʰap",
    mp3: "ɛm",
    Ω: "oʊm",
    gif: "",
    BBC: "b",
  };

  test("goes before everything else, in any case, composed or not, with any apostrophe", () => {
    for (const text of ["Don’t", "DON'T"]) expect(read(text, tokenizer, true, lexicon)).toBe("[/dəʊnt/]");
    for (const form of ["NFC", "NFD", "NFKD"]) {
      expect(read("été K팝!".normalize(form), tokenizer, true, lexicon)).toBe("[/ete/] [/keɪpʰap/]!");
    }
    expect(read("MP3 Ｍｐ３ Ω GIF BBC bbcs", tokenizer, true, lexicon)).toBe("[/ɛm/] [/ɛm/] [/oʊm/] [//] [/b/] [bbcs]");
  });

  test("has parts of a word that scripts divide, and no others", () => {
    expect(read("J팝 팝콘", tokenizer, true, lexicon)).toBe("[J][/pʰap/] [팝콘]");
    expect(read("constructor __proto__", tokenizer, true, {})).toBe("[constructor] __[proto]__");
  });

  test("says as much of a number's language as other words do", () => {
    expect(read("K팝 3", tokenizer, true, lexicon)).toBe("[/keɪpʰap/] [삼]");
    expect(read("GIF 3", tokenizer, true, lexicon)).toBe("[//] [three]");
    expect(read("3 GIF", tokenizer, true, lexicon)).toBe("[three] [//]");
  });

  test("is a Map or an object", () => {
    expect(read("a b", tokenizer, true, new Map([["A", "x"]]))).toBe("[/x/] [b]");
    const where = "say: expected lexicon to map words to IPA or lists of it, got";
    for (const [value, got] of [
      [5, "5"],
      ["a", '"a"'],
      [null, "null"],
      [[], "[]"],
    ] as const) {
      expect(() => readLexicon("say", value as never, silent)).toThrow(failing("bad-option", `${where} ${got}`));
    }
    for (const [value, got] of [
      [5, "5"],
      [null, "null"],
      [undefined, "undefined"],
      [[], "[]"],
      [["x", 1], '["x",1]'],
      [{}, "{}"],
    ] as const) {
      expect(() => readLexicon("say", { a: value as never }, silent)).toThrow(
        failing("bad-option", `${where} ${got} for "a"`),
      );
    }
    expect(() => readLexicon("say", new Map([[1, "x"]]) as never, silent)).toThrow(
      failing("bad-option", `${where} "x" for 1`),
    );
  });
});

test("keys of a lexicon that are no single word are spoken of, as they match nothing", () => {
  const told: string[] = [];
  const warn = (message: string) => told.push(message);
  readLexicon("say", { "New York": "x", "": "y", b: "z" }, warn);
  readLexicon("say", { "e-mail": "x", "rock'n'roll": "y", mp3: "z", 가나: "k" }, warn);
  readLexicon("say", { b: "z" }, warn);
  expect(told).toEqual([
    'say: expected single words in the lexicon, got "New York", and 1 more, which match nothing',
    'say: expected single words in the lexicon, got "e-mail", which match nothing',
  ]);
});

test("long texts take time by their length", () => {
  const begin = performance.now();
  for (const unit of ["1", "1,", "1.", "a'", "'", "B", "-1 ", "1 ", "e\u0301", "나1", "\ud800", "1st", "a1"]) {
    const parts = readText(unit.repeat(20_000), tokenizer, true, readLexicon("test", { b: "b" }, silent));
    expect(parts.length, unit).toBeGreaterThan(0);
  }
  expect(performance.now() - begin).toBeLessThan(30_000);
}, 60_000);
