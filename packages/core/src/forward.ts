import { DisposedError, RuntimeError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";
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

/**
 * Runs a forward pass to its end and gives a copy of what it returns. Passes on one runtime queue; the activation stack
 * is empty before and after, also when a pass fails.
 * @param prepare runs when it is this pass's turn, while the stack is still empty: caches grow here
 * @throws the signal's reason, between two layers at the latest; {DisposedError}; {RuntimeError} `trap`
 */
export function runForward(
  runtime: Runtime,
  forward: () => Forward<Tensor>,
  options: { signal?: AbortSignal; prepare?: () => void } = {},
): Promise<Float32Array> {
  return runtime.queue.run(() => {
    options.signal?.throwIfAborted();
    options.prepare?.();
    const mark = runtime.memory.mark();
    runtime.work += PASS_WORK;
    try {
      const pass = forward();
      const done = advance(runtime, pass, options.signal);
      if (!done) return runOn(runtime, pass, mark, options.signal);
      const values = runtime.readNow(done);
      runtime.release(mark);
      return values;
    } catch (error) {
      throw settleFailure(runtime, mark, error);
    }
  });
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

/** Runs layers until the result is there, or the event loop is due a turn. */
function advance(runtime: Runtime, pass: Forward<Tensor>, signal: AbortSignal | undefined): Tensor | undefined {
  for (;;) {
    const step = pass.next();
    if (step.done) return step.value;
    if (signal?.aborted) throw signal.reason;
    if (runtime.work - runtime.workAtTurn >= TURN_WORK) return undefined;
  }
}

/** The rest of a pass that takes several turns. */
async function runOn(
  runtime: Runtime,
  pass: Forward<Tensor>,
  mark: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  try {
    for (;;) {
      await nextTurn();
      if (runtime.disposed) {
        throw new DisposedError("disposed", "forward: expected a live runtime, got one that was disposed meanwhile");
      }
      signal?.throwIfAborted();
      runtime.workAtTurn = runtime.work;
      const done = advance(runtime, pass, signal);
      if (!done) continue;
      const values = runtime.readNow(done);
      runtime.release(mark);
      return values;
    }
  } catch (error) {
    throw settleFailure(runtime, mark, error);
  }
}
