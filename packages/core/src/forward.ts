import { DisposedError, RuntimeError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import { Tensor } from "./tensor.ts";
import { nextTurn } from "./turn.ts";

/** A forward pass that yields after each layer, so that a long one can be interrupted. */
export type Forward<R> = Generator<unknown, R, void>;

/**
 * Multiply-adds between two turns of the event loop: about 20 ms' worth at 10 billion a second. Work is counted, not
 * time: a Worker's clock stands still while it computes.
 */
const TURN_WORK = 2e8;
/** What a pass costs beside its multiply-adds: small models are mostly that, and must give turns too. */
const PASS_WORK = 1e6;

/** Options of `runForward`. */
export interface ForwardOptions<T extends Tensor = Tensor> {
  readonly signal?: AbortSignal;
  /** Runs when it is this pass's turn, while the stack is still empty: caches grow here. */
  readonly prepare?: () => void;
  /** What to give of the pass's result: at once, or in steps as the pass itself. */
  readonly finish?: ((result: T) => Tensor | Forward<Tensor>) | undefined;
}

/**
 * Runs a forward pass to its end and gives a copy of what it returns. Passes on one runtime queue; the activation stack
 * is empty before and after, also when a pass fails.
 * @throws the signal's reason, between two layers at the latest; {DisposedError}; {RuntimeError} `trap`
 */
export function runForward<T extends Tensor>(
  runtime: Runtime,
  forward: () => Forward<T>,
  options: ForwardOptions<T> = {},
): Promise<Float32Array> {
  return runtime.queue.run(() => {
    options.signal?.throwIfAborted();
    options.prepare?.();
    const mark = runtime.memory.mark();
    runtime.work += PASS_WORK;
    try {
      const steps = new Steps(forward(), options.finish);
      const done = steps.advance(runtime, options.signal);
      return done ? read(runtime, done, mark) : runOn(runtime, steps, mark, options.signal);
    } catch (error) {
      throw settleFailure(runtime, mark, error);
    }
  });
}

function read(runtime: Runtime, result: Tensor, mark: number): Float32Array {
  const values = runtime.readNow(result);
  runtime.release(mark);
  return values;
}

/** Counts work that is done beside passes, in multiply-adds, and says whether the event loop is due a turn. */
export function countWork(runtime: Runtime, work: number): boolean {
  runtime.work += work;
  return runtime.work - runtime.workAtTurn >= TURN_WORK;
}

/**
 * Gives the event loop a turn.
 * @throws the signal's reason; {DisposedError}
 */
export async function giveTurn(runtime: Runtime, signal?: AbortSignal): Promise<void> {
  await nextTurn();
  if (runtime.disposed) {
    throw new DisposedError("disposed", "forward: expected a live runtime, got one that was disposed meanwhile");
  }
  signal?.throwIfAborted();
  runtime.workAtTurn = runtime.work;
}

/** Leaves the runtime usable after a pass failed; after a trap, whose memory is half-written, it is dropped. */
function settleFailure(runtime: Runtime, mark: number, error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) {
    runtime.dispose();
    return new RuntimeError("trap", `kernels: expected to finish, got a trap: ${error.message}`, {}, { cause: error });
  }
  if (!runtime.disposed) runtime.release(mark);
  return error;
}

/** The steps of a pass, and after them those of what is made of its result: one generator within the other is slower. */
class Steps<T extends Tensor> {
  #pass: Forward<Tensor>;
  #finish: ForwardOptions<T>["finish"];

  constructor(pass: Forward<T>, finish: ForwardOptions<T>["finish"]) {
    this.#pass = pass;
    this.#finish = finish;
  }

  /** Goes on until the result is there, or the event loop is due a turn. */
  advance(runtime: Runtime, signal: AbortSignal | undefined): Tensor | undefined {
    for (;;) {
      const step = this.#pass.next();
      if (step.done) {
        const finish = this.#finish;
        const made = finish ? finish(step.value as T) : step.value;
        if (made instanceof Tensor) return made;
        this.#pass = made;
        this.#finish = undefined;
      } else {
        if (signal?.aborted) throw signal.reason;
        if (countWork(runtime, 0)) return undefined;
      }
    }
  }
}

/** The rest of a pass that takes several turns. */
async function runOn<T extends Tensor>(
  runtime: Runtime,
  steps: Steps<T>,
  mark: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  try {
    for (;;) {
      await giveTurn(runtime, signal);
      const done = steps.advance(runtime, signal);
      if (done) return read(runtime, done, mark);
    }
  } catch (error) {
    throw settleFailure(runtime, mark, error);
  }
}
