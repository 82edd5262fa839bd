// What `npm run verify` must not pass over: recordings that are gone, or empty.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSafetensors, writeSafetensors } from "@kiloformer/core";
import { describe, expect, onTestFinished, test } from "vitest";

const load = (name: string) => import(new URL(name, import.meta.url).href);
const { readManifest } = await load("./manifest.mjs");
const { readRecorded } = await load("./minilm.mjs");
const { replayG2p, replayOwnG2P, replayStories } = await load("./real-models.mjs");
const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kiloformer-verify-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe("the manifest of models", () => {
  test("has every folder, with its kind and its tensors", () => {
    const { names, problems } = readManifest(fixtures, parseSafetensors);
    expect(names.length).toBeGreaterThan(60);
    expect([...problems]).toEqual([]);
  });

  test("shows a folder that is gone, one that it lacks, and one with other tensors or of another kind", () => {
    const folder = newFolder();
    for (const name of ["gpt2-odd", "t5-odd", "llama-yarn", "bert-base-model"])
      cpSync(join(fixtures, name), join(folder, name), { recursive: true });
    const { folders } = JSON.parse(readFileSync(join(fixtures, "models-manifest.json"), "utf8"));
    const some = Object.fromEntries(
      ["gpt2-odd", "gpt2-unscaled", "llama-yarn", "bert-base-model"].map((name) => [name, folders[name]]),
    );
    writeFileSync(join(folder, "models-manifest.json"), JSON.stringify({ folders: some }));
    const change = (name: string, edit: (tensors: Map<string, unknown>) => void) => {
      const path = join(folder, name, "expected.safetensors");
      const file = parseSafetensors(readFileSync(path));
      const tensors = new Map([...file.tensors].map(([key, info]) => [key, { ...info, data: file.view(key).slice() }]));
      edit(tensors);
      writeFileSync(path, writeSafetensors(tensors));
    };
    change("gpt2-odd", (tensors) => tensors.delete("logits"));
    change("llama-yarn", (tensors) => tensors.set("more", tensors.get("logits")));
    const facts = JSON.parse(readFileSync(join(folder, "bert-base-model/expected.json"), "utf8"));
    writeFileSync(join(folder, "bert-base-model/expected.json"), JSON.stringify({ ...facts, kind: "masked-lm" }));
    const { names, problems } = readManifest(folder, parseSafetensors);
    expect(names).toEqual(["bert-base-model", "gpt2-odd", "gpt2-unscaled", "llama-yarn", "t5-odd"]);
    expect(Object.fromEntries(problems)).toEqual({
      "bert-base-model": "expected the kind encoder of models-manifest.json, got masked-lm",
      "gpt2-odd": "expected the tensors of models-manifest.json, got none named logits",
      "gpt2-unscaled": "expected a folder with expected.safetensors, got none",
      "llama-yarn": "expected the tensors of models-manifest.json, got more beside them",
      "t5-odd": "expected in models-manifest.json, got none",
    });
  });
});

describe("a recording that was emptied", () => {
  test("fails: sentences and their vectors", () => {
    const recorded = join(fixtures, "sentence-embeddings");
    const { sentences, queries } = readRecorded(recorded, parseSafetensors);
    expect([sentences.length, queries.length]).toEqual([200, 20]);
    const folder = newFolder();
    cpSync(recorded, folder, { recursive: true });
    writeFileSync(join(folder, "sentences.json"), JSON.stringify({ sentences: [], queries: [] }));
    expect(() => readRecorded(folder, parseSafetensors)).toThrow("expected 200 sentences, got 0 and 200 vectors");
  });

  test("fails: words, logits and stories", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "g2p"));
    const words = join(folder, "g2p/expected.tsv");
    writeFileSync(words, "# word, IPA, margin\n");
    await expect(replayOwnG2P(undefined, folder, words)).rejects.toThrow("expected 2000 words, got 0");
    writeFileSync(
      join(folder, "expected.json"),
      JSON.stringify({ words: [], logits_after_hello_sos: [1], stories: [] }),
    );
    await expect(replayG2p(undefined, folder)).rejects.toThrow("hama-g2p/expected.json: expected words, got none");
    await expect(replayStories(undefined, folder)).rejects.toThrow("expected stories, got none");
  });
});
