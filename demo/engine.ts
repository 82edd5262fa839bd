import type { Answer, ModelFiles, OpenModel, Reply, Request, WaysOptions } from "./messages.ts";
import type { Speller } from "./spelling.ts";

/** A model that is open in a worker of its own. */
export interface Engine {
  readonly model: OpenModel;
  /** Hears the answers. */
  listener: (answer: Answer) => void;
  ask(request: Request): void;
  end(): void;
}

/** Opens a model in a new worker; rejects with what was wrong. */
export function openEngine(files: ModelFiles, onProgress: (percent: number) => void): Promise<Engine> {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    const refuse = (message: string) => {
      worker.terminate();
      reject(new Error(message));
    };
    const engine = (model: OpenModel): Engine => ({
      model,
      listener: () => {},
      ask: (request) => worker.postMessage(request),
      end: () => worker.terminate(),
    });
    let open: Engine | undefined;
    worker.onerror = ({ message }) => refuse(message || "the worker did not start");
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.kind === "progress") onProgress(reply.percent);
      else if (reply.kind === "refused") refuse(reply.message);
      else if (reply.kind === "open") {
        open = engine(reply.model);
        resolve(open);
      } else open?.listener(reply);
    };
    worker.postMessage({ kind: "open", files } satisfies Request);
  });
}

/** A worker's model as one that says how words are said; a newer call ends those before it. */
export function spellerOf(engine: Engine): Speller {
  let newest = 0;
  return {
    pronounce: (text, { signal, ...options }) =>
      new Promise((resolve, reject) => {
        newest += 1;
        const id = newest;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        engine.listener = (answer) => {
          if (answer.id !== id) return;
          if (answer.kind === "ways") resolve(answer.ways);
          if (answer.kind === "failure") reject(new Error(answer.message));
        };
        engine.ask({ kind: "pronounce", id, text, options: options satisfies WaysOptions });
      }),
    dispose: () => engine.end(),
  };
}
