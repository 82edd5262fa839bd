import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { readDirectory } from "../src/platform/directory-node.ts";
import { failing } from "./shared.ts";

describe("readDirectory", () => {
  const make = (files: Record<string, string>) => {
    const directory = mkdtempSync(join(tmpdir(), "kiloformer-"));
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), content);
    }
    return directory;
  };

  test("offers files of folders in the folder, and nothing deeper, hidden in links or of other kinds", async () => {
    const elsewhere = make({ "secret.json": "secret" });
    const directory = make({
      "config.json": "{}",
      "README.md": "x",
      "1_Pooling/config.json": "[]",
      "2_Dense/pytorch_model.bin": "x",
      "2_Dense/run.py": "x",
      "onnx/deep/model.json": "x",
    });
    symlinkSync(join(elsewhere, "secret.json"), join(directory, "1_Pooling/secret.json"));
    symlinkSync(join(directory, "config.json"), join(directory, "1_Pooling/same.json"));
    symlinkSync(elsewhere, join(directory, "3_Link"));
    const { files, close } = await readDirectory(directory);
    const names = ["1_Pooling/config.json", "1_Pooling/same.json", "2_Dense/pytorch_model.bin", "config.json"];
    expect([...files.keys()].sort()).toEqual(names);
    expect(files.get("1_Pooling/config.json")?.size).toBe(2);
    expect(new TextDecoder().decode(await files.get("1_Pooling/config.json")?.read(0, 2))).toBe("[]");
    await close();
    rmSync(directory, { recursive: true });
    rmSync(elsewhere, { recursive: true });
  });

  test.each(["stat", "readdir"])("a folder that may not be read is a typed error: %s", async (call) => {
    vi.resetModules();
    vi.doMock("node:fs/promises", async (original) => ({
      ...(await original<typeof import("node:fs/promises")>()),
      [call]: () => Promise.reject(new Error("EACCES: permission denied")),
    }));
    const { readDirectory } = await import("../src/platform/directory-node.ts");
    vi.doUnmock("node:fs/promises");
    await expect(readDirectory(tmpdir())).rejects.toMatchObject({
      code: "cannot-open",
      message: `${tmpdir()}: expected a folder to read, got an error: EACCES: permission denied`,
    });
  });

  test("H3: a shard that is a link out of the folder is refused; chat templates are read", async () => {
    const elsewhere = make({ "x.safetensors": "x", "model.safetensors": "x" });
    const templates = { "chat_template.jinja": "{{ 1 }}", "additional_chat_templates/rag.jinja": "{{ 2 }}" };
    const directory = make({ "real.safetensors": "x", ...templates });
    symlinkSync(join(elsewhere, "x.safetensors"), join(directory, "a-1.safetensors"));
    symlinkSync(join(directory, "real.safetensors"), join(directory, "a-2.safetensors"));
    symlinkSync(join(elsewhere, "model.safetensors"), join(directory, "model.safetensors"));
    const { files, close } = await readDirectory(directory);
    const read = (name: string) => files.get(name)!.read(0, 1);
    for (const name of ["a-2.safetensors", ...Object.keys(templates), "model.safetensors"]) {
      expect(await read(name)).toHaveLength(1);
    }
    await expect(read("a-1.safetensors")).rejects.toThrow("a-1.safetensors: expected a file of the folder, got a link");
    await close();
    rmSync(directory, { recursive: true });
    rmSync(elsewhere, { recursive: true });
  });

  test("a pickle that is a link to nowhere is none of a folder's business; another file is an error with its reason", async () => {
    const directory = make({ "config.json": "{}" });
    symlinkSync("../../blobs/gone", join(directory, "pytorch_model.bin"));
    const { files, close } = await readDirectory(directory);
    expect([...files.keys()]).toEqual(["config.json", "pytorch_model.bin"]);
    await close();
    symlinkSync("../../blobs/gone", join(directory, "vocab.txt"));
    await expect(readDirectory(directory)).rejects.toMatchObject({ code: "cannot-open" });
    rmSync(directory, { recursive: true });
  });

  test("a snapshot of huggingface_hub's cache links to files beside it", async () => {
    const cache = make({ "models--a--b/blobs/1": "{}", "models--a--b/snapshots/x/1_Pooling/other.json": "{}" });
    const snapshot = join(cache, "models--a--b/snapshots/x");
    symlinkSync("../../../blobs/1", join(snapshot, "1_Pooling/config.json"));
    const { files, close } = await readDirectory(snapshot);
    expect([...files.keys()]).toContain("1_Pooling/config.json");
    await close();
    rmSync(cache, { recursive: true });
  });

  test("files are opened when they are read, and not before", async () => {
    const directory = make(Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`onnx/${index}.json`, "{}"])));
    const descriptors = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
    const before = descriptors();
    const { files, close } = await readDirectory(directory);
    expect(files.size).toBe(200);
    expect(descriptors()).toBe(before);
    writeFileSync(join(directory, "onnx/7.json"), "changed");
    const error = failing("file-changed", "onnx/7.json: expected a file of 2 bytes as before, got 7");
    await expect(files.get("onnx/7.json")!.read(0, 2)).rejects.toThrow(error);
    await close();
    expect(descriptors()).toBe(before);
    rmSync(directory, { recursive: true });
  });

  test("what is no folder is a typed error", async () => {
    const directory = make({ "config.json": "{}" });
    await expect(readDirectory(join(directory, "none"))).rejects.toMatchObject({ code: "not-found" });
    await expect(readDirectory(join(directory, "config.json"))).rejects.toMatchObject({ code: "not-a-directory" });
    rmSync(directory, { recursive: true });
  });
});
