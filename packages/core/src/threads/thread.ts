/** What a thread is told first. */
export interface ThreadSetup {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  /** Kernels by their numbers in jobs. */
  readonly names: readonly string[];
}

/** Starts a thread, of the file at an address or of the one beside this package; undefined where there are none. */
export type StartThread = ((setup: ThreadSetup, url?: string | URL) => Thread) | undefined;

/** A thread that was started. */
export interface Thread {
  /** When it can take work; rejects where it never will. */
  readonly ready: Promise<void>;
  end(): void;
}
