import { describe, expect, test } from "vitest";
import { ADDRESSABLE_BYTES, KvCache, MemoryError, MemoryMap, PAGE, PagePool } from "../src/index.ts";
import { failing } from "./builds.ts";

const map = (options = {}) => new MemoryMap(new WebAssembly.Memory({ initial: 2 }), options);
const layout = { heads: 2, kvHeads: 2, headWidth: 4 };

describe("the memory map", () => {
  test("keeps the first 64 KiB for constants, then blocks, then the stack", () => {
    const memory = map();
    const block = memory.reserve(1000, "weights");
    expect(block.address).toBe(65_536);
    const place = memory.push(16);
    expect(place).toBeGreaterThanOrEqual(block.address + 1000);
    expect(place % 64).toBe(0);
  });

  test("fills the gap that a freed block left, and the stack falls back when the last block goes", () => {
    const memory = map();
    const first = memory.reserve(4096, "a");
    const second = memory.reserve(4096, "b");
    memory.free(first);
    expect(memory.reserve(1024, "c").address).toBe(first.address);
    expect(memory.reserve(4096, "d").address).toBe(second.address + 4096);
    expect(memory.mark()).toBe(second.address + 8192);
  });

  test("a block that was freed twice is freed once", () => {
    const memory = map();
    const block = memory.reserve(64, "a");
    const other = memory.reserve(64, "b");
    memory.free(block);
    memory.free(block);
    expect(memory.mark()).toBe(65_664);
    memory.free(other);
    expect(memory.mark()).toBe(65_536);
  });

  test("a block that is freed while the stack is in use leaves the map usable when that ends", () => {
    const memory = map();
    memory.reserve(4096, "a");
    const last = memory.reserve(4096, "b");
    const mark = memory.mark();
    memory.push(64);
    memory.free(last);
    memory.release(mark);
    expect(memory.reserve(1024, "c").address).toBe(last.address);
    expect(memory.push(64)).toBe(last.address + 1024);
  });

  test("refuses a block while the stack is in use", () => {
    const memory = map();
    memory.push(8);
    expect(() => memory.reserve(8, "weights")).toThrow(
      failing("stack-in-use", "weights: expected an empty activation stack, got one in use"),
    );
  });

  test("says before it takes anything that more is needed than may be had", () => {
    const memory = map({ limitBytes: 10 * 65_536 });
    expect(() => memory.reserve(2 ** 20, "weights")).toThrow(
      failing("over-limit", "weights: expected at most 655360 bytes of memory, got 1114112"),
    );
    expect(() => memory.check(2 ** 20, "cache")).toThrow(
      failing("over-limit", "cache: expected at most 589824 more bytes, got 1048576"),
    );
    expect(memory.heldBytes).toBe(2 * 65_536);
  });

  test("never addresses more than 4 GiB less 64 KiB", () => {
    expect(() => map({ limitBytes: 2 ** 40 }).check(ADDRESSABLE_BYTES, "weights")).toThrow(MemoryError);
  });

  test("names what could not grow when the engine refuses, and keeps the cause", () => {
    const cause = new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
    const grow = () => {
      throw cause;
    };
    const memory = map({ grow });
    const attempt = () => memory.reserve(2 ** 20, "weights");
    expect(attempt).toThrow(
      failing("grow-failed", "weights: expected 983040 more bytes of WebAssembly memory, got none: the engine refused"),
    );
    try {
      attempt();
    } catch (error) {
      expect((error as Error).cause).toBe(cause);
      expect((error as MemoryError).code).toBe("grow-failed");
    }
  });
});

