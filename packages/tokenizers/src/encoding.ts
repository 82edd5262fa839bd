import { charLength, lastCharLength } from "./aligned.ts";

/** The tokens of one text, before special tokens come around them. */
export interface Part {
  readonly ids: number[];
  /** Where each token begins and ends in the text, in UTF-16 code units. */
  readonly begins: number[];
  readonly ends: number[];
  /** The index of the word that each token is part of. */
  readonly words: number[];
  /** The text of tokens that their ids do not tell: an unknown piece, an added token with the space that it took. */
  readonly texts: Map<number, string>;
  /** How many words there are. */
  wordCount: number;
}

export function emptyPart(): Part {
  return { ids: [], begins: [], ends: [], words: [], texts: new Map(), wordCount: 0 };
}

/** Appends a token to a part. */
export function push(part: Part, id: number, begin: number, end: number, word: number): void {
  part.ids.push(id);
  part.begins.push(begin);
  part.ends.push(end);
  part.words.push(word);
}

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

/** A list, made of others when it is first asked for. */
function lazily<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => {
    value ??= make();
    return value;
  };
}

/**
 * What `encode` returns: ids, and by index as many of everything else. Names are those of Hugging Face's `Encoding`.
 */
export class Encoding {
  readonly ids: number[] = [];
  /** 0 for the first text and 1 for the second, as the model's template says. */
  readonly type_ids: number[] = [];
  /** 0 for padding, else 1. */
  readonly attention_mask: number[] = [];
  /** Which text each token comes from: 0, 1, or null for a special token. */
  readonly sequence_ids: (number | null)[] = [];
  /** The windows of a text that was cut at `max_length`, where `return_overflowing_tokens` asks for them. */
  overflowing: Encoding[] = [];
  readonly #begins: number[] = [];
  readonly #ends: number[] = [];
  readonly #words: (number | null)[] = [];
  readonly #texts = new Map<number, string>();
  readonly #view: EncodingView;
  readonly #tokens = lazily(() => this.ids.map((id, at) => this.#texts.get(at) ?? this.#view.idToToken(id) ?? ""));
  readonly #offsets = lazily(() => {
    const { countsCodePoints, texts } = this.#view;
    const units = countsCodePoints ? texts.map(codePointIndices) : [];
    return this.#begins.map((begin, at): [number, number] => {
      const [from, to] = this.#trim(at, begin, this.#ends[at]);
      const unit = units[this.sequence_ids[at] ?? 0];
      return unit ? [unit(from), unit(to)] : [from, to];
    });
  });

  constructor(view: EncodingView) {
    this.#view = view;
  }

  get length(): number {
    return this.ids.length;
  }

  /** The tokens as the vocabulary spells them; what is unknown as it stands in the text. */
  get tokens(): string[] {
    return this.#tokens();
  }

  /** Where each token begins and ends (exclusive) in its text; [0, 0] for special tokens. */
  get offsets(): [number, number][] {
    return this.#offsets();
  }

  /** The index of the word that each token is part of, null for special tokens. */
  get word_ids(): (number | null)[] {
    return this.#words;
  }

  /** 1 for tokens that do not come from a text, padding included. */
  get special_tokens_mask(): number[] {
    return this.sequence_ids.map((sequence) => (sequence === null ? 1 : 0));
  }

  /** Everything as plain lists. */
  toJSON(): object {
    const { tokens, offsets, word_ids, special_tokens_mask } = this;
    return { ...this, tokens, offsets, word_ids, special_tokens_mask };
  }

  /** Notes the texts of tokens `begin` to `end`, which are appended next. */
  appendTexts({ texts }: Part, begin: number, end: number): void {
    for (const [at, text] of texts) if (at >= begin && at < end) this.#texts.set(this.length + at - begin, text);
  }

  /** Appends tokens `begin` to `end` of a text. */
  append({ ids, begins, ends, words }: Part, begin: number, end: number, type: number, sequence: number): void {
    for (let at = begin; at < end; at++) this.#push(ids[at], type, 1, sequence, begins[at], ends[at], words[at]);
  }

  /** Appends a token that comes from no text. */
  appendSpecial(id: number, token: string, type: number, attention = 1): void {
    this.#texts.set(this.length, token);
    this.#push(id, type, attention, null, 0, 0, null);
  }

  /** The same with tokens of no text before it. */
  after(count: number, id: number, token: string, type: number): Encoding {
    const all = new Encoding(this.#view);
    all.overflowing = this.overflowing;
    for (let at = 0; at < count; at++) all.appendSpecial(id, token, type, 0);
    for (const [at, text] of this.#texts) all.#texts.set(count + at, text);
    this.ids.forEach((id, at) => {
      const { type_ids, attention_mask, sequence_ids } = this;
      all.#push(
        id,
        type_ids[at],
        attention_mask[at],
        sequence_ids[at],
        this.#begins[at],
        this.#ends[at],
        this.#words[at],
      );
    });
    return all;
  }

  #push(
    id: number,
    type: number,
    attention: number,
    sequence: number | null,
    begin: number,
    end: number,
    word: number | null,
  ): void {
    this.ids.push(id);
    this.type_ids.push(type);
    this.attention_mask.push(attention);
    this.sequence_ids.push(sequence);
    this.#begins.push(begin);
    this.#ends.push(end);
    this.#words.push(word);
  }

  /** A token's place without the spaces at its ends, where those do not count. */
  #trim(at: number, begin: number, end: number): [from: number, to: number] {
    const { trim, texts } = this.#view;
    const sequence = this.sequence_ids[at];
    if (!trim || sequence === null) return [begin, end];
    const token = this.tokens[at];
    const leading = token.search(notSpace);
    const trailing = /[\u0120\p{White_Space}]*$/u.exec(token)?.[0].length ?? 0;
    const spaces = leading < 0 ? token.length : leading;
    const isFirst = begin === 0 || this.sequence_ids[at - 1] !== sequence;
    const text = texts[sequence];
    let from = begin;
    let to = end;
    // Character by character: a space that was put before the text covers its first one.
    for (let left = isFirst && trim.add_prefix_space && spaces === 1 ? 0 : spaces; left > 0 && from < end; left--) {
      from += charLength(text, from);
    }
    for (let left = trailing; left > 0 && to > from; left--) to -= lastCharLength(text, to);
    return [from, to];
  }
}

