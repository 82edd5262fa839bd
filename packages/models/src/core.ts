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
export type { Architecture, Batch, DecoderModel } from "./architecture.ts";
export { ConfigReader, type RawConfig } from "./config.ts";
export type { FinishReason } from "./generation/generate.ts";
export type { GenerationOptions } from "./generation/options.ts";
export type { FileLike, ModelFiles } from "./pipeline/files.ts";
export type { PipelineOptions, ProgressEvent } from "./pipeline/options.ts";
export { createPipeline, type GenerationResult, type MemoryPlan, type Prompt } from "./pipeline/pipeline.ts";
