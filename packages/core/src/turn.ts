// As they are now: what fakes time in tests would let nothing go on.
const { setImmediate, setTimeout } = globalThis as {
  setImmediate?: (callback: () => void) => unknown;
  setTimeout: (callback: () => void) => unknown;
};

/** Gives the event loop a turn: input, timers and aborts get their chance. */
export const nextTurn: () => Promise<void> = setImmediate
  ? () => new Promise((resolve) => setImmediate(resolve))
  : typeof MessageChannel === "function"
    ? messageTurn
    : () => new Promise((resolve) => setTimeout(resolve));

/** Pages clamp nested timers to 4 ms; messages are not clamped. */
function messageTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
