/** What a thread is told first. */
export interface ThreadSetup {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  /** Kernels by their numbers in jobs. */
  readonly names: readonly string[];
}

/** A thread that was started. */
export interface Thread {
  /** When it can take work; rejects where it never will. */
  readonly ready: Promise<void>;
  end(): void;
}
