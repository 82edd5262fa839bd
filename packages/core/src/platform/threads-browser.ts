import type { Thread, ThreadSetup } from "../threads/thread.ts";

/** Starts a Worker; bundlers that know `new Worker(new URL(...))` carry its file along. Service workers have none. */
export const startThread: ((setup: ThreadSetup, url?: string | URL) => Promise<Thread>) | undefined =
  typeof Worker === "undefined" ? undefined : start;

async function start(setup: ThreadSetup, url?: string | URL): Promise<Thread> {
  const worker = url
    ? new Worker(url, { type: "module" })
    : new Worker(new URL("../../dist/threads/worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => {
      worker.terminate();
      reject(new Error(message || "its file could not be loaded"));
    };
    worker.onmessage = () => resolve({ end: () => worker.terminate() });
    worker.postMessage(setup);
  });
}
