import { WeightError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import type { Checkpoint } from "./safetensors.ts";
import type { Source } from "./source.ts";
import { nextTurn } from "./turn.ts";
import { type FillTask, PANEL, panelBytes, type Reservation, widthOf } from "./weights.ts";

/** The staging window: the most that a load holds beside the weights themselves. */
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
  reservation: Reservation,
  checkpoint: Checkpoint,
  options: FillOptions = {},
): Promise<void> {
  const order = (a: FillTask, b: FillTask) =>
    a.info.file < b.info.file ? -1 : a.info.file > b.info.file ? 1 : a.info.begin - b.info.begin;
  const tasks = [...reservation.tasks].sort(order);
  const totals = new Map<string, number>();
  let largest = 0;
  for (const { info } of tasks) {
    totals.set(info.file, (totals.get(info.file) ?? 0) + info.end - info.begin);
    largest = Math.max(largest, info.end - info.begin);
  }
  const widens = tasks.some(({ info, weight }) => weight.dtype === "f32" && info.dtype !== "F32");
  const filler = new Filler(runtime, Math.min(WINDOW_BYTES, largest), widens, options);
  const loaded = new Map<string, number>();
  const mark = runtime.memory.mark();
  try {
    filler.open();
    for (const task of tasks) {
      const { file } = task.info;
      const before = loaded.get(file) ?? 0;
      await filler.fill(task, checkpoint.source(file), (bytes) => {
        loaded.set(file, before + bytes);
        options.onProgress?.({ file, loaded: before + bytes, total: totals.get(file)! });
      });
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

/** A piece of a tensor: whole rows, or part of one row that is larger than the window. */
interface Piece {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

class Filler {
  readonly notFinite: string[] = [];
  readonly #runtime: Runtime;
  readonly #options: FillOptions;
  readonly #windowBytes: number;
  readonly #widens: boolean;
  #window = 0;
  #widened = 0;
  #sinceTurn = 0;
  readonly #cleared = new Set<number>();

  constructor(runtime: Runtime, windowBytes: number, widens: boolean, options: FillOptions) {
    this.#runtime = runtime;
    // Widening needs twice the space of what it reads: both halves together stay within the window.
    this.#windowBytes = Math.max(64, widens ? Math.floor(windowBytes / 3 / 64) * 64 : windowBytes);
    this.#widens = widens;
    this.#options = options;
  }

  /** Takes the window from the stack. */
  open(): void {
    this.#window = this.#runtime.memory.push(this.#windowBytes);
    if (this.#widens) this.#widened = this.#runtime.memory.push(this.#windowBytes * 2);
  }

  async fill(task: FillTask, source: Source, onBytes: (bytes: number) => void): Promise<void> {
    const { info, weight } = task;
    if (task.layout === "panels") this.#clearLastPanel(task);
    const width =
      (info.end - info.begin) /
      Math.max(
        1,
        info.shape.reduce((product, axis) => product * axis, 1),
      );
    const columns = info.shape.length > 1 ? info.shape[1] : 1;
    let finite = true;
    for (const piece of pieces(info.shape[0], columns, Math.floor(this.#windowBytes / width))) {
      this.#options.signal?.throwIfAborted();
      const elements = piece.rows * piece.columns;
      const offset = info.begin + (piece.row * columns + piece.column) * width;
      await this.#read(source, offset, elements * width);
      if (this.#options.checkFinite && finite) finite = this.#isFinite(elements, info.dtype);
      const staged = this.#stage(elements, info.dtype, weight.dtype);
      if (task.layout === "panels") this.#pack(task, piece, staged);
      else this.#copy(task, piece, columns, staged);
      onBytes(offset + elements * width - info.begin);
      await this.#maybeTurn(elements * width);
    }
    if (!finite) this.notFinite.push(info.name);
  }

  async #read(source: Source, offset: number, length: number): Promise<void> {
    const { signal } = this.#options;
    if (source.readInto) {
      await source.readInto(offset, this.#runtime.memory.bytes.subarray(this.#window, this.#window + length), signal);
    } else {
      const bytes = await source.read(offset, length, signal);
      this.#runtime.memory.bytes.set(bytes, this.#window);
    }
  }

  /** Widens what the window holds if the weight is kept wider, and gives the address to go on with. */
  #stage(elements: number, from: string, to: string): number {
    if (to !== "f32" || from === "F32") return this.#window;
    const widen = from === "F16" ? this.#runtime.kernels.widen_f16 : this.#runtime.kernels.widen_bf16;
    widen(this.#window, this.#widened, elements);
    return this.#widened;
  }

  #pack(task: FillTask, piece: Piece, staged: number): void {
    const { weight, row, transposed } = task;
    const [N, K] = weight.shape as readonly [number, number];
    const pack = weight.dtype === "f32" ? this.#runtime.kernels.pack_f32 : this.#runtime.kernels.pack_u16;
    if (transposed) {
      pack(staged, weight.place, piece.columns, piece.rows, 1, piece.columns, row + piece.column, piece.row, N, K);
      return;
    }
    for (const { from, to, rows } of runs(task, piece)) {
      const source = staged + (from - piece.row) * piece.columns * widthOf[weight.dtype];
      pack(source, weight.place, rows, piece.columns, piece.columns, 1, row + to, piece.column, N, K);
    }
  }

  #copy(task: FillTask, piece: Piece, columns: number, staged: number): void {
    const { weight, row, plus } = task;
    const width = widthOf[weight.dtype];
    const { bytes, floats } = this.#runtime.memory;
    if (plus) for (let i = 0; i < piece.rows * piece.columns; i++) floats[staged / 4 + i] += plus;
    for (const { from, to, rows } of runs(task, piece)) {
      const source = staged + (from - piece.row) * piece.columns * width;
      const target = weight.place + ((row + to) * columns + piece.column) * width;
      bytes.copyWithin(target, source, source + rows * piece.columns * width);
    }
  }

  /** The columns that pad the last panel are zero, whatever the memory held before. */
  #clearLastPanel({ weight }: FillTask): void {
    const [N, K] = weight.shape as readonly [number, number];
    if (N % PANEL === 0) return;
    const end = weight.place + panelBytes(N, K, weight.dtype);
    const begin = end - panelBytes(PANEL, K, weight.dtype);
    // Once for each weight, before its first part: the other parts of a fused weight lie in this panel too.
    if (this.#cleared.has(weight.place)) return;
    this.#runtime.memory.bytes.fill(0, begin, end);
    this.#cleared.add(weight.place);
  }

  #isFinite(elements: number, dtype: string): boolean {
    const { buffer } = this.#runtime.memory.bytes;
    if (dtype === "F32") return new Float32Array(buffer, this.#window, elements).every(Number.isFinite);
    const exponent = dtype === "F16" ? 0x7c00 : 0x7f80;
    return new Uint16Array(buffer, this.#window, elements).every((bits) => (bits & exponent) !== exponent);
  }

  async #maybeTurn(bytes: number): Promise<void> {
    this.#sinceTurn += bytes;
    if (this.#sinceTurn < TURN_BYTES) return;
    this.#sinceTurn = 0;
    await nextTurn();
  }
}

/** Rows of a piece that stay together: all of them, unless the checkpoint's rows come in blocks of another order. */
function* runs({ blocks }: FillTask, piece: Piece): Generator<{ from: number; to: number; rows: number }> {
  const end = piece.row + piece.rows;
  for (let from = piece.row; from < end; ) {
    const inBlock = blocks ? from % blocks.rows : 0;
    const rows = blocks ? Math.min(end - from, blocks.rows - inBlock) : piece.rows;
    const to = blocks ? blocks.order[(from - inBlock) / blocks.rows] * blocks.rows + inBlock : from;
    yield { from, to, rows };
    from += rows;
  }
}

/** Splits `[rows, columns]` into pieces of at most `limit` elements. */
function* pieces(rows: number, columns: number, limit: number): Generator<Piece> {
  if (columns <= limit) {
    const step = Math.max(1, Math.floor(limit / Math.max(1, columns)));
    for (let row = 0; row < rows; row += step) {
      yield { row, rows: Math.min(step, rows - row), column: 0, columns };
    }
    return;
  }
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += limit) {
      yield { row, rows: 1, column, columns: Math.min(limit, columns - column) };
    }
  }
}
