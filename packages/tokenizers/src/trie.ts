/**
 * A prefix tree over UTF-16 code units, built once: siblings lie side by side, so a step is a binary search and a node
 * costs 10 bytes.
 */
export class Trie {
  readonly #labels: Uint16Array;
  readonly #children: Int32Array;
  readonly #values: Int32Array;

  /** @param entries keys that are not empty, and the value of each, 0 or more */
  constructor(entries: ReadonlyMap<string, number>) {
    const keys = [...entries.keys()].sort();
    // Node by node, level by level: which keys pass through it, how deep it is, what leads to it.
    const begins = [0];
    const ends = [keys.length];
    const depths = [0];
    const labels = [0];
    const children: number[] = [];
    const values: number[] = [];
    for (let node = 0; node < labels.length; node++) {
      const depth = depths[node];
      let at = begins[node];
      const isKey = depth > 0 && keys[at].length === depth;
      values.push(isKey ? (entries.get(keys[at++]) as number) : -1);
      children.push(labels.length);
      while (at < ends[node]) {
        const label = keys[at].charCodeAt(depth);
        labels.push(label);
        begins.push(at);
        depths.push(depth + 1);
        while (at < ends[node] && keys[at].charCodeAt(depth) === label) at++;
        ends.push(at);
      }
    }
    children.push(labels.length);
    this.#labels = Uint16Array.from(labels);
    this.#children = Int32Array.from(children);
    this.#values = Int32Array.from(values);
  }

  /** The child of `node` (0 is the root) along one code unit, or 0 where there is none. */
  step(node: number, codeUnit: number): number {
    let low = this.#children[node];
    let high = this.#children[node + 1] - 1;
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
}
