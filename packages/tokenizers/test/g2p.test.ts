import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { G2PTokenizer, g2pVocabulary, isG2PVocabulary, openTokenizer, TokenizerError } from "../src/index.ts";
import { shared } from "./shared.ts";

const jamo = "ㄱㄲㄳㄴㄵㄶㄷㄸㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅃㅄㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ";
const tokens = [
  "<pad>",
  "<unk>",
  "<sos>",
  "<eos>",
  " ",
  "0",
  ..."abcdefghijklmnopqrstuvwxyz",
  ...jamo,
  "aɪ",
  "θ",
  "t͡ɕ",
];
const vocabulary = Object.fromEntries(tokens.map((token, id) => [token, id]));
const tokenizer = new G2PTokenizer(vocabulary);
const spell = (letters: string) => [...Array.from(letters, (letter) => vocabulary[letter]), vocabulary["<sos>"]];

/** The parts of a text in a line: words in brackets with their script's initial. */
const parts = (text: string, by = tokenizer) =>
  by
    .segment(text)
    .map((part) => (part.kind === "word" ? `[${part.script[0]}:${part.text}]` : part.text))
    .join("");

describe("letters last to first", () => {
  const reversed = new G2PTokenizer(vocabulary, { lastLetterFirst: true });

  test("only the order of prompts is another; offsets go with their letters", () => {
    expect([tokenizer.lastLetterFirst, reversed.lastLetterFirst]).toEqual([false, true]);
    for (const word of ["cafés", "한국", "x", ""]) {
      const [there, back] = [tokenizer.encode(word), reversed.encode(word)];
      const turn = <T>(parts: readonly T[]) => [...parts.slice(0, -1).toReversed(), parts[parts.length - 1]];
      expect(back.ids).toEqual(turn(there.ids));
      expect(back.tokens).toEqual(turn(there.tokens));
      expect(back.offsets).toEqual(turn(there.offsets));
      expect(reversed.segment(`${word}, ${word}`)).toEqual(tokenizer.segment(`${word}, ${word}`));
    }
    expect(reversed.decode([spell("t")[0], vocabulary.θ])).toBe("tθ");
  });

  test("as letter_distance in config.json says", () => {
    const files = { "vocab.json": JSON.stringify(vocabulary) };
    const open = (config: string) => openTokenizer({ ...files, "config.json": config }, [g2pVocabulary]);
    expect(open('{"letter_distance": 40}').encode("ab").ids).toEqual(spell("ba"));
    expect(open("{}").encode("ab").ids).toEqual(spell("ab"));
    expect(openTokenizer(files, [g2pVocabulary]).encode("ab").ids).toEqual(spell("ab"));
  });
});

describe.skipIf(!shared)("hama-g2p", () => {
  const folder = `${shared}models/hama-g2p/`;

  test("every published word has its ids, in any case and composed or not, and its phonemes print as IPA", () => {
    const hama = new G2PTokenizer(readFileSync(`${folder}vocab.json`));
    const { words } = JSON.parse(readFileSync(`${folder}expected.json`, "utf8"));
    expect(words.length).toBe(699);
    for (const { word, input_ids, output_ids, ipa } of words) {
      expect(hama.encode(word).ids).toEqual(input_ids);
      expect(hama.encode(word.normalize("NFD")).ids).toEqual(input_ids);
      expect(hama.encode(word.toUpperCase()).ids).toEqual(input_ids);
      expect(hama.decode(output_ids)).toBe(ipa);
      expect(hama.decode([0, 1, ...output_ids, 2, 3])).toBe(ipa);
      expect(hama.segment(word).map(({ kind, text }) => [kind, text])).toEqual([["word", word]]);
    }
  });
});

