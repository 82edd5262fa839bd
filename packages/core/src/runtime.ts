import type {
  Activation,
  AttentionOptions,
  Backend,
  Epilogue,
  GatedActivation,
  HeadLayout,
  SequenceSpan,
} from "./backend.ts";
import { PAGE, pageFloats } from "./cache.ts";
import { DisposedError, MemoryError, RuntimeError } from "./errors.ts";
import {
  activationNumbers,
  gateKernels,
  inputKernels,
  panelKernels,
  productKernels,
  rowKernels,
} from "./kernel-names.ts";
import {
  chooseBuild,
  compileKernels,
  compileSharedKernels,
  type KernelBuild,
  type Kernels,
  refusal,
  supportsBuild,
} from "./kernels.ts";
import { ADDRESSABLE_BYTES, MemoryMap, wasmPages } from "./memory.ts";
import { Queue } from "./queue.ts";
import { checkRuntimeOptions, type RuntimeOptions } from "./runtime-options.ts";
import { type Shape, sizeOf, Tensor } from "./tensor.ts";
import { type Call, type Run, supportsThreads, ThreadPool } from "./threads/pool.ts";
import {
  FEW_ROWS,
  GROUP,
  onePanelBytes,
  PANEL,
  rowBytes,
  scaleBytes,
  scalesOffset,
  TILE_ROWS,
  WIDENING_ROWS,
} from "./weight-layout.ts";
import type { EmbeddingWeight, LinearWeight, VectorWeight } from "./weights.ts";

/** A window that reaches over every sequence. */
const UNLIMITED = 2 ** 29;
/** What the kernel of attention is given in place of biases and global keys where there are none. */
const NO_BIAS = [0, 0, 0] as const;
const NO_GLOBALS = [1, 0] as const;
/** Floats that half-precision products need beside their operands: one panel of one block of 256 inputs. */
const WIDEN_SCRATCH = 8 * 256;
/** Floats that quantized products need: the sums of the panels that one row reads side by side. */
const SUMS = 64;
/** Multiply-adds that are worth another thread: about 10 microseconds' worth. */
const LEAST_SHARED = 200_000;
/** What one thread does between two chances to stop: about 12 ms' worth of a fast processor, 50 of a busy one. */
const STEP_WORK = 2.5e8;
/** What some kernels cost for each value, in multiply-adds. */
const ADD_COST = 2;
const EXPONENTIAL_COST = 16;
const NORM_COST = 4;
const ROTATION_COST = 3;

/**
 * One WebAssembly instance and its memory: the backend that runs on the CPU. `dispose()` drops both, so that the engine
 * gives the memory back; what is used afterwards throws `DisposedError`.
 */
export class Runtime implements Backend {
  readonly build: KernelBuild;
  /** Forwards take turns on it: the activation stack belongs to one at a time. */
  readonly queue = new Queue();
  work = 0;
  /** `work` when the event loop last had a turn. */
  workAtTurn = 0;
  #state: { readonly memory: MemoryMap; readonly kernels: Kernels; pool: ThreadPool | undefined } | undefined;
  readonly #tracked: Tensor[] | undefined;
  /** 1 for f16 weights of which none is infinite or NaN, 0 for others; those that a few rows were multiplied with. */
  readonly #finite = new WeakMap<LinearWeight, number>();
  readonly #leastShared: number;

  private constructor(kernels: Kernels, memory: WebAssembly.Memory, options: RuntimeOptions) {
    this.build = actualBuild(kernels, options);
    this.#state = { memory: new MemoryMap(memory, options), kernels, pool: undefined };
    this.#tracked = options.debug ? [] : undefined;
    this.#leastShared = options.leastShared ?? LEAST_SHARED;
  }

