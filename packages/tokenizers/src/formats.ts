import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { chooseChatTemplate, renderChatTemplate } from "./chat-template.ts";
import { plainTemplate, type TemplatePiece } from "./encoding.ts";
import { mismatch } from "./errors.ts";
import { readText } from "./json.ts";
import { findText, isMerges, isProtobuf, type OpeningFiles, type TokenizerFile, type TokenizerFormat } from "./load.ts";
import type { Model } from "./models/model.ts";
import { openSentencePiece, type SentencePieceParts } from "./sentencepiece.ts";
import { roles, Settings, specialToken } from "./settings.ts";
import { Tokenizer, type TokenizerParts } from "./tokenizer.ts";
import { type Components, readTokenizerJson } from "./tokenizer-json.ts";
import {
  gpt2Roles,
  gptNeoXRoles,
  type OldFiles,
  qwenRoles,
  readTiktoken,
  readVocabJson,
  readVocabTxt,
} from "./vocab-files.ts";

/** Tokens by their roles, as in `{ eos_token: "</s>" }`. */
type Roles = Readonly<Record<string, string>>;

/** Makes what renders conversations from the files beside a tokenizer: `chatRenderer`, where a page wants it. */
export type ChatRenderer = (
  all: OpeningFiles["all"],
  settings: Settings,
  tokenizer: Tokenizer,
  roles: Roles,
) => TokenizerParts["renderChat"];

const evenForBpe = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";

/** What the small files add to a tokenizer: the tokens with a meaning, lengths and sides. */
function finish(
  parts: TokenizerParts,
  settings: Settings,
  chat: ChatRenderer | undefined,
  all: OpeningFiles["all"],
  roles: Roles = {},
): Tokenizer {
  const plain = new Tokenizer(parts);
  const id = (role: string): number | undefined => plain.tokenToId(settings.role(role, roles[role] ?? ""));
  const mask = settings.role("mask_token", roles.mask_token);
  const masks = (mask === undefined ? ["[MASK]", "<mask>"] : [mask])
    .map((token) => plain.tokenToId(token))
    .filter((known) => known !== undefined);
  return new Tokenizer({
    ...parts,
    bosId: id("bos_token"),
    eosId: id("eos_token"),
    padId: id("pad_token") ?? parts.padId ?? plain.tokenToId("[PAD]") ?? plain.tokenToId("<pad>"),
    unkId: id("unk_token") ?? parts.unkId,
    // MPNet's vocabulary has BERT's as a piece like others.
    maskId: masks.find((known) => plain.isSpecial(known)) ?? masks[0],
    maxLength: settings.maxLength,
    paddingSide: settings.side("padding_side") ?? parts.paddingSide,
    truncationSide: settings.side("truncation_side") ?? parts.truncationSide,
    splitsSpecialTokens: settings.flag("split_special_tokens") ?? parts.splitsSpecialTokens,
    // transformers cleans up after byte pairs only where a second flag asks for it.
    cleansUp:
      parts.cleanUp &&
      settings.flag("clean_up_tokenization_spaces") &&
      (settings.flag(evenForBpe) || !parts.model.mergesPairs),
    renderChat: chat?.(all, settings, plain, roles),
  });
}

// In transformers they are for tensors and other results, and no variables of a template.
const pythonArguments = ["return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs"];

const llamaRoles: Roles = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
// What the classes of decoders call their tokens where no file does; other classes have no chats.
const rolesOfClass: Readonly<Record<string, Roles>> = {
  GPT2: gpt2Roles,
  GPTNeoX: gptNeoXRoles,
  Qwen2: qwenRoles,
  Llama: llamaRoles,
  CodeLlama: llamaRoles,
  Gemma: { bos_token: "<bos>", eos_token: "<eos>", unk_token: "<unk>", pad_token: "<pad>", mask_token: "<mask>" },
};
// By model type, where no file names a class. Types that are in neither list have a class without such names.
const defaultClasses: Readonly<Record<string, string>> = {
  gpt2: "GPT2",
  gpt_neo: "GPT2",
  gpt_neox: "GPTNeoX",
  qwen3: "Qwen2",
  gemma3_text: "Gemma",
};
// By model type, whatever class a file names.
const fixedClasses: Readonly<Record<string, string>> = { qwen2: "Qwen2", mistral: "", phi3: "" };

