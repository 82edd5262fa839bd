import { allComponents, wordPieceComponents } from "./components.ts";
import { cleanUp } from "./decoders.ts";
import { chatRenderer, sentencePiece, tiktoken, tokenizerJson, vocabJson, vocabTxt } from "./formats.ts";
import { openTokenizer, type TokenizerFiles, type TokenizerFormat, type TokenizerOptions } from "./load.ts";
import { g2pVocabulary } from "./phonetics/g2p-format.ts";
import { postProcessor } from "./post-processing.ts";
import { sentencePieceParts } from "./sentencepiece-parts.ts";
import type { Tokenizer as TokenizerClass } from "./tokenizer.ts";

export type { AddedToken } from "./added-tokens.ts";
export type { ChatBudgets, ChatContext, JinjaModule } from "./chat-template.ts";
export { chooseChatTemplate, renderChatTemplate } from "./chat-template.ts";
export type { Encoding } from "./encoding.ts";
export { type ErrorFields, TokenizerError, type TokenizerErrorCode } from "./errors.ts";
export { sentencePiece } from "./formats.ts";
export {
  openTokenizer,
  type TokenizerFile,
  type TokenizerFiles,
  type TokenizerFormat,
  type TokenizerOptions,
} from "./load.ts";
export type { DecodeOptions, DecodeStreamOptions, EncodeOptions } from "./options.ts";
export { G2PTokenizer, isG2PVocabulary, type Script, type Segment } from "./phonetics/g2p.ts";
export { g2pVocabulary } from "./phonetics/g2p-format.ts";
export {
  compatibilityJamo,
  type JamoOptions,
  joinConjoining,
  joinHangul,
  splitConjoining,
  splitHangul,
} from "./phonetics/jamo.ts";
export type { SentencePieceParts } from "./sentencepiece.ts";
export { sentencePieceParts } from "./sentencepiece-parts.ts";
export type { DecodeStream, PlainEncoding, TextTokenizer } from "./text-tokenizer.ts";
export type { ChatOptions } from "./tokenizer.ts";

/** Every way in which tokenizers are published, in the order in which they are preferred. */
export const allFormats: readonly TokenizerFormat[] = /* @__PURE__ */ everyFormat();

function everyFormat(): TokenizerFormat[] {
  return [
    tokenizerJson(allComponents, chatRenderer),
    sentencePiece(sentencePieceParts, { postProcessor, cleanUp }, chatRenderer),
    vocabJson(allComponents, chatRenderer),
    tiktoken(allComponents),
    g2pVocabulary,
    vocabTxt(allComponents),
  ];
}

/** tokenizer.json and vocab.txt of BERT and its like: for pages that open nothing else. */
export const bertFormats: readonly TokenizerFormat[] = /* @__PURE__ */ bertOnly();

function bertOnly(): TokenizerFormat[] {
  return [tokenizerJson(wordPieceComponents), vocabTxt(wordPieceComponents)];
}

/** Text in, token ids out and back. */
export type Tokenizer = TokenizerClass;

export const Tokenizer = {
  /**
   * Opens a tokenizer from the files of a model, whatever they are: tokenizer.json, a SentencePiece `.model`, a tiktoken
   * rank file, vocab.json with merges.txt, vocab.txt, a G2P's vocab.json; `tokenizer.description` says what was chosen.
   * The small files beside them count too: tokenizer_config.json, special_tokens_map.json, sentence_bert_config.json.
   * @throws {TokenizerError} `code`: `"file"`, `"vocabulary"`, `"unsupported"`; `"options"` for an option
   */
  from(files: TokenizerFiles, options?: TokenizerOptions): TokenizerClass {
    // A G2P's lacks what has no meaning for it.
    return openTokenizer(files, allFormats, options) as TokenizerClass;
  },
};
