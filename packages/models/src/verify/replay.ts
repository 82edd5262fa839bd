// Computes again what a folder says that PyTorch computed (verify/README.md has the format), tensor by tensor.
import { ConfigError, type Forward, parseSafetensors, type SafetensorsFile } from "@kiloformer/core";
import type { EncoderModel, TD } from "../architecture.ts";
import type { BareModel } from "../bare-model.ts";
import type { TokenRow } from "../encoding/encoder.ts";
import type { Memory } from "../generation/decoder-cache.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { firstRows } from "../layers.ts";
import { expectObject } from "../options.ts";
import { type GenerationResult, generate } from "../pipeline/generation.ts";

/** What `expected.json` says; all but `kind` may be absent. */
export interface ExpectedFacts {
  readonly kind: string;
  /** How far PyTorch's own float32 is from float64, by tensor, relative to its largest value. */
  readonly pytorch_float32_error?: Readonly<Record<string, number>>;
  readonly eos_token_id_of_greedy_eos_and_beam3_eos?: number;
  /** More generated ids, `generated.NAME` each, and the options that give them; a sentence about them is passed over. */
  readonly generation?: Readonly<Record<string, GenerationOptions & { readonly row?: number }>> | string;
}

/** A computed tensor: numbers, or ids that were generated. */
export interface ComputedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

/** How one expected tensor came out. */
export interface Comparison {
  readonly name: string;
  /** The worst difference relative to the largest expected value; for ids the share of those that differ; NaN: not computed. */
  readonly error: number;
  readonly tolerance: number;
  readonly holds: boolean;
  /** The worst place and both values, or why there is none. */
  readonly worst: string;
}

export interface Replay {
  readonly computed: readonly ComputedTensor[];
  readonly comparisons: readonly Comparison[];
}

/** Tensors that are fed, and so not compared. */
const isInput = (name: string) => /^(input_ids|attention_mask|token_type_ids|decoder_input_ids|prompt\..*)$/.test(name);
const NEW_TOKENS = { decoder: 24, "encoder-decoder": 16 };

/**
 * Computes every tensor that `expected` has and compares it.
 * @throws {ConfigError} `unknown-kind`, `missing-tensor`, `bad-mask`, `nothing-expected`, `no-head`; {OptionError} `bad-option`
 */
export async function replay(bare: BareModel, bytes: Uint8Array, facts: ExpectedFacts): Promise<Replay> {
  expectObject("expected.json", facts);
  const expected = parseSafetensors(bytes, { file: "expected.safetensors" });
  const replayer = new Replayer(bare, expected, facts);
  await replayer.run();
  const comparisons = replayer.compare();
  if (comparisons.length > 0) return { computed: [...replayer.computed.values()], comparisons };
  throw new ConfigError("nothing-expected", "expected.safetensors: expected outputs to compare, got inputs only");
}

class Replayer {
  readonly computed = new Map<string, ComputedTensor>();
  readonly #bare: BareModel;
  readonly #expected: SafetensorsFile;
  readonly #facts: ExpectedFacts;
  readonly #rows: readonly TokenRow[];
  /** Positions of each row that are no padding: only these are compared. */
  readonly #lengths: readonly number[];

