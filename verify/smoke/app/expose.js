// The page's side: two functions that the test calls from outside.
import { describeError, tellAll } from "./story.js";

export const openModel = (base, files) => async () =>
  Object.fromEntries(await Promise.all(files.map(async (name) => [name, await fetch(base + name)])));

export function expose(Pipeline, startWorker, options) {
  globalThis.onMainThread = async ({ base, files, stories, threads }) => {
    try {
      return await tellAll(Pipeline, openModel(base, files), stories, { ...options, threads });
    } catch (error) {
      return describeError(error);
    }
  };
  globalThis.inWorker = (request) =>
    new Promise((resolve, reject) => {
      const worker = startWorker();
      const arrivals = [];
      worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
      worker.onmessage = ({ data }) => {
        if ("piece" in data) arrivals.push(performance.timeOrigin + performance.now());
        else {
          worker.terminate();
          resolve({ ...data, arrivals });
        }
      };
      worker.postMessage(request);
    });
}
