import { getEventListeners } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { g2p } from "../src/g2p.ts";
import { decoderOf } from "../src/generation/decoder.ts";
import {
  allFormats,
  architectures,
  DisposedError,
  type Grow,
  KiloformerError,
  MemoryError,
  openBareModel,
  openPacked,
  Pipeline,
  packModel,
  quantizeModel,
  Runtime,
  RuntimeError,
} from "../src/index.ts";
import { toSources } from "../src/pipeline/files.ts";
import { loadModel } from "../src/pipeline/load.ts";
import { failing } from "./shared.ts";
import { tinyFiles } from "./tiny.ts";

/** A model whose prefill takes a while: 5 layers, 384 wide. */
const slowSizes = {
  hidden_size: 384,
  intermediate_size: 1536,
  num_hidden_layers: 5,
  num_attention_heads: 6,
  num_key_value_heads: 6,
  max_position_embeddings: 4096,
};
const slow = tinyFiles({ config: slowSizes, shape: slowSizes });
const longPrompt = Array.from({ length: 2000 }, (_, index) => 4 + (index % 12));

describe("R1 memory that runs out", () => {
  test("at each of the growths of a load and a generation is a typed error, all is freed, and the next one works", async () => {
    let allowed = Number.POSITIVE_INFINITY;
    let calls = 0;
    const grow: Grow = (memory, pages) => {
      calls++;
      if (calls > allowed) throw new RangeError("out of memory");
      memory.grow(pages);
    };
    const work = async () => {
      calls = 0;
      const runtime = await Runtime.create({ grow });
      const pipeline = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 4096 } }), { runtime });
      const text = await pipeline.generate(longPrompt, { max_new_tokens: 200, eos_token_id: null });
      await pipeline.dispose();
      runtime.dispose();
      return text;
    };
    const text = await work();
    const growths = calls;
    expect(growths).toBeGreaterThan(2);
    for (allowed = 0; allowed < growths; allowed++) {
      const error = await work().catch((e) => e);
      expect(error).toBeInstanceOf(MemoryError);
      expect(error.code).toBe("grow-failed");
      expect(error.message).toMatch(
        /^(weights|activations|key\/value cache): expected \d+ more bytes of WebAssembly memory, got none: the engine refused$/,
      );
    }
    allowed = Number.POSITIVE_INFINITY;
    expect(await work()).toBe(text);
  });

  test("leaves a pipeline usable, and its pages and stack as they were", async () => {
    let fail = false;
    const grow: Grow = (memory, pages) => {
      if (fail) throw new RangeError("out of memory");
      memory.grow(pages);
    };
    const runtime = await Runtime.create({ grow });
    const pipeline = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 200_000 } }), { runtime });
    const before = await pipeline.generate("abc", { max_new_tokens: 5 });
    const mark = runtime.memory.mark();
    fail = true;
    await expect(pipeline.generate(longPrompt.concat(...Array(50).fill(longPrompt)))).rejects.toBeInstanceOf(
      MemoryError,
    );
    expect(runtime.memory.mark()).toBeGreaterThanOrEqual(mark);
    expect(await pipeline.generate("abc", { max_new_tokens: 5 })).toBe(before);
    fail = false;
    expect(await pipeline.generate("abc", { max_new_tokens: 5 })).toBe(before);
    runtime.dispose();
  });

  test("a limit given by the caller is known before a byte is read", async () => {
    await expect(Pipeline.fromFiles(tinyFiles(), { limitBytes: 70_000 })).rejects.toEqual(
      expect.objectContaining({ code: "over-limit" }),
    );
  });

  test("the library gives its memory back when a load fails, also in a runtime that it was given", async () => {
    const runtime = await Runtime.create();
    const mark = runtime.memory.mark();
    const aborted = AbortSignal.abort(new Error("stop"));
    await expect(Pipeline.fromFiles(tinyFiles(), { runtime, signal: aborted })).rejects.toThrow("stop");
    const bad = tinyFiles({
      tensors: (tensors) => new Float32Array(tensors.get("model.norm.weight")!.data.buffer).fill(Number.NaN),
    });
    await expect(Pipeline.fromFiles(bad, { runtime, checkFinite: true })).rejects.toEqual(
      failing("not-finite", "weights: expected finite numbers, got NaN or infinity in model.norm.weight"),
    );
    for (const at of ["initiate", "progress", "done", "ready"]) {
      const onProgress = ({ status }: { status: string }) => {
        if (status === at) throw new Error(at);
      };
      await expect(Pipeline.fromFiles(tinyFiles(), { runtime, onProgress })).rejects.toThrow(at);
    }
    expect(runtime.memory.mark()).toBe(mark);
    runtime.dispose();
  });
});

