import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findNext } from "../src/finder.ts";
import { compilePattern } from "../src/regex/pattern.ts";
import { shared } from "./shared.ts";
import { growth } from "./tokenizer-files.ts";

/** What a pattern matches in a text. Empty matches are kept only where they are asked for. */
function matches(pattern: string, text: string, keepsEmpty = false): string[] {
  const found: string[] = [];
  const finder = compilePattern(pattern, "test");
  for (let from = 0, last = -1; findNext(finder, text, from, last); last = from) {
    from = finder.end;
    if (keepsEmpty || finder.begin < finder.end) found.push(text.slice(finder.begin, finder.end));
  }
  return found;
}

/** Pattern, text, matches; from tokenizers 0.23.2: Split(Regex(pattern), "removed", invert=True). */
const cases: readonly (readonly [pattern: string, text: string, found: string[]])[] = [
  ["(?i:'s|'re)|\\w+", "It's WE'RE \u017f'\u017f", ["It", "'s", "WE", "'RE", "\u017f", "'\u017f"]],
  ["(?i:k|ss)", "Kk\u212a \u00df SS \u1e9e \u017fs", ["K", "k", "\u212a", "\u00df", "SS", "\u1e9e", "\u017fs"]],
  ["(?i)a|B", "aAbB", ["a", "A", "b", "B"]],
  ["c(?i)a|B", "cA cb B b CA", ["cA", "cb"]],
  ["(?i:a(?-i:b))", "AB Ab ab", ["Ab", "ab"]],
  ["(?i:[^a-c]+)", "xABCy", ["x", "y"]],
  ["a{2}?", "aaaa a", ["aa", "aa"]],
  ["a{1,2}+b", "aaaab", ["aaaab"]],
  ["a{,2}b", "aaab b", ["aab", "b"]],
  ["a{,}", "a{,}", ["a{,}"]],
  ["a{1", "a{1", ["a{1"]],
  ["{}", "{}", ["{}"]],
  ["a++ab|a+", "aaab", ["aaa"]],
  ["[^\\s]*+x|.", "ax b", ["a", "x", " ", "b"]],
  ["a+?", "aaa", ["a", "a", "a"]],
  ["a??b", "ab", ["ab"]],
  ["(?:ab){2,3}", "ababababab", ["ababab", "abab"]],
  ["(?:ab){2,3}?", "ababababab", ["abab", "abab"]],
  ["(?:a|b?)*c", "abac c", ["abac", "c"]],
  ["(a*)*b", "aab", ["aab"]],
  ["(?>a|ab)c", "abc ac", ["ac"]],
  ["(?=a)\\w+", "ba", ["a"]],
  ["\\w+(?!\\w|!)", "ab! cd", ["cd"]],
  ["(?<=a|bc)d", "ad bcd cd", ["d", "d"]],
  ["(?<!\\w)a", "a ba", ["a"]],
  ["(?<=(?:a|bc)x)d", "axd bcxd xd", ["d", "d"]],
  ["(?<=^|\\s)#\\w", "#a b#c #d", ["#a", "#d"]],
  ["^b|a$", "ab\nba\nb", ["b", "a", "b"]],
  ["\\Aa|a\\z", "aba", ["a", "a"]],
  ["b\\Z", "b\nb\n", ["b"]],
  ["\\Ga", "aaba", ["a", "a"]],
  ["\\b\u00e9|\\w\\B", "\u00e9a bc", ["\u00e9", "b"]],
  ["(?m:a.b)|c.d", "a\nb c\nd cxd", ["a\nb", "cxd"]],
  ["^", "a\n", []],
  ["x$", "x\r\nx", ["x"]],
  ["[a-w&&[^c-g]]+", "abch", ["ab", "h"]],
  ["[^\\s[.,]]+", "ab c.d e,f", ["ab", "c", "d", "e", "f"]],
  ["[]a]+", "]a-", ["]a"]],
  ["[a-c-e]+", "abcd-e", ["abc", "-e"]],
  ["[^a&&b]+", "abc", ["abc"]],
  ["[[a]-c]+", "a-cb", ["a-c"]],
  ["[a&&]", "a&", []],
  ["[\\W_]+", "\u05e9_! a\u00b2", ["_! ", "\u00b2"]],
  ["\\w+", "z\u00b2\u00bd [\u00b2]", ["z\u00b2\u00bd", "\u00b2"]],
  ["[\\w]+", "z\u00b2", ["z"]],
  ["[[:alpha:]]+|[[:^alpha:]]", "\u00e91", ["\u00e9", "1"]],
  ["[[:punct:]]+", "a$.\u20ac!", ["$.\u20ac!"]],
  ["\\p{punct}+", "a$.!", [".!"]],
  ["[[:digit:][:space:]]+", "1 \u0663x", ["1 \u0663"]],
  ["\\p{^Lu}|\\P{^L}", "aA1", ["a", "A", "1"]],
  ["\\p{han}+|\\p{ Old Italic }", "\u6f22\u5b57\ud800\udf00", ["\u6f22\u5b57", "\ud800\udf00"]],
  ["\\h+|\\H", "fg", ["f", "g"]],
  ["\\x41\\u0042\\x{1F600}\\t\\0", "AB\ud83d\ude00\t\u0000", ["AB\ud83d\ude00\t\u0000"]],
  ["\\s+", "\u0085\ufeff\u3000", ["\u0085", "\u3000"]],
  ["(a|b)\\1|(?#c)\\{", "aabab{", ["aa", "{"]],
  ["([!?])\\1*", "!!?!", ["!!", "?", "!"]],
  ["(?<n>a)(?:b)", "ab", ["ab"]],
  ["(?<=[\\u0980-\\u09ff]):", "\u09ac\u09be: a:", [":"]],
  ["a|ab|abc", "abc", ["a"]],
  ["(?:a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u|v|w|x|y|z|0|1|2|3|4|5|66|7)8", "668 z8 y9", ["668", "z8"]],
];

