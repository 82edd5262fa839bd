import { join, sep } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { findG2PModel } from "../src/model-path.ts";
import { shared } from "./shared.ts";
import { folderOf, kiloformer, modelFolder } from "./terminal.ts";

const words = ["abc", "bad", "cafe", "12", "", "abc, bad!"];

/** What the model gives for each text alone. */
async function alone(model: string, texts: readonly string[]): Promise<string[]> {
  const outcomes = await Promise.all(texts.map((text) => kiloformer(["g2p", "--model", model, "--", text])));
  return outcomes.map(({ stdout }) => stdout.replace(/\n$/, ""));
}

describe("g2p", () => {
  test("prints one line for each argument, in order", async () => {
    const model = modelFolder();
    const outcome = await kiloformer(["g2p", "--model", model, ...words]);
    expect(outcome).toEqual({ code: 0, stdout: `${(await alone(model, words)).join("\n")}\n`, stderr: "" });
    expect(outcome.stdout).not.toContain("abc");
  });

  test("takes --model, else KILOFORMER_MODEL", async () => {
    const model = modelFolder();
    const named = await kiloformer(["g2p", "abc"], { env: { KILOFORMER_MODEL: model } });
    expect(named).toEqual(await kiloformer(["g2p", "--model", model, "abc"]));
  });

  test("says that KILOFORMER_MODEL is wrong", async () => {
    const model = join(modelFolder(), "absent");
    const { code, stderr } = await kiloformer(["g2p", "abc"], { env: { KILOFORMER_MODEL: model } });
    expect(code).toBe(1);
    expect(stderr).toBe(
      `kiloformer: KILOFORMER_MODEL: expected a model's folder, got ${model}, where nothing is (see kiloformer g2p --help)\n`,
    );
  });

  test("--json writes one object a line", async () => {
    const model = modelFolder();
    const { stdout } = await kiloformer(["g2p", "--json", "--model", model, ...words, "1\n2"]);
    const texts = [...words, "1\n2"];
    const expected = await alone(model, texts);
    const objects = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(objects).toEqual(texts.map((text, index) => ({ text, ipa: expected[index] })));
  });

  test("takes a lexicon of lines, as ipa-dict has them too", async () => {
    const folder = folderOf({
      "names.tsv": "# names\n\nABC\tˈɑ\r\nbad\t/b/, /x/\n",
      "bad.tsv": "abc\tx\n\nbad x\n",
      "mute.tsv": "abc\t,\n",
      "more.tsv": "abc\tk,",
      "cases.tsv": "abc\tx\nABC\tˈɑ\nDon’t\ty\nDON'T\tz\n",
    });
    const say = (file: string, ...argv: string[]) =>
      kiloformer(["g2p", "--model", modelFolder(), "--lexicon", join(folder, file), ...argv]);
    expect(await say("names.tsv", "Abc, BAD!")).toEqual({ code: 0, stdout: "ˈɑ, b!\n", stderr: "" });
    expect((await say("bad.tsv", "abc")).stderr).toBe(
      `kiloformer: ${join(folder, "bad.tsv")}:3: expected a word, a tab and its IPA, got "bad x" (see kiloformer g2p --help)\n`,
    );
    expect((await say("mute.tsv", "abc")).stderr).toMatch(/:1: expected a word, a tab and its IPA, got "abc\\t,".*\n$/);
    const both = await say("names.tsv", "--lexicon", join(folder, "more.tsv"), "Abc, BAD!");
    expect(both).toEqual({ code: 0, stdout: "k, b!\n", stderr: "" });
    // However they are written: of a file the first way to say a word, of several files the last one's.
    expect((await say("cases.tsv", "abc don't")).stdout).toBe("x y\n");
    expect((await say("cases.tsv", "--lexicon", join(folder, "more.tsv"), "abc")).stdout).toBe("k\n");
    expect((await say("absent.tsv", "abc")).stderr).toMatch(/^kiloformer: --lexicon: expected a file, got .*ENOENT/);
  });

  test("--n-best prints a line for each way to say a text, --align the letters of each phone", async () => {
    const model = modelFolder();
    const [plain] = await alone(model, ["bad 7"]);
    const { stdout } = await kiloformer(["g2p", "--model", model, "--n-best", "3", "bad 7", "7"]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^-?\d+\.\d{3}\t.*7$/);
    expect(lines[3]).toBe("0.000\t7");
    const aligned = await kiloformer(["g2p", "--model", model, "--align", "bad 7", "7"]);
    const [first, second] = aligned.stdout.split("\n");
    expect(first).toMatch(new RegExp(`^${plain}\t(?:[bad]+:\\S+ ?)+$`));
    expect(second).toBe("7\t");
    const lexicon = join(folderOf({ "a.tsv": "bad\tbæd" }), "a.tsv");
    const known = await kiloformer([
      "g2p",
      "--model",
      model,
      "--lexicon",
      lexicon,
      "--align",
      "--n-best",
      "2",
      "bad 7",
    ]);
    expect(known.stdout).toBe("0.000\tbæd 7\tb:b a:æ d:d\n");
  });

  test("--json has pronunciations where they are asked for", async () => {
    const lexicon = join(folderOf({ "a.tsv": "bad\tbæd" }), "a.tsv");
    const say = async (...argv: string[]) =>
      JSON.parse(
        (await kiloformer(["g2p", "--model", modelFolder(), "--json", "--lexicon", lexicon, ...argv, "bad"])).stdout,
      );
    expect(await say()).toEqual({ text: "bad", ipa: "bæd" });
    expect(await say("--n-best", "2")).toEqual({ text: "bad", ipa: "bæd", pronunciations: [{ ipa: "bæd", score: 0 }] });
    const phones = {
      phones: ["b", "æ", "d"],
      alignment: [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    };
    expect(await say("--align")).toEqual({
      text: "bad",
      ipa: "bæd",
      pronunciations: [{ ipa: "bæd", score: 0, ...phones }],
    });
  });

  test("refuses counts and ways that it does not know", async () => {
    const say = async (...argv: string[]) => (await kiloformer(["g2p", ...argv, "bad"])).stderr;
    expect(await say("--n-best", "0")).toBe(
      'kiloformer: --n-best: expected a whole number from 1 to 256, got "0" (see kiloformer g2p --help)\n',
    );
    expect(await say("--n-best", "257")).toMatch(/--n-best: expected a whole number from 1 to 256, got "257"/);
    expect(await say("--num-beams", "x")).toBe(
      'kiloformer: --num-beams: expected a whole number from 1 to 256, got "x" (see kiloformer g2p --help)\n',
    );
    expect(await say("--numbers", "digits")).toMatch(/^kiloformer: .*--numbers/);
    const beams = ["--model", modelFolder(), "--num-beams", "2", "--n-best", "3"];
    expect(await say(...beams)).toBe(
      "kiloformer: --n-best: expected at most as many as --num-beams, 2, got 3 (see kiloformer g2p --help)\n",
    );
  });

  test("is one line where the model is no G2P, after what is wrong with its tokenizer", async () => {
    const model = modelFolder({ vocabulary: { a: 0, b: 1 } });
    const { code, stdout, stderr } = await kiloformer(["g2p", "--model", model, "abc"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const [warning, line, ...others] = stderr.trimEnd().split("\n");
    expect(warning).toMatch(
      /^kiloformer: warning: tokenizer: expected tokenizer\.json, .*, got vocab\.json; the model takes and gives ids only$/,
    );
    expect(line).toMatch(/^kiloformer: phonemize: expected /);
    expect(others).toEqual([]);
  });
});

describe("without --model and KILOFORMER_MODEL", () => {
  test("the model that comes with the package is taken, whatever lies beside a checkout", () => {
    expect(findG2PModel(undefined, { KILOFORMER_MODEL: "" }).split(sep).slice(-2)).toEqual(["models", "g2p"]);
    expect(findG2PModel(undefined, {})).toBe(findG2PModel(undefined, { KILOFORMER_MODEL: "" }));
  });

  test("that model reads English and Korean, numbers and abbreviations", async () => {
    const folder = fileURLToPath(new URL("../../models/g2p", import.meta.url));
    const { code, stdout, stderr } = await kiloformer(["g2p", "--model", folder, "Hello world, 3 dogs", "안녕하세요"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe("hɛloʊ wɝld, θɹi dɔɡz\na̠nɲjʌ̹ŋɦa̠sʰe̞jo\n");
  });
});

describe("g2p of standard input", () => {
  const read = (stdin: Parameters<typeof kiloformer>[1] & object, ...argv: string[]) =>
    kiloformer(["g2p", "--model", modelFolder(), ...argv], stdin);

  test.each([
    ["lines", "1\n2\n3\n"],
    ["a last line without a break", "1\n2\n3"],
    ["lines that end as on Windows", "1\r\n2\r\n3\r\n"],
    ["a byte-order mark", new TextEncoder().encode("\ufeff1\n2\n3\n")],
  ])("%s", async (_, input) => {
    const expected = { code: 0, stdout: "1\n2\n3\n", stderr: "" };
    expect(await read({ stdin: typeof input === "string" ? input : [input] })).toEqual(expected);
    expect(await read({ stdin: typeof input === "string" ? input : [input] }, "-")).toEqual(expected);
  });

  test("keeps empty lines, and gives nothing for nothing", async () => {
    expect((await read({ stdin: "\n1\n\n" })).stdout).toBe("\n1\n\n");
    expect((await read({ stdin: "" })).stdout).toBe("");
  });

  test("puts characters and lines together that arrive in pieces", async () => {
    const bytes = new TextEncoder().encode("“1”\n“22”\n");
    const stdin = Array.from(bytes, (byte) => Uint8Array.of(byte));
    expect((await read({ stdin })).stdout).toBe("“1”\n“22”\n");
  });

  test("answers each line before the next one comes", async () => {
    const output: string[] = [];
    let answered = () => {};
    async function* typing() {
      for (const line of ["1\n", "2\n", "3\n"]) {
        const answer = new Promise<void>((resolve) => {
          answered = resolve;
        });
        yield line;
        await answer;
      }
    }
    const onOutput = (text: string) => {
      output.push(text);
      answered();
    };
    await read({ stdin: typing(), onOutput });
    expect(output).toEqual(["1\n", "2\n", "3\n"]);
  });

  test("keeps order over many batches", async () => {
    const lines = Array.from({ length: 2500 }, (_, index) => `${index}`);
    const { stdout } = await read({ stdin: `${lines.join("\n")}\n` });
    expect(stdout).toBe(`${lines.join("\n")}\n`);
  });

  test("Ctrl-C ends it with 130 while it waits, and says nothing", async () => {
    const interrupt = new AbortController();
    const stdin = new PassThrough();
    stdin.write("1\n");
    const onOutput = () => interrupt.abort();
    const outcome = await read({ stdin, onOutput, signal: interrupt.signal });
    expect(outcome).toEqual({ code: 130, stdout: "1\n", stderr: "" });
  });
});

describe.skipIf(!shared)("g2p with hama-g2p (needs ../shared)", () => {
  const model = `${shared}models/hama-g2p`;
  test("says hello in two languages", async () => {
    const outcome = await kiloformer(["g2p", "--model", model, "Hello 안녕하세요"]);
    expect(outcome).toEqual({ code: 0, stdout: "hɛloʊ annʌŋhasejo\n", stderr: "" });
  });

  test("aligns, and reads numbers unless it is told not to", async () => {
    const say = async (...argv: string[]) => (await kiloformer(["g2p", "--model", model, ...argv, "knight 3"])).stdout;
    expect(await say("--align", "--n-best", "2")).toBe(
      "-0.058\tnaɪt θɹi\tkn:n igh:aɪ t:t 3:θ 3:ɹ 3:i\n-3.656\tnaɪt θɹɪ\tkn:n igh:aɪ t:t 3:θ 3:ɹ 3:ɪ\n",
    );
    expect(await say("--numbers", "pass")).toBe("naɪt 3\n");
  });
});
