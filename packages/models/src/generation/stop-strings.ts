import { OptionError } from "@kiloformer/core";

/** Text of ids that arrive one by one, as a tokenizer's `decodeStream` gives it. */
export interface TextStream {
  push(id: number): string;
  end(): string;
}

/** A stream of the text that goes on after some ids. */
export type NewTextStream = (precedingIds: readonly number[]) => TextStream;

/** The end of a text, in which a stop string may begin. */
export interface TextEnd {
  readonly text: string;
  /** Ids after it whose text is not certain: a character may be unfinished. */
  readonly open: readonly number[];
}

/** Ids before new ones that their text depends on. */
const CONTEXT = 16;

/** Watches for stop strings in the text of ids, wherever the ids cut it. */
export interface StopStrings {
  /** The end of a prompt. */
  start(ids: readonly number[]): TextEnd;
  /** The end of a text that grows by an id, or undefined where that completes a stop string. */
  next(end: TextEnd, ids: readonly number[], id: number): TextEnd | undefined;
}

/**
 * A string counts as soon as it overlaps the text of the newest id; it may begin in the prompt.
 * @see transformers generation/stopping_criteria.py, StopStringCriteria
 * @throws {OptionError} `no-tokenizer`
 */
export function stopStrings(strings: readonly string[], newTextStream: NewTextStream | undefined): StopStrings {
  if (!newTextStream)
    throw new OptionError("no-tokenizer", "generate: expected a tokenizer for stop_strings, got none");
  const longest = Math.max(...strings.map(({ length }) => length));
  return {
    start(ids) {
      const stream = newTextStream([]);
      const last = ids.slice(-longest - CONTEXT);
      return { text: last.map((id) => stream.push(id)).join("") + stream.end(), open: [] };
    },
    next(end, ids, id) {
      const open = [...end.open, id];
      const known = ids.length - end.open.length;
      const stream = newTextStream(ids.slice(Math.max(0, known - CONTEXT), known));
      const certain = open.map((next) => stream.push(next)).join("");
      const rest = stream.end();
      const text = end.text + certain + rest;
      const overlaps = (string: string) => text.includes(string, end.text.length - string.length + 1);
      if (strings.some(overlaps)) return undefined;
      return rest === "" ? { text: text.slice(-longest), open: [] } : { text: end.text, open };
    },
  };
}
