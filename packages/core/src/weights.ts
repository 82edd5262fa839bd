import { WeightError } from "./errors.ts";
import type { Dtype, TensorInfo } from "./safetensors.ts";

/** How a weight is held in memory. */
export type WeightDtype = "f32" | "f16" | "bf16";
/** `auto`: as the checkpoint has it (half precision stays half). `float32`: widened while loading. */
export type DtypeOption = "auto" | "float32";

/** A row range of a packed weight, and the checkpoint tensor that fills it. */
export interface WeightPart {
  readonly name: string;
  readonly row: number;
  readonly rows: number;
}

/** A record with a place and, until it is filled, no bytes. */
interface Placed {
  /** Byte address in the backend's memory; 0 before memory is taken. */
  place: number;
}

/** A linear layer's weight as column panels (docs/kernels.md), `[N, K]` = `[out, in]`. */
export interface LinearWeight extends Placed {
  readonly shape: readonly [N: number, K: number];
  readonly dtype: WeightDtype;
  readonly bias: VectorWeight | undefined;
  /** Which checkpoint tensors it was packed from, and into which rows: fused projections have several. */
  readonly parts: readonly WeightPart[];
}

/** A table of rows `[V, D]`; as panels when the same numbers also serve as the output layer. */
export interface EmbeddingWeight extends Placed {
  readonly shape: readonly [V: number, D: number];
  readonly dtype: WeightDtype;
  readonly layout: "rows" | "panels";
  readonly parts: readonly WeightPart[];
}

/** A vector `[D]` in f32: norms and biases. */
export interface VectorWeight extends Placed {
  readonly shape: readonly [D: number];
  readonly dtype: "f32";
  readonly parts: readonly WeightPart[];
}

export type Weight = LinearWeight | EmbeddingWeight | VectorWeight;

/** How one checkpoint tensor moves into memory. */
export interface FillTask extends Arrangement {
  readonly info: TensorInfo;
  readonly weight: Weight;
  readonly layout: "rows" | "panels";
  /** First row (linear, embedding) or element (vector) that it fills. */
  readonly row: number;
}

/** What checkpoints of some families do differently. */
export interface Arrangement {
  /** The checkpoint has `[in, out]`. */
  readonly transposed?: boolean;
  /** The checkpoint's rows come in blocks of this height, and block b belongs in the place of block `order[b]`. */
  readonly blocks?: { readonly rows: number; readonly order: readonly number[] };
  /** Added to each value: norms whose weights are stored less 1. */
  readonly plus?: number;
}

/** What a model needs, known before a byte of weights is read. */
export interface Reservation {
  readonly tasks: readonly FillTask[];
  /** Bytes of memory for all weights. */
  readonly bytes: number;
  /** Checkpoint names that nothing asked for. */
  readonly unused: readonly string[];
  /** Gives every record its address. */
  settle(address: number): void;
}

const stored: Partial<Record<Dtype, WeightDtype>> = { F32: "f32", F16: "f16", BF16: "bf16" };
/** Bytes of one element. */
export const widthOf: Readonly<Record<WeightDtype, number>> = { f32: 4, f16: 2, bf16: 2 };
/** Outputs side by side in one panel. */
export const PANEL = 8;
const ALIGNMENT = 64;
/** A checkpoint that lacks more names than this is for another model: looking further would only take time. */
const MISSING_LIMIT = 1000;

interface Ledger {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly file: string;
  readonly dtype: DtypeOption;
  readonly tasks: FillTask[];
  readonly places: { weight: Placed; offset: number }[];
  readonly used: Set<string>;
  readonly missing: string[];
  readonly misshaped: string[];
  bytes: number;
}

/**
 * Reserves weights by checkpoint name and expected shape. Nothing is read: a lookup gives a record that `settle` places
 * and `fillWeights` fills. After all lookups, missing, misshaped and unused names are known together.
 */
export class Weights {
  readonly #ledger: Ledger;
  readonly #prefix: string;

  private constructor(ledger: Ledger, prefix: string) {
    this.#ledger = ledger;
    this.#prefix = prefix;
  }

  /** Over the tensors of a checkpoint; `file` is what messages call it. */
  static over(
    tensors: ReadonlyMap<string, TensorInfo>,
    { file = "model.safetensors", dtype = "auto" }: { file?: string; dtype?: DtypeOption } = {},
  ): Weights {
    const lists = { tasks: [], places: [], used: new Set<string>(), missing: [], misshaped: [] };
    return new Weights({ tensors, file, dtype, ...lists, bytes: 0 }, "");
  }

