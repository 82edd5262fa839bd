// Pronunciations: several, with their probability, phones, and the characters that these are written with.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { g2p } from "../src/g2p.ts";
import { createPipeline, llama, Pipeline, type Pronunciation } from "../src/index.ts";
import { builds, debugRuntime, failing, readJson, shared } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

const texts = [
  "bad cafe, head! 나간 12",
  "abc",
  "가나",
  "",
  "?!",
  "\ud800 bad \udc00",
  "abc abc cafe",
  "ＢＡＤ ﬁ Bad",
  "de\u0301ca\u0301f",
];

/** Ranges are in order, within the text, and there is one for each phone. */
function expectWhole(text: string, { phones, alignment, score, ipa }: Pronunciation) {
  expect(alignment).toHaveLength(phones.length);
  expect(Number.isFinite(score) && score <= 0).toBe(true);
  const wrong = alignment.filter(
    ([begin, end], index) => begin < (alignment[index - 1]?.[0] ?? 0) || end <= begin || end > text.length,
  );
  expect(wrong).toEqual([]);
  for (const phone of new Set(phones)) expect(ipa).toContain(phone);
}

describe.each(builds)("pronounce, %s build", (build) => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await Pipeline.fromFiles(tinyFiles(), { runtime: await debugRuntime(build), onWarning: () => {} });
  });
  afterAll(() => pipeline.dispose());

  test("its best says what phonemize says, greedily and with beams", async () => {
    for (const options of [{}, { num_beams: 4 }, { lexicon: { BAD: "x" } }, { numbers: "pass" }] as const) {
      const plain = await pipeline.phonemizeBatch(texts, options);
      const all = await pipeline.pronounceBatch(texts, options);
      expect(all.map(([{ ipa }]) => ipa)).toEqual(plain);
      all.forEach((found, index) => {
        expect(found).toHaveLength(1);
        expectWhole(texts[index], found[0]);
      });
    }
  });

  test("one at a time and together are the same, bit for bit", async () => {
    for (const options of [{}, { num_beams: 3 }, { num_return_sequences: 3 }]) {
      const together = await pipeline.pronounceBatch(texts, options);
      for (const [index, text] of texts.entries()) {
        expect(await pipeline.pronounce(text, options)).toEqual(together[index]);
      }
    }
  });

  test("several are distinct, the best first, and no more than are asked for", async () => {
    for (const text of texts) {
      const found = await pipeline.pronounce(text, { num_return_sequences: 5 });
      expect(found.length).toBeLessThanOrEqual(5);
      expect(new Set(found.map(({ ipa }) => ipa)).size).toBe(found.length);
      found.forEach((one, index) => {
        expectWhole(text, one);
        expect(one.score).toBeLessThanOrEqual(found[index - 1]?.score ?? 0);
      });
    }
    expect(await pipeline.pronounce("abc", { num_return_sequences: 5 })).toHaveLength(5);
  });

  test("the score is the log probability of the ids and of the end", async () => {
    const word = "cafe";
    const [{ score }] = await pipeline.pronounce(word);
    const [{ score: beamScore, ipa }] = await pipeline.pronounce(word, { num_beams: 8 });
    const told = { num_beams: 8, length_penalty: 0, max_new_tokens: 160, return_dict_in_generate: true } as const;
    const greedy = await pipeline.generate(word, { max_new_tokens: 160, return_dict_in_generate: true });
    const beam = await pipeline.generate(word, told);
    expect(ipa).toBe(beam.text);
    for (const [{ ids, promptIds, finishReason }, got] of [
      [greedy, score],
      [beam, beamScore],
    ] as const) {
      const all = finishReason === "stop" ? [...promptIds, ...ids, 3] : [...promptIds, ...ids];
      const logits = await pipeline.logits(all.slice(0, -1));
      let sum = 0;
      for (let at = promptIds.length; at < all.length; at++) {
        const row = logits.subarray((at - 1) * 19, at * 19);
        sum += row[all[at]] - Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0));
      }
      expect(got).toBeCloseTo(sum, 3);
    }
    expect(beamScore).toBeGreaterThanOrEqual(score - 1e-4);
  });

  test("ways to say a text are the best combinations of ways to say its words", async () => {
    const options = { num_return_sequences: 4, num_beams: 8 };
    const [first, second] = await pipeline.pronounceBatch(["abc", "cafe"], options);
    const sums = first.flatMap((a) => second.map((b) => ({ ipa: `${a.ipa} ${b.ipa}`, score: a.score + b.score })));
    const best = sums.sort((a, b) => b.score - a.score).slice(0, 4);
    const found = await pipeline.pronounce("abc cafe", options);
    expect(found.map(({ ipa, score }) => ({ ipa, score }))).toEqual(best);
  });

  test("words of a lexicon are certain, and lie where they are spelled", async () => {
    const lexicon = new Map<string, string | string[]>([
      ["CAB", ["t͡ʃaɪ", "x"]],
      ["дом", "dom"],
      ["a1", "ˈeɪwʌn"],
      ["가", "ga"],
    ]);
    const [{ ipa, phones, score, alignment }] = await pipeline.pronounce("cab, Дом A1 가!", { lexicon });
    expect(ipa).toBe("t͡ʃaɪ, dom ˈeɪwʌn ga!");
    expect(score).toBe(0);
    expect(phones).toEqual(["t͡ʃ", "aɪ", "d", "o", "m", "ˈeɪ", "w", "ʌ", "n", "g", "a"]);
    expect(alignment).toEqual([
      ...[
        [0, 1],
        [1, 2],
      ],
      ...[
        [5, 8],
        [5, 8],
        [5, 8],
      ],
      ...[
        [9, 11],
        [9, 11],
        [9, 11],
        [9, 11],
      ],
      ...[
        [12, 13],
        [12, 13],
      ],
    ]);
    const [{ ipa: silent }] = await pipeline.pronounce("cab", { lexicon: { cab: "" } });
    expect(silent).toBe("");
  });

  test("what a lexicon has counts for a part of a run too, whatever else stands in the text or the batch", async () => {
    const cases: [object, string, string, string][] = [
      [{ lexicon: { 日本: "nihon" } }, "日本", "日本abc", "nihon"],
      [{ lexicon: { 3: "θɹi" }, numbers: "pass" }, "3", "3ab", "θɹi"],
      [{ lexicon: { дом: "dom", cab: "x" } }, "дом", "домcab", "dom"],
    ];
    for (const [options, word, run, ipa] of cases) {
      const rest = await pipeline.phonemize(run.slice(word.length), options);
      expect(await pipeline.phonemize(run, options)).toBe(ipa + rest);
      expect(await pipeline.phonemizeBatch([word, run], options)).toEqual([ipa, ipa + rest]);
      expect(await pipeline.phonemize(`${word} ${run}`, options)).toBe(`${ipa} ${ipa}${rest}`);
      const [alone] = await pipeline.pronounce(run, options);
      expect((await pipeline.pronounceBatch([word, run], options))[1]).toEqual([alone]);
      expect(alone.ipa).toBe(ipa + rest);
      expectWhole(run, alone);
      for (const [begin, end] of alone.alignment.slice(0, ipa.length)) expect([begin, end]).toEqual([0, word.length]);
    }
    const passing = { lexicon: { " ": "x", ",": "y" } };
    expect(await pipeline.phonemize("日, 日,日 日", passing)).toBe("日, 日,日 日");
  });

  test("what is no word passes through, and has no phones", async () => {
    for (const text of ["", "?!", "中文", "x y z"]) {
      expect(await pipeline.pronounce(text)).toEqual([{ ipa: text, phones: [], score: 0, alignment: [] }]);
    }
    expect(await pipeline.pronounceBatch([])).toEqual([]);
    const [{ ipa }] = await pipeline.pronounce("\ud800");
    expect(ipa).toBe("\ufffd");
  });

  test("any text has a pronunciation, whose phones lie in it in order", async () => {
    const pieces = [
      "abc",
      "don't",
      "a’b",
      "BBC",
      "XML",
      "1st",
      "-1,234.5",
      "가나",
      "3가",
      "é",
      "\u0301",
      "ﬁ",
      " ",
      "ß",
      "中",
      "12",
    ];
    const text = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary", maxLength: 3 })), {
      maxLength: 8,
    });
    const lexicon = { a: "x", "1st": "y", "don't": "", 가: ["z"], BBC: "w" };
    const options = [{}, { lexicon, num_beams: 2 }] as const;
    const property = fc.asyncProperty(text, async (parts) => {
      const whole = parts.join("");
      for (const asked of options) {
        const [one] = await pipeline.pronounce(whole, asked);
        expectWhole(whole, one);
        expect(await pipeline.phonemize(whole, asked)).toBe(one.ipa);
      }
    });
    await fc.assert(property, { seed: 7, numRuns: 60 });
  }, 60_000);

  test("takes 100,000 characters of any kind", async () => {
    for (const unit of ["bad ", "abcdefgh", "나", "12 ", "\ud800", "a'"]) {
      const text = unit.repeat(100_000 / unit.length);
      const [one] = await pipeline.pronounce(text, { num_return_sequences: 2 });
      expectWhole(text, one);
      expect(await pipeline.phonemize(text, { num_beams: 4 })).toEqual(expect.any(String));
    }
  }, 60_000);

  test("a signal stops it", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(pipeline.pronounce("abc", { signal })).rejects.toThrow("enough");
  });

  test.each([
    [
      { banana: 1 },
      "unknown-option",
      "pronounce: expected one of lexicon, num_beams, numbers, signal, num_return_sequences, got banana",
    ],
    [{ numbers: "digits" }, "bad-option", 'pronounce: expected numbers to be "words" or "pass", got "digits"'],
    [{ numbers: null }, "bad-option", 'pronounce: expected numbers to be "words" or "pass", got null'],
    [{ lexicon: 5 }, "bad-option", "pronounce: expected lexicon to map words to IPA or lists of it, got 5"],
    [
      { lexicon: { a: 5 } },
      "bad-option",
      'pronounce: expected lexicon to map words to IPA or lists of it, got 5 for "a"',
    ],
    [{ num_beams: 0 }, "bad-option", "pronounce: expected num_beams to be an integer from 1 to 256, got 0"],
    [{ num_beams: "4" }, "bad-option", 'pronounce: expected num_beams to be an integer from 1 to 256, got "4"'],
    [
      { num_return_sequences: 1.5 },
      "bad-option",
      "pronounce: expected num_return_sequences to be an integer from 1 to 256, got 1.5",
    ],
    [
      { num_return_sequences: "2" },
      "bad-option",
      'pronounce: expected num_return_sequences to be an integer from 1 to 256, got "2"',
    ],
    [
      { num_return_sequences: 300 },
      "bad-option",
      "pronounce: expected num_return_sequences to be an integer from 1 to 256, got 300",
    ],
    [
      { num_return_sequences: 3, num_beams: "2" },
      "bad-option",
      'pronounce: expected num_beams to be an integer from 1 to 256, got "2"',
    ],
    [
      { num_return_sequences: 3, num_beams: 2 },
      "conflicting-options",
      "pronounce: expected as many num_beams or fewer num_return_sequences, got 2 and 3",
    ],
    [5, "bad-option", "pronounce: expected options as an object, got 5"],
    [{ signal: 5 }, "bad-option", "pronounce: expected signal to be an AbortSignal, got 5"],
  ])("refuses %j", async (options, code, message) => {
    await expect(pipeline.pronounce("abc", options as never)).rejects.toEqual(failing(code, message));
  });

  test("refuses what is no text, and phonemize what only pronounce takes", async () => {
    await expect(pipeline.pronounce(7 as never)).rejects.toEqual(
      failing("bad-text", "pronounce: expected text, got 7"),
    );
    await expect(pipeline.pronounceBatch("abc" as never)).rejects.toEqual(
      failing("bad-text", 'pronounce: expected an array of texts, got "abc"'),
    );
    await expect(pipeline.phonemize("abc", { num_return_sequences: 2 } as never)).rejects.toEqual(
      failing(
        "unknown-option",
        "phonemize: expected one of lexicon, num_beams, numbers, signal, got num_return_sequences",
      ),
    );
    await expect(pipeline.phonemize("abc", { num_beams: 0 })).rejects.toEqual(
      failing("bad-option", "phonemize: expected num_beams to be an integer from 1 to 256, got 0"),
    );
  });
});