  /**
   * @throws {OptionError} `bad-option`, `unknown-option`
   * @throws {RuntimeError} `no-wasm`, `no-simd`, `kernels-refused`, `kernels-not-found`, `no-kernels`,
   *   `wrong-kernels`, `no-threads`
   * @throws {MemoryError} `no-memory` when the engine gives not even the first pages
   */
  static async create(options: RuntimeOptions = {}): Promise<Runtime> {
    checkRuntimeOptions(options);
    const { threads = 1, wasm, limitBytes = ADDRESSABLE_BYTES, deterministic = false } = options;
    const build = options.build ?? chooseBuild(deterministic, wasm);
    const shared = threads > 1;
    if (shared && !supportsThreads()) {
      const message = `threads: expected a place that shares memory between threads for ${threads} of them, got one that does not`;
      throw new RuntimeError("no-threads", `${message}: a page must be cross-origin isolated`, { threads });
    }
    const module = await (shared ? compileSharedKernels : compileKernels)(build, wasm);
    let memory: WebAssembly.Memory;
    try {
      const maximum = wasmPages(Math.min(limitBytes, ADDRESSABLE_BYTES));
      memory = new WebAssembly.Memory(shared ? { initial: 2, maximum: Math.max(2, maximum), shared } : { initial: 2 });
    } catch (cause) {
      const message = "runtime: expected WebAssembly memory, got none: the engine refused";
      throw new MemoryError("no-memory", message, {}, { cause });
    }
    const exports = await instantiate(module, memory);
    const runtime = Runtime.over(exports as unknown as Kernels, memory, options);
    if (shared) runtime.#live.pool = await ThreadPool.start(threads, module, memory, exports, options.threadsFile);
    return runtime;
  }

  /**
   * Takes over an instance of the kernels, and its memory above their constants. One thread computes on it.
   * @throws {RuntimeError} `wrong-kernels`
   */
  static over(kernels: Kernels, memory: WebAssembly.Memory, options: RuntimeOptions): Runtime {
    return new Runtime(kernels, memory, options);
  }

  /** Threads that compute, the caller's among them. */
  get threads(): number {
    return this.#live.pool?.size ?? 1;
  }

  get stepWork(): number {
    return STEP_WORK * this.threads;
  }

  get memory(): MemoryMap {
    return this.#live.memory;
  }

  get kernels(): Kernels {
    return this.#live.kernels;
  }

  get disposed(): boolean {
    return this.#state === undefined;
  }

  /** Drops the instance and its memory, and ends its threads. A second call does nothing. */
  dispose(): void {
    this.#state?.pool?.end();
    this.#state = undefined;
  }

  get #live() {
    if (this.#state) return this.#state;
    throw new DisposedError("disposed", "runtime: expected a live runtime, got one that was disposed");
  }

  allocate<S extends Shape>(shape: S): Tensor<S> {
    return this.#track(new Tensor(this, "f32", shape, this.memory.push(sizeOf(shape) * 4)));
  }

  upload<S extends Shape>(values: Int32Array | Float32Array, shape: S): Tensor<S> {
    expectUpload(values, shape);
    const { memory } = this;
    const place = memory.push(values.length * 4);
    const isFloat = values instanceof Float32Array;
    memory[isFloat ? "floats" : "ints"].set(values, place / 4);
    return this.#track(new Tensor(this, isFloat ? "f32" : "i32", shape, place));
  }

  /** The values of a tensor, copied; ids as numbers, too. */
  read(tensor: Tensor): Promise<Float32Array> {
    return Promise.resolve(this.readNow(tensor));
  }

  /** `read` without a promise: this backend has no queue of its own. */
  readNow(tensor: Tensor): Float32Array {
    if (tensor.released) throw new RuntimeError("released", "read: expected a live tensor, got one that was released");
    const begin = tensor.place / 4;
    const end = begin + sizeOf(tensor.shape);
    const { floats, ints } = this.memory;
    return tensor.dtype === "i32" ? Float32Array.from(ints.subarray(begin, end)) : floats.slice(begin, end);
  }

