import type { Activation, AttentionOptions, Backend, GatedActivation, HeadLayout, SequenceSpan } from "./backend.ts";
import { PAGE, pageFloats } from "./cache.ts";
import { DisposedError, MemoryError, RuntimeError } from "./errors.ts";
import { chooseBuild, compileKernels, type KernelBuild, type Kernels } from "./kernels.ts";
import { MemoryMap } from "./memory.ts";
import { Queue } from "./queue.ts";
import { checkRuntimeOptions, type RuntimeOptions } from "./runtime-options.ts";
import { type Shape, sizeOf, Tensor } from "./tensor.ts";
import {
  type EmbeddingWeight,
  GROUP,
  type LinearWeight,
  rowBytes,
  scaleBytes,
  scalesOffset,
  type VectorWeight,
  type WeightDtype,
} from "./weights.ts";

/** A window that reaches over every sequence. */
const UNLIMITED = 2 ** 29;
/** Floats that half-precision products need beside their operands: one panel of one block of 256 inputs. */
const WIDEN_SCRATCH = 8 * 256;

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
  #state: { readonly memory: MemoryMap; readonly kernels: Kernels } | undefined;
  readonly #tracked: Tensor[] | undefined;

  private constructor(build: KernelBuild, memory: MemoryMap, kernels: Kernels, debug: boolean) {
    this.build = build;
    this.#state = { memory, kernels };
    this.#tracked = debug ? [] : undefined;
  }

  /**
   * @throws {OptionError} `bad-option`, `unknown-option`
   * @throws {RuntimeError} `no-wasm`, `no-simd`, `kernels-refused`, `kernels-not-found`, `no-kernels`,
   *   `wrong-kernels`
   * @throws {MemoryError} `no-memory` when the engine gives not even the first pages
   */
  static async create(options: RuntimeOptions = {}): Promise<Runtime> {
    checkRuntimeOptions(options);
    const build = options.build ?? chooseBuild(options.deterministic ?? false);
    const module = await compileKernels(build, options.wasm);
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial: 2 });
    } catch (cause) {
      const message = "runtime: expected WebAssembly memory, got none: the engine refused";
      throw new MemoryError("no-memory", message, {}, { cause });
    }
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    const kernels = exports as unknown as Kernels;
    const map = new MemoryMap(memory, { limitBytes: options.limitBytes, grow: options.grow });
    return new Runtime(actualBuild(kernels, options), map, kernels, options.debug ?? false);
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

  /** Drops the instance and its memory. A second call does nothing. */
  dispose(): void {
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

  linear(x: Tensor, weight: LinearWeight, y: Tensor): void {
    const [N, K] = weight.shape;
    const M = x.shape[0];
    const bias = weight.bias ? weight.bias.place : 0;
    this.work += M * N * K;
    const { kernels, memory } = this;
    const { dtype, place } = weight;
    if (dtype === "f32") {
      kernels.gemm_f32(x.place, place, bias, y.place, M, N, K);
      return;
    }
    const mark = memory.mark();
    if (dtype === "f16" || dtype === "bf16") {
      const gemm = dtype === "f16" ? kernels.gemm_f16 : kernels.gemm_bf16;
      gemm(x.place, place, bias, y.place, M, N, K, memory.push(WIDEN_SCRATCH * 4));
    } else {
      const groups = Math.ceil(K / GROUP);
      const inputs = memory.push(M * groups * GROUP * (this.build === "relaxed" ? 1 : 2));
      const params = memory.push(M * groups * 8);
      const quantize = dtype === "q8" ? kernels.quantize_inputs_q8 : kernels.quantize_inputs_q4;
      quantize(x.place, inputs, params, memory.push(groups * GROUP * 4), M, K);
      kernels[dtype === "q8" ? "gemm_q8" : "gemm_q4"](inputs, params, place, bias, y.place, M, N, K);
    }
    memory.release(mark);
  }

  add(a: Tensor, b: Tensor, y: Tensor): void {
    this.kernels.add_f32(a.place, b.place, y.place, sizeOf(y.shape));
  }

  multiply(a: Tensor, b: Tensor, y: Tensor): void {
    this.kernels.mul_f32(a.place, b.place, y.place, sizeOf(y.shape));
  }

  scale(x: Tensor, factor: number, y: Tensor): void {
    this.kernels.scale_f32(x.place, y.place, sizeOf(y.shape), factor);
  }

  transpose(x: Tensor, y: Tensor): void {
    this.kernels.transpose_f32(x.place, y.place, x.shape[0], x.shape[1]);
  }

  sumRows(x: Tensor, begin: number, rows: number, y: Tensor, to: number): void {
    const D = x.shape[1];
    this.kernels.sum_rows_f32(x.place + begin * D * 4, y.place + to * D * 4, rows, D);
  }

  activate(kind: Activation, x: Tensor, y: Tensor): void {
    this.kernels[activationKernels[kind]](x.place, y.place, sizeOf(y.shape));
  }

  gate(kind: GatedActivation, gateUp: Tensor, y: Tensor): void {
    this.kernels[gateKernels[kind]](gateUp.place, y.place, y.shape[0], y.shape[1]);
  }

  softmax(x: Tensor, y: Tensor): void {
    const columns = x.shape[x.shape.length - 1];
    this.kernels.softmax_f32(x.place, y.place, columns === 0 ? 0 : sizeOf(x.shape) / columns, columns);
  }

  rmsNorm(x: Tensor, weight: VectorWeight, eps: number, y: Tensor): void {
    this.kernels.rms_norm_f32(x.place, weight.place, y.place, x.shape[0], x.shape[1], eps);
  }

  rmsNormHeads(x: Tensor, column: number, heads: number, weight: VectorWeight, eps: number): void {
    const [T, rowStride] = x.shape;
    this.kernels.rms_norm_heads_f32(x.place + column * 4, weight.place, T, rowStride, heads, weight.shape[0], eps);
  }

  layerNorm(x: Tensor, weight: VectorWeight, bias: VectorWeight | undefined, eps: number, y: Tensor): void {
    this.kernels.layer_norm_f32(x.place, weight.place, bias ? bias.place : 0, y.place, x.shape[0], x.shape[1], eps);
  }

  rotate(x: Tensor, cos: Tensor, sin: Tensor, heads: number, headWidth: number): void {
    const [T, rowStride] = x.shape;
    this.kernels.rope_f32(x.place, cos.place, sin.place, T, heads, headWidth, cos.shape[1] * 2, rowStride);
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
    const q = x.place + 4 * row * rowStride;
    const out = y.place + 4 * row * width;
    const { window = UNLIMITED, bias, globals, causal, scale } = options;
    this.work += count * Math.min(keys, 2 * window) * width * 2;
    // biome-ignore-start format: one line for each group of operands
    if (window >= keys && !bias && !globals) {
      const scratch = memory.push(kernels.attention_scratch_f32(count, keys, heads, kvHeads, headWidth) * 4);
      kernels.attention_f32(
        q,
        out,
        pages,
        count,
        rowStride,
        width,
        causal ? position : keys - count,
        causal ? 1 : 0,
        heads,
        kvHeads,
        headWidth,
        scale,
        scratch,
      );
    } else {
      const after = causal ? 0 : window;
      const globalCount = globals ? globals.count : 0;
      const floats = kernels.attention_general_scratch_f32(count, keys, window, after, globalCount, heads, kvHeads);
      const scratch = memory.push(floats * 4);
      kernels.attention_general_f32(
        q,
        out,
        pages,
        count,
        rowStride,
        width,
        position,
        keys,
        window,
        after,
        globalCount,
        globals ? globals.block : 1,
        heads,
        kvHeads,
        headWidth,
        scale,
        bias ? bias.values.place : 0,
        bias ? bias.values.shape[1] : 0,
        bias ? bias.center : 0,
        globals ? globals.bias.place : 0,
        scratch,
      );
    }
    // biome-ignore-end format: one line for each group of operands
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