describe("a pattern", () => {
  for (const [pattern, text, found] of cases) {
    test(`matches as the reference does: ${JSON.stringify(pattern)} in ${JSON.stringify(text)}`, () => {
      expect(matches(pattern, text)).toEqual(found);
    });
  }

  test("finds empty matches, but none where the match before ends", () => {
    expect(matches("a*", "aab", true)).toEqual(["aa", ""]);
    expect(matches("", "a😀", true)).toEqual(["", "", ""]);
  });

  test("prints no separator of lines or paragraphs", () => {
    expect(matches("[[:print:]]+", "a\u2028b\u2029 \u00a0")).toEqual(["a", "b", " \u00a0"]);
    expect(matches("\\p{Print}", "\u2028")).toEqual([]);
  });

  test("sees lone surrogates as characters and pairs as one", () => {
    expect(matches("[^a]", "\ud83da😀\ude00")).toEqual(["\ud83d", "😀", "\ude00"]);
    expect(matches(".", "😀\ud83d")).toEqual(["😀", "\ud83d"]);
  });

  test("searches from any position, and looks behind it", () => {
    const finder = compilePattern("(?<=a)b|^c", "test");
    expect(finder.exec("abc", 1)).toBe(true);
    expect([finder.begin, finder.end]).toEqual([1, 2]);
    expect(finder.exec("abc", 2)).toBe(false);
  });
});

describe("a pattern that is wrong or not built in is refused:", () => {
  const wrong = [
    "(",
    ")",
    "a)",
    "[a",
    "[]",
    "*a",
    "a|+",
    "\\",
    "[b-a]",
    "[a-\\d]",
    "[\\d-z]",
    "a{3,1}",
    "(?<=a+)b",
    "\\2(a)",
  ];
  const absent = [
    "\\K",
    "\\X",
    "(?x:a)",
    "(?s:a)",
    "(?~a)",
    "\\p{Foo}",
    "\\p{Script=Han}",
    "[[:foo:]]",
    "\\k<a>",
    "\\ud800",
  ];
  const silent = ["\\xe9", "(?i:(a)\\1)", "(?i:ŉ)", "(?i:[a[^b]])", "(?i:[aß])", "(a)(?>\\1)", "\\p{constructor}"];
  const large = ["(".repeat(1e5), "[".repeat(1e5), "(?:ab){2000}", "(?:(?:(?:ab){1000}){1000}){1000}"];
  for (const pattern of [...wrong, ...absent, ...silent, ...large]) {
    test(JSON.stringify(pattern.slice(0, 40)), () => {
      expect(() => compilePattern(pattern, "file")).toThrow(
        expect.objectContaining({ code: "unsupported", message: expect.stringMatching(/^file: expected a regular /) }),
      );
    });
  }
});

