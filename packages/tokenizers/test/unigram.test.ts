import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { TokenizerError } from "../src/errors.ts";
import { PieceTrie } from "../src/models/piece-trie.ts";
import { unigramModel } from "../src/models/unigram.ts";
import { normalPiece, Vocabulary } from "../src/models/vocabulary.ts";
import { readScore, readUnigramJson } from "../src/unigram-json.ts";
import { codePointPlaces } from "./offsets.ts";
import { shared } from "./shared.ts";
import { atSpaces, growth, openJson } from "./tokenizer-files.ts";

const { library, models } = JSON.parse(readFileSync(new URL("fixtures/unigram.json", import.meta.url), "utf8"));

const read = (text: string) => readUnigramJson(text, "tokenizer.json");
const readRows = (rows: string) => read(`{"model": {"vocab": ${rows}}}`).vocabulary as Vocabulary;
const open = (rows: string, unkId?: number) => unigramModel(readRows(rows), { rule: "huggingface", unkId });

interface FixtureModel {
  readonly json: string;
  readonly unk_id: number | null;
  readonly byte_fallback: boolean;
  readonly cases: readonly (readonly [text: string, ids: number[] | null, offsets: number[] | null])[];
}

describe(`random models, ids and offsets of ${library}`, () => {
  test.each<FixtureModel>(models)("model %#", ({ json, unk_id, byte_fallback, cases }) => {
    const { vocabulary, value } = read(json);
    expect((value as { version: string }).version).toBe("1.0");
    const options = { rule: "huggingface", unkId: unk_id ?? undefined, byteFallback: byte_fallback } as const;
    const model = unigramModel(vocabulary as Vocabulary, options);
    for (const [text, ids, offsets] of cases) {
      if (ids === null) {
        expect(() => model.tokenize(text)).toThrow(expect.objectContaining({ code: "unknown" }));
        continue;
      }
      const tokens = model.tokenize(text);
      const places = codePointPlaces(text);
      const found = tokens.ids.flatMap((_, index) => [places[tokens.begins[index]], places[tokens.ends[index]]]);
      expect([text, tokens.ids, found]).toEqual([text, ids, offsets]);
    }
  });
});

// With 1.1, 2.2 and 3.3 as scores every way to cut is equally probable but for the rounding of sums.
test("ties are decided by sums of float64, or of float32 in sentencepiece", () => {
  const vocabulary = readRows('[["<unk>", 0], ["-", -1.1], ["--", -2.2], ["---", -3.3]]');
  const ids = (rule: "huggingface" | "sentencepiece", count: number) =>
    unigramModel(vocabulary, { rule, unkId: 0 }).tokenize("-".repeat(count)).ids;
  expect([7, 8, 10, 11].map((count) => ids("huggingface", count).join(""))).toEqual(["331", "3311", "3331", "33113"]);
  expect([7, 10].map((count) => ids("sentencepiece", count).join(""))).toEqual(["133", "1333"]);
});

// Their cuts are equally probable, or nearly: what is known of a word holds for some sums before it only.
test("words that were seen before are cut by the sums of float32 that come before them", () => {
  let state = 5;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const letters = "abcd";
  for (let model = 0; model < 20; model++) {
    const scores = new Map([["<unk>", 0]]);
    for (const mark of ["", "▁"]) {
      for (let size = mark ? 0 : 1; size < 5; size++) {
        for (let count = 0; count < (size < 2 ? 4 : 6); count++) {
          const text = Array.from({ length: size }, () => letters[Math.floor(random() * 4)]).join("");
          // So far from a tie that sums of some size round it away.
          const apart = model % 2 ? 0 : Math.round(random() * 3) * 10 ** -(2 + Math.floor(random() * 5));
          scores.set(mark + text, -1.1 * (mark + text).length - apart);
        }
      }
    }
    const pieces = [...scores.keys()];
    const vocabulary = readRows(JSON.stringify([...scores]));
    const tokenizer = unigramModel(vocabulary, { rule: "sentencepiece", unkId: 0 });
    const words = Array.from({ length: 40 }, () => {
      return `▁${Array.from({ length: 1 + Math.floor(random() * 9) }, () => letters[Math.floor(random() * 4)]).join("")}`;
    });
    for (const count of [3, 300, 1500]) {
      const text = Array.from({ length: count }, () => words[Math.floor(random() * 40)]).join("");
      const cut = tokenizer.tokenize(text).ids.map((id) => pieces[id]);
      const best = bestCut(text, scores, Math.fround(Math.fround(Math.min(...scores.values())) - 10));
      expect([model, count, cut.findIndex((piece, index) => piece !== best[index])]).toEqual([model, count, -1]);
      expect(cut).toEqual(best);
    }
  }
});

