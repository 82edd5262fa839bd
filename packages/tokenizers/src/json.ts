import { TokenizerError } from "./errors.ts";

/**
 * Parses a JSON file.
 * @throws {TokenizerError} `code: "file"` when it is not UTF-8 or not JSON, with the parser's error as `cause`
 */
export function readJson(file: Uint8Array | string, where: string): unknown {
  try {
    const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return JSON.parse(typeof file === "string" ? file : utf8.decode(file));
  } catch (cause) {
    throw new TokenizerError("file", `${where}: expected JSON, got ${cause}`, { where }, { cause });
  }
}
