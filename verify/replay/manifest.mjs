// What verify/fixtures must hold: the folders of models-manifest.json, each with its kind and its expected tensors.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MANIFEST = "models-manifest.json";

/** Names of the folders that are recorded or there, and what is wrong with them, by their names. */
export function readManifest(fixtures, parseSafetensors) {
  const { folders } = JSON.parse(readFileSync(join(fixtures, MANIFEST), "utf8"));
  const there = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, "expected.safetensors")));
  const problems = new Map();
  for (const name of there) if (!Object.hasOwn(folders, name)) problems.set(name, `expected in ${MANIFEST}, got none`);
  for (const [name, recorded] of Object.entries(folders)) {
    const problem = there.includes(name)
      ? problemOf(join(fixtures, name), recorded, parseSafetensors)
      : "expected a folder with expected.safetensors, got none";
    if (problem) problems.set(name, problem);
  }
  return { names: [...new Set([...there, ...Object.keys(folders)])].sort(), problems };
}

function problemOf(folder, { kind, tensors }, parseSafetensors) {
  const wanted = tensors.split(" ");
  const read = (name) => readFileSync(join(folder, name));
  if (!existsSync(join(folder, "expected.json"))) return "expected expected.json, got none";
  const { tensors: got } = parseSafetensors(read("expected.safetensors"));
  const missing = wanted.filter((name) => !got.has(name));
  const unknown = [...got.keys()].filter((name) => !wanted.includes(name));
  const facts = JSON.parse(read("expected.json"));
  if (missing.length > 0) return `expected the tensors of ${MANIFEST}, got none named ${missing.join(", ")}`;
  if (unknown.length > 0) return `expected the tensors of ${MANIFEST}, got ${unknown.join(", ")} beside them`;
  return facts.kind === kind ? undefined : `expected the kind ${kind} of ${MANIFEST}, got ${facts.kind}`;
}
