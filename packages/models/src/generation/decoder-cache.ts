import { type KvCache, OptionError } from "@kiloformer/core";
import { show } from "../config.ts";

/**
 * Keys and values of an encoder's states: several sequences may read them, nobody writes. They are gone with the last reader, so
 * whoever reads several times holds them meanwhile: `retain()`, and `release()` in the end.
 */
export class Memory {
  readonly cache: KvCache;
  #readers = 0;
  #released = false;

  constructor(cache: KvCache) {
    this.cache = cache;
  }

  /** @throws {OptionError} `memory-released` after the last reader's end */
  retain(): this {
    if (this.#released) {
      const expected = "what an encoder remembers, which retain() keeps for several uses";
      throw new OptionError("memory-released", `memory: expected ${expected}, got what was released`);
    }
    this.#readers++;
    return this;
  }

  release(): void {
    if (this.#released || --this.#readers > 0) return;
    this.#released = true;
    this.cache.dispose();
  }
}

/** All that a decoder remembers of one sequence. */
export class DecoderCache {
  /** Ids whose keys and values are cached, or were before a call that failed: the next one computes them again. */
  readonly ids: number[] = [];
  /** Whether a call feeds it now. */
  isBusy = false;
  readonly memory: Memory | undefined;
  readonly self: KvCache;
  #disposed = false;

  constructor(self: KvCache, memory?: Memory) {
    this.self = self;
    this.memory = memory?.retain();
  }

  /** Positions cached. */
  get length(): number {
    return this.ids.length;
  }

  /** The same positions for a sequence that goes another way from here on; pages are shared until one of them writes. */
  fork(): DecoderCache {
    const fork = new DecoderCache(this.self.fork(), this.memory);
    for (const id of this.ids) fork.ids.push(id);
    return fork;
  }

  /**
   * Forgets positions from `length` on.
   * @throws {OptionError} `bad-length`, `cache-busy`
   */
  truncate(length: number): void {
    this.expectIdle();
    if (!Number.isSafeInteger(length) || length < 0) {
      const message = `truncate: expected length to be an integer from 0, got ${show(length)}`;
      throw new OptionError("bad-length", message, { length });
    }
    this.self.truncate(length);
    this.ids.length = Math.min(this.ids.length, length);
  }

  /** @throws {OptionError} `cache-busy` */
  expectIdle(): void {
    if (!this.isBusy) return;
    throw new OptionError("cache-busy", "cache: expected one that no other call feeds, got one that is being fed");
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.self.dispose();
    this.memory?.release();
  }
}
