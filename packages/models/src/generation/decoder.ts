import {
  countWork,
  giveTurn,
  KvCache,
  OptionError,
  PAGE,
  PagePool,
  type Runtime,
  runForward,
  type Tensor,
} from "@kiloformer/core";
import type { DecoderModel } from "../architecture.ts";
import { show } from "../config.ts";
import type { Memory } from "../encoding/memory.ts";
import { groupsOf } from "../groups.ts";
import { expectLive, type Lifetime } from "../lifetime.ts";
import { badOption, checkIds, expectOptions, isCount } from "../options.ts";
import type { Loaded } from "../pipeline/tasks.ts";
import { DecoderCache } from "./decoder-cache.ts";
import type { GenerationSettings } from "./options.ts";

/** Multiply-adds of one layer between two chances to stop: about 20 ms' worth. */
const CHUNK_WORK = 2e8;
/** Rows of a chunk: at least the tallest tile's, at most what keeps activations small. */
const CHUNK_ROWS = { min: 12, max: 480 };

/** What choosing an id costs, in multiply-adds: by itself, and for each token of the vocabulary. */
const CHOICE_WORK = 2e5;
const TOKEN_WORK = { greedy: 40, other: 300 };

/** The most rows of one forward, for a model whose layers cost so many multiply-adds for each. */
export function chunkRows(layerWork: number): number {
  const rows = Math.floor(CHUNK_WORK / layerWork / CHUNK_ROWS.min) * CHUNK_ROWS.min;
  return Math.min(CHUNK_ROWS.max, Math.max(CHUNK_ROWS.min, rows));
}

/** New ids of one sequence. */
export interface Feed {
  readonly cache: DecoderCache;
  readonly ids: readonly number[];
}

/** Runs a decoder over cached sequences, in chunks that can be interrupted. */
export class Decoder {
  readonly model: DecoderModel;
  readonly runtime: Runtime;
  readonly pool: PagePool;
  /** The most rows of one forward. */
  readonly chunkRows: number;
  readonly #lifetime: Lifetime;

  constructor(model: DecoderModel, runtime: Runtime, lifetime: Lifetime) {
    this.#lifetime = lifetime;
    this.model = model;
    this.runtime = runtime;
    this.pool = new PagePool(runtime.memory, model.layers, model.layout);
    this.chunkRows = chunkRows(model.layerWork);
  }

  get vocabSize(): number {
    return this.model.vocabSize;
  }

  get contextLength(): number {
    return this.model.contextLength;
  }

