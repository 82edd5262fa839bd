import type { Activation, AttentionOptions, Backend, GatedActivation, HeadLayout, SequenceSpan } from "./backend.ts";
import { PAGE, pageFloats } from "./cache.ts";
import { DisposedError, MemoryError, RuntimeError } from "./errors.ts";
import { chooseBuild, compileKernels, compileSharedKernels, type KernelBuild, type Kernels } from "./kernels.ts";
import { ADDRESSABLE_BYTES, MemoryMap } from "./memory.ts";
import { Queue } from "./queue.ts";
import { checkRuntimeOptions, type RuntimeOptions } from "./runtime-options.ts";
import { type Shape, sizeOf, Tensor } from "./tensor.ts";
import { MOST_CALLS } from "./threads/control.ts";
import { supportsThreads, ThreadPool } from "./threads/pool.ts";
import { GROUP, onePanelBytes, PANEL, rowBytes, scaleBytes, scalesOffset } from "./weight-layout.ts";
import type { EmbeddingWeight, LinearWeight, VectorWeight, WeightDtype } from "./weights.ts";

/** A window that reaches over every sequence. */
const UNLIMITED = 2 ** 29;
/** Floats that half-precision products need beside their operands: one panel of one block of 256 inputs. */
const WIDEN_SCRATCH = 8 * 256;
/** Floats that quantized products need: the sums of the panels that one row reads side by side. */
const SUMS = 64;
/** Multiply-adds that are worth another thread: about 10 microseconds' worth. */
const LEAST_SHARED = 200_000;
/** Rows of the largest register tiles, of all products: pieces that begin there waste none. */
const TILE_ROWS = 12;
/** What some kernels cost for each value, in multiply-adds. */
const COST = { add: 2, exponential: 16, norm: 4, rotation: 3 };

