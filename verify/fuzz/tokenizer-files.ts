// Small tokenizer files of every kind, well-formed or with a few things wrong with them.

import type { TokenizerFile } from "../../packages/tokenizers/src/index.ts";
import {
  bytePieces,
  concatenate,
  type ModelFile,
  modelFile,
  type PieceEntry,
} from "../../packages/tokenizers/test/model-file.ts";

/** A whole number from 0 to `below - 1`; 0, the simplest, once all numbers are used up. */
export type Draw = (below: number) => number;

/** Decisions from a list of numbers, so that what makes the list shorter or smaller makes the file simpler. */
export function drawFrom(numbers: readonly number[]): Draw {
  let at = 0;
  return (below) => (at < numbers.length ? numbers[at++] % below : 0);
}

const pick = <Value>(draw: Draw, values: readonly Value[]): Value => values[draw(values.length)];
const list = <Value>(draw: Draw, most: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: draw(most + 1) }, (_, index) => make(index));
/** One of the values, or nothing. */
const maybe = <Value>(draw: Draw, ...values: readonly Value[]): Value | undefined =>
  draw(2) === 0 ? undefined : pick(draw, values);

const characters = [
  "a",
  "b",
  "Ġ",
  "▁",
  "é",
  "e\u0301",
  "한",
  "字",
  "😀",
  "\u00a0",
  " ",
  "\n",
  "\0",
  "ß",
  "\ufb01",
  "İ",
];
const markers = [
  "[UNK]",
  "<unk>",
  "[CLS]",
  "</s>",
  "##a",
  "##b",
  "</w>",
  "a</w>",
  "<0x41>",
  "<0xE3>",
  "<0xZZ>",
  "<|x|>",
];
const word = (draw: Draw): string =>
  draw(4) === 0
    ? pick(draw, markers)
    : [pick(draw, characters), ...list(draw, 3, () => pick(draw, characters))].join("");

const patternParts =
  "a|b| |?|*|+|++|*?|(|)|(?:|(?i:|(?=|(?!|(?<=|(?<!|(?>|(?<n>|\\k<n>|\\1|[|[^|]|-|&&|^|$|.|\\|\\b|\\B|\\A|\\z|\\G|\\s|\\S|\\w|\\d|\\h|\\R|\\X|\\p{L}|\\p{^N}|\\P{Han}|\\p{|[:alpha:]|{2}|{1,3}|{0,}|{,5}|{99999}|{9,1}|\\x{1F600}|\\u00e9|\\x|\\0|é|字|😀|#|(?#"
    .split("|")
    .concat("|", "||");
const patterns = [
  "'s|\\p{L}+|\\s+(?!\\S)|\\s+",
  "\\s+",
  "(a+)+$",
  "(a|a)*b",
  "",
  "^$",
  "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+",
];
const regex = (draw: Draw): string =>
  draw(2) === 0 ? pick(draw, patterns) : list(draw, 9, () => pick(draw, patternParts)).join("");
