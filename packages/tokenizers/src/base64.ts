import { TokenizerError } from "./errors.ts";

/**
 * The bytes of a base64 text.
 * @throws {TokenizerError} `code: "file"` when it is none
 */
export function decodeBase64(text: string, where: string): Uint8Array {
  try {
    const units = atob(text);
    const bytes = new Uint8Array(units.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = units.charCodeAt(at);
    return bytes;
  } catch (cause) {
    throw new TokenizerError("file", `${where}: expected base64, got ${cause}`, { where }, { cause });
  }
}
