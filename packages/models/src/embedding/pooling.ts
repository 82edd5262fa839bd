/** Ways in which the tokens of a text become one vector. */
export const poolingModes = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"] as const;
export type PoolingMode = (typeof poolingModes)[number];

/** How tokens become one vector: several ways stand one behind the other. */
export interface Pooling {
  readonly modes: readonly PoolingMode[];
  /** Whether the tokens of a prompt count. */
  readonly includesPrompt: boolean;
}

/** Divisors are at least this, so that nothing is divided by zero. */
const LEAST_DIVISOR = 1e-9;

/**
 * One vector of the hidden states of one text.
 * @param states `[T * D]`
 * @param first tokens that do not count: those of a prompt
 * @returns `[modes * D]`; where no token counts, what the library gives (zeros, and minus infinity for the maximum)
 * @see sentence-transformers 6.2, sentence_transformer/modules/pooling.py
 */
export function pool(states: Float32Array, width: number, modes: readonly PoolingMode[], first = 0): Float64Array {
  const pooled = new Float64Array(modes.length * width);
  for (const [index, mode] of modes.entries()) {
    poolInto(pooled.subarray(index * width, (index + 1) * width), states, mode, first);
  }
  return pooled;
}

/** What one way gives, in `pooled`, which is zero. */
function poolInto(pooled: Float64Array, states: Float32Array, mode: PoolingMode, first: number): void {
  const count = states.length / pooled.length;
  const row = (token: number) => states.subarray(token * pooled.length, (token + 1) * pooled.length);
  if (mode === "cls") pooled.set(row(first < count ? first : 0));
  else if (mode === "lasttoken") pooled.set(first < count ? row(count - 1) : []);
  else if (mode === "max") {
    pooled.fill(Number.NEGATIVE_INFINITY);
    for (let token = first; token < count; token++) {
      const values = row(token);
      for (let i = 0; i < values.length; i++) pooled[i] = Math.max(pooled[i], values[i]);
    }
  } else {
    let divisor = 0;
    // Places in the whole text: a prompt that does not count moves nothing.
    const weightOf = (token: number) => (mode === "weightedmean" ? token + 1 : 1);
    for (let token = first; token < count; token++) divisor += weightOf(token);
    let token = first;
    if (mode !== "weightedmean")
      for (; token + 4 <= count; token += 4) addFourRows(pooled, states, token * pooled.length);
    for (; token < count; token++) addRow(pooled, states, token * pooled.length, weightOf(token));
    divisor = Math.max(divisor, LEAST_DIVISOR);
    if (mode === "mean_sqrt_len_tokens") divisor = Math.sqrt(divisor);
    for (let i = 0; i < pooled.length; i++) pooled[i] /= divisor;
  }
}

/** Adds a row of states that begins at `begin`. */
function addRow(pooled: Float64Array, states: Float32Array, begin: number, weight: number): void {
  for (let i = 0; i < pooled.length; i++) pooled[i] += states[begin + i] * weight;
}

/** Adds four rows, one after the other, as `addRow` does: sums stay at hand meanwhile. */
function addFourRows(pooled: Float64Array, states: Float32Array, begin: number): void {
  const width = pooled.length;
  for (let i = 0, at = begin; i < width; i++, at++) {
    pooled[i] = pooled[i] + states[at] + states[at + width] + states[at + 2 * width] + states[at + 3 * width];
  }
}