const pattern = (draw: Draw): object => (draw(2) === 0 ? { String: word(draw) } : { Regex: regex(draw) });
const behavior = (draw: Draw): string =>
  pick(draw, ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous", "isolated"]);

/** A precompiled charsmap: a Darts double array over UTF-8, in which every node takes the first place that is free. */
function charsmap(replacements: Readonly<Record<string, string>>): Uint8Array {
  const encoder = new TextEncoder();
  const units: (number | undefined)[] = [0];
  const texts: number[] = [];
  const place = (node: number, suffixes: readonly (readonly [suffix: Uint8Array, text: number])[]): void => {
    const labels = [...new Set(suffixes.map(([suffix]) => suffix[0] ?? 0))];
    let base = 1;
    while (labels.some((label) => units[base ^ label] !== undefined)) base++;
    units[node] = (units[node] ?? 0) | (labels.includes(0) ? 256 : 0) | ((node ^ base) << 10);
    for (const label of labels) units[base ^ label] = label;
    for (const label of labels) {
      const below = suffixes.filter(([suffix]) => (suffix[0] ?? 0) === label);
      if (label === 0) units[base] = below[0][1];
      else
        place(
          base ^ label,
          below.map(([suffix, text]) => [suffix.subarray(1), text]),
        );
    }
  };
  const keys = Object.entries(replacements).map(([from, to]) => {
    const text = texts.length;
    texts.push(...encoder.encode(to), 0);
    return [encoder.encode(from), text] as const;
  });
  place(0, keys);
  const array = Uint32Array.from({ length: units.length }, (_, index) => units[index] ?? 0);
  const size = new Uint8Array(Uint32Array.of(array.byteLength).buffer);
  return concatenate([size, new Uint8Array(array.buffer), Uint8Array.from(texts)]);
}
const goodMap = charsmap({ "\ufb01": "fi", x: " ", "e\u0301": "é", "\n": " ", "\u200b": "" });

function randomBytes(draw: Draw, most: number): Uint8Array {
  return Uint8Array.from(list(draw, most, () => draw(256)));
}

/** A charsmap, sound or not; a wrong one may point anywhere. */
function anyMap(draw: Draw): Uint8Array {
  if (draw(2) === 0) return goodMap;
  if (draw(2) === 0) return randomBytes(draw, 40);
  const bytes = goodMap.slice();
  for (const _ of list(draw, 8, () => 0)) bytes[draw(bytes.length)] = draw(256);
  return bytes.subarray(0, bytes.length - draw(9));
}

// ------------------------------------------------------------------------------------------------------ tokenizer.json

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

function normalizer(draw: Draw): object {
  const plain = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel", "Unknown"];
  return pick<() => object>(draw, [
    () => ({ type: pick(draw, plain) }),
    () => ({ type: "BertNormalizer", strip_accents: pick(draw, [null, true, false]), lowercase: draw(2) === 0 }),
    () => ({ type: "Strip", strip_left: draw(2) === 0, strip_right: draw(2) === 0 }),
    () => ({ type: "Prepend", prepend: pick(draw, ["▁", "", "ab"]) }),
    () => ({ type: "Replace", pattern: pattern(draw), content: pick(draw, ["", "▁", "a", "ab"]) }),
    () => ({ type: "Precompiled", precompiled_charsmap: base64(anyMap(draw)) }),
    () => ({ type: "Sequence", normalizers: list(draw, 3, () => normalizer(draw)) }),
  ])();
}

function preTokenizer(draw: Draw): object {
  return pick<() => object>(draw, [
    () => ({ type: pick(draw, ["WhitespaceSplit", "Whitespace", "BertPreTokenizer", "UnicodeScripts"]) }),
    () => ({ type: "ByteLevel", add_prefix_space: maybe(draw, true, false), use_regex: maybe(draw, true, false) }),
    () => ({ type: "Split", pattern: pattern(draw), behavior: behavior(draw), invert: draw(2) === 1 }),
    () => ({
      type: "Metaspace",
      prepend_scheme: maybe(draw, "always", "first", "never"),
      split: maybe(draw, true, false),
    }),
    () => ({ type: "Digits", individual_digits: draw(2) === 0 }),
    () => ({ type: "Punctuation", behavior: maybe(draw, behavior(draw)) }),
    () => ({ type: "CharDelimiterSplit", delimiter: pick(draw, ["a", " ", "", "ab", "😀"]) }),
    () => ({ type: "FixedLength", length: draw(4) }),
    () => ({ type: "Sequence", pretokenizers: list(draw, 3, () => preTokenizer(draw)) }),
  ])();
}

function decoder(draw: Draw): object {
  return pick<() => object>(draw, [
    () => ({ type: pick(draw, ["ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Unknown"]) }),
    () => ({ type: "WordPiece", prefix: pick(draw, ["##", ""]), cleanup: draw(2) === 0 }),
    () => ({ type: "BPEDecoder", suffix: pick(draw, ["</w>", ""]) }),
    () => ({ type: "CTC", pad_token: pick(draw, ["<pad>", ""]), word_delimiter_token: pick(draw, ["|", ""]) }),
    () => ({ type: "Strip", content: pick(draw, [" ", "", "ab"]), start: draw(3), stop: draw(3) }),
    () => ({ type: "Replace", pattern: pattern(draw), content: word(draw) }),
    () => ({ type: "Sequence", decoders: list(draw, 3, () => decoder(draw)) }),
  ])();
}

function template(draw: Draw): object[] {
  return list(draw, 4, () =>
    draw(2) === 0
      ? { Sequence: { id: pick(draw, ["A", "B"]), type_id: draw(2) } }
      : { SpecialToken: { id: pick(draw, ["[CLS]", "a"]), type_id: draw(2) } },
  );
}

function postProcessor(draw: Draw): object {
  return pick<() => object>(draw, [
    () => ({
      type: "TemplateProcessing",
      single: template(draw),
      pair: template(draw),
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: list(draw, 2, () => draw(5)), tokens: list(draw, 2, () => word(draw)) },
        a: { id: "a", ids: [draw(5)], tokens: ["a"] },
      },
    }),
    () => ({
      type: pick(draw, ["BertProcessing", "RobertaProcessing"]),
      sep: ["[SEP]", draw(5)],
      cls: ["[CLS]", draw(5)],
    }),
    () => ({ type: "ByteLevel", trim_offsets: draw(2) === 0, add_prefix_space: draw(2) === 0 }),
    () => ({ type: "Sequence", processors: list(draw, 2, () => postProcessor(draw)) }),
  ])();
}

