import { doubled } from "./doubled.ts";

/** What a piece is for: ModelProto.SentencePiece.Type. The pieces of a tokenizer.json are all normal. */
export const normalPiece = 1;
export const unknownPiece = 2;
export const controlPiece = 3;
export const userDefinedPiece = 4;
export const unusedPiece = 5;
export const bytePiece = 6;

// A node is a row of half a cache line: its parent, its code unit, the next node of its hash chain, the id of the piece that ends
// there + 1, its children: 0 for none, the only one, or `many`, which hash chains find; a bit for each child, by its code unit's last
// five; and as one float64 the piece's score.
const width = 8;
const many = -1;

/**
 * Pieces by id and by text: a prefix tree over UTF-16 code units in typed arrays, which is read forth to find pieces and
 * back to spell them. 250,000 pieces take about 30 MB and no string. Node 0 is the root.
 */
export class Vocabulary {
  /** The score of each piece, and room for more. */
  scores = new Float64Array(1024);
  size = 0;
  // Three numbers for each piece: the node where it ends, how many code units it has, its type.
  #pieces = new Int32Array(3 * 1024);
  /** By node: unknown, control and byte pieces, which no text is made of. One hides a piece of the same text. */
  readonly #reserved = new Map<number, number>();
  /** The root's children, which are looked for most, by code unit. */
  readonly #first = new Int32Array(65_536);
  readonly #chains: Int32Array;
  readonly #shift: number;
  // Not the same in every process: no file can be made whose nodes all fall into one chain.
  readonly #factor = (Math.random() * 2 ** 32) | 1;
  #nodes: Int32Array;
  /** The same memory. */
  #nodeScores: Float64Array;
  #count = 1;
  /** The code units of the next piece, for `add`; what follows them is left from others. */
  readonly units: number[] = [];

  /** @param fileSize how long the file is, in bytes or characters */
  constructor(fileSize: number) {
    this.#shift = Math.min(24, Math.clz32(fileSize >> 4));
    this.#chains = new Int32Array(2 ** (32 - this.#shift));
    this.#nodes = new Int32Array(width * ((fileSize >> 3) + 64));
    this.#nodeScores = new Float64Array(this.#nodes.buffer);
  }

  /**
   * Makes a piece of the first of `units`. Of equal pieces the last one counts.
   * @returns whether it was there before
   */
  add(length: number, score: number, type: number): boolean {
    let node = 0;
    for (let at = 0; at < length; at++) node = this.child(node, this.units[at]) || this.#grow(node, this.units[at]);
    const id = this.size++;
    if (id === this.scores.length) {
      this.scores = doubled(this.scores);
      this.#pieces = doubled(this.#pieces);
    }
    this.scores[id] = score;
    this.#pieces[3 * id] = node;
    this.#pieces[3 * id + 1] = length;
    this.#pieces[3 * id + 2] = type;
    const isReserved = type === unknownPiece || type === controlPiece || type === bytePiece;
    const isRepeated = isReserved ? this.#reserved.has(node) : this.value(node) >= 0;
    if (isReserved) this.#reserved.set(node, id);
    else {
      this.#nodes[width * node + 3] = id + 1;
      this.#nodeScores[4 * node + 3] = score;
    }
    return isRepeated;
  }

  /** How many code units a piece has. */
  lengthOf(id: number): number {
    return this.#pieces[3 * id + 1];
  }

  typeOf(id: number): number {
    return this.#pieces[3 * id + 2];
  }

  /** The child of a node along one code unit, or 0 where there is none. */
  child(node: number, unit: number): number {
    if (node === 0) return this.#first[unit];
    const nodes = this.#nodes;
    // Most often there is none, and then nothing else is read: all of it lies far apart in memory.
    if (((nodes[width * node + 5] >>> (unit & 31)) & 1) === 0) return 0;
    let child = nodes[width * node + 4];
    if (child !== many) return child !== 0 && nodes[width * child + 1] === unit ? child : 0;
    child = this.#chains[this.#chainOf(node, unit)];
    while (child !== 0 && (nodes[width * child] !== node || nodes[width * child + 1] !== unit)) {
      child = nodes[width * child + 2];
    }
    return child;
  }

  /** The piece that text can be made of and that ends at a node, or -1. */
  value(node: number): number {
    return this.#nodes[width * node + 3] - 1;
  }

  setScore(id: number, score: number): void {
    this.scores[id] = score;
    const node = this.#pieces[3 * id];
    if (this.value(node) === id) this.#nodeScores[4 * node + 3] = score;
  }

  /** The score of the piece that text can be made of and that ends at a node. */
  scoreAt(node: number): number {
    return this.#nodeScores[4 * node + 3];
  }

  /** The piece that a part of a text is, or -1. */
  find(text: string, begin: number, end: number): number {
    const node = this.#walk(text, begin, end);
    return node < 0 ? -1 : this.value(node);
  }

  tokenToId(token: string): number | undefined {
    const node = this.#walk(token, 0, token.length);
    const id = this.#reserved.get(node) ?? (node < 0 ? -1 : this.value(node));
    return id < 0 ? undefined : id;
  }

  idToToken(id: number): string | undefined {
    if (!Number.isInteger(id) || id < 0 || id >= this.size) return undefined;
    let text = "";
    for (let node = this.#pieces[3 * id]; node > 0; node = this.#nodes[width * node])
      text = String.fromCharCode(this.#nodes[width * node + 1]) + text;
    return text;
  }

  /** Calls back with every two code units that are neighbours in a piece. */
  eachPair(call: (left: number, right: number) => void): void {
    const nodes = this.#nodes;
    for (let at = width; at < width * this.#count; at += width) {
      if (nodes[at] > 0) call(nodes[width * nodes[at] + 1], nodes[at + 1]);
    }
  }

  #walk(text: string, begin: number, end: number): number {
    let node = 0;
    for (let at = begin; at < end; at++) {
      node = this.child(node, text.charCodeAt(at));
      if (node === 0) return -1;
    }
    return node;
  }

  #grow(parent: number, unit: number): number {
    const child = this.#count++;
    if (width * this.#count > this.#nodes.length) {
      this.#nodes = doubled(this.#nodes);
      this.#nodeScores = new Float64Array(this.#nodes.buffer);
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
