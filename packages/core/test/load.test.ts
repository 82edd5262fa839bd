import { describe, expect, test } from "vitest";
import {
  bytesSource,
  Checkpoint,
  embedding,
  type FillProgress,
  fillWeights,
  linear,
  MemoryError,
  Runtime,
  rangeSource,
  type Source,
  streamSource,
  Weights,
  writeSafetensors,
} from "../src/index.ts";
import { builds, failing, randomArray } from "./builds.ts";

type Stored = "F32" | "F16" | "BF16";

/** The bits of the nearest bf16 below, and what they stand for. */
function truncateTo(dtype: Stored, values: Float32Array): { data: Uint8Array; values: Float32Array } {
  if (dtype === "F32") return { data: new Uint8Array(values.buffer), values };
  const bits = new Uint16Array(values.length);
  const kept = new Float32Array(values.length);
  const word = new Float32Array(1);
  const view = new Uint32Array(word.buffer);
  for (let i = 0; i < values.length; i++) {
    if (dtype === "BF16") {
      word[0] = values[i];
      bits[i] = view[0] >>> 16;
      view[0] = bits[i] << 16;
      kept[i] = word[0];
    } else {
      // Multiples of 2^-10 in [-1, 1) are normal f16 numbers with at most ten fraction bits.
      const scaled = Math.floor(Math.abs(values[i]) * 1024);
      const exponent = scaled === 0 ? 0 : Math.floor(Math.log2(scaled));
      const fraction = scaled === 0 ? 0 : (scaled - 2 ** exponent) * 2 ** (10 - exponent);
      bits[i] = (values[i] < 0 ? 0x8000 : 0) | (scaled === 0 ? 0 : (exponent + 5) << 10) | fraction;
      kept[i] = (Math.sign(values[i]) * scaled) / 1024;
    }
  }
  return { data: new Uint8Array(bits.buffer), values: kept };
}

interface Case {
  readonly tensors: Record<string, { shape: number[]; dtype: Stored }>;
}

function checkpointBytes({ tensors }: Case) {
  const kept = new Map<string, Float32Array>();
  let seed = 7;
  const entries = Object.entries(tensors).map(([name, { shape, dtype }]) => {
    const size = shape.reduce((product, axis) => product * axis, 1);
    const { data, values } = truncateTo(dtype, randomArray(size, seed++));
    kept.set(name, values);
    return [name, { dtype, shape, data }] as const;
  });
  return { bytes: writeSafetensors(new Map(entries)), kept };
}

const open = (source: Source) => Checkpoint.open(new Map([["model.safetensors", source]]));

/** Loads a case with `reserve` and gives the runtime and what was reserved. */
async function load<W>(
  source: Source,
  reserve: (weights: Weights) => W,
  options: { build?: "simd" | "relaxed"; float32?: boolean } = {},
) {
  const runtime = await Runtime.create({ build: options.build ?? "simd", debug: true });
  const checkpoint = await open(source);
  const weights = Weights.over(checkpoint.tensors, { dtype: options.float32 ? "float32" : "auto" });
  const reserved = reserve(weights);
  const reservation = weights.finish();
  const block = runtime.memory.reserve(reservation.bytes, "weights");
  reservation.settle(block.address);
  // Whatever the memory held before must not show.
  new Uint8Array(runtime.memory.memory.buffer, block.address, block.bytes).fill(255);
  const progress: FillProgress[] = [];
  await fillWeights(runtime, reservation, checkpoint, { onProgress: (event) => progress.push(event) });
  return { runtime, reserved, reservation, progress };
}

/** x · Wᵀ in double precision. */
function product(x: Float32Array, w: Float32Array, M: number, N: number, K: number): number[] {
  return Array.from({ length: M * N }, (_, index) => {
    const [m, n] = [Math.floor(index / N), index % N];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += x[m * K + k] * w[n * K + k];
    return sum;
  });
}

/** Whole arrays at once: millions of single comparisons are slow. */
const sameBits = (a: Float32Array, b: Float32Array) =>
  Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;

const dtypes = ["F32", "F16", "BF16"] as const;

