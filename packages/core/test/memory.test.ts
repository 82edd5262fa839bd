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
    memory.free(block);
    memory.free(block);
    expect(memory.mark()).toBe(65_536);
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
    expect(memory.availableBytes).toBe(9 * 65_536);
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
