import { type Aligned, beginOf, charLength, endOf, lastCharLength } from "./aligned.ts";
import { mismatch } from "./errors.ts";
import type { Rule } from "./models/pieces.ts";
import { CharacterSet } from "./regex/character-set.ts";
import { drain } from "./steps.ts";
import { utf8, utf8Bytes, utf8Length } from "./utf8.ts";

/** What stands at a place of the text after normalization, and how many UTF-16 code units it replaces. */
export interface Replacement {
  readonly text: string;
  readonly length: number;
}

let segmenter: Intl.Segmenter | undefined;
// A pause comes after so many characters.
const pauseLength = 512;
// What was joined is put together in parts of about this length.
const partLength = 32_768;
const longCluster = 512;
// No grapheme cluster ends before one of these.
const extenders = /* @__PURE__ */ new CharacterSet("\\p{Grapheme_Extend}");
// What is known of a code unit: that nothing replaced begins with it, and that it is a grapheme cluster of its own
// wherever its neighbours are such too.
const isKnown = 1;
const isKept = 2;
const isSimple = 4;
const isQuiet = 8;
// Not: what extends the character before it or the one after it without being a mark, and conjoining jamo.
const simple =
  /^(?![\r\u0d4e\u0e33\u0eb3\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\uff9e\uff9f])[\p{Cc}\p{L}\p{N}\p{P}\p{S}\p{Z}]/u;

/**
 * A precompiled charsmap: a Darts double array over UTF-8, and the texts that it points to.
 * @see sentencepiece src/normalizer.cc, Normalizer::NormalizePrefix
 */
export class Charsmap {
  readonly #bytes: Uint8Array;
  readonly #units: Uint32Array;
  readonly #texts = new Map<number, string>();
  readonly #kinds = new Uint8Array(65536);
  #isLeaf = false;

