import { readFileSync, writeFileSync } from "node:fs";
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
    expect(stderr).toMatch(/1 folder that could not be replayed\n$/);
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
});
