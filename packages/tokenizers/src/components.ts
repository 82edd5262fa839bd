import type { Aligned } from "./aligned.ts";
import { decodeBase64 } from "./base64.ts";
import { joinByteLevel, toByteCharacters } from "./byte-level.ts";
import { Charsmap } from "./charsmap.ts";
import {
  byteFallbackDecoder,
  ctcDecoder,
  metaspaceDecoder,
  replaceDecoder,
  stripDecoder,
  suffixDecoder,
  wordPieceDecoder,
} from "./decoders.ts";
import { mismatch } from "./errors.ts";
import { CharacterFinder, type Finder, LiteralFinder, RunFinder } from "./finder.ts";
import { readJson } from "./json.ts";
import { Bpe } from "./models/bpe.ts";
import { unigramModel } from "./models/unigram.ts";
import type { Vocabulary } from "./models/vocabulary.ts";
import { WordLevel, WordPiece } from "./models/wordpiece.ts";
import {
  acrossCharacters,
  bertNormalizer,
  lowercase,
  type Normalizer,
  nmt,
  prepend,
  replaceMatches,
  type StepwiseNormalizer,
  strip,
  stripAccents,
} from "./normalizers.ts";
import { gpt2Pattern } from "./patterns.ts";
import {
  behaviors,
  bertPreTokenizer,
  fixedLength,
  metaspace,
  prefixSpace,
  splitAt,
  unicodeScripts,
  whitespaceSplit,
} from "./pre-tokenizers.ts";
import { Reader } from "./reader.ts";
import { CharacterSet } from "./regex/character-set.ts";
import { compilePattern } from "./regex/pattern.ts";
import type { Components } from "./tokenizer-json.ts";
import { isPunctuation, isWhiteSpace, wordClass } from "./unicode.ts";
import { unicodeForm } from "./unicode-forms.ts";
import { readUnigramJson } from "./unigram-json.ts";

type Group<Name extends keyof Components> = Components[Name];

/** What BERT's tokenizers are made of. */
export const wordPieceComponents: Components = {
  parse: (text, where) => ({ value: readJson(text, where) }),
  normalizers: {
    BertNormalizer: (json) => {
      const flag = (name: string): boolean => json.flag(name, true);
      const lowercase = flag("lowercase");
      return bertNormalizer({
        clean_text: flag("clean_text"),
        handle_chinese_chars: flag("handle_chinese_chars"),
        strip_accents: json.flag("strip_accents") ?? lowercase,
        lowercase,
      });
    },
  },
  preTokenizers: { BertPreTokenizer: () => bertPreTokenizer },
  models: {
    WordPiece: (json) => {
      const unk = json.text("unk_token", "[UNK]");
      const options = {
        unk_token: unk,
        continuing_subword_prefix: json.text("continuing_subword_prefix", "##"),
        max_input_chars_per_word: json.count("max_input_chars_per_word") ?? 100,
      };
      return { model: new WordPiece(json.need("vocab", "object"), options, json.where), unk };
    },
  },
  decoders: {
    WordPiece: (json) => wordPieceDecoder(json.text("prefix", "##"), json.flag("cleanup", true)),
  },
};

/** A setting that is one character. */
function characterOf(json: Reader, name: string, otherwise?: string): string {
  const value = json.text(name) ?? otherwise;
  if (value !== undefined && /^.$/su.test(value)) return value;
  throw mismatch("file", json.at(name), "one character", value);
}

const normalizers = (): Group<"normalizers"> => ({
  ...wordPieceComponents.normalizers,
  NFC: () => unicodeForm("NFC"),
  NFD: () => unicodeForm("NFD"),
  NFKC: () => unicodeForm("NFKC"),
  NFKD: () => unicodeForm("NFKD"),
  Lowercase: () => lowercase,
  StripAccents: () => stripAccents,
  Nmt: () => nmt,
  ByteLevel: () => toByteCharacters,
  Strip: (json) => {
    const left = json.flag("strip_left", true);
    const right = json.flag("strip_right", true);
    return acrossCharacters((input) => strip(input, left, right));
  },
  Prepend: (json) => {
    const prefix = json.need("prepend", "string");
    return (input, isFirst = true) => (isFirst ? prepend(input, prefix) : input);
  },
  Replace: (json) => {
    const content = json.need("content", "string");
    const finder = readFinder(json);
    const normalize: Normalizer = (input) => replaceMatches(input, finder, content);
    return finder instanceof LiteralFinder && finder.length === 1 ? normalize : acrossCharacters(normalize);
  },
  Precompiled: (json) => {
    const where = json.at("precompiled_charsmap");
    const map = new Charsmap(decodeBase64(json.need("precompiled_charsmap", "string"), where), where);
    const steps: StepwiseNormalizer = (input) => map.normalizeSteps(input, "huggingface");
    return Object.assign((input: Aligned) => map.normalize(input, "huggingface"), { steps });
  },
});

