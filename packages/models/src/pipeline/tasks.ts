import { OptionError, type Runtime } from "@kiloformer/core";
import { type TextTokenizer, TokenizerError } from "@kiloformer/tokenizers";
import type { Architecture, Model } from "../architecture.ts";
import type { RawConfig } from "../config.ts";
import type { embedBatch } from "../embedding/embed.ts";
import type { arrangeFiles, readModules, SentenceModules } from "../embedding/modules.ts";
import type { Encoder } from "../encoding/encoder.ts";
import type { Memory } from "../encoding/memory.ts";
import type { Decoder } from "../generation/decoder.ts";
import type { GenerationDefaults } from "../generation/options.ts";
import type { Lifetime } from "../lifetime.ts";
import type { decoderLogits, decoderStates, encodeWithDecoder } from "./forwards.ts";
import type { generate, generateBatch, stream } from "./generation.ts";
import type { classify, fillMask, rerank, tagTokens } from "./heads.ts";
import type { phonemizeBatch } from "./phonemize.ts";
import type { pronounceBatch } from "./pronounce.ts";

/** A model that is ready to run, and all that its files say beside it. */
export interface Loaded {
  readonly architecture: Architecture;
  readonly model: Model;
  readonly config: RawConfig;
  /** The tokenizer, or why there is none. */
  readonly tokenizer: TextTokenizer | TokenizerError | undefined;
  /** What the files beside the tokenizer say of it; nothing where there is none. */
  readonly tokenizerConfig: RawConfig;
  readonly defaults: GenerationDefaults;
  /** What sentence-transformers does with the hidden states, where the files say so. */
  readonly modules: SentenceModules | undefined;
  readonly runtime: Runtime;
  readonly ownsRuntime: boolean;
  /** What runs the model, made when it is first needed. */
  readonly drivers: Lifetime & { encoder?: Encoder; decoder?: Decoder };
  /** Gives the weights' memory back. */
  release(): void;
}

/** What a task is given beside its operands. */
export interface TaskContext extends Loaded {
  /** Aborts with the caller's signal, and when the pipeline is disposed; of use until the call ends. */
  signal(signal?: AbortSignal): AbortSignal;
  warn(message: string): void;
  /** Keys and values of what an encoder makes of ids, for the decoder that answers them. */
  remember?(context: TaskContext, ids: readonly number[], signal: AbortSignal): Promise<Memory>;
  /** The id that every such answer begins with. */
  readonly decoderStartTokenId?: number;
}

/** What a pipeline does with a model: each architecture names what it can, so that a page carries no other code. */
export interface Tasks {
  readonly generate?: typeof generate;
  readonly generateBatch?: typeof generateBatch;
  readonly stream?: typeof stream;
  readonly phonemizeBatch?: typeof phonemizeBatch;
  readonly pronounceBatch?: typeof pronounceBatch;
  readonly embedBatch?: typeof embedBatch;
  /** Reads the files of sentence-transformers' modules. */
  readonly readModules?: typeof readModules;
  /** Gives files of sentence-transformers' folders the names that architectures look for. */
  readonly arrangeFiles?: typeof arrangeFiles;
  readonly fillMask?: typeof fillMask;
  readonly classify?: typeof classify;
  readonly rerank?: typeof rerank;
  readonly tagTokens?: typeof tagTokens;
  readonly encode?: typeof encodeWithDecoder;
  readonly logits?: typeof decoderLogits;
  readonly hiddenStates?: typeof decoderStates;
}

/** The tokenizer, for a call that cannot do without. */
export function tokenizerOf({ tokenizer }: Loaded, call: string, got = " beside the model, got none"): TextTokenizer {
  if (tokenizer instanceof TokenizerError) throw tokenizer;
  if (tokenizer) return tokenizer;
  throw new OptionError("no-tokenizer", `${call}: expected a tokenizer file${got}`);
}

/** Ids that the tokenizer has tokens for: a model may have more rows than its tokenizer has tokens. */
export function knownIds(tokenizer: TextTokenizer, ids: readonly number[]): number[] {
  return ids.filter((id) => tokenizer.idToToken(id) !== undefined);
}
