// What every benchmark prints alike.

/** The middle value. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** The engine, as a figure needs it beside it. */
export const engine = () => `Node ${process.versions.node}, V8 ${process.versions.v8}`;
