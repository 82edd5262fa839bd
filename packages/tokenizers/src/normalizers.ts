import { type Aligned, beginOf, charLength, endOf, lastCharLength, Rewriter, slice } from "./aligned.ts";
import { type Finder, findNext } from "./finder.ts";
import { isCjk, isWhiteSpace, withoutAccent, withoutMarks } from "./unicode.ts";

/** Changes a text before it is cut, each character by itself; what it leaves alone it returns as it is. */
export interface Normalizer {
  /** @param isFirst whether nothing stands before what comes out */
  (input: Aligned, isFirst?: boolean): Aligned;
  /** The same with pauses, of one that looks at more than a character: its text cannot be cut just anywhere. */
  readonly steps?: StepwiseNormalizer;
}

/** The same with a pause now and then. */
export type StepwiseNormalizer = (input: Aligned) => Generator<undefined, Aligned>;

/** A normalizer that looks at more than a character, but across no seam. */
export function acrossCharacters(normalize: Normalizer): Normalizer {
  const steps: StepwiseNormalizer = (input) => normalizeInChunks(normalize, input, findSeam);
  return Object.assign(normalize, { steps });
}

/** How many units of a text are changed before other work may have its turn. */
export const chunkLength = 16_384;
// A prime: what looks at every so many characters of a run is then seen to do so.
const surroundings = 61;
// Between two of these no published normalizer looks across: letters, digits and punctuation of ASCII, kana, ideographs, syllables; nor
// between a pictograph and another or a single space.
const seam =
  /[!#-&(-_a-~\u3041-\u3094\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3]{2}|[\p{Extended_Pictographic}\p{Emoji_Modifier}](?= \S|\p{Extended_Pictographic})/gu;

/**
 * All of a text, with a pause after every so many characters.
 * @param findEnd where a chunk may end that has a place in it, if it may
 * @param normalizeLong what a chunk goes through that is longer than two
 */
export function* normalizeInChunks(
  normalize: Normalizer,
  input: Aligned,
  findEnd: typeof findSeam = characterEnd,
  normalizeLong?: StepwiseNormalizer,
): Generator<undefined, Aligned> {
  const { length } = input.text;
  if (length <= chunkLength) return normalize(input);
  const parts: Aligned[] = [];
  for (let begin = 0; begin < length; yield) {
    let end: number | undefined;
    for (let from = begin + chunkLength; end === undefined; from += chunkLength) {
      end = from < length ? findEnd(normalize, input, from) : length;
      if (end === undefined) yield;
    }
    const isFirst = parts.every((before) => before.text === "");
    const chunk = slice(input, begin, end);
    const isLong = normalizeLong && end - begin > 2 * chunkLength;
    const part = isLong ? yield* normalizeLong(chunk) : normalize(chunk, isFirst);
    // Engines keep what was joined as it was put together, until a character of it is asked for.
    part.text.charCodeAt(0);
    parts.push(part);
    begin = end;
  }
  return yield* join(parts);
}

/** One normalizer after the other; each cuts a long text where it can. */
export function inTurn(normalizers: readonly Normalizer[]): StepwiseNormalizer {
  return function* (input) {
    let changed = input;
    for (const normalize of normalizers) {
      changed = yield* normalize.steps?.(changed) ?? normalizeInChunks(normalize, changed);
    }
    return changed;
  };
}

/** Where a chunk may end whose normalizer looks at one character at a time. */
export function characterEnd(_normalize: Normalizer, { text }: Aligned, at: number): number {
  return at - 1 + lastCharLength(text, at + 1);
}

/** The next place where a text can be cut, within a chunk's length: its surroundings come out the same in one part and in two. */
function findSeam(normalize: Normalizer, input: Aligned, from: number): number | undefined {
  const part = input.text.slice(from, from + chunkLength + surroundings);
  seam.lastIndex = 0;
  for (let found = seam.exec(part); found; found = seam.exec(part)) {
    const at = from + found.index + charLength(part, found.index);
    const [left, right, both] = [
      [at - surroundings, at],
      [at, at + surroundings],
      [at - surroundings, at + surroundings],
    ].map(([begin, end]) => normalize(slice(input, begin, end), false).text);
    if (left + right === both) return at;
    seam.lastIndex = at + surroundings - from;
  }
  return undefined;
}

/** Parts of a text in one. */
export function* join(parts: readonly Aligned[]): Generator<undefined, Aligned> {
  if (parts.length === 1) return parts[0];
  const text = parts.map((part) => part.text).join("");
  yield;
  const begins = new Int32Array(text.length);
  const ends = new Int32Array(text.length);
  let length = 0;
  for (const part of parts) {
    for (let unit = 0; unit < part.text.length; unit++) {
      begins[length] = beginOf(part, unit);
      ends[length++] = endOf(part, unit);
    }
    yield;
  }
  return { text, at: 0, begins, ends };
}

/** Replaces every character by what `change` says; each character of that comes from the whole character before. */
export function mapCharacters(change: (character: string) => string): Normalizer {
  const known = new Map<number, string>();
  return (input) => {
    const { text } = input;
    let out: Rewriter | undefined;
    let kept = 0;
    for (let at = 0; at < text.length; ) {
      const codePoint = text.codePointAt(at) as number;
      const end = at + (codePoint > 0xffff ? 2 : 1);
      let changed = known.get(codePoint);
      if (changed === undefined) {
        changed = change(text.slice(at, end));
        known.set(codePoint, changed);
      }
      if (changed.length !== end - at || changed.codePointAt(0) !== codePoint) {
        out ??= new Rewriter(input, Math.max(changed.length, 1));
        out.keep(kept, at);
        out.add(changed, at, end);
        kept = end;
      }
      at = end;
    }
    out?.keep(kept, text.length);
    return out?.finish() ?? input;
  };
}

/** A text of the same length, unit for unit. */
function withText(input: Aligned, text: string): Aligned {
  return text === input.text ? input : { ...input, text };
}

// Of the formats (Cf), those that Unicode 8 did not have stay.
const isRemoved = /^(?![\t\n\r\u0890\u0891\u08e2\u{110cd}\u{13430}-\u{1343f}])[\p{Cc}\p{Cf}\p{Co}\ufffd]/u;

/**
 * What BERT's tokenizers do first: controls vanish, every white space is a space, ideographs stand alone, accents go,
 * letters become small.
 * @see tokenizers src/normalizers/bert.rs
 */
export function bertNormalizer(flags: {
  readonly clean_text: boolean;
  readonly handle_chinese_chars: boolean;
  readonly strip_accents: boolean;
  readonly lowercase: boolean;
}): Normalizer {
  const { clean_text, handle_chinese_chars, strip_accents, lowercase } = flags;
  const rare = mapCharacters((character) => {
    const codePoint = character.codePointAt(0) as number;
    if (clean_text && isRemoved.test(character)) return "";
    let changed = clean_text && isWhiteSpace(codePoint) ? " " : character;
    if (handle_chinese_chars && isCjk(character)) changed = ` ${changed} `;
    if (strip_accents) changed = withoutMarks(changed.normalize("NFD"));
    return lowercase ? changed.toLowerCase() : changed;
  });
  return (input) => {
    if (!/^[\t\n\r -~]*$/.test(input.text)) return rare(input);
    const clean = clean_text ? input.text.replace(/[\t\n\r]/g, " ") : input.text;
    return withText(input, lowercase ? clean.toLowerCase() : clean);
  };
}

/** Drops white space at the ends. */
export function strip(input: Aligned, left: boolean, right: boolean): Aligned {
  const { text } = input;
  let begin = 0;
  let end = text.length;
  while (left && begin < end && isWhiteSpace(text.charCodeAt(begin))) begin++;
  while (right && end > begin && isWhiteSpace(text.charCodeAt(end - 1))) end--;
  return begin === 0 && end === text.length ? input : slice(input, begin, end);
}

/** Puts a prefix before a text that is not empty; it comes from the text's first character. */
export function prepend(input: Aligned, prefix: string): Aligned {
  const { text } = input;
  if (text === "" || prefix === "") return input;
  const out = new Rewriter(input);
  out.add(prefix, 0, charLength(text, 0));
  out.keep(0, text.length);
  return out.finish();
}

/** Replaces every match; what then stands there comes from the match's last unit. */
export function replaceMatches(input: Aligned, finder: Finder, content: string): Aligned {
  const { text } = input;
  let out: Rewriter | undefined;
  let kept = 0;
  while (findNext(finder, text, kept, out ? kept : -1)) {
    const { begin, end } = finder;
    out ??= new Rewriter(input);
    out.keep(kept, begin);
    out.add(content, end - lastCharLength(text, end), end);
    kept = end;
  }
  out?.keep(kept, text.length);
  return out?.finish() ?? input;
}

/** Makes every character a space that Google's NMT models read as one, and drops their controls. */
export const nmt = /* @__PURE__ */ mapCharacters((character) =>
  /[\u008f\u009f]|(?![\0\t\n\f\r])\p{ASCII}(?<!\P{Cc})/u.test(character)
    ? ""
    : character.replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/, " "),
);

/** Lower case, character by character: a final sigma is like any other. */
export const lowercase = /* @__PURE__ */ mapCharacters((character) => character.toLowerCase());

/** Drops every mark, and leaves what is composed. */
export const stripAccents = /* @__PURE__ */ mapCharacters(withoutAccent);
