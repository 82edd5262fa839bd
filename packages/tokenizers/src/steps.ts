/** All steps of some work at once: its pauses are for those who wait for it. */
export function drain<Value>(steps: Generator<unknown, Value>): Value {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

const turnMilliseconds = 16;

/** The same with a turn of the event loop after every so many milliseconds. */
export async function drainInTurns<Value>(steps: Generator<unknown, Value>): Promise<Value> {
  for (let since = performance.now(); ; ) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - since < turnMilliseconds) continue;
    await nextTurn();
    since = performance.now();
  }
}

// As they are now: what fakes time in tests would let nothing go on.
const { setImmediate, setTimeout } = globalThis as {
  setImmediate?: (callback: () => void) => unknown;
  setTimeout: (callback: () => void) => unknown;
};

// Immediates come first, as Bun lets messages pass timers by for 150 ms; two of them, as timers that are due wait for the second. Pages let timers wait
// 4 ms, and those that nobody sees a second or more, but no message. The core's turn is out of reach, as this package depends on nothing.
const nextTurn: () => Promise<unknown> = setImmediate
  ? () => immediateTurn().then(immediateTurn)
  : typeof MessageChannel === "function"
    ? messageTurn
    : () => new Promise<void>((resolve) => setTimeout(resolve));

function immediateTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate!(resolve));
}

function messageTurn(): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  port2.postMessage(0);
  return new Promise((resolve) => {
    port1.onmessage = () => resolve(port1.close());
  });
}
