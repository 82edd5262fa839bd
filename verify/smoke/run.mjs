// `npm run smoke`: the same model gives the same story wherever JavaScript runs. One line for each place.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../built.mjs";
import { browserCases } from "./browsers.mjs";
import { checkRuns, wholeStory } from "./check.mjs";

import { pickModel } from "./model.mjs";
import { bundleForNode, bundleForNodeWithWebpack, checkTypes, makeProject, project } from "./project.mjs";
import { build, execute, installTools, program, Skip } from "./tools.mjs";
import { workerdCase, workerdG2PCase, workerdPackedCase } from "./workerd.mjs";

const { values } = parseArgs({ options: { only: { type: "string" }, help: { type: "boolean", short: "h" } } });
if (values.help) {
  console.log("node verify/smoke/run.mjs [--only TEXT]   runs the tests whose name holds TEXT");
  process.exit(0);
}

mkdirSync(build, { recursive: true });
ensureBuilt();
const missing = installTools();
const model = pickModel();
const requestFile = join(build, "request.json");
const threadsFile = join(build, "request-threads.json");
const request = { ...model, stories: model.stories.map(({ text, ...story }) => story) };
writeFileSync(requestFile, JSON.stringify(request));
writeFileSync(threadsFile, JSON.stringify({ ...request, threads: 2 }));
console.log(`model: ${model.name}; packages: ${makeProject().join(", ")}`);

/** Runs a program that prints its runs as JSON. */
function tell(command, script, request = requestFile) {
  const [engine, ...args] = [command].flat();
  const { stdout, stderr, status } = spawnSync(engine, [...args, script, request], {
    encoding: "utf8",
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr.match(/^\w*Error.*$/m)?.[0] ?? stderr.trim()}`);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

if (model.stories.some(({ text }) => text === undefined)) {
  const { texts } = tell(process.execPath, join(project, "node.js"))[1];
  for (const [index, story] of model.stories.entries()) story.text = wholeStory(story.prompt, texts[index]);
}

/** A Node program in an engine of another kind, with one thread and with two. */
const elsewhere = (engine, ...args) => {
  const command = [program(engine), ...args];
  const runs = [requestFile, threadsFile].map((file) => tell(command, join(project, "node.js"), file));
  const notes = runs.map((run, index) => checkRuns(run, model.stories, index + 1));
  return `${notes[0]}, one thread and two, ${execute(command[0], ["--version"]).trim().split(" (")[0]}`;
};
const versionOf = (node) => execute(node, ["--version"]).trim().slice(1);
const inNode = (node) =>
  `${checkRuns(tell(node(), join(project, "node.js")), model.stories)}, Node ${versionOf(node())}`;
const here = () => process.execPath;
const newer = () => program("node");
const browsers = browserCases(model);
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.once(signal, () => browsers.stop().finally(() => process.exit(code)));
}
const cases = [
  [`Node ${process.versions.node.split(".")[0]}`, () => inNode(here)],
  ["Node 24", () => inNode(newer)],
  [
    "Node, esbuild bundle",
    async () => {
      const bundle = await bundleForNode();
      return [here(), newer()].map((node) => checkRuns(tell(node, bundle), model.stories)).at(-1);
    },
  ],
  [
    "Node, webpack bundle",
    async () => {
      const { file, version } = await bundleForNodeWithWebpack();
      const runs = [requestFile, threadsFile].map((request) =>
        [here(), newer()].map((node) => tell(node, file, request)),
      );
      const notes = runs.map((both, index) => both.map((run) => checkRuns(run, model.stories, index + 1)).at(-1));
      return `${notes[0]}, one thread and two, webpack ${version}`;
    },
  ],
  [
    "Node, two threads",
    () => {
      const runs = [here(), newer()].map((node) => tell(node, join(project, "node.js"), threadsFile));
      return runs.map((run) => checkRuns(run, model.stories, 2)).at(-1);
    },
  ],
  ["Bun", () => elsewhere("bun")],
  ["Deno", () => elsewhere("deno", "run", "--allow-all")],
  ["types, as strict programs see them", async () => checkTypes()],
  ...browsers.cases,
  ["workerd, static .wasm imports", () => workerdCase(model)],
  ["workerd, one packed file", () => workerdPackedCase(model)],
  ["workerd, our own G2P", workerdG2PCase],
].filter(([label]) => label.includes(values.only ?? ""));
if (cases.length === 0) {
  await browsers.stop();
  console.error(`--only ${values.only}: expected names that contain it, got none`);
  process.exit(1);
}

const counts = { ok: 0, skip: 0, fail: 0 };
for (const [label, run] of cases) {
  const start = performance.now();
  const report = (outcome, note) => {
    counts[outcome] += 1;
    const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`;
    console.log(
      `${outcome.padEnd(4)} ${label.padEnd(46)} ${seconds.padStart(6)}  ${note.replaceAll("\n", " ").slice(0, 400)}`,
    );
  };
  try {
    report("ok", await run());
  } catch (error) {
    if (error instanceof Skip) report("skip", missing ? `${error.message} (${missing.split("\n")[0]})` : error.message);
    else report("fail", error.message);
  }
}
await browsers.stop();
console.log(`${counts.ok} passed, ${counts.skip} skipped, ${counts.fail} failed`);
process.exitCode = counts.fail > 0 ? 1 : 0;
