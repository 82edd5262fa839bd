import { type Dtype, firstNonFinite } from "./dtypes.ts";
import { firstOf, WeightError } from "./errors.ts";
import { alignUp } from "./memory.ts";
import type { Runtime } from "./runtime.ts";
import type { Checkpoint, TensorInfo } from "./safetensors.ts";
import { readExactly, type Source } from "./source.ts";
import { nextTurn } from "./turn.ts";
import { GROUP, onePanelBytes, PANEL, panelBytes, rowBytes, scaleBytes, scalesOffset } from "./weight-layout.ts";
import type { FillTask, Reservation, Weight } from "./weights.ts";

/**
 * The staging window: the most that a load holds beside the weights themselves, twice as much where each read takes a round trip.
 * Only a weight that lies transposed in the file and is quantized needs more: itself.
 */
const WINDOW_BYTES = 2 * 2 ** 20;
/** Bytes moved between two turns of the event loop, about 20 ms' worth. */
const TURN_BYTES = 32 * 2 ** 20;

/** Bytes of one file that have reached memory so far. */
export interface FillProgress {
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

/** Options of `fillWeights`. */
export interface FillOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FillProgress) => void;
  /** Throws a `WeightError` that names every tensor with a NaN or an infinity. */
  readonly checkFinite?: boolean;
}

/**
 * Moves every reserved tensor from its file to its place: in file order, through one window, packed and widened on the way.
 * @throws {WeightError} `not-finite` if `checkFinite` is set; SourceError as the source throws it; the signal's reason
 */
export async function fillWeights(
  runtime: Runtime,
  { tasks }: Pick<Reservation, "tasks">,
  checkpoint: Checkpoint,
  { signal, onProgress, checkFinite }: FillOptions = {},
): Promise<void> {
  const loaded = new Map<string, number>();
  const totals = new Map<string, number>();
  for (const { info } of tasks) totals.set(info.file, (totals.get(info.file) ?? 0) + info.end - info.begin);
  /** What a stream passed by, until its weight comes. */
  const kept = new Map<TensorInfo, Uint8Array>();
  const cleared = new Set<number>();
  const notFinite = new Set<string>();
  let sinceTurn = 0;
  const mark = runtime.memory.mark();
  const stages = (task: FillTask, from: number): Stages => {
    return stagesOf(task, from, checkpoint.source(task.info.file).remote ? 2 * WINDOW_BYTES : WINDOW_BYTES);
  };
  const window = runtime.memory.push(tasks.reduce((most, task) => Math.max(most, stages(task, 0).end), 0));
  try {
    for (const { info, task } of readsOf(tasks, checkpoint)) {
      if (task) await fill(task);
      else kept.set(info, await readWhole(info));
    }
  } finally {
    runtime.memory.release(mark);
  }
  const names = [...notFinite];
  if (names.length === 0) return;
  const message = `weights: expected finite numbers, got NaN or infinity in ${firstOf(names)}`;
  throw new WeightError("not-finite", message, { names });

  async function fill(task: FillTask): Promise<void> {
    const { info } = task;
    if (task.layout === "panels") clearLastPanel(task);
    const [scale, zeroPoint] = besideOf(task);
    const scales = scale && (await take(scale));
    const zeros = zeroPoint && (await take(zeroPoint));
    if (scales) check(info, scale.dtype, scales);
    const own = stages(task, window);
    const columnBytes = own.rowBytes / own.columns;
    for (const piece of pieces(own)) {
      signal?.throwIfAborted();
      const begin = info.begin + piece.row * own.rowBytes + piece.column * columnBytes;
      // Whole bytes: of forms with less than one for each column, rows are never split.
      const bytes = Math.round(piece.rows * piece.columns * columnBytes);
      await read(checkpoint.source(info.file), begin, bytes);
      check(info, info.dtype, staged(bytes));
      if (task.isScale) placeScales(runtime, task, piece, own.made);
      else move(runtime, task, piece, own, scales, zeros);
      await progress(info.file, bytes);
    }
  }

  /** A tensor that was kept, which is then free to go, or that is read now. */
  async function take(info: TensorInfo): Promise<Uint8Array> {
    const bytes = kept.get(info);
    kept.delete(info);
    return bytes ?? readWhole(info);
  }

  function readWhole({ file, begin, end }: TensorInfo): Promise<Uint8Array> {
    return readExactly(checkpoint.source(file), begin, end - begin, signal);
  }

  /** Notes a tensor whose numbers, or the scales that make them, are not finite. */
  function check({ name }: TensorInfo, dtype: Dtype, bytes: Uint8Array): void {
    if (checkFinite && firstNonFinite(dtype, bytes) >= 0) notFinite.add(name);
  }

  /** The begin of the window. */
  function staged(bytes: number): Uint8Array {
    return runtime.memory.bytes.subarray(window, window + bytes);
  }

  async function read(source: Source, offset: number, length: number): Promise<void> {
    if (source.readInto) await source.readInto(offset, staged(length), signal);
    else {
      const bytes = await readExactly(source, offset, length, signal);
      staged(length).set(bytes);
    }
  }

  /** The outputs that pad the last panel are zero, whatever the memory held before. */
  function clearLastPanel({ weight }: FillTask): void {
    const { place, dtype } = weight;
    const [N, K] = matrixOf(weight);
    // Once for each weight, before its first part: the other parts of a fused weight lie in this panel too.
    if (N % PANEL === 0 || cleared.has(place)) return;
    const begin = place + Math.floor(N / PANEL) * onePanelBytes(K, dtype);
    runtime.memory.bytes.fill(0, begin, place + panelBytes(N, K, dtype));
    cleared.add(place);
  }

  async function progress(file: string, bytes: number): Promise<void> {
    const all = (loaded.get(file) ?? 0) + bytes;
    loaded.set(file, all);
    onProgress?.({ file, loaded: all, total: totals.get(file)! });
    sinceTurn += bytes;
    if (sinceTurn < TURN_BYTES) return;
    sinceTurn = 0;
    await nextTurn();
  }
}

