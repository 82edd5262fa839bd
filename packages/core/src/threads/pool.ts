import { startThread } from "#threads";
import { RuntimeError, reasonOf } from "../errors.ts";
import {
  ARGUMENTS,
  CALLS,
  CONTROL_BYTES,
  type Control,
  controlOf,
  DONE,
  FAILED,
  INDEX_BITS,
  JOB,
  KERNEL,
  type KernelList,
  MOST_ARGUMENTS,
  MOST_CALLS,
  NEXT,
  SLEEPERS,
  work,
} from "./control.ts";
import type { Thread } from "./thread.ts";

/** Whether this place can share memory between threads: Node, and pages that are cross-origin isolated. */
export function supportsThreads(): boolean {
  const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
  return startThread !== undefined && typeof SharedArrayBuffer === "function" && crossOriginIsolated !== false;
}

/** A file that is no thread's never says that it is ready. */
const START_MS = 20_000;

/** Waits until all threads are ready. */
async function allReady(threads: readonly Thread[]): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${START_MS / 1000} seconds`)), START_MS);
  });
  const ready = Promise.all(threads.map((thread) => thread.ready));
  await Promise.race([ready, late]).finally(() => clearTimeout(timer));
}

/** Takes the operands of a kernel: the kernel itself, or who notes them down for a thread. */
export type Run = (...operands: number[]) => unknown;
/** A piece of an operation: units `begin` to `begin + count`. */
export type Call = (run: Run, begin: number, count: number) => void;

/** Threads over one memory that make calls of kernels together with the thread that asks. */
export class ThreadPool {
  /** Threads that compute, the caller's among them. */
  readonly size: number;
  readonly #threads: readonly Thread[];
  readonly #control: Control;
  readonly #numbers: ReadonlyMap<Run, number>;
  readonly #names: readonly string[];
  readonly #kernels: KernelList;
  #job = 0;

  private constructor(threads: readonly Thread[], control: Control, names: readonly string[], kernels: KernelList) {
    this.size = threads.length + 1;
    this.#threads = threads;
    this.#control = control;
    this.#numbers = new Map(kernels.map((kernel, number) => [kernel, number]));
    this.#names = names;
    this.#kernels = kernels;
  }

  /**
   * Starts `size - 1` threads and waits until all are ready.
   * @throws {RuntimeError} `no-threads` when one cannot start
   */
  static async start(
    size: number,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    exports: WebAssembly.Exports,
    url: string | URL | undefined,
  ): Promise<ThreadPool> {
    const names = Object.keys(exports).filter((name) => typeof exports[name] === "function");
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const setup = { module, memory, control, names };
    const threads: Thread[] = [];
    try {
      while (threads.length < size - 1) threads.push(startThread!(setup, url));
      await allReady(threads);
    } catch (cause) {
      for (const thread of threads) {
        thread.ready.catch(() => {});
        thread.end();
      }
      const got = reasonOf(cause);
      const message = `threads: expected threads to start, got: ${got}; the option threadsFile says where their file is`;
      throw new RuntimeError("no-threads", message, {}, { cause });
    }
    const kernels = names.map((name) => exports[name]) as unknown as KernelList;
    return new ThreadPool(threads, controlOf(control), names, kernels);
  }

  /**
   * Makes `call` for units 0 to `count` in pieces that begin at multiples of `step`, and has threads share what it hands to `run`.
   * @param worth the work of the whole, in units that are worth another thread
   */
  share(kernel: Run, count: number, step: number, worth: number, call: Call): void {
    const most = Math.min(Math.ceil(count / step), 4 * this.size, MOST_CALLS);
    // Small work in as few pieces as threads; more pieces of large work even out what else the machine does.
    const pieces = Math.min(most, Math.max(this.size, Math.floor(worth / 64)));
    if (pieces < 2) {
      call(kernel, 0, count);
      return;
    }
    const size = Math.ceil(count / pieces / step) * step;
    const calls: (readonly number[])[] = [];
    const note: Run = (...operands) => calls.push(operands);
    for (let begin = 0; begin < count; begin += size) call(note, begin, Math.min(size, count - begin));
    this.#run(this.#numbers.get(kernel)!, calls);
  }

  /**
   * Makes calls of one kernel, at most 64, in any order and on any thread; all are made when this returns. The calling thread
   * works too, and waits awake for the last: pages may not sleep.
   * @throws {WebAssembly.RuntimeError} after a trap
   */
  #run(kernel: number, calls: readonly (readonly number[])[]): void {
    const { words, values } = this.#control;
    for (const [index, call] of calls.entries()) values.set(call, index * MOST_ARGUMENTS);
    this.#job = (this.#job % 0x7fffff) + 1;
    words[KERNEL] = kernel;
    words[ARGUMENTS] = calls[0].length;
    Atomics.store(words, DONE, 0);
    Atomics.store(words, JOB, this.#job);
    Atomics.store(words, CALLS, calls.length);
    Atomics.store(words, NEXT, this.#job << INDEX_BITS);
    if (Atomics.load(words, SLEEPERS) > 0) Atomics.notify(words, NEXT, calls.length - 1);
    work(this.#control, this.#kernels);
    while (Atomics.load(words, DONE) < calls.length);
    if (words[FAILED]) throw new WebAssembly.RuntimeError(`${this.#names[kernel]} on another thread`);
  }

  /** Ends the threads. */
  end(): void {
    for (const thread of this.#threads) thread.end();
  }
}
