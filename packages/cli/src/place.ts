import { realpath } from "node:fs/promises";
import { resolve } from "node:path";

/** Where a file or folder lies, whatever links lead there; one that is not there yet, where it will. */
export function placeOf(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}
