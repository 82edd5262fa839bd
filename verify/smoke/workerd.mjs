// Cloudflare's runtime: kernels as static imports, the model as data modules or as one packed file, the story over HTTP.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkRuns, checkStreaming } from "./check.mjs";
import { checkOwnG2P } from "./own-g2p.mjs";
import { packModel } from "./packed.mjs";
import { bundleForWorkerd, project } from "./project.mjs";
import { build, program } from "./tools.mjs";

const timeout = 60_000;
const kernels = ["kernels-simd.wasm", "kernels-relaxed.wasm"];

export async function workerdCase({ directory, files, stories }) {
  const command = program("workerd");
  const folder = await makeFolder("workerd", "workerd.js", files);
  for (const name of files) copyFileSync(join(directory, name), join(folder, name));
  writeFileSync(join(folder, "config.capnp"), config("workerd.js", kernels, files));
  return tellStories(command, folder, stories);
}

export async function workerdPackedCase(model) {
  const command = program("workerd");
  const folder = await makeFolder("workerd-packed", "workerd-packed.js", []);
  writeFileSync(join(folder, "model.wasm"), await packModel(model));
  writeFileSync(join(folder, "config.capnp"), config("workerd-packed.js", [...kernels, "model.wasm"], []));
  return tellStories(command, folder, model.stories);
}

export async function workerdG2PCase() {
  const command = program("workerd");
  const folder = await makeFolder("workerd-g2p", "workerd-g2p.js", []);
  copyFileSync(join(project, "node_modules/kiloformer/dist/g2p-simd.wasm"), join(folder, "g2p-simd.wasm"));
  writeFileSync(join(folder, "config.capnp"), config("workerd-g2p.js", [...kernels, "g2p-simd.wasm"], []));
  const { port, stop } = await startWorkerd(command, join(folder, "config.capnp"));
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(timeout) });
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    return checkOwnG2P(await response.json());
  } finally {
    await stop();
  }
}

/** The bundle, and the kernels that it imports. */
async function makeFolder(name, entry, files) {
  const folder = join(build, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundleForWorkerd(entry, folder, files);
  for (const name of kernels)
    copyFileSync(join(project, "node_modules/@kiloformer/core/dist", name), join(folder, name));
  return folder;
}

async function tellStories(command, folder, stories) {
  const { port, stop } = await startWorkerd(command, join(folder, "config.capnp"));
  try {
    const asked = stories.map(({ prompt, max_new_tokens }) => ({ prompt, max_new_tokens }));
    const { lines, arrivals } = await readLines(`http://127.0.0.1:${port}/`, asked);
    const last = lines.at(-1);
    const note = checkRuns(last.runs ?? last, stories);
    const pieces = last.runs.reduce((sum, run) => sum + run.pieces, 0);
    return `${note}, ${checkStreaming(arrivals.slice(0, -1), arrivals.at(-1), pieces)}`;
  } finally {
    await stop();
  }
}

function config(entry, wasm, files) {
  const modules = [
    `(name = "${entry}", esModule = embed "${entry}")`,
    ...wasm.map((name) => `(name = "${name}", wasm = embed "${name}")`),
    ...files.map((name) => `(name = "${name}", data = embed "${name}")`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "story", worker = .story)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "story")],
);
const story :Workerd.Worker = (
  modules = [
    ${modules.join(",\n    ")}
  ],
  compatibilityDate = "2025-01-01",
);
`;
}

/** Starts the runtime on a port of its choice, which it tells on a descriptor of its own. */
async function startWorkerd(command, file) {
  const child = spawn(command, ["serve", file, "--control-fd=3"], { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output.push(chunk));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const stop = () => {
    child.kill();
    return ended;
  };
  const port = new Promise((resolve, reject) => {
    let told = "";
    child.on("error", reject);
    ended.then((code) => reject(new Error(`workerd ended with ${code}: ${Buffer.concat(output)}`)));
    setTimeout(() => reject(new Error(`workerd did not listen within ${timeout / 1000} s`)), timeout).unref();
    child.stdio[3].on("data", (chunk) => {
      told += chunk;
      const found = /"event":"listen","socket":"http","port":(\d+)/.exec(told);
      if (found) resolve(Number(found[1]));
    });
  });
  try {
    return { port: await port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The JSON lines of a streamed response, and when each came. */
async function readLines(url, body) {
  const signal = AbortSignal.timeout(timeout);
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body), signal });
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  const lines = [];
  const arrivals = [];
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + chunk).split("\n");
    rest = whole.pop();
    for (const line of whole) {
      lines.push(JSON.parse(line));
      arrivals.push(performance.now());
    }
  }
  return { lines, arrivals };
}
