/**
 * Uniform numbers in [0, 1) from a seed: the sfc32 generator, whose state is filled by splitmix32.
 * @param stream one of many independent streams of the same seed
 * @see Doty-Humphrey, PractRand (sfc); Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014
 */
export function seededRandom(seed: number, stream = 0): () => number {
  let state = (seed ^ Math.floor(seed / 2 ** 32)) | 0;
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let word = state ^ (state >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return word ^ (word >>> 15);
  };
  let [a, b, c, counter] = [next(), next(), next() ^ Math.imul(stream, 0x9e3779b9), 1];
  const step = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) step();
  return () => step() / 2 ** 32;
}
