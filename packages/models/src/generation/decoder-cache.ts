import { type KvCache, OptionError } from "@kiloformer/core";
import { show } from "../config.ts";
import type { Memory } from "../encoding/memory.ts";
import { isCount } from "../options.ts";

/** All that a decoder remembers of one sequence. */
export class DecoderCache {
  /** Ids whose keys and values are cached, or were before a call that failed: the next one computes them again. */
  readonly ids: number[] = [];
  /** Positions after the last call that fed it: some rotations depend on how far a sequence reaches. */
  reached = 0;
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
    fork.reached = this.reached;
    return fork;
  }

  /**
   * Forgets positions from `length` on.
   * @throws {OptionError} `bad-length`, `cache-busy`
   */
  truncate(length: number): void {
    this.expectIdle();
    if (!isCount(length)) {
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
