import {
  type Forward,
  KvCache,
  OptionError,
  type PagePool,
  type Runtime,
  runForward,
  type Tensor,
} from "@kiloformer/core";
import type { EncoderBatch, EncoderDecoderModel, EncoderModel, TD } from "../architecture.ts";
import { show } from "../config.ts";
import { groupsOf } from "../groups.ts";
import { expectLive, type Lifetime } from "../lifetime.ts";
import { badOption, checkIds, expectOptions, isCount } from "../options.ts";
import type { Loaded } from "../pipeline/tasks.ts";
import { Memory } from "./memory.ts";

/** Multiply-adds of one layer that texts of a batch may share: about 50 ms' worth. */
const BATCH_WORK = 5e8;

/** A text as a model reads it. */
export interface TokenRow {
  readonly ids: readonly number[];
  /** Which of two texts each id belongs to. Default: the first. */
  readonly typeIds?: readonly number[];
}

interface RunOptions {
  readonly signal?: AbortSignal;
  /** The places of a text, in ascending order, whose hidden states are wanted. Default: all. */
  readonly picks?: (row: TokenRow) => readonly number[];
  readonly observe?: (layer: number, hidden: Tensor) => void;
}

/** Runs an encoder over whole texts: several together where they are short, and each as it would be alone. */
export class Encoder {
  readonly model: EncoderModel;
  readonly runtime: Runtime;
  readonly #lifetime: Lifetime;
  readonly #whole: EncoderDecoderModel | undefined;

  /** @param whole the model that this encoder is a part of, if there is one */
  constructor(model: EncoderModel, runtime: Runtime, lifetime: Lifetime, whole?: EncoderDecoderModel) {
    this.#lifetime = lifetime;
    this.model = model;
    this.runtime = runtime;
    this.#whole = whole;
  }

  /** Hidden states `[T * D]` of each text, or of the places that `picks` names. */
  states(rows: readonly TokenRow[], options: RunOptions = {}): Promise<Float32Array[]> {
    return this.run(
      rows,
      (hidden) => hidden,
      (row) => options.picks?.(row).length ?? row.ids.length,
      options,
    );
  }

  /** Hidden states `[T * D]` of one text by layer: the embedding first, the result last. */
  async hiddenStates(row: TokenRow, options: Pick<RunOptions, "signal"> = {}): Promise<Float32Array[]> {
    expectOptions("hiddenStates", options, ["signal"]);
    const states: Float32Array[] = [];
    const observe = (layer: number, hidden: Tensor) => {
      states[layer] = this.runtime.readNow(hidden);
    };
    await this.states([row], { ...options, observe });
    return states;
  }

