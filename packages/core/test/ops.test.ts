import { describe, expect, test } from "vitest";
import {
  activate,
  add,
  appendKeys,
  attendSteps,
  attendTo,
  attention,
  bindCaches,
  embedding,
  encoderAttentionSteps,
  gated,
  gatherRows,
  KvCache,
  layerNorm,
  linear,
  linearSteps,
  meanRows,
  multiply,
  PagePool,
  Runtime,
  rmsNorm,
  rotate,
  runForward,
  scale,
  softmax,
  sumBlocks,
  type Tensor,
  type VectorWeight,
} from "../src/index.ts";
import * as reference from "../src/reference/index.ts";
import { builds, failing, randomArray } from "./builds.ts";
import { expectSame } from "./kernels-harness.ts";

/** A vector weight with values, as loading would leave it. */
function vector(runtime: Runtime, values: Float32Array): VectorWeight {
  return { shape: [values.length], dtype: "f32", parts: [], place: runtime.upload(values, [values.length]).place };
}

function expectClose(actual: Float32Array, expected: Float32Array | Float64Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  let worst = -1;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= tolerance) && (worst < 0 || difference > Math.abs(actual[worst] - expected[worst]))) worst = i;
  }
  expect(worst, `index ${worst}: ${actual[worst]} is not within ${tolerance} of ${expected[worst]}`).toBe(-1);
}

const layout = { heads: 4, kvHeads: 2, headWidth: 6 };
const width = (4 + 2 * 2) * 6;

/** Splits rows `[H * E | K * E | K * E]` into the three parts. */
function split(qkv: Float32Array, rows: number) {
  const take = (begin: number, size: number) =>
    Float32Array.from({ length: rows * size }, (_, i) => qkv[Math.floor(i / size) * width + begin + (i % size)]);
  return { q: take(0, 24), k: take(24, 12), v: take(36, 12) };
}

