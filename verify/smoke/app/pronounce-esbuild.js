// Runs on a page, and again as a worker of it.
import relaxed from "@kiloformer/core/kernels-relaxed.wasm";
import simd from "@kiloformer/core/kernels-simd.wasm";
import { sayAll } from "./pronounce.js";

const wasm = { relaxed: new URL(relaxed, import.meta.url), simd: new URL(simd, import.meta.url) };
const names = ["config.json", "model.safetensors", "vocab.json"];
const say = async (base) => {
  const files = await Promise.all(names.map(async (name) => [name, await fetch(base + name)]));
  return sayAll(Object.fromEntries(files), { wasm });
};

if (globalThis.document) {
  globalThis.sayHere = say;
  globalThis.sayInWorker = (base) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { type: "module" });
      worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(base);
    });
} else globalThis.onmessage = async ({ data }) => postMessage(await say(data));
