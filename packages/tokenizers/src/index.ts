export { type ErrorFields, TokenizerError, type TokenizerErrorCode } from "./errors.ts";
export { loadTokenizer, type TokenizerFile, type TokenizerFiles } from "./load.ts";
export { G2PTokenizer, isG2PVocabulary, type Script, type Segment } from "./phonetics/g2p.ts";
export { compatibilityJamo, joinConjoining, joinHangul, splitConjoining, splitHangul } from "./phonetics/jamo.ts";
export { type SentencePieceOptions, type SentencePieceParts, SentencePieceTokenizer } from "./sentencepiece.ts";
export { sentencePieceParts } from "./sentencepiece-parts.ts";
export type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from "./tokenizer.ts";
