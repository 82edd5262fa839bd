import { type Aligned, charLength, lastCharLength, Rewriter, slice } from "./aligned.ts";
import {
  characterEnd,
  chunkLength,
  join,
  type Normalizer,
  normalizeInChunks,
  type StepwiseNormalizer,
} from "./normalizers.ts";
import { CharacterKinds, CharacterSet } from "./regex/character-set.ts";
import { drain } from "./steps.ts";
import { hasNoForm } from "./unicode.ts";

export type UnicodeForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/**
 * A text in a Unicode normalization form, in linear time: engines sort the marks after one letter by insertion, so long
 * runs of them are put in their order first.
 */
export function inForm(text: string, form: UnicodeForm): string {
  if (!longRun.test(text)) return text.normalize(form);
  // Run by run: an expression that matches a run of millions has no stack for it.
  let sorted = "";
  let kept = 0;
  for (let begin = 0, end = 0; begin < text.length; begin = end) {
    end = begin;
    while (end < text.length && marks.has(text.codePointAt(end) as number)) end += charLength(text, end);
    if (end - begin >= shortRun) {
      const lists = drain(sortMarks(text.slice(begin, end))) ?? [];
      sorted += text.slice(kept, begin) + lists.map((list) => list.join("")).join("");
      kept = end;
    }
    if (end === begin) end += charLength(text, end);
  }
  return (sorted + text.slice(kept)).normalize(form);
}

const shortRun = 64;
const longRun = /\p{M}{64}/u;
const marks = /* @__PURE__ */ new CharacterSet("\\p{M}");
// Marks that are looked at before other work may have its turn.
const batchSize = 8192;

/** Whether the first of two marks goes behind the second. */
function swaps(first: string, second: string): boolean {
  return (first + second).normalize("NFD") !== first + second;
}

/** Whether a mark stays where it is: one that neither the lowest nor the highest class moves. */
function isFixed(mark: string): boolean {
  return !swaps(mark, "\u0334") && !swaps("\u0345", mark);
}

/** The marks of a run taken apart, in their order: a list for each class, and one for each that stays where it is, if any may. */
function* sortMarks(run: string, mayStay = true): Generator<undefined, string[][] | undefined> {
  const lists: string[][] = [];
  let classes: string[][] = [];
  const known = new Map<string, string[]>();
  const fixed = new Set<string>();
  const endClasses = (): void => {
    for (const list of classes.sort(([a], [b]) => (swaps(a, b) ? 1 : -1))) lists.push(list);
    classes = [];
    known.clear();
  };
  let count = 0;
  for (const character of run) {
    for (const mark of character.normalize("NFD")) {
      let list = known.get(mark);
      if (!list && (fixed.has(mark) || isFixed(mark))) {
        if (!mayStay) return undefined;
        fixed.add(mark);
        endClasses();
        lists.push([mark]);
        continue;
      }
      list ??= classes.find(([other]) => !swaps(mark, other) && !swaps(other, mark));
      if (list) list.push(mark);
      else {
        list = [mark];
        classes.push(list);
      }
      known.set(mark, list);
    }
    if (++count % batchSize === 0) yield;
  }
  endClasses();
  return lists;
}

/** `inForm` by the tables of the reference, which are those of Unicode 9. */
function inOldForm(text: string, form: UnicodeForm): string {
  const changed = inForm(text, form);
  if (changed === text || !hasNoForm.test(text)) return changed;
  const parts = text.split(new RegExp(`(${hasNoForm.source})`, "u"));
  return parts.map((part, index) => (index % 2 ? part : inForm(part, form))).join("");
}

/** A character's full decomposition by the same tables. */
function decomposed(character: string): string {
  const parts = character.normalize("NFKD");
  return parts === character || hasNoForm.test(character) ? character : parts;
}

/**
 * A Unicode normalization form. A character that is taken apart is the origin of all its parts; one that is put together
 * comes from the first.
 */
export function unicodeForm(form: UnicodeForm): Normalizer {
  const normalize: Normalizer = (input) => {
    const { text } = input;
    if (/^\p{ASCII}*$/u.test(text)) return input;
    let out: Rewriter | undefined;
    let kept = 0;
    const { length } = text;
    const isAscii = (at: number): boolean => text.charCodeAt(at) < 0x80;
    // Forms change nothing across the place before an ASCII character.
    for (let at = 0; at < length; ) {
      let index = at;
      while (index < length && isAscii(index)) index++;
      // The last one may be put together with what follows.
      if (index > at) index--;
      at = index + 1;
      while (at < length && !isAscii(at)) at++;
      const part = text.slice(index, at);
      const changed = inOldForm(part, form);
      if (changed === part) continue;
      out ??= new Rewriter(input);
      out.keep(kept, index);
      drain(appendForm(out, part, index, changed));
      kept = index + part.length;
    }
    out?.keep(kept, text.length);
    return out?.finish() ?? input;
  };
  const steps: StepwiseNormalizer = (input) =>
    normalizeInChunks(normalize, input, findStarter, (chunk) => normalizeLong(normalize, chunk, form));
  return Object.assign(normalize, { steps });
}

