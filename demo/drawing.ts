import type { Pronunciation } from "kiloformer/core";
import { make } from "./screen.ts";

/** A stretch of a text and the phones that it is written for; none: silent letters, or what is no word. */
export interface Group {
  readonly begin: number;
  readonly end: number;
  readonly phones: readonly string[];
}

/** A word of a text, or what stands between words. */
export interface Word {
  readonly text: string;
  readonly groups: readonly Group[];
  readonly isWord: boolean;
}

const words = /[\p{L}\p{M}\p{N}]+(?:['’.,-][\p{L}\p{M}\p{N}]+)*/gu;

/** A text in words, their letters grouped by the phones that they are written for. */
export function readWords(text: string, { phones, alignment }: Pronunciation): Word[] {
  const groups = groupPhones(text.length, phones, alignment);
  const found: Word[] = [];
  let at = 0;
  let next = 0;
  const add = (end: number, isWord: boolean) => {
    if (end <= at) return;
    const own: Group[] = [];
    for (; next < groups.length && groups[next].begin < end; next++) {
      own.push(within(groups[next], at, end));
      // A group may reach into what follows.
      if (groups[next].end > end) break;
    }
    found.push({
      text: text.slice(at, end),
      groups: own,
      isWord: isWord && own.some(({ phones }) => phones.length > 0),
    });
    at = end;
  };
  for (const { 0: word, index } of text.matchAll(words)) {
    add(index, false);
    add(index + word.length, true);
  }
  add(text.length, false);
  return found;
}

/** Phones of the same letters together, and the letters between them. */
function groupPhones(length: number, phones: readonly string[], alignment: Pronunciation["alignment"]): Group[] {
  const groups: { begin: number; end: number; phones: string[] }[] = [];
  let at = 0;
  for (const [index, phone] of phones.entries()) {
    const [begin, end] = alignment[index];
    const last = groups.at(-1);
    if (last && begin < at) {
      last.phones.push(phone);
      last.end = Math.max(last.end, end);
    } else {
      if (begin > at) groups.push({ begin: at, end: begin, phones: [] });
      groups.push({ begin, end, phones: [phone] });
    }
    at = Math.max(at, end);
  }
  if (at < length) groups.push({ begin: at, end: length, phones: [] });
  return groups;
}

/** The part of a group that lies in a stretch; its phones are where it begins. */
function within({ begin, end, phones }: Group, from: number, to: number): Group {
  return { begin: Math.max(begin, from), end: Math.min(end, to), phones: begin >= from ? phones : [] };
}

/** A word as letters, lines and phones. */
export function drawWord(text: string, { groups }: Word): HTMLElement[] {
  return groups.map(({ begin, end, phones }) => {
    const letters = make("span", "letters", text.slice(begin, end));
    const heard = make("span", "phones", ...phones.map((phone) => make("span", "phone", phone)));
    return make("span", phones.length > 0 ? "group" : "group silent", letters, make("span", "link"), heard);
  });
}
