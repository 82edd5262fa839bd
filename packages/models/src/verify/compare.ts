// How a computed tensor stands beside the expected one.

/** How one expected tensor came out. */
export interface Comparison {
  readonly name: string;
  /** The worst difference relative to the largest expected value; for ids the share of those that differ; NaN: not computed. */
  readonly error: number;
  readonly tolerance: number;
  readonly holds: boolean;
  /** The worst place and both values, or why there is none. */
  readonly worst: string;
}

/** The ids, row by row of `width`; rows that ended may be filled up in another way. */
export function compareIds(
  name: string,
  actual: BigInt64Array,
  expected: BigInt64Array,
  width: number,
  { eos, fillers }: { readonly eos: number | undefined; readonly fillers: readonly unknown[] },
): Comparison {
  /** Whether a place is behind the end of both rows, and filled up in either way. */
  const isFilled = (index: number) => {
    const row = index - (index % width);
    const ended = eos !== undefined && expected.subarray(row, index).includes(BigInt(eos));
    const isFiller = (id: bigint) => fillers.includes(Number(id));
    return (
      ended &&
      actual.subarray(row, index).includes(BigInt(eos)) &&
      [actual, expected].every((ids) => isFiller(ids[index]))
    );
  };
  const wrong = Array.from(expected.keys()).filter((index) => actual[index] !== expected[index] && !isFilled(index));
  const error = wrong.length / Math.max(1, expected.length);
  const [at] = wrong;
  const worst = at === undefined ? "all ids equal" : `id ${at}: expected ${expected[at]}, got ${actual[at]}`;
  return { name, error, tolerance: 0, holds: wrong.length === 0, worst };
}

/** The numbers that count. */
export function compareNumbers(
  name: string,
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
  counted: (index: number) => boolean,
): Comparison {
  let [scale, difference, at] = [0, 0, -1];
  for (let index = 0; index < expected.length; index++) {
    if (!counted(index)) continue;
    scale = Math.max(scale, Math.abs(expected[index]));
    const distance = Math.abs(actual[index] - expected[index]);
    if (distance > difference || Number.isNaN(distance)) [difference, at] = [distance, index];
    if (Number.isNaN(distance)) break;
  }
  const error = difference === 0 ? 0 : difference / scale;
  const worst = at < 0 ? "equal" : `element ${at}: expected ${expected[at]}, got ${actual[at]}`;
  return { name, error, tolerance, holds: error <= tolerance, worst };
}
