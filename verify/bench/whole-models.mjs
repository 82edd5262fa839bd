// Whole models of published shapes with random weights, beside every peer: `npm run bench`. It writes report.json and report.html
// into this folder, and tables to the terminal.
//
//   --only minilm,bert,gpt2,llama,t5        models
//   --engine node20,node24,chromium         engines
//   --peers ort-web,int8                    peers whose name contains one of these words; "none" leaves them all out
//   --ours f32,q8                           of this runtime, those whose name contains one of these words
//   --seconds 15                            how long the turns of one work may take after the first two rounds
//   --rounds 15                             the most rounds
//   --quick                                 two layers of each model and little work: a test of the benchmark, not a measurement
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../built.mjs";
import { chromiumPath, nodePrograms } from "./engines.mjs";
import { installPeers } from "./peers.mjs";

ensureBuilt();
const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    engine: { type: "string", default: "" },
    peers: { type: "string", default: "" },
    ours: { type: "string", default: "" },
    seconds: { type: "string" },
    rounds: { type: "string", default: "15" },
    quick: { type: "boolean", default: false },
  },
});
const told = new Set();
/** Every line once: what is missing is missing with every model. */
const log = (line) => {
  if (!told.has(line)) console.error(`kiloformer: ${line}`);
  told.add(line);
};
try {
  installPeers();
} catch (error) {
  log(`the peers could not be installed: ${error.message.split("\n")[0]}`);
}

const { contenders, reference } = await import("./whole-models/contenders.mjs");
const { chromiumEngine } = await import("./whole-models/chromium.mjs");
const { goalsOf } = await import("./whole-models/goals.mjs");
const { reportPage } = await import("./whole-models/html.mjs");
const { measureModel } = await import("./whole-models/measure.mjs");
const { nodeEngine } = await import("./whole-models/node.mjs");
const { bench, build, codeSizes, modelsFolder, prepare } = await import("./whole-models/prepare.mjs");
const { modelsOf } = await import("./whole-models/shapes.mjs");
const { textTables } = await import("./whole-models/tables.mjs");

const words = (list) => list.split(",").filter(Boolean);
const isAsked = (list, name) => list === "" || words(list).some((word) => name.includes(word));
const models = Object.values(modelsOf(options.quick)).filter(({ name }) => isAsked(options.only, name));
/** A whole name stands for itself, any other word for all that contain it. */
const names = new Set(contenders.map(({ id }) => id));
const isMeantBy = (list, id) =>
  list === "" || words(list).some((word) => (names.has(word) ? id === word : id.includes(word)));
const takesPart = ({ id, isOurs }) => id === reference || isMeantBy(isOurs ? options.ours : options.peers, id);
const seconds = Number(options.seconds ?? (options.quick ? 1 : 15));

function fail(message) {
  console.error(`kiloformer: ${message}`);
  process.exit(1);
}

async function enginesOf() {
  const nodes = nodePrograms().map((program) => nodeEngine(program, modelsFolder));
  return [...nodes.filter(({ name }) => isAsked(options.engine, name)), await chromium()].filter(Boolean);
}

async function chromium() {
  if (!isAsked(options.engine, "chromium")) return undefined;
  const path = chromiumPath();
  if (!path) return log("Chromium is left out: none on the PATH; CHROMIUM_PATH names one");
  const sites = {
    ...{ bench: join(bench, "whole-models"), build: join(build, "page") },
    ...{ models: modelsFolder, peers: join(bench, "node_modules") },
  };
  return chromiumEngine(path, sites).catch((error) => log(`Chromium is left out: ${error.message.split("\n")[0]}`));
}

function commit() {
  const git = (...args) => execFileSync("git", args, { cwd: bench, encoding: "utf8", stdio: "pipe" }).trim();
  try {
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--", "../../packages") ? " with changes" : ""}`;
  } catch {
    return undefined;
  }
}

if (models.length === 0) fail(`--only: expected names of models, got ${options.only}`);
await prepare(models, log);
const engines = await enginesOf();
if (engines.length === 0) fail(`--engine: expected names of engines that are here, got ${options.engine}`);
const report = {
  date: new Date().toISOString().slice(0, 10),
  ...{ commit: commit(), command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim() },
  machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length, memoryBytes: os.totalmem() },
  engines: engines.map(({ name, title }) => ({ name, title })),
  models: models.map(({ name, title }) => ({ name, title })),
  ...{ code: codeSizes(), opened: [], rows: [], limits: [] },
};
for (const engine of engines) {
  // A browser takes seconds to start.
  const loads = options.quick || engine.name === "chromium" ? 1 : 3;
  for (const model of models) {
    const begin = performance.now();
    const limits = { seconds, rounds: Number(options.rounds), loads };
    const part = await measureModel(engine, model, { ...limits, takesPart, log });
    log(`${model.title} on ${engine.title}: ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    report.opened.push(...part.opened);
    report.rows.push(...part.rows);
    report.limits.push(part.limits);
    report.goals = goalsOf(report);
    // A run that is broken off leaves what it measured.
    writeFileSync(join(bench, "report.json"), `${JSON.stringify(report, undefined, 1)}\n`);
    writeFileSync(join(bench, "report.html"), reportPage(report));
  }
  await engine.close();
}
console.log(textTables(report));
