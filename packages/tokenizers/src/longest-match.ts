/**
 * Texts, to be found in another text: the leftmost, and of those that begin at one place the longest.
 * @see Aho and Corasick, "Efficient string matching", Communications of the ACM 18 (1975)
 */
export class LongestMatch {
  /** Where the last match that `find` found lies. */
  begin = 0;
  end = 0;
  /** The child of a node along a code unit, by `node * 65536 + unit`; the root is 0. */
  readonly #children = new Map<number, number>();
  readonly #depths = [0];
  /** The length of the text that ends at each node, or of the longest one that its text ends with; 0 for none. */
  readonly #lengths = [0];
  /** The node of the longest end of each node's text that is a node too. */
  readonly #fallbacks = [0];
  readonly #begins = new Uint8Array(65536);

  constructor(texts: Iterable<string>) {
    const parents = [0];
    const units = [0];
    for (const text of texts) {
      let node = 0;
      for (let at = 0; at < text.length; at++) {
        const key = node * 65536 + text.charCodeAt(at);
        let child = this.#children.get(key);
        if (child === undefined) {
          child = parents.push(node) - 1;
          units.push(text.charCodeAt(at));
          this.#children.set(key, child);
          this.#depths.push(at + 1);
          this.#lengths.push(0);
        }
        node = child;
      }
      if (node > 0) this.#begins[text.charCodeAt(0)] = 1;
      this.#lengths[node] = text.length;
    }
    // Nearer to the root first, so that what a node falls back on is complete.
    const order = [...parents.keys()].sort((a, b) => this.#depths[a] - this.#depths[b]);
    for (const node of order) {
      const parent = parents[node];
      const fallback = this.#depths[node] > 1 ? this.#step(this.#fallbacks[parent], units[node]) : 0;
      this.#fallbacks[node] = fallback;
      this.#lengths[node] ||= this.#lengths[fallback];
    }
  }

  #step(from: number, unit: number): number {
    let node = from;
    for (;;) {
      const child = this.#children.get(node * 65536 + unit);
      if (child !== undefined || node === 0) return child ?? 0;
      node = this.#fallbacks[node];
    }
  }

  /**
   * Whether one begins at `from` or later; `begin` and `end` then say where. Where none has begun before `until` it stops, and `end` is
   * the place from which to go on.
   */
  find(text: string, from: number, until = text.length): boolean {
    this.begin = -1;
    for (let at = from, node = 0; at < text.length; ) {
      // Nothing that is still open began before.
      if (at >= until && this.begin < 0 && at - this.#depths[node] >= until) {
        this.end = at - this.#depths[node];
        return false;
      }
      const unit = text.charCodeAt(at++);
      if (node === 0 && !this.#begins[unit]) continue;
      node = this.#step(node, unit);
      // Nothing that is still open began before the match or with it.
      if (this.begin >= 0 && at - this.#depths[node] > this.begin) return true;
      const begin = at - this.#lengths[node];
      if (begin === at || (this.begin >= 0 && begin > this.begin)) continue;
      this.begin = begin;
      this.end = at;
    }
    if (this.begin < 0) this.end = text.length;
    return this.begin >= 0;
  }

  /** The length of the longest one at a place, or 0; `begin` and `end` are no longer those of the last search. */
  lengthAt(text: string, at: number): number {
    const isFound = this.#begins[text.charCodeAt(at)] > 0 && this.find(text, at, at + 1) && this.begin === at;
    return isFound ? this.end - at : 0;
  }
}
