import type { ErrorFields, KiloformerError } from "./errors.ts";
import { badEscape, decodeUtf8, quote, unescapeJson } from "./json-strings.ts";
import { fixedBytes } from "./source-base.ts";

export interface ScanOptions {
  /** The file's name, for messages. */
  readonly file: string;
  /** The class of errors. */
  readonly error: typeof KiloformerError;
  /** What the value being scanned belongs to, asked for when something is wrong with it. */
  readonly where?: () => { readonly text: string; readonly fields: ErrorFields } | undefined;
  /** Where the bytes begin in the file, for positions in messages. Default 0. */
  readonly base?: number;
  /** How deep arrays and objects may lie in each other. Default 64. */
  readonly maxDepth?: number;
}

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const LETTER_E = 0x65;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Set in the flags of a string that holds a backslash; the bit 0x80 is set when it holds a byte outside ASCII. */
const ESCAPED = 0x100;
const NOT_ASCII = 0x80;
/** Up to this length, a string of characters is made faster by hand than by the decoder. */
const SHORT = 64;

const literal = /^(true|false|null)$/;

/**
 * A strict JSON scanner over UTF-8 bytes: RFC 8259, and beyond it no lone surrogates. Duplicate names are the visitor's to
 * refuse; `skip` lets them pass.
 *
 * It is pulled: the caller asks for the value it expects next, and everything else is an error that says where and what.
 * Strings are copies, so nothing keeps `bytes` alive.
 */
export class JsonScanner {
  position = 0;
  #depth = 0;
  readonly #bytes: Uint8Array;
  readonly #options: ScanOptions;
  readonly #maxDepth: number;
  /** An array for each length of a short string, made when it is first needed. */
  readonly #characters: number[][] = [];
  readonly #recent: string[] = new Array(64).fill("");

  constructor(bytes: Uint8Array, options: ScanOptions) {
    // Bytes must not change while they are checked.
    this.#bytes = fixedBytes(bytes);
    this.#options = options;
    this.#maxDepth = options.maxDepth ?? 64;
  }

  /** The next byte that is not whitespace, left where it is; -1 at the end. */
  peek(): number {
    const bytes = this.#bytes;
    while (this.position < bytes.length) {
      const byte = bytes[this.position];
      if (!isSpace(byte)) return byte;
      this.position++;
    }
    return -1;
  }

  startsObject(): boolean {
    return this.peek() === OPEN_OBJECT;
  }

  startsArray(): boolean {
    return this.peek() === OPEN_ARRAY;
  }

  /** Scans the whole text as one object, and nothing after it. */
  document(visit: (key: string) => void): void {
    if (this.#bytes[0] === 0xef && this.#bytes[1] === 0xbb && this.#bytes[2] === 0xbf) {
      this.fail("byte-order-mark", "JSON without a byte order mark", "EF BB BF");
    }
    if (this.peek() !== OPEN_OBJECT) this.wrongType("an object", "not-an-object");
    this.object(visit);
    if (this.peek() >= 0) this.fail("trailing-characters", "nothing after the object", this.describe());
  }

  /** Scans an object; `visit` scans each value. */
  object(visit: (key: string) => void): void {
    this.#open(OPEN_OBJECT, "an object");
    let more = this.peek() !== CLOSE_OBJECT;
    while (more) {
      visit(this.#key());
      more = this.#next(CLOSE_OBJECT, "object");
    }
    this.#close();
  }

  /** Scans an array; `visit` scans each element. */
  array(visit: (index: number) => void): void {
    this.#open(OPEN_ARRAY, "an array");
    let more = this.peek() !== CLOSE_ARRAY;
    for (let index = 0; more; index++) {
      visit(index);
      more = this.#next(CLOSE_ARRAY, "array");
    }
    this.#close();
  }

  /** Scans a string. */
  string(): string {
    if (this.peek() !== QUOTE) this.wrongType("a string");
    const begin = this.position + 1;
    const flags = this.#endOfString(begin);
    const end = this.position - 1;
    const isShort = flags === 0 && end - begin <= SHORT;
    return isShort ? this.#shortAscii(begin, end) : this.#decode(begin, end, flags);
  }

