import { readJson } from "../json.ts";
import { findText, isMerges, type TokenizerFormat } from "../load.ts";
import { G2PTokenizer, isG2PVocabulary } from "./g2p.ts";

/** The vocab.json of a grapheme-to-phoneme model. */
export const g2pVocabulary: TokenizerFormat = {
  name: "a G2P's vocab.json",
  open({ files }) {
    const [file, vocab] = findText(files, (_, begin) => begin.startsWith("{")) ?? [];
    const hasMerges = [...files.keys()].some(isMerges);
    if (file === undefined || vocab === undefined || hasMerges) return undefined;
    const value = readJson(vocab, file);
    return isG2PVocabulary(value) ? new G2PTokenizer(value, { file }) : undefined;
  },
};
