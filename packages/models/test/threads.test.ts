import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { architectures, openBareModel, Runtime, Tensor, writeSafetensors } from "../src/index.ts";
import { computeFixture, fixtures } from "./open.ts";

const folders = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, "expected.safetensors")));

describe.each([2, 3])("%d threads", (threads) => {
  // All with two in `npm run test:slow`. Three take as long as they like on two processors: a part shows the same.
  const isWhole = process.env.KILOFORMER_SLOW === "1" && threads === 2;
  const some = folders.filter((_, index) => isWhole || index % 6 === 0);
  let one: Runtime;
  let several: Runtime;
  beforeAll(async () => {
    // What has two pieces is shared.
    [one, several] = await Promise.all([Runtime.create(), Runtime.create({ threads, leastShared: 1 })]);
  });
  afterAll(() => {
    one.dispose();
    several.dispose();
  });

  test.each(some)("give the bits of one: %s", async (name) => {
    expect(several.threads).toBe(threads);
    for (const dtype of ["auto", "q8", "q4"] as const) {
      const alone = await computeFixture(name, { runtime: one, dtype });
      expect(await computeFixture(name, { runtime: several, dtype })).toEqual(alone);
    }
  });
});

/** A decoder large enough that threads share its products without being told to. */
function largeModel() {
  const [V, D, F] = [300, 256, 1024];
  const config = {
    ...{ model_type: "llama", vocab_size: V, hidden_size: D, intermediate_size: F, num_hidden_layers: 2 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 512, tie_word_embeddings: true },
  };
  const shapes: Record<string, number[]> = { "model.embed_tokens.weight": [V, D], "model.norm.weight": [D] };
  for (const layer of [0, 1]) {
    const of = (name: string) => `model.layers.${layer}.${name}.weight`;
    Object.assign(shapes, {
      ...{
        [of("self_attn.q_proj")]: [D, D],
        [of("self_attn.k_proj")]: [D / 2, D],
        [of("self_attn.v_proj")]: [D / 2, D],
      },
      ...{ [of("self_attn.o_proj")]: [D, D], [of("mlp.gate_proj")]: [F, D], [of("mlp.up_proj")]: [F, D] },
      ...{ [of("mlp.down_proj")]: [D, F], [of("input_layernorm")]: [D], [of("post_attention_layernorm")]: [D] },
    });
  }
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647 - 0.5) * 0.2;
  };
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const length = shape.reduce((product, axis) => product * axis, 1);
    return [name, { dtype: "F32" as const, shape, data: Float32Array.from({ length }, random) }] as const;
  });
  return { "config.json": JSON.stringify(config), "model.safetensors": writeSafetensors(tensors) };
}