  newCache(memory?: Memory): DecoderCache {
    expectLive(this.#lifetime);
    if (memory !== undefined) this.#expectMemory(memory);
    return new DecoderCache(new KvCache(this.pool, this.model.contextLength), memory);
  }

  /**
   * Throws unless so many rows of so many positions, the first `shared` of which they have in common, fit into memory.
   * @throws {MemoryError} `over-limit`
   */
  checkMemory(positions: number, rows: number, shared = 0): void {
    expectLive(this.#lifetime);
    const common = Math.floor(shared / PAGE);
    const pages = common + rows * (this.pool.pagesFor(positions) - common);
    this.pool.check(pages * PAGE, `key/value cache for ${rows === 1 ? "" : `${rows} times `}${positions} positions`);
  }

  /**
   * Feeds new ids to each sequence and gives the logits `[V]` after the last of them. All sequences share forwards, and
   * each gets exactly what it would get alone. A call that fails leaves the caches as they were.
   * @throws {OptionError} `bad-feeds`, `bad-ids`, `foreign-cache`, `shared-cache`, `cache-busy`, `prompt-too-long`; the signal's reason
   */
  async step(given: readonly Feed[], options: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    expectLive(this.#lifetime);
    expectOptions("step", options, ["signal"]);
    this.#expectFeeds(given);
    // Copies: the caller's lists are theirs again as soon as the call has begun.
    const own = given.map(({ cache, ids }) => ({ cache, ids: ids.slice() }));
    return this.#feed(own, (feeds) => this.#step(feeds, options));
  }

  /** What does not fit into one forward is fed first, for each long sequence alone. */
  async #step(feeds: readonly Feed[], options: { signal?: AbortSignal }): Promise<Float32Array[]> {
    const first: Piece[] = [];
    const ends: Piece[] = [];
    for (const feed of feeds) {
      const pieces = piecesOf(feed, this.chunkRows, "last");
      ends.push(pieces.pop()!);
      first.push(...pieces);
    }
    const results: Float32Array[] = [];
    for (const group of groupsOf([...first, ...ends], countOf, this.chunkRows)) {
      results.push(...(await this.#run(group, options)));
    }
    return results;
  }

  /** After an id was chosen: counts that work, and gives the event loop a turn where one is due. */
  rest({ do_sample, num_beams, logprobs, signal }: GenerationSettings): Promise<void> | undefined {
    const isGreedy = !do_sample && num_beams === 1 && logprobs === false;
    const work = CHOICE_WORK + this.vocabSize * TOKEN_WORK[isGreedy ? "greedy" : "other"];
    return countWork(this.runtime, work) ? giveTurn(this.runtime, signal) : undefined;
  }

  /**
   * Logits after every id, `[T * V]`, of a new sequence or of one that goes on.
   * @throws {OptionError} `bad-ids`, `bad-option`, `foreign-cache`, `prompt-too-long`
   */
  logits(ids: readonly number[], options: RowOptions = {}): Promise<Float32Array> {
    return this.#rows(ids, { ...options, wanted: "logits" });
  }

  /** Normalised hidden states of every id, `[T * D]`. */
  states(ids: readonly number[], options: RowOptions = {}): Promise<Float32Array> {
    return this.#rows(ids, { ...options, wanted: "states" });
  }

  /** Hidden states `[T * D]` by layer, the last one normalised, as `output_hidden_states` gives them. */
  async hiddenStates(ids: readonly number[], options: RowOptions = {}): Promise<Float32Array[]> {
    const states: Float32Array[] = [];
    const count = ids?.length;
    const observe = (layer: number, hidden: Tensor, first: number) => {
      const values = this.runtime.readNow(hidden);
      const width = values.length / hidden.shape[0];
      states[layer] ??= new Float32Array(count * width);
      states[layer].set(values.subarray(Math.max(0, -first) * width), Math.max(0, first) * width);
    };
    await this.#rows(ids, { ...options, wanted: "states", observe });
    return states;
  }

  /**
   * Throws unless ids are a list of some of the vocabulary, one at least.
   * @throws {OptionError} `bad-ids`
   */
  expectIds(ids: readonly number[]): void {
    checkIds(ids, this.model.vocabSize);
  }

  #expectFeeds(feeds: readonly Feed[]): void {
    if (!Array.isArray(feeds)) throw new OptionError("bad-feeds", `step: expected a list of feeds, got ${show(feeds)}`);
    const caches = new Set<DecoderCache>();
    for (const feed of feeds) {
      this.#expectCache(feed?.cache);
      this.expectIds(feed.ids);
      this.#expectRoom(feed);
      if (caches.has(feed.cache))
        throw new OptionError("shared-cache", "step: expected a cache for each feed, got one twice");
      caches.add(feed.cache);
    }
  }

  /** A cache has pages of the decoder that made it, and one call at a time. */
  #expectCache(cache: DecoderCache): void {
    if (!(cache instanceof DecoderCache && cache.self.pool === this.pool)) {
      throw new OptionError("foreign-cache", "cache: expected one that newCache of this decoder made, got another");
    }
    cache.expectIdle();
  }

  /** By its pool, and not by its class: pages without an encoder carry none. */
  #expectMemory(memory: Memory | null): void {
    if (memory?.cache?.pool === this.pool) return;
    throw new OptionError("bad-option", `memory: expected what this model's encoder remembers, got ${show(memory)}`);
  }

  #expectRoom({ cache, ids }: Feed): void {
    const { contextLength } = this.model;
    const total = cache.length + ids.length;
    if (total <= contextLength) return;
    const message = `ids: expected at most ${contextLength}, the model's context, got ${total}`;
    throw new OptionError("prompt-too-long", message, { contextLength, promptLength: total });
  }

