import { TokenizerError } from "./errors.ts";

/**
 * The bytes of a base64 text.
 * @throws {TokenizerError} `code: "file"` when it is none
 */
export function decodeBase64(text: string, where: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new TokenizerError("file", `${where}: expected base64, got ${cause}`, { where }, { cause });
  }
}
