import type { AddedToken } from "./added-tokens.ts";
import { decodeBase64 } from "./base64.ts";
import { byteCharacter } from "./byte-level.ts";
import { mismatch } from "./errors.ts";
import { readJson, readText } from "./json.ts";
import { cl100kPattern, gpt2Pattern, o200kPattern, qwenPattern } from "./patterns.ts";
import { Reader } from "./reader.ts";
import type { Settings } from "./settings.ts";

// Older files say less than a tokenizer.json does: here they are turned into one.

type File = Uint8Array | string;
type Ids = Readonly<Record<string, unknown>>;

/** The lines of a text, without the line feed and a carriage return before it; no other character ends a line. */
function linesOf(file: File, where: string): string[] {
  const lines = readText(file, where)
    .split("\n")
    .map((line) => line.replace(/\r$/, ""));
  if (lines[lines.length - 1] === "") lines.pop();
  return lines;
}

/** What older files say, in the terms of a tokenizer.json. */
export interface OldFiles {
  readonly json: object;
  readonly tokens: readonly AddedToken[];
  /** The tokens that have a meaning where the files name no others. */
  readonly roles?: Roles;
}

/** Tokens by their roles, as in `{ eos_token: "</s>" }`. */
type Roles = Readonly<Record<string, string>>;

/** @throws {TokenizerError} `code: "unsupported"` for a class whose files these may be, but which reads them in another way */
function checkClass(settings: Settings, file: string, classes: readonly string[]): void {
  if (["", "PreTrained", "TokenizersBackend", ...classes].includes(settings.className)) return;
  const known = classes.map((name) => `${name}Tokenizer`).join(", ");
  const [where, name] = settings.naming;
  throw mismatch("unsupported", where, `one of ${known} for a ${file}`, name);
}

/** The tokens that the files and the class add; a mask of which only the text is known takes the spaces before it where `strips` says so. */
function addedTokens(settings: Settings, roles: Roles, strips: boolean): AddedToken[] {
  const mask = strips && settings.role("mask_token", roles.mask_token);
  return settings.tokens(roles).map((token) => ({ lstrip: token.content === mask, ...token }));
}

/** What stands around the texts of some classes: added tokens, which may lie behind the vocabulary. */
function clsAndSep(settings: Settings, roles: Roles): object {
  const [cls, sep] = ["cls_token", "sep_token"].map((name) => [settings.role(name, roles[name])]);
  return { cls, sep };
}

/** A step that puts added tokens around each text; the second one of a pair is of the second type with them. */
function frame(begin: readonly string[], end: readonly string[]): object {
  const around = (id: string, type_id: number): object[] => {
    const special = (id: string): object => ({ SpecialToken: { id, type_id } });
    return [...begin.map(special), { Sequence: { id, type_id } }, ...end.map(special)];
  };
  const single = around("A", 0);
  return { type: "TemplateProcessing", single, pair: [...single, ...around("B", 1)] };
}

const bertRoles = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};
const robertaRoles = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: "<mask>",
};
const mpnetRoles = { ...robertaRoles, unk_token: "[UNK]" };
const bertClasses = ["Bert", "ConvBert", "DistilBert", "DPRContextEncoder", "DPRQuestionEncoder", "Electra", "Lxmert"];
const vocabTxtClasses = [...bertClasses, "MobileBert", "MPNet", "SqueezeBert"];

/**
 * BERT's vocab.txt: a token a line, its id the number of the line; of equal ones the last counts. Settings are those of
 * `transformers`: lower case unless `do_lower_case` is false. MPNet's texts stand between `<s>` and `</s>`.
 */
