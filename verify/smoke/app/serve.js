// The worker's side: each piece is a message of its own.
import { openModel } from "./expose.js";
import { describeError, tellAll } from "./story.js";

export function serve(Pipeline, options) {
  globalThis.onmessage = async ({ data: { base, files, stories, threads } }) => {
    try {
      const onPiece = (piece, index) => postMessage({ piece, index });
      const runs = await tellAll(Pipeline, openModel(base, files), stories, { ...options, threads }, onPiece);
      postMessage({ runs, finished: performance.timeOrigin + performance.now() });
    } catch (error) {
      postMessage(describeError(error));
    }
  };
}