/** The most probable cut by float32 sums, place by place. */
function bestCut(text: string, scores: ReadonlyMap<string, number>, unknownScore: number): string[] {
  const sums = new Float32Array(text.length + 1).fill(-Infinity, 1);
  const begins = new Int32Array(text.length + 1);
  for (let begin = 0; begin < text.length; begin++) {
    for (let end = begin + 1; end <= Math.min(begin + 6, text.length); end++) {
      const score = scores.get(text.slice(begin, end)) ?? (end === begin + 1 ? unknownScore : undefined);
      if (score === undefined) continue;
      const sum = Math.fround(sums[begin] + Math.fround(score));
      if (sum > sums[end]) {
        sums[end] = sum;
        begins[end] = begin;
      }
    }
  }
  const pieces: string[] = [];
  for (let end = text.length; end > 0; end = begins[end]) pieces.push(text.slice(begins[end], end));
  const names = pieces.reverse().map((piece) => (scores.has(piece) ? piece : "<unk>"));
  // Unknown neighbours are one token.
  return names.filter((name, index) => name !== "<unk>" || names[index - 1] !== name);
}

test("a character without a token is an error where there is no unknown piece", () => {
  const model = open('[["a", -1]]');
  expect(() => model.tokenize("ab")).toThrow(TokenizerError);
  expect(() => model.tokenize("ab")).toThrow('encode: expected a character of the vocabulary, got "b"');
});

test("of equal pieces the last one counts", () => {
  const model = open('[["a", -1], ["a", -2]]', 0);
  expect(model.tokenToId("a")).toBe(1);
  expect(model.tokenize("a").ids).toEqual([1]);
  expect([model.idToToken(0), model.idToToken(1)]).toEqual(["a", "a"]);
});

test("numbers are read as serde_json reads them: digits by a power of ten", () => {
  for (const text of [
    "0",
    "-0",
    "-3.46354",
    "1e3",
    "1.5E+2",
    "-12e-3",
    "20.3648",
    "-2.0122928619384766",
    "123456789012345678",
  ]) {
    const digits = Number(text.replace(/[eE].*|[-.]/g, ""));
    const exponent = Number(/[eE](.*)/.exec(text)?.[1] ?? 0) - (/\.(\d*)/.exec(text)?.[1].length ?? 0);
    const expected = exponent < 0 ? digits / 10 ** -exponent : digits * 10 ** exponent;
    expect(readScore(text)).toBe(text.startsWith("-") ? -expected : expected);
  }
});

describe("readUnigramJson", () => {
  const pieceOf = (json: string) => {
    const vocabulary = readRows(`[["x", 0], [${json}, -1.5]]`);
    return [vocabulary.idToToken(1), vocabulary.scores[1]];
  };

  test("reads pieces with escapes", () => {
    for (const json of [
      '"a"',
      '"\\u00e9\\uD83D\\ude00"',
      '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
      '""',
      '"é한😀"',
      '"\u2028"',
      '"\\u0000"',
    ]) {
      expect(pieceOf(json)).toEqual([JSON.parse(json), -1.5]);
    }
  });

  test("reads white space anywhere, and the rest of the file around the rows", () => {
    const { value, vocabulary } = read(
      ' {"a": ["vocab"], "model" : { "vocab"\n:\t[ \r[ "a" , 1 ] , ["b",2.0e0] ] , "unk_id": 1}, "z": null } ',
    );
    expect(vocabulary?.size).toBe(2);
    expect(vocabulary?.idToToken(1)).toBe("b");
    expect(value).toMatchObject({ a: ["vocab"], model: { unk_id: 1 }, z: null });
  });

  test("finds the rows wherever other keys and texts look like them", () => {
    const rows = '[["a", -1]]';
    for (const json of [
      `{"x": {"vocab": [["no", 1]]}, "model": {"vocab": ${rows}}}`,
      `{"x": "\\"vocab\\": [[\\"no\\", 1]]", "model": {"vocab": ${rows}}}`,
      `{"model": {"vocab": [["no", 1]], "vocab": ${rows}}}`,
      `{"model": {"voc\\u0061b": ${rows}}}`,
    ]) {
      expect(read(json).vocabulary?.idToToken(0)).toBe("a");
    }
  });

  test("parses a file of another model as it is", () => {
    const json = { model: { vocab: { a: 0 }, merges: [["a", "b"]] } };
    expect(read(JSON.stringify(json))).toEqual({ value: json });
    for (const text of ["null", "7", '{"model": null}', '{"model": {"vocab": null}}'])
      expect(read(text).vocabulary).toBe(undefined);
  });

  test.each([
    "1",
    "[]",
    "{}",
    "null",
    '["a"]',
    '["a", "1"]',
    "[1, 1]",
    '["a", null]',
    '["a", 1, 2]',
    '["a", [1]]',
    '["a", 1e400]',
  ])("refuses the row %s", (row) => {
    expect(() => readRows(`[["x", 0], ${row}]`)).toThrow(
      expect.objectContaining({
        code: "vocabulary",
        message: expect.stringContaining("tokenizer.json: model.vocab: row 1: expected a text and a number"),
      }),
    );
  });

  test("refuses rows that are none", () => {
    expect(() => readRows("[]")).toThrow(expect.objectContaining({ code: "vocabulary" }));
  });

  test.each([
    '[["a", 1],]',
    '[["a" 1]]',
    '[["a", 1]',
    '[["a", 01]]',
    '[["a", .5]]',
    '[["a", 1.]]',
    '[["a", +1]]',
    '[["a", NaN]]',
    '[["a", -]]',
    '[["a", 1e]]',
    '[["\\x", 1]]',
    '[["\\u12", 1]]',
    '[["\n", 1]]',
    '[["a, 1]]',
    "[['a', 1]]",
    '[["a", 1]\u00a0]',
  ])("refuses %j, which is not JSON", (rows) => {
    expect(() => readRows(rows)).toThrow(expect.objectContaining({ code: "file" }));
  });

  test("refuses a file that is cut anywhere", () => {
    const json = '{"model": {"vocab": [["a\\n", -1.5], ["b", 0]], "unk_id": 0}}';
    for (let length = 0; length < json.length; length++) {
      expect(() => read(json.slice(0, length))).toThrow(expect.objectContaining({ code: "file" }));
    }
  });
});

