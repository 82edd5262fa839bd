import { constants } from "node:os";
import { run } from "./run.ts";

// The first Ctrl-C stops the work and cleans up, for which it has some seconds: what waits for a pipe may never end. A second one finds
// Node's own handler, which ends at once.
const interrupt = new AbortController();
const graceMilliseconds = 3000;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    interrupt.abort();
    setTimeout(() => process.exit(128 + constants.signals[signal]), graceMilliseconds).unref();
  });
}
const { stdin, stdout, stderr, env } = process;
process.exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: interrupt.signal });