describe.each(builds)("loading, %s build", (build) => {
  test.each(dtypes)("packs fused %s projections of odd sizes so that each is the plain product", async (dtype) => {
    const K = 37;
    const { bytes, kept } = checkpointBytes({
      tensors: {
        "a.q.weight": { shape: [13, K], dtype },
        "a.k.weight": { shape: [6, K], dtype },
        "a.q.bias": { shape: [13], dtype },
        "a.k.bias": { shape: [6], dtype },
      },
    });
    for (const float32 of [false, true]) {
      const reserve = (weights: Weights) => weights.scope("a.").linear({ q: 13, k: 6 }, K, { bias: true });
      const { runtime, reserved } = await load(bytesSource("model.safetensors", bytes), reserve, { build, float32 });
      expect(reserved.dtype).toBe(float32 || dtype === "F32" ? "f32" : dtype.toLowerCase());
      expect(reserved.parts).toEqual([
        { name: "a.q.weight", row: 0, rows: 13 },
        { name: "a.k.weight", row: 13, rows: 6 },
      ]);
      const x = randomArray(5 * K, 99);
      const y = await runtime.read(linear(runtime.upload(x, [5, K] as const), reserved));
      const q = product(x, kept.get("a.q.weight")!, 5, 13, K);
      const k = product(x, kept.get("a.k.weight")!, 5, 6, K);
      for (let row = 0; row < 5; row++) {
        for (let n = 0; n < 19; n++) {
          const expected =
            n < 13 ? q[row * 13 + n] + kept.get("a.q.bias")![n] : k[row * 6 + n - 13] + kept.get("a.k.bias")![n - 13];
          expect(Math.abs(y[row * 19 + n] - expected)).toBeLessThan(1e-5);
        }
      }
    }
  });

  test.each(dtypes)("reads rows of %s tables, as rows and as panels that also are the output layer", async (dtype) => {
    const [V, D] = [21, 10];
    const { bytes, kept } = checkpointBytes({ tensors: { "embed.weight": { shape: [V, D], dtype } } });
    const table = kept.get("embed.weight")!;
    for (const tied of [false, true]) {
      const reserve = (weights: Weights) => {
        const embed = weights.embedding("embed", [V, D], { tied });
        return { embed, head: tied ? weights.tied(embed) : undefined };
      };
      const { runtime, reserved } = await load(bytesSource("model.safetensors", bytes), reserve, { build });
      const ids = Int32Array.of(0, 20, 7, 7);
      const rows = embedding(runtime.upload(ids, [4] as const), reserved.embed);
      const values = await runtime.read(rows);
      ids.forEach((id, row) => {
        expect(values.slice(row * D, (row + 1) * D)).toEqual(table.slice(id * D, (id + 1) * D));
      });
      if (!reserved.head) continue;
      const logits = await runtime.read(linear(rows, reserved.head));
      const expected = product(values, table, 4, V, D);
      logits.forEach((logit, index) => {
        expect(Math.abs(logit - expected[index])).toBeLessThan(1e-5);
      });
    }
  });
});

test("rows larger than the window are moved in pieces, from every kind of source", async () => {
  const shape = [2, 1_200_000];
  const { bytes, kept } = checkpointBytes({
    tensors: { "w.weight": { shape, dtype: "F32" }, "e.weight": { shape, dtype: "BF16" } },
  });
  const sources = [
    bytesSource("model.safetensors", bytes),
    streamSource("model.safetensors", new Blob([bytes]).stream(), bytes.length),
  ];
  for (const source of sources) {
    const reserve = (weights: Weights) => ({
      w: weights.linear({ w: 2 }, shape[1]),
      e: weights.embedding("e", [2, shape[1]]),
    });
    const { runtime, reserved, progress, reservation } = await load(source, reserve);
    const one = new Float32Array(shape[1]);
    one[777_777] = 1;
    const y = await runtime.read(linear(runtime.upload(one, [1, shape[1]] as const), reserved.w));
    const w = kept.get("w.weight")!;
    expect([...y]).toEqual([w[777_777], w[shape[1] + 777_777]]);
    const row = await runtime.read(embedding(runtime.upload(Int32Array.of(1), [1] as const), reserved.e));
    expect(sameBits(row, kept.get("e.weight")!.slice(shape[1]))).toBe(true);
    expect(progress.at(-1)).toEqual({ file: "model.safetensors", loaded: 14_400_000, total: 14_400_000 });
    expect(runtime.memory.peakBytes).toBeLessThan(reservation.bytes + 65_536 + 8 * 2 ** 20 + 4 * shape[1] * 2);
  }
});

