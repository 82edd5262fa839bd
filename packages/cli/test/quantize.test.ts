import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Pipeline, parseSafetensors } from "kiloformer";
import { describe, expect, test } from "vitest";
import { folderOf, kiloformer, modelFolder } from "./terminal.ts";

const generated = async (model: string, ...argv: string[]) => {
  const all = ["generate", "--model", model, "--prompt", "abc", "--max-new-tokens", "6", "--json", ...argv];
  return JSON.parse((await kiloformer(all)).stdout).ids;
};

describe("quantize", () => {
  test.each(["q8", "q4"])("%s: the new folder gives what --dtype gives, and says what it holds", async (dtype) => {
    const model = modelFolder({ config: { eos_token_id: null } });
    writeFileSync(join(model, "pytorch_model.bin"), "weights for others");
    const output = join(folderOf({}), "new", "folder");
    const { code, stdout, stderr } = await kiloformer(["quantize", model, "--dtype", dtype, "-o", output]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/model\.safetensors: [\d.]+ k?B -> [\d.]+ k?B\n$/);
    const others = readdirSync(model).filter((name) => name !== "pytorch_model.bin");
    expect(readdirSync(output).sort()).toEqual(others.sort());
    expect(await generated(output)).toEqual(await generated(model, "--dtype", dtype));
    const { quantization_config: says } = JSON.parse(readFileSync(join(output, "config.json"), "utf8"));
    expect(says).toMatchObject({ quant_method: "kiloformer", bits: dtype === "q8" ? 8 : 4 });
    const { tensors } = parseSafetensors(readFileSync(join(output, "model.safetensors")));
    expect([...tensors.values()].some((info) => info.dtype === (dtype === "q8" ? "I8" : "U8"))).toBe(true);
    const count = async (folder: string) =>
      JSON.parse((await kiloformer(["inspect", "--json", folder])).stdout).parameters;
    expect(await count(output)).toBe(await count(model));
  });

  test("the model of a folder of sentence-transformers is found where modules.json says", async () => {
    const folders = fileURLToPath(new URL("../../../verify/fixtures/sentence-transformers/", import.meta.url));
    for (const name of ["bert-subfolder", "static-embedding-subfolder", "bert-dense"]) {
      const output = join(folderOf({}), "out");
      const argv = ["quantize", join(folders, name), "--dtype", "q8", "-o", output];
      expect(await kiloformer(argv)).toMatchObject({ code: 0, stderr: "" });
      const vectors: Float32Array[] = [];
      for (const [folder, dtype] of [[join(folders, name), "q8"] as const, [output, "auto"] as const]) {
        const pipeline = await Pipeline.fromDirectory(folder, { dtype, deterministic: true, onWarning() {} });
        vectors.push(await pipeline.embed("hello world"));
        await pipeline.dispose();
      }
      expect(vectors[1]).toEqual(vectors[0]);
    }
  });

  test.skipIf(process.platform !== "linux")("a disk that is full is an error, and leaves nothing", async () => {
    const model = modelFolder({});
    const output = join(folderOf({}), "out");
    const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
    // Files of at most 8 kB: the last write takes a part of its bytes.
    const script = `trap '' XFSZ; ulimit -f 8; exec ${process.execPath} ${main} quantize ${model} --dtype q8 -o ${output}`;
    const { status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^kiloformer: EFBIG/) });
    expect(existsSync(output) ? readdirSync(output).filter((name) => /safetensors/.test(name)) : []).toEqual([]);
  });

  test("a link to the model's folder is the model's folder, and what was there stays until the new file is whole", async () => {
    const model = modelFolder({});
    const link = join(folderOf({}), "link");
    symlinkSync(model, link);
    const { code, stderr } = await kiloformer(["quantize", model, "--dtype", "q8", "-o", link]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/expected another folder than the/) });
    expect(existsSync(join(model, "model.safetensors"))).toBe(true);
    const linked = folderOf({});
    for (const name of readdirSync(model)) symlinkSync(join(model, name), join(linked, name));
    const before = readdirSync(model).map((name) => readFileSync(join(model, name), "latin1"));
    expect((await kiloformer(["quantize", model, "--dtype", "q8", "-o", linked])).code).toBe(0);
    expect(readdirSync(model).map((name) => readFileSync(join(model, name), "latin1"))).toEqual(before);
    expect((await kiloformer(["quantize", link, "--dtype", "q8", "-o", join(model, "out")])).code).toBe(0);
    expect(readdirSync(join(model, "out"))).not.toContain("out");
    rmSync(join(model, "out"), { recursive: true });
    const output = folderOf({});
    expect((await kiloformer(["quantize", model, "--dtype", "q4", "-o", output])).code).toBe(0);
    const older = readFileSync(join(output, "model.safetensors"));
    const whole = readFileSync(join(model, "model.safetensors"));
    writeFileSync(join(model, "model.safetensors"), whole.subarray(0, whole.length - 1));
    expect((await kiloformer(["quantize", model, "--dtype", "q8", "-o", output])).code).toBe(1);
    expect(readFileSync(join(output, "model.safetensors"))).toEqual(older);
    writeFileSync(join(model, "model.safetensors"), whole);
    expect((await kiloformer(["quantize", model, "--dtype", "q8", "-o", output])).code).toBe(0);
    expect(readdirSync(output).filter((name) => name.includes("unfinished"))).toEqual([]);
  });

  test("a folder with another model's files is refused, one that was written before is written again", async () => {
    const model = modelFolder({});
    const output = folderOf({ "generation_config.json": "{}", "notes.md": "" });
    const argv = ["quantize", model, "--dtype", "q8", "-o", output];
    expect((await kiloformer(argv)).stderr).toMatch(
      /expected a new folder, got .* with generation_config\.json, which the/,
    );
    expect(readdirSync(output).sort()).toEqual(["generation_config.json", "notes.md"]);
    rmSync(join(output, "generation_config.json"));
    for (let round = 0; round < 2; round++) expect(await kiloformer(argv)).toMatchObject({ code: 0, stderr: "" });
  });

  test("a folder whose files have the same names but are another model's stays as it is, and so does what is no folder", async () => {
    const [model, other] = [modelFolder({}), modelFolder({})];
    const before = readFileSync(join(other, "model.safetensors"));
    const quantize = async (output: string) =>
      (await kiloformer(["quantize", model, "--dtype", "q8", "-o", output])).stderr;
    expect(await quantize(other)).toMatch(
      /^kiloformer: --output: expected a new folder, got .* with .*, which would be lost \(see kiloformer quantize --help\)\n$/,
    );
    writeFileSync(join(other, "config.json"), "{");
    expect(await quantize(other)).toMatch(/with .*, which would be lost \(see kiloformer quantize --help\)\n$/);
    rmSync(join(other, "config.json"));
    expect(await quantize(other)).toMatch(/with .*, which would be lost \(see kiloformer quantize --help\)\n$/);
    expect(readFileSync(join(other, "model.safetensors"))).toEqual(before);
    for (const name of ["vocab.json", "1_Pooling/config.json"]) {
      const [folder] = name.includes("/") ? ["1_Pooling"] : [];
      const files = folderOf({ "README.md": "mine" });
      if (folder) mkdirSync(join(files, folder));
      writeFileSync(join(files, name), "{}");
      if (!folder) expect(await quantize(files)).toMatch(/with vocab\.json, which would be lost/);
      else expect(await quantize(files)).toMatch(/with 1_Pooling.config\.json, which the model does not have/);
    }
    const quantized = join(folderOf({}), "out");
    const wider = modelFolder({ config: { rms_norm_eps: 1e-4 } });
    await kiloformer(["quantize", wider, "--dtype", "q8", "-o", quantized]);
    expect(await quantize(quantized)).toMatch(/which would be lost/);
    rmSync(join(quantized, "config.json"));
    expect(await quantize(quantized)).toMatch(/which would be lost/);
    expect(await quantize(join(other, "model.safetensors"))).toMatch(
      /expected a folder's name, got .*, which is no folder/,
    );
    expect(await quantize("")).toMatch(/--output: expected a path, got none/);
    expect(existsSync("model.safetensors")).toBe(false);
  });

  test("threads give the same text, and a wrong count is refused before anything is loaded", async () => {
    const model = modelFolder({ config: { eos_token_id: null } });
    expect(await generated(model, "--threads", "2", "--dtype", "q8")).toEqual(await generated(model, "--dtype", "q8"));
    const { code, stderr } = await kiloformer(["generate", "--model", "nowhere", "--prompt", "a", "--threads", "1.5"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/--threads: expected a whole number from 1 to 64, got "1\.5"/);
  });

  test("tells what it needs, and leaves nothing behind when it fails", async () => {
    const model = modelFolder({});
    const output = join(folderOf({}), "out");
    expect((await kiloformer(["quantize", model, "-o", output])).stderr).toMatch(/--dtype/);
    expect((await kiloformer(["quantize", model, "--dtype", "q5", "-o", output])).stderr).toMatch(/q8, q4/);
    expect((await kiloformer(["quantize", model, "--dtype", "q8"])).stderr).toMatch(/--output/);
    expect((await kiloformer(["quantize", model, "--dtype", "q8", "-o", model])).stderr).toMatch(/another folder/);
    expect((await kiloformer(["quantize", folderOf({}), "--dtype", "q8", "-o", output])).code).toBe(1);
    expect(existsSync(output)).toBe(false);
    await kiloformer(["quantize", model, "--dtype", "q8", "-o", output]);
    const again = await kiloformer(["quantize", output, "--dtype", "q4", "-o", `${output}2`]);
    expect(again.stderr).toMatch(/expected a model that is not quantized yet/);
  });
});
