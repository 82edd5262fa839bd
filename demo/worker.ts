// One worker for each open model: the page stays free while it loads and computes.
import { createPipeline, g2pVocabulary, sentencePiece } from "kiloformer/core";
import { llama } from "kiloformer/llama";
import type { ModelAt, Reply, Request, StreamOptions } from "./messages.ts";

const Pipeline = createPipeline([llama], [sentencePiece({}), g2pVocabulary]);
type Model = Awaited<ReturnType<typeof Pipeline.fromFiles>>;

/** The kernels lie beside this script; `build.mjs` copies them there. */
const wasm = {
  relaxed: new URL("kernels-relaxed.wasm", import.meta.url),
  simd: new URL("kernels-simd.wasm", import.meta.url),
};
const page = globalThis as unknown as {
  postMessage(reply: Reply): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
};

let model: Model;
let running = new AbortController();

page.onmessage = async ({ data: request }) => {
  if (request.kind === "open") return open(request.files);
  // What is newer goes first: the call before it ends here.
  running.abort();
  if (request.kind === "stop") return;
  running = new AbortController();
  const { signal } = running;
  try {
    if (request.kind === "phonemize") await phonemize(request.id, request.text, signal);
    else await stream(request.id, request.prompt, request.options, signal);
  } catch (error) {
    if (!signal.aborted) page.postMessage({ kind: "failure", id: request.id, message: messageOf(error) });
  }
  page.postMessage({ kind: "end", id: request.id });
};

async function open(from: ModelAt): Promise<void> {
  const start = performance.now();
  try {
    model = await Pipeline.fromFiles(typeof from === "string" ? await fetchModel(from) : from, {
      wasm,
      onProgress: ({ progress }) => page.postMessage({ kind: "progress", percent: progress }),
    });
  } catch (error) {
    page.postMessage({ kind: "refused", message: messageOf(error) });
    return;
  }
  const { modelType, tokenizer, build, heldBytes } = model;
  const loadMs = performance.now() - start;
  const g2p = tokenizer?.kind === "g2p";
  page.postMessage({ kind: "open", model: { modelType, g2p, build, loadMs, heldBytes, kernelBytes: kernelBytes() } });
}

async function fetchModel(base: string): Promise<Record<string, Response>> {
  const names = ["config.json", "vocab.json", "model.safetensors"];
  const responses = await Promise.all(names.map((name) => fetch(new URL(name, base))));
  const missing = names.filter((_, index) => !responses[index].ok);
  if (missing.length > 0) throw new Error(`${base}: expected a model, got no ${missing.join(", ")}`);
  return Object.fromEntries(names.map((name, index) => [name, responses[index]]));
}

async function phonemize(id: number, text: string, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  const ipa = await model.phonemize(text, { signal });
  page.postMessage({ kind: "ipa", id, ipa, ms: performance.now() - start });
}

/** One piece is one token, but for characters that take several. */
async function stream(id: number, prompt: string, options: StreamOptions, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  let count = 0;
  for await (const text of model.stream(prompt, { ...options, signal })) {
    count += 1;
    page.postMessage({ kind: "piece", id, text, count, ms: performance.now() - start });
  }
}

function kernelBytes(): number {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const kernels = entries.filter(({ name }) => name.endsWith(".wasm"));
  return kernels.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