  /** Runs what feeds caches; where that fails, they are as they were before. */
  async #feed<T>(given: readonly Feed[], run: (feeds: readonly Feed[]) => Promise<T>): Promise<T> {
    const before = given.map(({ cache }) => cache.length);
    const feeds = given.map((feed) => this.#whole(feed));
    for (const { cache } of given) cache.isBusy = true;
    try {
      const result = await run(feeds);
      for (const { cache } of given) cache.reached = cache.length;
      return result;
    } catch (error) {
      for (const [index, { cache }] of given.entries()) {
        const isAnew = feeds[index] !== given[index];
        cache.self.truncate(isAnew ? 0 : before[index]);
        cache.ids.length = isAnew ? 0 : before[index];
        // What is fed anew begins with the ids that were known.
        if (isAnew) for (let at = 0; at < before[index]; at++) cache.ids.push(feeds[index].ids[at]);
      }
      throw error;
    } finally {
      for (const { cache } of given) cache.isBusy = false;
    }
  }

  async #rows(given: readonly number[], options: RowOptions & RowKind): Promise<Float32Array> {
    expectLive(this.#lifetime);
    expectOptions("ids", options, ["signal", "chunkRows", "cache", "memory", "wanted", "observe"]);
    this.expectIds(given);
    const ids = given.slice();
    if (options.cache !== undefined) this.#expectCache(options.cache);
    const { memory } = options;
    if (memory !== undefined) this.#expectMemory(memory);
    if (memory && options.cache) {
      const message = "ids: expected a cache or a memory, got both: a cache has the memory that it was made with";
      throw new OptionError("conflicting-options", message, { options: ["cache", "memory"] });
    }
    const { chunkRows: most = this.chunkRows, wanted, signal, observe } = options;
    if (!(isCount(most) && most > 0)) throw badOption("ids", "chunkRows", "an integer from 1", most);
    const cache = options.cache ?? this.newCache(memory);
    const rows: Float32Array[] = [];
    let again = 0;
    try {
      this.#expectRoom({ cache, ids });
      const step = Math.min(this.chunkRows, most);
      await this.#feed([{ cache, ids }], async ([feed]) => {
        again = feed.ids.length - ids.length;
        for (const piece of piecesOf(feed, step, "all")) {
          const watch = observe && ((layer: number, hidden: Tensor) => observe(layer, hidden, piece.begin - again));
          rows.push(...(await this.#run([piece], { signal, states: wanted === "states" }, watch)));
        }
      });
    } finally {
      if (!options.cache) cache.dispose();
    }
    const kept = rows.slice(again);
    const all = new Float32Array(kept.length * kept[0].length);
    for (const [index, row] of kept.entries()) all.set(row, index * row.length);
    return all;
  }