/** Tokens by the roles that they usually have, but for one that tokenizer_config.json gives to no token. */
function usualRoles({ className, modelType, value }: Settings, tokenizer: Tokenizer, roles: Roles): Roles {
  const byType = (classes: typeof fixedClasses) => (Object.hasOwn(classes, modelType) ? classes[modelType] : undefined);
  const name = byType(fixedClasses) ?? (className || byType(defaultClasses) || "");
  const usual = { ...(Object.hasOwn(rolesOfClass, name) && rolesOfClass[name]), ...roles };
  const isUsual = ([role, token]: readonly [string, string]) =>
    !Object.hasOwn(value, role) && tokenizer.tokenToId(token) !== undefined;
  return Object.fromEntries(Object.entries(usual).filter(isUsual));
}

/** Tokens by the names that chat templates know them by: their roles, and what a model calls others (`image_token`). */
function namedTokens(settings: Settings): Roles {
  const extra: unknown = settings.any("extra_special_tokens");
  const others = [
    ...Object.entries(settings.value).filter(([name]) => name.endsWith("_token")),
    ...Object.entries(Array.isArray(extra) ? {} : Object(extra)),
  ].filter(([, value]) => /string|object/.test(typeof value));
  const tokens = [
    ...others.map(([name, value]) => [name, specialToken(value, settings.at(name))] as const),
    ...roles.map((name) => [name, settings.roleToken(name)] as const),
  ];
  const named = tokens.flatMap(([name, found]) => found.map(({ content }) => [name, content]));
  return Object.fromEntries(named);
}

/** Conversations by the template that the model was published with. */
export const chatRenderer: ChatRenderer = (all, settings, tokenizer, roles) => {
  const tokens = { ...usualRoles(settings, tokenizer, roles), ...namedTokens(settings) };
  return (messages, { jinja, tokenize: _, chat_template, ...variables }) => {
    const argument = pythonArguments.find((name) => variables[name] !== undefined);
    if (argument) throw mismatch("options", `applyChatTemplate: ${argument}`, "no such option", variables[argument]);
    const template = chooseChatTemplate(settings.value, all, { chat_template, tools: variables.tools });
    return renderChatTemplate(template, { ...tokens, ...variables, messages }, jinja);
  };
};

/** tokenizer.json, with the given steps. */
export function tokenizerJson(components: Components, chat?: ChatRenderer): TokenizerFormat {
  return {
    name: "tokenizer.json",
    open({ files, all, options }) {
      if (options.rule === "sentencepiece" && [...files.values()].some(isProtobuf)) return undefined;
      const found = findText(
        files,
        (name, begin) => name.endsWith("tokenizer.json") || isTokenizerJson(begin, files.get(name) as TokenizerFile),
      );
      if (!found) return undefined;
      const [name, file] = found;
      const { value, vocabulary } = components.parse(readText(file, name), name);
      const settings = new Settings(all);
      const parts = readTokenizerJson(value, name, components, vocabulary);
      return finish(parts, settings, chat, all);
    },
  };
}

