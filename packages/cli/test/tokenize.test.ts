import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { shared } from "./shared.ts";
import { folderOf, kiloformer } from "./terminal.ts";

const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "world", "##s", "!", "😀"];
const vocabulary = `${tokens.join("\n")}\n`;
const settings = JSON.stringify({ do_lower_case: true });
const bert = () => join(folderOf({ "vocab.txt": vocabulary, "tokenizer_config.json": settings }), "vocab.txt");
const tokenize = (argv: readonly string[], stdin?: string) =>
  kiloformer(["tokenize", "--tokenizer", bert(), ...argv], { stdin });
const printed = (stdout: string) => ({ code: 0, stdout, stderr: "" });

describe("tokenize", () => {
  test("prints a line of ids for each text", async () => {
    expect(await tokenize(["Hello worlds!", "", "x"])).toEqual(printed("2 4 5 6 7 3\n2 3\n2 1 3\n"));
    expect(await tokenize([], "Hello worlds!\n\nx")).toEqual(printed("2 4 5 6 7 3\n2 3\n2 1 3\n"));
  });

  test("leaves out special tokens with --no-special, and takes a second text with --pair", async () => {
    expect(await tokenize(["--no-special", "hello"])).toEqual(printed("4\n"));
    expect(await tokenize(["--pair", "world", "hello"])).toEqual(printed("2 4 3 5 3\n"));
  });

  test("prints objects with --json, whose offsets count code units or code points", async () => {
    const object = { ids: [2, 8, 4, 3], tokens: ["[CLS]", "😀", "hello", "[SEP]"], decoded: "😀 hello" };
    const offsets = [
      [0, 0],
      [0, 2],
      [3, 8],
      [0, 0],
    ];
    const points = [
      [0, 0],
      [0, 1],
      [2, 7],
      [0, 0],
    ];
    const [units, counted] = await Promise.all([
      tokenize(["--json", "😀 hello"]),
      tokenize(["--json", "--code-points", "😀 hello"]),
    ]);
    expect(JSON.parse(units.stdout)).toEqual({ ...object, offsets });
    expect(JSON.parse(counted.stdout)).toEqual({ ...object, offsets: points });
  });

  test("reads objects from standard input with --json", async () => {
    const lines = [{ text: "hello" }, { text: "hello", pair: "world" }, { text: "hello", add_special_tokens: false }];
    const { stdout } = await tokenize(["--json"], lines.map((line) => JSON.stringify(line)).join("\n"));
    const ids = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).ids);
    expect(ids).toEqual([[2, 4, 3], [2, 4, 3, 5, 3], [4]]);
  });

  test("prints the text of ids with --decode, in any spelling of a list", async () => {
    expect(await tokenize(["--decode", "2 4 5 6 3", "4, 5", "[4,7]"])).toEqual(
      printed("hello worlds\nhello world\nhello!\n"),
    );
    const { stdout } = await tokenize(["--decode", "--json"], '{"ids":[4,5]}\n[4]');
    expect(stdout).toBe('{"ids":[4,5],"text":"hello world"}\n{"ids":[4],"text":"hello"}\n');
  });

  test("opens a folder, and what lies beside a vocabulary", async () => {
    const files = { "vocab.txt": vocabulary, "tokenizer_config.json": JSON.stringify({ do_lower_case: false }) };
    const folder = folderOf(files);
    for (const path of [folder, join(folder, "vocab.txt")]) {
      expect(await kiloformer(["tokenize", "--tokenizer", path, "Hello"])).toEqual(printed("2 1 3\n"));
    }
    const pair = folderOf({ "vocab.json": '{"a":0,"b":1,"ab":2}', "merges.txt": "#version: 0.2\na b\n" });
    for (const path of [pair, join(pair, "vocab.json")]) {
      expect(await kiloformer(["tokenize", "--tokenizer", path, "aab"])).toEqual(printed("0 2\n"));
    }
  });
});

