/**
 * A text on its way through a tokenizer, and where each of its UTF-16 code units comes from in the text that the user
 * gave. Without arrays, unit `i` comes from unit `at + i`; with them, from `begins[at + i]` to `ends[at + i]` (exclusive).
 */
export interface Aligned {
  readonly text: string;
  readonly at: number;
  readonly begins?: Int32Array;
  readonly ends?: Int32Array;
}

/** A part of a text, from unit `begin` to unit `end`. */
export function slice({ text, at, begins, ends }: Aligned, begin: number, end: number): Aligned {
  return { text: text.slice(begin, end), at: at + begin, begins, ends };
}

/** Where unit `unit` begins in the user's text. */
export function beginOf({ at, begins }: Aligned, unit: number): number {
  return begins ? begins[at + unit] : at + unit;
}

/** Where unit `unit` ends in the user's text, exclusive. */
export function endOf({ at, ends }: Aligned, unit: number): number {
  return ends ? ends[at + unit] : at + unit + 1;
}

/** A part of a text that does not keep all of it in memory, as engines do: what is joined is a text of its own. */
export function copyOf(part: string): string {
  return ` ${part}`.slice(1);
}

/** How many code units the character at a place has: 2 for a surrogate pair. */
export function charLength(text: string, at: number): number {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00 ? 2 : 1;
}

/** How many code units the character before a place has; 0 at the beginning. */
export function lastCharLength(text: string, at: number): number {
  return at > 1 && charLength(text, at - 2) === 2 ? 2 : Math.min(at, 1);
}

// So many numbers are copied faster all at once.
const manyUnits = 128;
// Engines keep what was joined as it was put together until it is read: a long text is joined in parts of about this length.
const partLength = 32_768;

// Short texts share arrays: to make some takes an engine longer than to fill them.
const shortText = 512;
const sharedLength = 8192;

/** Arrays for where units begin and end, and how much of them is taken. */
interface Places {
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  used: number;
}

function placesFor(units: number): Places {
  return { begins: new Int32Array(units), ends: new Int32Array(units), used: 0 };
}

let shared = /* @__PURE__ */ placesFor(0);

/** Builds a changed text from left to right, and where each of its units comes from. */
export class Rewriter {
  readonly #input: Aligned;
  readonly #change: (part: string) => string;
  readonly #parts: string[] = [];
  #text = "";
  #length = 0;
  #begins: Int32Array;
  #ends: Int32Array;
  /** Where the text's numbers begin in the arrays, and where those of another text may. */
  #at: number;
  #limit: number;

  /**
   * @param growth how often the new text is as long as the old one, about
   * @param change what becomes of each part of the new text, unit by unit
   */
  constructor(input: Aligned, growth = 1, change = (part: string) => part) {
    this.#input = input;
    this.#change = change;
    const capacity = growth * input.text.length + 4;
    const isShort = capacity <= shortText;
    if (isShort && shared.used + capacity > shared.begins.length) shared = placesFor(sharedLength);
    const places = isShort ? shared : placesFor(capacity);
    this.#begins = places.begins;
    this.#ends = places.ends;
    this.#at = places.used;
    places.used += capacity;
    this.#limit = places.used;
  }

  /** Appends units `from` to `to` of the input as they are. */
  keep(from: number, to: number): void {
    if (from < to) this.append(this.#input.text.slice(from, to), from, from, 1);
  }

  /** Appends a text that stands for units `from` to `to` of the input. */
  add(text: string, from: number, to: number): void {
    this.append(text, from, to - 1, 0);
  }

  /** Appends a text; its unit `i` covers the input's units `first + i * step` to `last + i * step`. */
  append(text: string, first: number, last: number, step: number): void {
    if (this.#at + this.#length + text.length > this.#limit) this.#grow(this.#length + text.length);
    const length = this.#at + this.#length;
    this.#length += text.length;
    this.#text += text;
    if (this.#text.length > partLength) this.#endPart();
    const { at, begins, ends } = this.#input;
    const [newBegins, newEnds] = [this.#begins, this.#ends];
    if (begins && ends && step === 1 && text.length > manyUnits) {
      newBegins.set(begins.subarray(at + first, at + first + text.length), length);
      newEnds.set(ends.subarray(at + last, at + last + text.length), length);
      return;
    }
    for (let unit = 0; unit < text.length; unit++) {
      const offset = at + unit * step;
      newBegins[length + unit] = begins ? begins[offset + first] : offset + first;
      newEnds[length + unit] = ends ? ends[offset + last] : offset + last + 1;
    }
  }

  #endPart(): void {
    const part = this.#change(this.#text);
    part.charCodeAt(0);
    this.#parts.push(part);
    this.#text = "";
  }

  /** Moves to arrays of its own, twice as long as is needed. */
  #grow(length: number): void {
    const { begins, ends } = placesFor(length * 2);
    begins.set(this.#begins.subarray(this.#at, this.#at + this.#length));
    ends.set(this.#ends.subarray(this.#at, this.#at + this.#length));
    this.#begins = begins;
    this.#ends = ends;
    this.#at = 0;
    this.#limit = length * 2;
  }

  finish(): Aligned {
    this.#endPart();
    return { text: this.#parts.join(""), at: this.#at, begins: this.#begins, ends: this.#ends };
  }
}
