import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { supportsBuild } from "kiloformer";
import { describe, expect, test } from "vitest";
import { tinyConfig } from "../../models/test/tiny.ts";
import { runsRelaxed } from "../src/kernels.ts";
import { folderOf, kiloformer, modelFolder } from "./terminal.ts";

const texts = ["abc", "bad dab", "가나, 12"];

/** A folder's model in one file. */
async function pack(folder: string, ...options: string[]) {
  const file = join(folderOf({}), "model.wasm");
  return { file, outcome: await kiloformer(["pack", folder, "-o", file, ...options]) };
}

describe("pack", () => {
  test("the file gives what the folder gives, with dtype and without", async () => {
    const folder = modelFolder();
    for (const options of [[], ["--dtype", "q8"], ["--dtype", "f16"]]) {
      const { file, outcome } = await pack(folder, ...options);
      expect(outcome).toEqual({ code: 0, stderr: "", stdout: expect.stringMatching(/model\.wasm: [\d.]+ kB\n$/) });
      const expected = await kiloformer(["g2p", "--model", folder, ...options, ...texts]);
      expect(await kiloformer(["g2p", "--model", file, ...texts])).toEqual(expected);
      expect(await kiloformer(["g2p", ...texts], { env: { KILOFORMER_MODEL: file } })).toEqual(expected);
    }
    const ask = ["--prompt", "abc", "--max-new-tokens", "5", "--json"];
    const { file } = await pack(folder);
    const generated = await kiloformer(["generate", "--model", file, ...ask]);
    expect(generated.code).toBe(0);
    expect(generated).toEqual(await kiloformer(["generate", "--model", folder, ...ask]));
  });

  test.skipIf(!runsRelaxed())("--relaxed packs the other kernels, and the file runs", async () => {
    expect(supportsBuild("relaxed")).toBe(true);
    const { file, outcome } = await pack(modelFolder(), "--relaxed");
    expect(outcome.stderr).toBe("");
    expect(JSON.parse((await kiloformer(["inspect", "--json", file])).stdout).build).toBe("relaxed");
    expect((await kiloformer(["g2p", "--model", file, "abc"])).code).toBe(0);
  });

  test("tells what is wrong, and writes nothing", async () => {
    const folder = modelFolder();
    const file = join(folderOf({}), "model.wasm");
    expect((await kiloformer(["pack", folder])).stderr).toMatch(/required option '-o, --output <FILE>'/);
    expect((await kiloformer(["pack", folder, "-o", folder])).stderr).toMatch(/expected a file's name, got the folder/);
    expect((await kiloformer(["pack", join(folder, "none"), "-o", file])).stderr).toMatch(/got nothing there/);
    expect((await kiloformer(["pack", folder, "--dtype", "q5", "-o", file])).stderr).toMatch(/q8, q4/);
    expect(existsSync(file)).toBe(false);
    const away = join(folder, "none", "model.wasm");
    expect((await kiloformer(["pack", folder, "-o", away])).stderr).toMatch(/expected a file that can be written, got/);
    const { file: made } = await pack(folder);
    expect((await kiloformer(["g2p", "--model", made, "--dtype", "q8", "abc"])).stderr).toMatch(
      /^kiloformer: --dtype: expected a model's folder beside it, got .*model\.wasm, whose weights are packed/,
    );
    expect((await kiloformer(["g2p", "--model", file, "abc"])).stderr).toMatch(/expected a file to read, got an error/);
  });

  test("writes over a packed file and no other, and a file that cannot be whole leaves the earlier one", async () => {
    const folder = modelFolder();
    const say = (text: string) => [text.length, ...Buffer.from(text)];
    // A module with nothing in it, ones with a section of somebody else's, and one that is cut short.
    for (const sections of [[], [0, 6, ...say("other")], [0, 18, ...say("other"), ...say("kiloformer.")], [0, 0x80]]) {
      const name = `other-${sections.length}.wasm`;
      writeFileSync(join(folder, name), Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, ...sections));
    }
    writeFileSync(join(folder, "no-module"), Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 12, ...say("kiloformer.")));
    for (const name of readdirSync(folder)) {
      const before = readFileSync(join(folder, name));
      const { code, stderr } = await kiloformer(["pack", folder, "-o", join(folder, name)]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/--output: expected a new file or a packed one, got .*, which is another file/),
      });
      expect(readFileSync(join(folder, name))).toEqual(before);
    }
    const { file } = await pack(folder);
    const other = Uint8Array.of(0, 0x83, 2, ...say("other"), ...new Uint8Array(253));
    const whole = readFileSync(file);
    writeFileSync(file, Buffer.concat([whole.subarray(0, 8), other, whole.subarray(8)]));
    expect((await kiloformer(["pack", folder, "-o", file])).code).toBe(0);
    const link = join(folderOf({}), "link.wasm");
    symlinkSync(file, link);
    expect((await kiloformer(["pack", folder, "--dtype", "q8", "-o", link])).code).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    chmodSync(file, 0o600);
    expect((await kiloformer(["pack", folder, "-o", link])).code).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await kiloformer(["pack", folder, "-o", "/dev/null"])).code).toBe(0);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    const empty = join(folderOf({ "empty.wasm": "" }), "empty.wasm");
    expect((await kiloformer(["pack", folder, "-o", empty])).code).toBe(0);
    expect((await kiloformer(["pack", folder, "-o", `${join(folder, "new")}/`])).stderr).toMatch(
      /got the folder .*new/,
    );
    const deep = folderOf({});
    mkdirSync(join(deep, "deep/er"), { recursive: true });
    symlinkSync(join(deep, "deep/er"), join(deep, "link"));
    expect((await kiloformer(["pack", folder, "-o", `${deep}/link/../out.wasm`])).code).toBe(0);
    expect(readdirSync(join(deep, "deep")).sort()).toEqual(["er", "out.wasm"]);
    const earlier = readFileSync(file);
    const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
    const script = `trap '' XFSZ; ulimit -f 8; exec ${process.execPath} ${main} pack ${folder} -o ${file}`;
    const { status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/can be written, got EFBIG/) });
    expect(readFileSync(file)).toEqual(earlier);
    expect(readdirSync(dirname(file))).toEqual(["model.wasm"]);
  });

  test("says of a file that is cut short that it may be", async () => {
    const { file } = await pack(modelFolder());
    writeFileSync(file, readFileSync(file).subarray(0, 60_000));
    const { code, stderr } = await kiloformer(["g2p", "--model", file, "abc"]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^kiloformer: .* \(was it cut or changed on its way\? then fetch it again\)\n$/),
    });
  });

  test("a packed file is one by its content, whatever its name", async () => {
    const folder = modelFolder();
    const { file } = await pack(folder);
    const expected = await kiloformer(["g2p", "--model", file, ...texts]);
    const unnamed = join(folderOf({}), "model");
    copyFileSync(file, unnamed);
    const named = join(folderOf({}), "folder.wasm");
    cpSync(folder, named, { recursive: true });
    for (const model of [unnamed, named])
      expect(await kiloformer(["g2p", "--model", model, ...texts])).toEqual(expected);
  });
});