describe("long words", () => {
  test("take time in proportion to their length, whether or not pieces end together", () => {
    const model = open('[["<unk>", -5], ["a", -2], ["aa", -3], ["aaa", -5.5], ["▁b", -2]]', 0);
    for (const part of ["a", "▁b", "x", "😀"]) {
      const { ids, begins, ends } = model.tokenize(part.repeat(1_000_000));
      expect([begins[0], ends.at(-1)]).toEqual([0, part.length * 1_000_000]);
      expect(ids.length).toBe(part === "a" ? 500_000 : part === "▁b" ? 1_000_000 : 1);
    }
  });

  test("have the same tokens as their parts where no piece crosses", () => {
    const model = open('[["<unk>", -5], ["▁", -3], ["▁ab", -2.5], ["a", -1.5], ["b", -2], ["ba", -3]]', 0);
    const part = "▁abba▁ba▁😀x▁bab";
    const one = model.tokenize(part);
    const many = model.tokenize(part.repeat(2000));
    expect(many.ids).toEqual(Array.from({ length: 2000 }, () => one.ids).flat());
    expect(many.begins).toEqual(
      Array.from({ length: 2000 }, (_, index) => one.begins.map((begin) => begin + index * part.length)).flat(),
    );
  });
});

test.skipIf(!shared)("T5 and XLM-R as JSON.parse reads them, ties as Hugging Face decides them", () => {
  for (const name of ["t5-small-json", "rebuilt/xlm-roberta-base"]) {
    const text = readFileSync(`${shared}tokenizers/${name}/tokenizer.json`, "utf8");
    const { vocabulary } = read(text);
    const rows: [string, number][] = JSON.parse(text).model.vocab;
    expect(vocabulary?.size).toBe(rows.length);
    const wrong = rows.filter(([piece, score], id) => {
      return (
        vocabulary?.idToToken(id) !== piece ||
        Math.abs(vocabulary.scores[id] - score) > 1e-14 ||
        vocabulary.tokenToId(piece) !== id
      );
    });
    expect(wrong).toEqual([]);
    if (name !== "t5-small-json") continue;
    const pieces = (rule: "huggingface" | "sentencepiece") => {
      const model = unigramModel(vocabulary as Vocabulary, { rule, unkId: 2 });
      return model.tokenize("▁-------").ids.map((id) => model.idToToken(id));
    };
    expect(pieces("huggingface")).toEqual(["▁", "---", "---", "-"]);
    expect(pieces("sentencepiece")).toEqual(["▁", "-", "---", "---"]);
  }
});

/** A vocabulary of some pieces in which each has a score of its own. */
function vocabularyOf(texts: readonly string[]): Vocabulary {
  const vocabulary = new Vocabulary(10);
  for (const [id, text] of texts.entries()) {
    for (let at = 0; at < text.length; at++) vocabulary.units[at] = text.charCodeAt(at);
    vocabulary.add(text.length, -id / 7, normalPiece);
  }
  return vocabulary;
}

