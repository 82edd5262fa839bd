import { chmodSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSafetensors } from "kiloformer";
import { describe, expect, test } from "vitest";
import { folderOf, kiloformer } from "./terminal.ts";

const odd = fileURLToPath(new URL("../../../verify/fixtures/gpt2-odd", import.meta.url));
const names = ["config.json", "model.safetensors", "expected.json", "expected.safetensors"];
const copy = () => folderOf(Object.fromEntries(names.map((name) => [name, readFileSync(join(odd, name))])));
const verify = (...argv: string[]) => kiloformer(["verify", "--build", "simd", ...argv]);

describe("verify", () => {
  test("compares every expected tensor and writes what it computed under the same names", async () => {
    const out = join(folderOf({}), "computed.safetensors");
    const { code, stdout, stderr } = await verify(odd, "--out", out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/\n\d+ tensors compared, 0 failed\n$/);
    const expected = parseSafetensors(readFileSync(join(odd, "expected.safetensors")));
    const computed = parseSafetensors(readFileSync(out));
    const outputs = [...expected.tensors.keys()].filter((name) => !/^(input_ids|attention_mask|prompt)/.test(name));
    expect([...computed.tensors.keys()].sort()).toEqual(outputs.sort());
  });

  test("fails where a value differs, and says which", async () => {
    const folder = copy();
    const path = join(folder, "expected.safetensors");
    const bytes = new Uint8Array(readFileSync(path));
    parseSafetensors(bytes).view("logits").set([0, 0, 0xa0, 0x40]);
    writeFileSync(path, bytes);
    const { code, stdout, stderr } = await verify(folder);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}logits .* element 0: expected 5, got/m);
    expect(stderr).toMatch(
      /^kiloformer: verify: expected every tensor within its tolerance, got 1 of \d+ that are not$/m,
    );
  });

  test("says which of the expected files is not there, or no file", async () => {
    const folder = copy();
    renameSync(join(folder, "expected.json"), join(folder, "facts.json"));
    expect((await verify(folder)).stderr).toMatch(/^kiloformer: \S+: expected expected\.json, got none /);
    mkdirSync(join(folder, "expected.json"));
    expect((await verify(folder)).stderr).toMatch(/expected\.json: expected a file, got a directory /);
  });

  test.each([
    ["another kind", '{"kind": "encoder"}'],
    ["a generation without its ids", '{"kind": "decoder", "generation": {"none": {}}}'],
    ["no JSON", "{"],
  ])(
    "for expected files with %s the hint is the help that has their format, and no list of models",
    async (_, facts) => {
      const folder = copy();
      writeFileSync(join(folder, "expected.json"), facts);
      const { code, stderr } = await verify(folder);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^kiloformer: (\S+\/)?expected\.\w+: expected .* \(see kiloformer verify --help\)\n$/);
    },
  );

  test("says that threads and a browser do not go together", async () => {
    const { code, stderr } = await kiloformer(["verify", "--browser", "--threads", "2", odd]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/--threads: expected no --browser beside it/);
  });

  test("goes on after a folder that cannot be replayed", async () => {
    const broken = copy();
    writeFileSync(join(broken, "config.json"), "{");
    const { code, stdout, stderr } = await verify(broken, odd);
    expect(code).toBe(1);
    expect(stdout).toContain(`${broken}\nFAIL  `);
    expect(stdout).toMatch(/ 0 failed, 1 folder that could not be replayed\n$/);
    expect(stderr).toBe(
      "kiloformer: verify: expected folders that can be replayed, got 1 folder that could not be replayed\n",
    );
    const lines = (await verify("--json", broken, odd)).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toEqual([
      { directory: broken, error: { code: "truncated-json", message: expect.any(String) } },
      { directory: odd, comparisons: expect.any(Array) },
    ]);
    expect((await verify(broken)).stderr).toMatch(/^kiloformer: config\.json: /);
  });

  test("says of failed tensors and of broken folders in one line", async () => {
    const [broken, wrong] = [copy(), copy()];
    writeFileSync(join(broken, "config.json"), "{");
    const path = join(wrong, "expected.safetensors");
    const bytes = new Uint8Array(readFileSync(path));
    parseSafetensors(bytes).view("logits").set([0, 0, 0xa0, 0x40]);
    writeFileSync(path, bytes);
    const { code, stderr } = await verify(broken, wrong);
    expect(code).toBe(1);
    expect(stderr).toMatch(/tolerance, got 1 of \d+ that are not, 1 folder that could not be replayed\n$/);
  });

  test("runs the relaxed kernels on every engine that has them", async () => {
    const { code, stderr } = await kiloformer(["verify", "--build", "relaxed", odd]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  test("writes nothing into the folder that it verifies", async () => {
    const folder = copy();
    const elsewhere = folderOf({ "weights.safetensors": readFileSync(join(folder, "model.safetensors")) });
    const link = join(elsewhere, "link");
    symlinkSync(folder, link);
    renameSync(join(folder, "model.safetensors"), join(folder, "other.safetensors"));
    symlinkSync(join(elsewhere, "weights.safetensors"), join(folder, "model.safetensors"));
    for (const out of [
      join(folder, "model.safetensors"),
      join(folder, "expected.safetensors"),
      join(folder, "new.safetensors"),
      join(link, "expected.safetensors"),
      join(elsewhere, "weights.safetensors"),
    ]) {
      const { code, stderr } = await verify(folder, "--out", out);
      expect(code).toBe(1);
      expect(stderr).toBe(
        `kiloformer: --out: expected a file outside the folder that is verified, got ${out} (see kiloformer verify --help)\n`,
      );
    }
    expect(readFileSync(join(elsewhere, "weights.safetensors"))).toEqual(readFileSync(join(odd, "model.safetensors")));
  });
});

describe("verify --browser", () => {
  /** A program in Chromium's place that answers as a page would: with these posts, or by its exit. */
  function fakeChromium(posts: readonly (readonly [path: string, body: unknown])[], before = ""): string {
    const script = `#!${process.execPath}
const url = process.argv.at(-1);
${before}
for (const [path, body] of ${JSON.stringify(posts)}) {
  await fetch(new URL(path, url), { method: "POST", body: JSON.stringify(body) });
}
${posts.length > 0 ? "setInterval(() => {}, 1000);" : "process.exit(7);"}
`;
    const program = join(folderOf({ "chromium.mjs": script }), "chromium.mjs");
    chmodSync(program, 0o755);
    return program;
  }
  const browse = (program: string, ...argv: string[]) =>
    kiloformer(["verify", "--browser", ...argv], { env: { CHROMIUM_PATH: program } });

  test("tells a page's warnings, and goes on after a folder that cannot be replayed", async () => {
    const program = fakeChromium([
      ["/warnings", ["config.json: expected known keys, got banana"]],
      ["/failure", { code: "missing", message: "model.safetensors: expected wte.weight, got none" }],
    ]);
    const { code, stdout, stderr } = await browse(program, odd, odd);
    expect(code).toBe(1);
    const failed = `${odd}\nFAIL  model.safetensors: expected wte.weight, got none\n\n`;
    expect(stdout).toBe(`${failed}${failed}0 tensors compared, 0 failed, 2 folders that could not be replayed\n`);
    expect(stderr).toMatch(/^kiloformer: warning: config\.json: expected known keys, got banana$/m);
    const [line] = (await browse(program, "--json", odd, odd)).stdout.split("\n");
    expect(JSON.parse(line).error.code).toBe("missing");
  });

  test("takes a page that fails in another way, or ends, for a folder that cannot be replayed", async () => {
    const failing = await browse(fakeChromium([["/failure", { message: "out of memory" }]]), odd, odd);
    expect(failing.stdout).toContain("FAIL  --browser: out of memory\n");
    const program = fakeChromium([]);
    const ended = await browse(program, odd);
    expect(ended.stderr).toBe(
      `kiloformer: --browser: expected ${program} to stay, got exit code 7 (see kiloformer verify --help)\n`,
    );
    const killing = join(folderOf({ "chromium.sh": "#!/bin/sh\nkill -9 $$\n" }), "chromium.sh");
    chmodSync(killing, 0o755);
    const killed = await browse(killing, odd);
    expect(killed.stderr).toContain(`expected ${killing} to stay, got SIGKILL (`);
  });

  test("ends at once where it was told to before the browser started", async () => {
    const { code } = await kiloformer(["verify", "--browser", odd], {
      env: { CHROMIUM_PATH: fakeChromium([["/nothing", {}]]) },
      signal: AbortSignal.abort(),
    });
    expect(code).toBe(130);
  });

  test("gives a page the files that a program would open, by their names and in ranges", async () => {
    const folder = copy();
    renameSync(join(folder, "model.safetensors"), join(folder, "other.safetensors"));
    const script = `
const html = await (await fetch(url)).text();
const named = /\\["other.safetensors",(\\d+)\\]/.exec(html)[1];
const part = await fetch(new URL("/model/other.safetensors", url), { headers: { range: "bytes=8-15" } });
const expected = await (await fetch(new URL("/expected", url))).arrayBuffer();
const told = [named, part.status, part.headers.get("content-range"), await part.text(), expected.byteLength];
await fetch(new URL("/warnings", url), { method: "POST", body: JSON.stringify([told.join(" ")]) });`;
    const { stderr } = await browse(fakeChromium([["/failure", { message: "enough" }]], script), folder);
    const bytes = readFileSync(join(folder, "other.safetensors"));
    const part = bytes.toString("utf8", 8, 16);
    const { length } = readFileSync(join(folder, "expected.safetensors"));
    expect(stderr).toContain(`warning: ${bytes.length} 206 bytes 8-15/${bytes.length} ${part} ${length}\n`);
  });

  test("ends where there is no Chromium", async () => {
    const { code, stderr } = await browse("/nowhere/chromium", odd, odd);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^kiloformer: \/nowhere\/chromium: expected to start, got /);
  });
});
