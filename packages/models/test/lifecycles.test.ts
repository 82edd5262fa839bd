// Loads, calls, aborts and disposals on one runtime, in sequences that are drawn at random: whatever becomes of the others, a call
// gives what it gives alone or the error that it has to, and memory is what it was.
import { getEventListeners } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryMap, PagePool } from "@kiloformer/core";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { DisposedError, Pipeline, Runtime } from "../src/index.ts";
import { fixtures } from "./open.ts";
import { tinyFiles } from "./tiny.ts";

const t5 = join(fixtures, "t5-odd");
const t5Names = readdirSync(t5).filter((name) => !name.startsWith("expected."));
const answer = { max_new_tokens: 5, eos_token_id: null, return_dict_in_generate: true } as const;

/** Options that end a call early. */
interface Ends {
  readonly signal: AbortSignal;
  readonly on_token?: () => unknown;
}
type Call = (pipeline: Pipeline, ends: Ends) => Promise<unknown>;

async function streamed(pipeline: Pipeline, ends: Ends): Promise<string> {
  let text = "";
  for await (const piece of pipeline.stream([4, 5], { ...ends, max_new_tokens: 8, eos_token_id: null })) text += piece;
  return text;
}

const both: Call[] = [
  (pipeline, ends) => pipeline.generate([4, 5, 6], { ...answer, ...ends }),
  (pipeline, { signal }) => pipeline.generateBatch([[4], [5, 6], [7]], { ...answer, num_beams: 3, signal }),
  (pipeline, { signal }) =>
    pipeline.generate([8], { ...answer, seed: 1, num_return_sequences: 3, temperature: 2, signal }),
  (pipeline, { signal }) => pipeline.logits(Array(100).fill(6), { signal }),
];
const models = [
  {
    files: tinyFiles(),
    calls: [...both, streamed, (pipeline, { signal }) => pipeline.phonemize("abc head", { signal })],
  },
  { files: Object.fromEntries(t5Names.map((name) => [name, readFileSync(join(t5, name))])), calls: both },
] satisfies { files: Record<string, Uint8Array | string>; calls: Call[] }[];

const alone = models.map(async ({ files, calls }) => {
  const pipeline = await Pipeline.fromFiles(files, { onWarning() {} });
  const results: unknown[] = [];
  for (const call of calls) results.push(await call(pipeline, { signal: new AbortController().signal }));
  await pipeline.dispose();
  return results;
});

const steps = fc.array(
  fc.record({
    what: fc.constantFrom("load", "call", "call", "call", "dispose"),
    pick: fc.nat(59),
    fate: fc.constantFrom("runs", "runs", "aborts", "throws", "breaks"),
    /** Turns of the event loop, or calls of a callback, until its fate comes; and turns until the next step. */
    after: fc.nat(7),
    pause: fc.nat(2),
  }),
  { minLength: 5, maxLength: 25 },
);

async function turns(count: number) {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Bytes of each pool's slabs. */
function watchPools(): Map<PagePool, number> {
  const slabs = new Map<PagePool, number>();
  let taking: PagePool;
  const { take, dispose } = PagePool.prototype;
  const { reserve } = MemoryMap.prototype;
  vi.spyOn(PagePool.prototype, "take").mockImplementation(function (this: PagePool) {
    taking = this;
    return take.call(this);
  });
  vi.spyOn(PagePool.prototype, "dispose").mockImplementation(function (this: PagePool) {
    slabs.delete(this);
    dispose.call(this);
  });
  vi.spyOn(MemoryMap.prototype, "reserve").mockImplementation(function (this: MemoryMap, bytes, what) {
    const block = reserve.call(this, bytes, what);
    if (what === "key/value cache") slabs.set(taking, (slabs.get(taking) ?? 0) + block.bytes);
    return block;
  });
  return slabs;
}

/** A runtime whose forwards give turns after some of their layers. */
async function restlessRuntime(): Promise<Runtime> {
  const runtime = await Runtime.create({ debug: true });
  let looks = 0;
  const workAtTurn = { get: () => (++looks % 7 === 0 ? Number.NEGATIVE_INFINITY : runtime.work), set() {} };
  Object.defineProperty(runtime, "workAtTurn", workAtTurn);
  return runtime;
}

afterEach(() => {
  vi.restoreAllMocks();
});

test("calls beside loads, aborts and disposals give what they give alone, and all memory back", async () => {
  const expected = await Promise.all(alone);
  const slabs = watchPools();
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const runtime = await restlessRuntime();
      slabs.clear();
      const opened: { model: number; pipeline: Pipeline; disposed: boolean }[] = [];
      const running: Promise<void>[] = [];
      const signals: AbortSignal[] = [];
      for (const { what, pick, fate, after, pause } of sequence) {
        await turns(pause);
        const controller = new AbortController();
        const { signal } = controller;
        signals.push(signal);
        const reason = new Error(fate);
        const aborting = fate === "aborts" ? turns(after).then(() => controller.abort(reason)) : undefined;
        let left = after;
        const told = () => {
          if (left-- === 0) throw reason;
        };
        if (what === "load" || opened.length === 0) {
          const model = pick % 2;
          const at = ["initiate", "progress", "done", "ready"][after % 4];
          const onProgress = ({ status }: { status: string }) => {
            if (fate === "throws" && status === at) throw reason;
          };
          const options = { runtime, signal, onProgress, onWarning() {} };
          const opening = Pipeline.fromFiles(models[model].files, options);
          const done = opening.then(
            (pipeline) => void opened.push({ model, pipeline, disposed: false }),
            (error) => expect(error).toBe(fate === "aborts" || fate === "throws" ? reason : undefined),
          );
          if (opened.length === 0) await done;
          running.push(done);
          continue;
        }
        const one = opened[pick % opened.length];
        const { model, pipeline } = one;
        if (what === "dispose") {
          one.disposed = true;
          running.push(pipeline.dispose());
          continue;
        }
        const index = pick % models[model].calls.length;
        const ends = fate === "throws" && index === 0 ? { signal, on_token: told } : { signal };
        const fails = (error: unknown) => {
          if (!one.disposed || !(error instanceof DisposedError)) expect(error).toBe(reason);
        };
        if (fate === "breaks" && model === 0) {
          const pieces = pipeline.stream([4, 5], { signal, max_new_tokens: 8 });
          running.push(
            pieces
              .next()
              .then(() => pieces.return())
              .then(() => {}, fails),
          );
          continue;
        }
        const call: Call = models[model].calls[index];
        running.push(call(pipeline, ends).then((result) => expect(result).toEqual(expected[model][index]), fails));
        await (pick % 3 === 0 ? aborting : undefined);
      }
      await Promise.all(running);
      for (const [pool, bytes] of slabs) expect(pool.freePages * pool.pageBytes).toBe(bytes);
      await Promise.all(opened.map(({ pipeline }) => pipeline.dispose()));
      expect(slabs.size).toBe(0);
      expect(runtime.memory.mark()).toBe(65_536);
      runtime.dispose();
      for (const signal of signals) expect(getEventListeners(signal, "abort")).toEqual([]);
    }),
    { seed: 1, numRuns: 60 },
  );
});