test("pieces are found by their texts, whole and as what a text begins with, in any order", () => {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const letters = ["a", "b", "c", "\u2581", "\ud55c", "\ud83d", "\ude00", "\uffff"];
  const textOf = (length: number): string => Array.from({ length }, () => letters[random(letters.length)]).join("");
  const texts = ["", "a".repeat(3000), ...Array.from({ length: 20_000 }, () => textOf(random(9)))];
  const vocabulary = vocabularyOf(texts);
  const ids = new Map(texts.map((text, id) => [text, id]));
  const beginnings = new Set(texts.flatMap((text) => text.split("").map((_, at) => text.slice(0, at + 1))));
  expect(vocabulary.index()).toBe(texts.findIndex((text, id) => texts.indexOf(text) < id));
  const trie = new PieceTrie(vocabulary);
  for (let round = 0; round < 5000; round++) {
    const text = round === 99 ? `${texts[1]}a` : textOf(random(12));
    let node = 0;
    for (let end = 1; end <= text.length; end++) {
      const beginning = text.slice(0, end);
      node = trie.child(node, text.charCodeAt(end - 1));
      if (node > 0 !== beginnings.has(beginning)) throw new Error(`${JSON.stringify(beginning)} at node ${node}`);
      if (node === 0) break;
      const id = ids.get(beginning) ?? -1;
      if (trie.value(node) !== id) throw new Error(`${JSON.stringify(beginning)}: ${trie.value(node)}, not ${id}`);
      if (id >= 0) expect(trie.scoreAt(node)).toBe(-id / 7);
    }
    expect(vocabulary.find(`?${text}?`, 1, 1 + text.length)).toBe(ids.get(text) ?? -1);
    expect(vocabulary.tokenToId(text)).toBe(ids.get(text));
  }
  for (const [text, id] of ids) expect(vocabulary.idToToken(id)).toBe(text);
});

test("no pieces have one place in every process: those of Thue and Morse, whose sums by powers of a factor are equal", () => {
  // Each unit says whether the next bit differs: a hash that is odd goes down by 1 where an even one goes up, so that sums of bits remain.
  const block = (bits: readonly number[]): string =>
    [...bits, 0].map((bit, at) => String.fromCharCode(bit ^ (bits[at - 1] ?? 0))).join("");
  const bits = Array.from({ length: 128 }, (_, at) => at.toString(2).replaceAll("0", "").length & 1);
  const [even, odd] = [block(bits), block(bits.map((bit) => 1 - bit))];
  const opening = (other: string) => () => {
    const texts = Array.from({ length: 1024 }, (_, id) =>
      Array.from({ length: 10 }, (_, at) => ((id >> at) & 1 ? even : other))
        .join("")
        .padEnd(3000, "z"),
    );
    expect(vocabularyOf(texts).index()).toBe(-1);
  };
  expect(growth(opening(odd.replaceAll("\0", "a")), opening(odd), 3)).toBeLessThan(3);
});

test("other work has its turn where a few words let many pieces go on", () => {
  const texts = Array.from({ length: 40_000 }, (_, id) => `ab${(id + 1e6).toString(36)}`);
  const vocabulary = vocabularyOf(["<unk>", ...texts]);
  vocabulary.index();
  const model = unigramModel(vocabulary, { rule: "huggingface", unkId: 0 });
  const parts = (text: string): number => [...(model.tokenizeLong?.(text) ?? [])].length;
  expect(parts("ab".repeat(50))).toBeGreaterThan(1);
  expect(parts("ab".repeat(50))).toBe(1);
});

test("other work has its turn where a long piece may begin at each place", () => {
  const vocabulary = vocabularyOf(["<unk>", "a", `${"a".repeat(2000)}b`]);
  vocabulary.index();
  const model = unigramModel(vocabulary, { rule: "huggingface", unkId: 0 });
  const parts = [...(model.tokenizeLong?.("a".repeat(4000)) ?? [])];
  expect(parts.length).toBeGreaterThan(80);
  expect(parts.flatMap((part) => part?.ids)).toHaveLength(4000);
});

test("an unknown piece keeps its text when it comes again", () => {
  const unigram = {
    type: "Unigram",
    unk_id: 0,
    vocab: [
      ["<unk>", 0],
      ["a", -1],
    ],
  };
  const tokenizer = openJson(unigram, atSpaces);
  for (let time = 0; time < 3; time++) expect(tokenizer.encode("☃ a ☄ ☃").tokens).toEqual(["☃", "a", "☄", "☃"]);
});
