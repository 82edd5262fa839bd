/** A caller's signal that calls run with. */
interface Joined {
  readonly controller: AbortController;
  readonly listener: () => void;
  calls: number;
}

/**
 * The signals of a pipeline's calls: each aborts with the caller's, or as the pipeline ends, for the reason of the first. A
 * caller's signal is listened to once, as Node warns of many listeners, and only while calls run with it. `AbortSignal.any`
 * would do, but Node 20 never frees all that it makes of a signal that lives on.
 */
export class CallSignals {
  readonly #ending = new AbortController();
  readonly #joined = new Map<AbortSignal, Joined>();

  get hasEnded(): boolean {
    return this.#ending.signal.aborted;
  }

  end(reason: Error): void {
    this.#ending.abort(reason);
    for (const { controller } of this.#joined.values()) controller.abort(reason);
  }

  /** @param held what the call holds, and gives to `release` when it ends */
  join(given: AbortSignal | undefined, held: AbortSignal[]): AbortSignal {
    if (!given) return this.#ending.signal;
    const joined = this.#joined.get(given) ?? this.#listen(given);
    joined.calls++;
    held.push(given);
    return joined.controller.signal;
  }

  release(held: readonly AbortSignal[]): void {
    for (const given of held) {
      const joined = this.#joined.get(given) as Joined;
      if (--joined.calls > 0) continue;
      given.removeEventListener("abort", joined.listener);
      this.#joined.delete(given);
    }
  }

  #listen(given: AbortSignal): Joined {
    const controller = new AbortController();
    const joined = { controller, listener: () => controller.abort(given.reason), calls: 0 };
    for (const { aborted, reason } of [given, this.#ending.signal]) if (aborted) controller.abort(reason);
    given.addEventListener("abort", joined.listener);
    this.#joined.set(given, joined);
    return joined;
  }
}