const preTokenizers = (): Group<"preTokenizers"> => ({
  ...wordPieceComponents.preTokenizers,
  ByteLevel: (json) => {
    const prefixes = json.flag("add_prefix_space", true);
    const splits = json.flag("use_regex", true);
    return {
      prepare: prefixes ? prefixSpace : undefined,
      split: splits ? splitAt(compilePattern(gpt2Pattern, json.where), "Isolated").split : undefined,
      finish: toByteCharacters,
    };
  },
  Split: (json) => splitAt(readFinder(json), json.choice("behavior", behaviors), json.flag("invert")),
  Metaspace: (json) => metaspace(characterOf(json, "replacement", "\u2581"), schemeOf(json), json.flag("split", true)),
  Digits: (json) => {
    const digits = new CharacterSet("\\p{N}");
    const behavior = json.flag("individual_digits") ? "Isolated" : "Contiguous";
    return splitAt(new CharacterFinder((codePoint) => digits.has(codePoint)), behavior);
  },
  Punctuation: (json) => splitAt(new CharacterFinder(isPunctuation), json.choice("behavior", behaviors)),
  Whitespace: () => {
    const word = new CharacterSet(wordClass);
    return splitAt(
      new RunFinder((codePoint) => (isWhiteSpace(codePoint) ? 0 : word.has(codePoint) ? 1 : 2)),
      "Removed",
      true,
    );
  },
  WhitespaceSplit: () => whitespaceSplit,
  CharDelimiterSplit: (json) => splitAt(new LiteralFinder(characterOf(json, "delimiter")), "Removed"),
  UnicodeScripts: () => unicodeScripts,
  FixedLength: (json) => fixedLength(Math.max(json.count("length") ?? 5, 1)),
});

const models = (): Group<"models"> => ({
  ...wordPieceComponents.models,
  WordLevel: (json) => {
    const unk = json.text("unk_token", "<unk>");
    return { model: new WordLevel(json.need("vocab", "object"), unk, json.where), unk };
  },
  Unigram: unigram,
  BPE: (json) => {
    const unk = json.text("unk_token");
    if (json.get("dropout", "number")) throw mismatch("unsupported", json.at("dropout"), "none", json.any("dropout"));
    const options = {
      unk_token: unk,
      continuing_subword_prefix: json.text("continuing_subword_prefix"),
      end_of_word_suffix: json.text("end_of_word_suffix"),
      fuse_unk: json.flag("fuse_unk"),
      byte_fallback: json.flag("byte_fallback"),
      ignore_merges: json.flag("ignore_merges"),
    };
    // Of a rank file: any two tokens that make a third.
    const merges = json.any("merges") === "all" ? undefined : json.need("merges", "array");
    return { model: new Bpe(json.need("vocab", "object"), merges, options, json.where), unk };
  },
});

const unigram: Group<"models">[string] = (json, vocabulary) => {
  if (!vocabulary) throw mismatch("vocabulary", json.at("vocab"), "rows of a piece and its score", json.any("vocab"));
  const pieces = vocabulary as Vocabulary;
  const unkId = json.count("unk_id");
  if (unkId !== undefined && unkId >= pieces.size)
    throw mismatch("vocabulary", json.at("unk_id"), `an id below ${pieces.size}`, unkId);
  const byteFallback = json.flag("byte_fallback");
  return { model: unigramModel(pieces, { rule: "huggingface", unkId, byteFallback }), surfaceId: unkId };
};

const decoders = (): Group<"decoders"> => ({
  ...wordPieceComponents.decoders,
  ByteLevel: () => (tokens) => [joinByteLevel(tokens)],
  Metaspace: (json) => metaspaceDecoder(characterOf(json, "replacement", "\u2581"), schemeOf(json) !== "never"),
  BPEDecoder: (json) => suffixDecoder(json.text("suffix", "</w>")),
  CTC: (json) =>
    ctcDecoder(json.text("pad_token", "<pad>"), json.text("word_delimiter_token", "|"), json.flag("cleanup", true)),
  ByteFallback: () => byteFallbackDecoder,
  Fuse: () => (tokens) => [tokens.join("")],
  Strip: (json) => stripDecoder(characterOf(json, "content"), json.count("start") ?? 0, json.count("stop") ?? 0),
  Replace: (json) => replaceDecoder(readFinder(json), json.need("content", "string")),
});

/** Every step of every release of tokenizer.json. */
export const allComponents: Components = /* @__PURE__ */ everything();

function everything(): Components {
  return {
    parse: readUnigramJson,
    normalizers: normalizers(),
    preTokenizers: preTokenizers(),
    models: models(),
    decoders: decoders(),
  };
}

function readFinder(json: Reader): Finder {
  const pattern = new Reader(json.any("pattern"), json.at("pattern"));
  const literal = pattern.text("String");
  // An empty one is everywhere.
  return literal
    ? new LiteralFinder(literal)
    : compilePattern(literal ?? pattern.need("Regex", "string"), pattern.where);
}

function schemeOf(json: Reader): "always" | "first" | "never" {
  const scheme = json.choice("prepend_scheme", ["always", "first", "never"]);
  return json.flag("add_prefix_space") === false ? "never" : scheme;
}
