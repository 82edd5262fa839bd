import { firstOf, WeightError } from "./errors.ts";
import { alignUp } from "./memory.ts";
import type { Dtype, TensorInfo } from "./safetensors.ts";
import { GROUP, panelBytes, scaleBytes, scalesOffset } from "./weight-layout.ts";

/** How a weight is held in memory. `q8` and `q4` are integers with scales (docs/quantization.md). */
export type WeightDtype = "f32" | "f16" | "bf16" | "q8" | "q4";

const wanted = {
  auto: undefined,
  float32: "f32",
  float16: "f16",
  bfloat16: "bf16",
  f32: "f32",
  f16: "f16",
  bf16: "bf16",
  q8: "q8",
  q4: "q4",
} as const satisfies Record<string, WeightDtype | undefined>;

/**
 * How weights are to be held. `auto`: as the checkpoint has them. `float32`, `float16`, `bfloat16` (or `f32`, `f16`, `bf16`):
 * converted while loading. `q8`, `q4`: quantized while loading; what 4 bits would cost too much stays at 8.
 */
export type DtypeOption = keyof typeof wanted;

/** The values of the option `dtype`. */
export const dtypeOptions = Object.keys(wanted) as readonly DtypeOption[];

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

/** A weight of any kind, as it lies in memory. */
export type Weight = LinearWeight | EmbeddingWeight | VectorWeight;

/** How a tensor is stored in a file: as it can be held, or as 8 bits with a scale and a zero for each row. */
export type StoredForm = WeightDtype | "u8";

/** A checkpoint tensor, and what makes numbers of its integers. */
export interface StoredTensor {
  readonly info: TensorInfo;
  readonly form: StoredForm;
  /** `NAME.scale`: F32 `[rows]`, of 4 bits F16 `[rows, ceil(columns / 32)]`. */
  readonly scale?: TensorInfo;
  /** `NAME.zero_point`: U8 `[rows]`. */
  readonly zeroPoint?: TensorInfo;
}

/** How one checkpoint tensor moves into memory. */
export interface FillTask extends Arrangement, StoredTensor {
  readonly weight: Weight;
  readonly layout: "rows" | "panels";
  /** First row (linear, embedding) or element (vector) that it fills. */
  readonly row: number;
  /** The tensor is the scales of a weight that is held as it is stored. */
  readonly isScale?: boolean;
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

/**
 * The fewest bits that a weight takes when it is asked for. 4: most of a model. 8: what reads the whole vocabulary, and the
 * inputs of attention scores. 16: small heads and tables, which are not worth the loss.
 */
export interface Precision {
  readonly leastBits?: 4 | 8 | 16;
}

/** A weight, and where in the block of all weights it lies. */
export interface WeightPlace {
  readonly weight: Weight;
  readonly offset: number;
  readonly bytes: number;
}

/** What a model needs, known before a byte of weights is read. */
export interface Reservation {
  readonly tasks: readonly FillTask[];
  /** Bytes of memory for all weights. */
  readonly bytes: number;
  /** In the order of their addresses; an output layer that shares its numbers with a table has the table's place. */
  readonly places: readonly WeightPlace[];
  /** Checkpoint names that nothing asked for. */
  readonly unused: readonly string[];
  /** Gives every record its address. */
  settle(address: number): void;
}

const plainForms: Partial<Record<Dtype, WeightDtype>> = { F32: "f32", F16: "f16", BF16: "bf16" };
/** A checkpoint that lacks more names than this is for another model: looking further would only take time. */
const MISSING_LIMIT = 1000;

interface Ledger {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly file: string;
  readonly dtype: DtypeOption;
  readonly tasks: FillTask[];
  readonly places: WeightPlace[];
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
    {
      bias: given = false,
      leastBits = 4,
      ...arrangement
    }: { bias?: boolean | VectorWeight } & Precision & Omit<Arrangement, "plus"> = {},
  ): LinearWeight {
    const parts: WeightPart[] = [];
    let row = 0;
    for (const [name, rows] of Object.entries(outputs)) {
      parts.push({ name: `${this.#prefix}${name}.weight`, row, rows });
      row += rows;
    }
    const { transposed, blocks } = arrangement;
    const found = parts.map(({ name, rows }) => this.#findMatrix(name, rows, inputs, transposed));
    const dtype = this.#dtypeFor(found, leastBits);
    const biasParts = parts.map((part) => ({ ...part, name: part.name.replace(/weight$/, "bias") }));
    const bias = given === true ? this.#vectorOf(biasParts, { blocks }) : given || undefined;
    const weight: LinearWeight = { shape: [row, inputs], dtype, bias, parts, place: 0 };
    this.#reserve(weight, panelBytes(row, inputs, dtype));
    found.forEach((tensor, index) => {
      if (!tensor) return;
      // Quantized tensors are stored [out, in], whatever the family's plain checkpoints have.
      const placed = plainForms[tensor.info.dtype] ? arrangement : { blocks };
      this.#fill(tensor, { weight, layout: "panels", row: parts[index].row, ...placed });
    });
    return weight;
  }

  /**
   * A table `[V, D]`: a tensor of this name, or of this name and `.weight`.
   * @param tied true when the same numbers are the output layer too, which `tied(table)` then gives
   */
  embedding(
    name: string,
    shape: readonly [number, number],
    { tied = false, leastBits = 16 }: { tied?: boolean } & Precision = {},
  ): EmbeddingWeight {
    const part = { name: `${this.#prefix}${name}${this.has(name) ? "" : ".weight"}`, row: 0, rows: shape[0] };
    const tensor = this.#findMatrix(part.name, ...shape);
    const dtype = this.#dtypeFor([tensor], leastBits);
    const layout = tied ? "panels" : "rows";
    const weight: EmbeddingWeight = { shape, dtype, layout, parts: [part], place: 0 };
    this.#reserve(
      weight,
      tied ? panelBytes(...shape, dtype) : scalesOffset(...shape, dtype) + scaleBytes(...shape, dtype),
    );
    if (tensor) this.#fill(tensor, { weight, layout, row: 0 });
    return weight;
  }