describe("R2 aborts", () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await Pipeline.fromFiles(slow);
  });
  afterAll(() => pipeline.dispose());

  test("before the start", async () => {
    const reason = new Error("changed my mind");
    const signal = AbortSignal.abort(reason);
    await expect(pipeline.generate("abc", { signal })).rejects.toBe(reason);
    await expect(pipeline.phonemize("abc", { signal })).rejects.toBe(reason);
    await expect(pipeline.logits([4], { signal })).rejects.toBe(reason);
    await expect(Pipeline.fromFiles(slow, { signal })).rejects.toBe(reason);
  });

  test("without a reason of its own, is an AbortError", async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(pipeline.generate("abc", { signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  test("of a load while its kernels, or a packed file, are on their way", async () => {
    const loads: ((file: Response, signal: AbortSignal) => Promise<unknown>)[] = [
      (wasm, signal) => Pipeline.fromFiles(tinyFiles(), { wasm, signal }),
      (wasm, signal) => openBareModel(tinyFiles(), architectures, { wasm, signal }),
      (file, signal) => openPacked(Pipeline, file, { signal }),
      (file, signal) => g2p({ file, signal }),
      (wasm, signal) => packModel(Pipeline, tinyFiles(), { wasm, signal }),
      async (wasm, signal) => {
        const model = await quantizeModel(tinyFiles(), architectures, { dtype: "q8", wasm, signal });
        await model.pieces().next();
      },
    ];
    for (const load of loads) {
      const controller = new AbortController();
      const reason = new Error("changed my mind");
      const asked = () => {
        controller.abort(reason);
        return new Promise<void>(() => {});
      };
      const file = new Response(new ReadableStream({ pull: asked }, { highWaterMark: 0 }));
      await expect(load(file, controller.signal), String(load)).rejects.toBe(reason);
    }
  });

  // Both again where they fail: a stall of the machine is not in every attempt, one of the code is.
  test("inside a long prefill, long before it would end, and the pipeline is usable at once", {
    retry: 4,
  }, async () => {
    const before = await pipeline.generate([4, 5], { max_new_tokens: 3 });
    const started = performance.now();
    await pipeline.logits(longPrompt.slice(0, 400));
    const part = performance.now() - started;
    const controller = new AbortController();
    const running = pipeline.generate(longPrompt, { signal: controller.signal, max_new_tokens: 1 });
    let abortedAt = 0;
    setTimeout(() => {
      abortedAt = performance.now();
      controller.abort();
    }, 20);
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    // The whole prefill takes more than five times that part: a ratio, as machines differ.
    expect(performance.now() - abortedAt).toBeLessThan(Math.max(100, part));
    expect(abortedAt).toBeGreaterThan(0);
    expect(await pipeline.generate([4, 5], { max_new_tokens: 3 })).toBe(before);
  });

  test("inside hidden states of a long text, long before they would end", { retry: 4 }, async () => {
    const started = performance.now();
    await pipeline.hiddenStates(longPrompt.slice(0, 400));
    const part = performance.now() - started;
    const controller = new AbortController();
    const begun = performance.now();
    const running = pipeline.hiddenStates(longPrompt, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    expect(performance.now() - begun).toBeLessThan(20 + Math.max(100, part));
  });

  test("between tokens, from inside the loop", async () => {
    const controller = new AbortController();
    const pieces: string[] = [];
    const loop = async () => {
      for await (const piece of pipeline.stream([4, 5], { signal: controller.signal, eos_token_id: null })) {
        pieces.push(piece);
        controller.abort();
      }
    };
    await expect(loop()).rejects.toMatchObject({ name: "AbortError" });
    expect(pieces.length).toBe(1);
  });

  test("a signal is listened to while a call runs, and let go of however it ends", async () => {
    const small = await Pipeline.fromFiles(tinyFiles());
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, "abort").length;
    const options = { signal, max_new_tokens: 3, eos_token_id: null };
    const calls = [
      () => small.generate([4, 5], { ...options, on_text: () => expect(listeners()).toBe(1) }),
      () => small.generateBatch([[4], [5]], options),
      () => small.phonemize("abc", { signal }),
      () => small.logits([4, 5], { signal }),
      () => small.logits([-1], { signal }),
      () => small.generate([4, 5], { signal, max_new_tokens: -1 }),
    ];
    for (const call of calls) {
      await call().catch((error) => expect(error).toBeInstanceOf(KiloformerError));
      expect(listeners(), String(call)).toBe(0);
    }
    for await (const _ of small.stream([4, 5], options)) {
      expect(listeners()).toBe(1);
      break;
    }
    expect(listeners()).toBe(0);
    const many = Array.from({ length: 30 }, () => small.generate([4, 5], options));
    expect(listeners()).toBe(1);
    expect(new Set(await Promise.all(many)).size).toBe(1);
    expect(listeners()).toBe(0);
    await small.dispose();
  });

  test("by a signal and by dispose: the first one's reason counts", async () => {
    const mine = await Pipeline.fromFiles(slow);
    const controller = new AbortController();
    const running = mine.logits(longPrompt, { signal: controller.signal });
    const reason = { any: "value" };
    controller.abort(reason);
    const disposed = mine.dispose();
    await expect(running).rejects.toBe(reason);
    await disposed;
    const other = await Pipeline.fromFiles(slow);
    const later = new AbortController();
    const stopped = other.logits(longPrompt, { signal: later.signal });
    const ended = other.dispose();
    later.abort(reason);
    await expect(stopped).rejects.toBeInstanceOf(DisposedError);
    await ended;
  });

  test("of one call leave the others alone", async () => {
    const alone = await pipeline.generate([4, 5, 6], { max_new_tokens: 6, eos_token_id: null });
    const controller = new AbortController();
    const stopped = pipeline.generate(longPrompt, { signal: controller.signal }).catch((e) => e.name);
    const other = pipeline.generate([4, 5, 6], { max_new_tokens: 6, eos_token_id: null });
    controller.abort();
    expect(await stopped).toBe("AbortError");
    expect(await other).toBe(alone);
  });
});

describe("R3 calls at the same time", () => {
  test("16 of them, one of which throws, each equal their solo run, and the queue survives", async () => {
    const pipeline = await Pipeline.fromFiles(tinyFiles());
    const prompts = Array.from({ length: 16 }, (_, index) => longPrompt.slice(index, index + 3 + index));
    const options = { max_new_tokens: 20, eos_token_id: null, return_dict_in_generate: true } as const;
    const solo = [];
    for (const prompt of prompts) solo.push((await pipeline.generate(prompt, options)).ids);
    const together = await Promise.all(
      prompts.map((prompt, index) =>
        index === 7
          ? pipeline.generate([99], options).catch((e) => e.code)
          : pipeline.generate(prompt, options).then(({ ids }) => ids),
      ),
    );
    solo.forEach((ids, index) => {
      expect(together[index]).toEqual(index === 7 ? "bad-ids" : ids);
    });
    expect((await pipeline.generate(prompts[3], options)).ids).toEqual(solo[3]);
    await pipeline.dispose();
  });

  test("a call made from inside a stream's loop does not wait for the stream", async () => {
    const pipeline = await Pipeline.fromFiles(tinyFiles());
    const alone = await pipeline.phonemize("abc");
    let calls = 0;
    for await (const _ of pipeline.stream("abc", { max_new_tokens: 10, eos_token_id: null })) {
      expect(await pipeline.phonemize("abc")).toBe(alone);
      calls++;
    }
    expect(calls).toBeGreaterThan(0);
    await pipeline.dispose();
  });

  test("two pipelines on one runtime do not disturb each other", async () => {
    const runtime = await Runtime.create({ debug: true });
    const [a, b] = await Promise.all([
      Pipeline.fromFiles(slow, { runtime }),
      Pipeline.fromFiles(tinyFiles(), { runtime }),
    ]);
    const solo = [await a.logits(longPrompt.slice(0, 50)), await b.logits(longPrompt.slice(0, 50))];
    const both = await Promise.all([a.logits(longPrompt.slice(0, 50)), b.logits(longPrompt.slice(0, 50))]);
    expect(both).toEqual(solo);
    await a.dispose();
    expect(await b.logits(longPrompt.slice(0, 50))).toEqual(solo[1]);
    await b.dispose();
    expect(runtime.memory.mark()).toBe(65_536);
    runtime.dispose();
  });
});

describe("R4 dispose", () => {
  test("use afterwards is a DisposedError, and a second dispose does nothing", async () => {
    const pipeline = await Pipeline.fromFiles(tinyFiles());
    await pipeline.dispose();
    await pipeline.dispose();
    const message = "pipeline: expected a live pipeline, got one that was disposed";
    for (const call of [
      () => pipeline.generate("abc"),
      () => pipeline.stream("abc").next(),
      () => pipeline.phonemize("abc"),
      () => pipeline.phonemizeBatch(["abc"]),
      () => pipeline.logits([4]),
      () => pipeline.hiddenStates([4]),
    ]) {
      const error = await call().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DisposedError);
      expect(error).toEqual(failing("disposed", message));
    }
    expect(pipeline.heldBytes).toBe(0);
  });

  test("in the middle of a run stops it with a DisposedError", async () => {
    const pipeline = await Pipeline.fromFiles(slow);
    const running = pipeline.generate(longPrompt).catch((e) => e);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await pipeline.dispose();
    expect(await running).toBeInstanceOf(DisposedError);
  });

  test("a runtime that is disposed below a pipeline is a DisposedError too", async () => {
    const runtime = await Runtime.create();
    const pipeline = await Pipeline.fromFiles(tinyFiles(), { runtime });
    runtime.dispose();
    await expect(pipeline.logits([4])).rejects.toEqual(
      failing("disposed", "runtime: expected a live runtime, got one that was disposed"),
    );
    await pipeline.dispose();
  });

  test("gives memory back: twenty more loads end where the fifth did", async () => {
    const load = async () => {
      const pipeline = await Pipeline.fromFiles(slow);
      await pipeline.generate([4], { max_new_tokens: 1 });
      await pipeline.dispose();
    };
    const held = async () => {
      for (let round = 0; round < 5; round++) {
        (globalThis as { gc?: () => void }).gc!();
        await new Promise((resolve) => setImmediate(resolve));
      }
      const { external, arrayBuffers, heapUsed } = process.memoryUsage();
      return external + arrayBuffers + heapUsed;
    };
    for (let round = 0; round < 5; round++) await load();
    const before = await held();
    for (let round = 0; round < 20; round++) await load();
    // One leaked load would be 48 MB.
    expect((await held()) - before).toBeLessThan(20e6);
  });
});

describe("R5 a trap", () => {
  test("reaches the caller as a typed error, and later calls are refused", async () => {
    const runtime = await Runtime.create();
    const pipeline = await Pipeline.fromFiles(tinyFiles(), { runtime });
    const { kernels } = runtime;
    const trapping = { ...kernels, rms_norm_f32: () => kernels.rms_norm_f32(-64, -64, -64, 1 << 20, 64, 1e-5) };
    Object.defineProperty(runtime, "kernels", { value: trapping });
    const error = await pipeline.logits([4]).catch((e) => e);
    expect(error).toBeInstanceOf(RuntimeError);
    expect(error.code).toBe("trap");
    expect(error.message).toMatch(/^kernels: expected to finish, got a trap: /);
    await expect(pipeline.logits([4])).rejects.toBeInstanceOf(DisposedError);
    await pipeline.dispose();
  });
});

describe("R6 consumers that stop", () => {
  test("breaking out of the loop frees the cache and leaves the pipeline usable", async () => {
    const runtime = await Runtime.create();
    const loaded = await loadModel(toSources(tinyFiles()), architectures, { runtime }, allFormats);
    const pipeline = new Pipeline(loaded, {}, {});
    const { pool } = decoderOf(loaded);
    await pipeline.generate("abc", { max_new_tokens: 20, eos_token_id: null });
    const free = pool.freePages;
    for await (const _ of pipeline.stream("abc", { eos_token_id: null })) break;
    expect(pool.freePages).toBe(free);
    const loop = async () => {
      for await (const _ of pipeline.stream("abc", { eos_token_id: null })) throw new Error("consumer failed");
    };
    await expect(loop()).rejects.toThrow("consumer failed");
    expect(pool.freePages).toBe(free);
    expect(await pipeline.phonemize("abc")).toEqual(expect.any(String));
    runtime.dispose();
  });
});

describe("memory stays flat", () => {
  test("over 300 texts of different lengths", async () => {
    const pipeline = await Pipeline.fromFiles(tinyFiles());
    const round = async () => {
      for (let length = 1; length < 100; length++)
        await pipeline.generate(longPrompt.slice(0, length), { max_new_tokens: 3 });
    };
    await round();
    const held = pipeline.heldBytes;
    await round();
    await round();
    expect(pipeline.heldBytes).toBe(held);
    await pipeline.dispose();
  });
});

test("small models give the event loop its turns too: a timer stops a stream", async () => {
  const pipeline = await Pipeline.fromFiles(tinyFiles({ config: { max_position_embeddings: 100_000 } }));
  const signal = AbortSignal.timeout(30);
  const begin = performance.now();
  const whole = pipeline.generate("abc", { signal, max_new_tokens: 90_000, eos_token_id: null });
  await expect(whole).rejects.toMatchObject({ name: "TimeoutError" });
  expect(performance.now() - begin).toBeLessThan(1000);
  await pipeline.dispose();
});
