import { readFile } from "node:fs/promises";
import { UsageError } from "./errors.ts";

/**
 * Reads a lexicon: lines `word<TAB>IPA`, of which a word may have several, or one with several between commas and slashes,
 * as ipa-dict's files have them. Empty lines and lines that begin with # say nothing.
 * @throws {UsageError} that names the line
 */
export async function readLexiconFile(file: string): Promise<Map<string, string[]>> {
  const bytes = await readFile(file).catch((cause: Error) => {
    throw new UsageError(`--lexicon: expected a file, got ${file}: ${cause.message}`, undefined, { cause });
  });
  const lexicon = new Map<string, string[]>();
  for (const [index, line] of new TextDecoder().decode(bytes).split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [word, fields, ...others] = line.split("\t");
    const all = (fields ?? "").split(",").map((ipa) => ipa.trim().replace(/^\/(.*)\/$/, "$1"));
    const said = all.filter((ipa) => ipa !== "");
    if (word.trim() === "" || said.length === 0 || others.length > 0) {
      const got = line.length > 60 ? `${line.slice(0, 57)}...` : line;
      throw new UsageError(`${file}:${index + 1}: expected a word, a tab and its IPA, got ${JSON.stringify(got)}`);
    }
    const key = keyOf(word);
    lexicon.set(key, [...(lexicon.get(key) ?? []), ...said]);
  }
  return lexicon;
}

/** One key for all spellings that the library takes for the same word. */
function keyOf(word: string): string {
  return word.trim().normalize("NFKC").toLowerCase().replaceAll("’", "'");
}