describe("encode", () => {
  test("spells lower-case letters, or the jamo of each syllable with clusters whole, then <sos>", () => {
    expect(tokenizer.encode("Hello").ids).toEqual(spell("hello"));
    expect(tokenizer.encode("닭").ids).toEqual(spell("ㄷㅏㄺ"));
    expect(tokenizer.encode("값ㅋㅋ").ids).toEqual(spell("ㄱㅏㅄㅋㅋ"));
    expect(tokenizer.encode("닭".normalize("NFD")).ids).toEqual(spell("ㄷㅏㄺ"));
    expect(tokenizer.encode("\u1112\u1161").ids).toEqual(spell("ㅎㅏ"));
    expect(tokenizer.encode("\u11a8").ids).toEqual(spell("ㄱ"));
    expect(tokenizer.encode("a", { add_special_tokens: false }).ids).toEqual([vocabulary.a]);
    expect(tokenizer.encode("").ids).toEqual([vocabulary["<sos>"]]);
  });

  test("spells a letter whose accent has no token without it, and wide or joined letters plainly", () => {
    for (const form of ["NFC", "NFD"]) expect(tokenizer.encode("Café".normalize(form)).ids).toEqual(spell("cafe"));
    expect(tokenizer.encode("x\u0302").ids).toEqual(spell("x"));
    expect(tokenizer.encode("ＡﬁİK").ids).toEqual(spell("afiik")); // fullwidth A, the fi ligature, dotted I, the kelvin sign
  });

  test("takes every halfwidth letter of Hangul for the letter itself", () => {
    // U+FFA1 to U+FFBE are U+3131 to U+314E, and NFKD makes old initials of two of them.
    for (let letter = 0; letter < 30; letter++) {
      const wide = String.fromCharCode(0x3131 + letter);
      expect(tokenizer.encode(String.fromCharCode(0xffa1 + letter)).ids, wide).toEqual(tokenizer.encode(wide).ids);
    }
  });

  test("keeps an accent that has a token", () => {
    const accented = new G2PTokenizer({ ...vocabulary, é: 200, "\u0302": 201 });
    for (const form of ["NFC", "NFD"])
      expect(accented.encode("É".normalize(form)).ids).toEqual([200, vocabulary["<sos>"]]);
    expect(accented.encode("x\u0302").ids).toEqual([vocabulary.x, 201, vocabulary["<sos>"]]);
  });

  test("lower-cases each character alone, whatever follows it", () => {
    const greek = new G2PTokenizer({ "<sos>": 0, "<eos>": 1, σ: 2, ς: 3, α: 4 });
    expect(greek.encode("ΑΣ").ids).toEqual([4, 2, 0]);
  });

  test("says the token of each id, and where the character lies that it comes from", () => {
    const { tokens, offsets } = tokenizer.encode("a!닭");
    expect(tokens).toEqual(["a", "<unk>", "ㄷ", "ㅏ", "ㄺ", "<sos>"]);
    expect(offsets).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [2, 3],
      [2, 3],
      [0, 0],
    ]);
    expect(tokenizer.encode("닭".normalize("NFD")).offsets.slice(0, 3)).toEqual([
      [0, 3],
      [0, 3],
      [0, 3],
    ]);
  });

  test("makes <unk> of what has no token, and fails where there is none", () => {
    expect(tokenizer.encode("a!中").ids).toEqual([
      vocabulary.a,
      vocabulary["<unk>"],
      vocabulary["<unk>"],
      vocabulary["<sos>"],
    ]);
    const strict = new G2PTokenizer({ "<sos>": 0, "<eos>": 1, a: 2 });
    expect(() => strict.encode("ab")).toThrow('encode: expected characters of the vocabulary, got "ab"');
    expect(() => strict.encode("ab")).toThrow(expect.objectContaining({ code: "unknown" }));
  });
});

describe("decode", () => {
  test("prints tokens one after the other, and special ones only when asked", () => {
    const ids = ["<sos>", "aɪ", " ", "t͡ɕ", "<eos>"].map((token) => vocabulary[token]);
    expect(tokenizer.decode(ids)).toBe("aɪ t͡ɕ");
    expect(tokenizer.decode(ids, { skip_special_tokens: false })).toBe("<sos>aɪ t͡ɕ<eos>");
    expect(tokenizer.decode([])).toBe("");
    const stream = tokenizer.decodeStream({ prefix_ids: ids });
    expect([...ids.map((id) => stream.push(id)), stream.end()].join("")).toBe("aɪ t͡ɕ");
  });

  test("prints the first of two tokens with one id, and no id between tokens", () => {
    const sparse = new G2PTokenizer({ "<sos>": 0, "<eos>": 1, b: 99_999_999, a: 99_999_999 });
    expect([sparse.vocabSize, sparse.maxId]).toEqual([4, 99_999_999]);
    expect(sparse.decode([99_999_999])).toBe("b");
    expect(sparse.idToToken(2)).toBe(undefined);
    expect(() => sparse.decode([2])).toThrow("decode: expected an id of the vocabulary, got 2");
  });
});