/** Whether a JSON file under another name has a model in it. */
function isTokenizerJson(begin: string, file: TokenizerFile): boolean {
  return begin.startsWith("{") && /"model"\s*:\s*\{/.test(readText(file, ""));
}

// By class: whether a begin and an end id surround a text, and whether ids are fairseq's, whose texts of a pair have two ends between them.
interface SentencePieceClass {
  readonly bos?: boolean;
  readonly eos?: boolean;
  readonly fairseq?: boolean;
}
const sentencePieceClasses: Readonly<Record<string, SentencePieceClass>> = {
  Llama: { bos: true },
  Gemma: { bos: true },
  T5: { eos: true },
  MT5: { eos: true },
  XLMRoberta: { bos: true, eos: true, fairseq: true },
};
const classOfModel: Readonly<Record<string, string>> = {
  llama: "Llama",
  mistral: "Llama",
  gemma: "Gemma",
  gemma2: "Gemma",
  gemma3_text: "Gemma",
  t5: "T5",
  mt5: "T5",
  longt5: "T5",
  "xlm-roberta": "XLMRoberta",
};

/** SentencePiece's `.model`; what `parts` and `rest` (a `postProcessor`) leave out is refused, and texts are cleaned up with `cleanUp` only. */
export function sentencePiece(
  parts: SentencePieceParts,
  rest: Partial<TokenizerParts> = {},
  chat?: ChatRenderer,
): TokenizerFormat {
  return {
    name: "a SentencePiece .model",
    open({ files, all, options }) {
      const [file, bytes] =
        [...files].find(([name, file]) => isProtobuf(file) || (name.endsWith(".model") && !isRankFile(file))) ?? [];
      if (file === undefined) return undefined;
      const settings = new Settings(all);
      if (typeof bytes !== "object") throw mismatch("file", file, "bytes", bytes);
      const name = classOf(settings);
      const legacy = name !== "Llama" || settings.flag("legacy", false);
      const asPublished = openSentencePiece(bytes, { ...parts, file, rule: options.rule, legacy });
      const { bos: addsBos = false, eos: addsEos = false, fairseq } = sentencePieceClasses[name] ?? {};
      if (fairseq && !parts.fairseq) throw mismatch("unsupported", file, "another class", undefined, name);
      const opened = (fairseq && parts.fairseq?.(asPublished, file)) || asPublished;
      const { model, normalize, bosId, eosId, decodeStream } = opened;
      const around = (role: string, adds: boolean, id: number | undefined): TemplatePiece[] => {
        if (!settings.flag(`add_${role}_token`, adds && id !== undefined)) return [];
        if (id === undefined)
          throw mismatch("file", settings.at(`add_${role}_token`), "a model with such a control piece", true);
        return [{ ids: [id], tokens: [model.idToToken(id) ?? ""], type: 0 }];
      };
      const [begin, end] = [around("bos", addsBos, bosId), around("eos", addsEos, eosId)];
      const [first, second] = plainTemplate.pair;
      const own = name.endsWith("T5") ? extraIds(model, settings) : fairseq ? fairseqTokens : [];
      // By sentencepiece's rules what a piece spells is the model's to find.
      const isFound = (content: string) => options.rule === "sentencepiece" && model.tokenToId(content) !== undefined;
      const others = settings.tokens().filter(({ content }) => !isFound(content));
      const tokens = [...own, ...others].map((token) => ({ ...token, normalized: false }));
      const tokenizer: TokenizerParts = {
        ...opened,
        ...rest,
        description: `${file}: sentencepiece${name === "" ? "" : `, as ${name}`}`,
        surfaceId: opened.unkId,
        ...(tokens.length > 0 && { normalize: undefined, added: new AddedTokens(tokens, model, normalize) }),
        template: {
          single: [...begin, first, ...end],
          pair: fairseq
            ? [...begin, first, ...end, ...end, { ...second, type: 0 }, ...end]
            : [...begin, first, ...end, ...begin, second, ...end],
        },
        decodeStream(tokenizer, skips, prefixIds) {
          const stream = decodeStream(skips);
          const push = (id: number): string =>
            id <= model.maxId
              ? stream.push(id)
              : skips && tokenizer.isSpecial(id)
                ? ""
                : stream.write(tokenizer.idToToken(id) ?? "");
          for (const id of prefixIds) push(id);
          stream.begin();
          return { push, end: () => stream.end() };
        },
      };
      const token = (id: number | undefined): string => model.idToToken(id ?? -1) ?? "";
      const usual = { bos_token: token(bosId), eos_token: token(eosId), unk_token: token(opened.unkId) };
      return finish(tokenizer, settings, chat, all, usual);
    },
  };
}

// Their ids are not those of their files.
const otherModels = ["albert", "camembert", "deberta-v2", "m2m_100", "marian", "mbart", "pegasus", "xlnet"];

/** The class whose special tokens surround a text: what the files name, or "" for none. */
function classOf(settings: Settings): string {
  const { className, modelType } = settings;
  if (Object.hasOwn(sentencePieceClasses, className)) return className;
  const [where, name] = settings.naming;
  if (!name && !otherModels.includes(modelType)) {
    return Object.hasOwn(classOfModel, modelType) ? classOfModel[modelType] : "";
  }
  const known = name ? Object.keys(sentencePieceClasses).map((key) => `${key}Tokenizer`) : Object.keys(classOfModel);
  throw mismatch("unsupported", where, `one of ${known.join(", ")} for a .model file`, name || modelType);
}

const fairseqTokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map((content) => {
  return { content, special: true, lstrip: content === "<mask>" };
});

const MOST_SENTINELS = 10_000;

/** T5's sentinels: behind the pieces, the last one first, but for those that are pieces. mT5 has none. */
function extraIds(model: Model, settings: Settings): AddedToken[] {
  const count = settings.count("extra_ids") ?? (settings.modelType === "mt5" ? 0 : 100);
  if (count > MOST_SENTINELS) {
    throw mismatch("unsupported", settings.at("extra_ids"), `at most ${MOST_SENTINELS}`, count);
  }
  return Array.from({ length: count }, (_, index) => {
    const content = `<extra_id_${index}>`;
    return { content, id: model.tokenToId(content) ?? model.maxId + count - index, special: true };
  });
}

const rankLine = /^[\w+/=]+ \d+\r?(\n|$)/;

function isRankFile(file: TokenizerFile): boolean {
  return rankLine.test(typeof file === "string" ? file.slice(0, 400) : new TextDecoder().decode(file.subarray(0, 400)));
}

/** Files that are turned into a tokenizer.json. */
interface OldFormat {
  readonly name: string;
  readonly kind: string;
  readonly components: Components;
  readonly is: (name: string, begin: string, files: OpeningFiles["files"]) => boolean;
  readonly read: (file: TokenizerFile, where: string, settings: Settings, opening: OpeningFiles) => OldFiles;
  readonly splitsSpecialTokens?: boolean;
  readonly chat?: ChatRenderer;
}

function legacy({ name, kind, components, is, read, splitsSpecialTokens, chat }: OldFormat): TokenizerFormat {
  return {
    name,
    open(opening) {
      const { files, all } = opening;
      const found = findText(files, (name, begin) => is(name, begin, files));
      if (!found) return undefined;
      const [where, file] = found;
      const settings = new Settings(all);
      const { json, tokens, roles } = read(file, where, settings, opening);
      const parts = readTokenizerJson(json, where, components, undefined, tokens);
      return finish({ ...parts, kind, splitsSpecialTokens }, settings, chat, all, roles);
    },
  };
}

/** tiktoken's rank files; special tokens are only found in a text where `split_special_tokens` is false. */
export function tiktoken(components: Components): TokenizerFormat {
  return legacy({
    name: "a tiktoken rank file",
    kind: "tiktoken",
    components,
    is: (name, begin) => rankLine.test(begin) && !name.endsWith(".txt"),
    read: (file, where, settings, { options }) => readTiktoken(file, where, settings, options.pattern),
    splitsSpecialTokens: true,
  });
}

/** BERT's vocab.txt. */
export function vocabTxt(components: Components): TokenizerFormat {
  return legacy({
    name: "vocab.txt",
    kind: "wordpiece",
    components,
    is: (name, begin) => name.endsWith(".txt") && !isMerges(name) && !begin.startsWith("{"),
    read: readVocabTxt,
  });
}

/** vocab.json and merges.txt, of GPT-2 and its like. */
export function vocabJson(components: Components, chat?: ChatRenderer): TokenizerFormat {
  return legacy({
    name: "vocab.json with merges.txt",
    kind: "bpe",
    components,
    is: (_, begin, files) => begin.startsWith("{") && [...files.keys()].some(isMerges),
    read: (file, where, settings, { files }) =>
      readVocabJson(file, [...files].find(([name]) => isMerges(name))?.[1] ?? "", where, settings),
    chat,
  });
}
