export * from "@kiloformer/core";
export {
  compatibilityJamo,
  type DecodeOptions,
  type DecodeStream,
  type EncodeOptions,
  G2PTokenizer,
  joinHangul,
  loadTokenizer,
  type Segment,
  type SentencePieceParts,
  SentencePieceTokenizer,
  sentencePieceParts,
  splitHangul,
  type Tokenizer,
  TokenizerError,
  type TokenizerFiles,
} from "@kiloformer/tokenizers";
export type { Architecture, Batch, DecoderModel } from "./architecture.ts";
export { ConfigReader, type RawConfig } from "./config.ts";
export type { FinishReason } from "./generation/generate.ts";
export type { GenerationOptions } from "./generation/options.ts";
export type { FileLike, ModelFiles } from "./pipeline/files.ts";
export type { PipelineOptions, ProgressEvent } from "./pipeline/options.ts";
export { createPipeline, type GenerationResult, type MemoryPlan, type Prompt } from "./pipeline/pipeline.ts";