  /** Scans a plain decimal integer from 0 to 2^53 - 1: no sign, point, exponent or leading zero. */
  integer(): number {
    const first = this.peek();
    const begin = this.position;
    const value = isDigit(first) ? this.#digits() : -1;
    const end = this.position;
    const isPlain = value >= 0 && (first !== DIGIT_0 || end === begin + 1) && isDelimiter(this.#bytes[end]);
    if (isPlain && value <= Number.MAX_SAFE_INTEGER) return value;
    this.position = begin;
    if (first < 0) this.unexpected("an integer");
    if (!isPlain) this.fail("bad-integer", "a plain non-negative integer", this.describe());
    return this.fail("integer-too-large", "an integer below 2^53", this.describe());
  }

  /** Scans any JSON number that a double can hold. */
  number(): number {
    const bytes = this.#bytes;
    this.peek();
    const begin = this.position;
    if (bytes[begin] === MINUS) this.position++;
    let value = 0;
    if (bytes[this.position] === DIGIT_0) this.position++;
    else value = this.#digits();
    const whole = this.position;
    if (bytes[this.position] === POINT) {
      this.position++;
      this.#digits();
    }
    if ((bytes[this.position] | 0x20) === LETTER_E) {
      this.position++;
      if (bytes[this.position] === MINUS || bytes[this.position] === PLUS) this.position++;
      this.#digits();
    }
    // Most are short and whole, and need no decoder.
    const isPlain = bytes[begin] !== MINUS && this.position === whole && value <= Number.MAX_SAFE_INTEGER;
    if (!isPlain) value = Number(decodeUtf8(bytes.subarray(begin, this.position)));
    if (Number.isFinite(value)) return value;
    this.position = begin;
    return this.fail("number-too-large", "a number that a double can hold", this.describe());
  }

  /** Checks any value and keeps nothing of it. */
  skip(): void {
    if (this.startsObject()) this.object(() => this.skip());
    else if (this.startsArray()) this.array(() => this.skip());
    else this.scalar();
  }

  /** Scans a string, number, boolean or null. */
  scalar(): string | number | boolean | null {
    const byte = this.peek();
    if (byte === QUOTE) return this.string();
    if (isDigit(byte)) return this.number();
    const text = this.describe();
    if (this.#isLiteral(text)) {
      this.position += text.length;
      return JSON.parse(text);
    }
    if (/^(NaN|-?Infinity)$/.test(text)) this.fail("not-finite", "a number that JSON has", text);
    return byte === MINUS ? this.number() : this.unexpected("a value");
  }

  /** Throws the caller's error: `file: where: expected X, got Y`. */
  fail(code: string, expected: string, got: string, fields: ErrorFields = {}): never {
    const { file, error: ErrorClass, base = 0 } = this.#options;
    const about = this.#options.where?.();
    const where = about ? `${file}: ${about.text}` : file;
    const position = base + this.position;
    const all = { file, ...about?.fields, expected, actual: got, position, ...fields };
    throw new ErrorClass(code, `${where}: expected ${expected}, got ${got}`, all);
  }

  /** Fails because a field was there before. */
  duplicate(field: string): never {
    return this.fail("duplicate-field", "each field once", `${quote(field)} again`);
  }

  /** Fails because of the bytes at the position: the text ends here, is not UTF-8, or breaks the grammar. */
  unexpected(expected: string): never {
    if (this.position >= this.#bytes.length) this.fail("truncated-json", expected, "the end of the JSON text");
    // What lies before was read.
    if (this.#bytes[this.position] >= 0x80 && decodeUtf8(this.#bytes.subarray(this.position)) === undefined) {
      this.fail("invalid-utf8", "UTF-8", `other bytes ${this.#place()}`);
    }
    return this.fail("invalid-json", expected, `${this.describe()} ${this.#place()}`);
  }

  /** Fails because a well-formed value has the wrong type; broken ones fail as such. */
  wrongType(expected: string, code = "wrong-type"): never {
    const byte = this.peek();
    const starts = byte === OPEN_OBJECT || byte === OPEN_ARRAY || byte === QUOTE || byte === MINUS || isDigit(byte);
    if (!starts && !this.#isLiteral(this.describe())) this.unexpected(expected);
    return this.fail(code, expected, this.describe());
  }

  /** What lies at the position, in words or cut to 40 characters. */
  describe(): string {
    const byte = this.peek();
    if (byte < 0) return "the end of the JSON text";
    if (byte === OPEN_OBJECT) return "an object";
    if (byte === OPEN_ARRAY) return "an array";
    if (byte === QUOTE) return "a string";
    let end = this.position;
    while (!isDelimiter(this.#bytes[end]) && isPrintable(this.#bytes[end])) end++;
    if (end === this.position && isPrintable(byte)) end++;
    if (end === this.position) return `byte 0x${byte.toString(16).padStart(2, "0")}`;
    const text = String.fromCharCode(...this.#bytes.subarray(this.position, Math.min(end, this.position + 40)));
    return end - this.position > 40 ? `${text}…` : text;
  }

  #open(bracket: number, expected: string): void {
    if (this.peek() !== bracket) this.wrongType(expected);
    if (this.#depth === this.#maxDepth) {
      this.fail("too-deep", `at most ${this.#maxDepth} arrays and objects in each other`, "more");
    }
    this.#depth++;
    this.position++;
  }

  #close(): void {
    this.#depth--;
    this.position++;
  }

  #key(): string {
    if (this.peek() !== QUOTE) this.unexpected("a quoted name");
    const key = this.string();
    if (this.peek() !== COLON) this.unexpected("a colon");
    this.position++;
    return key;
  }

  /** Whether another item follows: passes over the comma, or stays before the closing bracket. */
  #next(close: number, what: string): boolean {
    const byte = this.peek();
    if (byte === close) return false;
    if (byte !== COMMA) this.unexpected(`a comma or the end of the ${what}`);
    this.position++;
    return true;
  }

  /** Whether what lies at the position, in words, is all of a literal. */
  #isLiteral(text: string): boolean {
    return literal.test(text) && isDelimiter(this.#bytes[this.position + text.length]);
  }

  /** Passes over digits, and gives the number that they are if a double can hold it. */
  #digits(): number {
    const bytes = this.#bytes;
    let value = 0;
    let end = this.position;
    if (!isDigit(bytes[end])) this.unexpected("a digit");
    while (isDigit(bytes[end])) value = value * 10 + (bytes[end++] - DIGIT_0);
    this.position = end;
    return value;
  }

  /** Moves behind the closing quote and gives the string's flags. */
  #endOfString(begin: number): number {
    const bytes = this.#bytes;
    let flags = 0;
    for (let index = begin; index < bytes.length; index++) {
      const byte = bytes[index];
      if (byte === QUOTE) {
        this.position = index + 1;
        return flags & (ESCAPED | NOT_ASCII);
      }
      if (byte < SPACE) {
        this.position = index;
        const got = `byte 0x${byte.toString(16).padStart(2, "0")} ${this.#place()}`;
        this.fail("invalid-json", "control characters escaped in a string", got);
      }
      if (byte === BACKSLASH) {
        flags |= ESCAPED;
        index++;
      }
      flags |= byte;
    }
    this.position = bytes.length;
    return this.unexpected("a closing quote");
  }

