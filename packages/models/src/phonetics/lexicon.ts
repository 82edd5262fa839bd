import { kindOf, listNames, OptionError } from "@kiloformer/core";
import { show } from "../config.ts";

type Words = ReadonlyMap<string, string | readonly string[]>;
/** Words and how they are said, before the model is asked: IPA, or several of which the first is used. */
export type Lexicon = Words | Readonly<Record<string, string | readonly string[]>>;

/** The IPA of a word, where the lexicon has it. */
export type LookUp = (word: string) => string | undefined;

/**
 * A lexicon, checked and ready. Words match in any case, composed or not, wide or not, and with either apostrophe.
 * @throws {OptionError} `bad-option`
 */
export function readLexicon(call: string, lexicon: Lexicon, warn: (message: string) => void): LookUp {
  const bad = (got: string) =>
    new OptionError("bad-option", `${call}: expected lexicon to map words to IPA or lists of it, got ${got}`, {
      option: "lexicon",
    });
  if (typeof lexicon !== "object" || lexicon === null || Array.isArray(lexicon)) throw bad(show(lexicon));
  const entries = new Map<string, string>();
  const others: string[] = [];
  for (const [word, value] of kindOf(lexicon) === "Map" ? (lexicon as Words) : Object.entries(lexicon)) {
    const all = [value].flat();
    if (all.length === 0 || [word, ...all].some((part) => typeof part !== "string")) {
      throw bad(`${show(value)} for ${show(word)}`);
    }
    entries.set(keyOf(word), all[0]);
    if (!/^[\p{L}\p{M}\p{N}'’]+$/u.test(word)) others.push(word);
  }
  if (others.length > 0) {
    warn(`${call}: expected single words in the lexicon, got ${listNames(others, 1)}, which match nothing`);
  }
  return (word) => entries.get(keyOf(word));
}

function keyOf(word: string): string {
  return word.normalize("NFKC").toLowerCase().replaceAll("’", "'");
}
