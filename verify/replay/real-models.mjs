// Real models, published with words and stories that PyTorch makes: the folders of ../shared/models.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const builds = [true, false];
const readFacts = (folder) => JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
const worstOf = (expected, actual) => Math.max(...expected.map((value, id) => Math.abs(value - actual[id])));
/** Words of our own G2P that are recorded. */
const OWN_WORDS = 2000;

/** A recording that is empty would hold, whatever a model computes. */
function expectSome(file, lists) {
  for (const [name, list] of Object.entries(lists)) {
    if (!(list?.length > 0)) throw new Error(`${file}: expected ${name}, got none`);
  }
}

/** IPA of every word, and the logits after one. */
export async function replayG2p(Pipeline, folder) {
  const { words, logits_after_hello_sos: expected } = readFacts(folder);
  expectSome("hama-g2p/expected.json", { words, logits_after_hello_sos: expected });
  let [different, error] = [0, 0];
  for (const deterministic of builds) {
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic });
    const got = await pipeline.phonemizeBatch(words.map(({ word }) => word));
    different += got.filter((ipa, index) => ipa !== words[index].ipa).length;
    const logits = (await pipeline.logits(pipeline.tokenizer.encode("hello").ids)).slice(-expected.length);
    error = Math.max(error, worstOf(expected, logits));
    await pipeline.dispose();
  }
  const what = `IPA of ${words.length} words, ${different} different; logits after \`hello<sos>\`, absolute`;
  return { what, error, tolerance: 1e-4, holds: different === 0 && error < 1e-4 };
}

/** IPA that PyTorch makes with our own model's weights (verify/g2p/expected.py), where no rounding decides. */
export async function replayOwnG2P(Pipeline, folder, expectedFile) {
  const lines = readFileSync(expectedFile, "utf8").trim().split("\n").slice(1);
  if (lines.length !== OWN_WORDS) throw new Error(`${expectedFile}: expected ${OWN_WORDS} words, got ${lines.length}`);
  const decided = lines.map((line) => line.split("\t")).filter(([, , margin]) => margin > 0.002);
  let different = 0;
  for (const deterministic of builds) {
    // In float32, as PyTorch has them; in 8 bits inputs are rounded, too.
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic, dtype: "f32" });
    const got = await pipeline.phonemizeBatch(decided.map(([word]) => word));
    different += got.filter((ipa, index) => ipa !== decided[index][1]).length;
    await pipeline.dispose();
  }
  const what = `IPA of ${decided.length} words, in float32: words that differ`;
  return { what, error: different, tolerance: 0, holds: different === 0 };
}

/** Stories token for token, and the first logits of each. */
export async function replayStories(Pipeline, folder) {
  const { stories } = readFacts(folder);
  expectSome("tinystories-260k/expected.json", { stories });
  for (const { input_ids, output_ids, first_logits } of stories)
    expectSome("tinystories-260k/expected.json", { input_ids, output_ids, first_logits });
  let [different, error] = [0, 0];
  for (const deterministic of builds) {
    const pipeline = await Pipeline.fromDirectory(folder, { deterministic });
    for (const { input_ids, output_ids, first_logits } of stories) {
      const options = { max_new_tokens: output_ids.length, return_dict_in_generate: true };
      const { ids } = await pipeline.generate(input_ids, options);
      different += ids.join() === output_ids.join() ? 0 : 1;
      const logits = (await pipeline.logits(input_ids)).slice(-first_logits.length);
      error = Math.max(error, worstOf(first_logits, logits));
    }
    await pipeline.dispose();
  }
  const what = `${stories.length} stories token for token, ${different} different; first logits, absolute`;
  return { what, error, tolerance: 1e-3, holds: different === 0 && error < 1e-3 };
}
