import { randomUUID } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { reasonOf } from "kiloformer";
import { UsageError } from "./errors.ts";
import { placeOf } from "./place.ts";

/** Writes a file that an option names, whole or not at all; what is no file, such as a pipe, is written to as it is. */
export async function writeOutput(option: string, path: string, file: Uint8Array): Promise<void> {
  try {
    const info = await stat(path).catch(() => undefined);
    if (info && !info.isFile()) return await writeFile(path, file);
    await replaceFile(await placeOf(path), (unfinished) => writeFile(unfinished, file, { mode: info?.mode }));
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new UsageError(`${option}: expected a file that can be written, got ${reason}`, undefined, { cause });
  }
}

/** A file takes its name when it is whole: what had that name before, a link too, stays until then, and nothing unfinished is left. */
export async function replaceFile(path: string, write: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = join(dirname(path), `.${randomUUID()}.unfinished`);
  try {
    await write(unfinished);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
