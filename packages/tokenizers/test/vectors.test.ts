import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { type EncodeOptions, type Encoding, Tokenizer } from "../src/index.ts";
import { shared } from "./shared.ts";

// What other libraries gave for the same files and texts; every difference has its reason here.

const folder = `${shared}tokenizers/`;
const read = (path: string) => readFileSync(`${folder}vectors/${path}`, "utf8");
const names = (group: string) => (shared ? readdirSync(`${folder}vectors/${group}`) : []);

/** Each file is opened once. */
const opened = new Map<string, Tokenizer>();
function open(asset: string, config: object = {}): Tokenizer {
  const key = asset + JSON.stringify(config);
  const name = basename(asset).replace(/^.*tokenizer\w*\.json$/, "tokenizer.json");
  const files = { [name]: readFileSync(folder + asset), "tokenizer_config.json": JSON.stringify(config) };
  const tokenizer = opened.get(key) ?? Tokenizer.from(files);
  opened.set(key, tokenizer);
  return tokenizer;
}

interface Vector {
  readonly text: string;
  readonly ids: number[];
  readonly offsets: number[];
  readonly type_ids: number | number[];
  readonly stm: string | number;
  readonly pieces: string[];
  readonly dec: string;
  readonly dec_s?: string;
}

/** Number lists that are all zero are written as 0. */
const spread = (value: number | string | number[], length: number) =>
  value === 0 ? new Array(length).fill(0) : Array.from(value as string, Number);

describe.skipIf(!shared).each(names("hf-tokenizers-0.23.2"))("tokenizers 0.23.2: %s", (file) => {
  test("ids, offsets, types, masks, and text with and without special tokens", () => {
    const { tokenizer: asset, cases } = JSON.parse(read(`hf-tokenizers-0.23.2/${file}`));
    const tokenizer = open(asset);
    expect(cases.length).toBeGreaterThan(500);
    for (const { text, ids, offsets, type_ids, stm, dec, dec_s } of cases as Vector[]) {
      const encoding = tokenizer.encode(text, { offsets: "code_points" });
      const special_tokens_mask = spread(stm, ids.length);
      expect({ text, ids: encoding.ids, offsets: encoding.offsets.flat() }).toEqual({ text, ids, offsets });
      expect(encoding).toMatchObject({ type_ids: spread(type_ids, ids.length), special_tokens_mask });
      const decoded = [tokenizer.decode(ids), tokenizer.decode(ids, { skip_special_tokens: false })];
      expect([text, ...decoded]).toEqual([text, dec, dec_s ?? dec]);
    }
  });
});

interface PairVector {
  readonly a: string;
  readonly b?: string;
  readonly truncation?: {
    readonly max_length: number;
    readonly stride: number;
    readonly strategy: EncodeOptions["truncation"];
    readonly direction: "left" | "right";
  };
  readonly padding?: {
    readonly length: number | null;
    readonly direction: "left" | "right";
    readonly pad_to_multiple_of: number | null;
    readonly pad_id: number;
    readonly pad_type_id: number;
    readonly pad_token: string;
  };
  readonly error?: string;
}

interface Window {
  readonly ids: number[];
  readonly type_ids: number[];
  readonly mask: number[];
  readonly stm: number[];
  readonly offsets: number[][];
  readonly word_ids: (number | null)[];
  readonly sequence_ids: (number | null)[];
}

const windowOf = (encoding: Encoding): Window => ({
  ids: encoding.ids,
  type_ids: encoding.type_ids,
  mask: encoding.attention_mask,
  stm: encoding.special_tokens_mask,
  offsets: encoding.offsets,
  word_ids: encoding.word_ids,
  sequence_ids: encoding.sequence_ids,
});

/** What is no padding. */
function withoutPadding(window: Window): Window {
  const keep = <Value>(list: readonly Value[]) => list.filter((_, index) => window.mask[index] === 1);
  const { ids, type_ids, mask, stm, offsets, word_ids, sequence_ids } = window;
  return {
    ids: keep(ids),
    type_ids: keep(type_ids),
    mask: keep(mask),
    stm: keep(stm),
    offsets: keep(offsets),
    word_ids: keep(word_ids),
    sequence_ids: keep(sequence_ids),
  };
}

