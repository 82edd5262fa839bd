// `npm run quantization`: what 8 and 4 bits cost. For each family, how often the likeliest token or label stays the same, and how far
// states turn, over every folder that is at hand; perplexity, IPA and embeddings of real models. Exits with 1 beyond the limits.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import v8 from "node:v8";
import { ensureBuilt, root } from "./built.mjs";
import { findMiniLm } from "./replay/minilm.mjs";

if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
ensureBuilt();
const { architectures, openBareModel, Pipeline } = await import("kiloformer");
const { readDirectory } = await import("kiloformer/node");
const { replay } = await import("kiloformer/verify");

const shared = join(root, "../shared");
const dtypes = ["q8", "q4"];
/** The most that perplexity may rise. */
const LIMITS = { q8: 0.01, q4: 0.05 };

async function compute(folder, dtype) {
  const { files, close } = await readDirectory(folder);
  const model = new Map([...files].filter(([name]) => !name.startsWith("expected.")));
  const bare = await openBareModel(model, architectures, { dtype, onWarning: () => {} });
  try {
    const facts = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
    const { computed } = await replay(bare, readFileSync(join(folder, "expected.safetensors")), facts);
    return { modelType: bare.model.modelType, computed };
  } finally {
    await bare.dispose();
    await close();
  }
}

/** Rows of the last axis of floats; ids, of which generations consist, are left out. */
function* rows({ shape, values }) {
  if (values instanceof BigInt64Array) return;
  const width = shape.at(-1);
  for (let begin = 0; begin < values.length; begin += width) yield values.subarray(begin, begin + width);
}

const likeliest = (row) => row.indexOf(Math.max(...row));

function cosine(a, b) {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa === 0 && bb === 0 ? 1 : ab / Math.sqrt(aa * bb);
}

const newCounts = () => ({ same: 0, all: 0, cosines: 0, states: 0 });

/** Same likeliest of logits, and the mean cosine of states, by family. */
async function compareFamilies() {
  const folders = [join(root, "verify/fixtures"), join(shared, "references")]
    .filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((folder) => existsSync(join(folder, "expected.safetensors")));
  const families = new Map();
  for (const folder of folders) {
    const plain = await compute(folder, "auto");
    const family = families.get(plain.modelType) ?? { models: 0, q8: newCounts(), q4: newCounts() };
    families.set(plain.modelType, family);
    family.models++;
    for (const dtype of dtypes) {
      const counts = family[dtype];
      const { computed } = await compute(folder, dtype);
      const named = new Map(computed.map((tensor) => [tensor.name, tensor]));
      for (const tensor of plain.computed) {
        const other = [...rows(named.get(tensor.name) ?? { shape: [], values: [] })];
        let index = 0;
        for (const row of rows(tensor)) {
          const match = other[index++];
          if (match?.length !== row.length) continue;
          if (/logits/.test(tensor.name)) {
            counts.all++;
            counts.same += likeliest(row) === likeliest(match) ? 1 : 0;
          } else if (/hidden_state|pooler/.test(tensor.name)) {
            counts.states++;
            counts.cosines += cosine(row, match);
          }
        }
      }
    }
  }
  const share = ({ same, all }) => (all === 0 ? "" : `${((100 * same) / all).toFixed(1)} % of ${all}`);
  const mean = ({ cosines, states }) => (states === 0 ? "" : (cosines / states).toFixed(4));
  console.log(
    "| family (random weights) | models | q8 same likeliest | q8 cosine of states | q4 same likeliest | q4 cosine |",
  );
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const [name, { models, q8, q4 }] of [...families].sort()) {
    console.log(`| ${[name, models, share(q8), mean(q8), share(q4), mean(q4)].join(" | ")} |`);
  }
}

/** Lists of more than 40 ids, anywhere in a JSON value. */
function idLists(value) {
  if (Array.isArray(value) && value.length > 40 && value.every(Number.isInteger)) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(idLists) : [];
}

