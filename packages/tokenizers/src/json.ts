import { TokenizerError } from "./errors.ts";

/**
 * The text of a file.
 * @throws {TokenizerError} `code: "file"` when it is not UTF-8
 */
export function readText(file: Uint8Array | string, where: string): string {
  if (typeof file === "string") return file;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file);
  } catch (cause) {
    throw new TokenizerError("file", `${where}: expected UTF-8, got ${cause}`, { where }, { cause });
  }
}

/**
 * Parses a JSON file.
 * @throws {TokenizerError} `code: "file"` when it is not UTF-8 or not JSON, with the parser's error as `cause`
 */
export function readJson(file: Uint8Array | string, where: string): unknown {
  const text = readText(file, where);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TokenizerError("file", `${where}: expected JSON, got ${cause}`, { where }, { cause });
  }
}