  /**
   * The new ids of a sequence; or all of them, where its cache becomes useless as it grows, or as it grows less far than it was
   * before it was cut, or was lost to a call that failed.
   */
  #whole(feed: Feed): Feed {
    const { cache, ids } = feed;
    const { recomputesBeyond: limit = Number.POSITIVE_INFINITY } = this.model;
    const { length, reached } = cache;
    const isUseless = length > 0 && reached > limit !== length + ids.length > limit;
    if (!isUseless && cache.self.length === length) return feed;
    const all = [...cache.ids, ...ids];
    cache.self.truncate(0);
    cache.ids.length = 0;
    cache.reached = 0;
    return { cache, ids: all };
  }

  async #run(
    pieces: readonly Piece[],
    { signal, states = false }: { signal?: AbortSignal; states?: boolean },
    observe?: (layer: number, hidden: Tensor) => void,
  ): Promise<Float32Array[]> {
    const { model, runtime } = this;
    const entries = pieces.map((piece) => {
      const { cache, ids } = piece.feed;
      const reaches = cache.self.length + ids.length - piece.begin;
      return { cache: cache.self, memory: cache.memory?.cache, count: countOf(piece), reaches };
    });
    const prepare = () => {
      expectLive(this.#lifetime);
      for (const { cache, count } of entries) cache.prepare(count);
    };
    const ids = idsOf(pieces);
    const rows = wantedRows(pieces);
    const { logits } = model;
    if (!states && !logits) {
      throw new OptionError(
        "no-head",
        `${model.modelType}: expected a checkpoint with an output layer, got one without`,
      );
    }
    const forward = () => model.forward({ runtime, ids, entries, rows, observe });
    const finish = states || rows.length === 0 ? undefined : logits;
    const values = await runForward(runtime, forward, { signal, prepare, finish });
    for (const { feed, begin, end } of pieces) {
      for (let index = begin; index < end; index++) feed.cache.ids.push(feed.ids[index]);
    }
    const width = values.length / rows.length;
    const kept = states ? width : model.vocabSize;
    const results: Float32Array[] = [];
    for (let row = 0; row < rows.length; row++) results.push(values.subarray(row * width, row * width + kept));
    return results;
  }
}

/** How ids are fed. */
export interface RowOptions {
  readonly signal?: AbortSignal;
  /** The most rows of one forward; default what can be interrupted. */
  readonly chunkRows?: number;
  /** What came before; it grows by the ids. Default: nothing, and nothing is kept. */
  readonly cache?: DecoderCache;
  /** An encoder's states, for a new sequence. */
  readonly memory?: Memory;
}

interface RowKind {
  readonly wanted: "logits" | "states";
  /** @param first where its first row stands among the ids; below 0 for ids that were cached and are fed again */
  readonly observe?: (layer: number, hidden: Tensor, first: number) => void;
}

/** Some of the ids of a feed. */
interface Piece {
  readonly feed: Feed;
  readonly begin: number;
  readonly end: number;
  /** How many of its last rows are. */
  readonly wanted: number;
}

const countOf = ({ begin, end }: Piece) => end - begin;
const rowsOf = (pieces: readonly Piece[]) => pieces.reduce((sum, piece) => sum + countOf(piece), 0);

/** A feed in pieces of so many rows, all of which are wanted, or the last. */
function piecesOf(feed: Feed, rows: number, which: "all" | "last"): Piece[] {
  const { length } = feed.ids;
  const pieces: Piece[] = [];
  for (let begin = 0; begin < length; begin += rows) {
    const end = Math.min(begin + rows, length);
    pieces.push({ feed, begin, end, wanted: which === "all" ? end - begin : Number(end === length) });
  }
  return pieces;
}

/** The ids of pieces, one after another. */
function idsOf(pieces: readonly Piece[]): Int32Array {
  const ids = new Int32Array(rowsOf(pieces));
  let next = 0;
  for (const { feed, begin, end } of pieces) for (let at = begin; at < end; at++) ids[next++] = feed.ids[at];
  return ids;
}

function wantedRows(pieces: readonly Piece[]): Int32Array {
  const rows: number[] = [];
  let end = 0;
  for (const piece of pieces) {
    end += countOf(piece);
    for (let row = end - piece.wanted; row < end; row++) rows.push(row);
  }
  return new Int32Array(rows);
}

/** The decoder of a pipeline. */
export function decoderOf({ model, runtime, drivers }: Loaded): Decoder {
  expectLive(drivers);
  if (!drivers.decoder) {
    if (model.kind === "encoder") {
      throw new OptionError("no-decoder", `${model.modelType}: expected a model that generates text, got an encoder`);
    }
    drivers.decoder = new Decoder(model.kind === "decoder" ? model : model.decoder, runtime, drivers);
  }
  return drivers.decoder;
}
