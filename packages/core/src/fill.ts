import { firstNonFinite } from "./dtypes.ts";
import { WeightError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import type { Checkpoint, TensorInfo } from "./safetensors.ts";
import { readExactly, type Source } from "./source.ts";
import { nextTurn } from "./turn.ts";
import { GROUP, onePanelBytes, PANEL, panelBytes, rowBytes, scaleBytes, scalesOffset } from "./weight-layout.ts";
import type { FillTask, Reservation } from "./weights.ts";

/**
 * The staging window: the most that a load holds beside the weights themselves. Only a weight that lies transposed in the file
 * and is quantized needs more: itself.
 */
const WINDOW_BYTES = 4 * 2 ** 20;
/** Bytes moved between two turns of the event loop, about 20 ms' worth. */
const TURN_BYTES = 32 * 2 ** 20;

/** Bytes of one file that have reached memory so far. */
export interface FillProgress {
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

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
  reservation: Pick<Reservation, "tasks">,
  checkpoint: Checkpoint,
  options: FillOptions = {},
): Promise<void> {
  const { tasks } = reservation;
  const totals = new Map<string, number>();
  for (const { info } of tasks) totals.set(info.file, (totals.get(info.file) ?? 0) + info.end - info.begin);
  const windowBytes = tasks.reduce((most, task) => Math.max(most, stagesOf(task).bytes), 0);
  const filler = new Filler(runtime, windowBytes, checkpoint, options);
  const loaded = new Map<string, number>();
  const mark = runtime.memory.mark();
  try {
    filler.open();
    for (const { info, task } of readsOf(tasks, checkpoint)) {
      const { file } = info;
      const before = loaded.get(file) ?? 0;
      if (!task) await filler.keep(info);
      else {
        await filler.fill(task, (bytes) => {
          loaded.set(file, before + bytes);
          options.onProgress?.({ file, loaded: before + bytes, total: totals.get(file)! });
        });
      }
    }
  } finally {
    runtime.memory.release(mark);
  }
  if (filler.notFinite.length === 0) return;
  const names = filler.notFinite.slice(0, 5).join(", ");
  const more = filler.notFinite.length > 5 ? ` and ${filler.notFinite.length - 5} more` : "";
  throw new WeightError("not-finite", `weights: expected finite numbers, got NaN or infinity in ${names}${more}`, {
    names: filler.notFinite,
  });
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

class Filler {
  readonly notFinite: string[] = [];
  readonly #runtime: Runtime;
  readonly #options: FillOptions;
  readonly #windowBytes: number;
  readonly #checkpoint: Checkpoint;
  /** What a stream passed by, until its weight comes. */
  readonly #kept = new Map<TensorInfo, Uint8Array>();
  #window = 0;
  #sinceTurn = 0;
  readonly #cleared = new Set<number>();

  constructor(runtime: Runtime, windowBytes: number, checkpoint: Checkpoint, options: FillOptions) {
    this.#runtime = runtime;
    this.#checkpoint = checkpoint;
    this.#windowBytes = windowBytes;
    this.#options = options;
  }

  /** Takes the window from the stack. */
  open(): void {
    this.#window = this.#runtime.memory.push(this.#windowBytes);
  }

  /** Reads a whole tensor, for the weight that needs it. */
  async keep(info: TensorInfo): Promise<void> {
    this.#kept.set(info, await this.#readWhole(info));
  }

  #readWhole({ file, begin, end }: TensorInfo): Promise<Uint8Array> {
    return readExactly(this.#checkpoint.source(file), begin, end - begin, this.#options.signal);
  }

  /** A tensor that was kept, which is then free to go, or that is read now. */
  async #take(info: TensorInfo): Promise<Uint8Array> {
    const kept = this.#kept.get(info);
    this.#kept.delete(info);
    return kept ?? this.#readWhole(info);
  }

  async fill(task: FillTask, onBytes: (bytes: number) => void): Promise<void> {
    const { info } = task;
    const source = this.#checkpoint.source(info.file);
    if (task.layout === "panels") this.#clearLastPanel(task);
    const stages = stagesOf(task);
    const checks = this.#options.checkFinite;
    const [scale, zeroPoint] = besideOf(task);
    const scales = scale && (await this.#take(scale));
    const zeros = zeroPoint && (await this.#take(zeroPoint));
    let finite = !(checks && scales) || firstNonFinite(scale.dtype, scales) < 0;
    for (const piece of pieces(stages)) {
      this.#options.signal?.throwIfAborted();
      // Whole bytes: of forms with less than one for each column, rows are never split.
      const columnBytes = stages.rowBytes / stages.columns;
      const begin = piece.row * stages.rowBytes + piece.column * columnBytes;
      const bytes = piece.rows * (piece.columns === stages.columns ? stages.rowBytes : piece.columns * columnBytes);
      await this.#read(source, info.begin + begin, bytes);
      if (checks && finite) {
        finite =
          firstNonFinite(info.dtype, this.#runtime.memory.bytes.subarray(this.#window, this.#window + bytes)) < 0;
      }
      if (task.isScale) this.#placeScales(task, this.#window, piece, runs(task, piece));
      else this.#move(task, piece, stages, scales, zeros);
      onBytes(begin + bytes);
      await this.#maybeTurn(bytes);
    }
    if (!finite) this.notFinite.push(info.name);
  }

  async #read(source: Source, offset: number, length: number): Promise<void> {
    const { signal } = this.#options;
    if (source.readInto) {
      await source.readInto(offset, this.#runtime.memory.bytes.subarray(this.#window, this.#window + length), signal);
    } else {
      const bytes = await readExactly(source, offset, length, signal);
      this.#runtime.memory.bytes.set(bytes, this.#window);
    }
  }

  /** What the window holds to its place: as it is, or through f32 to another form. */
  #move(task: FillTask, piece: Piece, stages: Stages, scales?: Uint8Array, zeros?: Uint8Array): void {
    const { form, weight, transposed } = task;
    const { kernels } = this.#runtime;
    const K = weight.shape[1] as number;
    if (form === weight.dtype) {
      this.#place(task, piece, this.#window);
      return;
    }
    const elements = piece.rows * piece.columns;
    const wide = form === "f32" ? this.#window : this.#window + stages.wide;
    if (form === "f16") kernels.widen_f16(this.#window, wide, elements);
    else if (form === "bf16") kernels.widen_bf16(this.#window, wide, elements);
    else if (form !== "f32") this.#dequantize(task, piece, stages, wide, scales!, zeros);
    const made = this.#window + stages.made;
    if (weight.dtype === "f32") this.#place(task, piece, wide);
    else if (weight.dtype === "f16" || weight.dtype === "bf16") {
      kernels[weight.dtype === "f16" ? "narrow_f16" : "narrow_bf16"](wide, made, elements);
      this.#place(task, piece, made);
    } else {
      const quantize = weight.dtype === "q8" ? kernels.quantize_rows_q8 : kernels.quantize_rows_q4;
      const [scalesAt, scratch] = [this.#window + stages.scales, this.#window + stages.scratch];
      if (!transposed) {
        quantize(wide, K, 1, made, scalesAt, scratch, piece.rows, K);
        this.#place(task, piece, made);
        this.#placeScales(task, scalesAt, piece, runs(task, piece));
        return;
      }
      // The whole tensor is here: an output's inputs lie in one column of it.
      for (let row = 0; row < stages.columns; row += STRIP) {
        const strip = { row, rows: Math.min(STRIP, stages.columns - row), column: 0, columns: K };
        quantize(wide + row * 4, 1, stages.columns, made, scalesAt, scratch, strip.rows, K);
        this.#place({ ...task, transposed: false }, strip, made);
        this.#placeScales(task, scalesAt, strip, runs(task, strip));
      }
    }
  }

  #dequantize(
    { form, weight }: FillTask,
    piece: Piece,
    stages: Stages,
    to: number,
    scales: Uint8Array,
    zeros: Uint8Array | undefined,
  ): void {
    const { kernels, memory } = this.#runtime;
    const K = weight.shape[1] as number;
    const perRow = scaleBytes(1, K, form);
    const scalesAt = this.#window + stages.scales;
    memory.bytes.set(scales.subarray(piece.row * perRow, (piece.row + piece.rows) * perRow), scalesAt);
    if (form === "q4") kernels.dequantize_rows_q4(this.#window, scalesAt, to, piece.rows, K);
    else if (form === "q8") kernels.dequantize_rows_q8(this.#window, scalesAt, to, piece.rows, K);
    else {
      for (let row = 0; row < piece.rows; row++) {
        const scale = memory.floats[scalesAt / 4 + row];
        const zero = zeros![piece.row + row];
        const [from, begin] = [this.#window + row * K, to / 4 + row * K];
        for (let i = 0; i < K; i++) memory.floats[begin + i] = scale * (memory.bytes[from + i] - zero);
      }
    }
  }

  /** A piece in the weight's own form. */
  #place(task: FillTask, piece: Piece, from: number): void {
    const { weight, row, layout, plus, transposed } = task;
    const { dtype } = weight;
    const { kernels, memory } = this.#runtime;
    const columns = weight.shape.length === 2 ? weight.shape[1] : 1;
    if (plus) for (let i = 0; i < piece.rows * piece.columns; i++) memory.floats[from / 4 + i] += plus;
    if (transposed) {
      const pack = dtype === "f32" ? kernels.pack_f32 : kernels.pack_u16;
      const [N, K] = [weight.shape[0], columns];
      pack(from, weight.place, piece.columns, piece.rows, 1, piece.columns, row + piece.column, piece.row, N, K);
      return;
    }
    const bytes = rowBytes(piece.columns, dtype);
    for (const { from: begin, to, rows } of runs(task, piece)) {
      const source = from + (begin - piece.row) * bytes;
      const target = row + to;
      if (layout === "rows") {
        const place = weight.place + target * rowBytes(columns, dtype) + rowBytes(piece.column, dtype);
        memory.bytes.copyWithin(place, source, source + rows * bytes);
      } else if (dtype === "q8") kernels.pack_q8(source, weight.place, rows, target, columns);
      else if (dtype === "q4") kernels.pack_q4(source, weight.place, rows, target, columns);
      else {
        const pack = dtype === "f32" ? kernels.pack_f32 : kernels.pack_u16;
        const { column } = piece;
        pack(source, weight.place, rows, piece.columns, piece.columns, 1, target, column, weight.shape[0], columns);
      }
    }
  }

  #placeScales({ weight, row, layout }: FillTask, from: number, piece: Piece, order: Iterable<Run>): void {
    const { kernels, memory } = this.#runtime;
    const [N, K] = weight.shape as readonly [number, number];
    const { dtype, place } = weight;
    const bytes = scaleBytes(1, K, dtype);
    // Behind the rows of a table, behind the panels of 8-bit weights, and in the panels of 4-bit ones.
    const behind =
      place + (layout === "rows" ? scalesOffset(N, K, dtype) : Math.ceil(N / PANEL) * onePanelBytes(K, dtype));
    for (const { from: begin, to, rows } of order) {
      const source = from + (begin - piece.row) * bytes;
      if (dtype === "q4" && layout === "panels") kernels.pack_scales_q4(source, place, rows, row + to, K);
      else memory.bytes.copyWithin(behind + (row + to) * bytes, source, source + rows * bytes);
    }
  }

  /** The outputs that pad the last panel are zero, whatever the memory held before. */
  #clearLastPanel({ weight }: FillTask): void {
    const [N, K] = weight.shape as readonly [number, number];
    if (N % PANEL === 0) return;
    const begin = weight.place + Math.floor(N / PANEL) * onePanelBytes(K, weight.dtype);
    // Once for each weight, before its first part: the other parts of a fused weight lie in this panel too.
    if (this.#cleared.has(weight.place)) return;
    this.#runtime.memory.bytes.fill(0, begin, weight.place + panelBytes(N, K, weight.dtype));
    this.#cleared.add(weight.place);
  }

  async #maybeTurn(bytes: number): Promise<void> {
    this.#sinceTurn += bytes;
    if (this.#sinceTurn < TURN_BYTES) return;
    this.#sinceTurn = 0;
    await nextTurn();
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

/** How a task's pieces lie in the window: as they are read, as f32, as they are held, and the scales; offsets in bytes. */
interface Stages {
  readonly rows: number;
  readonly columns: number;
  /** Of the file's bytes. */
  readonly rowBytes: number;
  readonly piece: { readonly rows: number; readonly columns: number };
  readonly wide: number;
  readonly made: number;
  readonly scales: number;
  readonly scratch: number;
  readonly bytes: number;
}

function stagesOf({ info, form, weight, transposed = false, isScale = false }: FillTask): Stages {
  const to = weight.dtype;
  const K = weight.shape.length === 2 ? weight.shape[1] : 1;
  const rows = info.shape[0];
  const columns = isScale ? 1 : transposed ? info.shape[1] : K;
  const converts = !isScale && form !== to;
  const quantizes = converts && (to === "q8" || to === "q4");
  const stored = isScale ? scaleBytes(1, K, form) : rowBytes(columns, form);
  const widened = converts && form !== "f32" ? columns * 4 : 0;
  const made = converts && to !== "f32" ? rowBytes(columns, to) : 0;
  const scaled = converts ? Math.max(scaleBytes(1, K, to), scaleBytes(1, K, form)) : 0;
  const perRow = stored + widened + made + scaled;
  // Quantizing takes a whole row of inputs; where those lie in a column, the whole tensor.
  const whole = quantizes && transposed;
  const splits = !quantizes && !isScale && scaleBytes(1, K, form) === 0 && perRow > WINDOW_BYTES;
  const piece = {
    rows: whole ? rows : Math.max(1, Math.min(rows, Math.floor(WINDOW_BYTES / perRow))),
    columns: splits ? Math.floor((columns * WINDOW_BYTES) / perRow) : columns,
  };
  const held = (piece.rows * piece.columns) / Math.max(1, columns);
  const wideAt = align(held * stored);
  const madeAt = wideAt + align(held * widened);
  const scalesAt = madeAt + align(whole ? STRIP * rowBytes(K, to) : held * made);
  const scratchAt = scalesAt + align((whole ? STRIP : held) * scaled);
  const bytes = scratchAt + (quantizes ? (K + GROUP) * 4 : 0);
  return {
    rows,
    columns,
    rowBytes: stored,
    piece,
    wide: wideAt,
    made: madeAt,
    scales: scalesAt,
    scratch: scratchAt,
    bytes,
  };
}

const align = (bytes: number) => Math.ceil(bytes / 64) * 64;

/** Rows that stay together. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** All rows of a piece, unless the checkpoint's rows come in blocks of another order. */
function* runs({ blocks }: FillTask, piece: Piece): Generator<Run> {
  const end = piece.row + piece.rows;
  for (let from = piece.row; from < end; ) {
    const inBlock = blocks ? from % blocks.rows : 0;
    const rows = blocks ? Math.min(end - from, blocks.rows - inBlock) : piece.rows;
    const to = blocks ? blocks.order[(from - inBlock) / blocks.rows] * blocks.rows + inBlock : from;
    yield { from, to, rows };
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
