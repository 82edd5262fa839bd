// Tokenizers beside others, in one run and one thread (`npm run bench:tokenizers`): tokens per second by kind of text,
// time and heap of loading, time as texts grow, turns of the event loop. Needs the published files of ../shared; without them it says so and ends.
//
//   --only speed,loading,growth,turns   some of it
//   --tokenizer NAME --text NAME  one tokenizer, one kind of text
//   --rounds N                    how often everything takes its turn; default 7
//   --module FILE                 another build of the package
//   --strict                      exits with 1 when a goal is missed
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ensureBuilt, root } from "../built.mjs";
import { installPeers } from "./peers.mjs";
import { engine, median } from "./report.mjs";
import { readTexts, recombined } from "./tokenizer-texts.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "speed,loading,growth,turns" },
    tokenizer: { type: "string", default: "" },
    text: { type: "string", default: "" },
    rounds: { type: "string", default: "7" },
    module: { type: "string" },
    strict: { type: "boolean", default: false },
    child: { type: "string" },
  },
});
const self = fileURLToPath(import.meta.url);
const shared = join(root, "../shared");
const read = (path) => readFileSync(join(shared, "tokenizers", path));

/** What is measured. `ratio` is the goal on English, and `other` on other texts, beside `@huggingface/tokenizers`. */
const tokenizers = [
  { name: "BERT", file: "rebuilt/bert-base-uncased/tokenizer.json", rate: 1e6, ratio: 1, other: 1 },
  { name: "GPT-2", file: "rebuilt/gpt2/tokenizer.json", rate: 1e6, ratio: 3, other: 2 },
  { name: "Llama-3", file: "rebuilt/llama3/tokenizer.json", rate: 1e6, ratio: 3, other: 2 },
  { name: "Qwen2", file: "rebuilt/qwen2/tokenizer.json", rate: 1e6, ratio: 1, other: 1 },
  { name: "T5", file: "t5-small-json/tokenizer.json", rate: 1e6, ratio: 3, other: 2 },
  { name: "XLM-R", file: "rebuilt/xlm-roberta-base/tokenizer.json", rate: 1e6, ratio: 3, other: 2 },
  { name: "Llama-2", file: "rebuilt/llama2-legacy/tokenizer.json", ratio: 1, other: 1 },
  { name: "T5 .model", file: "torchtune-assets/sentencepiece.model", rate: 1e6, ratio: 1, other: 1 },
  { name: "XLM-R .model", file: "rebuilt/xlm-roberta-base/sentencepiece.bpe.model", rate: 1e6, ratio: 1, other: 1 },
  { name: "Llama-2 .model", file: "llama2/tokenizer.model", ratio: 1, other: 1 },
];
/** Those of which only the turns are measured: they cut, or normalize, in other ways. */
const others = [
  { name: "GPT-NeoX", file: "gpt-neox-20b/20B_tokenizer.json" },
  { name: "Falcon", file: "falcon/tokenizer.json" },
  { name: "Whisper", file: "whisper-tiny/tokenizer.json" },
  { name: "ZIPA .model", file: "zipa/unigram_127.model" },
];
const all = [...tokenizers, ...others];
const chosen = tokenizers.filter(({ name }) => name.toLowerCase().includes(flags.tokenizer.toLowerCase()));

const openOurs = async (file, content = read(file)) => {
  const { Tokenizer } = await import(
    flags.module ? pathToFileURL(resolve(flags.module)).href : "@kiloformer/tokenizers"
  );
  return Tokenizer.from({ [basename(file)]: content });
};

// -------------------------------------------------------------------------------------------------------------- peers

