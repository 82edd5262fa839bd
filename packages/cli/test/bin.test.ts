import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { modelFolder } from "./terminal.ts";

const bin = fileURLToPath(new URL("../bin/kiloformer.js", import.meta.url));
const built = existsSync(new URL("../dist/main.js", import.meta.url));
if (!built) console.warn("skipped: bin/kiloformer.js, as the packages are not built; npm test builds them");

describe.skipIf(!built)("bin/kiloformer.js", () => {
  const env = { PATH: process.env.PATH };

  test("reads lines and writes lines", () => {
    const argv = [bin, "g2p", "--model", modelFolder()];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { input: "1\n2", encoding: "utf8", env });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "1\n2\n", stderr: "" });
  });

  test.skipIf(process.arch !== "x64")("gives our own quantized model's phones on processors without AVX", () => {
    const withoutAvx = ["--no-enable-avx", "--no-enable-avx2", "--no-enable-fma3"];
    const relaxed = Number.parseInt(process.versions.v8, 10) < 12 ? ["--experimental-wasm-relaxed-simd"] : [];
    const argv = [...withoutAvx, ...relaxed, bin, "g2p", "knight"];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8", env });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "naɪt\n", stderr: "" });
  });

  test("fails with 1 and one line", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, "gp2"], { encoding: "utf8", env });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe("kiloformer: unknown command 'gp2' (did you mean g2p?)\n");
  });

  test.skipIf(process.platform === "win32").each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("after %s ends with %i", async (signal, code) => {
    const child = spawn(process.execPath, [bin, "g2p", "--model", modelFolder()], { env });
    const exit = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
    child.stdin.write("1\n");
    child.stdout.once("data", () => child.kill(signal));
    expect(await exit).toEqual({ code, signal: null });
  });

  test("ends quietly when its reader is gone", async () => {
    const child = spawn(process.execPath, [bin, "g2p", "--model", modelFolder()], { env });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => {});
    const exit = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
    child.stdout.once("data", () => {
      child.stdout.destroy();
      const timer = setInterval(() => child.stdin.write("2\n"), 20);
      child.once("exit", () => clearInterval(timer));
    });
    child.stdin.write("1\n");
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(stderr).toBe("");
  });
});