describe("tokenize says on one line that", () => {
  const failed = (line: string) => ({
    code: 1,
    stdout: "",
    stderr: `kiloformer: ${line} (see kiloformer tokenize --help)\n`,
  });

  test("there is no such file", async () => {
    const path = join(folderOf({}), "absent");
    const outcome = await kiloformer(["tokenize", "--tokenizer", path, "a"]);
    expect(outcome).toEqual(failed(`--tokenizer: expected a file or a folder, got ${path}: nothing there`));
  });

  test("a folder has no tokenizer", async () => {
    const { code, stderr } = await kiloformer(["tokenize", "--tokenizer", folderOf({ "config.json": "{}" }), "a"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^kiloformer: tokenizer: expected tokenizer\.json, .*, got no file.*\n$/);
  });

  test.each<[string, string[], string, string]>([
    ["a line is no JSON", ["--json"], "{", "line 1: expected JSON, got {"],
    ["a line is no object", ["--json"], "[1]", "line 1: expected an object with a text, got [1]"],
    ["a list has no ids", ["--decode"], '{"id":1}', 'line 1: expected a list of ids, got {"id":1}'],
    ["an id is no number", ["--decode"], "4 x", "line 1: expected ids in decimal digits, got x"],
    ["an id is hexadecimal", ["--decode", "--", "0x4"], "", "line 1: expected ids in decimal digits, got 0x4"],
    ["an id has an exponent", ["--decode", "--", "4e0"], "", "line 1: expected ids in decimal digits, got 4e0"],
    ["an id has a fraction", ["--decode", "--", "4.0"], "", "line 1: expected ids in decimal digits, got 4.0"],
    ["an id has a sign", ["--decode", "--", "-4"], "", "line 1: expected ids in decimal digits, got -4"],
  ])("%s", async (_, argv, stdin, line) => {
    expect(await tokenize(argv, stdin)).toEqual(failed(line));
  });

  test.each<[string, string[], string]>([
    ["an id has no token", ["--decode", "99"], "decode: expected an id of the vocabulary, got 99"],
  ])("%s", async (_, argv, line) => {
    const { code, stderr } = await tokenize(argv);
    expect(code).toBe(1);
    expect(stderr).toContain(`kiloformer: ${line}`);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test.each<[string, string[]]>([
    ["--pair: expected texts to encode, got --decode", ["--decode", "--pair", "a", "1"]],
    ["--no-special: expected texts to encode, got --decode", ["--decode", "--no-special", "1"]],
    ["--code-points: expected --json, which prints offsets, got none", ["--code-points", "a"]],
  ])("%s", async (line, argv) => {
    const { code, stdout, stderr } = await tokenize(argv);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(line);
  });

  test("a text in an object is none", async () => {
    const { code, stderr } = await tokenize(["--json"], '{"text":1}');
    expect(code).toBe(1);
    expect(stderr).toContain("kiloformer: line 1: encode: expected a string, got 1");
  });

  test("a line is wrong, behind the answers to those before it", async () => {
    const { code, stdout, stderr } = await tokenize(["--json"], '{"text":""}\n\n{"text":""}\n{bad\n{"text":""}\n');
    expect([code, stdout.split("\n").length]).toEqual([1, 3]);
    expect(stderr).toContain("kiloformer: line 4: expected JSON, got {bad");
  });
});

describe.skipIf(!shared)("tokenize with published files (needs ../shared)", () => {
  test("tokenizer.json and tokenizer.model", async () => {
    const path = (name: string) => join(shared as string, "tokenizers", name);
    const run = (name: string) => kiloformer(["tokenize", "--tokenizer", path(name), "Hello world"]);
    expect(await run("rebuilt/bert-base-uncased/tokenizer.json")).toEqual(printed("101 7592 2088 102\n"));
    expect(await run("rebuilt/gpt2/tokenizer.json")).toEqual(printed("15496 995\n"));
    expect(await run("llama2/tokenizer.model")).toEqual(printed("15043 3186\n"));
  });
});