describe("a pool", () => {
  const ids = Array.from({ length: 200 }, (_, i) => (i * 7) % 300);

  test("shares a large model's work, while memory grows and calls run beside each other", async () => {
    const files = largeModel();
    const logits = async (threads: number) => {
      const runtime = await Runtime.create({ threads });
      const bare = await openBareModel(files, architectures, { runtime });
      const caches = [0, 1, 2].map(() => bare.decoder.newCache());
      const results = await Promise.all(caches.map((cache, i) => bare.decoder.logits(ids.slice(i), { cache })));
      const next = await bare.decoder.logits([5], { cache: caches[0] });
      await bare.dispose();
      runtime.dispose();
      return [...results, next];
    };
    const alone = await logits(1);
    expect(await logits(2)).toEqual(alone);
    expect(await logits(5)).toEqual(alone);
  });

  // Again where it fails, as the engine may still compile.
  test("costs no processor time while it is idle, and ends with dispose", { retry: 4 }, async () => {
    const runtime = await Runtime.create({ threads: 4 });
    const bare = await openBareModel(largeModel(), architectures, { runtime });
    await bare.decoder.logits(ids, { cache: bare.decoder.newCache() });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(before);
    // Of 500 ms: three threads that wait awake would take more than that each, on as many processors.
    expect((user + system) / 1000).toBeLessThan(150);
    await bare.dispose();
    const threadsBefore = countThreads();
    runtime.dispose();
    if (threadsBefore === undefined) return;
    await expect.poll(countThreads, { timeout: 5000 }).toBeLessThanOrEqual(threadsBefore - 3);
  });

  test("refuses counts and kernels that it cannot use", async () => {
    for (const threads of [0, 1.5, 65, "2", Number.NaN]) {
      await expect(Runtime.create({ threads: threads as number })).rejects.toMatchObject({ code: "bad-option" });
    }
    const file = new URL("../../core/dist/kernels-simd.wasm", import.meta.url);
    const wasm = await WebAssembly.compile(readFileSync(file));
    await expect(Runtime.create({ threads: 2, wasm })).rejects.toMatchObject({ code: "no-threads" });
    const bytes = new Uint8Array(readFileSync(file));
    const runtime = await Runtime.create({ threads: 2, wasm: bytes, deterministic: true });
    expect(runtime.threads).toBe(2);
    runtime.dispose();
    await expect(Runtime.create({ threads: 2, wasm: bytes.subarray(0, 8) })).rejects.toMatchObject({
      code: "kernels-refused",
    });
    for (const threadsFile of [new URL("file:///nowhere/threads-worker.js"), "./x.js", "http://localhost/x.js"]) {
      await expect(Runtime.create({ threads: 2, threadsFile })).rejects.toMatchObject({ code: "no-threads" });
    }
  });

  test("ends threads whose file never says that it is ready", async () => {
    const threadsBefore = countThreads();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const threadsFile = new URL("data:text/javascript,setInterval(() => {}, 1000)");
      const starting = Runtime.create({ threads: 3, threadsFile });
      const refused = expect(starting).rejects.toMatchObject({
        code: "no-threads",
        message: /no answer in 20 seconds/,
      });
      await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
      await vi.advanceTimersByTimeAsync(20_000);
      await refused;
    } finally {
      vi.useRealTimers();
    }
    if (threadsBefore === undefined) return;
    await expect.poll(countThreads, { timeout: 5000 }).toBeLessThanOrEqual(threadsBefore);
  });

  test("is not waited for after an abort, and its threads end as they become ready", { retry: 4 }, async () => {
    const code = `import { parentPort } from "node:worker_threads"; setTimeout(() => parentPort.postMessage("ready"), 2000)`;
    const threadsFile = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
    const files = largeModel();
    const threads = countThreads() ?? 0;
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    setTimeout(() => controller.abort(reason), 1000);
    const opening = openBareModel(files, architectures, { threads: 3, threadsFile, signal: controller.signal });
    await expect(opening).rejects.toBe(reason);
    if (threads === 0) return;
    expect(countThreads()).toBe(threads + 2);
    await expect.poll(countThreads, { timeout: 10_000 }).toBe(threads);
  });

  test("tells of a trap, on whichever thread it was", async () => {
    const runtime = await Runtime.create({ threads: 3, leastShared: 1 });
    const beyond = new Tensor(runtime, "f32", [64, 64], 2 ** 31);
    const weight = { shape: [64] as const, dtype: "f32" as const, parts: [], place: 2 ** 31 };
    expect(() => runtime.rmsNorm(beyond, weight, 1e-5, beyond)).toThrow(WebAssembly.RuntimeError);
    runtime.dispose();
  });

  test("takes a limit beyond what is addressed for none, as one thread does", async () => {
    const runtime = await Runtime.create({ threads: 2, limitBytes: 2 ** 33 });
    expect(runtime.threads).toBe(2);
    runtime.dispose();
  });

  test("stays within limitBytes", async () => {
    const runtime = await Runtime.create({ threads: 2, limitBytes: 2 ** 20 });
    await expect(openBareModel(largeModel(), architectures, { runtime })).rejects.toMatchObject({ code: "over-limit" });
    runtime.dispose();
  });
});

/** Threads of this process, where the system tells. */
function countThreads(): number | undefined {
  return existsSync("/proc/self/task") ? readdirSync("/proc/self/task").length : undefined;
}
