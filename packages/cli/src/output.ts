import { writeFile } from "node:fs/promises";
import { reasonOf } from "kiloformer";
import { UsageError } from "./errors.ts";

/** Writes a file that an option names. */
export async function writeOutput(option: string, path: string, file: Uint8Array): Promise<void> {
  try {
    await writeFile(path, file);
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new UsageError(`${option}: expected a file that can be written, got ${reason}`, undefined, { cause });
  }
}