  constructor(bare: BareModel, expected: SafetensorsFile, facts: ExpectedFacts) {
    this.#bare = bare;
    this.#expected = expected;
    this.#facts = facts;
    const ids = this.#ids("input_ids");
    const masks = expected.tensors.has("attention_mask") ? this.#ids("attention_mask") : undefined;
    const types = expected.tensors.has("token_type_ids") ? this.#ids("token_type_ids") : undefined;
    this.#lengths = ids.map((row, index) => (masks ? lengthOf(masks[index], row.length) : row.length));
    this.#rows = ids.map((row, index) => {
      const length = this.#lengths[index];
      return { ids: row.slice(0, length), typeIds: types?.[index].slice(0, length) };
    });
  }

  async run(): Promise<void> {
    const kinds: Readonly<Record<string, () => Promise<void>>> = {
      encoder: () => this.#encoder(),
      "masked-lm": () => this.#head("a masked-language head", ({ heads }) => heads.maskedLm, true),
      "token-classification": () => this.#head("a token classifier", ({ heads }) => heads.tokenClassification, true),
      "sequence-classification": () => this.#head("a classifier", ({ heads }) => heads.sequenceClassification, false),
      decoder: () => this.#decoder(),
      "encoder-decoder": () => this.#encoderDecoder(),
    };
    const { kind } = this.#facts;
    const { kind: actual } = this.#bare.model;
    if (
      Object.hasOwn(kinds, kind) &&
      (kind === "decoder" || kind === "encoder-decoder" ? kind : "encoder") !== actual
    ) {
      const message = `expected.json: expected a kind that fits the model, which is of kind ${actual}, got ${kind}`;
      throw new ConfigError("unknown-kind", message, { kind });
    }
    if (!Object.hasOwn(kinds, kind)) {
      const known = Object.keys(kinds).join(", ");
      throw new ConfigError("unknown-kind", `expected.json: expected kind to be one of ${known}, got ${kind}`);
    }
    await kinds[kind]();
    const { generation = {} } = this.#facts;
    if (typeof generation === "string") return;
    expectObject("expected.json: generation", generation);
    for (const [name, options] of Object.entries(generation)) {
      expectObject(`expected.json: generation.${name}`, options);
      const { row = 0, ...rest } = options;
      if (!this.#rows[row]) throw new ConfigError("bad-value", `expected.json: generation.${name}: no row ${row}`);
      const [prompt] = this.#expected.tensors.has(`prompt.${name}`)
        ? this.#ids(`prompt.${name}`)
        : [this.#rows[row].ids];
      await this.#generated(`generated.${name}`, [prompt], rest, -1);
    }
  }

  compare(): Comparison[] {
    const comparisons: Comparison[] = [];
    for (const name of this.#expected.tensors.keys()) {
      if (!isInput(name)) comparisons.push(this.#compare(name));
    }
    return comparisons;
  }

  async #encoder(): Promise<void> {
    const { encoder } = this.#bare;
    const { heads, hiddenSize } = this.#bare.model as EncoderModel;
    for (const [index, row] of this.#rows.entries()) {
      const states = await encoder.hiddenStates(row);
      for (const [layer, state] of states.entries()) this.#put(`hidden_states.${layer}`, index, state, hiddenSize);
      const last = states[states.length - 1];
      this.#put("last_hidden_state", index, last, hiddenSize);
      this.#putRow("mean_pooled", index, meanOf(last, hiddenSize));
      this.#putRow("cls", index, last.slice(0, hiddenSize));
      const { pooler } = heads;
      if (!pooler) continue;
      const [pooled] = await encoder.run(
        [row],
        (x, batch) => pooler(firstRows(x, batch)),
        () => 1,
      );
      this.#putRow("pooler_output", index, pooled);
    }
  }

  async #head(
    what: string,
    pick: (model: EncoderModel) => ((hidden: TD, batch: never) => Forward<TD>) | undefined,
    everyPosition: boolean,
  ): Promise<void> {
    const model = this.#bare.model as EncoderModel;
    const head = pick(model);
    if (!head)
      throw new ConfigError("no-head", `${model.modelType}: expected a checkpoint with ${what}, got one without`);
    for (const [index, row] of this.#rows.entries()) {
      const count = everyPosition ? row.ids.length : 1;
      const [logits] = await this.#bare.encoder.run(
        [row],
        (x, batch) => head(x, batch as never),
        () => count,
      );
      // A table may have more rows than there are tokens.
      const labels = logits.length / count;
      const width = this.#facts.kind === "masked-lm" ? Math.min(labels, model.vocabSize) : labels;
      const values = cutColumns(logits, count, width);
      if (everyPosition) this.#put("logits", index, values, width);
      else this.#putRow("logits", index, values);
    }
  }

  async #decoder(): Promise<void> {
    const { decoder, model } = this.#bare;
    const { hiddenSize, vocabSize } = decoder.model;
    for (const [index, { ids }] of this.#rows.entries()) {
      const states = await decoder.hiddenStates(ids);
      for (const [layer, state] of states.entries()) this.#put(`hidden_states.${layer}`, index, state, hiddenSize);
      if (model.kind !== "decoder" || !model.logits) continue;
      const logits = await decoder.logits(ids);
      this.#put("logits", index, logits, vocabSize);
      const last = this.#expected.tensors.get("logits_last")?.shape[1];
      if (last) this.#put("logits_last", index, logits.subarray(-last * vocabSize), vocabSize);
    }
    await this.#usualGenerations(NEW_TOKENS.decoder);
  }

  async #encoderDecoder(): Promise<void> {
    const { encoder, decoder } = this.#bare;
    const { hiddenSize, vocabSize } = decoder.model;
    const answers = this.#ids("decoder_input_ids");
    for (const [index, row] of this.#rows.entries()) {
      const states = await encoder.hiddenStates(row);
      for (const [layer, state] of states.entries())
        this.#put(`encoder_hidden_states.${layer}`, index, state, hiddenSize);
      this.#put("encoder_last_hidden_state", index, states[states.length - 1], hiddenSize);
      const memory: Memory = (await encoder.remember(row, decoder.pool)).retain();
      const decoded = await decoder.hiddenStates(answers[index], { memory });
      for (const [layer, state] of decoded.entries())
        this.#put(`decoder_hidden_states.${layer}`, index, state, hiddenSize);
      this.#put("logits", index, await decoder.logits(answers[index], { memory }), vocabSize);
      memory.release();
    }
    await this.#usualGenerations(NEW_TOKENS["encoder-decoder"]);
  }

  /** The ids that every folder of generating models has, by their names. */
  async #usualGenerations(max_new_tokens: number): Promise<void> {
    const eos = this.#facts.eos_token_id_of_greedy_eos_and_beam3_eos ?? null;
    const all = this.#rows.map(({ ids }) => ids);
    const first = all.slice(0, 1);
    const free = { max_new_tokens, eos_token_id: null };
    const ended = { max_new_tokens, eos_token_id: eos };
    await this.#generated("greedy", all, free);
    await this.#generated("greedy_repetition_1.3", first, { ...free, repetition_penalty: 1.3 });
    await this.#generated("greedy_no_repeat_2", first, { ...free, no_repeat_ngram_size: 2 });
    await this.#generated("beam4", first, { ...free, num_beams: 4 });
    await this.#generated("greedy_eos", first, ended);
    const beams = { num_beams: 3, num_return_sequences: 3, length_penalty: 0.6, early_stopping: true };
    await this.#generated("beam3_eos", first, { ...ended, ...beams });
  }

  /**
   * Generates where the folder expects ids of this name. Rows that end early are filled up with `pad`, which is the end-of-text
   * id as in `transformers` where a model has no padding.
   */
  async #generated(
    name: string,
    prompts: readonly (readonly number[])[],
    options: GenerationOptions,
    pad = typeof options.eos_token_id === "number" ? options.eos_token_id : 0,
  ): Promise<void> {
    const info = this.#expected.tensors.get(name);
    if (!info) return;
    const [, width = 0] = info.shape;
    const lists: number[][] = [];
    for (const prompt of prompts) {
      const given = { num_return_sequences: 1, ...options, return_dict_in_generate: true as const };
      const task = this.#bare.context.architecture.tasks.generate ?? generate;
      const results = (await task(this.#bare.context, prompt, given)) as readonly GenerationResult[];
      for (const { ids, eosTokenId } of results) lists.push(eosTokenId === undefined ? [...ids] : [...ids, eosTokenId]);
    }
    const columns = Math.max(width, ...lists.map((list) => list.length));
    const values = new BigInt64Array(lists.length * columns).fill(BigInt(pad));
    for (const [row, list] of lists.entries()) {
      for (const [column, id] of list.entries()) values[row * columns + column] = BigInt(id);
    }
    this.computed.set(name, { name, shape: [lists.length, columns], values });
  }

  #ids(name: string): number[][] {
    const info = this.#expected.tensors.get(name);
    if (info?.shape.length !== 2 || (info.dtype !== "I64" && info.dtype !== "I32")) {
      const got = info ? `${info.dtype} [${info.shape.join(", ")}]` : "none";
      throw new ConfigError("missing-tensor", `expected.safetensors: expected ${name} as I64 of two axes, got ${got}`);
    }
    const [rows, columns] = info.shape;
    const values = Array.from(this.#expected.array(name) as ArrayLike<number | bigint>, Number);
    return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
  }

  /** Positions of one row: `[length * width]` into `[B, T, width]`, zeros behind them. */
  #put(name: string, row: number, values: Float32Array, width: number): void {
    const input = name === "logits_last" ? name : this.#isAnswer(name) ? "decoder_input_ids" : "input_ids";
    const positions = this.#expected.tensors.get(input)?.shape[1] ?? values.length / width;
    const tensor = this.#tensor(name, [this.#rows.length, positions, width]);
    tensor.set(values.subarray(0, positions * width), row * positions * width);
  }

  /** One vector for each row: `[width]` into `[B, width]`. */
  #putRow(name: string, row: number, values: Float32Array): void {
    this.#tensor(name, [this.#rows.length, values.length]).set(values, row * values.length);
  }

  #tensor(name: string, shape: readonly number[]): Float32Array {
    let tensor = this.computed.get(name);
    if (!tensor) {
      const size = shape.reduce((product, axis) => product * axis, 1);
      tensor = { name, shape, values: new Float32Array(size) };
      this.computed.set(name, tensor);
    }
    return tensor.values as Float32Array;
  }

  #compare(name: string): Comparison {
    const info = this.#expected.tensors.get(name)!;
    const tensor = this.computed.get(name);
    const failed = (worst: string) => ({ name, error: Number.NaN, tolerance: 0, holds: false, worst });
    if (!tensor) return failed("not computed");
    if (info.shape.join() !== tensor.shape.join()) {
      return failed(`expected shape [${info.shape.join(", ")}], got [${tensor.shape.join(", ")}]`);
    }
    const wanted = tensor.values instanceof BigInt64Array ? "I64" : "F32";
    if (info.dtype !== wanted) return failed(`expected as ${info.dtype}, got ${wanted}`);
    const expected = this.#expected.array(name);
    if (tensor.values instanceof BigInt64Array) {
      return compareIds(name, tensor.values, expected as BigInt64Array, info.shape[1], this.#padding());
    }
    const error = this.#facts.pytorch_float32_error?.[name] ?? 0;
    const counted = this.#counted(name, info.shape);
    return compareNumbers(name, tensor.values, expected as Float32Array, Math.max(1e-5, 4 * error), counted);
  }

  /** What rows of ids may be filled up with behind an end-of-text id. */
  #padding(): { readonly eos: number | undefined; readonly fillers: readonly unknown[] } {
    const eos = this.#facts.eos_token_id_of_greedy_eos_and_beam3_eos;
    return { eos, fillers: [0, eos, this.#bare.config.pad_token_id] };
  }

  /** Whether a tensor is the decoder's, where there is an encoder. */
  #isAnswer(name: string): boolean {
    return this.#facts.kind === "encoder-decoder" && !name.startsWith("encoder");
  }

  /** Which elements count: those of padding do not. */
  #counted(name: string, shape: readonly number[]): (index: number) => boolean {
    if (shape.length !== 3 || (this.#facts.kind === "encoder-decoder" && !name.startsWith("encoder")))
      return () => true;
    const [, positions, width] = shape;
    return (index) => {
      const place = Math.floor(index / width);
      return place % positions < this.#lengths[Math.floor(place / positions)];
    };
  }
}

