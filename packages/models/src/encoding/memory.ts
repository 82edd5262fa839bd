import { type KvCache, OptionError } from "@kiloformer/core";

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
