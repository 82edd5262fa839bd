import type { Checkpoint } from "./checkpoint.ts";
import type { Dtype } from "./dtypes.ts";
import { tensorBytes } from "./dtypes.ts";
import { fillWeights } from "./fill.ts";
import type { Runtime } from "./runtime.ts";
import type { TensorInfo } from "./safetensors.ts";
import { type TensorSpec, writeHeader } from "./safetensors-write.ts";
import { readExactly } from "./source.ts";
import { GROUP, rowBytes, scaleBytes, scalesOffset } from "./weight-layout.ts";
import type { EmbeddingWeight, FillTask, Reservation } from "./weights.ts";

/** Bytes of one piece of a tensor that is copied. */
const COPY_BYTES = 4 * 2 ** 20;

/** Some bytes of a file, and where in it they belong. */
export interface FilePiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A `.safetensors` file in the making. */
export interface QuantizedFile {
  readonly fileSize: number;
  /** Its tensors by name, scales among them. */
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  /** Every byte of the file once, one tensor after another as the checkpoint has them. */
  pieces(runtime: Runtime, options?: { readonly signal?: AbortSignal }): AsyncGenerator<FilePiece, void, undefined>;
}

/** A weight that the reservation holds in fewer bits than the file does. */
type Quantized = FillTask & { readonly weight: EmbeddingWeight };

/**
 * The checkpoint with its weights as a reservation with `dtype` q8 or q4 holds them; tensors that it does not quantize are
 * copied. `NAME` becomes I8 `[out, in]` with `NAME.scale` F32 `[out]`; or, of 4 bits, U8 `[out, ceil(in / 2)]` with `NAME.scale`
 * F16 `[out, ceil(in / 32)]` (docs/quantization.md). One tensor at a time is in memory.
 */
export function quantizedFile(reservation: Reservation, checkpoint: Checkpoint): QuantizedFile {
  const quantized = tasksToQuantize(reservation);
  const replaced = new Set<TensorInfo>([...quantized.values()].flatMap(({ scale, zeroPoint }) => [scale!, zeroPoint!]));
  const tensors = new Map<string, TensorSpec>();
  for (const info of checkpoint.tensors.values()) {
    const task = quantized.get(info);
    if (task) for (const [name, spec] of specsOf(task)) tensors.set(name, spec);
    else if (!replaced.has(info)) tensors.set(info.name, { dtype: info.dtype, shape: info.shape });
  }
  const { bytes: header, order, fileSize } = writeHeader(tensors, checkpoint.metadata);
  const offsets = new Map<string, number>();
  let end = header.length;
  for (const name of order) {
    offsets.set(name, end);
    const { dtype, shape } = tensors.get(name)!;
    end += tensorBytes(dtype, shape)!;
  }
  return { fileSize, tensors, pieces };

  async function* pieces(runtime: Runtime, { signal }: { readonly signal?: AbortSignal } = {}) {
    yield { offset: 0, bytes: header };
    const infos = [...checkpoint.tensors.values()].filter((info) => !replaced.has(info));
    infos.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.begin - b.begin));
    for (const info of infos) {
      signal?.throwIfAborted();
      const task = quantized.get(info);
      if (!task) {
        yield* copies(info, offsets.get(info.name)!, signal);
        continue;
      }
      for (const [name, bytes] of await quantizedTensor(runtime, task, checkpoint, signal)) {
        yield { offset: offsets.get(name)!, bytes };
      }
    }
  }

  async function* copies({ file, begin, end }: TensorInfo, to: number, signal: AbortSignal | undefined) {
    const source = checkpoint.source(file);
    for (let at = begin; at < end; at += COPY_BYTES) {
      const bytes = await readExactly(source, at, Math.min(COPY_BYTES, end - at), signal);
      yield { offset: to + at - begin, bytes };
    }
  }
}

/** What is held in fewer bits than it is stored, as tables of rows: one that others need as it is stays so. */
function tasksToQuantize({ tasks }: Reservation): Map<TensorInfo, Quantized> {
  const found = new Map<TensorInfo, Quantized>();
  const kept = new Set<TensorInfo>();
  for (const task of tasks) {
    const { info, form, weight, transposed } = task;
    const { dtype } = weight;
    if (form === dtype || (dtype !== "q8" && dtype !== "q4")) {
      kept.add(info);
      continue;
    }
    const shape = [info.shape[transposed ? 1 : 0], weight.shape[1]] as const;
    const table: EmbeddingWeight = { shape, dtype, layout: "rows", parts: [], place: 0 };
    found.set(info, { ...task, weight: table, layout: "rows", row: 0, blocks: undefined });
  }
  for (const info of kept) found.delete(info);
  return found;
}

function specsOf({ info, weight }: Quantized): [name: string, TensorSpec][] {
  const [rows, columns] = weight.shape;
  const isQ4 = weight.dtype === "q4";
  const [dtype, scaleDtype]: Dtype[] = isQ4 ? ["U8", "F16"] : ["I8", "F32"];
  const scaleShape = isQ4 ? [rows, Math.ceil(columns / GROUP)] : [rows];
  return [
    [info.name, { dtype, shape: [rows, rowBytes(columns, weight.dtype)] }],
    [`${info.name}.scale`, { dtype: scaleDtype, shape: scaleShape }],
  ];
}

/** Fills one table, and copies its integers and its scales out of it. */
async function quantizedTensor(
  runtime: Runtime,
  task: Quantized,
  checkpoint: Checkpoint,
  signal: AbortSignal | undefined,
): Promise<[name: string, bytes: Uint8Array][]> {
  const { info, weight } = task;
  const [rows, columns] = weight.shape;
  const values = rows * rowBytes(columns, weight.dtype);
  const scales = scaleBytes(rows, columns, weight.dtype);
  const scalesAt = scalesOffset(rows, columns, weight.dtype);
  return runtime.queue.run(async () => {
    const block = runtime.memory.reserve(scalesAt + scales, info.name);
    try {
      weight.place = block.address;
      await fillWeights(runtime, { tasks: [task] }, checkpoint, { signal });
      const copy = (begin: number, bytes: number) => runtime.memory.bytes.slice(begin, begin + bytes);
      return [
        [info.name, copy(weight.place, values)],
        [`${info.name}.scale`, copy(weight.place + scalesAt, scales)],
      ];
    } finally {
      runtime.memory.free(block);
    }
  });
}