/** Each opens a file, if it can, and then gives the ids of every line. */
const contenders = {
  async kiloformer(file) {
    const tokenizer = await openOurs(file);
    return (lines) => lines.map((line) => tokenizer.encode(line).ids);
  },
  async "@huggingface/tokenizers"(file) {
    if (!file.endsWith(".json")) return undefined;
    const { Tokenizer } = await import("@huggingface/tokenizers");
    const tokenizer = new Tokenizer(JSON.parse(read(file)), {});
    return (lines) => lines.map((line) => tokenizer.encode(line).ids);
  },
  /** Rust. One thread: a call for each line would measure its queue, so it gets all lines at once. */
  async tokenizers(file) {
    if (!file.endsWith(".json")) return undefined;
    process.env.TOKENIZERS_PARALLELISM = "false";
    const { Tokenizer } = await import("tokenizers");
    const tokenizer = Tokenizer.fromString(read(file).toString());
    return async (lines) => (await tokenizer.encodeBatch(lines)).map((encoding) => encoding.getIds());
  },
  async "sentencepiece-js"(file) {
    if (!file.endsWith(".model")) return undefined;
    const { SentencePieceProcessor } = await import("sentencepiece-js");
    const processor = new SentencePieceProcessor();
    await processor.load(join(shared, "tokenizers", file));
    return (lines) => lines.map((line) => processor.encodeIds(line));
  },
};
const ours = "kiloformer";
const kinds = ["new", "again"];
const huggingface = "@huggingface/tokenizers";

async function openContenders(file) {
  const opened = new Map();
  for (const [name, open] of Object.entries(contenders)) {
    try {
      const encode = await open(file);
      if (encode) opened.set(name, encode);
    } catch (error) {
      if (name === ours) throw error;
      console.error(`${name}: left out, ${String(error.message).split("\n")[0]}`);
    }
  }
  return opened;
}

// -------------------------------------------------------------------------------------------------------------- speed

/** In a process of its own, so that no tokenizer runs on what another one taught the engine. */
async function measureSpeed(name) {
  const { file } = all.find((tokenizer) => tokenizer.name === name);
  const opened = await openContenders(file);
  const rows = [];
  for (const [text, lines] of Object.entries(readTexts(shared, root))) {
    if (!text.toLowerCase().includes(flags.text.toLowerCase())) continue;
    const row = { text };
    for (const kind of kinds) {
      // By contender: characters per millisecond in the best round.
      const best = {};
      let tokens = 0;
      let characters = 0;
      for (let round = 0; round <= Number(flags.rounds); round++) {
        const own = kind === "new" ? recombined(lines, round + 1) : lines;
        const length = own.reduce((sum, line) => sum + line.length, 0);
        for (const [contender, encode] of opened) {
          const begin = performance.now();
          const ids = await encode(own);
          const rate = length / (performance.now() - begin);
          // The first round warms up.
          if (round > 0) best[contender] = Math.max(rate, best[contender] ?? 0);
          if (contender === ours) tokens += ids.reduce((sum, { length }) => sum + length, 0);
        }
        characters += length;
      }
      row[kind] = { best, tokensPerSecond: (best[ours] * 1000 * tokens) / characters };
    }
    rows.push(row);
  }
  return rows;
}

const missed = [];
/** Notes a goal that was missed, and marks it in the table. */
function goal(isReached, what, found) {
  if (!isReached) missed.push(`${what} (${found.toPrecision(3)})`);
  return isReached ? "" : " **missed**";
}

function reportSpeed() {
  const peers = Object.keys(contenders).slice(1);
  console.log(`\ntokens/s by lines, warm, best of ${flags.rounds} rounds in turns, one thread, ${engine()}`);
  console.log("each cell: lines that are new in each round / the same lines again, which caches may know as a whole\n");
  console.log(`| tokenizer | text | tokens/s | ${peers.map((peer) => `times ${peer}`).join(" | ")} |`);
  console.log(`| --- | --- | ---: | ${peers.map(() => "---:").join(" | ")} |`);
  for (const { name, rate = 0, ratio, other } of chosen) {
    for (const row of child("speed", name)) {
      const isEnglish = row.text === "English";
      const where = `${name}, ${row.text}`;
      const cell = (write) => kinds.map(write).join(" / ");
      const rates = cell((kind) => {
        const found = row[kind].tokensPerSecond;
        const verdict = isEnglish ? goal(found >= rate, `${where}, ${kind}: ${rate} tokens/s`, found) : "";
        return `${Math.round(found / 1000)}k${verdict}`;
      });
      const ratios = peers.map((peer) => {
        if (row.new.best[peer] === undefined) return "";
        const least = peer === "tokenizers" ? 0 : isEnglish ? ratio : other;
        return cell((kind) => {
          const times = row[kind].best[ours] / row[kind].best[peer];
          return times.toFixed(2) + goal(times >= least, `${where}, ${kind}: ${least} x ${peer}`, times);
        });
      });
      console.log(`| ${name} | ${row.text} | ${rates} | ${ratios.join(" | ")} |`);
    }
  }
}

