// The side of a contender that runs in a page of its own.
import { openSession } from "/bench/session.mjs";

const at = (path) => new URL(path, location.href).href;
const peer = (path) => at(`/peers/${path}`);
const get = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return response;
};
let session;

/** What contenders need of the place where they run. */
const hostOf = ({ folder }) => ({
  place: (file) => at(`/models/${folder}/${file}`),
  modelsPath: at("/models/"),
  bytes: async (file) => new Uint8Array(await (await get(at(`/models/${folder}/${file}`))).arrayBuffer()),
  kernels: { simd: at("/build/kernels-simd.wasm"), relaxed: at("/build/kernels-relaxed.wasm") },
  threadsFile: at("/build/threads-worker.js"),
  wasmPaths: {
    onnxruntime: peer("onnxruntime-web/dist/"),
    transformers: peer("@huggingface/transformers/node_modules/onnxruntime-web/dist/"),
    tensorflow: peer("@tensorflow/tfjs-backend-wasm/dist/"),
    wllama: { default: peer("@wllama/wllama/esm/wasm/wllama.wasm") },
  },
  async modelFiles() {
    const names = ["config.json", "model.safetensors"];
    const responses = await Promise.all(names.map((name) => get(at(`/models/${folder}/${name}`))));
    return { files: Object.fromEntries(names.map((name, index) => [name, responses[index]])), close() {} };
  },
  tensorflow: async () => {
    const library = await import("/build/tensorflow.js");
    return { tf: library, wasm: library };
  },
});

globalThis.answers = {
  open: async (job) => {
    if (!crossOriginIsolated) throw new Error("expected an isolated page, got one that is not");
    session = await openSession(job, hostOf(job));
    return { loadMs: session.loadMs };
  },
  turn: (work) => session.turn(work),
  results: (work) => session.results(work),
  warmUp: (work) => session.warmUp(work),
  limits: () => session.limits(),
};
