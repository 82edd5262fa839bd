import { charLength, lastCharLength } from "./aligned.ts";
import { blockLength, type Part } from "./part.ts";

/** Tokens of a text, and whether they are a window after the first one, whose type may be another. */
export type Range = readonly [begin: number, end: number, isLater?: boolean];

/** One place of a template: a text's tokens, or a special token. */
export type TemplatePiece =
  | { readonly sequence: 0 | 1; readonly type: number; readonly laterType?: number }
  | { readonly ids: readonly number[]; readonly tokens: readonly string[]; readonly type: number };

/** What stands around a text, and around a pair of texts. */
export interface Template {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

/** Where no template says anything: the texts as they are. */
export const plainTemplate: Template = {
  single: [{ sequence: 0, type: 0 }],
  pair: [
    { sequence: 0, type: 0 },
    { sequence: 1, type: 1 },
  ],
};

/** What an encoding needs for the texts of its tokens and for its offsets. */
export interface EncodingView {
  readonly idToToken: (id: number) => string | undefined;
  readonly texts: readonly string[];
  /** Whether offsets count code points. */
  readonly countsCodePoints: boolean;
  /** Whether the spaces of a token are no part of what it covers, and if so, whether one was put before the text. */
  readonly trim?: { readonly add_prefix_space: boolean };
}

/** Tokens of a text from `begin` to `end`, or so many times a token of no text. */
interface Segment {
  readonly part?: Part;
  readonly begin: number;
  readonly end: number;
  readonly type: number;
  readonly sequence: number | null;
  readonly attention: number;
  /** Of a token of no text. */
  readonly id: number;
  readonly token: string;
}

/**
 * What `encode` returns: lists by token, each made when it is first asked for. Names are those of Hugging Face's `Encoding`. A copy by
 * `structuredClone`, as for another worker, has none of them: `toJSON` has all.
 */
export class Encoding {
  /** The windows of a text that was cut at `max_length`, where `return_overflowing_tokens` asks for them. */
  overflowing: Encoding[] = [];
  readonly #view: EncodingView;
  readonly #segments: readonly Segment[];
  #ids?: number[];
  /** What else was asked for, by its name. */
  #lists?: Record<string, unknown[]>;

  constructor(segments: readonly Segment[], view: EncodingView) {
    this.#view = view;
    this.#segments = segments;
  }

  /** How many tokens there are. */
  get length(): number {
    return this.#segments.reduce((sum, { begin, end }) => sum + end - begin, 0);
  }

  get ids(): number[] {
    this.#ids ??= idsOf(this.#segments, this.length);
    return this.#ids;
  }

  /** 0 for the first text and 1 for the second, as the model's template says. */
  get type_ids(): number[] {
    return this.#list("type_ids", ({ type }) => type);
  }

  /** 0 for padding, else 1. */
  get attention_mask(): number[] {
    return this.#list("attention_mask", ({ attention }) => attention);
  }

  /** Which text each token comes from: 0, 1, or null for a special token. */
  get sequence_ids(): (number | null)[] {
    return this.#list("sequence_ids", ({ sequence }) => sequence);
  }

  /** 1 for tokens that do not come from a text, padding included. */
  get special_tokens_mask(): number[] {
    return this.#list("special_tokens_mask", ({ part }) => (part ? 0 : 1));
  }

  /** The index of the word that each token is part of, null for special tokens. */
  get word_ids(): (number | null)[] {
    return this.#list("word_ids", ({ part }, at) => (part ? part.word(at) : null));
  }

  /** The tokens as the vocabulary spells them; what is unknown as it stands in the text. */
  get tokens(): string[] {
    const { idToToken } = this.#view;
    return this.#list("tokens", ({ part, token }, at) =>
      part ? (part.text(at) ?? idToToken(part.id(at)) ?? "") : token,
    );
  }

