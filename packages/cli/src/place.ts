import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** Where a file or folder lies, whatever links lead there; one that is not there yet, where it will. */
export async function placeOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const folder = await realpath(dirname(path)).catch(() => resolve(dirname(path)));
    return join(folder, basename(path));
  }
}