type KernelName = Exclude<keyof Kernels, "RELAXED">;

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
  #state: { readonly memory: MemoryMap; readonly kernels: Kernels; readonly pool: ThreadPool | undefined } | undefined;
  readonly #tracked: Tensor[] | undefined;
  readonly #leastShared: number;

  private constructor(
    build: KernelBuild,
    memory: MemoryMap,
    kernels: Kernels,
    pool: ThreadPool | undefined,
    { debug = false, leastShared = LEAST_SHARED }: RuntimeOptions,
  ) {
    this.build = build;
    this.#state = { memory, kernels, pool };
    this.#tracked = debug ? [] : undefined;
    this.#leastShared = leastShared;
  }

  /**
   * @throws {OptionError} `bad-option`, `unknown-option`
   * @throws {RuntimeError} `no-wasm`, `no-simd`, `kernels-refused`, `kernels-not-found`, `no-kernels`,
   *   `wrong-kernels`, `no-threads`
   * @throws {MemoryError} `no-memory` when the engine gives not even the first pages
   */
  static async create(options: RuntimeOptions = {}): Promise<Runtime> {
    checkRuntimeOptions(options);
    const build = options.build ?? chooseBuild(options.deterministic ?? false);
    const { threads = 1, wasm, limitBytes, grow } = options;
    const shared = threads > 1;
    if (shared && !supportsThreads()) {
      const message = `threads: expected a place that shares memory between threads for ${threads} of them, got one that does not`;
      throw new RuntimeError("no-threads", `${message}: a page must be cross-origin isolated`, { threads });
    }
    const module = await (shared ? compileSharedKernels : compileKernels)(build, wasm);
    let memory: WebAssembly.Memory;
    try {
      const maximum = Math.ceil((limitBytes ?? ADDRESSABLE_BYTES) / 65_536);
      memory = new WebAssembly.Memory(shared ? { initial: 2, maximum: Math.max(2, maximum), shared } : { initial: 2 });
    } catch (cause) {
      const message = "runtime: expected WebAssembly memory, got none: the engine refused";
      throw new MemoryError("no-memory", message, {}, { cause });
    }
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    const kernels = exports as unknown as Kernels;
    const actual = actualBuild(kernels, options);
    const pool = shared ? await ThreadPool.start(threads, module, memory, exports, options.threadsFile) : undefined;
    return new Runtime(actual, new MemoryMap(memory, { limitBytes, grow }), kernels, pool, options);
  }

  /**
   * Takes over an instance of the kernels, and its memory above their constants. One thread computes on it.
   * @throws {RuntimeError} `wrong-kernels`
   */
  static over(kernels: Kernels, memory: WebAssembly.Memory, options: RuntimeOptions): Runtime {
    const { limitBytes, grow } = options;
    return new Runtime(
      actualBuild(kernels, options),
      new MemoryMap(memory, { limitBytes, grow }),
      kernels,
      undefined,
      options,
    );
  }

  /** Threads that compute, the caller's among them. */
  get threads(): number {
    return this.#live.pool?.size ?? 1;
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
    const { memory } = this;
    const place = memory.push(values.length * 4);
    if (values instanceof Float32Array) {
      memory.floats.set(values, place / 4);
      return this.#track(new Tensor(this, "f32", shape, place));
    }
    memory.ints.set(values, place / 4);
    return this.#track(new Tensor(this, "i32", shape, place));
  }

  /** The values of a tensor, copied. */
  read(tensor: Tensor): Promise<Float32Array> {
    return Promise.resolve(this.readNow(tensor));
  }

  /** `read` without a promise: this backend has no queue of its own. */
  readNow(tensor: Tensor): Float32Array {
    if (tensor.released) throw new RuntimeError("released", "read: expected a live tensor, got one that was released");
    const begin = tensor.place / 4;
    return this.memory.floats.slice(begin, begin + sizeOf(tensor.shape));
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
    if (!tracked) return;
    while (tracked.length > 0 && tracked[tracked.length - 1].place >= mark) tracked.pop()!.released = true;
  }

  /**
   * Calls a kernel for units 0 to `count`: in one call, or, where that is worth it, in pieces that threads share. Pieces begin at
   * multiples of `step`. That they change no bit is what kernels promise: no sum depends on the rows beside it.
   * @param work multiply-adds of the whole
   */
  #share(
    kernel: KernelName,
    count: number,
    step: number,
    work: number,
    call: (begin: number, count: number) => readonly number[],
  ): void {
    const { kernels } = this;
    const { pool } = this.#live;
    const worth = pool && work >= this.#leastShared ? Math.min(Math.ceil(count / step), 4 * pool.size, MOST_CALLS) : 1;
    if (!pool || worth < 2) {
      (kernels[kernel] as (...operands: number[]) => unknown)(...call(0, count));
      return;
    }
    // Small work in as few pieces as threads; more pieces of large work even out what else the machine does.
    const pieces = Math.min(worth, Math.max(pool.size, Math.floor(work / (64 * this.#leastShared))));
    const size = Math.ceil(count / pieces / step) * step;
    const calls: (readonly number[])[] = [];
    for (let begin = 0; begin < count; begin += size) calls.push(call(begin, Math.min(size, count - begin)));
    pool.run(kernel, calls);
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
      const dequantize = dtype === "q8" ? kernels.dequantize_rows_q8 : kernels.dequantize_rows_q4;
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

  linear(x: Tensor, { shape, dtype, place, bias }: LinearWeight, y: Tensor): void {
    const [N, K] = shape;
    const M = x.shape[0];
    const work = M * N * K;
    this.work += work;
    const { memory } = this;
    const mark = memory.mark();
    const biasPlace = bias ? bias.place : 0;
    if (dtype === "f32" || dtype === "f16" || dtype === "bf16") {
      const kernel = `gemm_${dtype}` as const;
      this.#shareProduct(kernel, M, N, work, (row, rows, column, columns) => {
        const weights = place + (column / PANEL) * onePanelBytes(K, dtype);
        const to = y.place + 4 * (row * N + column);
        const operands = [x.place + 4 * row * K, weights, biasPlace && biasPlace + 4 * column, to, rows, columns, K];
        return dtype === "f32" ? operands : [...operands, memory.push(WIDEN_SCRATCH * 4)];
      });
    } else this.#quantizedLinear(x, shape, dtype, place, biasPlace, y);
    memory.release(mark);
  }

  #quantizedLinear(
    x: Tensor,
    [N, K]: LinearWeight["shape"],
    dtype: "q8" | "q4",
    place: number,
    bias: number,
    y: Tensor,
  ): void {
    const { memory } = this;
    const M = x.shape[0];
    const groups = Math.ceil(K / GROUP);
    const inputBytes = groups * GROUP * (this.build === "relaxed" ? 1 : 2);
    const inputs = memory.push(M * inputBytes);
    const params = memory.push(M * groups * 8);
    this.#share(`quantize_inputs_${dtype}`, M, 4, M * K * COST.norm, (row, rows) => {
      const scratch = memory.push(groups * GROUP * 4);
      return [x.place + 4 * row * K, inputs + row * inputBytes, params + row * groups * 8, scratch, rows, K];
    });
    const panels = Math.ceil(N / PANEL) * onePanelBytes(K, dtype);
    this.#shareProduct(`gemm_${dtype}`, M, N, M * N * K, (row, rows, column, columns) => {
      const weights = place + (column / PANEL) * onePanelBytes(K, dtype);
      const scales = dtype === "q8" ? place + panels + 4 * column : 0;
      const to = y.place + 4 * (row * N + column);
      const at = [inputs + row * inputBytes, params + row * groups * 8, weights, scales, bias && bias + 4 * column, to];
      return [...at, rows, columns, K, memory.push(SUMS * 4)];
    });
  }

  /** Pieces of a product: rows where there are many, else the outputs of one row. */
  #shareProduct(
    kernel: KernelName,
    M: number,
    N: number,
    work: number,
    call: (row: number, rows: number, column: number, columns: number) => readonly number[],
  ): void {
    if (M === 1) this.#share(kernel, N, 8 * PANEL, work, (column, columns) => call(0, 1, column, columns));
    else this.#share(kernel, M, TILE_ROWS, work, (row, rows) => call(row, rows, 0, N));
  }

  add(a: Tensor, b: Tensor, y: Tensor): void {
    this.#elements("add_f32", y, COST.add, (at, n) => [a.place + at, b.place + at, y.place + at, n]);
  }

  multiply(a: Tensor, b: Tensor, y: Tensor): void {
    this.#elements("mul_f32", y, COST.add, (at, n) => [a.place + at, b.place + at, y.place + at, n]);
  }

  scale(x: Tensor, factor: number, y: Tensor): void {
    this.#elements("scale_f32", y, COST.add, (at, n) => [x.place + at, y.place + at, n, factor]);
  }

  transpose(x: Tensor, y: Tensor): void {
    this.kernels.transpose_f32(x.place, y.place, x.shape[0], x.shape[1]);
  }

  sumRows(x: Tensor, begin: number, rows: number, y: Tensor, to: number): void {
    const D = x.shape[1];
    this.kernels.sum_rows_f32(x.place + begin * D * 4, y.place + to * D * 4, rows, D);
  }

  activate(kind: Activation, x: Tensor, y: Tensor): void {
    this.#elements(activationKernels[kind], y, COST.exponential, (at, n) => [x.place + at, y.place + at, n]);
  }

  gate(kind: GatedActivation, gateUp: Tensor, y: Tensor): void {
    const [rows, width] = y.shape;
    this.#share(gateKernels[kind], rows, 1, rows * width * COST.exponential, (row, count) => {
      return [gateUp.place + 8 * row * width, y.place + 4 * row * width, count, width];
    });
  }

  /** A kernel over single values; `at` is in bytes. */
  #elements(kernel: KernelName, y: Tensor, cost: number, call: (at: number, n: number) => readonly number[]): void {
    const n = sizeOf(y.shape);
    this.#share(kernel, n, 64, n * cost, (begin, count) => call(4 * begin, count));
  }

  softmax(x: Tensor, y: Tensor): void {
    const columns = x.shape[x.shape.length - 1];
    this.kernels.softmax_f32(x.place, y.place, columns === 0 ? 0 : sizeOf(x.shape) / columns, columns);
  }

  rmsNorm(x: Tensor, weight: VectorWeight, eps: number, y: Tensor): void {
    const [rows, D] = x.shape;
    this.#share("rms_norm_f32", rows, 1, rows * D * COST.norm, (row, count) => {
      return [x.place + 4 * row * D, weight.place, y.place + 4 * row * D, count, D, eps];
    });
  }

  rmsNormHeads(x: Tensor, column: number, heads: number, weight: VectorWeight, eps: number): void {
    const [T, rowStride] = x.shape;
    this.kernels.rms_norm_heads_f32(x.place + column * 4, weight.place, T, rowStride, heads, weight.shape[0], eps);
  }

  layerNorm(x: Tensor, weight: VectorWeight, bias: VectorWeight | undefined, eps: number, y: Tensor): void {
    const [rows, D] = x.shape;
    this.#share("layer_norm_f32", rows, 1, rows * D * COST.norm, (row, count) => {
      return [x.place + 4 * row * D, weight.place, bias ? bias.place : 0, y.place + 4 * row * D, count, D, eps];
    });
  }

  rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: number, headWidth: number): void {
    const [T, rowStride] = x.shape;
    const half = cos.shape[1];
    this.#share("rope_f32", T, 1, T * heads * headWidth * COST.rotation, (row, rows) => {
      const angles = 4 * row * half;
      const places = [x.place + 4 * row * rowStride, cos.place + angles, sin.place + angles];
      return [...places, rows, heads, headWidth, half * 2, rowStride];
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
    const work = count * Math.min(keys, 2 * window) * width * 2;
    this.work += work;
    const places = (begin: number) => [
      x.place + 4 * (row + begin) * rowStride,
      y.place + 4 * (row + begin) * width,
      pages,
    ];
    if (window >= keys && !bias && !globals) {
      this.#share("attention_f32", count, 12, work, (begin, rows) => {
        const seen = causal ? position + begin + rows : keys;
        const scratch = memory.push(kernels.attention_scratch_f32(rows, seen, heads, kvHeads, headWidth) * 4);
        const size = [rows, rowStride, width, seen - rows, causal ? 1 : 0, heads, kvHeads, headWidth];
        return [...places(begin), ...size, scale, scratch];
      });
    } else {
      const after = causal ? 0 : window;
      const globalCount = globals ? globals.count : 0;
      const biases = bias ? [bias.values.place, bias.values.shape[1], bias.center] : [0, 0, 0];
      this.#share("attention_general_f32", count, 24, work, (begin, rows) => {
        const floats = kernels.attention_general_scratch_f32(rows, keys, window, after, globalCount, heads, kvHeads);
        const reach = [position + begin, keys, window, after, globalCount, globals ? globals.block : 1];
        const size = [rows, rowStride, width, ...reach, heads, kvHeads, headWidth, scale];
        return [...places(begin), ...size, ...biases, globals ? globals.bias.place : 0, memory.push(floats * 4)];
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

/** One file given for `wasm` may be either build: what it is decides, unless the caller asked for the other. */
function actualBuild({ RELAXED }: Kernels, { build, deterministic }: RuntimeOptions): KernelBuild {
  const actual = RELAXED?.value === 1 ? "relaxed" : "simd";
  const wanted = build ?? (deterministic ? "simd" : actual);
  if (actual === wanted) return actual;
  throw new RuntimeError("wrong-kernels", `wasm: expected the ${wanted} build, got the ${actual} one`, {
    wanted,
    actual,
  });
}

const rowKernels = { f32: "embed_rows_f32", f16: "embed_rows_f16", bf16: "embed_rows_bf16" } as const;
const panelKernels = {
  f32: "embed_panels_f32",
  f16: "embed_panels_f16",
  bf16: "embed_panels_bf16",
  q8: "embed_panels_q8",
  q4: "embed_panels_q4",
} as const satisfies Record<WeightDtype, keyof Kernels>;
const activationKernels = {
  silu: "silu_f32",
  gelu: "gelu_f32",
  gelu_tanh: "gelu_tanh_f32",
  relu: "relu_f32",
  tanh: "tanh_f32",
  sigmoid: "sigmoid_f32",
} as const satisfies Record<Activation, keyof Kernels>;
const gateKernels = {
  silu: "swiglu_f32",
  gelu: "geglu_f32",
  gelu_tanh: "geglu_tanh_f32",
  relu: "reglu_f32",
} as const satisfies Record<GatedActivation, keyof Kernels>;
