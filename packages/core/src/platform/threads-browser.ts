import type { StartThread, Thread, ThreadSetup } from "../threads/thread.ts";

/** Starts a Worker; bundlers that know `new Worker(new URL(...))` carry its file along. Service workers have none. */
export const startThread: StartThread = typeof Worker === "undefined" ? undefined : start;

function start(setup: ThreadSetup, url?: string | URL): Thread {
  const worker = url
    ? new Worker(url, { type: "module" })
    : new Worker(new URL("../../dist/threads-worker.js", import.meta.url), { type: "module" });
  const ready = new Promise<void>((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message || "its file could not be loaded"));
    worker.onmessage = () => resolve();
  });
  try {
    worker.postMessage(setup);
  } catch (error) {
    void worker.terminate();
    throw error;
  }
  return { ready, end: () => worker.terminate() };
}