describe("segment", () => {
  test("cuts words of letters and of Hangul out of what stands between", () => {
    expect(tokenizer.segment("Hello 안녕하세요")).toEqual([
      { kind: "word", script: "latin", text: "Hello", begin: 0, end: 5 },
      { kind: "other", script: "other", text: " ", begin: 5, end: 6 },
      { kind: "word", script: "hangul", text: "안녕하세요", begin: 6, end: 11 },
    ]);
    expect(parts("iPhone은 K팝, 3rd! (ㅋㅋ)")).toBe("[l:iPhone][h:은] [l:K][h:팝], 3[l:rd]! ([h:ㅋㅋ])");
    expect(tokenizer.segment("")).toEqual([]);
    expect(parts("😀 中文 ΑΣ θ Ⅳ \u0301")).toBe("😀 中文 ΑΣ θ Ⅳ \u0301");
  });

  test("keeps accents and decomposed syllables in their word", () => {
    for (const form of ["NFC", "NFD"]) {
      const text = "naïve 닭갈비".normalize(form);
      const [latin, hangul] = text.split(" ");
      expect(parts(text)).toBe(`[l:${latin}] [h:${hangul}]`);
    }
  });

  test("lets a word through that the vocabulary cannot spell as a whole", () => {
    expect(parts("Straße, 나랏말ᄊᆞ미")).toBe("Straße, 나랏말ᄊᆞ미");
  });

  test("takes an apostrophe into a word only where the vocabulary has one", () => {
    expect(parts("don't")).toBe("[l:don]'[l:t]");
    const apostrophes = new G2PTokenizer({ ...vocabulary, "'": 200 });
    expect(parts("'Don't rock’n’roll', he said'", apostrophes)).toBe("'[l:Don't] [l:rock’n’roll]', [l:he] [l:said]'");
    expect(apostrophes.encode("n’t").ids).toEqual(apostrophes.encode("n't").ids);
  });

  test("gives parts that are the text, in order, and words that need no <unk>", () => {
    const text = fc
      .array(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("don't", "é", "닭", "ß", "\u0301", " ")))
      .map((all) => all.join(""));
    fc.assert(
      fc.property(text, (source) => {
        const segments = tokenizer.segment(source);
        expect(segments.map((part) => part.text).join("")).toBe(source.replace(/\p{Surrogate}/gu, "\ufffd"));
        segments.forEach(({ kind, script, text: part, begin, end }, index) => {
          expect(begin).toBe(segments[index - 1]?.end ?? 0);
          expect(end - begin).toBe(part.length);
          expect(script === "other").toBe(kind === "other");
          if (kind === "word") expect(tokenizer.encode(part).ids).not.toContain(vocabulary["<unk>"]);
          else expect(segments[index - 1]?.kind).not.toBe("other");
        });
      }),
      { seed: 5, numRuns: 1000 },
    );
  });

  test("takes a million letters and a million combining marks", () => {
    expect(tokenizer.segment("a".repeat(1e6)).length).toBe(1);
    expect(tokenizer.segment(`e${"\u0301".repeat(1e6)}`).length).toBe(1);
  });

  test("refuses what is not a string", () => {
    expect(() => tokenizer.segment(5 as unknown as string)).toThrow("segment: expected a string, got 5");
  });
});

describe("a vocabulary", () => {
  test("is a G2P's when it is an object with <sos> and <eos>", () => {
    expect(isG2PVocabulary(vocabulary)).toBe(true);
    for (const value of [null, 1, "<sos><eos>", ["<sos>", "<eos>"], {}, { "<sos>": 1 }, Object.create(vocabulary)]) {
      expect(isG2PVocabulary(value)).toBe(false);
    }
  });

  test("is read from bytes, text or an object", () => {
    const text = JSON.stringify(vocabulary);
    for (const source of [text, new TextEncoder().encode(text), vocabulary]) {
      const opened = new G2PTokenizer(source);
      expect([opened.bosId, opened.eosId, opened.padId, opened.unkId]).toEqual([2, 3, 0, 1]);
      expect(opened.tokenToId("θ")).toBe(vocabulary.θ);
      expect(opened.tokenToId("constructor")).toBe(undefined);
    }
  });

  test.each<[string, unknown, string, string]>([
    ["an array", [], "vocabulary", "v.json: expected a token -> id map with <sos> and <eos>, got [object Array]"],
    ["not JSON", "{", "file", "v.json: expected JSON, got SyntaxError"],
    ["not UTF-8", Uint8Array.of(0x22, 0xff, 0x22), "file", "v.json: expected UTF-8, got TypeError"],
    ["with a byte order mark", new TextEncoder().encode("\ufeff{}"), "file", "v.json: expected JSON, got SyntaxError"],
    ...[-1, 1.5, "7", 2 ** 32, null, Number.NaN, {}].map((id): [string, unknown, string, string] => [
      `with the id ${JSON.stringify(id)}`,
      { ...vocabulary, x: id },
      "vocabulary",
      'v.json: "x": expected an id from 0 to 4294967295, got ',
    ]),
  ])("is refused when it is %s", (_, value, code, message) => {
    const open = () => new G2PTokenizer(value as object, { file: "v.json" });
    expect(open).toThrow(TokenizerError);
    expect(open).toThrow(message);
    expect(open).toThrow(expect.objectContaining({ code }));
  });
});