  /** Where each token begins and ends (exclusive) in its text; [0, 0] for special tokens. */
  get offsets(): [number, number][] {
    const { countsCodePoints, texts, trim } = this.#view;
    const units = countsCodePoints && !this.#lists?.offsets ? texts.map(codePointIndices) : [];
    const [tokens, sequences] = trim ? [this.tokens, this.sequence_ids] : [[], []];
    return this.#list("offsets", ({ part, sequence }, at, index): [number, number] => {
      if (!part || sequence === null) return [0, 0];
      let place: [number, number] = [part.begin(at), part.end(at)];
      if (trim) {
        const isFirst = place[0] === 0 || sequences[index - 1] !== sequence;
        place = withoutSpaces(texts[sequence], tokens[index], place, isFirst && trim.add_prefix_space);
      }
      const unit = units[sequence];
      return unit ? [unit(place[0]), unit(place[1])] : place;
    });
  }

  /** Everything as plain lists. */
  toJSON(): object {
    const { ids, type_ids, attention_mask, sequence_ids, overflowing } = this;
    const { tokens, offsets, word_ids, special_tokens_mask } = this;
    const lists = { ids, type_ids, attention_mask, sequence_ids, overflowing };
    return { ...lists, tokens, offsets, word_ids, special_tokens_mask };
  }

  /** What Node's `console.log` shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): object {
    return this.toJSON();
  }

  /** The same with tokens of no text before it, or after it. */
  filled(count: number, id: number, token: string, type: number, isBefore: boolean): Encoding {
    const filling = special(id, token, type, 0, count);
    const all = this.#segments;
    return new Encoding(isBefore ? [filling, ...all] : [...all, filling], this.#view);
  }

  /** A value for each token, made once; `at` is its index in its text. */
  #list<Value>(name: string, make: (segment: Segment, at: number, index: number) => Value): Value[] {
    const known = this.#lists?.[name];
    if (known) return known as Value[];
    const values: Value[] = [];
    for (const segment of this.#segments) {
      for (let at = segment.begin; at < segment.end; at++) values.push(make(segment, at, values.length));
    }
    this.#lists = { ...this.#lists, [name]: values };
    return values;
  }
}

/** A token that comes from no text, `count` times. */
function special(id: number, token: string, type: number, attention = 1, count = 1): Segment {
  return { id, token, begin: 0, end: count, type, sequence: null, attention };
}

function idsOf(segments: readonly Segment[], length: number): number[] {
  // What grows by millions is copied time and again; beyond 2^25 engines would make a table of it.
  const ids: number[] = length > blockLength && length <= 2 ** 25 ? new Array(length) : [];
  let count = 0;
  for (const { part, begin, end, id } of segments) {
    for (let at = begin; at < end; at++) ids[count++] = part ? part.id(at) : id;
  }
  return ids;
}

/**
 * A token's place in a text without the spaces at its ends.
 * @param isPrefixed whether its first one may have been put before the text
 */
function withoutSpaces(
  text: string,
  token: string,
  [begin, end]: [number, number],
  isPrefixed: boolean,
): [from: number, to: number] {
  const leading = token.search(notSpace);
  let trailing = 0;
  while (trailing < token.length && !notSpace.test(token[token.length - 1 - trailing])) trailing++;
  const spaces = leading < 0 ? token.length : leading;
  let from = begin;
  let to = end;
  // Character by character: a space that was put before the text covers its first one.
  for (let left = isPrefixed && spaces === 1 ? 0 : spaces; left > 0 && from < end; left--) {
    from += charLength(text, from);
  }
  for (let left = trailing; left > 0 && to > from; left--) to -= lastCharLength(text, to);
  return [from, to];
}

// Neither white space nor what a byte-level model writes for it.
const notSpace = /[^\u0120\p{White_Space}]/u;

/** The pieces of a template that stand around one text, or around two. */
export function piecesOf({ single, pair }: Template, count: number, adds = true): readonly TemplatePiece[] {
  return (count > 1 ? pair : single).filter((piece) => adds || "sequence" in piece);
}

/** One text or two with what the template puts around them; `ranges` says which tokens of each, if not all. */
export function assemble(
  parts: readonly Part[],
  template: Template,
  adds: boolean | undefined,
  view: EncodingView,
  ranges?: readonly Range[],
): Encoding {
  const segments: Segment[] = [];
  for (const piece of piecesOf(template, parts.length, adds)) {
    if ("sequence" in piece) {
      const { sequence, type, laterType = adds === false ? sequence : type } = piece;
      const part = parts[sequence];
      const [begin, end, isLater] = ranges?.[sequence] ?? [0, part.length];
      segments.push({ part, begin, end, type: isLater ? laterType : type, sequence, attention: 1, id: 0, token: "" });
    } else for (const [at, id] of piece.ids.entries()) segments.push(special(id, piece.tokens[at], piece.type));
  }
  return new Encoding(segments, view);
}

/** The index of every UTF-16 unit's character, and of the end. */
function codePointIndices(text: string): (unit: number) => number {
  if (!/[\ud800-\udfff]/.test(text)) return (unit) => unit;
  const indices = new Int32Array(text.length + 1);
  let index = 0;
  for (let at = 0; at < text.length; ) {
    const end = at + charLength(text, at);
    indices.fill(index++, at, end);
    at = end;
  }
  indices[text.length] = index;
  return (unit) => indices[unit];
}
