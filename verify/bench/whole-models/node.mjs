// A contender in a Node process of its own.
import { execFileSync, fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const worker = fileURLToPath(new URL("./node-worker.mjs", import.meta.url));

/** An engine: `start()` gives a contender a process of its own, which finds models below a folder. */
export function nodeEngine(execPath, models) {
  const script = "JSON.stringify([process.versions.node, process.versions.v8])";
  const [node, v8] = JSON.parse(execFileSync(execPath, ["-p", script], { encoding: "utf8" }));
  return {
    name: `node${Number.parseInt(node, 10)}`,
    title: `Node ${node}, V8 ${v8}`,
    // On by default from V8 12 on; Node 20 has it behind a flag.
    start: () => startNode(execPath, Number.parseInt(v8, 10) < 12 ? ["--experimental-wasm-relaxed-simd"] : [], models),
    close() {},
  };
}

/** @returns the answers of node-worker.mjs as functions, and `close` */
function startNode(execPath, execArgv, models) {
  const child = fork(worker, {
    execPath,
    execArgv,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr = `${stderr}${data}`.slice(-2000);
  });
  const ask = (name) => (value) =>
    new Promise((resolve, reject) => {
      const done = (settle, result) => {
        child.off("message", hear);
        child.off("exit", end);
        settle(result);
      };
      const hear = ({ value, error }) => (error === undefined ? done(resolve, value) : done(reject, new Error(error)));
      const end = (code, signal) =>
        done(reject, new Error(`process ended: ${signal ?? code} ${stderr.split("\n")[0]}`));
      child.on("message", hear);
      child.on("exit", end);
      child.send({ name, value });
    });
  const names = ["turn", "results", "warmUp", "limits", "peakBytes"];
  return {
    open: (job) => ask("open")({ ...job, path: join(models, job.folder) }),
    ...Object.fromEntries(names.map((name) => [name, ask(name)])),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}
