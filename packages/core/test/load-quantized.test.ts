// Weights that are quantized while they load, in pieces.
import { expect, test } from "vitest";
import { fillWeights } from "../src/fill.ts";
import type { TensorData } from "../src/index.ts";
import { fromFloat16, packQ4, packQ8, quantizeRowsQ4, quantizeRowsQ8, toFloat16 } from "../src/reference/index.ts";
import { Runtime } from "../src/runtime.ts";
import { Checkpoint } from "../src/safetensors.ts";
import { writeSafetensors } from "../src/safetensors-write.ts";
import { bytesSource } from "../src/source.ts";
import { type Arrangement, type DtypeOption, Weights } from "../src/weights.ts";
import { randomFloats } from "./kernels-harness.ts";

const WINDOW = 2 * 2 ** 20;

async function load(
  tensor: { dtype: "F32" | "F16"; shape: number[]; data: Float32Array | Uint16Array },
  [N, K]: readonly [number, number],
  dtype: DtypeOption,
  arrangement: Omit<Arrangement, "plus"> = {},
) {
  const bytes = writeSafetensors({ "a.weight": tensor });
  const checkpoint = await Checkpoint.open(new Map([["model.safetensors", bytesSource("model.safetensors", bytes)]]));
  const weights = Weights.over(checkpoint.tensors, { dtype });
  const weight = weights.linear({ a: N }, K, arrangement);
  const reservation = weights.finish();
  const runtime = await Runtime.create({ build: "simd" });
  reservation.settle(runtime.memory.reserve(reservation.bytes, "weights").address);
  await fillWeights(runtime, reservation, checkpoint);
  const { memory } = runtime;
  const beyond = memory.peakBytes - 65_536 - reservation.bytes;
  return { panels: memory.bytes.slice(weight.place, weight.place + reservation.bytes), beyond };
}

const [N, K] = [1203, 1001];
const values = randomFloats(N * K, 1);
const halves = Uint16Array.from(values, toFloat16);
const transposed = values.map((_, i) => values[(i % N) * K + Math.floor(i / N)]);

function expectPanels(got: Uint8Array, wanted: Uint8Array): void {
  expect(Buffer.compare(got.subarray(0, wanted.length), wanted)).toBe(0);
}

test("q8 from f32: the same integers, and no more memory beside them than the window", async () => {
  const { panels, beyond } = await load({ dtype: "F32", shape: [N, K], data: values }, [N, K], "q8");
  expectPanels(panels, packQ8(quantizeRowsQ8(values, N, K), N, K, false));
  expect(beyond).toBeLessThan(1.01 * WINDOW);
});

test("q8 from f16", async () => {
  const { panels, beyond } = await load({ dtype: "F16", shape: [N, K], data: halves }, [N, K], "q8");
  expectPanels(panels, packQ8(quantizeRowsQ8(Float32Array.from(halves, fromFloat16), N, K), N, K, false));
  expect(beyond).toBeLessThan(1.01 * WINDOW);
});

test("q8 and q4 from a transposed tensor, which is held whole meanwhile", async () => {
  const tensor = { dtype: "F32" as const, shape: [K, N], data: transposed };
  const { panels, beyond } = await load(tensor, [N, K], "q8", { transposed: true });
  expectPanels(panels, packQ8(quantizeRowsQ8(values, N, K), N, K, false));
  expect(beyond).toBeLessThan(1.1 * values.byteLength);
  const q4 = await load(tensor, [N, K], "q4", { transposed: true });
  expectPanels(q4.panels, packQ4(quantizeRowsQ4(values, N, K), N, K, false));
});

test("q4 from f32 in pieces", async () => {
  const { panels, beyond } = await load({ dtype: "F32", shape: [N, K], data: values }, [N, K], "q4");
  expectPanels(panels, packQ4(quantizeRowsQ4(values, N, K), N, K, false));
  expect(beyond).toBeLessThan(1.01 * WINDOW);
});

