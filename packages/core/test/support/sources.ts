// What tests of sources read from, and how they expect errors.
import { SourceError } from "../../src/errors.ts";
import { expectRejection } from "./refusal.ts";

/** Bytes 0 to 9. */
export const ten = Uint8Array.from({ length: 10 }, (_, index) => index);

/** Expects a `SourceError`. */
export function rejects(promise: Promise<unknown>, code: string, message: string): Promise<unknown> {
  return expectRejection(promise, SourceError, code, message);
}

/** A stream of these chunks; `pulls` counts how many were taken. */
export function chunked(...chunks: unknown[]): ReadableStream<Uint8Array> & { pulls: number; cancelled: boolean } {
  let next = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (next === chunks.length) return controller.close();
        state.pulls++;
        controller.enqueue(chunks[next++] as Uint8Array);
      },
      cancel() {
        state.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const state = Object.assign(stream, { pulls: 0, cancelled: false });
  return state;
}

/** A stream that fills its reader's buffers, as those of responses do; `found` is what lay second in each, and its size. */
export function filling(...chunks: Uint8Array[]): ReadableStream<Uint8Array> & { found: number[][] } {
  const found: number[][] = [];
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const { view } = controller.byobRequest!;
      const chunk = chunks.shift();
      found.push([new Uint8Array(view!.buffer, view!.byteOffset)[1], view!.byteLength]);
      if (chunk) new Uint8Array(view!.buffer, view!.byteOffset).set(chunk);
      else controller.close();
      controller.byobRequest!.respond(chunk?.length ?? 0);
    },
  });
  return Object.assign(stream as ReadableStream<Uint8Array>, { found });
}

/** A promise that is never settled. */
export const never = <T>() => new Promise<T>(() => {});
