import { constants } from "node:os";
import { run } from "./run.ts";

// The first Ctrl-C stops the work and cleans up, for which it has some seconds: what waits for a pipe may never end. A second one finds
// Node's own handler, which ends at once.
const interrupt = new AbortController();
const graceMilliseconds = 3000;
let received: number | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    received = 128 + constants.signals[signal];
    interrupt.abort();
    setTimeout(() => process.exit(received), graceMilliseconds).unref();
  });
}
const { stdin, stdout, stderr, env } = process;
const code = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interrupt.signal });
process.exitCode = code === 130 ? received : code;