  rows(x: Tensor, begin: number, count: number): Tensor<readonly [T: number, D: number]> {
    const width = x.shape[1];
    return this.#track(new Tensor(this, x.dtype, [count, width] as const, x.place + begin * width * 4));
  }

  settle<S extends Shape>(x: Tensor<S>, result: Tensor<S>): Tensor<S> {
    const { memory } = this;
    const bytes = sizeOf(result.shape) * 4;
    memory.bytes.copyWithin(x.place, result.place, result.place + bytes);
    this.release(x.place);
    memory.push(bytes);
    return this.#track(new Tensor(this, result.dtype, result.shape, x.place));
  }

  /** Lowers the stack to a mark that `memory.mark()` gave. */
  release(mark: number): void {
    this.memory.release(mark);
    const tracked = this.#tracked;
    while (tracked?.length && tracked[tracked.length - 1].place >= mark) tracked.pop()!.released = true;
  }

  /**
   * Calls a kernel for units 0 to `count`: in one call, or, where that is worth it, in pieces that threads share. Pieces begin at
   * multiples of `step`. That they change no bit is what kernels promise: no sum depends on the rows beside it.
   * @param work multiply-adds of the whole
   * @param call hands the operands of one piece to `run`
   */
  #share(kernel: Run, count: number, step: number, work: number, call: Call): void {
    const { pool } = this.#live;
    // So short that engines put it, and the call, where it is used: small models are mostly such calls.
    if (pool && work >= this.#leastShared) pool.share(kernel, count, step, work / this.#leastShared, call);
    else call(kernel, 0, count);
  }