function model(draw: Draw): object {
  const tokens = [...new Set(["[UNK]", ...characters.slice(0, draw(17)), ...list(draw, 8, () => word(draw))])];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const unk_token = maybe(draw, ...tokens);
  return pick<() => object>(draw, [
    () => ({ type: "WordPiece", vocab, unk_token, max_input_chars_per_word: maybe(draw, 0, 1, 100) }),
    () => ({ type: "WordLevel", vocab, unk_token }),
    () => {
      const pairs = list(draw, 6, () => [word(draw), word(draw)]);
      for (const [index, token] of pairs.flatMap(([left, right]) => [left, right, left + right]).entries()) {
        if (!Object.hasOwn(vocab, token)) vocab[token] = tokens.length + index;
      }
      return {
        type: maybe(draw, "BPE"),
        vocab,
        merges: draw(2) === 0 ? pairs : pairs.map((pair) => pair.join(" ")),
        unk_token,
        continuing_subword_prefix: maybe(draw, "##", ""),
        end_of_word_suffix: maybe(draw, "</w>"),
        fuse_unk: maybe(draw, true, false),
        byte_fallback: maybe(draw, true, false),
        ignore_merges: maybe(draw, true, false),
      };
    },
    () => {
      const rows = tokens.map((token) => [token, -draw(30) / 4]);
      if (draw(8) === 7) rows.push(...bytePieces.map(([piece, score]) => [piece, score]));
      return { type: "Unigram", vocab: rows, unk_id: maybe(draw, 0, 1, 3), byte_fallback: maybe(draw, true, false) };
    },
  ])();
}

function tokenizerJson(draw: Draw): object {
  return {
    truncation: maybe(draw, { max_length: draw(9), strategy: "LongestFirst", stride: draw(9), direction: "Left" }),
    padding: maybe(draw, { strategy: { Fixed: draw(9) }, direction: "Left", pad_id: draw(9), pad_token: "[PAD]" }),
    added_tokens: list(draw, 4, () => ({
      id: draw(30),
      content: word(draw),
      single_word: draw(2) === 1,
      lstrip: draw(2) === 1,
      rstrip: draw(2) === 1,
      normalized: draw(2) === 1,
      special: draw(2) === 1,
    })),
    normalizer: maybe(draw, normalizer(draw)),
    pre_tokenizer: maybe(draw, preTokenizer(draw)),
    post_processor: maybe(draw, postProcessor(draw)),
    decoder: maybe(draw, decoder(draw)),
    model: model(draw),
  };
}

