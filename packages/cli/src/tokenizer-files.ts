import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UsageError } from "./errors.ts";

/** The largest tokenizers published are about 40 MB. */
const MOST_BYTES = 256 * 2 ** 20;

/** What a folder's tokenizer can lie in, and the small files that say more of it. */
const tokenizerFile = /(\.model|\.tiktoken|\.jinja|(vocab|merges)[^/]*\.txt|^(?!.*index\.json$).*\.json)$/;

/** The files of a tokenizer by name: of a folder all that may matter; of a vocabulary also what belongs to it. */
export async function readTokenizerFiles(path: string): Promise<Map<string, Uint8Array>> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const got = cause.code === "ENOENT" ? "nothing there" : `an error: ${cause.message}`;
    throw new UsageError(`--tokenizer: expected a file or a folder, got ${path}: ${got}`, undefined, { cause });
  });
  if (!info.isDirectory()) {
    const name = basename(path);
    const folder = dirname(path);
    const beside = /vocab/.test(name)
      ? [
          name.replace(/vocab\.json$/, "merges.txt"),
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
        ]
      : [];
    return readFiles(folder, [name, ...(await existing(folder, beside)).filter((other) => other !== name)]);
  }
  const names = (await readdir(path)).filter((name) => tokenizerFile.test(name)).sort();
  return readFiles(path, names);
}

async function existing(folder: string, names: readonly string[]): Promise<string[]> {
  const present = new Set(await readdir(folder));
  return names.filter((name) => present.has(name));
}

async function readFiles(folder: string, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const path = join(folder, name);
    const info = await stat(path);
    if (!info.isFile()) continue;
    if (info.size > MOST_BYTES)
      throw new UsageError(`${path}: expected a file of at most ${MOST_BYTES} bytes, got ${info.size}`);
    files.set(name, new Uint8Array(await readFile(path)));
  }
  return files;
}
