import { firstOf } from "./errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name from a file as a message may show it: quoted, control and direction characters escaped, cut after 80 characters. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  const hidden = /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
  return JSON.stringify(shown).replace(hidden, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Names from a file for a message: all of them, or the first and how many more. */
export function listNames(names: readonly string[], most = 100): string {
  return firstOf(names, ", ", most, quote);
}

/** The text, or `undefined` if the bytes are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** A pair of surrogates; one alone; another escape that JSON has; a backslash that begins none. */
const escapes =
  /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(\\u[dD][89a-fA-F][\da-fA-F]{2})|\\(?:["\\/bfnrt]|u[\da-fA-F]{4})|(\\)/g;

/** The first escape that JSON does not have, or surrogate without its other half, and the byte at which it begins. */
export function badEscape(
  text: string,
): { readonly begin: number; readonly surrogate: string | undefined } | undefined {
  for (const { 1: surrogate, 2: other, index } of text.matchAll(escapes)) {
    if (surrogate ?? other) return { begin: new TextEncoder().encode(text.slice(0, index)).length, surrogate };
  }
  return undefined;
}

/** The text that JSON's escapes stand for; `undefined` if one is bad. */
export function unescapeJson(text: string): string | undefined {
  try {
    const value: string = JSON.parse(`"${text}"`);
    return /\p{Surrogate}/u.test(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
