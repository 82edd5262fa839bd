// A page, and the worker that it starts, say the same texts; so does Node, which has the kernels beside the package.
import { createPipeline } from "kiloformer/core";
import { g2p } from "kiloformer/g2p";

const texts = [
  "Don’t read the BBC's 21st, O'Neil: 1,234.5 in 1984!",
  "제3장, 사과 12,345개를 먹었다. K팝",
  "\ud800 中文 Kilo",
  "",
];
const lexicon = { kilo: "ˈkʰiːloʊ" };

/** Everything that can be asked, one at a time and together, on the kernels whose bits are the same everywhere. */
export async function sayAll(files, options) {
  const pipeline = await createPipeline([g2p]).fromFiles(files, { deterministic: true, ...options });
  const results = { build: pipeline.build, alone: [], ipa: await pipeline.phonemizeBatch(texts, { lexicon }) };
  const asked = [{ lexicon }, { num_beams: 3 }, { num_return_sequences: 3 }, { numbers: "pass" }];
  results.together = await Promise.all(asked.map((options) => pipeline.pronounceBatch(texts, options)));
  for (const options of asked) {
    const found = [];
    for (const text of texts) found.push(await pipeline.pronounce(text, options));
    results.alone.push(found);
  }
  await pipeline.dispose();
  return results;
}