  /** The output layer that shares its numbers with an embedding reserved as `tied`. */
  tied(table: EmbeddingWeight, bias?: VectorWeight): LinearWeight {
    const { shape, dtype, parts } = table;
    const weight: LinearWeight = { shape, dtype, bias, parts, place: 0 };
    const place = this.#ledger.places.find((entry) => entry.weight === table)!;
    this.#ledger.places.push({ ...place, weight });
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
    return { tasks, bytes, places, unused, settle };
  }

  #vectorOf(parts: readonly WeightPart[], arrangement: Arrangement): VectorWeight {
    const length = parts.reduce((sum, part) => sum + part.rows, 0);
    const weight: VectorWeight = { shape: [length], dtype: "f32", parts, place: 0 };
    this.#reserve(weight, length * 4);
    for (const part of parts) {
      const info = this.#find(part.name, [part.rows]);
      const form = info && this.#plainForm(info);
      if (form) this.#fill({ info, form }, { weight, layout: "rows", row: part.row, ...arrangement });
    }
    return weight;
  }

  #reserve(weight: Weight, bytes: number): void {
    this.#ledger.places.push({ weight, offset: this.#ledger.bytes, bytes });
    this.#ledger.bytes += alignUp(bytes);
  }

  #fill(tensor: StoredTensor, task: Omit<FillTask, keyof StoredTensor>): void {
    const { tasks } = this.#ledger;
    tasks.push({ ...tensor, ...task });
    if (!tensor.scale || tensor.form !== task.weight.dtype) return;
    tasks.push({ info: tensor.scale, form: tensor.form, isScale: true, ...task });
  }

  #find(name: string, shape: readonly number[]): TensorInfo | undefined {
    const { tensors, used, missing, misshaped, file } = this.#ledger;
    const info = tensors.get(name);
    if (!info) {
      missing.push(name);
      if (missing.length > MISSING_LIMIT) throw unfit(file, missing, misshaped);
      return undefined;
    }
    used.add(name);
    const [expected, actual] = [shape.join(", "), info.shape.join(", ")];
    if (expected === actual) return info;
    misshaped.push(`${name} of shape [${expected}], got [${actual}]`);
    return undefined;
  }

  /** A matrix in any of the forms that a file may have. */
  #findMatrix(name: string, rows: number, columns: number, transposed = false): StoredTensor | undefined {
    const { tensors } = this.#ledger;
    const dtype = tensors.get(name)?.dtype;
    const scaleName = `${name}.scale`;
    if ((dtype !== "I8" && dtype !== "U8") || !tensors.has(scaleName)) {
      const info = this.#find(name, transposed ? [columns, rows] : [rows, columns]);
      return info && { info, form: this.#plainForm(info) };
    }
    const isQ4 = dtype === "U8" && tensors.get(scaleName)?.shape.length === 2;
    const info = this.#find(name, [rows, isQ4 ? Math.ceil(columns / 2) : columns]);
    const scale = this.#find(scaleName, isQ4 ? [rows, Math.ceil(columns / GROUP)] : [rows]);
    const zeroPoint = dtype === "U8" && !isQ4 ? this.#find(`${name}.zero_point`, [rows]) : undefined;
    if (scale) expectDtype(scale, isQ4 ? "F16" : "F32");
    if (zeroPoint) expectDtype(zeroPoint, "U8");
    return info && scale && { info, scale, zeroPoint, form: isQ4 ? "q4" : dtype === "I8" ? "q8" : "u8" };
  }

  #plainForm(info: TensorInfo): WeightDtype {
    const form = plainForms[info.dtype];
    if (form) return form;
    throw unsupported(info, "F32, F16 or BF16");
  }

  /** What is asked for, as far as the weight takes it; else the dtype that holds all parts without loss. */
  #dtypeFor(tensors: readonly (StoredTensor | undefined)[], leastBits: number): WeightDtype {
    const forms = new Set(tensors.flatMap((tensor) => (tensor ? [tensor.form] : [])));
    const [first] = forms;
    const common = forms.size === 1 && first !== "u8" ? first : "f32";
    const asked = wanted[this.#ledger.dtype];
    if (!asked) return common;
    if (asked !== "q8" && asked !== "q4") return asked;
    // Nothing is won by more bits than the file has.
    if (leastBits > 8 || common === "q4") return common;
    return asked === "q4" && leastBits > 4 ? "q8" : asked;
  }
}

function unsupported(info: TensorInfo, expected: string): WeightError {
  const { file, name, dtype } = info;
  const message = `${file}: expected ${name} of dtype ${expected}, got ${dtype}`;
  return new WeightError("unsupported-dtype", message, { file, name, actual: dtype });
}

function expectDtype(info: TensorInfo, dtype: Dtype): void {
  if (info.dtype !== dtype) throw unsupported(info, dtype);
}

function unfit(file: string, missing: readonly string[], misshaped: readonly string[]): WeightError {
  const lines: string[] = [];
  if (missing.length > 0) lines.push(`expected tensors that are missing: ${firstOf(missing, "; ")}`);
  if (misshaped.length > 0) lines.push(`expected ${firstOf(misshaped, "; ")}`);
  const code = missing.length > 0 ? "missing" : "misshaped";
  return new WeightError(code, `${file}: ${lines.join(". ")}`, { file, missing, misshaped });
}
