import { doubled } from "./doubled.ts";
import type { Vocabulary } from "./vocabulary.ts";

// A node is a row of half a cache line: its parent, its code unit, the next node of its hash chain, the id of the piece that ends
// there + 1, its children, a bit for each child, by its code unit's last five, and as one float64 the piece's score.
const width = 8;
// The children are 0 for none, the only one, `many`, which hash chains find, or below that the first piece that waits, as -2 - id.
const many = -1;

/**
 * A prefix tree of the pieces that text can be made of, over UTF-16 code units. It grows where texts go: until then pieces
 * wait at the last node of theirs that is there. Node 0 is the root.
 */
export class PieceTrie {
  /** How many pieces went on since the last pause of whom it grows for. */
  moved = 0;
  readonly #vocabulary: Vocabulary;
  /** By piece, the next one that waits at the same node, or -1, and the place of its next code unit among those of all pieces. */
  readonly #waiting: Int32Array;
  /** The root's children, which are looked for most, by code unit. */
  readonly #first = new Int32Array(65_536);
  readonly #chains: Int32Array;
  readonly #shift: number;
  // Not the same in every process: no file can be made whose nodes all fall into one chain.
  readonly #factor = (Math.random() * 2 ** 32) | 1;
  #nodes = new Int32Array(width * 1024);
  /** The same memory. */
  #scores = new Float64Array(this.#nodes.buffer);
  #count = 1;

  constructor(vocabulary: Vocabulary) {
    const { size } = vocabulary;
    this.#vocabulary = vocabulary;
    this.#waiting = new Int32Array(2 * size);
    this.#shift = Math.min(24, Math.clz32(size));
    this.#chains = new Int32Array(2 ** (32 - this.#shift));
    for (let id = 0; id < size; id++) this.#add(id);
  }

  /** The child of a node along one code unit, or 0 where there is none. */
  child(node: number, unit: number): number {
    if (node === 0) return this.#first[unit];
    const nodes = this.#nodes;
    // Most often there is none, and then nothing else is read: all of it lies far apart in memory.
    if (((nodes[width * node + 5] >>> (unit & 31)) & 1) === 0) return 0;
    let child = nodes[width * node + 4];
    if (child >= 0) return child !== 0 && nodes[width * child + 1] === unit ? child : 0;
    if (child < many) {
      this.#expand(node);
      return this.child(node, unit);
    }
    child = this.#chains[this.#chainOf(node, unit)];
    while (child !== 0 && (nodes[width * child] !== node || nodes[width * child + 1] !== unit)) {
      child = nodes[width * child + 2];
    }
    return child;
  }

  /** The piece that ends at a node, or -1. */
  value(node: number): number {
    return this.#nodes[width * node + 3] - 1;
  }

  /** Its score. */
  scoreAt(node: number): number {
    return this.#scores[4 * node + 3];
  }

  /** Lets a piece wait behind its first two code units. */
  #add(id: number): void {
    const vocabulary = this.#vocabulary;
    const begin = vocabulary.beginOf(id);
    if (vocabulary.isReserved(id) || begin === vocabulary.beginOf(id + 1)) return;
    this.#waiting[2 * id + 1] = begin;
    let node = this.#step(0, id);
    if (node > 0) node = this.#step(node, id);
    if (node > 0) this.#wait(node, id);
  }

  /** All pieces that wait at a node go on to its children. */
  #expand(node: number): void {
    let id = -2 - this.#nodes[width * node + 4];
    this.#nodes[width * node + 4] = 0;
    this.#nodes[width * node + 5] = 0;
    for (; id >= 0; this.moved++) {
      const next = this.#waiting[2 * id];
      const child = this.#step(node, id);
      if (child > 0) this.#wait(child, id);
      id = next;
    }
  }

  /** Takes a piece to the next of its nodes, which is given unless it ends there. */
  #step(parent: number, id: number): number {
    const place = this.#waiting[2 * id + 1]++;
    const unit = this.#vocabulary.unitAt(place);
    const node = this.child(parent, unit) || this.#grow(parent, unit);
    if (place + 1 < this.#vocabulary.beginOf(id + 1)) return node;
    const row = width * node;
    // Of equal pieces the last one counts.
    if (id >= this.#nodes[row + 3]) {
      this.#nodes[row + 3] = id + 1;
      this.#scores[4 * node + 3] = this.#vocabulary.scores[id];
    }
    return -1;
  }

  #wait(node: number, id: number): void {
    const nodes = this.#nodes;
    const row = width * node;
    this.#waiting[2 * id] = nodes[row + 4] === 0 ? -1 : -2 - nodes[row + 4];
    nodes[row + 4] = -2 - id;
    nodes[row + 5] = -1;
  }

  #grow(parent: number, unit: number): number {
    const child = this.#count++;
    if (width * this.#count > this.#nodes.length) {
      this.#nodes = doubled(this.#nodes);
      this.#scores = new Float64Array(this.#nodes.buffer);
    }
    const nodes = this.#nodes;
    nodes[width * child] = parent;
    nodes[width * child + 1] = unit;
    if (parent === 0) {
      this.#first[unit] = child;
      return child;
    }
    const sibling = nodes[width * parent + 4];
    nodes[width * parent + 4] = sibling === 0 ? child : many;
    nodes[width * parent + 5] |= 1 << (unit & 31);
    // An only child is in no chain until it has a sibling.
    if (sibling > 0) this.#link(sibling);
    if (sibling !== 0) this.#link(child);
    return child;
  }

  #link(node: number): void {
    const nodes = this.#nodes;
    const chain = this.#chainOf(nodes[width * node], nodes[width * node + 1]);
    nodes[width * node + 2] = this.#chains[chain];
    this.#chains[chain] = node;
  }

  #chainOf(node: number, unit: number): number {
    return Math.imul(Math.imul(node, 0x2c1b3c6d) + unit, this.#factor) >>> this.#shift;
  }
}