describe("cache pages", () => {
  test("are taken in slabs, given back and used again", () => {
    const memory = map();
    const pool = new PagePool(memory, 3, layout);
    expect(pool.pageBytes).toBe(3 * 2 * PAGE * (4 + 8) * 4);
    const cache = new KvCache(pool, 1000);
    cache.prepare(PAGE + 1);
    expect(cache.pageCount).toBe(2);
    const held = memory.heldBytes;
    cache.length = PAGE + 1;
    cache.truncate(PAGE);
    expect(cache.pageCount).toBe(1);
    cache.dispose();
    cache.dispose();
    for (let round = 0; round < 20; round++) {
      const next = new KvCache(pool, 1000);
      next.prepare(200);
      next.dispose();
    }
    expect(memory.heldBytes).toBe(held);
    pool.dispose();
    expect(memory.mark()).toBe(65_536);
  });

  test("larger than a slab are taken one at a time", () => {
    const pool = new PagePool(map(), 200, layout);
    expect(pool.pageBytes).toBeGreaterThan(2 ** 20);
    const cache = new KvCache(pool, 1000);
    cache.prepare(PAGE + 1);
    expect(pool.freePages).toBe(0);
    const addresses = new Int32Array(2);
    cache.pageAddresses(0, addresses, 0);
    expect([...addresses]).toEqual([65_536, 65_536 + pool.pageBytes]);
  });

  test("fall back to a single page where a slab does not fit", () => {
    const pageBytes = new PagePool(map(), 1, layout).pageBytes;
    const memory = map({ limitBytes: 65_536 + 2 * pageBytes });
    const cache = new KvCache(new PagePool(memory, 1, layout), 1000);
    cache.prepare(2 * PAGE);
    expect(() => cache.prepare(3 * PAGE)).toThrow(MemoryError);
  });

  test("are checked before they are taken", () => {
    const pool = new PagePool(map({ limitBytes: 2 ** 20 }), 1, layout);
    pool.check(PAGE, "cache");
    expect(() => pool.check(1e6, "key/value cache for 1000000 positions")).toThrow(
      /^key\/value cache for 1000000 positions: expected at most \d+ more bytes, got \d+$/,
    );
  });

  test("say when a cache is full, and when it was disposed", () => {
    const cache = new KvCache(new PagePool(map(), 1, layout), 10);
    cache.length = 8;
    expect(() => cache.prepare(3)).toThrow(failing("cache-full", "cache: expected at most 10 positions, got 11"));
    cache.dispose();
    expect(() => cache.prepare(1)).toThrow(
      failing("cache-disposed", "cache: expected a live cache, got a disposed one"),
    );
  });
});