async function readStories(folder, dtype) {
  const pipeline = await Pipeline.fromDirectory(folder, { dtype });
  const facts = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  let [sum, count] = [0, 0];
  const tops = [];
  for (const ids of idLists(facts)) {
    const logits = await pipeline.logits(ids);
    const V = logits.length / ids.length;
    for (let t = 0; t < ids.length; t++) {
      const row = logits.subarray(t * V, (t + 1) * V);
      const top = likeliest(row);
      tops.push(top);
      if (t + 1 === ids.length) break;
      sum += Math.log(row.reduce((total, value) => total + Math.exp(value - row[top]), 0)) + row[top] - row[ids[t + 1]];
      count++;
    }
  }
  await pipeline.dispose();
  return { perplexity: Math.exp(sum / count), tops };
}

let failed = false;

async function compareStories() {
  const folder = join(shared, "models/tinystories-260k");
  if (!existsSync(folder)) return console.log("tinystories-260k: not at hand");
  const plain = await readStories(folder, "auto");
  for (const dtype of dtypes) {
    const { perplexity, tops } = await readStories(folder, dtype);
    const rise = perplexity / plain.perplexity - 1;
    const same = tops.filter((id, index) => id === plain.tops[index]).length;
    failed ||= rise > LIMITS[dtype];
    const limit = `at most ${100 * LIMITS[dtype]} %`;
    const agreement = `same likeliest token at ${((100 * same) / tops.length).toFixed(1)} % of ${tops.length} places`;
    console.log(`tinystories-260k ${dtype}: perplexity ${(100 * rise).toFixed(2)} % higher (${limit}), ${agreement}`);
  }
}

async function compareG2p() {
  const folder = join(shared, "models/hama-g2p");
  const dictionary = join(shared, "data/g2p/cmudict.dict");
  if (!existsSync(folder) || !existsSync(dictionary)) return console.log("hama-g2p: not at hand");
  const lines = readFileSync(dictionary, "utf8").split("\n");
  const words = lines
    .filter((line, index) => index % 131 === 0 && /^[a-z]+ /.test(line))
    .map((line) => line.split(" ")[0]);
  const read = async (dtype) => {
    const pipeline = await Pipeline.fromDirectory(folder, { dtype });
    const ipa = await pipeline.phonemizeBatch(words);
    await pipeline.dispose();
    return ipa;
  };
  const plain = await read("auto");
  for (const dtype of dtypes) {
    const same = (await read(dtype)).filter((ipa, index) => ipa === plain[index]).length;
    console.log(
      `hama-g2p ${dtype}: the same IPA for ${((100 * same) / words.length).toFixed(1)} % of ${words.length} words`,
    );
  }
}

async function compareMiniLm() {
  const { path, reason } = findMiniLm();
  if (!path) return console.log(`all-MiniLM-L6-v2: ${reason}`);
  const { sentences } = JSON.parse(
    readFileSync(join(root, "verify/fixtures/sentence-embeddings/sentences.json"), "utf8"),
  );
  const texts = sentences.map(({ text }) => text);
  const embed = async (dtype) => {
    const pipeline = await Pipeline.fromDirectory(path, { dtype, onWarning: () => {} });
    const vectors = await pipeline.embedBatch(texts);
    await pipeline.dispose();
    return vectors;
  };
  const plain = await embed("auto");
  for (const dtype of dtypes) {
    const cosines = (await embed(dtype)).map((vector, index) => cosine(vector, plain[index]));
    const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
    const least = Math.min(...cosines);
    console.log(
      `all-MiniLM-L6-v2 ${dtype}: cosine with f32 of ${texts.length} texts: mean ${mean.toFixed(5)}, least ${least.toFixed(5)}`,
    );
  }
}

await compareFamilies();
console.log();
await compareStories();
await compareG2p();
await compareMiniLm();
if (failed) process.exit(1);