test("where each read takes a round trip, reads are twice as large", async () => {
  const { bytes } = checkpointBytes({ tensors: { "w.weight": { shape: [2, 1_200_000], dtype: "F32" } } });
  const largest = async (source: (read: (begin: number, end: number) => Uint8Array) => Source) => {
    let most = 0;
    const read = (begin: number, end: number) => {
      most = Math.max(most, end - begin);
      return bytes.slice(begin, end);
    };
    const { runtime } = await load(source(read), (weights) => weights.linear({ w: 2 }, 1_200_000));
    runtime.dispose();
    return most;
  };
  const size = bytes.length;
  const near = (read: (begin: number, end: number) => Uint8Array): Source => {
    return { name: "f", size, read: async (offset, length) => read(offset, offset + length) };
  };
  expect(await largest(near)).toBe(2 * 2 ** 20);
  const far = (read: (begin: number, end: number) => Uint8Array): Source => {
    return rangeSource("f", async (begin, end) => read(begin, end), { size });
  };
  expect(await largest(far)).toBe(4 * 2 ** 20);
});

test("a float32 load of half-precision rows larger than the window widens them in pieces", async () => {
  const shape = [1, 3_000_000];
  const { bytes, kept } = checkpointBytes({ tensors: { "e.weight": { shape, dtype: "BF16" } } });
  const reserve = (weights: Weights) => weights.embedding("e", [1, shape[1]]);
  const { runtime, reserved } = await load(bytesSource("model.safetensors", bytes), reserve, { float32: true });
  expect(reserved.dtype).toBe("f32");
  const row = await runtime.read(embedding(runtime.upload(Int32Array.of(0), [1] as const), reserved));
  expect(sameBits(row, kept.get("e.weight")!)).toBe(true);
});

describe("what does not fit is known before a byte is read", () => {
  const { bytes } = checkpointBytes({
    tensors: {
      "a.weight": { shape: [2, 3], dtype: "F32" },
      "b.weight": { shape: [4], dtype: "F32" },
      extra: { shape: [1], dtype: "F32" },
    },
  });
  const reserved = async () => Weights.over((await open(bytesSource("m", bytes))).tensors);

  test("missing and misshaped tensors are listed together", async () => {
    const weights = await reserved();
    weights.linear({ a: 3 }, 3);
    weights.vector("norm.weight", 4);
    weights.vector("b.weight", 4);
    const error = failing(
      "missing",
      "model.safetensors: expected tensors that are missing: norm.weight. expected a.weight of shape [3, 3], got [2, 3]",
    );
    expect(() => weights.finish()).toThrow(error);
  });

  test("unused tensors are named", async () => {
    const weights = await reserved();
    weights.linear({ a: 2 }, 3);
    weights.vector("b.weight", 4);
    expect(weights.finish().unused).toEqual(["extra"]);
  });

  test("only the first five of many names are in the message", async () => {
    const weights = await reserved();
    for (let index = 0; index < 8; index++) weights.vector(`n${index}`, 1);
    expect(() => weights.finish()).toThrow(/missing: n0; n1; n2; n3; n4; and 3 more$/);
  });

  test("a model with far more layers than the file is refused at once", async () => {
    const weights = await reserved();
    expect(() => weights.layersOf("layers.", 2 ** 31 - 1)).toThrow(
      /expected 2147483647 layers layers\.N, got 0; missing: layers\.0, layers\.1, layers\.2, layers\.3, layers\.4$/,
    );
  });

  test("a dtype that no kernel reads is named", async () => {
    const data = writeSafetensors(
      new Map([["a.weight", { dtype: "I64" as const, shape: [1], data: new Uint8Array(8) }]]),
    );
    const weights = Weights.over((await open(bytesSource("m", data))).tensors);
    expect(() => weights.vector("a.weight", 1)).toThrow(
      failing("unsupported-dtype", "model.safetensors: expected a.weight of dtype F32, F16 or BF16, got I64"),
    );
  });
});