/** Nested so deep that a careless reader's stack ends. */
function deep(depth: number, name: string): object {
  let value: object = { type: "Lowercase" };
  for (let level = 0; level < depth; level++) value = { type: "Sequence", [name]: [value] };
  return value;
}

const oddValues: readonly ((draw: Draw) => unknown)[] = [
  () => null,
  () => -1,
  () => 1.5,
  () => 2 ** 32,
  () => 99_999_999,
  () => 1e300,
  () => "7",
  () => "",
  () => true,
  () => [],
  () => ({}),
  () => [null],
  () => ({ type: "Sequence" }),
  () => ({ type: "__proto__" }),
  () => ({ type: "constructor" }),
  () => "toString",
  () => "\ud800",
  () => "a".repeat(300),
  () => [
    ["a", 0],
    ["a", 0],
  ],
  (draw) => deep(60 + draw(8), pick(draw, ["normalizers", "pretokenizers", "processors", "decoders"])),
  (draw) => draw(20),
  (draw) => word(draw),
  (draw) => regex(draw),
  (draw) => normalizer(draw),
];

/** Changes one place of a tree: another value, no value, another name, one more. */
function mutate(draw: Draw, root: Record<string, unknown>): void {
  const places: [object: Record<string, unknown>, key: string][] = [];
  const walk = (value: unknown): void => {
    if (Object(value) !== value) return;
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      places.push([object, key]);
      walk(object[key]);
    }
  };
  walk(root);
  if (places.length === 0) return;
  const [object, key] = pick(draw, places);
  const kind = draw(6);
  if (kind < 3) object[key] = pick(draw, oddValues)(draw);
  else if (kind === 3) delete object[key];
  else if (Array.isArray(object)) object.push(object[Number(key)]);
  else {
    const name = pick(draw, ["__proto__", "constructor", "", "type", "vocab", "merges", "a"]);
    Object.defineProperty(object, name, { value: object[key], enumerable: true, configurable: true, writable: true });
  }
}

/** Changes bytes: fewer, others, more, or a part twice. */
function damage(draw: Draw, bytes: Uint8Array): Uint8Array {
  const at = draw(bytes.length + 1);
  const kind = draw(5);
  if (kind === 0) return bytes.slice(0, at);
  if (kind === 1) return concatenate([bytes.slice(0, at), randomBytes(draw, 6), bytes.slice(at)]);
  if (kind === 2) return concatenate([bytes.slice(0, at), bytes.slice(Math.max(at - draw(40), 0))]);
  const changed = bytes.slice();
  for (let count = draw(4); count >= 0 && bytes.length > 0; count--) changed[draw(bytes.length)] = draw(256);
  return changed;
}

const damageSome = (draw: Draw, bytes: Uint8Array): Uint8Array => (draw(4) === 3 ? damage(draw, bytes) : bytes);

// -------------------------------------------------------------------------------------------------------------- others

function sentencePieceModel(draw: Draw): Uint8Array {
  const byte_fallback = draw(16) === 15 || undefined;
  const pieces: PieceEntry[] = [
    ["<unk>", 0, 2],
    ["<s>", 0, 3],
    ["</s>", 0, 3],
  ];
  for (const _ of list(draw, 12, () => 0)) {
    const type = draw(12) === 11 ? draw(8) : pick(draw, [1, 1, 1, 3, 4, 5]);
    const score = draw(12) === 11 ? pick(draw, [Number.NaN, Infinity, -Infinity, 3e38]) : -draw(40) / 4;
    pieces.push([word(draw), score, type]);
  }
  if (byte_fallback) pieces.push(...bytePieces);
  if (draw(8) === 7) pieces.splice(draw(pieces.length), 1);
  const spec = (): Partial<ModelFile> => ({
    charsmap: maybe(draw, anyMap(draw)),
    add_dummy_prefix: maybe(draw, true, false),
    remove_extra_whitespaces: maybe(draw, true, false),
    escape_whitespaces: maybe(draw, true, false),
  });
  const file = modelFile({
    ...spec(),
    pieces,
    model_type: maybe(draw, 1, 2, 3, 4, 5, 99),
    treat_whitespace_as_suffix: maybe(draw, true, false),
    byte_fallback,
    unk_surface: maybe(draw, "", "\u2047"),
    bos_piece: maybe(draw, "<s>", "none", ""),
    denormalizer: maybe(draw, spec()),
  });
  return damageSome(draw, file);
}