// ------------------------------------------------------------------------------------------------------------ loading

const loads = {
  "from tokenizer.json": "XLM-R",
  "JSON.parse of it alone": "XLM-R",
  "from .model": "XLM-R .model",
  "@huggingface/tokenizers": "XLM-R",
};

/** Opens XLM-R's files for the first time in a process; heap is what stays after a collection. */
async function measureLoading(way) {
  const { file } = tokenizers.find(({ name }) => name === loads[way]);
  const content = file.endsWith(".json") ? read(file).toString() : read(file);
  const peer = way === huggingface ? await import(huggingface) : undefined;
  // What is compiled or set up once is not counted.
  if (!peer) await openOurs("zipa/unigram_127.model");
  const bytesUsed = () => {
    globalThis.gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = bytesUsed();
  const begin = performance.now();
  const kept = peer
    ? new peer.Tokenizer(JSON.parse(content), {})
    : way.startsWith("JSON")
      ? JSON.parse(content)
      : await openOurs(file, content);
  const ms = performance.now() - begin;
  const bytes = bytesUsed() - before;
  return { ms, bytes, kept: kept ? 1 : 0 };
}

function reportLoading() {
  const ways = Object.keys(loads);
  const ms = Object.fromEntries(ways.map((way) => [way, []]));
  const bytes = Object.fromEntries(ways.map((way) => [way, []]));
  for (let round = 0; round < 5; round++) {
    for (const way of ways) {
      const result = child("loading", way);
      ms[way].push(result.ms);
      bytes[way].push(result.bytes);
    }
  }
  console.log(`\nXLM-R (250,002 pieces) opened for the first time in a process, median of 5, ${engine()}\n`);
  console.log("| what | ms | MB on the heap after a collection |\n| --- | ---: | ---: |");
  for (const way of ways) {
    const time = median(ms[way]);
    const heap = median(bytes[way]) / 1e6;
    const isOurs = way.startsWith("from");
    const most = way === "from .model" ? 150 : isOurs ? 1.3 * median(ms["JSON.parse of it alone"]) : Infinity;
    const timeGoal = goal(time <= most, `XLM-R ${way}: ${most.toFixed(0)} ms`, time);
    const heapGoal = goal(!isOurs || heap <= 40, `XLM-R ${way}: 40 MB`, heap);
    console.log(`| ${way} | ${time.toFixed(0)}${timeGoal} | ${heap.toFixed(1)}${heapGoal} |`);
  }
}

// ------------------------------------------------------------------------------------------------------------- growth

const megabyte = 1e6;
/** How often as long twice the text may take. */
const mostGrowth = 2.2;
/** Texts of so many bytes, all one line. */
const growing = {
  prose: (bytes) => repeated(readTexts(shared, root).English.join(" "), bytes),
  "one letter": (bytes) => "a".repeat(bytes),
  spaces: (bytes) => " ".repeat(bytes),
  "CJK without spaces": (bytes) =>
    repeated(readTexts(shared, root).Chinese.join("").replaceAll("。", ""), Math.round(bytes / 3)),
  "combining marks": (bytes) => `e${"\u0301\u0323".repeat(bytes / 4)}`,
};

function repeated(text, length) {
  return text.repeat(Math.ceil(length / text.length)).slice(0, length);
}

async function measureGrowth(key) {
  const [name, kind] = key.split("/");
  const tokenizer = await openOurs(tokenizers.find((tokenizer) => tokenizer.name === name).file);
  const best = {};
  // Warm, so that the smaller text does not pay for the compiler.
  tokenizer.encode(growing[kind](megabyte));
  // Again where twice the text takes longer, as other work on the machine makes single times longer.
  for (let round = 0; round < 3 || (round < 10 && best[10] > mostGrowth * best[5]); round++) {
    for (const size of [5, 10]) {
      const text = growing[kind](size * megabyte);
      globalThis.gc();
      const begin = performance.now();
      void tokenizer.encode(text).ids;
      best[size] = Math.min(performance.now() - begin, best[size] ?? Infinity);
    }
  }
  return best;
}

function reportGrowth() {
  const shapes = Object.keys(growing).filter((kind) => kind.toLowerCase().includes(flags.text.toLowerCase()));
  console.log(`\nseconds for 10 MB in one call (times that of 5 MB), best of 3 to 10, ${engine()}\n`);
  console.log(`| tokenizer | ${shapes.join(" | ")} |\n| --- | ${shapes.map(() => "---:").join(" | ")} |`);
  for (const { name } of chosen) {
    const cells = shapes.map((kind) => {
      const best = child("growth", `${name}/${kind}`);
      const times = best[10] / best[5];
      const verdict = goal(times <= mostGrowth, `${name}, ${kind}: 10 MB in ${mostGrowth} x the time of 5 MB`, times);
      return `${(best[10] / 1000).toFixed(1)} (${times.toFixed(2)} x)${verdict}`;
    });
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

// -------------------------------------------------------------------------------------------------------------- turns

const turning = {
  ...growing,
  "marks on letters": (bytes) => repeated("e\u0301\u0302", bytes),
  "parts of syllables": (bytes) => repeated("\u1112\u1161\u11ab", bytes),
  emoji: (bytes) => repeated("👩‍👩‍👧", bytes),
  digits: (bytes) => "7".repeat(bytes),
  punctuation: (bytes) => "!".repeat(bytes),
  code: (bytes) => repeated("for (let i = 0; i < n; ++i) { sum += a[i]; }\n", bytes),
};

/** The longest time between two turns of the event loop, while five million characters are encoded. */
async function measureTurns(key) {
  const [name, kind] = key.split("/");
  const tokenizer = await openOurs(all.find((tokenizer) => tokenizer.name === name).file);
  const text = turning[kind](5e6);
  const longest = [];
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    let gap = 0;
    let last = performance.now();
    const tick = () => {
      gap = Math.max(gap, performance.now() - last);
      last = performance.now();
    };
    const timer = setInterval(tick, 1);
    await tokenizer.encodeAsync(text);
    clearInterval(timer);
    tick();
    longest.push(gap);
  }
  return longest;
}

function reportTurns() {
  const kinds = Object.keys(turning).filter((kind) => kind.toLowerCase().includes(flags.text.toLowerCase()));
  const named = all.filter(({ name }) => name.toLowerCase().includes(flags.tokenizer.toLowerCase()));
  console.log(`\nlongest time without a turn in ms, encodeAsync of 5 million characters, median of 3, ${engine()}\n`);
  console.log(`| tokenizer | ${kinds.join(" | ")} |\n| --- | ${kinds.map(() => "---:").join(" | ")} |`);
  for (const { name } of named) {
    const cells = kinds.map((kind) => {
      const longest = median(child("turns", `${name}/${kind}`));
      return `${longest.toFixed(0)}${goal(longest <= 50, `${name}, ${kind}: a turn every 50 ms`, longest)}`;
    });
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

// --------------------------------------------------------------------------------------------------------------- runs

/** The result of one measurement in a process of its own. */
function child(what, key) {
  const passed = ["rounds", "text", "module"]
    .filter((flag) => flags[flag])
    .flatMap((flag) => [`--${flag}`, flags[flag]]);
  const command = ["--expose-gc", "--max-old-space-size=8192", self, "--child", `${what}:${key}`, ...passed];
  const output = execFileSync(process.execPath, command, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(output);
}

if (flags.child) {
  const [, what, key] = /^(\w+):(.*)$/.exec(flags.child);
  const result = await { speed: measureSpeed, loading: measureLoading, growth: measureGrowth, turns: measureTurns }[
    what
  ](key);
  console.log(JSON.stringify(result));
} else if (!existsSync(join(shared, "tokenizers"))) {
  console.log("skipped: the published tokenizer files, as ../shared is not beside the repository");
} else {
  if (!flags.module) ensureBuilt();
  installPeers();
  for (const part of flags.only.split(",")) {
    ({ speed: reportSpeed, loading: reportLoading, growth: reportGrowth, turns: reportTurns })[part]();
  }
  console.log(missed.length > 0 ? `\ngoals missed:\n  ${missed.join("\n  ")}` : "\nall goals reached");
  if (flags.strict && missed.length > 0) process.exitCode = 1;
}