test("S19 NaN and infinite weights load, and checkFinite names their tensors", async () => {
  const values = Float32Array.of(1, Number.NaN, 2, Number.POSITIVE_INFINITY);
  const tensors = new Map([
    ["bad.weight", { dtype: "F32" as const, shape: [2, 2], data: new Uint8Array(values.buffer) }],
    ["half.weight", { dtype: "F16" as const, shape: [2, 1], data: new Uint8Array(Uint16Array.of(0x7c01, 0).buffer) }],
    ["good.weight", { dtype: "BF16" as const, shape: [1, 1], data: new Uint8Array(2) }],
  ]);
  const checkpoint = await open(bytesSource("m", writeSafetensors(tensors)));
  const weights = Weights.over(checkpoint.tensors);
  weights.linear({ bad: 2 }, 2);
  weights.linear({ half: 2 }, 1);
  weights.linear({ good: 1 }, 1);
  const reservation = weights.finish();
  const runtime = await Runtime.create();
  reservation.settle(runtime.memory.reserve(reservation.bytes, "weights").address);
  await fillWeights(runtime, reservation, checkpoint);
  const strict = fillWeights(runtime, reservation, checkpoint, { checkFinite: true });
  await expect(strict).rejects.toThrow(
    failing("not-finite", "weights: expected finite numbers, got NaN or infinity in bad.weight, half.weight"),
  );
});

test("a load that is aborted or runs out of memory leaves the stack as it was", async () => {
  const { bytes } = checkpointBytes({ tensors: { "a.weight": { shape: [200, 200], dtype: "F32" } } });
  const checkpoint = await open(bytesSource("m", bytes));
  const weights = Weights.over(checkpoint.tensors);
  weights.linear({ a: 200 }, 200);
  const reservation = weights.finish();
  const runtime = await Runtime.create({ limitBytes: 65_536 + reservation.bytes + 64 });
  reservation.settle(runtime.memory.reserve(reservation.bytes, "weights").address);
  const mark = runtime.memory.mark();
  await expect(fillWeights(runtime, reservation, checkpoint)).rejects.toThrow(MemoryError);
  expect(runtime.memory.mark()).toBe(mark);
  const roomy = await Runtime.create();
  reservation.settle(roomy.memory.reserve(reservation.bytes, "weights").address);
  const reason = new Error("no longer wanted");
  const aborted = fillWeights(roomy, reservation, checkpoint, { signal: AbortSignal.abort(reason) });
  await expect(aborted).rejects.toBe(reason);
});

test("rows that are larger than the window are read at whole bytes", async () => {
  const [N, K] = [3, 2 ** 20 + 15];
  const values = randomArray(N * K, 1);
  const bytes = writeSafetensors({ "a.weight": { dtype: "F32", shape: [N, K], data: values } });
  const reads: number[] = [];
  const whole = bytesSource("model.safetensors", bytes);
  const source: Source = {
    ...{ name: whole.name, size: whole.size },
    read(offset, length, signal) {
      reads.push(offset, length);
      return whole.read(offset, length, signal);
    },
  };
  const checkpoint = await Checkpoint.open(new Map([["model.safetensors", source]]));
  const weights = Weights.over(checkpoint.tensors);
  const table = weights.embedding("a", [N, K]);
  const reservation = weights.finish();
  const runtime = await Runtime.create();
  reservation.settle(runtime.memory.reserve(reservation.bytes, "weights").address);
  await fillWeights(runtime, reservation, checkpoint);
  expect(reads.every(Number.isSafeInteger)).toBe(true);
  const { floats } = runtime.memory;
  expect(Buffer.compare(asBytes(floats.subarray(table.place / 4, table.place / 4 + N * K)), asBytes(values))).toBe(0);
  runtime.dispose();
});

const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);
