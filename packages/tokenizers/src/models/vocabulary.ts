import { doubled } from "./doubled.ts";

/** What a piece is for: ModelProto.SentencePiece.Type. The pieces of a tokenizer.json are all normal. */
export const normalPiece = 1;
export const unknownPiece = 2;
export const controlPiece = 3;
export const userDefinedPiece = 4;
export const unusedPiece = 5;
export const bytePiece = 6;

// A piece is a row: where its text ends, its type, and a hash of its text.
const width = 3;

/** Pieces by id and by text, in typed arrays: 250,000 take about 14 MB and no string. */
export class Vocabulary {
  size = 0;
  /** The score of each piece, and room for more. */
  scores: Float64Array;
  #rows: Int32Array;
  /** The code units of all pieces, one after another, and those of a text that is looked for. */
  #text: Uint16Array;
  /** How many code units the longest piece has. */
  longest = 0;
  /** Unknown, control and byte pieces, which no text is made of. One hides a piece of the same text. */
  readonly #reserved = new Map<string, number>();
  /** The others by their hashes, whose first bits are the place where one is, or the next free place behind it: id + 1, and above it the hash's other bits. */
  #slots = new Int32Array(0);
  #bits = 0;
  // Not the same in every process: no file can be made whose pieces all want one place.
  readonly #factor = (Math.random() * 2 ** 32) | 1;
  /** The code units of the next piece, for `add`; what follows them is left from others. */
  readonly units: number[] = [];

  /** @param fileSize how long the file is, in bytes or characters */
  constructor(fileSize: number) {
    const count = (fileSize >> 4) + 16;
    this.scores = new Float64Array(count);
    this.#rows = new Int32Array(width * count);
    this.#text = new Uint16Array(8 * count);
  }

  /** Makes a piece of the first of `units`. */
  add(length: number, score: number, type: number): void {
    if (this.size === this.scores.length) {
      this.scores = doubled(this.scores);
      this.#rows = doubled(this.#rows);
    }
    const place = this.#placeFor(length);
    for (let at = 0; at < length; at++) this.#text[place + at] = this.units[at];
    const row = width * this.size;
    this.scores[this.size++] = score;
    this.#rows[row] = place + length;
    this.#rows[row + 1] = type;
    this.#rows[row + 2] = this.#hashOf(place, length);
    if (length > this.longest) this.longest = length;
  }

  /**
   * Lets all pieces be found by their texts. Of equal ones the last one counts.
   * @returns the first of them whose text was there before, or -1
   */
  index(): number {
    let repeated = -1;
    // At most half of the places are taken.
    this.#bits = 33 - Math.clz32(this.size);
    this.#slots = new Int32Array(2 ** this.#bits);
    for (let id = 0; id < this.size; id++) if (this.#enter(id) && repeated < 0) repeated = id;
    return repeated;
  }

  /** Lets a piece be found; says whether an equal one was there before. */
  #enter(id: number): boolean {
    if (this.isReserved(id)) {
      const piece = this.idToToken(id) as string;
      const isRepeated = this.#reserved.has(piece);
      this.#reserved.set(piece, id);
      return isRepeated;
    }
    const begin = this.beginOf(id);
    const hash = this.#rows[width * id + 2];
    const slot = this.#slotOf(hash, begin, this.beginOf(id + 1) - begin);
    const isRepeated = this.#slots[slot] !== 0;
    this.#slots[slot] = (hash << this.#bits) | (id + 1);
    return isRepeated;
  }

  typeOf(id: number): number {
    return this.#rows[width * id + 1];
  }

  /** Whether no text is made of a piece. */
  isReserved(id: number): boolean {
    const type = this.typeOf(id);
    return type === unknownPiece || type === controlPiece || type === bytePiece;
  }

  /** Where a piece begins among the code units of all; it ends where the next one begins. */
  beginOf(id: number): number {
    return id === 0 ? 0 : this.#rows[width * id - width];
  }

  /** One of the code units of all pieces. */
  unitAt(place: number): number {
    return this.#text[place];
  }

  /** The piece that a part of a text is, or -1. */
  find(text: string, begin: number, end: number): number {
    const length = end - begin;
    if (length > this.longest) return -1;
    const place = this.#placeFor(length);
    for (let at = 0; at < length; at++) this.#text[place + at] = text.charCodeAt(begin + at);
    return (this.#slots[this.#slotOf(this.#hashOf(place, length), place, length)] & (this.#slots.length - 1)) - 1;
  }

  tokenToId(token: string): number | undefined {
    const id = this.#reserved.get(token) ?? this.find(token, 0, token.length);
    return id < 0 ? undefined : id;
  }

  idToToken(id: number): string | undefined {
    if (!Number.isInteger(id) || id < 0 || id >= this.size) return undefined;
    let text = "";
    for (let at = this.beginOf(id); at < this.beginOf(id + 1); at++) text += String.fromCharCode(this.#text[at]);
    return text;
  }

  /** Calls back with every two code units that are neighbours in a piece. */
  eachPair(call: (left: number, right: number) => void): void {
    for (let id = 0; id < this.size; id++) {
      const end = this.beginOf(id + 1);
      for (let at = this.beginOf(id) + 1; at < end; at++) call(this.#text[at - 1], this.#text[at]);
    }
  }

  /** Whether a code unit stands in a piece, but not first. */
  hasBehind(unit: number): boolean {
    for (let id = 0; id < this.size; id++) {
      const end = this.beginOf(id + 1);
      for (let at = this.beginOf(id) + 1; at < end; at++) if (this.#text[at] === unit) return true;
    }
    return false;
  }

  /** Where a text has its place behind all pieces. */
  #placeFor(length: number): number {
    const place = this.beginOf(this.size);
    while (place + length > this.#text.length) this.#text = doubled(this.#text);
    return place;
  }

  #hashOf(place: number, length: number): number {
    let hash = 0;
    // Without the shift, pieces could be made whose hashes are equal by every factor.
    for (let at = place; at < place + length; at++) {
      hash = Math.imul(hash ^ (hash >>> 15) ^ this.#text[at], this.#factor);
    }
    return hash;
  }

  /** Where the piece is whose code units are those at a place, or a free place for it. */
  #slotOf(hash: number, place: number, length: number): number {
    const slots = this.#slots;
    const bits = this.#bits;
    let slot = hash >>> (32 - bits);
    for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
      const isLike = (slots[slot] ^ (hash << bits)) >>> bits === 0;
      if (isLike && this.#isAt((slots[slot] & (slots.length - 1)) - 1, place, length)) break;
    }
    return slot;
  }

  /** Whether a piece has the code units that are at a place. */
  #isAt(id: number, place: number, length: number): boolean {
    const begin = this.beginOf(id);
    let at = this.beginOf(id + 1) - begin === length ? length : -1;
    while (at > 0 && this.#text[begin + at - 1] === this.#text[place + at - 1]) at--;
    return at === 0;
  }
}