const encoder = new TextEncoder();
const lines = (draw: Draw, most: number, make: () => string): string =>
  list(draw, most, make).join(pick(draw, ["\n", "\r\n", "\n\n"])) + pick(draw, ["", "\n", "\0"]);

/** Older files, and the small ones beside them. */
function olderFiles(draw: Draw): Record<string, Uint8Array | string> {
  return pick<() => Record<string, Uint8Array | string>>(draw, [
    () => ({ "vocab.txt": `[UNK]\n${lines(draw, 12, () => word(draw))}` }),
    () => {
      const tokens = characters.flatMap((left) => [left, `${left}a`, `${left}b`]);
      const vocab: Record<string, unknown> = Object.fromEntries(tokens.map((token, id) => [token, id]));
      if (draw(3) === 2) mutate(draw, vocab);
      return {
        "vocab.json": JSON.stringify(vocab),
        "merges.txt": lines(draw, 6, () => `${pick(draw, characters)} ${pick(draw, characters)}`),
      };
    },
    () => ({
      "x.tiktoken": lines(draw, 12, () => {
        const rank = draw(12) === 11 ? pick(draw, [-1, "x", 2 ** 33]) : draw(12);
        return `${base64(Uint8Array.of(97 + draw(3), ...list(draw, 2, () => 97 + draw(3))))} ${rank}`;
      }),
    }),
  ])();
}

function settings(draw: Draw): Record<string, string> {
  const config: Record<string, unknown> = {
    tokenizer_class: maybe(draw, "LlamaTokenizer", "T5Tokenizer", "RobertaTokenizer", "Qwen2Tokenizer", "__proto__"),
    add_bos_token: maybe(draw, true, false),
    add_eos_token: maybe(draw, true, false),
    pad_token: maybe<unknown>(draw, "<pad>", { content: "a" }, null),
    model_max_length: maybe(draw, 4, 1e30, -1),
    padding_side: maybe(draw, "left", "right"),
    do_lower_case: maybe(draw, true, false),
    added_tokens_decoder: maybe(draw, { 3: { content: "<|x|>", special: true }, x: { content: "a" } }),
  };
  if (draw(3) === 2) mutate(draw, config);
  return { "tokenizer_config.json": JSON.stringify(config) };
}

/** Files by name, as a model's folder has them. */
export function generateFiles(draw: Draw): Record<string, TokenizerFile> {
  const kind = draw(8);
  const beside = draw(4) === 3 ? settings(draw) : {};
  if (kind > 4) return { ...beside, "tokenizer.model": sentencePieceModel(draw) };
  if (kind === 4) return { ...beside, ...olderFiles(draw) };
  const json = tokenizerJson(draw) as Record<string, unknown>;
  for (let count = draw(4); count > 0; count--) mutate(draw, json);
  const text = JSON.stringify(json);
  if (draw(6) < 5) return { ...beside, "tokenizer.json": text };
  return { ...beside, "tokenizer.json": damage(draw, encoder.encode(text)) };
}

/** What a tokenizer is asked, if its files are accepted. */
export const texts: readonly string[] = [
  "",
  " ",
  "a",
  "Hello, wörld!  e\u0301 ﬁ x\u200b\n 한국어 字😀 ab##a</w> [CLS]</s> <0x41> 12",
  "\ud800a\udc00 \0\u00a0▁Ġé",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab".repeat(8),
];