/** A tensor that is read in its turn: one that fills a weight, or what such a one needs later. */
interface Read {
  readonly info: TensorInfo;
  readonly task?: FillTask;
}

/** What is read, in the order of the files. Streams pass by the scales of a weight that changes its form before the weight itself, in files that were written in the format's order. */
function readsOf(tasks: readonly FillTask[], checkpoint: Checkpoint): Read[] {
  const reads: Read[] = tasks.flatMap((task) => {
    const beside = besideOf(task).filter(({ file }) => checkpoint.source(file).sequential);
    return [...beside.map((info) => ({ info })), { info: task.info, task }];
  });
  return reads.sort(({ info: a }, { info: b }) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.begin - b.begin));
}

/** The scales and zeros that join their weight as it is read; those of a weight that is held as it is stored have a task of their own. */
function besideOf({ form, weight, scale, zeroPoint }: FillTask): TensorInfo[] {
  if (!scale || form === weight.dtype) return [];
  return zeroPoint ? [scale, zeroPoint] : [scale];
}

/** What the window holds to its place: as it is, or through f32 to another form. */
function move(
  runtime: Runtime,
  task: FillTask,
  piece: Piece,
  stages: Stages,
  scales: Uint8Array | undefined,
  zeros: Uint8Array | undefined,
): void {
  const { form, weight } = task;
  const { dtype } = weight;
  const { from, wide, made } = stages;
  if (form !== dtype) {
    const { kernels } = runtime;
    const elements = piece.rows * piece.columns;
    if (form === "f16" || form === "bf16") kernels[`widen_${form}`](from, wide, elements);
    else if (form !== "f32") dequantize(runtime, task, piece, stages, scales!, zeros);
    if (dtype === "q8" || dtype === "q4") {
      quantize(runtime, task, dtype, piece, stages);
      return;
    }
    if (dtype !== "f32") kernels[`narrow_${dtype}`](wide, made, elements);
  }
  place(runtime, task, piece, made);
}

