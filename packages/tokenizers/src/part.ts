/** Tokens of a block. */
export const blockLength = 16_384;
/** Numbers of a token. */
export const fields = 4;
const none: Numbers = [];
// The tokens of short texts are in a list: an engine makes one much faster.
const shortText = 128;

type Numbers = Uint32Array | number[];

/**
 * The tokens of one text, before special tokens come around them: id, where the token begins and ends in the text (in UTF-16 code
 * units), and the index of the word that it is part of. Blocks do not move, as a list of millions would when it grows.
 */
export class Part {
  length = 0;
  /** How many words there are. */
  wordCount = 0;
  readonly #texts: Map<number, string>[] = [];
  readonly #blocks: Numbers[] = [];
  #last: Numbers = none;
  readonly #first: number;

  /** @param first how many tokens to make room for at first */
  constructor(first = 0) {
    this.#first = first;
  }

  push(id: number, begin: number, end: number, word: number): void {
    const at = (this.length++ % blockLength) * fields;
    if (at === 0 || at === this.#last.length) this.#grow(at);
    const block = this.#last;
    block[at] = id;
    block[at + 1] = begin;
    block[at + 2] = end;
    block[at + 3] = word;
  }

  id(at: number): number {
    return this.#number(at, 0);
  }

  begin(at: number): number {
    return this.#number(at, 1);
  }

  end(at: number): number {
    return this.#number(at, 2);
  }

  word(at: number): number {
    return this.#number(at, 3);
  }

  /** The text of a token whose id does not tell it: an unknown piece, an added token with the space that it took. */
  text(at: number): string | undefined {
    return this.#texts[Math.floor(at / blockLength)]?.get(at);
  }

  setText(at: number, text: string): void {
    this.#texts[Math.floor(at / blockLength)] ??= new Map();
    this.#texts[Math.floor(at / blockLength)].set(at, text);
  }

  #number(at: number, field: number): number {
    return this.#blocks[Math.floor(at / blockLength)][(at % blockLength) * fields + field];
  }

  /** Makes room where the last block is full: the first one grows to its length, others have it. */
  #grow(length: number): void {
    const isFirst = length > 0 || this.#blocks.length === 0;
    const tokens = isFirst ? Math.max((4 * length) / fields, this.#first, 32) : blockLength;
    const size = Math.min(tokens, blockLength) * fields;
    const block = tokens <= shortText ? new Array<number>(size) : new Uint32Array(size);
    if (length > 0) {
      for (let at = 0; at < length; at++) block[at] = this.#last[at];
      this.#blocks.pop();
    }
    this.#blocks.push(block);
    this.#last = block;
  }
}

/** What takes tokens: a text's, or a piece's that is kept. */
export type TokenSink = Pick<Part, "length" | "wordCount" | "setText" | "push">;

/** The tokens of a piece, in one list, as they are few: four numbers each, as `push` takes them. */
export class PieceTokens implements TokenSink {
  numbers: number[] = [];
  wordCount = 0;
  /** Of those whose ids do not tell it. */
  texts?: Map<number, string>;

  get length(): number {
    return this.numbers.length / fields;
  }

  setText(at: number, text: string): void {
    this.texts ??= new Map();
    this.texts.set(at, text);
  }

  push(id: number, begin: number, end: number, word: number): void {
    this.numbers.push(id, begin, end, word);
  }
}
