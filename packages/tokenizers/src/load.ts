import { mismatch, TokenizerError } from "./errors.ts";
import { readJson } from "./json.ts";
import { G2PTokenizer, isG2PVocabulary } from "./phonetics/g2p.ts";
import { type SentencePieceOptions, type SentencePieceParts, SentencePieceTokenizer } from "./sentencepiece.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The files of a tokenizer by their names in the model's folder, as an object or a map; JSON may be text. */
export type TokenizerFiles = ReadonlyMap<string, TokenizerFile> | Readonly<Record<string, TokenizerFile | undefined>>;

/** The bytes of a file, or the text of a JSON file. */
export type TokenizerFile = Uint8Array | string;

const configName = "tokenizer_config.json";

/**
 * Opens a tokenizer from the files of a model, by what is in them: a SentencePiece `.model`, else a G2P's vocab.json.
 * Where `tokenizer_config.json` is among them, its `tokenizer_class`, `add_bos_token` and `add_eos_token` are honoured.
 * @param parts what `.model` files beyond Llama's BPE need: `sentencePieceParts` where they may come
 * @throws {TokenizerError} `code: "unsupported"` for files or a class that are not built in, and what the tokenizers throw
 */
export function loadTokenizer(files: TokenizerFiles, parts: SentencePieceParts = {}): Tokenizer {
  const all = new Map(files instanceof Map ? files : Object.entries(files).filter(([, file]) => file !== undefined));
  const names = [...all.keys()].filter((name) => name !== configName);
  const model = names.find((name) => name.endsWith(".model") || isBinary(all.get(name)));
  if (model !== undefined) return openModel(model, all, parts);
  for (const name of names.filter((name) => !name.endsWith(".txt"))) {
    const value = readJson(all.get(name) as TokenizerFile, name);
    if (isG2PVocabulary(value) && !names.includes("merges.txt")) return new G2PTokenizer(value, { file: name });
    if (typeof value === "object" && value !== null && "model" in value) {
      throw new TokenizerError("unsupported", `${name} is not supported yet: give tokenizer.model`, { file: name });
    }
  }
  throw mismatch(
    "unsupported",
    "tokenizer",
    "a SentencePiece .model or a G2P vocab.json",
    names,
    names.join(", ") || "none",
  );
}

/** Whether a file without a telling name is protobuf: field 1 comes first, which is a line feed to a text. */
function isBinary(file: TokenizerFile | undefined): boolean {
  return typeof file === "object" && file[0] === 0x0a && file[2] === 0x0a;
}

// The classes whose ids are those of the .model file, and whether a begin and an end id surround a text.
const classes: Readonly<Record<string, { readonly add_bos_token?: boolean; readonly add_eos_token: boolean }>> = {
  LlamaTokenizer: { add_eos_token: false },
  GemmaTokenizer: { add_eos_token: false },
  T5Tokenizer: { add_bos_token: false, add_eos_token: true },
};

function openModel(
  file: string,
  files: ReadonlyMap<string, TokenizerFile>,
  parts: SentencePieceParts,
): SentencePieceTokenizer {
  const bytes = files.get(file);
  if (typeof bytes !== "object") throw mismatch("file", file, "bytes", bytes);
  const { tokenizer_class = "LlamaTokenizer", ...config } = readConfig(files.get(configName));
  const name = tokenizer_class.replace(/Fast$/, "");
  if (!Object.hasOwn(classes, name)) {
    throw mismatch("unsupported", configName, `a tokenizer_class of ${Object.keys(classes).join(", ")}`, name);
  }
  return new SentencePieceTokenizer(bytes, { ...parts, ...classes[name], ...config, file });
}

interface TokenizerConfig extends Pick<SentencePieceOptions, "add_bos_token" | "add_eos_token"> {
  tokenizer_class?: string;
}

const configTypes = { tokenizer_class: "string", add_bos_token: "boolean", add_eos_token: "boolean" };

/** What tokenizer_config.json says of the three keys; what is null, as Python writes None, is left out. */
function readConfig(file: TokenizerFile | undefined): TokenizerConfig {
  const value = file === undefined ? {} : readJson(file, configName);
  if (Object(value) !== value || Array.isArray(value)) throw mismatch("file", configName, "an object", value);
  const config: Record<string, unknown> = {};
  for (const [name, found] of Object.entries(value as object)) {
    const type = Object.hasOwn(configTypes, name) && configTypes[name as keyof typeof configTypes];
    if (!type || found === null) continue;
    if (typeof found !== type) throw mismatch("file", `${configName}: ${name}`, `a ${type}`, found);
    config[name] = found;
  }
  return config;
}