export function readVocabTxt(file: File, where: string, settings: Settings): OldFiles {
  checkClass(settings, "vocab.txt", vocabTxtClasses);
  const vocab: Ids = Object.fromEntries(linesOf(file, where).map((token, id) => [token, id]));
  const isMpnet = (settings.className || settings.modelType).toLowerCase() === "mpnet";
  const roles = isMpnet ? mpnetRoles : bertRoles;
  const json = {
    normalizer: {
      type: "BertNormalizer",
      handle_chinese_chars: settings.flag("tokenize_chinese_chars"),
      strip_accents: settings.flag("strip_accents"),
      lowercase: settings.flag("do_lower_case"),
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    model: { type: "WordPiece", unk_token: settings.role("unk_token", roles.unk_token), vocab },
    post_processor: {
      type: isMpnet ? "RobertaProcessing" : "BertProcessing",
      add_prefix_space: false,
      ...clsAndSep(settings, roles),
    },
    decoder: { type: "WordPiece" },
  };
  return { json, tokens: addedTokens(settings, roles, isMpnet), roles };
}

// What a published pattern does not match is a word; that of one that is given is nothing.
const isolated = { behavior: "Isolated" };
const matchesOnly = { behavior: "Removed", invert: true };

/** Byte-level byte-pair encoding, cut into words by a pattern. */
function byteLevel(
  pattern: string,
  model: object,
  rest: object,
  add_prefix_space = false,
  behavior: object = isolated,
): object {
  const pretokenizers = [
    { type: "ByteLevel", add_prefix_space, use_regex: pattern === gpt2Pattern },
    { type: "Split", pattern: { Regex: pattern }, ...behavior },
  ];
  if (pattern === gpt2Pattern) pretokenizers.pop();
  return {
    ...rest,
    pre_tokenizer: { type: "Sequence", pretokenizers: pretokenizers.reverse() },
    model: { type: "BPE", ...model },
    decoder: { type: "ByteLevel" },
  };
}

const endOfText = "<|endoftext|>";
export const gpt2Roles = { bos_token: endOfText, eos_token: endOfText, unk_token: endOfText };
// Spelled out, as bundlers keep what spreads.
export const gptNeoXRoles = {
  bos_token: endOfText,
  eos_token: endOfText,
  unk_token: endOfText,
  pad_token: "<|padding|>",
};
export const qwenRoles = { eos_token: endOfText, unk_token: endOfText, pad_token: endOfText };
const robertaClasses = ["Bart", "LED", "Longformer", "Roberta"];
const vocabJsonClasses = [...robertaClasses, "CodeGen", "GPT2", "GPTNeoX", "Qwen2"];

/**
 * GPT-2's vocab.json and merges.txt: byte-level byte-pair encoding. A vocabulary with `<s>`, `</s>` and `<mask>` is
 * RoBERTa's, and those stand around its texts.
 */
export function readVocabJson(file: File, mergesFile: File, where: string, settings: Settings): OldFiles {
  checkClass(settings, "vocab.json with merges.txt", vocabJsonClasses);
  const vocab = new Reader(readJson(file, where), where).value as Ids;
  const merges = linesOf(mergesFile, "merges.txt").filter((line) => line && !line.startsWith("#version"));
  const name = settings.className || settings.modelType;
  const isRoberta =
    robertaClasses.includes(settings.className) ||
    ["<s>", "</s>", "<mask>"].every((token) => Object.hasOwn(vocab, token));
  const isQwen = /^qwen2/i.test(name);
  const isNeoX = /neox/i.test(name);
  const prefixes = settings.flag("add_prefix_space", false);
  const roles: Roles = isRoberta ? robertaRoles : isQwen ? qwenRoles : isNeoX ? gptNeoXRoles : gpt2Roles;
  const around = (name: "bos" | "eos"): string[] => {
    const token = settings.role(`${name}_token`, roles[`${name}_token`]);
    // Qwen2 has no token to begin with.
    return token !== undefined && settings.flag(`add_${name}_token`) ? [token] : [];
  };
  const json = byteLevel(
    isQwen ? qwenPattern : gpt2Pattern,
    { vocab, merges },
    {
      normalizer: isQwen || isNeoX ? { type: "NFC" } : null,
      // RoBERTa's texts are framed in any case.
      post_processor: isRoberta
        ? {
            type: "RobertaProcessing",
            add_prefix_space: prefixes,
            trim_offsets: settings.flag("trim_offsets"),
            ...clsAndSep(settings, robertaRoles),
          }
        : frame(around("bos"), around("eos")),
    },
    prefixes,
  );
  return { json, tokens: addedTokens(settings, roles, isRoberta), roles };
}

// By the number of ranks: the pattern, and special tokens from an id on. Further ones are in files or in programs only.
const knownRanks: Readonly<Record<number, readonly [pattern: string, firstId: number, ...special: string[]]>> = {
  50256: [gpt2Pattern, 50256, endOfText],
  // Whisper, with a token of no bytes.
  50257: [gpt2Pattern, 50257, endOfText],
  50280: [gpt2Pattern, 50256, endOfText],
  100256: [cl100kPattern, 100257, endOfText],
  // Llama 3, and 4 below.
  128000: [cl100kPattern, 128000, "<|begin_of_text|>", "<|end_of_text|>"],
  151643: [qwenPattern, 151643, endOfText],
  199998: [o200kPattern, 199999, endOfText],
  200000: [o200kPattern, 200000, "<|begin_of_text|>", "<|end_of_text|>"],
};

/**
 * A tiktoken rank file: a token's bytes in base64 and its rank a line. The pattern that cuts words is in no file: it is
 * that of the published encoding with as many ranks, else cl100k's, or the one given.
 * @see tiktoken src/lib.rs
 */
export function readTiktoken(file: File, where: string, settings: Settings, pattern?: string): OldFiles {
  const vocab: Record<string, unknown> = Object.create(null);
  const lines = linesOf(file, where).filter(Boolean);
  for (const [index, line] of lines.entries()) {
    const [, base64, rank] = /^([\w+/=]+) (\d{1,9})$/.exec(line) ?? [];
    if (rank === undefined) throw mismatch("file", `${where}: line ${index + 1}`, "base64 and a rank", line);
    let token = "";
    if (base64 !== "=") for (const byte of decodeBase64(base64, where)) token += byteCharacter(byte);
    vocab[token] = Number(rank);
  }
  const [known, firstId = 0, ...special] = knownRanks[lines.length] ?? [cl100kPattern];
  const named = settings.addedTokens;
  const others = special
    .map((content, index) => ({ content, id: firstId + index }))
    .filter((token) => named.every(({ content, id }) => content !== token.content && id !== token.id));
  const model = { vocab, merges: "all", ignore_merges: true };
  // An interval with a plus gives nothing back there.
  const given = pattern?.replace(/(\\[pP]\{\^?\w+\}|\[[^\]]*\]|\\?.)(\{\d+,?\d*\})\+/g, "(?>$1$2)");
  return {
    json: byteLevel(given ?? known, model, {}, false, given === undefined ? isolated : matchesOnly),
    tokens: [...named, ...others].map((token) => ({ ...token, special: true })),
  };
}
