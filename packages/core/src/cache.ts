import type { Backend, HeadLayout, SequenceSpan } from "./backend.ts";
import { RuntimeError } from "./errors.ts";
import type { Block, MemoryMap } from "./memory.ts";

/** Positions of one cache page, as the attention kernels have it. */
export const PAGE = 64;
/** Slabs of pages are taken about this large, so that short texts take little and long ones are not many blocks. */
const SLAB_BYTES = 2 ** 20;

/** Floats of one page of one layer: keys `[K][PAGE / 8][E][8]`, values `[K][E8 / 8][PAGE][8]`. */
export function pageFloats({ kvHeads, headWidth }: HeadLayout): number {
  return kvHeads * PAGE * (headWidth + Math.ceil(headWidth / 8) * 8);
}

/** Pages of one size, taken in slabs and kept on a free list: a page holds `PAGE` positions of all layers. */
export class PagePool {
  readonly layers: number;
  readonly layout: HeadLayout;
  readonly layerBytes: number;
  readonly pageBytes: number;
  readonly #memory: MemoryMap;
  readonly #slabs: Block[] = [];
  readonly #free: number[] = [];
  /** How many hold a page beside the first: forked caches share pages. */
  readonly #otherHolders = new Map<number, number>();
  #table = new Int32Array(64);

  constructor(memory: MemoryMap, layers: number, layout: HeadLayout) {
    this.#memory = memory;
    this.layers = layers;
    this.layout = layout;
    this.layerBytes = pageFloats(layout) * 4;
    this.pageBytes = this.layerBytes * layers;
  }

  /** Pages that nobody holds. */
  get freePages(): number {
    return this.#free.length;
  }

