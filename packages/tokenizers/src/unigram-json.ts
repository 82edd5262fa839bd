import { mismatch } from "./errors.ts";
import { readJson } from "./json.ts";
import { normalPiece, Vocabulary } from "./models/vocabulary.ts";

const placeholder = "(vocabulary)";

/**
 * Parses a tokenizer.json, the rows `[piece, score]` of a Unigram model straight into a vocabulary; `value` then lacks
 * them.
 * @throws {TokenizerError} `code: "file"` when it is not JSON, `"vocabulary"` when a row is something else
 */
export function readUnigramJson(text: string, where: string): { value: unknown; vocabulary?: Vocabulary } {
  const key = /"vocab"\s*:\s*(?=\[\s*\[)/.exec(text);
  if (key) {
    const begin = key.index + key[0].length;
    const vocabulary = new Vocabulary(text.length);
    const end = readRows(text, begin, vocabulary);
    if (end > 0) {
      const value = readJson(`${text.slice(0, begin)}"${placeholder}"${text.slice(end)}`, where);
      if (rowsOf(value) === placeholder) return { value, vocabulary };
    }
  }
  // Something unusual: the parser decides whether it is JSON, and then the rows are read from what it found.
  const value = readJson(text, where);
  const rows = rowsOf(value);
  if (!Array.isArray(rows)) return { value };
  const vocabulary = new Vocabulary(text.length);
  if (readRows(JSON.stringify(rows), 0, vocabulary) > 0) return { value, vocabulary };
  const row = vocabulary.size;
  throw mismatch("vocabulary", `${where}: model.vocab: row ${row}`, "a text and a number", rows[row]);
}

function rowsOf(value: unknown): unknown {
  return (value as { model?: { vocab?: unknown } } | null)?.model?.vocab;
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const string = /(?:[^"\\]|\\.)*"/y;
const quote = 0x22;

/**
 * Reads rows of a text and a number from the `[` that begins them.
 * @returns the place after the `]` that ends them, or -1 when they are something else or not JSON
 */
function readRows(text: string, begin: number, vocabulary: Vocabulary): number {
  const { units } = vocabulary;
  let at = begin;
  /** Goes on if the next character but white space is this one. */
  const take = (code: number): boolean => {
    let unit = text.charCodeAt(at);
    while (unit === 32 || unit === 10 || unit === 13 || unit === 9) unit = text.charCodeAt(++at);
    if (unit === code) at++;
    return unit === code;
  };
  /** The length of a text, or -1. */
  const readPiece = (): number => {
    let length = 0;
    let unit = text.charCodeAt(at);
    for (; unit >= 32 && unit !== quote && unit !== 0x5c; unit = text.charCodeAt(++at)) units[length++] = unit;
    if (unit !== quote) {
      string.lastIndex = at - length;
      const piece: string = JSON.parse(`"${string.exec(text)?.[0]}`);
      at = string.lastIndex - 1;
      for (length = 0; length < piece.length; length++) units[length] = piece.charCodeAt(length);
    }
    at++;
    return length;
  };
  try {
    for (let separator = 0x5b; separator === 0x5b || !take(0x5d); separator = 0x2c) {
      if (!take(separator) || !take(0x5b) || !take(quote)) return -1;
      const length = readPiece();
      if (!take(0x2c) || take(0)) return -1;
      number.lastIndex = at;
      if (!number.test(text)) return -1;
      const score = readScore(text, at, number.lastIndex);
      at = number.lastIndex;
      if (!take(0x5d) || !Number.isFinite(score)) return -1;
      vocabulary.add(length, score, normalPiece);
    }
    vocabulary.index();
    return at;
  } catch {
    return -1;
  }
}

/**
 * A number as Hugging Face tokenizers reads it: all digits as one integer, divided or multiplied by a power of ten, so
 * that its last bit is not always the nearest.
 * @see serde_json src/de.rs, f64_from_parts
 */
export function readScore(text: string, begin = 0, end = text.length): number {
  const sign = text[begin] === "-" ? -1 : 1;
  let digits = 0;
  let exponent = 0;
  let isFraction = 0;
  let at = begin;
  for (; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit > 9) break; // an exponent
    if (digit >= 0) {
      digits = digits * 10 + digit;
      exponent -= isFraction;
    } else if (digit === -2) isFraction = 1;
  }
  // More digits than a sum like this keeps.
  if (digits >= 2 ** 53) digits = Number(text.slice(begin, at).replace(/[-.]/g, ""));
  exponent += Number(text.slice(at + 1, end));
  const power = powers[Math.abs(exponent)] ?? Infinity;
  return sign * (exponent < 0 ? digits / power : digits * power);
}

const powers = Float64Array.from({ length: 309 }, (_, exponent) => Number(`1e${exponent}`));
