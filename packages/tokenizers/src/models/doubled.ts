/** A list of numbers with room for twice as many, and for some at least. */
export function doubled<Numbers extends Int32Array | Float64Array | Uint16Array>(numbers: Numbers): Numbers {
  const longer = new (numbers.constructor as new (length: number) => Numbers)(Math.max(16, 2 * numbers.length));
  longer.set(numbers);
  return longer;
}