test("f16 from f32, and f32 from f16, in pieces, also transposed", async () => {
  const narrow = await load({ dtype: "F32", shape: [N, K], data: values }, [N, K], "float16");
  const plain = await load({ dtype: "F16", shape: [N, K], data: halves }, [N, K], "auto");
  expectPanels(narrow.panels, plain.panels);
  const turned = { dtype: "F32" as const, shape: [K, N], data: transposed };
  expectPanels((await load(turned, [N, K], "f16", { transposed: true })).panels, plain.panels);
  const wide = await load({ dtype: "F16", shape: [N, K], data: halves }, [N, K], "float32");
  const exact = await load(
    { dtype: "F32", shape: [N, K], data: Float32Array.from(halves, fromFloat16) },
    [N, K],
    "auto",
  );
  expectPanels(wide.panels, exact.panels);
  for (const { beyond } of [narrow, plain, wide, exact]) expect(beyond).toBeLessThan(1.01 * WINDOW);
});

/** Reserves `a.weight` as `[2, 64]` over these tensors. */
async function reserve(tensors: Record<string, TensorData>) {
  const source = bytesSource("model.safetensors", writeSafetensors(tensors));
  const { tensors: infos } = await Checkpoint.open(new Map([["model.safetensors", source]]));
  const weights = Weights.over(infos);
  weights.linear({ a: 2 }, 64);
  return weights.finish();
}

const bytes = (dtype: "I8" | "U8", shape: number[]): TensorData => {
  return { dtype, shape, data: new Uint8Array(shape.reduce((product, axis) => product * axis, 1)) };
};
const floats = (shape: number[]): TensorData => {
  return { dtype: "F32", shape, data: new Float32Array(shape.reduce((product, axis) => product * axis, 1)) };
};

test("integers without what makes numbers of them are refused, and so are scales that do not fit", async () => {
  const reading = { "a.weight": bytes("I8", [2, 64]), "a.weight.scale": floats([2]) };
  expect((await reserve(reading)).unused).toEqual([]);
  const refused = async (tensors: Record<string, TensorData>, message: RegExp) => {
    await expect(reserve(tensors)).rejects.toThrow(message);
  };
  await refused({ "a.weight": bytes("I8", [2, 64]) }, /expected a\.weight of dtype F32, F16 or BF16, got I8/);
  await refused({ ...reading, "a.weight.scale": floats([3]) }, /expected a\.weight\.scale of shape \[2\], got \[3\]/);
  await refused(
    { ...reading, "a.weight": bytes("I8", [2, 32]) },
    /expected a\.weight of shape \[2, 64\], got \[2, 32\]/,
  );
  const q4 = { "a.weight": bytes("U8", [2, 32]), "a.weight.scale": floats([2, 2]) };
  await refused(q4, /expected a\.weight\.scale of dtype F16, got F32/);
  const scale: TensorData = { dtype: "F16", shape: [2, 2], data: new Uint16Array(4) };
  const narrow = { "a.weight": bytes("U8", [2, 31]), "a.weight.scale": scale };
  await refused(narrow, /expected a\.weight of shape \[2, 32\], got \[2, 31\]/);
  const affine = { "a.weight": bytes("U8", [2, 64]), "a.weight.scale": floats([2]) };
  await refused(affine, /missing: a\.weight\.zero_point/);
  expect((await reserve({ ...affine, "a.weight.zero_point": bytes("U8", [2]) })).unused).toEqual([]);
});

test("a NaN among the scales is found", async () => {
  const tensors = { "a.weight": bytes("I8", [2, 64]), "a.weight.scale": floats([2]) };
  (tensors["a.weight.scale"].data as Float32Array)[1] = Number.NaN;
  const source = bytesSource("model.safetensors", writeSafetensors(tensors));
  const checkpoint = await Checkpoint.open(new Map([["model.safetensors", source]]));
  for (const dtype of ["auto", "float32"] as const) {
    const weights = Weights.over(checkpoint.tensors, { dtype });
    weights.linear({ a: 2 }, 64);
    const reservation = weights.finish();
    const runtime = await Runtime.create();
    reservation.settle(runtime.memory.reserve(reservation.bytes, "weights").address);
    await expect(fillWeights(runtime, reservation, checkpoint, { checkFinite: true })).rejects.toThrow(/in a\.weight/);
  }
});

test("a weight that is no number stays none, wherever it stands in its row", async () => {
  for (const at of [0, 5, 31, 32, 63]) {
    const data = randomFloats(64, 3);
    data[at] = Number.NaN;
    const { panels } = await load({ dtype: "F32", shape: [1, 64], data }, [1, 64], "q4");
    const quantized = quantizeRowsQ4(data, 1, 64);
    expect(quantized.scales.findIndex(Number.isNaN)).toBe(Math.floor(at / 32));
    expectPanels(panels, packQ4(quantized, 1, 64, false));
  }
});
