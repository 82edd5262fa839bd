import { readJson } from "../json.ts";
import { findText, isMerges, type TokenizerFile, type TokenizerFormat } from "../load.ts";
import { G2PTokenizer, isG2PVocabulary } from "./g2p.ts";

/** The vocab.json of a grapheme-to-phoneme model; `letter_distance` in config.json says that it reads words from their end. */
export const g2pVocabulary: TokenizerFormat = {
  name: "a G2P's vocab.json",
  open({ files, all }) {
    const [file, vocab] = findText(files, (_, begin) => begin.startsWith("{")) ?? [];
    const hasMerges = [...files.keys()].some(isMerges);
    if (file === undefined || vocab === undefined || hasMerges) return undefined;
    const value = readJson(vocab, file);
    if (!isG2PVocabulary(value)) return undefined;
    const config = all.has("config.json") ? readJson(all.get("config.json") as TokenizerFile, "config.json") : {};
    return new G2PTokenizer(value, { file, lastLetterFirst: Object.hasOwn(Object(config), "letter_distance") });
  },
};
