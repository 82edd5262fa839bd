// The file that each thread of a pool runs, in browsers and in Node: takes calls, and sleeps when there are none.
import { type Control, controlOf, hasCalls, type KernelList, NEXT, SLEEPERS, work } from "./control.ts";
import type { ThreadSetup } from "./thread.ts";

/** Looks for the next job before a thread sleeps: jobs of one forward follow each other within microseconds. */
const LOOKS = 20_000;

function serve({ module, memory, control: buffer, names }: ThreadSetup, ready: () => void): void {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = names.map((name) => exports[name]) as unknown as KernelList;
  const control = controlOf(buffer);
  ready();
  for (;;) {
    work(control, kernels);
    if (!waitAwake(control)) sleep(control);
  }
}

function waitAwake(control: Control): boolean {
  for (let look = 0; look < LOOKS; look++) if (hasCalls(control)) return true;
  return false;
}

function sleep(control: Control): void {
  const { words } = control;
  Atomics.add(words, SLEEPERS, 1);
  const seen = Atomics.load(words, NEXT);
  // A job that was published meanwhile changed the word, and then this does not wait.
  if (!hasCalls(control)) Atomics.wait(words, NEXT, seen);
  Atomics.sub(words, SLEEPERS, 1);
}

interface Port {
  postMessage(message: unknown): void;
}
interface NodePort extends Port {
  once(event: "message", listener: (setup: ThreadSetup) => void): void;
}
interface NodeProcess {
  getBuiltinModule?(name: "node:worker_threads"): { readonly parentPort: NodePort | null };
}
interface WorkerScope extends Port {
  process?: NodeProcess;
  onmessage: ((event: { readonly data: ThreadSetup }) => void) | null;
}

const scope = globalThis as unknown as WorkerScope;
const parent = scope.process?.getBuiltinModule?.("node:worker_threads").parentPort;
if (parent) parent.once("message", (setup) => serve(setup, () => parent.postMessage("ready")));
else scope.onmessage = ({ data }) => serve(data, () => scope.postMessage("ready"));
