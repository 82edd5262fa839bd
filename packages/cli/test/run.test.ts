import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type KiloformerError,
  MemoryError,
  NonFiniteError,
  OptionError,
  PackedError,
  RuntimeError,
  SourceError,
  WeightError,
} from "kiloformer";
import { describe, expect, test, vi } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { report } from "../src/errors.ts";
import type { Terminal } from "../src/terminal.ts";
import { folderOf, kiloformer, modelFolder } from "./terminal.ts";

const failed = (line: string) => ({ code: 1, stdout: "", stderr: `kiloformer: ${line}\n` });
const folderHint = "(a model's folder holds config.json, model.safetensors and the tokenizer's files)";

describe("help and version", () => {
  test("--version prints the package's version", async () => {
    expect(await kiloformer(["--version"])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  test.each([[[]], [["--help"]], [["help"]]])("%j prints every command and an example of each", async (argv) => {
    const { code, stdout, stderr } = await kiloformer(argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of ["g2p", "generate", "inspect", "tokenize"])
      expect(stdout).toContain(`  kiloformer ${command} `);
  });

  test.each(["g2p", "generate", "inspect", "tokenize"])(
    "%s --help has its options, --verbose and examples",
    async (command) => {
      const { code, stdout } = await kiloformer([command, "--help"]);
      expect(code).toBe(0);
      for (const part of ["--json", "--verbose", "Examples:", `kiloformer ${command} `]) expect(stdout).toContain(part);
      expect((await kiloformer(["help", command])).stdout).toBe(stdout);
    },
  );
});

describe("a bad command line is one line with a hint", () => {
  const cases: [argv: string[], line: string][] = [
    [["gp2"], "unknown command 'gp2' (did you mean g2p?)"],
    [["frobnicate"], "unknown command 'frobnicate' (see kiloformer --help)"],
    [["--frobnicate"], "unknown option '--frobnicate' (see kiloformer --help)"],
    [["g2p", "--modle", "x"], "unknown option '--modle' (did you mean --model?)"],
    [["help", "frobnicate"], "unknown command 'frobnicate' (see kiloformer --help)"],
    [["generate", "--modle", "x", "--prompt", "a"], "unknown option '--modle' (did you mean --model?)"],
    [
      ["generate", "--model", "", "--prompt", "a"],
      "--model: expected a path, got none (see kiloformer generate --help)",
    ],
    [["g2p", "--model", "", "a"], "--model: expected a path, got none (see kiloformer g2p --help)"],
    [["g2p", "--lexicon", "", "a"], "--lexicon: expected a path, got none (see kiloformer g2p --help)"],
    [["inspect", ""], "PATH: expected a path, got none (see kiloformer inspect --help)"],
    [["verify", "a", ""], "DIR: expected a path, got none (see kiloformer verify --help)"],
    [["pack", "", "-o", "a.wasm"], "DIR: expected a path, got none (see kiloformer pack --help)"],
    [
      ["tokenize", "--tokenizer", "a", "--rule", "", "a"],
      "option '--rule <NAME>' argument '' is invalid. Allowed choices are sentencepiece, huggingface (see kiloformer tokenize --help)",
    ],
    [["g2p", "-hello"], "unknown option '-hello' (see kiloformer g2p --help)"],
    [["g2p", "--model"], "option '--model <PATH>' argument missing (see kiloformer g2p --help)"],
    [["generate", "--prompt", "a"], "required option '--model <PATH>' not specified (see kiloformer generate --help)"],
    [["generate", "--model", "x"], "required option '--prompt <TEXT>' not specified (see kiloformer generate --help)"],
    [["tokenize", "a"], "required option '--tokenizer <PATH>' not specified (see kiloformer tokenize --help)"],
    [["inspect"], "missing required argument 'PATH' (see kiloformer inspect --help)"],
    [
      ["inspect", "a", "b"],
      "too many arguments for 'inspect'. Expected 1 argument but got 2 (see kiloformer inspect --help)",
    ],
  ];
  test.each(cases)("%j", async (argv, line) => {
    expect(await kiloformer(argv)).toEqual(failed(line));
  });
});

describe("a bad number is refused before the model is opened", () => {
  const whole = "a whole number from 0";
  const cases: [flag: string, expected: string, values: string[]][] = [
    ["--max-new-tokens", whole, ["-1", "1.5", "", " ", "ten", "NaN", "Infinity", "1e400", "0x10", "9007199254740993"]],
    ["--top-k", whole, ["-1", "1.5"]],
    ["--seed", whole, ["-1", "x"]],
    ["--no-repeat-ngram-size", whole, ["-1", "2.5"]],
    ["--temperature", "a number from 0", ["-1", "NaN", "Infinity", "1,5"]],
    ["--top-p", "a number above 0 and at most 1", ["0", "1.5", "-0.1"]],
    ["--min-p", "a number from 0 to 1", ["2", "-1"]],
    ["--repetition-penalty", "a number above 0", ["0", "-1"]],
  ];
  const each = cases.flatMap(([flag, expected, values]) => values.map((value) => [flag, value, expected] as const));
  test.each(each)("%s %j", async (flag, value, expected) => {
    const outcome = await kiloformer(["generate", "--model", "/nowhere", "--prompt", "g2p", flag, value]);
    expect(outcome).toEqual(
      failed(`${flag}: expected ${expected}, got ${JSON.stringify(value)} (see kiloformer generate --help)`),
    );
  });
});

test.skipIf(process.platform === "win32")("inspect takes no device", async () => {
  const line = "/dev/null: expected a model's folder or a file, got something else (see kiloformer inspect --help)";
  expect(await kiloformer(["inspect", "/dev/null"])).toEqual(failed(line));
});

test("verify names what it misses, and no other file", async () => {
  const folder = modelFolder();
  const message = `${folder}: expected expected.safetensors, got none`;
  expect(await kiloformer(["verify", folder])).toEqual(
    failed(`${message} (the folders that verify takes have both expected files)`),
  );
});

describe("a model that does not open is one line with a hint", () => {
  const generate = (model: string) => kiloformer(["generate", "--model", model, "--prompt", "a"]);

  test("a folder that is not there", async () => {
    const folder = join(folderOf({}), "absent");
    expect(await generate(folder)).toEqual(
      failed(`${folder}: expected a model's folder, got nothing there ${folderHint}`),
    );
  });

  test("a file in place of a folder", async () => {
    const file = join(folderOf({ "a.txt": "a" }), "a.txt");
    expect(await generate(file)).toEqual(failed(`${file}: expected a model's folder, got a file ${folderHint}`));
  });

  test("an empty folder", async () => {
    const folder = folderOf({});
    const message = `${folder}: expected a model's folder with config.json, got one without ${folderHint}`;
    expect(await generate(folder)).toEqual(failed(message));
  });

  test("a family that is not supported", async () => {
    const { code, stdout, stderr } = await generate(modelFolder({ config: { model_type: "frobnicator" } }));
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^kiloformer: config\.json: expected model_type to be one of .*llama.*, got "frobnicator" \(kiloformer inspect lists what is there\)\n$/,
    );
  });

  test.each([
    ["a safetensors file", { "model.safetensors": "abc" }, "was it cut or changed on its way? then fetch it again"],
    [
      "a config",
      { "config.json": "{" },
      "the README lists the models that open, with the files as they were published",
    ],
    ["a tokenizer", { "tokenizer.json": "{}" }, "docs/tokenizers.md lists the files that open, as they were published"],
  ])("%s that breaks a rule", async (_, files, hint) => {
    const folder = modelFolder();
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const { code, stdout, stderr } = await generate(folder);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.endsWith(` (${hint})\n`), stderr).toBe(true);
  });

  test.each<[KiloformerError, string]>([
    [new SourceError("short-read", "x", {}), "is it there, whole, and may you read it?"],
    [new WeightError("unknown", "x", {}), "kiloformer inspect lists what is there"],
    [new MemoryError("exhausted", "x", {}), "kiloformer quantize makes a model smaller"],
    [new RuntimeError("no-simd", "x", {}), "Node 20.19 or later has what the kernels need"],
    [new PackedError("not-packed", "x", {}), "kiloformer pack writes such a file"],
    [new NonFiniteError("not-finite", "x", {}), "are the weights those that were published?"],
    [new OptionError("bad-option", "x", {}), "see kiloformer g2p --help"],
  ])("$name", (error, hint) => {
    const stderr = { write: vi.fn() };
    expect(report(error, { stderr } as unknown as Terminal, "kiloformer g2p", false)).toBe(1);
    expect(stderr.write.mock.calls.join("")).toContain(`x (${hint})\n`);
  });

  test("an option out of range", async () => {
    const { stderr } = await kiloformer(["generate", "--model", modelFolder(), "--prompt", "a", "--top-p", "2"]);
    expect(stderr).toMatch(/ \(see kiloformer generate --help\)\n$/);
  });

  test("what the system refuses", async () => {
    const { stderr } = await kiloformer(["quantize", modelFolder(), "--dtype", "q8", "-o", "/dev/null/new"]);
    expect(stderr).toMatch(/^kiloformer: ENOTDIR: .* \(is it there, and may you read and write it\?\)\n$/);
  });

  test("a line break or an escape sequence in a message stays on the line and harmless", async () => {
    const { stderr } = await generate(join(folderOf({}), "a\n\u001b[31mb"));
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toContain("a \\u{1b}[31mb: expected a model's folder");
  });
});

test("--verbose adds the stack, before or after the command", async () => {
  const folder = folderOf({});
  for (const argv of [
    ["--verbose", "generate", "--model", folder, "--prompt", "a"],
    ["generate", "--model", folder, "--prompt", "a", "--verbose"],
  ]) {
    const { code, stderr } = await kiloformer(argv);
    const [line, ...stack] = stderr.trimEnd().split("\n");
    expect(code).toBe(1);
    const message = `${folder}: expected a model's folder with config.json, got one without`;
    expect(line).toBe(`kiloformer: ${message} ${folderHint}`);
    expect(stack.join("\n")).toMatch(/^ConfigError: .*config\.json.*\n\s+at .*missing-file/s);
  }
});

test("--verbose shows the cause of an error", async () => {
  const folder = folderOf({});
  mkdirSync(join(folder, "sub"));
  const { stderr } = await kiloformer(["g2p", "--verbose", "--model", join(folder, "absent"), "a"]);
  expect(stderr).toContain("[cause]");
  expect(stderr).toContain("ENOENT");
});

describe("standard output", () => {
  test.each(["EPIPE", "ERR_STREAM_DESTROYED"])(
    "%s: nobody reads any more, which is no failure",
    async (outputError) => {
      const outcome = await kiloformer(["g2p", "--model", modelFolder(), "abc"], { outputError });
      expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
    },
  );

  test("ENOSPC: is a failure", async () => {
    const outcome = await kiloformer(["g2p", "--model", modelFolder(), "abc"], { outputError: "ENOSPC" });
    const line = "standard output: expected to write, got an error: ENOSPC: no more (--verbose shows where)";
    expect(outcome).toEqual(failed(line));
  });
});

test("what a model's files hold and the runtime does not know is a warning on standard error, once", async () => {
  const model = modelFolder({ config: { frobnicate: 1 } });
  const { code, stdout, stderr } = await kiloformer(["g2p", "--model", model, "12"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "12\n" });
  const message = 'config.json: expected only keys that this runtime knows, got "frobnicate"';
  expect(stderr).toBe(`kiloformer: warning: ${message}\n`);
});