// Neither white space nor what a byte-level model writes for it.
const notSpace = /[^\u0120\p{White_Space}]/u;

// How many tokens are appended before other work may have its turn.
const batchSize = 16_384;

/** The pieces of a template that stand around one text, or around two. */
export function piecesOf({ single, pair }: Template, count: number, adds = true): readonly TemplatePiece[] {
  return (count > 1 ? pair : single).filter((piece) => adds || "sequence" in piece);
}

/** One text or two with what the template puts around them; `ranges` says which tokens of each, if not all. */
export function* assemble(
  parts: readonly Part[],
  template: Template,
  adds: boolean | undefined,
  view: EncodingView,
  ranges?: readonly Range[],
): Generator<void, Encoding> {
  const encoding = new Encoding(view);
  for (const piece of piecesOf(template, parts.length, adds)) {
    if ("sequence" in piece) {
      const { sequence, type, laterType = adds === false ? sequence : type } = piece;
      const part = parts[sequence];
      const [begin, end, isLater] = ranges?.[sequence] ?? [0, part.ids.length];
      encoding.appendTexts(part, begin, end);
      for (let at = begin; at < end; at += batchSize) {
        encoding.append(part, at, Math.min(at + batchSize, end), isLater ? laterType : type, sequence);
        if (at > begin) yield;
      }
    } else for (const [at, id] of piece.ids.entries()) encoding.appendSpecial(id, piece.tokens[at], piece.type);
  }
  return encoding;
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