  /**
   * Whatever `head` makes of the hidden states of each text.
   * @param head `[T, D] -> [R, N]` (of the rows that `picks` names, where it does) for all texts of a batch, in their order; a forward where that takes long
   * @param count rows of the result that belong to a text
   * @returns `[count * N]` for each text
   */
  async run(
    given: readonly TokenRow[],
    head: (hidden: TD, batch: EncoderBatch, rows: readonly TokenRow[]) => TD | Forward<TD>,
    count: (row: TokenRow) => number,
    options: RunOptions = {},
  ): Promise<Float32Array[]> {
    expectLive(this.#lifetime);
    expectOptions("texts", options, ["signal", "observe", "picks"]);
    const { signal, observe, picks } = options;
    if (!Array.isArray(given))
      throw new OptionError("bad-texts", `texts: expected a list of { ids }, got ${show(given)}`);
    for (const row of given) this.#expect(row);
    // Copies: the caller's lists are theirs again as soon as the call has begun.
    const rows = given.map(({ ids, typeIds }) => ({ ids: ids.slice(), typeIds: typeIds?.slice() }));
    const { model, runtime } = this;
    const results: Float32Array[] = [];
    for (const group of groupsOf(rows, ({ ids }) => ids.length, BATCH_WORK / model.layerWork)) {
      const batch = { runtime, observe, ...concatenate(group), rows: picks && placesOf(group, picks) };
      const values = await runForward(runtime, () => model.forward(batch), {
        signal,
        prepare: () => expectLive(this.#lifetime),
        finish: (hidden) => head(hidden, batch, group),
      });
      const width = values.length / group.reduce((sum, row) => sum + count(row), 0);
      let begin = 0;
      for (const row of group) {
        const end = begin + count(row) * width;
        // A text that is alone has no need of a copy.
        results.push(group.length === 1 ? values : values.slice(begin, end));
        begin = end;
      }
    }
    return results;
  }

  /** Keys and values of a text's hidden states, for the decoder that answers it. */
  async remember(row: TokenRow, pool: PagePool, { signal }: RunOptions = {}): Promise<Memory> {
    expectLive(this.#lifetime);
    this.#expect(row);
    const { model, runtime } = this;
    const whole = this.#whole!;
    const count = row.ids.length;
    pool.check(count, `keys and values of ${count} encoded positions`);
    const cache = new KvCache(pool, count);
    const batch = { runtime, ...concatenate([row]) };
    const forward = function* () {
      const encoded = yield* model.forward(batch);
      yield* whole.remember(runtime, encoded, [{ cache, count }]);
      return encoded;
    };
    const prepare = () => {
      expectLive(this.#lifetime);
      cache.prepare(count);
    };
    try {
      await runForward(runtime, forward, { signal, prepare });
    } catch (error) {
      cache.dispose();
      throw error;
    }
    return new Memory(cache);
  }

  #expect(row: TokenRow): void {
    expectOptions("text", row, ["ids", "typeIds"]);
    const { ids, typeIds } = row;
    const { vocabSize, typeVocabSize, contextLength, modelType } = this.model;
    checkIds(ids, vocabSize);
    if (ids.length > contextLength) {
      const message = `${modelType}: expected at most ${contextLength} tokens, the model's context, got ${ids.length}`;
      throw new OptionError("prompt-too-long", message, { contextLength, promptLength: ids.length });
    }
    if (!typeIds) return;
    if (typeIds.length !== ids.length) {
      const message = `token_type_ids: expected ${ids.length}, one for each id, got ${typeIds.length}`;
      throw new OptionError("bad-ids", message);
    }
    checkIds(typeIds, Math.max(1, typeVocabSize), "token_type_ids");
  }
}

function concatenate(rows: readonly TokenRow[]) {
  const lengths = rows.map(({ ids }) => ids.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const ids = new Int32Array(total);
  const typeIds = new Int32Array(total);
  let begin = 0;
  for (const row of rows) {
    ids.set(row.ids, begin);
    if (row.typeIds) typeIds.set(row.typeIds, begin);
    begin += row.ids.length;
  }
  return { ids, typeIds, lengths };
}

/** Where the wanted places of each text are among the rows of all. */
function placesOf(rows: readonly TokenRow[], picks: (row: TokenRow) => readonly number[]): Int32Array {
  const places: number[] = [];
  let begin = 0;
  for (const row of rows) {
    const { length } = row.ids;
    for (const place of picks(row)) {
      if (!(isCount(place) && place < length)) throw badOption("texts", "picks", `places below ${length}`, place);
      places.push(begin + place);
    }
    begin += length;
  }
  return Int32Array.from(places);
}

/** The encoder of a pipeline. */
export function encoderOf({ model, runtime, drivers }: Loaded): Encoder {
  expectLive(drivers);
  if (!drivers.encoder) {
    if (model.kind === "decoder") {
      throw new OptionError("no-encoder", `${model.modelType}: expected a model with an encoder, got a decoder`);
    }
    drivers.encoder =
      model.kind === "encoder"
        ? new Encoder(model, runtime, drivers)
        : new Encoder(model.encoder, runtime, drivers, model);
  }
  return drivers.encoder;
}