describe("forked caches", () => {
  /** Bytes of a position, at the place of its page where no other position has any: for content, not as kernels lay it. */
  const setup = (options = {}) => {
    const memory = map(options);
    const pool = new PagePool(memory, 2, layout);
    const stride = pool.layerBytes / PAGE;
    const addressOf = (cache: KvCache, position: number, layer: number) => {
      const pages = new Int32Array(cache.pageCount);
      cache.pageAddresses(layer, pages, 0);
      return pages[Math.floor(position / PAGE)] + (position % PAGE) * stride;
    };
    /** Appends as a forward does: room is made, positions are written, the length follows. */
    const append = (cache: KvCache, values: readonly number[]) => {
      cache.prepare(values.length);
      for (const [index, value] of values.entries()) {
        for (const layer of [0, 1]) {
          const begin = addressOf(cache, cache.length + index, layer);
          memory.bytes.fill(value + layer, begin, begin + stride);
        }
      }
      cache.length += values.length;
    };
    const read = (cache: KvCache) =>
      Array.from({ length: cache.length }, (_, position) => {
        const [first, second] = [0, 1].map((layer) => {
          const begin = addressOf(cache, position, layer);
          const [value] = new Set(memory.bytes.slice(begin, begin + stride));
          return value;
        });
        expect(second).toBe(first + 1);
        return first;
      });
    const used = () => pool.pagesFor(1e6) - pool.freePages;
    const taken = (action: () => void) => {
      const before = used();
      action();
      return used() - before;
    };
    const cache = new KvCache(pool, 1000);
    // All pages come from one slab, so that free pages can be counted.
    cache.prepare(1);
    cache.truncate(0);
    return { pool, memory, cache, append, read, taken };
  };
  const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, index) => (from + index) % 200);

  test("hold the same, share pages, and copy only the one that is written to", () => {
    const { cache, append, read, taken } = setup();
    const first = numbers(2 * PAGE + 10);
    append(cache, first);
    let fork = cache;
    expect(taken(() => (fork = cache.fork()))).toBe(0);
    expect(read(fork)).toEqual(first);
    expect(taken(() => append(fork, [201, 202]))).toBe(1);
    expect(taken(() => append(cache, [211]))).toBe(0);
    expect(read(cache)).toEqual([...first, 211]);
    expect(read(fork)).toEqual([...first, 201, 202]);
  });

  test("of full pages copy none", () => {
    const { cache, append, read, taken } = setup();
    append(cache, numbers(PAGE));
    const fork = cache.fork();
    expect(taken(() => append(fork, [201]))).toBe(1);
    expect(taken(() => append(cache, [211]))).toBe(1);
    expect(read(cache)).toEqual([...numbers(PAGE), 211]);
    expect(read(fork)).toEqual([...numbers(PAGE), 201]);
  });

  test("outlive the cache that they come from, and pages are free when the last one goes", () => {
    const { cache, pool, append, read } = setup();
    const free = pool.freePages;
    append(cache, numbers(PAGE + 5));
    const fork = cache.fork();
    const second = fork.fork();
    cache.dispose();
    cache.dispose();
    expect(read(fork)).toEqual(numbers(PAGE + 5));
    append(fork, [201]);
    fork.dispose();
    const other = new KvCache(pool, 1000);
    append(other, numbers(3 * PAGE, 100));
    expect(read(second)).toEqual(numbers(PAGE + 5));
    other.dispose();
    expect(pool.freePages).toBeLessThan(free);
    second.dispose();
    expect(pool.freePages).toBe(free);
  });

  test("that are cut write to a copy of the page that they still share", () => {
    const { cache, append, read, taken } = setup();
    append(cache, numbers(PAGE + 20));
    const fork = cache.fork();
    fork.truncate(10);
    expect(read(fork)).toEqual(numbers(10));
    expect(taken(() => append(fork, [201]))).toBe(1);
    expect(read(fork)).toEqual([...numbers(10), 201]);
    expect(read(cache)).toEqual(numbers(PAGE + 20));
    cache.truncate(10);
    expect(taken(() => append(cache, [211]))).toBe(0);
    expect(read(fork)).toEqual([...numbers(10), 201]);
  });

  test("leave out pages that were prepared and not written to", () => {
    const { cache, append, read, taken } = setup();
    append(cache, numbers(PAGE - 1));
    cache.prepare(2);
    const fork = cache.fork();
    expect(fork.pageCount).toBe(1);
    expect(taken(() => append(fork, [201, 202]))).toBe(2);
    expect(taken(() => append(cache, [211, 212]))).toBe(0);
    expect(read(fork)).toEqual([...numbers(PAGE - 1), 201, 202]);
    expect(read(cache)).toEqual([...numbers(PAGE - 1), 211, 212]);
  });

  test("of nothing are new caches, and of a cache that was disposed of there are none", () => {
    const { cache, append, read } = setup();
    const fork = cache.fork();
    append(fork, [1]);
    expect(read(fork)).toEqual([1]);
    expect(cache.length).toBe(0);
    cache.dispose();
    expect(() => cache.fork()).toThrow(failing("cache-disposed", "cache: expected a live cache, got a disposed one"));
  });

  test("change nothing where memory for a copy runs out", () => {
    const pageBytes = setup().pool.pageBytes;
    const { cache, append, read } = setup({ limitBytes: 65_536 + 2 * pageBytes });
    append(cache, numbers(PAGE + 5));
    const fork = cache.fork();
    expect(() => fork.prepare(1)).toThrow(MemoryError);
    expect(read(fork)).toEqual(numbers(PAGE + 5));
    cache.dispose();
    append(fork, [201]);
    expect(read(fork)).toEqual([...numbers(PAGE + 5), 201]);
  });

  test("behave as copies do, whatever is done to them", () => {
    const { cache, pool, append, read } = setup();
    const free = pool.freePages;
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const caches: { cache: KvCache; content: number[] }[] = [{ cache, content: [] }];
    for (let round = 0; round < 1000; round++) {
      const index = random(caches.length);
      const { cache, content } = caches[index];
      const action = random(10);
      if (action < 5 && content.length < 400) {
        const values = numbers(1 + random(40), random(200));
        append(cache, values);
        content.push(...values);
      } else if (action < 7 && caches.length < 8) caches.push({ cache: cache.fork(), content: [...content] });
      else if (action === 7) {
        const length = random(content.length + 1);
        cache.truncate(length);
        content.length = length;
      } else if (action === 8 && caches.length > 1) {
        cache.dispose();
        caches.splice(index, 1);
      }
      if (round % 100 === 0) for (const { cache, content } of caches) expect(read(cache)).toEqual(content);
    }
    for (const { cache } of caches) cache.dispose();
    expect(pool.freePages).toBe(free);
  });
});
