import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { shared } from "./shared.ts";
import { kiloformer, modelFolder } from "./terminal.ts";

// Without an end-of-text id, texts have a known length.
const endless = () => modelFolder({ config: { eos_token_id: null } });
const generate = (model: string, ...argv: string[]) => kiloformer(["generate", "--model", model, ...argv]);

describe("generate", () => {
  test("streams the text that --json gives whole", async () => {
    const model = endless();
    const argv = ["--prompt", "abc", "--max-new-tokens", "12"];
    const pieces: string[] = [];
    const onOutput = (text: string) => pieces.push(text);
    const streamed = await kiloformer(["generate", "--model", model, ...argv], { onOutput });
    const whole = await generate(model, ...argv, "--json");
    const result = JSON.parse(whole.stdout);
    expect(Object.keys(result)).toEqual(["text", "ids", "prompt_ids", "finish_reason"]);
    expect(result.ids).toHaveLength(12);
    expect(result.prompt_ids).toEqual([4, 5, 6, 2]);
    expect(result.finish_reason).toBe("length");
    expect(streamed).toEqual({ code: 0, stdout: `${result.text}\n`, stderr: "" });
    expect(pieces.length).toBeGreaterThan(2);
  });

  test("a seed repeats a text; without sampling options the likeliest tokens are taken", async () => {
    const model = endless();
    const sampled = (seed: string) =>
      generate(model, "--prompt", "abc", "--max-new-tokens", "12", "--temperature", "1.5", "--seed", seed);
    const greedy = () => generate(model, "--prompt", "abc", "--max-new-tokens", "12");
    expect(await sampled("7")).toEqual(await sampled("7"));
    expect((await sampled("7")).stdout).not.toBe((await sampled("8")).stdout);
    expect((await greedy()).stdout).toBe((await greedy()).stdout);
  });

  test("every number reaches the model", async () => {
    const model = endless();
    const ids = async (...argv: string[]) =>
      JSON.parse((await generate(model, "--prompt", "abc", "--max-new-tokens", "12", "--json", ...argv)).stdout).ids;
    const greedy = await ids();
    expect(new Set(greedy).size).toBeLessThan(12);
    expect(new Set(await ids("--no-repeat-ngram-size", "1")).size).toBe(12);
    expect(await ids("--repetition-penalty", "3")).not.toEqual(greedy);
    for (const narrow of [
      ["--top-k", "1"],
      ["--top-p", "1e-9"],
      ["--min-p", "1"],
      ["--temperature", "0"],
    ]) {
      expect(await ids(...narrow)).toEqual(greedy);
    }
  });

  test("--prompt - reads standard input, less the line break that ends it", async () => {
    const model = endless();
    const argv = ["generate", "--model", model, "--max-new-tokens", "6", "--json", "--prompt"];
    const piped = await kiloformer([...argv, "-"], { stdin: "abc\n" });
    expect(piped).toEqual(await kiloformer([...argv, "abc"]));
  });

  test("--max-new-tokens 0 gives an empty text", async () => {
    const model = endless();
    const { stdout } = await generate(model, "--prompt", "abc", "--max-new-tokens", "0", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ text: "", ids: [], finish_reason: "length" });
    expect(await generate(model, "--prompt", "abc", "--max-new-tokens", "0")).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  test("a prompt that is too long is an error that names --truncate, which keeps its end", async () => {
    const model = endless();
    const long = "a".repeat(200);
    const { code, stderr } = await generate(model, "--prompt", long);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^kiloformer: prompt: expected at most 160 tokens.*got 201.*\(on the command line: --truncate\)\n$/,
    );
    const { stdout } = await generate(model, "--prompt", long, "--truncate", "--max-new-tokens", "10", "--json");
    expect(JSON.parse(stdout).ids).toHaveLength(10);
  });

  test("Ctrl-C ends the text with its line and 130", async () => {
    const interrupt = new AbortController();
    const argv = ["generate", "--model", endless(), "--prompt", "abc", "--max-new-tokens", "150"];
    const outcome = await kiloformer(argv, { signal: interrupt.signal, onOutput: () => interrupt.abort() });
    const { stdout } = await kiloformer(argv);
    expect(outcome).toMatchObject({ code: 130, stderr: "" });
    expect(outcome.stdout).toMatch(/.\n$/);
    expect(stdout.startsWith(outcome.stdout.trimEnd())).toBe(true);
    expect(stdout.length).toBeGreaterThan(outcome.stdout.length);
  });

  test("Ctrl-C before the load ends it with 130", async () => {
    const outcome = await kiloformer(["generate", "--model", endless(), "--prompt", "abc"], {
      signal: AbortSignal.abort(),
    });
    expect(outcome).toEqual({ code: 130, stdout: "", stderr: "" });
  });
});

describe.skipIf(!shared)("generate with tinystories-260k (needs ../shared)", () => {
  test("tells the first story token for token", async () => {
    const model = `${shared}models/tinystories-260k`;
    const { stories } = JSON.parse(readFileSync(`${model}/expected.json`, "utf8"));
    for (const { prompt, input_ids, output_ids } of stories) {
      const count = String(output_ids.length);
      const { stdout } = await generate(model, "--prompt", prompt, "--max-new-tokens", count, "--json");
      const result = JSON.parse(stdout);
      expect(result.prompt_ids).toEqual(input_ids);
      expect(result.ids).toEqual(output_ids);
      const streamed = await generate(model, "--prompt", prompt, "--max-new-tokens", count);
      expect(streamed.stdout).toBe(`${result.text}\n`);
    }
  });
});