describe("time and memory", () => {
  const llama =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  test.for(["a", "中", " ", "!", "\n"])("ten million times %j are one match", (character) => {
    const finder = compilePattern(llama, "test");
    const text = character.repeat(1e7);
    expect(finder.exec(text, 0)).toBe(true);
    expect(finder.end).toBe(text.length);
  });

  test("a repeated group takes millions of characters", () => {
    const finder = compilePattern("(?:\\p{L}\\p{M}*)+|(?:ab|cd)+e", "test");
    expect(finder.exec("a\u0301".repeat(2e6), 0)).toBe(true);
    expect(finder.end).toBe(4e6);
    expect(compilePattern("(?:ab|cd)+e", "test").exec("ab".repeat(1e5), 0)).toBe(false);
  });

  test.for(["(a+)+$", "(a|a)*b", "(a*)*b", "(a|aa)+$", "(x+x+)+y|(.*)(.*)(.*)b"])(
    "%s does not take exponential time",
    (pattern) => {
      expect(matches(pattern, `${"a".repeat(300)}c`)).toEqual([]);
    },
  );

  // Each about a second on a machine that does nothing else; several of them took half a minute.
  test.for<[string, number]>([
    ["(?=(a+)+b)", 60],
    ["((a|b)+)+c|(a*)*d", 10_000],
    ["\\p{L}+\\p{L}+\\p{L}+\\p{L}+\\d", 5000],
    ["a{1,1000}{1,1000}b", 5000],
    ["(?:a?){30}a{30}", 5000],
    ["(.*a){40}x", 2000],
    ["\\p{L}+\\d|.", 20_000],
    ["(?=.*b).|.", 20_000],
  ])("what would take for ever is an error: %j in %j letters", { timeout: 30_000 }, ([pattern, length]) => {
    expect(() => matches(pattern, "a".repeat(length))).toThrow(expect.objectContaining({ code: "unsupported" }));
  });

  test("after such an error, other texts are searched as before", () => {
    const finder = compilePattern("((a|b)+)+c|(a*)*d", "test");
    expect(() => finder.exec("a".repeat(10_000), 0)).toThrow();
    expect([finder.exec("aac", 0), finder.begin, finder.end]).toEqual([true, 0, 3]);
  });

  test("searches that each look at a run of a thousand characters may be as many as the text is long", () => {
    const finder = compilePattern("\\d{1,3}(?=(?:\\d{3})*\\b)|\\D", "test");
    const text = `${"7".repeat(999)} `.repeat(300);
    let count = 0;
    for (let from = 0; findNext(finder, text, from, -1); from = finder.end) count++;
    expect(count).toBe(300 * 334);
  });
});

interface OracleCase {
  readonly id?: string;
  readonly name?: string;
  readonly pattern?: string;
  readonly patternId?: string;
  readonly behavior?: string;
  readonly invert?: boolean;
  readonly inputs?: string[];
}

describe.skipIf(!shared)("the published split patterns", () => {
  const read = (file: string): Buffer => readFileSync(`${shared}tokenizers/vectors/split-regex/${file}`);
  const { patterns, additionalCases, defaults } = shared
    ? JSON.parse(String(read("splitRegexPatterns.json")))
    : { patterns: [], additionalCases: [], defaults: {} };
  const { tokens } = shared ? JSON.parse(String(gunzipSync(read("splitRegexOracle.json.gz")))) : { tokens: {} };
  const byId = new Map<string, string>(patterns.map((one: OracleCase) => [one.id ?? one.name, one.pattern]));
  for (const one of [...patterns, ...additionalCases] as OracleCase[]) {
    const key = (one.name ?? one.id)!;
    test(`cut as the reference does: ${key}`, () => {
      const { behavior, invert, inputs } = { ...defaults, ...one };
      const finder = compilePattern((one.pattern ?? byId.get(one.patternId!))!, "test");
      for (const [index, text] of inputs.entries()) {
        const pieces: string[] = [];
        let last = 0;
        for (let from = 0, lastEnd = -1; findNext(finder, text, from, lastEnd); lastEnd = from) {
          from = finder.end;
          if (!invert) pieces.push(text.slice(last, finder.begin));
          if (invert || behavior === "Isolated") pieces.push(text.slice(finder.begin, finder.end));
          last = finder.end;
        }
        if (!invert) pieces.push(text.slice(last));
        expect(
          pieces.filter((piece) => piece !== ""),
          JSON.stringify(text),
        ).toEqual(tokens[key][index]);
      }
    });
  }
});