  #track<T extends Tensor>(tensor: T): T {
    this.#tracked?.push(tensor);
    return tensor;
  }

  embedding(ids: Tensor, table: EmbeddingWeight, y: Tensor): void {
    const { kernels, memory } = this;
    const { dtype, layout, place } = table;
    const [V, D] = table.shape;
    const count = sizeOf(ids.shape);
    if (layout === "panels") kernels[panelKernels[dtype]](ids.place, place, y.place, count, D, V);
    else if (dtype !== "q8" && dtype !== "q4") kernels[rowKernels[dtype]](ids.place, place, y.place, count, D);
    else {
      const dequantize = kernels[`dequantize_rows_${dtype}`];
      const scales = place + scalesOffset(V, D, dtype);
      const [row, scale] = [rowBytes(D, dtype), scaleBytes(1, D, dtype)];
      const values = memory.ints.subarray(ids.place / 4, ids.place / 4 + count);
      for (const [t, id] of values.entries()) {
        dequantize(place + id * row, scales + id * scale, y.place + t * D * 4, 1, D);
      }
    }
  }

  gatherRows(x: Tensor, rows: Tensor, y: Tensor): void {
    this.kernels.embed_rows_f32(rows.place, x.place, y.place, sizeOf(rows.shape), x.shape[1]);
  }

  linear(x: Tensor, weight: LinearWeight, y: Tensor, { activation, residual }: Epilogue): void {
    const { shape, dtype, place, bias } = weight;
    const [N, K] = shape;
    const M = x.shape[0];
    const work = M * N * K;
    this.work += work;
    const { kernels, memory } = this;
    const mark = memory.mark();
    const isQuantized = dtype === "q8" || dtype === "q4";
    const inputs = isQuantized
      ? this.#quantizeInputs(x, dtype)
      : { place: x.place, rowBytes: 4 * K, params: 0, rowParams: 0 };
    // The kernel for 4 bits does not look at them.
    const scales = dtype === "q8" ? place + Math.ceil(N / PANEL) * onePanelBytes(K, dtype) : 0;
    const finite = dtype === "f16" && M <= WIDENING_ROWS ? this.#isFinite(weight) : 0;
    const follows = activation ? activationNumbers[activation] : 0;
    const call: Call = (run, begin, count) => {
      const { row, rows, column, columns } = productPiece(M, N, begin, count);
      const from = inputs.place + row * inputs.rowBytes;
      const weights = place + (column / PANEL) * onePanelBytes(K, dtype);
      const biases = bias ? bias.place + 4 * column : 0;
      const at = 4 * (row * N + column);
      const to = y.place + at;
      const added = residual ? residual.place + at : 0;
      if (dtype === "f32") run(from, weights, biases, to, rows, columns, K, follows, added);
      else if (isQuantized) {
        const [params, scale] = [inputs.params + row * inputs.rowParams, scales + 4 * column];
        run(from, params, weights, scale, biases, to, rows, columns, K, follows, added, memory.push(SUMS * 4));
      } else run(from, weights, biases, to, rows, columns, K, follows, added, memory.push(WIDEN_SCRATCH * 4), finite);
    };
    // Pieces of a product: rows where there are many, else the outputs of one row.
    if (M === 1) this.#share(kernels[productKernels[dtype]], N, 8 * PANEL, work, call);
    else this.#share(kernels[productKernels[dtype]], M, rowsOfPiece(M, this.threads), work, call);
    memory.release(mark);
  }

  /** 1 where none of f16 weights is infinite or NaN, else 0. */
  #isFinite(weight: LinearWeight): number {
    let finite = this.#finite.get(weight);
    if (finite === undefined) {
      const [N, K] = weight.shape;
      finite = this.kernels.is_finite_f16(weight.place, Math.ceil(N / PANEL) * PANEL * K);
      this.#finite.set(weight, finite);
    }
    return finite;
  }

  #quantizeInputs(x: Tensor, dtype: "q8" | "q4") {
    const { kernels, memory } = this;
    const [M, K] = x.shape;
    const groups = Math.ceil(K / GROUP);
    const rowBytes = groups * GROUP * (this.build === "relaxed" ? 1 : 2);
    const rowParams = groups * 8;
    const place = memory.push(M * rowBytes);
    const params = memory.push(M * rowParams);
    this.#share(kernels[inputKernels[dtype]], M, 4, M * K * NORM_COST, (run, row, rows) => {
      const scratch = memory.push(groups * GROUP * 4);
      run(x.place + 4 * row * K, place + row * rowBytes, params + row * rowParams, scratch, rows, K);
    });
    return { place, rowBytes, params, rowParams };
  }

  add(a: Tensor, b: Tensor, y: Tensor): void {
    this.#elements(this.kernels.add_f32, y, ADD_COST, (run, at, n) => run(a.place + at, b.place + at, y.place + at, n));
  }

  multiply(a: Tensor, b: Tensor, y: Tensor): void {
    this.#elements(this.kernels.mul_f32, y, ADD_COST, (run, at, n) => run(a.place + at, b.place + at, y.place + at, n));
  }

  scale(x: Tensor, factor: number, y: Tensor): void {
    this.#elements(this.kernels.scale_f32, y, ADD_COST, (run, at, n) => run(x.place + at, y.place + at, n, factor));
  }

  transpose(x: Tensor, y: Tensor): void {
    this.kernels.transpose_f32(x.place, y.place, x.shape[0], x.shape[1]);
  }

  sumRows(x: Tensor, begin: number, rows: number, y: Tensor, to: number): void {
    const D = x.shape[1];
    this.kernels.sum_rows_f32(x.place + begin * D * 4, y.place + to * D * 4, rows, D);
  }

  activate(kind: Activation, x: Tensor, y: Tensor): void {
    this.#elements(this.kernels[`${kind}_f32`], y, EXPONENTIAL_COST, (run, at, n) =>
      run(x.place + at, y.place + at, n),
    );
  }

  gate(kind: GatedActivation, gateUp: Tensor, y: Tensor): void {
    const [rows, width] = y.shape;
    this.#share(this.kernels[gateKernels[kind]], rows, 1, rows * width * EXPONENTIAL_COST, (run, row, count) => {
      run(gateUp.place + 8 * row * width, y.place + 4 * row * width, count, width);
    });
  }

  /** A kernel over single values; `at` is in bytes. */
  #elements(kernel: Run, y: Tensor, cost: number, call: (run: Run, at: number, n: number) => void): void {
    const n = sizeOf(y.shape);
    this.#share(kernel, n, 64, n * cost, (run, begin, count) => call(run, 4 * begin, count));
  }

  softmax(x: Tensor, y: Tensor): void {
    const columns = x.shape[x.shape.length - 1];
    this.kernels.softmax_f32(x.place, y.place, columns === 0 ? 0 : sizeOf(x.shape) / columns, columns);
  }

  rmsNorm(x: Tensor, weight: VectorWeight, eps: number, y: Tensor): void {
    const [rows, D] = x.shape;
    this.#share(this.kernels.rms_norm_f32, rows, 1, rows * D * NORM_COST, (run, row, count) => {
      run(x.place + 4 * row * D, weight.place, y.place + 4 * row * D, count, D, eps);
    });
  }

  rmsNormHeads(x: Tensor, column: number, heads: number, weight: VectorWeight, eps: number): void {
    const [T, rowStride] = x.shape;
    this.kernels.rms_norm_heads_f32(x.place + column * 4, weight.place, T, rowStride, heads, weight.shape[0], eps);
  }

  layerNorm(x: Tensor, weight: VectorWeight, bias: VectorWeight | undefined, eps: number, y: Tensor): void {
    const [rows, D] = x.shape;
    this.#share(this.kernels.layer_norm_f32, rows, 1, rows * D * NORM_COST, (run, row, count) => {
      run(x.place + 4 * row * D, weight.place, bias ? bias.place : 0, y.place + 4 * row * D, count, D, eps);
    });
  }

  rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: number, headWidth: number): void {
    const [T, rowStride] = x.shape;
    const half = cos.shape[1];
    this.#share(this.kernels.rope_f32, T, 1, T * heads * headWidth * ROTATION_COST, (run, row, rows) => {
      const angles = 4 * row * half;
      const from = x.place + 4 * row * rowStride;
      run(from, cos.place + angles, sin.place + angles, rows, heads, headWidth, half * 2, rowStride);
    });
  }

  appendToCache(rows: Tensor, column: number, span: SequenceSpan, { kvHeads, headWidth }: HeadLayout): void {
    const rowStride = rows.shape[1];
    const keys = rows.place + 4 * (span.row * rowStride + column);
    const values = keys + 4 * kvHeads * headWidth;
    const { count, position, pages } = span;
    this.kernels.cache_append_f32(keys, values, pages, count, rowStride, position, kvHeads, headWidth);
  }

  attend(x: Tensor, span: SequenceSpan, layout: HeadLayout, options: AttentionOptions, y: Tensor): void {
    const { heads, kvHeads, headWidth } = layout;
    const { row, count, position, pages, keys = position + count } = span;
    const [, rowStride] = x.shape;
    const width = heads * headWidth;
    const { memory, kernels } = this;
    const mark = memory.mark();
    const { window = UNLIMITED, bias, globals, causal, scale } = options;
    const globalCount = globals ? globals.count : 0;
    const work = count * (Math.min(keys, 2 * window) + globalCount) * width * 2;
    this.work += work;
    const from = x.place + 4 * row * rowStride;
    const to = y.place + 4 * row * width;
    if (window >= keys && !bias && !globals) {
      this.#share(kernels.attention_f32, count, 12, work, (run, begin, rows) => {
        const seen = causal ? position + begin + rows : keys;
        const scratch = memory.push(kernels.attention_scratch_f32(rows, seen, heads, kvHeads, headWidth) * 4);
        const [q, out] = [from + 4 * begin * rowStride, to + 4 * begin * width];
        const mask = causal ? 1 : 0;
        run(q, out, pages, rows, rowStride, width, seen - rows, mask, heads, kvHeads, headWidth, scale, scratch);
      });
    } else {
      const after = causal ? 0 : window;
      const [biases, biasStride, center] = bias ? [bias.values.place, bias.values.shape[1], bias.center] : NO_BIAS;
      const [block, globalBiases] = globals ? [globals.block, globals.bias.place] : NO_GLOBALS;
      this.#share(kernels.attention_general_f32, count, 24, work, (run, begin, rows) => {
        const floats = kernels.attention_general_scratch_f32(rows, keys, window, after, globalCount, heads, kvHeads);
        const [q, out] = [from + 4 * begin * rowStride, to + 4 * begin * width];
        // biome-ignore format: one line for each kind of operand; spread from lists they would take several times as long.
        run(
          q, out, pages, rows, rowStride, width,
          position + begin, keys, window, after, globalCount, block,
          heads, kvHeads, headWidth, scale,
          biases, biasStride, center, globalBiases, memory.push(floats * 4),
        );
      });
    }
    memory.release(mark);
  }

  temporaryPages(count: number, layout: HeadLayout): number {
    const bytes = pageFloats(layout) * 4;
    const addresses: number[] = [];
    for (let position = 0; position < count; position += PAGE) addresses.push(this.memory.push(bytes));
    const table = this.memory.push(addresses.length * 4);
    this.memory.ints.set(addresses, table / 4);
    return table;
  }
}

