export * from "@kiloformer/core";
export {
  bertFormats,
  type ChatOptions,
  compatibilityJamo,
  type DecodeOptions,
  type DecodeStream,
  type EncodeOptions,
  type Encoding,
  G2PTokenizer,
  g2pVocabulary,
  joinHangul,
  openTokenizer,
  type Segment,
  type SentencePieceParts,
  sentencePiece,
  sentencePieceParts,
  splitHangul,
  TokenizerError,
  type TokenizerFiles,
  type TokenizerFormat,
  type TokenizerOptions,
} from "@kiloformer/tokenizers";
export type {
  Architecture,
  DecoderBatch,
  DecoderEntry,
  DecoderModel,
  EncoderBatch,
  EncoderDecoderModel,
  EncoderHeads,
  EncoderModel,
  Model,
} from "./architecture.ts";
export { type BareModel, openBareModel } from "./bare-model.ts";
export { ConfigReader, type RawConfig } from "./config.ts";
export { decoderTasks } from "./decoder-tasks.ts";
export type { EmbedOptions } from "./embedding/embed.ts";
export { embeddingDecoderTasks } from "./embedding-decoder-tasks.ts";
export { encoderTasks } from "./encoder-tasks.ts";
export type { Encoder, TokenRow } from "./encoding/encoder.ts";
export type { Memory } from "./encoding/memory.ts";
export { g2pTasks } from "./g2p-tasks.ts";
export type { Decoder, Feed, RowOptions } from "./generation/decoder.ts";
export type { DecoderCache } from "./generation/decoder-cache.ts";
export type { FinishReason, TokenLogprob } from "./generation/generate.ts";
export type { GenerationOptions } from "./generation/options.ts";
export type { Families } from "./packed/families.ts";
export { openPacked, type PackedOptions } from "./packed/open.ts";
export { type PackOptions, packModel } from "./packed/pack.ts";
export type { Lexicon } from "./phonetics/lexicon.ts";
export { createPipeline, type MemoryPlan } from "./pipeline/create-pipeline.ts";
export type { FileLike, ModelFiles } from "./pipeline/files.ts";
export type { ForwardOptions, Ids } from "./pipeline/forwards.ts";
export type {
  BatchOptions,
  CallOptions,
  ChatMessage,
  GenerationResult,
  Prompt,
  StreamOptions,
} from "./pipeline/generation.ts";
export type {
  Classification,
  ClassifyOptions,
  FillMaskOptions,
  MaskFill,
  RankedDocument,
  RerankOptions,
  TaggedToken,
  TagOptions,
  TextPair,
} from "./pipeline/heads.ts";
export type { PipelineOptions, ProgressEvent } from "./pipeline/options.ts";
export type { PhonemizeOptions } from "./pipeline/phonemize.ts";
export type { Pipeline } from "./pipeline/pipeline.ts";
export type { PronounceOptions, Pronunciation } from "./pipeline/pronounce.ts";
export type { TaskContext, Tasks } from "./pipeline/tasks.ts";
export { type QuantizedModel, type QuantizeOptions, quantizeModel } from "./quantize.ts";
export { textToTextTasks } from "./text-to-text-tasks.ts";
