// PER and WER of models as they are used: the runtime says the words, per.ts counts.
//
//   node verify/g2p/score.mjs build/folds/fold0/model --fold 0 --dtype q8
//   node verify/g2p/score.mjs build/folds --folds --dtype q8     FOLDER/fold0/model to FOLDER/fold4/model, and all together
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../built.mjs";
import { readReferences, score } from "./scorer.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    fold: { type: "string" },
    folds: { type: "boolean" },
    dtype: { type: "string", default: "auto" },
    beams: { type: "string", default: "1" },
    data: { type: "string", default: fileURLToPath(new URL("../../../shared/data/g2p", import.meta.url)) },
  },
});
const FOLDS = 5;
/** Words of one call. */
const CALL = 4000;

ensureBuilt();
const { Pipeline } = await import("kiloformer");
const languages = { en: "cmudict.dict", ko: "ipa-dict-ko.tsv" };
const references = Object.entries(languages).map(([language, file]) => {
  return [language, readReferences(readFileSync(join(values.data, file), "utf8"))];
});

/** As data.py has it: by the word alone. */
function foldOf(word) {
  const hash = createHash("sha256").update(word.normalize("NFC")).digest();
  return String(hash.readBigUInt64BE() % BigInt(FOLDS));
}

async function scoreFold(model, fold) {
  const pipeline = await Pipeline.fromDirectory(model, { dtype: values.dtype });
  const scores = {};
  for (const [language, known] of references) {
    const words = [...known.keys()].filter((word) => fold === undefined || foldOf(word) === fold);
    const said = [];
    for (let begin = 0; begin < words.length; begin += CALL) {
      const some = words.slice(begin, begin + CALL);
      const ipa = await pipeline.phonemizeBatch(some, { num_beams: Number(values.beams) });
      said.push(...some.map((word, index) => [word, ipa[index]]));
    }
    scores[language] = score(said, known);
  }
  await pipeline.dispose();
  return scores;
}

function print(what, { words, wrong, edits, phones }) {
  const percent = (part, whole, digits) => `${((100 * part) / whole).toFixed(digits)} %`;
  console.log(
    `${what}: PER ${percent(edits, phones, 3)} (${edits} of ${phones} phones), WER ${percent(wrong, words, 2)} (${wrong} of ${words} words)`,
  );
}

const [model] = positionals;
if (!model) throw new Error("score.mjs: expected a model's folder, got none");
if (values.folds) {
  const all = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    all.push(await scoreFold(join(model, `fold${fold}`, "model"), String(fold)));
    for (const [language, counts] of Object.entries(all[fold])) print(`fold ${fold}, ${language}`, counts);
  }
  for (const [language] of references) {
    const total = { words: 0, wrong: 0, edits: 0, phones: 0 };
    for (const scores of all) for (const key of Object.keys(total)) total[key] += scores[language][key];
    print(`all, ${language}`, total);
  }
} else {
  for (const [language, counts] of Object.entries(await scoreFold(model, values.fold))) print(language, counts);
}
