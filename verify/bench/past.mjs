// `npm run bench:past -- COMMIT`: this working tree beside a build of that commit, in turns. What one machine does in an hour says nothing
// of the next hour; what two builds do in turns does, and a tenth lost with each of ten commits is seen. Exits with 1 where something takes
// more than 1.1 times what it took.
//   --only TEXT   what has it in its name      --rounds 5   turns of each build
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import v8 from "node:v8";
import { ensureBuilt, root } from "../built.mjs";
import { engine } from "./report.mjs";

/** A build that takes so many times as long as the one before has lost something. */
const LOST = 1.1;

const fixtures = join(root, "verify/fixtures");
const models = join(root, "../shared/models");
const sentence = "The quick brown fox jumps over the lazy dog near the old river bank at noon.";
const ids = Array.from({ length: 12 }, (_, index) => 5 + ((index * 7) % 40));
const greedy = { max_new_tokens: 24, do_sample: false };

/** What is measured: each opens what it needs from a build's modules, and gives what one round calls, which may say what it took itself. */
const tasks = {
  async words({ g2p }) {
    const pipeline = await g2p();
    const words = sentence.toLowerCase().match(/[a-z]+/g);
    return async () => {
      for (const word of words) await pipeline.phonemize(word);
    };
  },
  async "words together"({ g2p }) {
    const pipeline = await g2p();
    const words = sentence.match(/[a-z]+/gi);
    return () => pipeline.phonemizeBatch([...words, ...words, ...words, ...words]);
  },
  async stories({ Pipeline }) {
    const folder = join(models, "tinystories-260k");
    if (!existsSync(folder)) return undefined;
    const pipeline = await Pipeline.fromDirectory(folder);
    return () => pipeline.generate("Once upon a time", { max_new_tokens: 64, do_sample: false });
  },
  "texts of GPT-2": texts("gpt2-odd"),
  "texts of Gemma 3": texts("gemma3-odd"),
  "texts of T5": texts("t5-odd"),
  "beams of Llama": texts("llama-odd-generation", { num_beams: 4, max_new_tokens: 12 }),
  async sentences({ Pipeline }) {
    const pipeline = await Pipeline.fromDirectory(join(fixtures, "sentence-transformers/bert-mean"));
    return () => pipeline.embed(sentence);
  },
  async "a short text of MiniLM, from memory"({ Pipeline }) {
    const pipeline = await Pipeline.fromFiles(await files("minilm"));
    return () => pipeline.hiddenStates(ids);
  },
  async "beams of t5-small, from memory"({ Pipeline }) {
    const pipeline = await Pipeline.fromFiles(await files("t5"));
    return () => pipeline.generate(ids, { return_dict_in_generate: true, num_beams: 4, max_new_tokens: 8 });
  },
  async "a token behind 1,500 others, from memory"({ Pipeline }) {
    const pipeline = await Pipeline.fromFiles(await files("llama"), { dtype: "q8" });
    const prompt = Array.from({ length: 1500 }, (_, index) => 5 + ((index * 7) % 40));
    const options = { return_dict_in_generate: true, max_new_tokens: 33, min_new_tokens: 33 };
    return async () => {
      const times = [];
      await pipeline.generate(prompt, { ...options, on_token: () => times.push(performance.now()) });
      return (1000 * (times.at(-1) - times[0])) / (times.length - 1);
    };
  },
  async "ids of sentences"({ Tokenizer }) {
    const file = readFileSync(join(fixtures, "sentence-transformers/bert-mean/tokenizer.json"));
    const tokenizer = await Tokenizer.from({ "tokenizer.json": file });
    return () => tokenizer.encode(sentence).ids;
  },
};

/** A model of published shape with random weights, which are more than caches hold. */
async function files(name) {
  const { checkpoint } = await import("./whole-models/checkpoints.mjs");
  const { modelsOf } = await import("./whole-models/shapes.mjs");
  const { config, tensors } = modelsOf(false)[name];
  return { "config.json": JSON.stringify(config), "model.safetensors": checkpoint(tensors) };
}

