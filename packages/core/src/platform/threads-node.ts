import { Worker } from "node:worker_threads";
import type { Thread, ThreadSetup } from "../threads/thread.ts";

/** Starts a thread of Node; it keeps no process alive. */
export const startThread: ((setup: ThreadSetup, url?: string | URL) => Promise<Thread>) | undefined = async (
  setup,
  url,
) => {
  const worker = new Worker(url ? new URL(url) : new URL("../../dist/threads/worker.js", import.meta.url));
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", () => {
      worker.unref();
      resolve({ end: () => void worker.terminate() });
    });
    worker.postMessage(setup);
  });
};