describe.each(builds)("operations, %s build", (build) => {
  const make = () => Runtime.create({ build, debug: true });
  const [T, D] = [7, 13];
  const x = randomArray(T * D, 1);
  const other = randomArray(T * D, 2);

  test("add and multiply go element by element", async () => {
    const runtime = await make();
    const [a, b] = [runtime.upload(x, [T, D]), runtime.upload(other, [T, D])];
    const [sum, product] = [new Float32Array(T * D), new Float32Array(T * D)];
    reference.add(x, other, sum, T * D);
    reference.mul(x, other, product, T * D);
    expect(await runtime.read(add(a, b))).toEqual(sum);
    expect(await runtime.read(multiply(a, b))).toEqual(product);
  });

  test("every activation is its formula", async () => {
    const runtime = await make();
    const formulas = {
      silu: (v: number) => v / (1 + Math.exp(-v)),
      gelu: (v: number) => 0.5 * v * reference.erfc(-v / Math.SQRT2),
      gelu_tanh: (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
      relu: (v: number) => Math.max(0, v),
      tanh: Math.tanh,
      sigmoid: (v: number) => 1 / (1 + Math.exp(-v)),
    } as const;
    const wide = x.map((value) => value * 5);
    for (const [kind, formula] of Object.entries(formulas)) {
      const y = activate(runtime.upload(wide, [T, D]), kind as keyof typeof formulas);
      expectClose(await runtime.read(y), wide.map(formula), 2e-6);
    }
  });

  test("gated activations multiply the second half of a row by the activation of the first", async () => {
    const runtime = await make();
    const gateUp = randomArray(T * 2 * D, 3);
    for (const [kind, formula] of [
      ["silu", (v: number) => v / (1 + Math.exp(-v))],
      ["gelu", (v: number) => 0.5 * v * reference.erfc(-v / Math.SQRT2)],
    ] as const) {
      const expected = new Float32Array(T * D);
      reference.gated(formula, gateUp, expected, T, D);
      expectClose(await runtime.read(gated(runtime.upload(gateUp, [T, 2 * D] as const), kind)), expected, 1e-6);
    }
  });

  test("softmax gives each row the sum 1", async () => {
    const runtime = await make();
    const expected = new Float32Array(T * D);
    reference.softmax(x, expected, T, D);
    expectClose(await runtime.read(softmax(runtime.upload(x, [T, D]))), expected, 1e-6);
  });

  test("rmsNorm and layerNorm are their formulas", async () => {
    const runtime = await make();
    const [weight, bias] = [randomArray(D, 5), randomArray(D, 6)];
    const input = runtime.upload(x, [T, D] as const);
    const expected = new Float32Array(T * D);
    reference.rmsNorm(x, weight, expected, T, D, 1e-5);
    expectClose(await runtime.read(rmsNorm(input, vector(runtime, weight), 1e-5)), expected, 2e-6);
    reference.layerNorm(x, weight, bias, expected, T, D, 1e-5);
    const shifted = layerNorm(input, vector(runtime, weight), vector(runtime, bias), 1e-5);
    expectClose(await runtime.read(shifted), expected, 2e-6);
    reference.layerNorm(x, weight, undefined, expected, T, D, 1e-5);
    expectClose(await runtime.read(layerNorm(input, vector(runtime, weight), undefined, 1e-5)), expected, 2e-6);
  });

  test("gatherRows takes rows in any order", async () => {
    const runtime = await make();
    const rows = runtime.upload(Int32Array.of(6, 0, 6), [3] as const);
    const y = await runtime.read(gatherRows(runtime.upload(x, [T, D] as const), rows));
    expect([...y]).toEqual([...x.slice(6 * D), ...x.slice(0, D), ...x.slice(6 * D)]);
  });

  test("rotate turns queries and keys and leaves values", async () => {
    const runtime = await make();
    const qkv = randomArray(T * width, 7);
    const [cos, sin] = [randomArray(T * 3, 8), randomArray(T * 3, 9)];
    const y = rotate(
      runtime.upload(qkv, [T, width] as const),
      runtime.upload(cos, [T, 3] as const),
      runtime.upload(sin, [T, 3] as const),
      layout,
    );
    const expected = qkv.slice();
    reference.rope(expected, cos, sin, T, 6, 6, 6, width);
    expectClose(await runtime.read(y), expected, 1e-6);
  });

  test("attention over a cache is the reference, for prefill and the steps after it", async () => {
    const runtime = await make();
    const total = 150;
    const qkv = randomArray(total * width, 10);
    const { q, k, v } = split(qkv, total);
    const expected = new Float32Array(total * 24);
    reference.attention(q, k, v, expected, total, total, true, 4, 2, 6, 0.4);
    const cache = new KvCache(new PagePool(runtime.memory, 1, layout), 1000);
    const got: number[] = [];
    for (const count of [70, 1, 1, 63, 15]) {
      cache.prepare(count);
      const mark = runtime.memory.mark();
      const [spans] = bindCaches(runtime, [{ cache, count }]);
      const part = qkv.slice(cache.length * width, (cache.length + count) * width);
      const y = attention(runtime.upload(part, [count, width] as const), spans, layout, { scale: 0.4, causal: true });
      got.push(...(await runtime.read(y)));
      runtime.release(mark);
      cache.length += count;
    }
    expectClose(Float32Array.from(got), expected, 2e-6);
  });

  test("encoderAttention lets each sequence see all of itself and nothing else", async () => {
    const runtime = await make();
    const lengths = [5, 1, 70];
    const qkv = randomArray(76 * width, 11);
    const steps = encoderAttentionSteps(runtime.upload(qkv, [76, width] as const), lengths, layout, { scale: 0.3 });
    const y = steps.next().value as Tensor;
    const expected: number[] = [];
    let row = 0;
    for (const length of lengths) {
      const { q, k, v } = split(qkv.slice(row * width, (row + length) * width), length);
      const part = new Float32Array(length * 24);
      reference.attention(q, k, v, part, length, length, false, 4, 2, 6, 0.3);
      expected.push(...part);
      row += length;
    }
    expectClose(await runtime.read(y), Float32Array.from(expected), 2e-6);
  });
});

test.each(builds)(
  "%s: attention over many keys in slices gives the bits of one, globals included, and counts them as work",
  async (build) => {
    const runtime = await Runtime.create({ build });
    const layout = { heads: 8, kvHeads: 8, headWidth: 64 } as const;
    const [width, rows, globals, keys] = [512, 400, 8000, 9000];
    const pages = runtime.temporaryPages(globals + keys, layout);
    const qkv = runtime.upload(randomArray(1000 * 3 * width, 5), [1000, 3 * width] as const);
    for (let position = 0; position < globals + keys; position += 1000) {
      appendKeys(qkv, width, { row: 0, count: 1000, position, pages }, layout);
    }
    const bias = runtime.upload(randomArray(8 * (2 * globals - 1), 6), [8, 2 * globals - 1] as const);
    const seen = { count: globals, block: 16, bias };
    const options = { scale: 0.1, causal: false, window: 100, globals: seen };
    const span = { row: 3, count: rows, position: 20, pages, keys };
    const [whole, sliced] = [0, 1].map(() => runtime.allocate([1000, width] as const));
    const before = runtime.work;
    runtime.attend(qkv, span, layout, options, whole);
    expect(runtime.work - before).toBeGreaterThan(rows * globals * width * 2);
    expect([...attendSteps(qkv, span, layout, options, sliced)].length).toBeGreaterThan(3);
    const part = async (y: typeof whole) => (await runtime.read(y)).subarray(3 * width, (3 + rows) * width);
    expectSame("slices", await part(sliced), await part(whole));
    runtime.dispose();
  },
  30_000,
);

test.each(builds)(
  "%s: linear layers in slices give the bits of one, activation and residual included",
  async (build) => {
    const runtime = await Runtime.create({ build });
    const [rows, size] = [600, 1024];
    const { place } = runtime.upload(randomArray(size * size, 1), [size * size]);
    const weight = { shape: [size, size], dtype: "f32", bias: undefined, parts: [], place } as const;
    const x = runtime.upload(randomArray(rows * size, 2), [rows, size] as const);
    const epilogue = {
      activation: "silu",
      residual: runtime.upload(randomArray(rows * size, 3), [rows, size] as const),
    } as const;
    const steps = linearSteps(x, weight, epilogue);
    let step = steps.next();
    for (; !step.done; step = steps.next()) expect(step.value).toBeUndefined();
    const whole = linear(x, weight, epilogue);
    const inTurn = add(activate(linear(x, weight), "silu"), epilogue.residual);
    expectSame("slices", await runtime.read(step.value), await runtime.read(whole));
    expectSame("one after the other", await runtime.read(inTurn), await runtime.read(whole));
  },
);

test.each(builds)("%s: f16 weights give what they give as f32, infinite ones too", async (build) => {
  const runtime = await Runtime.create({ build });
  const [N, K] = [21, 40];
  for (const special of [0x3c00, 0x7c00, 0x7e00]) {
    const bits = Uint16Array.from(
      randomArray(N * K, 1),
      (value) => 0x2c00 | (Math.floor(Math.abs(value) * 1023) & 0x3ff),
    );
    bits[7 * K + 3] = special;
    const halves = reference.packHalfPanels(bits, N, K);
    const { place } = runtime.upload(new Float32Array(halves.length / 2), [halves.length / 2]);
    runtime.memory.bytes.set(new Uint8Array(halves.buffer), place);
    const panels = reference.packPanels(Float32Array.from(bits, reference.fromFloat16), N, K);
    const wide = runtime.upload(panels, [panels.length]);
    const weight = { shape: [N, K], bias: undefined, parts: [] } as const;
    for (const rows of [1, 2, 3, 4]) {
      const x = runtime.upload(randomArray(rows * K, rows), [rows, K] as const);
      const y = await runtime.read(linear(x, { ...weight, dtype: "f16", place }));
      expect(y).toEqual(await runtime.read(linear(x, { ...weight, dtype: "f32", place: wide.place })));
      expect(y.filter((value) => !Number.isFinite(value)).length).toBe(special === 0x3c00 ? 0 : rows);
    }
  }
});

describe("operations refuse operands that do not fit", () => {
  const matrix = (runtime: Runtime, rows: number, columns: number) =>
    runtime.upload(new Float32Array(rows * columns), [rows, columns] as const);

  test("and say which, with both shapes", async () => {
    const runtime = await Runtime.create();
    const [a, b] = [matrix(runtime, 2, 3), matrix(runtime, 3, 2)];
    const norm = vector(runtime, new Float32Array(4));
    const weight = { shape: [5, 4], dtype: "f32", bias: undefined, parts: [], place: 65_536 } as const;
    const qkv = { heads: 1, kvHeads: 1, headWidth: 2 };
    const cases: [() => unknown, string][] = [
      [() => add(a, b as unknown as typeof a), "add: expected b of shape [2, 3], got [3, 2]"],
      [() => multiply(a, b as unknown as typeof a), "multiply: expected b of shape [2, 3], got [3, 2]"],
      [() => linear(a, weight), "linear: expected x of shape [2, 4], got [2, 3]"],
      [
        () => linear(matrix(runtime, 2, 4), weight, { residual: a }),
        "linear: expected residual of shape [2, 5], got [2, 3]",
      ],
      [() => rmsNorm(a, norm, 1e-5), "rmsNorm: expected x of shape [2, 4], got [2, 3]"],
      [() => layerNorm(a, norm, undefined, 1e-5), "layerNorm: expected x of shape [2, 4], got [2, 3]"],
      [() => gated(a, "silu"), "gated: expected gateUp with an even last axis, got [2, 3]"],
      [() => attention(a, [], qkv, { scale: 1, causal: true }), "attention: expected qkv of shape [2, 6], got [2, 3]"],
      [
        () => encoderAttentionSteps(a, [2], qkv, { scale: 1 }).next(),
        "encoderAttention: expected qkv of shape [2, 6], got [2, 3]",
      ],
      [() => rotate(matrix(runtime, 2, 6), a, a, qkv), "rotate: expected at most 1 angles for each row, got 3"],
      [() => rotate(matrix(runtime, 2, 6), b, b, qkv), "rotate: expected cos of shape [2, 2], got [3, 2]"],
    ];
    for (const [call, message] of cases) expect(call).toThrow(failing("misshaped", message));
  });

  test("and ids that are no ids", async () => {
    const runtime = await Runtime.create();
    const table = { shape: [4, 2], dtype: "f32", layout: "rows", parts: [], place: 65_536 } as const;
    const numbers = runtime.upload(new Float32Array(3), [3] as const);
    expect(() => embedding(numbers, table)).toThrow(
      failing("misplaced-dtype", "embedding: expected ids of dtype i32, got f32"),
    );
    const x = runtime.upload(Float32Array.of(1, 2, 3, 4), [2, 2] as const);
    expect(() => sumBlocks(x, 0, 6, 3)).toThrow(
      failing("misshaped", "sumBlocks: expected at most the 2 rows of x, got 6"),
    );
    expect(() => sumBlocks(x, 1, 2, 1)).toThrow(
      failing("misshaped", "sumBlocks: expected at most the 2 rows of x, got 3"),
    );
    expect(() => meanRows(x, [1, 2])).toThrow(
      failing("misshaped", "meanRows: expected at most the 2 rows of x, got 3"),
    );
    const values = (got: string) => failing("misshaped", `upload: expected an Int32Array or Float32Array of ${got}`);
    const short = Float32Array.of(1, 2);
    expect(() => runtime.upload(short, [3])).toThrow(values("3 values for [3], got Float32Array of 2"));
    const wide = Float64Array.of(1.5) as never;
    expect(() => runtime.upload(wide, [1])).toThrow(values("1 values for [1], got Float64Array of 1"));
  });

  test("of another runtime are refused, and ids are read as numbers", async () => {
    const [runtime, other] = await Promise.all([Runtime.create(), Runtime.create()]);
    const [a, b] = [runtime.upload(Float32Array.of(1), [1]), other.upload(Float32Array.of(2), [1])];
    expect(() => add(a, b)).toThrow(failing("other-backend", "add: expected tensors of one backend, got two"));
    expect(() => multiply(a, b)).toThrow(
      failing("other-backend", "multiply: expected tensors of one backend, got two"),
    );
    expect(await runtime.read(runtime.upload(Int32Array.of(7, -2), [2]))).toEqual(Float32Array.of(7, -2));
    other.dispose();
  });

  test("and tensors that were released, in a debug runtime", async () => {
    const runtime = await Runtime.create({ debug: true });
    const below = matrix(runtime, 2, 4);
    const mark = runtime.memory.mark();
    const gone = matrix(runtime, 2, 4);
    const goneIds = runtime.upload(Int32Array.of(0, 1), [2] as const);
    runtime.release(mark);
    expect(below.released).toBe(false);
    const live = matrix(runtime, 2, 4);
    const table = { shape: [4, 4], dtype: "f32", layout: "rows", bias: undefined, parts: [], place: 65_536 } as const;
    const norm = vector(runtime, new Float32Array(4));
    const head = { heads: 1, kvHeads: 1, headWidth: 1 };
    const options = { scale: 1, causal: true };
    const calls: [op: string, operand: string, call: () => unknown][] = [
      ["add", "a", () => add(gone, gone)],
      ["add", "b", () => add(live, gone)],
      ["multiply", "a", () => multiply(gone, live)],
      ["scale", "x", () => scale(gone, 2)],
      ["sumBlocks", "x", () => sumBlocks(gone, 0, 2, 1)],
      ["meanRows", "x", () => meanRows(gone, [2])],
      ["gelu", "x", () => activate(gone, "gelu")],
      ["gated", "gateUp", () => gated(gone, "silu")],
      ["softmax", "x", () => softmax(gone)],
      ["linear", "x", () => linear(gone, table)],
      ["linear", "residual", () => linear(live, table, { residual: gone })],
      ["embedding", "ids", () => embedding(goneIds, table)],
      ["gatherRows", "x", () => gatherRows(gone, runtime.upload(Int32Array.of(0), [1] as const))],
      ["gatherRows", "ids", () => gatherRows(live, goneIds)],
      ["rmsNorm", "x", () => rmsNorm(gone, norm, 1e-5)],
      ["layerNorm", "x", () => layerNorm(gone, norm, undefined, 1e-5)],
      ["appendKeys", "rows", () => appendKeys(gone, 0, { row: 0, count: 2, position: 0, pages: 0 }, head)],
      ["attendTo", "queries", () => attendTo(gone, [], head, options)],
    ];
    for (const [op, operand, call] of calls) {
      expect(call).toThrow(failing("released", `${op}: expected a live ${operand}, got one that was released`));
    }
    expect(() => runtime.readNow(gone)).toThrow(
      failing("released", "read: expected a live tensor, got one that was released"),
    );
    const x = matrix(runtime, 2, 3);
    const y = runtime.settle(x, add(x, x));
    expect(x.released).toBe(true);
    expect(y.place).toBe(x.place);
  });
});

describe("forward passes", () => {
  test("leave the stack empty whether they end, fail or are aborted", async () => {
    const runtime = await Runtime.create({ debug: true });
    const mark = runtime.memory.mark();
    function* pass(fail: boolean): Generator<undefined, Tensor, void> {
      const x = runtime.upload(Float32Array.of(1, 2), [2]);
      yield;
      if (fail) throw new Error("halfway");
      runtime.work += 1e9;
      yield;
      return add(x, x);
    }
    expect(await runForward(runtime, () => pass(false))).toEqual(Float32Array.of(2, 4));
    expect(runtime.memory.mark()).toBe(mark);
    await expect(runForward(runtime, () => pass(true))).rejects.toThrow("halfway");
    expect(runtime.memory.mark()).toBe(mark);
    const controller = new AbortController();
    const running = runForward(runtime, () => pass(false), { signal: controller.signal });
    setImmediate(() => controller.abort(new Error("enough")));
    await expect(running).rejects.toThrow("enough");
    expect(runtime.memory.mark()).toBe(mark);
    expect(await runForward(runtime, () => pass(false))).toEqual(Float32Array.of(2, 4));
  });

  test("give the event loop a turn when they are long", async () => {
    const runtime = await Runtime.create();
    let turns = 0;
    const count = () => {
      turns++;
      handle = setImmediate(count);
    };
    let handle = setImmediate(count);
    function* pass(): Generator<undefined, Tensor, void> {
      for (let layer = 0; layer < 10; layer++) {
        runtime.work += 1e9;
        yield;
      }
      return runtime.upload(Float32Array.of(1), [1]);
    }
    await runForward(runtime, pass);
    clearImmediate(handle);
    expect(turns).toBeGreaterThanOrEqual(9);
  });
});
