import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Source, SourceError } from "@kiloformer/core";
import { fileSource } from "@kiloformer/core/node";

/** The files of a folder that a model may need, opened; `close` closes them. */
export interface OpenDirectory {
  readonly files: ReadonlyMap<string, Source>;
  close(): Promise<void>;
}

const wanted = /\.(safetensors|json|model|txt)$/;

/**
 * Opens a model's folder.
 * @throws {SourceError} `not-found`, `not-a-directory`
 */
export async function readDirectory(directory: string): Promise<OpenDirectory> {
  const files = new Map<string, Source>();
  const close = async () => {
    await Promise.all([...files.values()].map((source) => source.close?.()));
  };
  try {
    for (const name of await names(directory)) files.set(name, await fileSource(join(directory, name), name));
  } catch (error) {
    await close();
    throw error;
  }
  return { files, close };
}

async function names(directory: string): Promise<string[]> {
  const info = await stat(directory).catch((cause: unknown) => {
    throw new SourceError(
      "not-found",
      `${directory}: expected a model's folder, got nothing there`,
      { directory },
      { cause },
    );
  });
  if (!info.isDirectory()) {
    throw new SourceError("not-a-directory", `${directory}: expected a model's folder, got a file`, { directory });
  }
  const entries = await readdir(directory, { withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory() && wanted.test(entry.name)).map(({ name }) => name);
}
