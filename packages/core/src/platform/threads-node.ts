import { Worker } from "node:worker_threads";
import type { StartThread } from "../threads/thread.ts";

/** Starts a thread of Node; it keeps no process alive. */
export const startThread: StartThread = (setup, url) => {
  const worker = new Worker(url ? new URL(url) : new URL("../../dist/threads-worker.js", import.meta.url));
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", () => {
      worker.unref();
      resolve();
    });
  });
  try {
    worker.postMessage(setup);
  } catch (error) {
    void worker.terminate();
    throw error;
  }
  return { ready, end: () => void worker.terminate() };
};