  /** The same reservation, with every name below a prefix. */
  scope(prefix: string): Weights {
    return new Weights(this.#ledger, this.#prefix + prefix);
  }

  /** Whether the checkpoint has a tensor of this name. */
  has(name: string): boolean {
    return this.#ledger.tensors.has(this.#prefix + name);
  }

  /** The names below a prefix, unless the checkpoint has `probe` without it: files of a bare model leave the prefix out. */
  base(prefix: string, probe: string): Weights {
    return this.has(probe) ? this : this.scope(prefix);
  }

  /** Rows of a tensor `[rows, ...]`, or undefined where the checkpoint has none of this name. */
  rowsOf(name: string): number | undefined {
    return this.#ledger.tensors.get(this.#prefix + name)?.shape[0];
  }

  /** The shape of a tensor, or undefined where the checkpoint has none of this name. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.#ledger.tensors.get(this.#prefix + name)?.shape;
  }

  /**
   * The number of layers to reserve, once the checkpoint is seen to have as many: names `PREFIX0.`, `PREFIX1.`, ...
   * @throws {WeightError} `missing`, with the first layers that the file has not
   */
  layersOf(name: string, expected: number): number {
    const { tensors, file } = this.#ledger;
    const present = new Set<string>();
    const start = this.#prefix + name;
    for (const key of tensors.keys()) {
      if (key.startsWith(start)) present.add(key.slice(start.length, key.indexOf(".", start.length)));
    }
    if (expected <= present.size) return expected;
    const missing: string[] = [];
    for (let layer = 0; layer < expected && missing.length < 5; layer++) {
      if (!present.has(String(layer))) missing.push(`${start}${layer}`);
    }
    const message = `${file}: expected ${expected} layers ${start}N, got ${present.size}; missing: ${missing.join(", ")}`;
    throw new WeightError("missing", message, { file, missing, expected, actual: present.size });
  }

  /**
   * A linear layer `[out, in]`, or several that see the same input as one: `{ "q_proj": H * E, "k_proj": K * E }`.
   * @param options.bias whether the layers have biases of the same names; or a bias that was reserved under another
   */
  linear(
    outputs: Readonly<Record<string, number>>,
    inputs: number,
    { bias: given = false, ...arrangement }: { bias?: boolean | VectorWeight } & Omit<Arrangement, "plus"> = {},
  ): LinearWeight {
    const names = Object.keys(outputs);
    const parts: WeightPart[] = [];
    let row = 0;
    for (const name of names) {
      parts.push({ name: `${this.#prefix}${name}.weight`, row, rows: outputs[name] });
      row += outputs[name];
    }
    const { transposed, blocks } = arrangement;
    const infos = parts.map(({ name, rows }) => this.#find(name, transposed ? [inputs, rows] : [rows, inputs]));
    const dtype = this.#commonDtype(infos);
    const biasParts = parts.map((part) => ({ ...part, name: part.name.replace(/weight$/, "bias") }));
    const bias = given === true ? this.#vectorOf(biasParts, { blocks }) : given || undefined;
    const weight: LinearWeight = { shape: [row, inputs], dtype, bias, parts, place: 0 };
    this.#reserve(weight, panelBytes(row, inputs, dtype));
    infos.forEach((info, index) => {
      if (info) this.#ledger.tasks.push({ info, weight, layout: "panels", row: parts[index].row, ...arrangement });
    });
    return weight;
  }

  /**
   * A table `[V, D]`: a tensor of this name, or of this name and `.weight`.
   * @param tied true when the same numbers are the output layer too, which `tied(table)` then gives
   */
  embedding(name: string, shape: readonly [number, number], options: { tied?: boolean } = {}): EmbeddingWeight {
    const part = { name: `${this.#prefix}${name}${this.has(name) ? "" : ".weight"}`, row: 0, rows: shape[0] };
    const info = this.#find(part.name, shape);
    const dtype = this.#commonDtype([info]);
    const layout = options.tied ? "panels" : "rows";
    const weight: EmbeddingWeight = { shape, dtype, layout, parts: [part], place: 0 };
    const bytes = options.tied ? panelBytes(shape[0], shape[1], dtype) : shape[0] * shape[1] * widthOf[dtype];
    this.#reserve(weight, bytes);
    if (info) this.#ledger.tasks.push({ info, weight, layout, row: 0 });
    return weight;
  }

  /** The output layer that shares its numbers with an embedding reserved as `tied`. */
  tied(table: EmbeddingWeight, bias?: VectorWeight): LinearWeight {
    const { shape, dtype, parts } = table;
    const weight: LinearWeight = { shape, dtype, bias, parts, place: 0 };
    const offset = this.#ledger.places.find((entry) => entry.weight === table)!.offset;
    this.#ledger.places.push({ weight, offset });
    return weight;
  }

  /** A vector `[D]`: the weight or bias of a norm. Old checkpoints call those of a `LayerNorm` gamma and beta. */
  vector(name: string, length: number, options: Pick<Arrangement, "plus"> = {}): VectorWeight {
    const older = name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
    const known = this.has(older) && !this.has(name) ? older : name;
    return this.#vectorOf([{ name: this.#prefix + known, row: 0, rows: length }], options);
  }

  /** Marks tensors as seen: known, and of no use here. */
  ignore(known: (name: string) => boolean): void {
    for (const name of this.#ledger.tensors.keys()) if (known(name)) this.#ledger.used.add(name);
  }

  /**
   * Ends the lookups.
   * @throws {WeightError} `missing` or `misshaped`, with every name (the message has the first five)
   */
  finish(): Reservation {
    const { tensors, file, missing, misshaped, tasks, places, used, bytes } = this.#ledger;
    if (missing.length + misshaped.length > 0) throw unfit(file, missing, misshaped);
    const unused = [...tensors.keys()].filter((name) => !used.has(name));
    const settle = (address: number) => {
      for (const { weight, offset } of places) weight.place = address + offset;
    };
    return { tasks, bytes, unused, settle };
  }

  #vectorOf(parts: readonly WeightPart[], arrangement: Arrangement = {}): VectorWeight {
    const length = parts.reduce((sum, part) => sum + part.rows, 0);
    const weight: VectorWeight = { shape: [length], dtype: "f32", parts, place: 0 };
    this.#reserve(weight, length * 4);
    for (const part of parts) {
      const info = this.#find(part.name, [part.rows]);
      this.#commonDtype([info]);
      if (info) this.#ledger.tasks.push({ info, weight, layout: "rows", row: part.row, ...arrangement });
    }
    return weight;
  }

  #reserve(weight: Placed, bytes: number): void {
    this.#ledger.places.push({ weight, offset: this.#ledger.bytes });
    this.#ledger.bytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  }

  #find(name: string, expected: readonly number[]): TensorInfo | undefined {
    const { tensors, used, missing, misshaped, file } = this.#ledger;
    const info = tensors.get(name);
    if (!info) {
      missing.push(name);
      if (missing.length > MISSING_LIMIT) throw unfit(file, missing, misshaped);
      return undefined;
    }
    used.add(name);
    if (info.shape.length === expected.length && info.shape.every((axis, i) => axis === expected[i])) return info;
    misshaped.push(`${name} of shape [${expected.join(", ")}], got [${info.shape.join(", ")}]`);
    return undefined;
  }

  /** The dtype that holds all parts without loss. */
  #commonDtype(infos: readonly (TensorInfo | undefined)[]): WeightDtype {
    let common: WeightDtype | undefined;
    for (const info of infos) {
      if (!info) continue;
      const dtype = stored[info.dtype];
      if (!dtype) {
        const message = `${info.file}: expected ${info.name} of dtype F32, F16 or BF16, got ${info.dtype}`;
        throw new WeightError("unsupported-dtype", message, { file: info.file, name: info.name, actual: info.dtype });
      }
      common = common === undefined || common === dtype ? dtype : "f32";
    }
    return this.#ledger.dtype === "float32" ? "f32" : (common ?? "f32");
  }
}

/** Bytes of a packed weight. */
export function panelBytes(outputs: number, inputs: number, dtype: WeightDtype): number {
  return Math.ceil(outputs / PANEL) * PANEL * inputs * widthOf[dtype];
}

function unfit(file: string, missing: readonly string[], misshaped: readonly string[]): WeightError {
  const first = (names: readonly string[]) =>
    names.slice(0, 5).join("; ") + (names.length > 5 ? `; and ${names.length - 5} more` : "");
  const lines: string[] = [];
  if (missing.length > 0) lines.push(`expected tensors that are missing: ${first(missing)}`);
  if (misshaped.length > 0) lines.push(`expected ${first(misshaped)}`);
  const fields = { file, missing: [...missing], misshaped: [...misshaped] };
  return new WeightError(missing.length > 0 ? "missing" : "misshaped", `${file}: ${lines.join(". ")}`, fields);
}
