// `npm run verify`: every model that is at hand beside PyTorch, on every kernel build. Writes verify/report.html and prints the
// claims table of verify/README.md. Exits with 1 when a value is beyond its tolerance or was not computed.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import v8 from "node:v8";
import { ensureBuilt, root } from "./built.mjs";
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

const folders = [join(root, "verify/fixtures"), join(shared, "references")]
  .filter(existsSync)
  .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  .filter((folder) => existsSync(join(folder, "expected.safetensors")));

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
    return { comparisons, kind: facts.kind, modelType: bare.model.modelType, warnings };
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
      const worst = `${error.name}: ${error.message}`;
      both.push({
        name,
        build,
        comparisons: [{ name: "model", error: Number.NaN, tolerance: 0, holds: false, worst }],
      });
    }
  }
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

for (const [name, check] of [
  ["hama-g2p", replayG2p],
  ["tinystories-260k", replayStories],
]) {
  const folder = join(shared, "models", name);
  if (existsSync(folder)) claims.push({ name: `\`${name}\``, ...(await check(Pipeline, folder)) });
  else console.log(`skipped: ${name}, as ../shared is not beside the repository`);
}
const own = await replayOwnG2P(Pipeline, join(root, "packages/models/g2p"), join(root, "verify/g2p/expected.tsv"));
claims.push({ name: "our own G2P", ...own });
const miniLm = findMiniLm();
if (miniLm.path) claims.push({ name: "all-MiniLM-L6-v2", ...(await replayMiniLm(kiloformer, miniLm.path)) });
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
