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

/** The added tokens that a vocabulary has. */
function specials(contents: readonly string[], ids: Ids): object[] {
  const known = contents.filter((content) => Object.hasOwn(ids, content));
  return known.map((content) => ({ content, special: true, lstrip: content === "<mask>" }));
}

/**
 * BERT's vocab.txt: a token a line, its id the number of the line; of equal ones the last counts. Settings are those of
 * `transformers`: lower case unless `do_lower_case` is false.
 */
export function readVocabTxt(file: File, where: string, settings: Settings): object {
  const vocab: Ids = Object.fromEntries(linesOf(file, where).map((token, id) => [token, id]));
  const roles = ["pad", "unk", "mask", "cls", "sep"].map((name) =>
    settings.role(`${name}_token`, `[${name.toUpperCase()}]`),
  );
  const [, unk_token, , cls, sep] = roles;
  const lowercase = settings.flag("do_lower_case", true);
  const isFramed = Object.hasOwn(vocab, cls) && Object.hasOwn(vocab, sep);
  return {
    added_tokens: specials(roles, vocab),
    normalizer: {
      type: "BertNormalizer",
      handle_chinese_chars: settings.flag("tokenize_chinese_chars", true),
      strip_accents: settings.flag("strip_accents", lowercase),
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    model: { type: "WordPiece", unk_token, vocab },
    post_processor: isFramed ? { type: "BertProcessing", cls: [cls, vocab[cls]], sep: [sep, vocab[sep]] } : null,
    decoder: { type: "WordPiece" },
  };
}

/** Byte-level byte-pair encoding, cut into words by a pattern. */
function byteLevel(pattern: string, model: object, rest: object, add_prefix_space = false): object {
  const pretokenizers = [
    { type: "ByteLevel", add_prefix_space, use_regex: pattern === gpt2Pattern },
    { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated" },
  ];
  if (pattern === gpt2Pattern) pretokenizers.pop();
  return {
    ...rest,
    pre_tokenizer: { type: "Sequence", pretokenizers: pretokenizers.reverse() },
    model: { type: "BPE", ...model },
    decoder: { type: "ByteLevel" },
  };
}

/**
 * GPT-2's vocab.json and merges.txt: byte-level byte-pair encoding. A vocabulary with `<s>`, `</s>` and `<mask>` is
 * RoBERTa's, and those stand around its texts.
 */
export function readVocabJson(file: File, mergesFile: File, where: string, settings: Settings): object {
  const vocab = new Reader(readJson(file, where), where).value as Ids;
  const merges = linesOf(mergesFile, "merges.txt").filter((line) => line !== "" && !line.startsWith("#version"));
  const className = settings.text("tokenizer_class") ?? "";
  const isRoberta =
    /^(Roberta|Longformer|Bart)/.test(className) ||
    ["<s>", "</s>", "<mask>"].every((token) => Object.hasOwn(vocab, token));
  const isQwen = className.startsWith("Qwen2");
  const prefixes = settings.flag("add_prefix_space", false);
  const end = settings.role("eos_token", isRoberta ? "</s>" : "<|endoftext|>");
  const framing = ["cls", "sep"].map((name, index) => {
    const token = settings.role(`${name}_token`, ["<s>", "</s>"][index]);
    return [name, [token, vocab[token]]];
  });
  return byteLevel(
    isQwen ? qwenPattern : gpt2Pattern,
    { vocab, merges },
    {
      normalizer: isQwen ? { type: "NFC" } : null,
      added_tokens: specials(isRoberta ? ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] : [end], vocab),
      post_processor: isRoberta
        ? { type: "RobertaProcessing", add_prefix_space: prefixes, ...Object.fromEntries(framing) }
        : null,
    },
    prefixes,
  );
}

// By the number of ranks: the pattern, and the id of `<|endoftext|>`.
const knownRanks: Readonly<Record<number, readonly [pattern: string, endOfText: number]>> = {
  50256: [gpt2Pattern, 50256],
  50280: [gpt2Pattern, 50256],
  100256: [cl100kPattern, 100257],
  128000: [cl100kPattern, 128001],
  151643: [qwenPattern, 151643],
  199998: [o200kPattern, 199999],
};

/**
 * A tiktoken rank file: a token's bytes in base64 and its rank a line. The pattern that cuts words is in no file: it is
 * that of the published encoding with as many ranks, else cl100k's, or the one given.
 * @see tiktoken src/lib.rs
 */
export function readTiktoken(file: File, where: string, settings: Settings, pattern?: string): object {
  const vocab: Record<string, unknown> = {};
  const tokens = linesOf(file, where)
    .filter((line) => line !== "")
    .map((line, index) => {
      const [, base64, rank] = /^([\w+/=]+) (\d{1,9})$/.exec(line) ?? [];
      if (rank === undefined) throw mismatch("file", `${where}: line ${index + 1}`, "base64 and a rank", line);
      const token = Array.from(decodeBase64(base64, where), byteCharacter).join("");
      vocab[token] = Number(rank);
      return token;
    });
  // Whatever two tokens make together is a merge, by the rank of what they make.
  const merges = tokens.flatMap((token) =>
    Array.from({ length: token.length - 1 }, (_, index) => [token.slice(0, index + 1), token.slice(index + 1)]).filter(
      ([left, right]) => Object.hasOwn(vocab, left) && Object.hasOwn(vocab, right),
    ),
  );
  const [known, endOfText] = knownRanks[tokens.length] ?? [cl100kPattern];
  if (endOfText !== undefined) vocab["<|endoftext|>"] = endOfText;
  for (const { content, id } of settings.addedTokens) vocab[content] = id;
  const contents = [...settings.addedTokens.map(({ content }) => content), "<|endoftext|>"];
  const model = { vocab, merges, ignore_merges: true, ranks_are_ids: true };
  // An interval with a plus gives nothing back there.
  const given = pattern?.replace(/(\\[pP]\{\^?\w+\}|\[[^\]]*\]|\\?.)(\{\d+,?\d*\})\+/g, "(?>$1$2)");
  return byteLevel(given ?? known, model, { added_tokens: specials(contents, vocab) });
}
