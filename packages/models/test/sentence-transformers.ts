// The sentence-transformers folders of this repository, as they are and with other files.
import { join } from "node:path";
import { Pipeline } from "../src/index.ts";
import { fixtureFiles, fixtures } from "./open.ts";
import { builds, debugRuntime } from "./shared.ts";

/** Where they lie. */
export const folder = join(fixtures, "sentence-transformers");

type Files = Record<string, Uint8Array | string>;

/** A case's files by name, some of them replaced; undefined takes one away. */
export function filesOf(name: string, changes: Record<string, unknown> = {}): Files {
  const files: Files = fixtureFiles(`sentence-transformers/${name}`);
  for (const [file, content] of Object.entries(changes)) {
    if (content === undefined) delete files[file];
    else files[file] = typeof content === "string" ? content : JSON.stringify(content);
  }
  return files;
}

/** Opens a case on the first build, some of its files replaced. */
export async function open(name: string, changes: Record<string, unknown> = {}, strict = false) {
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const runtime = await debugRuntime(builds[0]);
  return { pipeline: await Pipeline.fromFiles(filesOf(name, changes), { runtime, strict, onWarning }), warnings };
}

/** A modules.json with such modules. */
export const modules = (...entries: (readonly [type: string, path: string])[]) =>
  entries.map(([type, path], idx) => ({ idx, name: `${idx}`, path, type: `sentence_transformers.models.${type}` }));