describe("long runs", () => {
  // Our syntax, and JavaScript's for the same.
  const patterns: readonly (readonly [ours: string, theirs: string])[] = [
    ["a+b", "a+b"],
    ["[ab]+|c", "[ab]+|c"],
    ["[^\\nx]*\\n|\\s+(?!\\S)|\\s+", "[^\\nx]*\\n|\\s+(?!\\S)|\\s+"],
    ["a{0,100}", "a{0,100}"],
    ["a{64,}b|[ab]{66}", "a{64,}b|[ab]{66}"],
    ["a{65,90}b", "a{65,90}b"],
    ["a{60,70}", "a{60,70}"],
    ["a++b|b*+a", "(?=(a+))\\1b|(?=(b*))\\2a"],
    ["(?i:A+)B?", "a+B?"],
    ["(?<=a{2})b+", "(?<=a{2})b+"],
    ["(a+)\\1b", "(a+)\\1b"],
    ["[a😀]+😀b|[😀\\s]+x", "[a😀]+😀b|[😀\\s]+x"],
    ["x|\\z", "x|$"],
    ["(?:ab|cd)*e|a", "(?:ab|cd)*e|a"],
  ];
  const run = fc.tuple(
    fc.constantFrom("a", "b", "c", "ab", "\n", " ", "x", "😀", "é"),
    fc.constantFrom(1, 2, 3, 63, 64, 65, 66, 67, 100, 130),
  );
  const text = fc.array(run, { maxLength: 8 }).map((runs) => runs.map(([unit, count]) => unit.repeat(count)).join(""));

  test.each(patterns)("%s finds the same where it may stop on the way, in one text after the other", (ours, theirs) => {
    const pattern = compilePattern(ours, "test");
    const expression = new RegExp(theirs, "gu");
    const places = (searched: string, step: number): number[][] => {
      const found: number[][] = [];
      for (let from = 0; from <= searched.length; ) {
        if (pattern.exec(searched, from, from + step)) {
          found.push([pattern.begin, pattern.end]);
          if (pattern.begin < pattern.end) from = pattern.end;
          else from = pattern.end + ((searched.codePointAt(pattern.end) ?? 0) > 0xffff ? 2 : 1);
        } else if (pattern.end < searched.length) from = pattern.end;
        else break;
      }
      return found;
    };
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 3 }), fc.integer({ min: 1, max: 200 }), (texts, step) => {
        for (const searched of texts) {
          const expected = Array.from(searched.matchAll(expression), ({ index, 0: { length } }) => [
            index,
            index + length,
          ]);
          expect(places(searched, step)).toEqual(expected);
        }
      }),
      { seed: 22, numRuns: 150 },
    );
  });

  test("a run is not taken for a later one that was looked at before", () => {
    const pattern = compilePattern("(?=a+ba+)a+", "test");
    const searched = `${"a".repeat(100)}b${"a".repeat(100)}`;
    expect([pattern.exec(searched, 0), pattern.begin, pattern.end]).toEqual([true, 0, 100]);
  });

  test("what asks where a search began is not stopped on the way", () => {
    const pattern = compilePattern("\\Ga", "test");
    expect([pattern.exec(`${"b".repeat(20)}a`, 0, 10), pattern.end]).toEqual([false, 21]);
  });

  test("a search that stops on the way goes on with what it knows", () => {
    const search = (length: number) => () => {
      const pattern = compilePattern("(?:ab|cd)*e", "test");
      const searched = "abcd".repeat(length / 4);
      for (let from = 0; from < length; from = pattern.end)
        expect(pattern.exec(searched, from, from + 10_000)).toBe(false);
    };
    // Each stretch by itself would look at the text to its end: 16 times as long.
    expect(growth(search(200_000), search(800_000), 9)).toBeLessThan(9);
  });

  test("searches of equal texts in turns are searches of their own", () => {
    const pattern = compilePattern("a*!|[a ]", "test");
    const searched = `${"a".repeat(700)} `.repeat(150);
    const ends = [0, 0, 0, 0];
    let found = true;
    while (found && ends[3] < searched.length) {
      for (const [index, from] of ends.entries()) {
        for (let count = 0, at = from; count < 1000 && at < searched.length; count++) {
          found &&= pattern.exec(searched, at);
          at = ends[index] = pattern.end;
        }
      }
    }
    expect(found).toBe(true);
  });
});