function dequantize(
  { kernels, memory }: Runtime,
  { form, weight }: FillTask,
  piece: Piece,
  { from, wide, scales: scalesAt }: Stages,
  scales: Uint8Array,
  zeros: Uint8Array | undefined,
): void {
  const [, K] = matrixOf(weight);
  const perRow = scaleBytes(1, K, form);
  memory.bytes.set(scales.subarray(piece.row * perRow, (piece.row + piece.rows) * perRow), scalesAt);
  if (form === "q8" || form === "q4") {
    kernels[`dequantize_rows_${form}`](from, scalesAt, wide, piece.rows, K);
    return;
  }
  for (let row = 0; row < piece.rows; row++) {
    const scale = memory.floats[scalesAt / 4 + row];
    const zero = zeros![piece.row + row];
    const [begin, to] = [from + row * K, wide / 4 + row * K];
    for (let i = 0; i < K; i++) memory.floats[to + i] = scale * (memory.bytes[begin + i] - zero);
  }
}

/** Outputs with their scales. Of a transposed tensor the whole is there: an output's inputs lie in one column of it. */
function quantize(runtime: Runtime, task: FillTask, dtype: "q8" | "q4", piece: Piece, stages: Stages): void {
  const { wide, made, scales, scratch, columns } = stages;
  const [, K] = matrixOf(task.weight);
  const [outputs, step, outputStride, inputStride] = task.transposed
    ? [columns, STRIP, 1, columns]
    : [piece.rows, piece.rows, K, 1];
  for (let output = 0; output < outputs; output += step) {
    const rows = Math.min(step, outputs - output);
    const strip = { row: piece.row + output, rows, column: 0, columns: K };
    const from = wide + output * outputStride * 4;
    runtime.kernels[`quantize_rows_${dtype}`](from, outputStride, inputStride, made, scales, scratch, rows, K);
    place(runtime, { ...task, transposed: false }, strip, made);
    placeScales(runtime, task, strip, scales);
  }
}

/** A piece in the weight's own form. */
function place({ kernels, memory }: Runtime, task: FillTask, piece: Piece, from: number): void {
  const { weight, row, layout, plus, transposed } = task;
  const { dtype, place } = weight;
  const [N, K] = matrixOf(weight);
  if (plus) for (let i = 0; i < piece.rows * piece.columns; i++) memory.floats[from / 4 + i] += plus;
  const pack = dtype === "f32" ? kernels.pack_f32 : kernels.pack_u16;
  if (transposed) {
    pack(from, place, piece.columns, piece.rows, 1, piece.columns, row + piece.column, piece.row, N, K);
    return;
  }
  const bytes = rowBytes(piece.columns, dtype);
  for (const { from: begin, to, rows } of runs(task, piece)) {
    const source = from + (begin - piece.row) * bytes;
    const target = row + to;
    if (layout === "rows") {
      const at = place + target * rowBytes(K, dtype) + rowBytes(piece.column, dtype);
      memory.bytes.copyWithin(at, source, source + rows * bytes);
    } else if (dtype === "q8" || dtype === "q4") kernels[`pack_${dtype}`](source, place, rows, target, K);
    else pack(source, place, rows, piece.columns, piece.columns, 1, target, piece.column, N, K);
  }
}

function placeScales({ kernels, memory }: Runtime, task: FillTask, piece: Piece, from: number): void {
  const { weight, row, layout } = task;
  const { dtype, place } = weight;
  const [N, K] = matrixOf(weight);
  const bytes = scaleBytes(1, K, dtype);
  // Behind the rows of a table, behind the panels of 8-bit weights, and in the panels of 4-bit ones.
  const behind =
    place + (layout === "rows" ? scalesOffset(N, K, dtype) : Math.ceil(N / PANEL) * onePanelBytes(K, dtype));
  for (const { from: begin, to, rows } of runs(task, piece)) {
    const source = from + (begin - piece.row) * bytes;
    if (dtype === "q4" && layout === "panels") kernels.pack_scales_q4(source, place, rows, row + to, K);
    else memory.bytes.copyWithin(behind + (row + to) * bytes, source, source + rows * bytes);
  }
}

