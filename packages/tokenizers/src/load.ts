import { mismatch, tagOf } from "./errors.ts";
import type { Rule } from "./models/pieces.ts";
import { type Checks, checkOptions, text } from "./options.ts";
import type { TextTokenizer } from "./text-tokenizer.ts";

/** The files of a tokenizer by their names in the model's folder, as an object or a map; JSON may be text. */
export type TokenizerFiles = ReadonlyMap<string, TokenizerFile> | Readonly<Record<string, TokenizerFile | undefined>>;

/** The bytes of a file, or its text. */
export type TokenizerFile = Uint8Array | string;

/** How files are opened, where they do not say it. */
export interface TokenizerOptions {
  /**
   * Whose rules count. Files decide: those of sentencepiece for a `.model`, Hugging Face's for a tokenizer.json, which is
   * preferred. `"sentencepiece"` prefers the `.model`, whose control pieces are then plain text; `"huggingface"` reads a `.model` by Hugging Face's rules.
   */
  readonly rule?: Rule;
  /** How a tiktoken rank file cuts words: the pattern in Oniguruma's syntax. */
  readonly pattern?: string;
}

const optionChecks: Checks<TokenizerOptions> = {
  rule: [/^string (sentencepiece|huggingface)$/, "sentencepiece or huggingface"],
  pattern: text,
};

/** What is known of the files while one is chosen. */
export interface OpeningFiles {
  /** Those that may hold a tokenizer. */
  readonly files: ReadonlyMap<string, TokenizerFile>;
  /** All of them. */
  readonly all: ReadonlyMap<string, TokenizerFile>;
  readonly options: TokenizerOptions;
}

/** One way in which tokenizers are published. */
export interface TokenizerFormat {
  /** In words, for messages. */
  readonly name: string;
  /** Opens the files, if there is one of this format among them. */
  open(files: OpeningFiles): TextTokenizer | undefined;
}

/** What comes in the place of a file that could not be had, in words. */
function standInOf(file: TokenizerFile): string | undefined {
  const begin = beginOfText(file, 64);
  if (/^version https:\/\/git-lfs/.test(begin)) return "a Git LFS pointer (run `git lfs pull`)";
  return /^\s*<(!doctype|html)/i.test(begin) ? "an HTML page" : undefined;
}

// What lies beside a tokenizer and is none.
const settingsFiles =
  /(^|\/)((tokenizer_|generation_|preprocessor_|sentence_bert_|quantize_)?config|config_sentence_transformers|special_tokens_map|added_tokens|modules|.*\.index)\.json$|chat_template|\.(jinja|safetensors|md)$/;

/**
 * Opens a tokenizer by the first of the formats that its files have.
 * @throws {TokenizerError} `code: "unsupported"` for files of none, and what the formats throw
 */
export function openTokenizer(
  files: TokenizerFiles,
  formats: readonly TokenizerFormat[],
  options: TokenizerOptions = {},
): TextTokenizer {
  checkOptions(options, optionChecks, "tokenizer");
  if (!Array.isArray(formats))
    throw mismatch("options", "tokenizer", "a list of formats, such as bertFormats", formats);
  if (Object(files) !== files || ArrayBuffer.isView(files))
    throw mismatch("file", "tokenizer", "files by their names", files);
  const isMap = tagOf(files) === "[object Map]";
  const entries = isMap
    ? [...(files as ReadonlyMap<string, TokenizerFile>)]
    : Object.entries(files).filter(([, file]) => file !== undefined);
  for (const [name, file] of entries) {
    const isFile = typeof file === "string" || tagOf(file) === "[object Uint8Array]";
    if (!isFile) throw mismatch("file", name, "bytes or text", file);
  }
  const all = new Map(entries as [string, TokenizerFile][]);
  const others = [...all].filter(([name]) => !settingsFiles.test(name));
  const there = others.filter(([, file]) => !standInOf(file));
  const likely = there.filter(([name]) => /vocab|merges|token|piece|\.model$/i.test(name));
  const named = new Map(likely.length > 0 ? likely : there);
  const opening = { files: named, all, options };
  for (const format of formats) {
    const tokenizer = format.open(opening);
    if (!tokenizer) continue;
    if (options.pattern === undefined || tokenizer.kind === "tiktoken") return tokenizer;
    throw mismatch("options", "pattern", "a tiktoken rank file, as others have theirs", tokenizer.kind);
  }
  for (const [name, file] of others) {
    const got = standInOf(file);
    if (got) throw mismatch("file", name, "the file itself", undefined, got);
  }
  const known = formats.map(({ name }) => name).join(", ");
  throw mismatch("unsupported", "tokenizer", known, undefined, [...named.keys()].join(", ") || "no file");
}

/** Whether a file is protobuf with a field 1 that is a message: no text begins so. */
export function isProtobuf(file: TokenizerFile): boolean {
  return typeof file === "object" && file[0] === 0x0a && (file[2] === 0x0a || file[3] === 0x0a);
}

function beginOfText(file: TokenizerFile, length: number): string {
  return typeof file === "string" ? file.slice(0, length) : new TextDecoder().decode(file.subarray(0, length));
}

/** The first file that is a text of some kind, by its name and its first characters. */
export function findText(
  files: ReadonlyMap<string, TokenizerFile>,
  is: (name: string, begin: string) => boolean,
): readonly [name: string, file: TokenizerFile] | undefined {
  for (const [name, file] of files) {
    if (isProtobuf(file)) continue;
    if (is(name, beginOfText(file, 4096).trimStart())) return [name, file];
  }
  return undefined;
}

/** Whether this is the name of the merges beside a vocab.json. */
export function isMerges(name: string): boolean {
  return /merges.*\.txt$/.test(name);
}
