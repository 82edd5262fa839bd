// `npm run verify`: every model that is at hand beside PyTorch, on every kernel build. Writes verify/report.html and prints the
// claims table of verify/README.md. Exits with 1 when a value is beyond its tolerance or was not computed.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import v8 from "node:v8";
import { ensureBuilt, root } from "./built.mjs";
import { readManifest } from "./replay/manifest.mjs";
import { findMiniLm, replayMiniLm } from "./replay/minilm.mjs";
import { replayG2p, replayOwnG2P, replayStories } from "./replay/real-models.mjs";
import { claimCells, reportPage } from "./replay/report.mjs";

// Node 20 has relaxed SIMD behind a flag that must be set before the first module is compiled; Node 24 just has it.
if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
ensureBuilt();
const kiloformer = await import("kiloformer");
const { readDirectory } = await import("kiloformer/node");
const { replay } = await import("kiloformer/verify");
const { architectures, openBareModel, Pipeline, Runtime } = kiloformer;
const shared = join(root, "../shared");

const fixtures = join(root, "verify/fixtures");
const { names, problems } = readManifest(fixtures, kiloformer.parseSafetensors);
const references = join(shared, "references");
if (!existsSync(references)) console.log("skipped: the references, as ../shared is not beside the repository");
const others = existsSync(references) ? readdirSync(references).map((name) => join(references, name)) : [];
const folders = [
  ...names.map((name) => join(fixtures, name)),
  ...others.filter((folder) => existsSync(join(folder, "expected.safetensors"))),
];

/** What does not hold, as a line of the report. */
const failure = (name, worst) => ({ name, error: Number.NaN, tolerance: 0, holds: false, worst });

/** Everything that a folder expects, on one build. */
async function replayFolder(folder, build) {
  const { files, close } = await readDirectory(folder);
  const runtime = await Runtime.create({ build });
  try {
    const warnings = [];
    const model = new Map([...files].filter(([name]) => !name.startsWith("expected.")));
    const bare = await openBareModel(model, architectures, { runtime, onWarning: (message) => warnings.push(message) });
    const facts = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
    const { comparisons } = await replay(bare, readFileSync(join(folder, "expected.safetensors")), facts);
    const warned = warnings.map((message) => failure("warning", message));
    return { comparisons: [...comparisons, ...warned], kind: facts.kind };
  } finally {
    runtime.dispose();
    await close();
  }
}

const models = [];
const claims = [];
for (const folder of folders) {
  const name = basename(folder);
  const both = [];
  for (const build of ["simd", "relaxed"]) {
    try {
      both.push({ name, build, ...(await replayFolder(folder, build)) });
    } catch (error) {
      both.push({ name, build, comparisons: [failure("model", `${error.name}: ${error.message}`)] });
    }
  }
  const problem = dirname(folder) === fixtures ? problems.get(name) : undefined;
  if (problem) both[0].comparisons.push(failure("folder", problem));
  models.push(...both);
  const all = both.flatMap(({ comparisons }) => comparisons);
  const ids = all.filter(({ name: tensor }) => /^(greedy|beam|generated)/.test(tensor));
  const wrong = all.filter(({ holds }) => !holds);
  const error = Math.max(0, ...all.filter((one) => !ids.includes(one)).map((one) => one.error));
  const lists = ids.length > 0 ? `, ${ids.length} lists of generated ids` : "";
  const what = `${all.length - ids.length} tensors (${both[0].kind ?? "none"})${lists}`;
  claims.push({ name: `\`${name}\``, what, error, tolerance: "max(1e-5, 4 x PyTorch's)", holds: wrong.length === 0 });
  for (const { name: tensor, worst } of wrong) console.error(`${relative(root, folder)}: ${tensor}: ${worst}`);
}

/** A line of the claims; one that cannot be computed does not hold. */
async function claim(name, check) {
  try {
    claims.push({ name, ...(await check()) });
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    claims.push({ name, what: error.message, error: Number.NaN, tolerance: 0, holds: false });
  }
}

for (const [name, check] of [
  ["hama-g2p", replayG2p],
  ["tinystories-260k", replayStories],
]) {
  const folder = join(shared, "models", name);
  if (existsSync(folder)) await claim(`\`${name}\``, () => check(Pipeline, folder));
  else console.log(`skipped: ${name}, as ../shared is not beside the repository`);
}
const ownG2p = join(root, "packages/models/g2p");
await claim("our own G2P", () => replayOwnG2P(Pipeline, ownG2p, join(root, "verify/g2p/expected.tsv")));
const miniLm = findMiniLm();
if (miniLm.path) await claim("all-MiniLM-L6-v2", () => replayMiniLm(kiloformer, miniLm.path));
else console.log(`skipped: all-MiniLM-L6-v2, as ${miniLm.reason}`);

const title = `Node ${process.versions.node}, builds simd and relaxed, ${new Date().toISOString().slice(0, 10)}`;
writeFileSync(join(root, "verify/report.html"), reportPage({ title, models, claims }));
console.log(
  `${title}\n\n| model | what was compared | worst error | tolerance | holds |\n| --- | --- | --- | --- | --- |`,
);
for (const claim of claims) console.log(`| ${claimCells(claim).join(" | ")} |`);
const failed = claims.filter(({ holds }) => !holds).length;
const count = models.reduce((sum, { comparisons }) => sum + comparisons.length, 0);
console.log(
  `\n${count} tensors of ${folders.length} models compared, ${failed} models failed; verify/report.html has them all`,
);
if (failed > 0 || count === 0) process.exitCode = 1;