test("a word that is too long for the model passes through, and is spoken of, as is a key that matches nothing", async () => {
  const onWarning = vi.fn();
  const small = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 12 } }), { onWarning });
  await small.phonemize("a", { lexicon: { "a b": "x" } });
  expect(onWarning).toHaveBeenCalledWith(
    'phonemize: expected single words in the lexicon, got "a b", which match nothing',
  );
  const word = "abcdefghabcdefgh";
  expect(await small.pronounce(word)).toEqual([{ ipa: word, phones: [], score: 0, alignment: [] }]);
  expect(onWarning).toHaveBeenCalledWith(
    `pronounce: expected words that fit with their IPA into 12 tokens, got "${word}"`,
  );
  await small.dispose();
});

test("as many pronunciations as beams may be asked for, and keys of a lexicon that match nothing are spoken of", async () => {
  const onWarning = vi.fn();
  const pipeline = await Pipeline.fromFiles(tinyFiles(), { onWarning });
  const lexicon = { "a b": "x" };
  const found = await pipeline.pronounce("abc", { num_return_sequences: 4, num_beams: 4, lexicon });
  expect(found.length).toBeGreaterThan(0);
  expect(onWarning).toHaveBeenCalledWith(expect.stringMatching(/^pronounce: expected single words .* got "a b"/));
  await pipeline.dispose();
});