  /** A place to put so many addresses together: the same at each call, as engines take long to make a new one for each token. */
  table(size: number): Int32Array {
    if (this.#table.length < size) this.#table = new Int32Array(2 * size);
    return this.#table.subarray(0, size);
  }

  /** Pages needed for so many positions. */
  pagesFor(positions: number): number {
    return Math.ceil(positions / PAGE);
  }

  /**
   * Throws unless that many positions could be cached in memory; takes nothing.
   * @throws {MemoryError} `over-limit`
   */
  check(positions: number, what: string): void {
    const missing = this.pagesFor(positions) - this.#free.length;
    if (missing > 0) this.#memory.check(missing * this.pageBytes, what);
  }

  /** A page, with one holder. */
  take(): number {
    if (this.#free.length === 0) this.#grow();
    return this.#free.pop()!;
  }

  /** Takes one holder from each page; a page is free when nobody holds it. */
  give(pages: readonly number[]): void {
    for (const page of pages) {
      const others = this.#otherHolders.get(page);
      if (others) this.#otherHolders.set(page, others - 1);
      else this.#free.push(page);
    }
  }

  /** Adds one holder to each page. */
  share(pages: readonly number[]): void {
    for (const page of pages) this.#otherHolders.set(page, (this.#otherHolders.get(page) ?? 0) + 1);
  }

  /**
   * A page that its holder may write to: the page, or a copy in its place where others hold it too.
   * @throws {MemoryError} as memory runs out; nothing has changed then
   */
  own(page: number): number {
    if (!this.#otherHolders.get(page)) return page;
    const copy = this.take();
    this.#memory.bytes.copyWithin(copy, page, page + this.pageBytes);
    this.give([page]);
    return copy;
  }

  dispose(): void {
    for (const slab of this.#slabs.splice(0)) this.#memory.free(slab);
    this.#free.length = 0;
    this.#otherHolders.clear();
  }

  /** Takes a slab; a single page where a slab does not fit. */
  #grow(): void {
    let count = Math.max(1, Math.floor(SLAB_BYTES / this.pageBytes));
    let slab: Block;
    try {
      slab = this.#memory.reserve(count * this.pageBytes, "key/value cache");
    } catch {
      count = 1;
      slab = this.#memory.reserve(this.pageBytes, "key/value cache");
    }
    this.#slabs.push(slab);
    for (let index = count - 1; index >= 0; index--) this.#free.push(slab.address + index * this.pageBytes);
  }
}

/**
 * Keys and values of one sequence, for all layers. It owns its length, its capacity and its pages; `dispose` gives the
 * pages back to the pool.
 */
export class KvCache {
  /** Positions cached. */
  length = 0;
  /** Of models whose prompts are words: letters of this one, and how far rotary positions behind them are ahead of places. */
  word: { readonly letters: number; readonly shift: number } | undefined;
  readonly capacity: number;
  readonly pool: PagePool;
  readonly #pages: number[] = [];
  #disposed = false;

  /** @param capacity the most positions that it will hold (the model's context) */
  constructor(pool: PagePool, capacity: number) {
    this.pool = pool;
    this.capacity = capacity;
  }

  /**
   * A cache of the same positions that goes its own way from here, whatever becomes of this one. Pages are shared until
   * one of the two writes to them, so it takes no memory and may be called at any time.
   * @throws {RuntimeError} `cache-disposed`
   */
  fork(): KvCache {
    this.#expectLive();
    const fork = new KvCache(this.pool, this.capacity);
    fork.length = this.length;
    fork.word = this.word;
    fork.#pages.push(...this.#pages.slice(0, this.pool.pagesFor(this.length)));
    this.pool.share(fork.#pages);
    return fork;
  }

  /**
   * Makes room for so many new positions; call it before a forward, while the activation stack is empty. A page that is
   * written to next and shared is copied.
   * @throws {RuntimeError} `cache-full` beyond the capacity, `cache-disposed`; {MemoryError} as memory runs out
   */
  prepare(count: number): void {
    this.#expectLive();
    const end = this.length + count;
    if (end > this.capacity) {
      throw new RuntimeError("cache-full", `cache: expected at most ${this.capacity} positions, got ${end}`, {
        capacity: this.capacity,
        positions: end,
      });
    }
    for (let index = Math.floor(this.length / PAGE); index < this.#pages.length; index++) {
      this.#pages[index] = this.pool.own(this.#pages[index]);
    }
    while (this.#pages.length * PAGE < end) this.#pages.push(this.pool.take());
  }

  /** Addresses of the pages of one layer, in order: 32 bits each, those above 2 GB as negative numbers. */
  pageAddresses(layer: number, target: Int32Array, offset: number): void {
    const shift = layer * this.pool.layerBytes;
    for (let index = 0; index < this.#pages.length; index++) target[offset + index] = this.#pages[index] + shift;
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  /** Forgets positions from `length` on. */
  truncate(length: number): void {
    this.length = Math.min(this.length, length);
    const keep = this.pool.pagesFor(this.length);
    this.pool.give(this.#pages.splice(keep));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.pool.give(this.#pages.splice(0));
  }

  #expectLive(): void {
    if (this.#disposed) throw new RuntimeError("cache-disposed", "cache: expected a live cache, got a disposed one");
  }
}

/** The new rows of one sequence in a batch. */
export interface BatchEntry {
  readonly cache: KvCache;
  /** New positions, at least one; `cache.prepare(count)` made room for them. */
  readonly count: number;
}

/**
 * Puts the page tables of a batch where the backend reads them.
 * @returns for each layer, one span for each entry; the entries' rows lie one after another
 */
export function bindCaches(backend: Backend, entries: readonly BatchEntry[]): SequenceSpan[][] {
  const { pool } = entries[0].cache;
  const { layers } = pool;
  const perLayer = entries.reduce((sum, { cache }) => sum + cache.pageCount, 0);
  const addresses = pool.table(layers * perLayer);
  let next = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (const { cache } of entries) {
      cache.pageAddresses(layer, addresses, next);
      next += cache.pageCount;
    }
  }
  const table = backend.upload(addresses, [addresses.length]);
  let pages = table.place;
  // (`Array.from` would take several times as long, for each token.)
  return new Array(layers).fill(0).map(() => {
    let row = 0;
    return entries.map(({ cache, count }) => {
      const span = { row, count, position: cache.length, pages };
      row += count;
      pages += 4 * cache.pageCount;
      return span;
    });
  });
}
