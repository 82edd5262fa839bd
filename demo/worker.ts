// The worker of a model that the user gives: a Llama that continues a prompt, or turns spelling into IPA.
import { createPipeline, g2pTasks, g2pVocabulary, type Pipeline, reasonOf, sentencePiece } from "kiloformer/core";
import { llama } from "kiloformer/llama";
import type { ModelFiles, Reply, Request, StreamOptions } from "./messages.ts";
import { describe } from "./opened.ts";

const formats = [sentencePiece({}), g2pVocabulary];
const Llama = createPipeline([{ ...llama, tasks: { ...llama.tasks, ...g2pTasks } }], formats);

// The kernels lie beside this script; `build.mjs` copies them there.
const wasm = {
  relaxed: new URL("kernels-relaxed.wasm", import.meta.url),
  simd: new URL("kernels-simd.wasm", import.meta.url),
};
const page = globalThis as unknown as {
  postMessage(reply: Reply): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
};

let pipeline: Pipeline;
let running = new AbortController();

page.onmessage = async ({ data: request }) => {
  if (request.kind === "open") return open(request.files);
  // What is newer goes first: the call before it ends here.
  running.abort();
  if (request.kind === "stop") return;
  running = new AbortController();
  const { signal } = running;
  const { id } = request;
  try {
    if (request.kind === "pronounce") {
      const ways = await pipeline.pronounce(request.text, { ...request.options, signal });
      page.postMessage({ kind: "ways", id, ways });
    } else await stream(id, request.prompt, request.options, signal);
  } catch (error) {
    if (!signal.aborted) page.postMessage({ kind: "failure", id, message: reasonOf(error) });
  }
  page.postMessage({ kind: "end", id });
};

async function open(files: ModelFiles): Promise<void> {
  const start = performance.now();
  try {
    pipeline = await Llama.fromFiles(files, {
      wasm,
      onProgress: ({ progress }) => page.postMessage({ kind: "progress", percent: progress }),
    });
    page.postMessage({ kind: "open", model: describe(pipeline, performance.now() - start) });
  } catch (error) {
    page.postMessage({ kind: "refused", message: reasonOf(error) });
  }
}

/** One piece is one token, but for characters that take several. */
async function stream(id: number, prompt: string, options: StreamOptions, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  let count = 0;
  for await (const text of pipeline.stream(prompt, { ...options, signal })) {
    count += 1;
    page.postMessage({ kind: "piece", id, text, count, ms: performance.now() - start });
  }
}
