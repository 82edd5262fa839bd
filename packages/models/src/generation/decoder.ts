import { KvCache, OptionError, PagePool, type Runtime, runForward, type Tensor } from "@kiloformer/core";
import type { DecoderModel } from "../architecture.ts";
import { show } from "../config.ts";

/** Multiply-adds of one layer between two chances to stop: about 20 ms' worth. */
const CHUNK_WORK = 2e8;
/** Rows of a chunk: at least a few tiles, at most what keeps activations small. */
const CHUNK_ROWS = { min: 24, max: 480 };

/** New ids of one sequence. */
export interface Feed {
  readonly cache: KvCache;
  readonly ids: readonly number[];
}

/** Runs a model over cached sequences, in chunks that can be interrupted. */
export class Decoder {
  readonly model: DecoderModel;
  readonly runtime: Runtime;
  readonly pool: PagePool;
  /** The most rows of one forward. */
  readonly chunkRows: number;

  constructor(model: DecoderModel, runtime: Runtime) {
    this.model = model;
    this.runtime = runtime;
    this.pool = new PagePool(runtime.memory, model.layers, model.layout);
    const rows = Math.floor(CHUNK_WORK / model.layerWork / 24) * 24;
    this.chunkRows = Math.min(CHUNK_ROWS.max, Math.max(CHUNK_ROWS.min, rows));
  }

  newCache(): KvCache {
    return new KvCache(this.pool, this.model.contextLength);
  }

  /**
   * Feeds new ids to each sequence and gives the logits `[V]` after the last of them. All sequences share forwards, and
   * each gets exactly what it would get alone.
   */
  async step(feeds: readonly Feed[], options: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    const ends = feeds.map(({ ids }) => ids.length);
    const begins = await this.#feedLongPrefixes(feeds, options);
    const results: Float32Array[] = [];
    for (let first = 0; first < feeds.length; ) {
      let rows = 0;
      let last = first;
      while (last < feeds.length && (last === first || rows + ends[last] - begins[last] <= this.chunkRows)) {
        rows += ends[last] - begins[last];
        last++;
      }
      const pieces: Piece[] = [];
      for (let index = first; index < last; index++) {
        pieces.push({ feed: feeds[index], begin: begins[index], end: ends[index], wanted: "last" });
      }
      results.push(...(await this.#run(pieces, options)));
      first = last;
    }
    return results;
  }

  /** Logits after every id, `[T, V]`, of one new sequence. */
  async logits(
    ids: readonly number[],
    options: { signal?: AbortSignal; chunkRows?: number } = {},
  ): Promise<Float32Array> {
    this.expectIds(ids);
    const cache = this.newCache();
    const { vocabSize } = this.model;
    const step = Math.min(this.chunkRows, options.chunkRows ?? this.chunkRows);
    try {
      const all = new Float32Array(ids.length * vocabSize);
      for (let begin = 0; begin < ids.length; begin += step) {
        const end = Math.min(begin + step, ids.length);
        const rows = await this.#run([{ feed: { cache, ids }, begin, end, wanted: "all" }], options);
        rows.forEach((row, index) => {
          all.set(row, (begin + index) * vocabSize);
        });
      }
      return all;
    } finally {
      cache.dispose();
    }
  }

  /** Hidden states `[T, D]` by layer, the last one normalised, as `output_hidden_states` gives them. */
  async hiddenStates(ids: readonly number[]): Promise<Float32Array[]> {
    this.expectIds(ids);
    const cache = this.newCache();
    const states: Float32Array[] = [];
    const observe = (layer: number, hidden: Tensor) => {
      states[layer] = this.runtime.readNow(hidden);
    };
    try {
      await this.#run([{ feed: { cache, ids }, begin: 0, end: ids.length, wanted: "last" }], {}, observe);
      return states;
    } finally {
      cache.dispose();
    }
  }

  /**
   * Throws unless ids are in the vocabulary.
   * @throws {OptionError} `bad-ids`
   */
  expectIds(ids: readonly number[]): void {
    const { vocabSize } = this.model;
    if (ids.length === 0) throw new OptionError("bad-ids", "ids: expected at least one id, got none");
    const index = ids.findIndex((id) => !(Number.isSafeInteger(id) && id >= 0 && id < vocabSize));
    if (index < 0) return;
    throw new OptionError(
      "bad-ids",
      `ids: expected integers from 0 to ${vocabSize - 1}, got ${show(ids[index])} at ${index}`,
      {
        index,
        value: ids[index],
      },
    );
  }

  /** Feeds what does not fit into one forward, for each long sequence alone, and says where each goes on. */
  async #feedLongPrefixes(feeds: readonly Feed[], options: { signal?: AbortSignal }): Promise<number[]> {
    const begins: number[] = [];
    for (const feed of feeds) {
      let begin = 0;
      for (; feed.ids.length - begin > this.chunkRows; begin += this.chunkRows) {
        await this.#run([{ feed, begin, end: begin + this.chunkRows, wanted: "none" }], options);
      }
      begins.push(begin);
    }
    return begins;
  }

  async #run(
    pieces: readonly Piece[],
    { signal }: { signal?: AbortSignal },
    observe?: (layer: number, hidden: Tensor) => void,
  ): Promise<Float32Array[]> {
    const { model, runtime } = this;
    const entries = pieces.map(({ feed, begin, end }) => ({ cache: feed.cache, count: end - begin, reaches: 0 }));
    const rows = wantedRows(pieces);
    const prepare = () => {
      entries.forEach((entry, index) => {
        const { feed, begin } = pieces[index];
        entry.reaches = entry.cache.length + feed.ids.length - begin;
        entry.cache.prepare(entry.count);
      });
    };
    const ids = concatenate(pieces);
    const forward = () => model.forward({ runtime, ids, entries, rows, observe });
    const values = await runForward(runtime, forward, { signal, prepare });
    const width = rows.length === 0 ? 0 : values.length / rows.length;
    return Array.from(rows, (_, row) => values.subarray(row * width, row * width + model.vocabSize));
  }
}

interface Piece {
  readonly feed: Feed;
  readonly begin: number;
  readonly end: number;
  readonly wanted: "all" | "last" | "none";
}

function concatenate(pieces: readonly Piece[]): Int32Array {
  const ids = new Int32Array(pieces.reduce((sum, { begin, end }) => sum + end - begin, 0));
  let row = 0;
  for (const { feed, begin, end } of pieces) {
    for (let index = begin; index < end; index++) ids[row++] = feed.ids[index];
  }
  return ids;
}

function wantedRows(pieces: readonly Piece[]): Int32Array {
  const rows: number[] = [];
  let row = 0;
  for (const { begin, end, wanted } of pieces) {
    const count = end - begin;
    for (let index = 0; index < count; index++) {
      if (wanted === "all" || (wanted === "last" && index === count - 1)) rows.push(row + index);
    }
    row += count;
  }
  return Int32Array.from(rows);
}
