// Words and tokens per second of real models, and how time and memory grow: `node verify/bench/models.mjs`, or as part of
// `npm run bench:parts`. Needs ../shared beside the repository.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import v8 from "node:v8";
import { engine, median } from "./report.mjs";

if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
const { Pipeline } = await import("kiloformer");
const { g2p: openOwn } = await import("kiloformer/g2p");
const models = fileURLToPath(new URL("../../../shared/models/", import.meta.url));

/** What the published artefact of the same model does, by its authors: English and Korean words a second. */
const PUBLISHED_WORDS_PER_SECOND = { english: 370, korean: 680 };

/** Words a second; disposes of the pipeline. */
async function measureG2p(pipeline) {
  const { words } = JSON.parse(readFileSync(`${models}hama-g2p/expected.json`, "utf8"));
  // 1,000 different words: the 699 checked ones, and those letter for letter reversed that are none of them.
  const known = words.map(({ word }) => word);
  const reversed = known.map((word) => [...word].reverse().join("")).filter((word) => !known.includes(word));
  const list = [...known, ...new Set(reversed)].slice(0, 1000);
  const single = [];
  const batch = [];
  let alone = [];
  let together = [];
  for (let round = 0; round < 7; round++) {
    let begin = performance.now();
    alone = [];
    for (const word of list) alone.push(await pipeline.phonemize(word));
    single.push((1000 * list.length) / (performance.now() - begin));
    begin = performance.now();
    together = await pipeline.phonemizeBatch(list);
    batch.push((1000 * list.length) / (performance.now() - begin));
  }
  const same = alone.every((ipa, index) => ipa === together[index]);
  const { build } = pipeline;
  await pipeline.dispose();
  // The first two rounds warm up.
  return { build, words: list.length, single: median(single.slice(2)), batch: median(batch.slice(2)), same };
}

async function measureStories(deterministic) {
  const pipeline = await Pipeline.fromDirectory(`${models}tinystories-260k`, { deterministic });
  const rates = [];
  const held = [];
  for (let story = 0; story < 20; story++) {
    const begin = performance.now();
    const options = { max_new_tokens: 256, eos_token_id: null, return_dict_in_generate: true };
    const { ids } = await pipeline.generate("Once upon a time", options);
    rates.push((1000 * ids.length) / (performance.now() - begin));
    held.push(pipeline.heldBytes);
  }
  const early = [];
  const late = [];
  for (let story = 0; story < 12; story++) {
    let last = performance.now();
    let position = 5;
    for await (const _ of pipeline.stream("Once upon a time", { max_new_tokens: 505, eos_token_id: null })) {
      const now = performance.now();
      // The stream may hold an unfinished character back: positions are those of the tokens shown.
      if (story > 1 && position >= 40 && position < 60) early.push(now - last);
      if (story > 1 && position >= 485 && position < 505) late.push(now - last);
      last = now;
      position++;
    }
  }
  await pipeline.dispose();
  return {
    rate: median(rates.slice(2)),
    growth: median(late) / median(early),
    flat: held.at(-1) === held[1],
    heldMegabytes: held.at(-1) / 2 ** 20,
  };
}

export async function run() {
  if (!existsSync(`${models}hama-g2p`)) {
    console.log("models: skipped, as ../shared is not beside the repository");
    return;
  }
  console.log(`\nmodels, one thread, ${engine()}`);
  for (const deterministic of [false, true]) {
    const own = await measureG2p(await openOwn({ deterministic }));
    console.log(
      `  ${own.build}: our own G2P, ${own.words} words one at a time: ${own.single.toFixed(0)} words/s; phonemizeBatch: ${own.batch.toFixed(0)} words/s, ${own.same ? "the same strings" : "DIFFERENT STRINGS"}`,
    );
    const g2p = await measureG2p(await Pipeline.fromDirectory(`${models}hama-g2p`, { deterministic }));
    const { english, korean } = PUBLISHED_WORDS_PER_SECOND;
    const times = (rate) => `${(rate / korean).toFixed(1)} to ${(rate / english).toFixed(1)} x the published artefact`;
    console.log(
      `  ${g2p.build}: hama-g2p, ${g2p.words} words one at a time: ${g2p.single.toFixed(0)} words/s, ${times(g2p.single)}`,
    );
    console.log(
      `  ${g2p.build}: hama-g2p, phonemizeBatch: ${g2p.batch.toFixed(0)} words/s, ${g2p.same ? "the same strings" : "DIFFERENT STRINGS"}`,
    );
    const stories = await measureStories(deterministic);
    console.log(
      `  ${g2p.build}: tinystories-260k, 256 tokens greedy: ${stories.rate.toFixed(0)} tokens/s; memory ${
        stories.flat ? "flat" : "GROWS"
      } over 20 stories, ${stories.heldMegabytes.toFixed(1)} MiB; a token at position 500 takes ${stories.growth.toFixed(2)} x one at 50`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await run();