describe("inspect of a packed file", () => {
  test("shows what it holds, its sections and its size after compression", async () => {
    const { file } = await pack(modelFolder());
    const { code, stdout, stderr } = await kiloformer(["inspect", file]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.split("\n");
    expect(lines.slice(0, 2)).toEqual([`path        ${file}`, "model_type  llama"]);
    expect(lines[2]).toMatch(/^config +hidden_size 24, /);
    expect(lines[3]).toBe("packed      simd build, dtype auto");
    expect(lines[4]).toMatch(/^on disk +[\d.]+ kB, [\d.]+ kB after gzip \(fflate\)$/);
    expect(lines[5]).toMatch(/^in memory +[\d.]+ kB weights at 65536, 2 pages of 64 KiB$/);
    expect(lines[6]).toMatch(/^files +config\.json \d+ B, vocab\.json \d+ B$/);
    expect(lines[7]).toMatch(/^exports +\d+ kernels, RELAXED \(global\), DOT_STEPS \(global\), memory \(mem(ory)?\)$/);
    expect(lines[8]).toMatch(
      /^sections +kiloformer\.directory .*, type .*, memory .*, code .*, data .*, kiloformer\.files/,
    );
    expect(stdout).toMatch(
      / {2}model\.layers\.\{0-1\}\.self_attn\.q_proj\.weight \+ k_proj \+ v_proj +f32 panels +\[48, 24\] +x 2 /,
    );
  });

  test("--json has every section, segment, export and weight", async () => {
    const { file } = await pack(modelFolder(), "--dtype", "q8");
    const result = JSON.parse((await kiloformer(["inspect", file, "--json"])).stdout);
    const size = statSync(file).size;
    expect(result).toMatchObject({ path: file, model_type: "llama", config: tinyConfig, build: "simd", dtype: "q8" });
    expect(result.bytes).toBe(size);
    const gzipped = gzipSync(readFileSync(file), { level: 9 });
    expect(gunzipSync(gzipped)).toHaveLength(size);
    expect(Math.abs(result.gzip_bytes / gzipped.length - 1)).toBeLessThan(0.03);
    const { weights_at, weight_bytes, pages } = result.memory;
    expect(result.segments.at(-1)).toEqual({ address: weights_at, bytes: weight_bytes });
    expect(pages).toBe(Math.ceil((weights_at + weight_bytes) / 65_536));
    expect(result.exports.map(({ name }: { name: string }) => name)).toContain("gemm_q8");
    const names = result.weights.flatMap(({ names }: { names: string[] }) => names);
    expect(new Set(names).size).toBe(21);
    const ends = result.weights.map(({ address, bytes }: { address: number; bytes: number }) => address + bytes);
    expect(Math.max(...ends)).toBeLessThanOrEqual(weights_at + weight_bytes);
  });

  test("refuses another module, and one that is damaged", async () => {
    const { file: whole } = await pack(modelFolder());
    const cut = join(folderOf({}), "cut.wasm");
    writeFileSync(cut, readFileSync(whole).subarray(0, 1000));
    expect((await kiloformer(["inspect", cut])).stderr).toMatch(
      /expected all of the last section, got a file cut short by \d+ bytes/,
    );
    const folder = folderOf({ "other.wasm": new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]) });
    expect((await kiloformer(["inspect", join(folder, "other.wasm")])).stderr).toMatch(
      /expected a model that kiloformer packed, got another module/,
    );
    const { file } = await pack(modelFolder());
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length / 2));
    expect((await kiloformer(["inspect", file])).stderr).toMatch(/expected a WebAssembly module, got one that cannot/);
    writeFileSync(file, Buffer.concat([bytes, Buffer.from([1, 2, 3, 4])]));
    expect((await kiloformer(["inspect", file])).code).toBe(1);
    bytes[bytes.indexOf("model.norm.weight")] ^= 1;
    writeFileSync(file, bytes);
    expect((await kiloformer(["inspect", file])).stderr).toMatch(/the file is damaged/);
  });
});