/** Texts of a small random model: what is left is mostly what a token costs besides products. */
function texts(name, options = greedy) {
  return async ({ Pipeline }) => {
    const pipeline = await Pipeline.fromDirectory(join(fixtures, name), { onWarning() {} });
    return () => pipeline.generate(ids, { return_dict_in_generate: true, ...options });
  };
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    task: { type: "string" },
  },
});

const rounds = Number(flags.rounds);
if (!(rounds >= 1)) throw new Error(`bench:past: expected --rounds to be a number from 1, got ${flags.rounds}`);

if (flags.task !== undefined) await measure(flags.task, positionals[0]);
else compare(positionals[0]);

/** In a process of its own: prints what a call takes with the build of a folder, or nothing where its files are not here. */
async function measure(task, folder) {
  if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  const load = (file) => import(pathToFileURL(join(folder, "packages", file)).href);
  const { Pipeline } = await load("models/dist/index.js");
  const { g2p } = await load("models/dist/g2p.js");
  const { Tokenizer } = await load("tokenizers/dist/index.js");
  const run = await tasks[task]({ Pipeline, g2p, Tokenizer });
  if (run) console.log(await leastTime(run));
}

/** Microseconds of a call that is warm. */
async function leastTime(run) {
  let least = Number.POSITIVE_INFINITY;
  let calls = 1;
  for (const end = performance.now() + 1500; performance.now() < end; ) {
    const begin = performance.now();
    let own;
    for (let call = 0; call < calls; call++) own = await run();
    const time = performance.now() - begin;
    least = Math.min(least, typeof own === "number" ? own : (1000 * time) / calls);
    if (time < 20) calls *= 2;
  }
  return least;
}

/** Builds the commit in a folder of its own, which goes again. */
function compare(commit) {
  if (commit === undefined) throw new Error("bench:past: expected a commit to compare with, got none");
  ensureBuilt();
  const folder = mkdtempSync(join(tmpdir(), "kiloformer-past-"));
  try {
    command("git", ["clone", "--quiet", "--shared", root, folder]);
    command("git", ["checkout", "--quiet", commit], folder);
    console.error(`building ${commit}`);
    command("npm", ["run", "--silent", "build"], folder);
    report(commit, measureInTurns(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** For each task, the least microseconds of each build. A commit that did not have it yet needs `--only`. */
function* measureInTurns(past) {
  for (const task of Object.keys(tasks).filter((name) => name.includes(flags.only))) {
    const least = [past, root].map(() => Number.POSITIVE_INFINITY);
    const isLost = () => least[1] > LOST * least[0];
    // A process may be unlucky in what the engine makes of the code: what seems lost has three times the turns to show otherwise.
    for (let round = 0; round < rounds || (isLost() && round < 3 * rounds); round++) {
      for (const [index, folder] of [past, root].entries()) {
        const printed = command(process.execPath, [fileURLToPath(import.meta.url), folder, "--task", task]);
        least[index] = Math.min(least[index], Number.parseFloat(printed));
      }
    }
    if (least.every(Number.isFinite)) yield { task, before: least[0], now: least[1], isLost: isLost() };
  }
}

function report(commit, rows) {
  console.log(`${engine()}, microseconds, the least of ${rounds} processes or more in turns\n`);
  console.log(`| what | ${commit} | now | now / before |\n| --- | ---: | ---: | ---: |`);
  for (const { task, before, now, isLost } of rows) {
    if (isLost) process.exitCode = 1;
    const ratio = (now / before).toFixed(2) + (isLost ? " **lost**" : "");
    console.log(`| ${task} | ${before.toFixed(0)} | ${now.toFixed(0)} | ${ratio} |`);
  }
}

function command(program, argv, cwd) {
  const { status, stdout, error } = spawnSync(program, argv, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status === 0) return stdout;
  throw error ?? new Error(`bench:past: ${program} ${argv.join(" ")} ended with ${status}`);
}