function expectUpload(values: Int32Array | Float32Array, shape: Shape): void {
  const size = sizeOf(shape);
  if (values.length === size && (values instanceof Float32Array || values instanceof Int32Array)) return;
  const expected = `an Int32Array or Float32Array of ${size} values for [${shape.join(", ")}]`;
  throw new RuntimeError(
    "misshaped",
    `upload: expected ${expected}, got ${values.constructor.name} of ${values.length}`,
  );
}

/** What of `[M, N]` a piece of a product is: outputs of one row, or rows. */
function productPiece(M: number, N: number, begin: number, count: number) {
  if (M === 1) return { row: 0, rows: 1, column: begin, columns: count };
  return { row: begin, rows: count, column: 0, columns: N };
}

/** Whole tiles, unless those are too few for all threads: a few rows each are then better than threads that wait. */
function rowsOfPiece(M: number, threads: number): number {
  const each = Math.ceil(M / threads);
  return each >= 2 * TILE_ROWS ? TILE_ROWS : Math.max(FEW_ROWS + 1, each);
}

/** @throws {RuntimeError} `wrong-kernels` for modules that are none of ours, `kernels-refused` */
async function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<WebAssembly.Exports> {
  const wrong = (cause?: unknown) => {
    const message = "wasm: expected the kernels of this package, got another WebAssembly module";
    return new RuntimeError("wrong-kernels", message, {}, { cause });
  };
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    if (exports.RELAXED instanceof WebAssembly.Global) return exports;
  } catch (cause) {
    if (cause instanceof WebAssembly.LinkError || cause instanceof TypeError) throw wrong(cause);
    if (cause instanceof WebAssembly.CompileError) throw refusal("wasm", cause);
    throw cause;
  }
  throw wrong();
}

/** One file given for `wasm` may be either build: what it is decides, unless the caller asked for the other. */
function actualBuild({ RELAXED }: Kernels, { build, deterministic }: RuntimeOptions): KernelBuild {
  const actual = RELAXED?.value === 1 ? "relaxed" : "simd";
  const wanted = supportsBuild(actual) ? (build ?? (deterministic ? "simd" : actual)) : "simd";
  if (actual === wanted) return actual;
  throw new RuntimeError("wrong-kernels", `wasm: expected the ${wanted} build, got the ${actual} one`, {
    wanted,
    actual,
  });
}