/** Positions before the padding, which comes behind: a mask of another kind would be something else to compute. */
function lengthOf(mask: readonly number[] | undefined, columns: number): number {
  const length = mask ? mask.lastIndexOf(1) + 1 : 0;
  if (mask?.length === columns && length > 0 && mask.every((value, index) => value === (index < length ? 1 : 0)))
    return length;
  const message =
    "expected.safetensors: expected attention_mask with ones, then zeros, for each row of input_ids, got another";
  throw new ConfigError("bad-mask", message);
}

function compareIds(
  name: string,
  actual: BigInt64Array,
  expected: BigInt64Array,
  width: number,
  { eos, fillers }: { readonly eos: number | undefined; readonly fillers: readonly unknown[] },
): Comparison {
  /** Whether a place is behind the end of both rows, and filled up in either way. */
  const isFilled = (index: number) => {
    const row = index - (index % width);
    const ended = eos !== undefined && expected.subarray(row, index).includes(BigInt(eos));
    const isFiller = (id: bigint) => fillers.includes(Number(id));
    return (
      ended &&
      actual.subarray(row, index).includes(BigInt(eos)) &&
      [actual, expected].every((ids) => isFiller(ids[index]))
    );
  };
  const wrong = Array.from(expected.keys()).filter((index) => actual[index] !== expected[index] && !isFilled(index));
  const error = wrong.length / Math.max(1, expected.length);
  const [at] = wrong;
  const worst = at === undefined ? "all ids equal" : `id ${at}: expected ${expected[at]}, got ${actual[at]}`;
  return { name, error, tolerance: 0, holds: wrong.length === 0, worst };
}

function compareNumbers(
  name: string,
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
  counted: (index: number) => boolean,
): Comparison {
  let [scale, difference, at] = [0, 0, -1];
  for (let index = 0; index < expected.length; index++) {
    if (!counted(index)) continue;
    scale = Math.max(scale, Math.abs(expected[index]));
    const distance = Math.abs(actual[index] - expected[index]);
    if (distance > difference || Number.isNaN(distance)) [difference, at] = [distance, index];
    if (Number.isNaN(distance)) break;
  }
  const error = difference === 0 ? 0 : difference / scale;
  const worst = at < 0 ? "equal" : `element ${at}: expected ${expected[at]}, got ${actual[at]}`;
  return { name, error, tolerance, holds: error <= tolerance, worst };
}

function meanOf(states: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let index = 0; index < states.length; index++) sums[index % width] += states[index];
  return Float32Array.from(sums, (sum) => (sum * width) / states.length);
}

function cutColumns(values: Float32Array, rows: number, width: number): Float32Array {
  const columns = values.length / rows;
  if (columns <= width) return values;
  return values.filter((_, index) => index % columns < width);
}
