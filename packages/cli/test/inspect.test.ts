import { cpSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TensorData, writeSafetensors } from "kiloformer";
import { describe, expect, test } from "vitest";
import { tinyConfig } from "../../models/test/tiny.ts";
import { shared } from "./shared.ts";
import { folderOf, kiloformer, modelFolder } from "./terminal.ts";

const zeros = (dtype: TensorData["dtype"], shape: number[], bytes: number): TensorData => ({
  dtype,
  shape,
  data: new Uint8Array(bytes),
});
const inspect = (path: string, ...argv: string[]) => kiloformer(["inspect", path, ...argv]);
const inspectJson = async (path: string) => JSON.parse((await inspect(path, "--json")).stdout);

describe("inspect of a folder", () => {
  test("shows config, parameters, bytes, memory, and tensors with the layers together", async () => {
    const model = modelFolder();
    const { code, stdout, stderr } = await inspect(model);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.split("\n");
    expect(lines[0]).toBe(`path        ${model}`);
    expect(lines[1]).toBe("model_type  llama");
    expect(lines[2]).toMatch(/^config +hidden_size 24, intermediate_size 40, num_hidden_layers 2, .*vocab_size 19, /);
    expect(lines[3]).toBe("parameters  10,248");
    expect(lines[4]).toBe("F32         21 tensors, 10,248 parameters, 41.0 kB");
    expect(lines[5]).toMatch(/^on disk +model\.safetensors \d+\.\d kB$/);
    expect(lines[6]).toMatch(
      /^in memory +\d+\.\d kB weights; key\/value cache [\d.]+ kB for each 64 positions, [\d.]+ kB for the whole context of 160$/,
    );
    expect(lines[8]).toBe("21 tensors:");
    expect(lines).toContainEqual(
      expect.stringMatching(/^ {2}model\.layers\.\{0-1\}\.mlp\.down_proj\.weight +F32 +\[24, 40\] +x 2 +7\.68 kB$/),
    );
    expect(lines.slice(9, -1)).toHaveLength(3 + 9);
  });

  test("speaks of no cache where a model keeps none", async () => {
    for (const name of ["bert-mean", "static-embedding"]) {
      const folder = new URL(`../../../verify/fixtures/sentence-transformers/${name}`, import.meta.url);
      expect((await inspect(fileURLToPath(folder))).stdout).toMatch(/^in memory +[\d.]+ kB weights$/m);
    }
  });

  test("does not take the weights of modules in their folders for the model's", async () => {
    const folder = fileURLToPath(new URL("../../../verify/fixtures/sentence-transformers/bert-dense", import.meta.url));
    const copy = folderOf({});
    cpSync(folder, copy, { recursive: true });
    renameSync(join(copy, "model.safetensors"), join(copy, "weights.safetensors"));
    for (const [path, name] of [
      [folder, "model.safetensors"],
      [copy, "weights.safetensors"],
    ]) {
      const { code, stdout, stderr } = await inspect(path, "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject({ opens: true, files: [{ name }] });
    }
  });

  test("--json has every tensor, the whole config and exact bytes", async () => {
    const model = modelFolder();
    const result = await inspectJson(model);
    expect(Object.keys(result)).toEqual(
      "path model_type opens problem config files bytes metadata parameters dtypes memory tensors".split(" "),
    );
    expect(result).toMatchObject({ path: model, model_type: "llama", opens: true, problem: null, parameters: 10_248 });
    expect(result.config).toEqual(tinyConfig);
    expect(result.dtypes).toEqual({ F32: { tensors: 21, parameters: 10_248, bytes: 40_992 } });
    const size = readFileSync(join(model, "model.safetensors")).length;
    expect(result.files).toEqual([{ name: "model.safetensors", bytes: size }]);
    expect(result.bytes).toBe(size);
    expect(result.memory).toMatchObject({ cache_page_positions: 64, context_length: 160 });
    expect(result.memory.weight_bytes).toBeGreaterThanOrEqual(40_992);
    expect(result.memory.cache_bytes).toBe(3 * result.memory.cache_page_bytes);
    expect(result.tensors).toHaveLength(21);
    expect(result.tensors).toContainEqual({
      name: "lm_head.weight",
      dtype: "F32",
      shape: [19, 24],
      bytes: 1824,
      file: "model.safetensors",
    });
  });

  test.each([
    [
      "an unknown model_type",
      { model_type: "frobnicator" },
      /^opens +no: config\.json: expected model_type to be one of/m,
    ],
    ["a config that does not fit", { hidden_size: 25 }, /^opens +no: config\.json: expected num_attention_heads/m],
    ["missing tensors", { num_hidden_layers: 3 }, /^opens +no: /m],
  ])("%s: says so and lists the tensors all the same", async (_, config, says) => {
    const model = modelFolder({ config });
    const { code, stdout } = await inspect(model);
    expect(code).toBe(0);
    expect(stdout).toMatch(says);
    expect(stdout).toContain("lm_head.weight");
    expect(stdout).not.toContain("in memory");
    expect(await inspectJson(model)).toMatchObject({ opens: false, memory: null, parameters: 10_248 });
  });

  test("without config.json the tensors are listed", async () => {
    const folder = folderOf({ "model.safetensors": writeSafetensors({ a: zeros("F32", [2], 8) }) });
    const { code, stdout } = await inspect(folder);
    expect(code).toBe(0);
    expect(stdout).toContain("opens       no: config.json: expected this file, got none");
    expect(stdout).toContain("1 tensor:\n  a  F32  [2]    8 B\n");
  });

  test("shards are added up, and a wrong total_size is one warning", async () => {
    const folder = folderOf({
      "one.safetensors": writeSafetensors({ a: zeros("BF16", [4], 8) }),
      "two.safetensors": writeSafetensors({ b: zeros("F32", [4], 16) }),
      "model.safetensors.index.json": JSON.stringify({
        metadata: { total_size: 1 },
        weight_map: { a: "one.safetensors", b: "two.safetensors" },
      }),
      "config.json": JSON.stringify(tinyConfig),
    });
    const { code, stdout, stderr } = await inspect(folder);
    expect(code).toBe(0);
    expect(stderr).toBe("kiloformer: warning: model.safetensors.index.json: expected a total_size of 24, got 1\n");
    expect(stdout).toMatch(/^on disk +\d+ B in 2 files: one\.safetensors \d+ B, two\.safetensors \d+ B$/m);
    expect(stdout.indexOf("\nF32 ")).toBeLessThan(stdout.indexOf("\nBF16 "));
  });

  test.each([
    [
      "no weights",
      { "config.json": "{}" },
      /^kiloformer: checkpoint: expected .*got .*config\.json.* \(a model's folder holds/,
    ],
    [
      "a config.json that is not JSON",
      { "config.json": "{", "model.safetensors": writeSafetensors({}) },
      /^kiloformer: config\.json: /,
    ],
    [
      "weights that are cut short",
      { "model.safetensors": new Uint8Array(4) },
      /^kiloformer: .*expected at least 8 bytes, got 4/,
    ],
    [
      "two files without an index",
      { "a.safetensors": writeSafetensors({}), "b.safetensors": writeSafetensors({}) },
      /\(kiloformer inspect takes one such file, too\)$/,
    ],
  ])("%s is an error of one line", async (_, files, line) => {
    const { code, stdout, stderr } = await inspect(folderOf(files));
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd()).toMatch(line);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("inspect of a file", () => {
  test("lists the tensors only, whatever the file is called", async () => {
    const bytes = writeSafetensors({ a: zeros("F32", [2, 2], 16), b: zeros("I64", [1], 8), c: zeros("F32", [], 4) });
    const file = join(folderOf({ blob: bytes }), "blob");
    const { code, stdout, stderr } = await inspect(file);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(
      [
        `path        ${file}`,
        "parameters  6",
        "F32         2 tensors, 5 parameters, 20 B",
        "I64         1 tensor, 1 parameter, 8 B",
        `on disk     blob ${bytes.length} B`,
        "",
        "3 tensors:",
        "  b  I64  [1]        8 B",
        "  a  F32  [2, 2]    16 B",
        "  c  F32  []         4 B",
        "",
      ].join("\n"),
    );
    expect(await inspectJson(file)).toMatchObject({ model_type: null, opens: false, config: null, parameters: 6 });
  });

  test("names are opaque text: what steers a terminal is shown, what is long is cut", async () => {
    const names = ["__proto__", "constructor", "", "a\0b", "../../x", "\u001b[2J", "n".repeat(1e6)];
    const bytes = writeSafetensors(names.map((name) => [name, zeros("F32", [1], 4)] as const));
    const file = join(folderOf({ "x.safetensors": bytes }), "x.safetensors");
    const { stdout } = await inspect(file);
    for (const shown of [
      "__proto__",
      "constructor",
      '""',
      "a\\u{0}b",
      "../../x",
      "\\u{1b}[2J",
      "n... (1000000 characters)",
    ]) {
      expect(stdout).toContain(`${shown} `);
    }
    expect(stdout).toMatch(/^[\P{Cc}\n]*$/u);
    const { tensors } = await inspectJson(file);
    expect(tensors.map(({ name }: { name: string }) => name).sort()).toEqual([...names].sort());
  });

  test("numbers that leave gaps or come twice in a name are shown as they are", async () => {
    const names = ["h.0.w", "h.1.w", "h.2.w", "h.10.w", "e.0.1", "e.0.2", "e.3.1", "e.3.2", "v7", "h.00.w"];
    const bytes = writeSafetensors(names.map((name) => [name, zeros("F32", [1], 4)] as const));
    const file = join(folderOf({ "x.safetensors": bytes }), "x.safetensors");
    const { stdout } = await inspect(file);
    const shown = stdout
      .slice(stdout.indexOf("tensors:\n") + 9)
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().replace(/ +/g, " "));
    expect(shown).toEqual([
      "e.{0,3}.{1-2} F32 [1] x 4 16 B",
      "h.{0-2,10}.w F32 [1] x 4 16 B",
      "h.00.w F32 [1] 4 B",
      "v7 F32 [1] 4 B",
    ]);
  });

  test.each([
    ["text", "hello, hello, hello", /^kiloformer: x: expected a safetensors file, got a text file/],
    ["nothing", "", /^kiloformer: x: expected at least 8 bytes, got 0 \(was it cut .*\)$/],
    ["a page", "<!DOCTYPE html><html></html>", /^kiloformer: x: expected a safetensors file, got /],
  ])("%s is an error of one line", async (_, content, line) => {
    const { code, stdout, stderr } = await inspect(join(folderOf({ x: content }), "x"));
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd()).toMatch(line);
  });

  test("a path where nothing is", async () => {
    const path = join(folderOf({}), "absent");
    expect(await inspect(path)).toEqual({
      code: 1,
      stdout: "",
      stderr: `kiloformer: ${path}: expected a model's folder or a .safetensors file, got nothing there (see kiloformer inspect --help)\n`,
    });
  });
});

describe.skipIf(!shared)("inspect of real models (needs ../shared)", () => {
  test("half-precision weights stay half in memory", async () => {
    const { memory, dtypes } = await inspectJson(`${shared}references/llama-f16`);
    expect(dtypes.F16).toEqual({ tensors: 21, parameters: 75_600, bytes: 151_200 });
    expect(memory.weight_bytes).toBeLessThan(1.1 * 151_200);
  });
});
