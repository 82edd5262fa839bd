import { MemoryError } from "./errors.ts";

/** Bytes of one WebAssembly page. */
const WASM_PAGE = 65_536;
/** The most that 32-bit WebAssembly addresses here: 4 GiB less one page, so that no end address wraps to zero. */
export const ADDRESSABLE_BYTES = 2 ** 32 - WASM_PAGE;
/** Where memory that is ours begins: the kernels' constants lie below. */
export const FIRST_ADDRESS = WASM_PAGE;

/** WebAssembly pages that hold so many bytes. */
export const wasmPages = (bytes: number) => Math.ceil(bytes / WASM_PAGE);
/** The next place for something: every one is on a cache line, of 64 bytes. */
export const alignUp = (address: number) => Math.ceil(address / 64) * 64;

/** A run of memory that lives until it is freed: weights of one model, or a slab of cache pages. */
export interface Block {
  readonly address: number;
  readonly bytes: number;
}

/** Grows a memory by whole WebAssembly pages; replaced in tests to make the k-th growth fail. */
export type Grow = (memory: WebAssembly.Memory, pages: number) => void;

/**
 * The map of one linear memory: constants below 64 KiB, then long-lived blocks (weights, slabs of cache pages),
 * then the activation stack, which begins where the highest block ends and is empty between forwards.
 *
 * WebAssembly memory never shrinks; it goes back to the system when the map and its views are dropped.
 */
export class MemoryMap {
  readonly memory: WebAssembly.Memory;
  /** The highest end of the stack so far, for reports. */
  peakBytes = 0;
  /** Views of the whole memory, made anew whenever it grows: a view from before would have length 0. */
  bytes!: Uint8Array;
  floats!: Float32Array;
  ints!: Int32Array;
  readonly #blocks: Block[] = [];
  readonly #limitBytes: number;
  readonly #grow: Grow;
  /** Where the stack began when it was last empty. */
  #stackBottom = FIRST_ADDRESS;
  #stackTop = FIRST_ADDRESS;

  constructor(memory: WebAssembly.Memory, options: { limitBytes?: number; grow?: Grow } = {}) {
    this.memory = memory;
    this.#limitBytes = Math.min(options.limitBytes ?? ADDRESSABLE_BYTES, ADDRESSABLE_BYTES);
    this.#grow = options.grow ?? ((target, pages) => target.grow(pages));
    this.#view();
  }

  /** Bytes that WebAssembly holds now. */
  get heldBytes(): number {
    return this.bytes.length;
  }

  /** Where the stack begins. */
  get #stackBase(): number {
    const last = this.#blocks.at(-1);
    return last ? alignUp(last.address + last.bytes) : FIRST_ADDRESS;
  }

  /**
   * Takes a long-lived block, in the first gap that fits.
   * @throws {MemoryError} `over-limit` before anything is taken, `grow-failed` when the engine refuses
   */
  reserve(bytes: number, what: string): Block {
    if (this.#stackTop !== this.#stackBottom) {
      throw new MemoryError("stack-in-use", `${what}: expected an empty activation stack, got one in use`);
    }
    const size = alignUp(bytes);
    let address = FIRST_ADDRESS;
    let index = 0;
    for (; index < this.#blocks.length; index++) {
      const block = this.#blocks[index];
      if (address + size <= block.address) break;
      address = block.address + block.bytes;
    }
    this.#ensure(address + size, what);
    const block = { address, bytes: size };
    this.#blocks.splice(index, 0, block);
    this.#stackTop = this.#stackBottom = this.#stackBase;
    return block;
  }

  /** Gives a block back to the map, for the next `reserve` or, once it is empty, the stack. */
  free(block: Block): void {
    const index = this.#blocks.indexOf(block);
    if (index < 0) return;
    this.#blocks.splice(index, 1);
    if (this.#stackTop === this.#stackBottom) this.#stackTop = this.#stackBottom = this.#stackBase;
  }

  /** The stack's top, to return to with `release`. */
  mark(): number {
    return this.#stackTop;
  }

  /** Lowers the stack to a mark: everything above it is gone. */
  release(mark: number): void {
    this.#stackTop = mark;
  }

  /** Takes bytes from the top of the stack; they hold whatever was there before. */
  push(bytes: number): number {
    const address = this.#stackTop;
    const top = alignUp(address + bytes);
    if (top > this.bytes.length) this.#ensure(top, "activations");
    this.#stackTop = top;
    if (top > this.peakBytes) this.peakBytes = top;
    return address;
  }

  /**
   * Throws unless so many more bytes could be had; takes nothing.
   * @throws {MemoryError} `over-limit`
   */
  check(bytes: number, what: string): void {
    const need = this.#stackBase + bytes;
    if (need <= this.#limitBytes) return;
    throw new MemoryError(
      "over-limit",
      `${what}: expected at most ${this.#limitBytes - this.#stackBase} more bytes, got ${bytes}`,
      { what, needBytes: need, limitBytes: this.#limitBytes },
    );
  }

  /** Grows the memory, so that it reaches `end`. */
  #ensure(end: number, what: string): void {
    if (end > this.#limitBytes) {
      throw new MemoryError("over-limit", `${what}: expected at most ${this.#limitBytes} bytes of memory, got ${end}`, {
        what,
        needBytes: end,
        limitBytes: this.#limitBytes,
      });
    }
    const missing = end - this.bytes.length;
    if (missing <= 0) return;
    try {
      this.#grow(this.memory, wasmPages(missing));
    } catch (cause) {
      throw new MemoryError(
        "grow-failed",
        `${what}: expected ${missing} more bytes of WebAssembly memory, got none: the engine refused`,
        { what, needBytes: end, heldBytes: this.bytes.length },
        { cause },
      );
    }
    this.#view();
  }

  #view(): void {
    const { buffer } = this.memory;
    this.bytes = new Uint8Array(buffer);
    this.floats = new Float32Array(buffer);
    this.ints = new Int32Array(buffer);
  }
}