test("a model that writes one token a letter, or silence, says itself which letter each phone is of", async () => {
  const tokens = ["<pad>", "<unk>", "<sos>", "<eos>", ..."abcdefgh", "<silent>", "ks", "ˈ", "ɛ", "ㄱ", "ㅏ", "ㄴ"];
  const vocabulary = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const pipeline = await Pipeline.fromFiles(tinyFiles({ vocabulary }));
  const words = ["a", "ab", "bad", "head", "cafe", "beach", "dead", "face"];
  let anchored = 0;
  for (const word of words) {
    for (const { ipa, phones, alignment } of await pipeline.pronounce(word, { num_return_sequences: 20 })) {
      expect(ipa).not.toContain("silent");
      expect(alignment).toHaveLength(phones.length);
      if (phones.includes("k") && phones.includes("s")) anchored++;
    }
  }
  expect(anchored).toBeGreaterThan(0);
  await pipeline.dispose();
});

describe("a page", () => {
  test("that opens a Llama says IPA; one that opens a G2P says several, with their phones", async () => {
    const spelling = await createPipeline([llama]).fromFiles(tinyFiles());
    const whole = await createPipeline([g2p]).fromFiles(tinyFiles());
    expect(await spelling.phonemize("bad 가")).toBe(await whole.phonemize("bad 가"));
    expect(await whole.pronounce("bad")).toHaveLength(1);
    await expect(spelling.pronounce("bad")).rejects.toEqual(expect.objectContaining({ code: "no-task" }));
    await spelling.dispose();
    await whole.dispose();
  });
});

