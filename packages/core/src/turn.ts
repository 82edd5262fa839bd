declare const setImmediate: ((callback: () => void) => unknown) | undefined;

/** Gives the event loop a turn: input, timers and aborts get their chance. */
export const nextTurn: () => Promise<void> =
  typeof setImmediate === "function"
    ? () => new Promise((resolve) => setImmediate(resolve))
    : typeof MessageChannel === "function"
      ? messageTurn
      : () => new Promise((resolve) => setTimeout(resolve, 0));

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