  /** A short ASCII string; field names, dtypes and shard names come again and again, and are kept once. */
  #shortAscii(begin: number, end: number): string {
    const bytes = this.#bytes;
    const length = end - begin;
    const slot = (length * 31 + bytes[begin] * 7 + bytes[end - 1]) & 63;
    const known = this.#recent[slot];
    let same = known.length === length;
    for (let index = 0; same && index < length; index++) same = known.charCodeAt(index) === bytes[begin + index];
    if (same) return known;
    this.#characters[length] ??= new Array(length).fill(0);
    const characters = this.#characters[length];
    for (let index = 0; index < length; index++) characters[index] = bytes[begin + index];
    this.#recent[slot] = String.fromCharCode.apply(null, characters);
    return this.#recent[slot];
  }

  #decode(begin: number, end: number, flags: number): string {
    const raw = decodeUtf8(this.#bytes.subarray(begin, end));
    const text = raw !== undefined && flags & ESCAPED ? unescapeJson(raw) : raw;
    if (text !== undefined) return text;
    const bad = raw === undefined ? undefined : badEscape(raw);
    this.position = begin + (bad?.begin ?? 0);
    if (!bad) this.fail("invalid-utf8", "UTF-8", `other bytes in the string ${this.#place()}`);
    if (!bad.surrogate) this.unexpected("an escape that JSON has");
    const got = `${bad.surrogate.toLowerCase()} alone ${this.#place()}`;
    return this.fail("lone-surrogate", "surrogates in pairs", got);
  }

  #place(): string {
    return `at byte ${(this.#options.base ?? 0) + this.position}`;
  }
}

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

/** Whether a number or literal may end before this byte; `undefined` is the end of the text. */
function isDelimiter(byte: number | undefined): boolean {
  if (byte === undefined || byte === COMMA || byte === COLON) return true;
  return byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || isSpace(byte);
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB;
}

function isPrintable(byte: number): boolean {
  return byte > SPACE && byte < 0x7f;
}
