/**
 * A prefix tree over UTF-16 code units, built once from sorted keys: siblings lie side by side, so a step is a binary
 * search and a node costs 14 bytes.
 */
export class Trie {
  readonly #labels: Uint16Array;
  readonly #first: Int32Array;
  readonly #values: Int32Array;

  /** @param entries unique keys and the value of each, 0 or more */
  constructor(entries: Iterable<readonly [key: string, value: number]>) {
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
    const labels = [0];
    const first: number[] = [];
    const values: number[] = [];
    let level = [{ begin: 0, end: sorted.length }];
    for (let depth = 0; level.length > 0; depth++) {
      const next: typeof level = [];
      for (const node of level) {
        let at = node.begin;
        const ends = at < node.end && sorted[at][0].length === depth;
        values.push(ends ? sorted[at++][1] : -1);
        first.push(labels.length);
        while (at < node.end) {
          const label = sorted[at][0].charCodeAt(depth);
          const begin = at;
          while (at < node.end && sorted[at][0].charCodeAt(depth) === label) at++;
          labels.push(label);
          next.push({ begin, end: at });
        }
      }
      level = next;
    }
    this.#labels = Uint16Array.from(labels);
    this.#first = Int32Array.from([...first, labels.length]);
    this.#values = Int32Array.from(values);
  }

  /** The child of `node` (0 is the root) along one code unit, or 0 where there is none. */
  step(node: number, codeUnit: number): number {
    let low = this.#first[node];
    let high = this.#first[node + 1] - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const label = this.#labels[middle];
      if (label === codeUnit) return middle;
      if (label < codeUnit) low = middle + 1;
      else high = middle - 1;
    }
    return 0;
  }

  /** The value of the key that ends at `node`, or -1. */
  value(node: number): number {
    return this.#values[node];
  }

  /** The length of the longest key that `text` continues with at `from`, or 0. */
  longest(text: string, from: number): number {
    let length = 0;
    let node = 0;
    for (let at = from; at < text.length; ) {
      node = this.step(node, text.charCodeAt(at++));
      if (node === 0) break;
      if (this.value(node) >= 0) length = at - from;
    }
    return length;
  }
}
