// Computes again what a folder says that PyTorch computed (verify/README.md has the format), tensor by tensor.
import { ConfigError, type Forward, parseSafetensors, type SafetensorsFile } from "@kiloformer/core";
import type { EncoderModel, TD } from "../architecture.ts";
import type { BareModel } from "../bare-model.ts";
import type { Memory } from "../encoding/memory.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { firstRows } from "../layers.ts";
import { cutColumns } from "../pipeline/encoder-forwards.ts";
import { type GenerationResult, generate } from "../pipeline/generation.ts";
import { type Comparison, compareIds, compareNumbers } from "./compare.ts";
import { checkFacts, type ExpectedFacts, generationsOf } from "./facts.ts";
import { type Inputs, isInput, readInputs } from "./inputs.ts";

/** A computed tensor: numbers, or ids that were generated. */
export interface ComputedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

/** What a replay found, and what it computed. */
export interface Replay {
  readonly computed: readonly ComputedTensor[];
  readonly comparisons: readonly Comparison[];
}

const NEW_TOKENS = { decoder: 24, "encoder-decoder": 16 };

/**
 * Computes every tensor that `expected` has and compares it.
 * @throws {ConfigError} `unknown-kind`, `unknown-key`, `bad-value`, `unused`, `missing-tensor`, `bad-shape`, `bad-mask`,
 *   `nothing-expected`, `no-head`; {OptionError} `bad-option`
 */
export async function replay(bare: BareModel, bytes: Uint8Array, facts: ExpectedFacts): Promise<Replay> {
  const expected = parseSafetensors(bytes, { file: "expected.safetensors" });
  checkFacts(facts, expected, bare.model.kind);
  const inputs = readInputs(expected, bare.model.kind, Object.keys(generationsOf(facts)));
  const replayer = new Replayer(bare, expected, facts, inputs);
  await replayer.run();
  const comparisons = replayer.compare();
  if (comparisons.length > 0) return { computed: [...replayer.computed.values()], comparisons };
  throw new ConfigError("nothing-expected", "expected.safetensors: expected outputs to compare, got inputs only");
}

class Replayer {
  readonly computed = new Map<string, ComputedTensor>();
  /** By tensor, the positions of each row that are no padding: only these are compared. */
  readonly #counts = new Map<string, number[]>();
  readonly #bare: BareModel;
  readonly #expected: SafetensorsFile;
  readonly #facts: ExpectedFacts;
  readonly #inputs: Inputs;

  constructor(bare: BareModel, expected: SafetensorsFile, facts: ExpectedFacts, inputs: Inputs) {
    this.#bare = bare;
    this.#expected = expected;
    this.#facts = facts;
    this.#inputs = inputs;
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
    await kinds[this.#facts.kind]();
    const { rows, prompts } = this.#inputs;
    for (const [name, { row = 0, ...options }] of Object.entries(generationsOf(this.#facts))) {
      await this.#generated(`generated.${name}`, [prompts.get(name) ?? rows[row].ids], options, -1);
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
    for (const [index, row] of this.#inputs.rows.entries()) {
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
    for (const [index, row] of this.#inputs.rows.entries()) {
      const count = everyPosition ? row.ids.length : 1;
      const [logits] = await this.#bare.encoder.run(
        [row],
        (x, batch) => head(x, batch as never),
        () => count,
      );
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
    // The shortest row has no more: with more expected, the shapes differ.
    const shortest = Math.min(...this.#inputs.rows.map(({ ids }) => ids.length));
    const last = Math.min(shortest, this.#expected.tensors.get("logits_last")?.shape[1] ?? 0);
    for (const [index, { ids }] of this.#inputs.rows.entries()) {
      const states = await decoder.hiddenStates(ids);
      for (const [layer, state] of states.entries()) this.#put(`hidden_states.${layer}`, index, state, hiddenSize);
      if (model.kind !== "decoder" || !model.logits) continue;
      const logits = await decoder.logits(ids);
      this.#put("logits", index, logits, vocabSize);
      if (last > 0) this.#put("logits_last", index, logits.subarray(-last * vocabSize), vocabSize, last);
    }
    await this.#usualGenerations(NEW_TOKENS.decoder);
  }

  async #encoderDecoder(): Promise<void> {
    const { encoder, decoder } = this.#bare;
    const { hiddenSize, vocabSize } = decoder.model;
    for (const [index, row] of this.#inputs.rows.entries()) {
      const states = await encoder.hiddenStates(row);
      for (const [layer, state] of states.entries())
        this.#put(`encoder_hidden_states.${layer}`, index, state, hiddenSize);
      this.#put("encoder_last_hidden_state", index, states[states.length - 1], hiddenSize);
      const answer = this.#inputs.answers[index];
      const memory: Memory = (await encoder.remember(row, decoder.pool)).retain();
      const decoded = await decoder.hiddenStates(answer, { memory });
      for (const [layer, state] of decoded.entries())
        this.#put(`decoder_hidden_states.${layer}`, index, state, hiddenSize, answer.length);
      this.#put("logits", index, await decoder.logits(answer, { memory }), vocabSize, answer.length);
      memory.release();
    }
    await this.#usualGenerations(NEW_TOKENS["encoder-decoder"]);
  }

  /** The ids that every folder of generating models has, by their names. */
  async #usualGenerations(max_new_tokens: number): Promise<void> {
    const eos = this.#facts.eos_token_id_of_greedy_eos_and_beam3_eos ?? null;
    const all = this.#inputs.rows.map(({ ids }) => ids);
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

  /** Positions of one row: `[length * width]` into `[B, positions, width]`, zeros behind them. */
  #put(name: string, row: number, values: Float32Array, width: number, positions = this.#inputs.columns): void {
    const tensor = this.#tensor(name, [this.#inputs.rows.length, positions, width]);
    tensor.set(values, row * positions * width);
    const counts = this.#counts.get(name) ?? [];
    counts[row] = values.length / width;
    this.#counts.set(name, counts);
  }

  /** One vector for each row: `[width]` into `[B, width]`. */
  #putRow(name: string, row: number, values: Float32Array): void {
    this.#tensor(name, [this.#inputs.rows.length, values.length]).set(values, row * values.length);
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
    const eos = this.#facts.eos_token_id_of_greedy_eos_and_beam3_eos ?? undefined;
    return { eos, fillers: [0, eos, this.#bare.config.pad_token_id] };
  }

  /** Which elements count: those of padding do not. */
  #counted(name: string, [, positions, width]: readonly number[]): (index: number) => boolean {
    const counts = this.#counts.get(name);
    if (!counts) return () => true;
    return (index) => {
      const place = Math.floor(index / width);
      return place % positions < counts[Math.floor(place / positions)];
    };
  }
}

function meanOf(states: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let index = 0; index < states.length; index++) sums[index % width] += states[index];
  return Float32Array.from(sums, (sum) => (sum * width) / states.length);
}