  /**
   * @param bytes u32 size of the array in bytes, the array, NUL-terminated texts
   * @throws {TokenizerError} `code: "file"` when the sizes do not fit
   */
  constructor(bytes: Uint8Array, where: string) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length < 4 ? 0 : view.getUint32(0, true);
    if (size === 0 || size % 4 !== 0 || size > bytes.length - 4) {
      throw mismatch("file", `${where}: precompiled_charsmap`, `4-byte units within ${bytes.length} bytes`, size);
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, index) => view.getUint32(4 + index * 4, true));
    this.#bytes = bytes.slice(4 + size);
  }

  /** What the text becomes at a place, by the longest of the matches, or by the shortest. */
  at(text: string, begin: number, end = text.length, isLongest = true): Replacement | undefined {
    let found: Replacement | undefined;
    const unit = text.charCodeAt(begin);
    if (this.#is(isKept, unit)) return found;
    if (this.#is(isQuiet, unit) && !(text.charCodeAt(begin + 1) >= 0x80)) return found;
    let node = this.#children(0);
    for (let at = begin; at < end && (isLongest || !found); ) {
      const codePoint = text.codePointAt(at) as number;
      node = this.#step(node, codePoint);
      if (node < 0) break;
      at += codePoint > 0xffff ? 2 : 1;
      if (this.#isLeaf) found = { text: this.#textAt(this.#units[node] & 0x7fffffff), length: at - begin };
    }
    return found;
  }

  /**
   * The normalized text. By sentencepiece's rule the longest match is replaced at each place; by Hugging Face's, a
   * whole grapheme cluster of less than 6 bytes by what the shortest match at its beginning says, or else each of its
   * characters alone. Offsets are Hugging Face's.
   * @see tokenizers src/normalizers/precompiled.rs
   */
  normalize(input: Aligned, rule: Rule): Aligned {
    return drain(this.normalizeSteps(input, rule));
  }

  /** The same with a pause now and then. */
  *normalizeSteps(input: Aligned, rule: Rule): Generator<undefined, Aligned> {
    const { text } = input;
    const isGoogle = rule === "sentencepiece";
    const out = new Replacer(input);
    /** Puts what a part of the text becomes in its place, if it becomes something. */
    const replace = (from: number, to: number): boolean => {
      const replacement = this.at(text, from, to, false);
      if (replacement) out.replace(from, to, replacement.text);
      return replacement !== undefined;
    };
    // A place where a cluster is known to begin.
    let begin = 0;
    for (let at = 0, step = 1; at < text.length; step++) {
      if (step % pauseLength === 0) yield;
      const found = this.at(text, at, text.length, isGoogle);
      if (!found) at++;
      else if (!isGoogle && isJoiner(text, at)) {
        // The cluster has six bytes and more.
        replace(at, at + 1);
        at++;
      } else if (isGoogle) {
        out.replace(at, at + found.length, found.text);
        at += found.length;
      } else {
        // Clusters matter only where something may be replaced: this one is looked for from the last sure begin of one.
        const known = begin;
        for (
          begin = at;
          begin > known &&
          !(this.#is(isSimple, text.charCodeAt(begin - 1)) && this.#is(isSimple, text.charCodeAt(begin)));
        )
          begin--;
        let end = this.#clusterEnd(text, begin);
        for (; end <= at; end = this.#clusterEnd(text, end)) begin = end;
        let size = 0;
        for (const character of text.slice(begin, Math.min(end, begin + 6)))
          size += utf8Length(character.codePointAt(0) as number);
        const isWhole = size < 6 && replace(begin, end);
        // Nothing begins with what comes before in the cluster, or it has been replaced.
        while (!isWhole && at < end) {
          if (++step % pauseLength === 0) yield;
          const from = at;
          at += charLength(text, at);
          replace(from, at);
        }
        begin = end;
        at = end;
      }
    }
    return yield* out.finish();
  }

  /** Where the grapheme cluster ends that begins at a place. */
  #clusterEnd(text: string, begin: number): number {
    const { length } = text;
    const plain = this.#plainEnd(text, begin);
    if (plain > 0) return plain;
    segmenter ??= new Intl.Segmenter("en");
    // What the segmenter sees instead of the text from `begin` to `at`.
    let seen = "";
    let at = begin;
    for (let room = 32; ; room *= 2) {
      let end = Math.min(at + room, length);
      end += charLength(text, end - 1) - 1;
      const part = seen + text.slice(at, end);
      const cluster = segmenter.segment(part).containing(0) as Intl.SegmentData;
      const left = part.length - cluster.segment.length;
      if (left > 0 || end === length) return end - left;
      if (room < longCluster) continue;
      const next = extendedEnd(text, end);
      // A long run of marks belongs to what it follows, and so many of them do for all.
      if (next - end < part.length + longCluster) continue;
      let last = next - longCluster;
      last += charLength(text, last - 1) - 1;
      seen = part + text.slice(last, next);
      at = next;
    }
  }

  /** The same for a simple character with accents or none, or a syllable of jamo, before another; 0 for what the segmenter has to see. */
  #plainEnd(text: string, begin: number): number {
    const isAt = (at: number, first: number, last: number): boolean => {
      const unit = text.charCodeAt(at);
      return unit >= first && unit <= last;
    };
    let at = begin + 1;
    // Nothing extends a control or a line's end.
    if (/[^\P{Cc}\r]|[\u2028\u2029]/u.test(text[begin])) return at;
    if (isAt(begin, 0x1100, 0x1112) && isAt(at, 0x1161, 0x1175)) {
      at++;
      if (isAt(at, 0x11a8, 0x11c2)) at++;
    } else if (this.#is(isSimple, text.charCodeAt(begin))) while (isAt(at, 0x300, 0x36f)) at++;
    else return 0;
    const isEnd = at === text.length || isAt(at, 0x1100, 0x1112) || this.#is(isSimple, text.charCodeAt(at));
    return isEnd ? at : 0;
  }

  #is(kind: number, unit: number): boolean {
    if (this.#kinds[unit] === 0) {
      const mayBegin = (unit & 0xfc00) === 0xd800 || this.#step(this.#children(0), unit) >= 0;
      this.#kinds[unit] =
        isKnown |
        (mayBegin ? 0 : isKept) |
        (simple.test(String.fromCharCode(unit)) ? isSimple : 0) |
        (unit < 0x80 && this.#isQuiet(unit) ? isQuiet : 0);
    }
    return (this.#kinds[unit] & kind) !== 0;
  }

  /** Whether a character of ASCII stays as it is where no other follows than of ASCII. */
  #isQuiet(unit: number): boolean {
    const node = this.#step(this.#children(0), unit);
    if (node < 0 || this.#isLeaf) return node < 0;
    for (let next = 0; next < 0x80; next++) if (this.#step(node, next) >= 0) return false;
    return true;
  }

  #children(node: number): number {
    const unit = this.#units[node];
    return node ^ ((unit >>> 10) << ((unit & 512) >>> 6));
  }

  /** The node after one more character, or a negative number; `#isLeaf` says whether a match ends there. */
  #step(from: number, codePoint: number): number {
    let node = from;
    for (const byte of utf8Bytes(codePoint)) {
      node ^= byte;
      if ((this.#units[node] & 0x800000ff) !== byte) return -1;
      this.#isLeaf = (this.#units[node] & 256) !== 0;
      node = this.#children(node);
    }
    return node;
  }

  #textAt(offset: number): string {
    let found = this.#texts.get(offset);
    if (found === undefined) {
      const end = this.#bytes.indexOf(0, offset);
      found = utf8.decode(this.#bytes.subarray(offset, end < 0 ? undefined : end));
      this.#texts.set(offset, found);
    }
    return found;
  }
}

/** Where the run of marks ends that begins at a place. */
function extendedEnd(text: string, begin: number): number {
  let at = begin;
  for (let last = -1; at < text.length; at += last > 0xffff ? 2 : 1) {
    const codePoint = text.codePointAt(at) as number;
    if (codePoint !== last && !extenders.has(codePoint)) break;
    last = codePoint;
  }
  return at;
}

/**
 * Whether a zero width joiner or a variation selector stands here that is of one cluster with the pictograph, symbol or selector before
 * it: together they have six bytes.
 */
function isJoiner(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (unit !== 0x200d && (unit & 0xfff0) !== 0xfe00) return false;
  const before = text.charCodeAt(at - 1);
  if ((before & 0xfc00) !== 0xdc00) return (before >= 0x2190 && before <= 0x2bff) || (before & 0xfff0) === 0xfe00;
  const first = text.charCodeAt(at - 2);
  return first >= 0xd83c && first <= 0xd83e;
}

/**
 * A text as parts of it are replaced, with Hugging Face's offsets: a new character takes the place of the next old one,
 * unless it is one too many; then it has the offsets of the old one before it. Old characters too many go with the new
 * character before them, even one of an earlier part; at the very beginning they are not counted, so that all offsets
 * lag.
 * @see tokenizers src/tokenizer/normalizer.rs, NormalizedString::transform_range
 */
class Replacer {
  readonly #input: Aligned;
  readonly #parts: string[] = [];
  #text = "";
  /** The length of all parts. */
  #length = 0;
  #kept = 0;
  /** Where the last new character begins, and where characters begin that are more or less than the old ones, in order: by how many. */
  #last = -1;
  readonly #places: number[] = [];
  readonly #changes: number[] = [];

  constructor(input: Aligned) {
    this.#input = input;
  }

  /** Puts a text in the place of the old one from `begin` to `end`; what lies before is kept. */
  replace(begin: number, end: number, replacement: string): void {
    const { text } = this.#input;
    const kept = text.slice(this.#kept, begin);
    if (kept !== "") this.#append(kept, lastCharLength(kept, kept.length));
    this.#kept = end;
    let old = begin;
    for (const character of replacement) {
      this.#append(character, character.length);
      if (old < end) old += charLength(text, old);
      else this.#change(1);
    }
    for (; old < end; old += charLength(text, old)) this.#change(-1);
  }

  /** @param lastLength how many code units its last character has */
  #append(text: string, lastLength: number): void {
    this.#text += text;
    this.#length += text.length;
    this.#last = this.#length - lastLength;
    if (this.#text.length > partLength) this.#endPart();
  }

  #endPart(): void {
    // Until it is read an engine keeps it as it was put together.
    this.#text.charCodeAt(0);
    this.#parts.push(this.#text);
    this.#text = "";
  }

  /** Counts a character too many, or one too few, with the last new one. */
  #change(by: number): void {
    const last = this.#places.length - 1;
    if (this.#places[last] === this.#last) this.#changes[last] += by;
    else {
      this.#places.push(this.#last);
      this.#changes.push(by);
    }
  }

  *finish(): Generator<undefined, Aligned> {
    const input = this.#input;
    const { length } = input.text;
    if (this.#kept === 0) return input;
    this.replace(length, length, "");
    this.#endPart();
    const text = this.#parts.join("");
    const [places, changes] = [this.#places, this.#changes];
    if (places.length === 0 && text.length === length && !/[\ud800-\udfff]/.test(text)) return { ...input, text };
    const begins = new Int32Array(text.length);
    const ends = new Int32Array(text.length);
    // The last old character, and where the next one begins.
    let begin = 0;
    let old = 0;
    let next = 0;
    // What is before all characters does not count.
    let found = places[0] === -1 ? 1 : 0;
    for (let at = 0, step = 1; at < text.length; at = next, step++) {
      if (step % partLength === 0) yield;
      let own = begin;
      const change = places[found] === at ? changes[found++] : 0;
      for (let left = change; left <= 0; left++) {
        begin = old;
        if (left === change) own = begin;
        old += charLength(input.text, old);
      }
      next = at + charLength(text, at);
      begins.fill(beginOf(input, own), at, next);
      ends.fill(old === 0 ? beginOf(input, 0) : endOf(input, own + charLength(input.text, own) - 1), at, next);
    }
    return { text, at: 0, begins, ends };
  }
}