describe.skipIf(!shared).each(builds)("hama-g2p, %s build (needs ../shared)", (build) => {
  const folder = `${shared}models/hama-g2p`;
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await Pipeline.fromDirectory(folder, { runtime: await debugRuntime(build) });
  });
  afterAll(() => pipeline.dispose());

  test("sentences", async () => {
    const text = "Don’t panic: O'Neil of NASA told the BBC that 21 of 1,234 TVs, bought in 1984, broke on the 3rd!";
    expect(await pipeline.phonemize(text)).toMatchInlineSnapshot(
      `"dɑnt pænɪk: oʊnil oʊf nɑsə toʊld ði bibisi ðæt twɛnti wʌn oʊf wʌn θaʊzənd tu hʌndɹɪd θɝti fɔɹ tiviz, baʊt ɪn naɪntin eɪti fɔɹ, bɹoʊk ɔn ði θɝd!"`,
    );
    expect(
      await pipeline.phonemize("제3장: 나는 사과 12,345개를 -5도에서 먹었다. iPhone 16, K팝"),
    ).toMatchInlineSnapshot(
      `"t͡ɕesamt͡ɕaŋ: nanɯn sagwa man insams͈asibogelɯl mainʌsɯ odoes͈ʌ mʌgʌdt͈a. ɪpəʊn sɪkstin, keɪpʰab"`,
    );
    expect(await pipeline.phonemize("GIF, 서울 3", { lexicon: { gif: "d͡ʒɪf", 서울: "sʌul" } })).toMatchInlineSnapshot(
      `"d͡ʒɪf, sʌul sam"`,
    );
  });

  test("all published words say what they said, and phones make up their IPA", async () => {
    const { words } = readJson(`${folder}/expected.json`) as { words: { word: string; ipa: string }[] };
    const found = await pipeline.pronounceBatch(words.map(({ word }) => word));
    found.forEach(([one], index) => {
      expect(one.ipa).toBe(words[index].ipa);
      expect(one.phones.join("")).toBe(one.ipa);
      expectWhole(words[index].word, one);
    });
  });

  test("letters of words, in a text", async () => {
    const text = "The knight’s 2 닭";
    const [{ phones, alignment }] = await pipeline.pronounce(text);
    const told = phones.map((phone, index) => `${text.slice(...alignment[index])}→${phone}`).join(" ");
    expect(told).toMatchInlineSnapshot(`"Th→ð e→i kn→n igh→aɪ t→t s→s 2→t 2→u 닭→d 닭→a 닭→g"`);
  });

  test("n best", async () => {
    const found = await pipeline.pronounce("read", { num_return_sequences: 3 });
    expect(found.map(({ ipa, score }) => `${ipa} ${score.toFixed(2)}`)).toMatchInlineSnapshot(`
      [
        "ɹɛd -0.47",
        "ɹid -1.03",
        "ɹeɪd -4.33",
      ]
    `);
  });
});
