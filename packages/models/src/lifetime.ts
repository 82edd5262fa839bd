import { DisposedError } from "@kiloformer/core";
import type { Loaded } from "./pipeline/tasks.ts";

/** Whether a model is still there, for what runs it: others may have its memory after it. */
export interface Lifetime {
  /** From the moment that the model is disposed of; settles when its memory is given back. */
  ending?: Promise<void>;
}

/** @throws {DisposedError} `disposed` */
export function expectLive({ ending }: Lifetime): void {
  if (ending) throw new DisposedError("disposed", "model: expected a live model, got one that was disposed");
}

/** Gives a model's memory back once its turn comes; what runs it throws from now on, also where the runtime lives on. */
export function disposeModel({ runtime, ownsRuntime, drivers, release }: Loaded): Promise<void> {
  drivers.ending ??= runtime.queue.run(() => {
    if (runtime.disposed) return;
    drivers.decoder?.pool.dispose();
    release();
    if (ownsRuntime) runtime.dispose();
  });
  return drivers.ending;
}