/** A piece of a tensor: whole rows, or part of one row that is larger than the window. */
interface Piece {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** Outputs of a transposed tensor that are quantized at once. */
const STRIP = 64;

/** How a task's pieces lie in the window: as they are read, as f32, as they are held, and the scales; byte addresses. */
interface Stages {
  readonly rows: number;
  readonly columns: number;
  /** Of the file's bytes. */
  readonly rowBytes: number;
  readonly piece: { readonly rows: number; readonly columns: number };
  readonly from: number;
  /** `from` where the file has f32. */
  readonly wide: number;
  /** `from` or `wide` where that is how the weight is held. */
  readonly made: number;
  readonly scales: number;
  readonly scratch: number;
  readonly end: number;
}

/** @param from where the window begins */
function stagesOf(
  { info, form, weight, transposed = false, isScale = false }: FillTask,
  from: number,
  windowBytes: number,
): Stages {
  const to = weight.dtype;
  const [, K] = matrixOf(weight);
  const rows = info.shape[0];
  const columns = isScale ? 1 : transposed ? info.shape[1] : K;
  const converts = !isScale && form !== to;
  const quantizes = converts && (to === "q8" || to === "q4");
  const stored = isScale ? scaleBytes(1, K, form) : rowBytes(columns, form);
  const widened = converts && form !== "f32" ? columns * 4 : 0;
  const narrowed = converts && to !== "f32" ? rowBytes(columns, to) : 0;
  const scaled = converts ? Math.max(scaleBytes(1, K, to), scaleBytes(1, K, form)) : 0;
  const perRow = stored + widened + narrowed + scaled;
  // Quantizing takes a whole row of inputs; where those lie in a column, the whole tensor.
  const whole = quantizes && transposed;
  const splits = !quantizes && scaleBytes(1, K, form) === 0 && perRow > windowBytes;
  const piece = {
    rows: whole ? rows : Math.max(1, Math.min(rows, Math.floor(windowBytes / perRow))),
    columns: splits ? Math.floor((columns * windowBytes) / perRow) : columns,
  };
  const held = (piece.rows * piece.columns) / Math.max(1, columns);
  const behind = from + alignUp(held * stored);
  const wide = widened ? behind : from;
  const widenedEnd = behind + alignUp(held * widened);
  const made = narrowed ? widenedEnd : wide;
  const scales = widenedEnd + alignUp(whole ? STRIP * rowBytes(K, to) : held * narrowed);
  const scratch = scales + alignUp((whole ? STRIP : held) * scaled);
  const end = scratch + (quantizes ? (K + GROUP) * 4 : 0);
  return { rows, columns, rowBytes: stored, piece, from, wide, made, scales, scratch, end };
}

/** A vector is a matrix of one column. */
function matrixOf({ shape }: Weight): readonly [N: number, K: number] {
  return shape.length === 2 ? shape : [shape[0], 1];
}

/** Rows that stay together. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** All rows of a piece, unless the checkpoint's rows come in blocks of another order. */
function* runs({ blocks }: FillTask, piece: Piece): Generator<Run> {
  const end = piece.row + piece.rows;
  const { rows: height, order } = blocks ?? { rows: end, order: [0] };
  for (let from = piece.row; from < end; ) {
    const inBlock = from % height;
    const rows = Math.min(end - from, height - inBlock);
    yield { from, to: order[(from - inBlock) / height] * height + inBlock, rows };
    from += rows;
  }
}

/** Pieces of as many rows as the window takes, or of parts of a row. */
function* pieces({ rows, columns, piece }: Stages): Generator<Piece> {
  for (let row = 0; row < rows; row += piece.rows) {
    for (let column = 0; column < columns; column += piece.columns) {
      const size = { rows: Math.min(piece.rows, rows - row), columns: Math.min(piece.columns, columns - column) };
      yield { row, column, ...size };
    }
  }
}
