import { OptionError } from "@kiloformer/core";
import { show } from "../config.ts";

/** Words and how they are said, before the model is asked: IPA, or several of which the first is used. */
export type Lexicon =
  | ReadonlyMap<string, string | readonly string[]>
  | Readonly<Record<string, string | readonly string[]>>;

/** The IPA of a word, where the lexicon has it. */
export type LookUp = (word: string) => string | undefined;

/**
 * A lexicon, checked and ready. Words match in any case, composed or not, wide or not, and with either apostrophe.
 * @throws {OptionError} `bad-option`
 */
export function readLexicon(call: string, lexicon: Lexicon): LookUp {
  const bad = (expected: string, value: unknown) =>
    new OptionError("bad-option", `${call}: expected ${expected}, got ${show(value)}`, { option: "lexicon", value });
  if (typeof lexicon !== "object" || lexicon === null || Array.isArray(lexicon)) {
    throw bad("lexicon to be a Map or an object of words and their IPA", lexicon);
  }
  const entries = new Map<string, string>();
  for (const [word, value] of lexicon instanceof Map ? lexicon : Object.entries(lexicon)) {
    if (typeof word !== "string") throw bad("a lexicon's words to be texts", word);
    const all = Array.isArray(value) ? value : [value];
    if (all.length === 0 || all.some((ipa) => typeof ipa !== "string")) {
      throw bad(`lexicon to have IPA or a list of it for ${show(word)}`, value);
    }
    entries.set(keyOf(word), all[0]);
  }
  return (word) => entries.get(keyOf(word));
}

function keyOf(word: string): string {
  return word.normalize("NFKC").toLowerCase().replaceAll("’", "'");
}
