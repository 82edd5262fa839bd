// The side of a contender that runs in a Node process of its own.
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { openSession } from "./session.mjs";

const require = createRequire(import.meta.url);
let session;

/** What contenders need of the place where they run. */
const hostOf = ({ path }) => ({
  place: (file) => join(path, file),
  bytes: (file) => readFile(join(path, file)),
  async modelFiles() {
    const { readDirectory } = await import("kiloformer/node");
    return readDirectory(path);
  },
  tensorflow: async () => ({
    tf: require("@tensorflow/tfjs-core"),
    wasm: require("@tensorflow/tfjs-backend-wasm"),
  }),
});

const answers = {
  open: async (job) => {
    session = await openSession(job, hostOf(job));
    return { loadMs: session.loadMs };
  },
  turn: (work) => session.turn(work),
  results: (work) => session.results(work),
  warmUp: (work) => session.warmUp(work),
  limits: () => session.limits(),
  peakBytes,
};

/** The most that this process had resident; Linux counts the parent's memory in maxRSS, from before the program was loaded. */
function peakBytes() {
  const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
  const peak = /VmHWM:\s*(\d+)/.exec(status)?.[1];
  return 1024 * (peak === undefined ? process.resourceUsage().maxRSS : Number(peak));
}

process.on("message", async ({ name, value }) => {
  try {
    process.send({ value: await answers[name](value) });
  } catch (error) {
    process.send({ error: `${error?.message ?? error}`.split("\n")[0] });
  }
});
