import type { CacheLike, StepDecoder } from "../src/generation/generate.ts";

const VOCABULARY = 29;

/** Remembers the ids that it was fed, and whether it was disposed of. */
export class FakeCache implements CacheLike {
  readonly ids: number[];
  readonly #live: Set<FakeCache>;

  constructor(live: Set<FakeCache>, ids: readonly number[] = []) {
    this.ids = [...ids];
    this.#live = live.add(this);
  }

  get length(): number {
    return this.ids.length;
  }

  fork(): FakeCache {
    if (!this.#live.has(this)) throw new Error("fork of a cache that was disposed of");
    return new FakeCache(this.#live, this.ids);
  }

  dispose(): void {
    this.#live.delete(this);
  }
}

/** A decoder whose logits are a hash of the last three ids that were fed, by way of the cache. */
export class FakeDecoder implements StepDecoder {
  readonly vocabSize = VOCABULARY;
  readonly contextLength: number;
  /** Caches that nobody disposed of. */
  readonly live = new Set<FakeCache>();
  /** Sequences of each step. */
  readonly widths: number[] = [];
  /** What memory was asked for. */
  readonly checks: [positions: number, rows: number, shared: number][] = [];
  /** Called before each step. */
  onStep = (): void | Promise<void> => {};

  constructor(contextLength = 200) {
    this.contextLength = contextLength;
  }

  /** A prompt whose first `cached` ids are cached. */
  prompt(ids: readonly number[], cached = 0) {
    return { ids, cache: new FakeCache(this.live, ids.slice(0, cached)) };
  }

  expectIds(ids: readonly number[]): void {
    if (ids.length === 0 || ids.some((id) => !(id >= 0 && id < VOCABULARY))) throw new RangeError("bad ids");
  }

  checkMemory(...asked: [positions: number, rows: number, shared: number]): void {
    this.checks.push(asked);
  }

  async step(
    feeds: readonly { readonly cache: CacheLike; readonly ids: readonly number[] }[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array[]> {
    await this.onStep();
    signal?.throwIfAborted();
    this.widths.push(feeds.length);
    return feeds.map(({ cache, ids }) => {
      const fake = cache as FakeCache;
      if (ids.length === 0 || !this.live.has(fake)) throw new Error("a feed without ids, or to a dead cache");
      fake.ids.push(...ids);
      return fakeLogits(fake.ids);
    });
  }
}

/** The logits after ids: numbers in [0, 8) that float32 holds exactly. */
export function fakeLogits(ids: readonly number[]): Float32Array {
  let hash = 7;
  for (const id of ids.slice(-3)) hash = (Math.imul(hash, 31) + id + 1) >>> 0;
  return Float32Array.from({ length: VOCABULARY }, (_, id) => {
    let word = (hash + Math.imul(id, 2654435761)) >>> 0;
    for (let round = 0; round < 2; round++) word = Math.imul(word ^ (word >>> 16), 0x45d9f3b) >>> 0;
    return ((word ^ (word >>> 16)) >>> 8) / 2 ** 21;
  });
}
