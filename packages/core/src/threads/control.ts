// What the threads of a pool share beside the memory: one job at a time, as a list of calls of one kernel.
// Whoever is free takes the next call; `NEXT` has the job's number above and the call's index below, so that a thread that
// comes late takes none of a job it did not see.

/** Words of the control block, as an Int32Array. */
export const NEXT = 0;
export const JOB = 1;
export const CALLS = 2;
export const DONE = 3;
/** Threads that wait for a job in their sleep. */
export const SLEEPERS = 4;
/** 1 after a kernel trapped. */
export const FAILED = 5;
export const KERNEL = 6;
/** Arguments of each call. */
export const ARGUMENTS = 7;

/** Bits of `NEXT` that hold the index. */
export const INDEX_BITS = 8;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
/** The most calls of one job, so few that threads that look for more cannot overflow the index. */
export const MOST_CALLS = 64;
/** The most arguments of a kernel. */
export const MOST_ARGUMENTS = 24;
const ARGUMENTS_AT = 64;
export const CONTROL_BYTES = ARGUMENTS_AT + MOST_CALLS * MOST_ARGUMENTS * 8;

export interface Control {
  readonly words: Int32Array;
  /** `[MOST_CALLS, MOST_ARGUMENTS]` */
  readonly values: Float64Array;
}

export function controlOf(buffer: SharedArrayBuffer): Control {
  return { words: new Int32Array(buffer, 0, 16), values: new Float64Array(buffer, ARGUMENTS_AT) };
}

export type KernelList = readonly ((...values: number[]) => unknown)[];

/** Whether there is a call to take. */
export function hasCalls({ words }: Control): boolean {
  return isOpen(words, Atomics.load(words, NEXT));
}

/** A job is published as its number, then its calls, then `NEXT`; read the other way round, no half of one is taken for a whole. */
function isOpen(words: Int32Array, next: number): boolean {
  return (next & INDEX_MASK) < Atomics.load(words, CALLS) && next >>> INDEX_BITS === Atomics.load(words, JOB);
}

/** Takes calls and makes them until none is left. */
export function work(control: Control, kernels: KernelList): void {
  const { words, values } = control;
  while (hasCalls(control)) {
    const taken = Atomics.add(words, NEXT, 1);
    if (!isOpen(words, taken)) return;
    const begin = (taken & INDEX_MASK) * MOST_ARGUMENTS;
    try {
      kernels[words[KERNEL]](...values.subarray(begin, begin + words[ARGUMENTS]));
    } catch {
      Atomics.store(words, FAILED, 1);
    }
    Atomics.add(words, DONE, 1);
  }
}