// 1 for what a form may move, or put together with what is before it: marks, and the parts of syllables that stand behind others.
const followers = /* @__PURE__ */ new CharacterKinds((codePoint) => {
  const character = String.fromCodePoint(codePoint);
  return Number([character, character.normalize("NFKD")].some((text) => /^[\p{M}\u1160-\u11ff]/u.test(text)));
});

/** The next place, within a chunk's length, before a character that every form leaves apart from those before it. */
function findStarter(normalize: Normalizer, input: Aligned, from: number): number | undefined {
  const { text } = input;
  const stop = Math.min(from + chunkLength, text.length);
  const at = followers.endOf(1, text, characterEnd(normalize, input, from), stop);
  return at < stop ? at : undefined;
}

/** A chunk that is long as it ends with many marks on one letter. */
function* normalizeLong(normalize: Normalizer, chunk: Aligned, form: UnicodeForm): Generator<undefined, Aligned> {
  const { text } = chunk;
  let at = characterEnd(normalize, chunk, chunkLength);
  while (at > 0 && followers.of(text.codePointAt(at) as number) > 0) at -= lastCharLength(text, at);
  const run = slice(chunk, at, text.length);
  const changed = yield* markedInForm(run.text, form);
  if (!changed) return normalize(chunk);
  const out = new Rewriter(run);
  yield* appendForm(out, run.text, 0, changed);
  return yield* join([normalize(slice(chunk, 0, at)), out.finish()]);
}

// No letter is put together with more marks of one class.
const mostComposed = 16;

/** The characters of a letter with many marks in a form; undefined where one of the marks stays where it is, or is newer than the tables. */
function* markedInForm(text: string, form: UnicodeForm): Generator<undefined, Iterable<string> | undefined> {
  const length = charLength(text, 0);
  const [, letter, own] = /^(\P{M}*)(.*)$/su.exec(text.slice(0, length).normalize(form.replace("C", "D"))) as string[];
  const lists = hasNoForm.test(text) ? undefined : yield* sortMarks(own + text.slice(length), false);
  if (!lists) return undefined;
  // What the letter is put together with comes first in each list.
  const fronts = lists.map((list) => list.slice(0, mostComposed));
  const front = (letter + fronts.map((list) => list.join("")).join("")).normalize(form);
  const left = lists.map(() => 0);
  const listOf = new Map(fronts.flatMap((list, index) => list.map((mark) => [mark, index])));
  const composed = [...front].filter((character) => {
    const index = listOf.get(character);
    if (index !== undefined) left[index]++;
    return index === undefined;
  });
  const characters = function* (): Generator<string> {
    yield* composed;
    for (const [index, list] of lists.entries()) {
      for (let at = fronts[index].length - left[index]; at < list.length; at++) yield list[at];
    }
  };
  return characters();
}

/**
 * Appends a part of the text in its new form, with a pause now and then. The reference gives every character of the full decomposition a
 * change in length (0 for the first of an old character, 1 for the others), adds those up where characters join (one less for each
 * that joined), and then walks along the old characters.
 * @see tokenizers src/tokenizer/normalizer.rs, NormalizedString::transform_range
 */
function* appendForm(out: Rewriter, part: string, index: number, changed: Iterable<string>): Generator<undefined> {
  // The changes of each decomposed character, in order; the canonical order moves equal ones together.
  const changes = new Map<string, { readonly values: number[]; next: number }>();
  const ends: number[] = [];
  let length = 0;
  for (const character of part) {
    length += character.length;
    if (ends.push(length) % batchSize === 0) yield;
    let first = 0;
    for (const found of decomposed(character)) {
      const known = changes.get(found);
      if (known) known.values.push(first);
      else changes.set(found, { values: [first], next: 0 });
      first = 1;
    }
  }
  const beginAt = (at: number): number => (at > 0 ? ends[Math.min(at, ends.length) - 1] : 0);
  let old = 0;
  let count = 0;
  for (const character of changed) {
    let change = 1;
    for (const found of decomposed(character)) {
      const known = changes.get(found);
      change += (known?.values[known.next++] ?? 0) - 1;
    }
    const origin = change > 0 ? Math.max(old - 1, 0) : Math.min(old, ends.length - 1);
    out.add(character, index + beginAt(origin), index + ends[origin]);
    if (change <= 0) old += 1 - change;
    if (++count % batchSize === 0) yield;
  }
}