describe.skipIf(!shared).each(names("hf-tokenizers-0.23.2-pairs"))("tokenizers 0.23.2, pairs: %s", (file) => {
  test("masks, words, windows and padding", () => {
    const { tokenizer: asset, cases } = JSON.parse(read(`hf-tokenizers-0.23.2-pairs/${file}`));
    const tokenizer = open(asset);
    for (const item of cases as (PairVector & Window & { readonly overflowing: Window[] })[])
      check(tokenizer, item, asset);
  });

  function check(
    tokenizer: Tokenizer,
    item: PairVector & Window & { readonly overflowing: Window[] },
    asset: string,
  ): void {
    const { a, b, truncation, padding, error } = item;
    // The file of all-MiniLM-L6-v2 pads every text to 128 tokens; we do that when asked.
    const isPadded = padding !== undefined || asset.startsWith("all-MiniLM");
    const fixed = padding ? padding.length : asset.startsWith("all-MiniLM") ? 128 : null;
    const options: EncodeOptions = {
      text_pair: b ?? undefined,
      offsets: "code_points",
      ...(truncation && {
        truncation: truncation.strategy,
        max_length: truncation.max_length,
        stride: truncation.stride,
        truncation_side: truncation.direction,
        return_overflowing_tokens: true,
      }),
      ...(padding && {
        padding: padding.length ? "max_length" : "longest",
        padding_side: padding.direction,
        pad_to_multiple_of: padding.pad_to_multiple_of ?? undefined,
        pad_id: padding.pad_id,
        pad_token: padding.pad_token,
        pad_type_id: padding.pad_type_id,
      }),
    };
    // One length serves for both.
    const clashes = isPadded && fixed !== null && truncation !== undefined && fixed !== truncation.max_length;
    const asked: EncodeOptions = clashes
      ? { ...options, padding: false }
      : fixed !== null && isPadded
        ? { ...options, padding: "max_length", max_length: fixed, truncation: options.truncation ?? false }
        : options;
    const where = { a, b, truncation, padding };
    if (error !== undefined) {
      expect(() => tokenizer.encode(a, asked), JSON.stringify(where)).toThrow(
        expect.objectContaining({ code: "options" }),
      );
      return;
    }
    const encoding = tokenizer.encode(a, asked);
    const actual = windowOf(encoding);
    const lengthOf = (text = "") => tokenizer.encode(text, { add_special_tokens: false }).length;
    if (truncation && Math.max(lengthOf(a), lengthOf(b ?? "")) > truncation.max_length) {
      // 0.23.2 reads such a text no further, so that windows after the first, or from the left, and words differ.
      if (truncation.direction === "right") {
        const pick = ({ word_ids: _, ...rest }: Window) => rest;
        expect({ where, ...pick(withoutPadding(actual)) }).toEqual({ where, ...pick(withoutPadding(item)) });
      }
      return;
    }
    const { ids, type_ids, mask, stm, offsets, word_ids, sequence_ids, overflowing } = item;
    const expected = { ids, type_ids, mask, stm, offsets, word_ids, sequence_ids, overflowing };
    if (clashes) expect({ where, ...withoutPadding(actual) }).toEqual({ where, ...withoutPadding(item) });
    else expect({ where, ...actual, overflowing: encoding.overflowing.map(windowOf) }).toEqual({ where, ...expected });
  }
});

describe.skipIf(!shared).each(names("hf-decode-stream"))("tokenizers 0.23.2, streams: %s", (file) => {
  test("the text that each id adds", () => {
    const { tokenizer: asset, cases } = JSON.parse(read(`hf-decode-stream/${file}`));
    const tokenizer = open(asset);
    for (const { ids, chunks, decode } of cases as { ids: number[]; chunks: (string | null)[]; decode: string }[]) {
      const stream = tokenizer.decodeStream();
      const parts = ids.map((id) => stream.push(id));
      expect([ids, tokenizer.decode(ids)]).toEqual([ids, decode]);
      expect([ids, parts]).toEqual([ids, chunks.map((chunk) => chunk ?? "")]);
      expect([ids, parts.join("") + stream.end()]).toEqual([ids, decode]);
    }
  });
});

describe.skipIf(!shared).each(names("sentencepiece-0.2.2"))("sentencepiece 0.2.2: %s", (file) => {
  test("ids, pieces, offsets and text", () => {
    const { model, cases } = JSON.parse(read(`sentencepiece-0.2.2/${file}`));
    const tokenizer = open(model);
    for (const { text, dec, ...expected } of cases) {
      const { ids, tokens, offsets } = tokenizer.encode(text, { offsets: "code_points" });
      const { ids: expectedIds, pieces, offsets: expectedOffsets } = expected as Vector;
      expect({ text, ids, pieces: tokens, offsets: offsets.flat() }).toEqual({
        text,
        ids: expectedIds,
        pieces,
        offsets: expectedOffsets,
      });
      expect([text, tokenizer.decode(ids)]).toEqual([text, dec]);
    }
  });
});

test.skipIf(!shared)("tiktoken 0.14.0: ids", () => {
  const { tokenizer: asset, cases } = JSON.parse(read("tiktoken-0.14.0/cl100k_base.json"));
  const tokenizer = open(asset);
  for (const { text, ids } of cases as Vector[]) {
    expect([text, tokenizer.encode(text).ids]).toEqual([text, ids]);
    expect(tokenizer.decode(ids)).toBe(text.replace(/\p{Surrogate}/gu, "\ufffd"));
  }
});

interface Published {
  readonly src: string;
  readonly asset: string;
  readonly text: string;
  readonly pair?: string;
  readonly ids: number[];
  readonly special: boolean;
}

const published: Published[] = shared
  ? read("published.jsonl")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];

describe.skipIf(!shared).each([...new Set(published.map(({ asset }) => asset))])(
  "ids that were published: %s",
  (asset) => {
    test("are ours", () => {
      const tokenizer = open(asset);
      for (const { src, text, pair, ids, special } of published.filter((item) => item.asset === asset)) {
        const encoding = tokenizer.encode(text, { text_pair: pair, add_special_tokens: special });
        expect([src, text, encoding.ids]).toEqual([src, text, ids]);
      }
    });
  },
);

test.skipIf(!shared)("SQuAD's questions have the published word pieces", () => {
  const tokenizer = open("bert-base-uncased/vocab.txt");
  const questions: { original: string; wordpiece: string[]; ids: number[] }[] = JSON.parse(
    read("squad-questions-bert-base-uncased.json"),
  );
  expect(questions.length).toBeGreaterThan(1000);
  for (const { original, wordpiece, ids } of questions) {
    const encoding = tokenizer.encode(original, { add_special_tokens: false });
    expect([original, encoding.ids, encoding.tokens]).toEqual([original, ids, wordpiece]);
  }
});
