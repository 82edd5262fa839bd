import type { Pronunciation } from "kiloformer/core";

/** What the page asks its worker; answers to a request carry its id. */
export type Request =
  | { readonly kind: "open"; readonly files: ModelFiles }
  | PronounceRequest
  | { readonly kind: "stream"; readonly id: number; readonly prompt: string; readonly options: StreamOptions }
  | { readonly kind: "stop" };

export interface PronounceRequest {
  readonly kind: "pronounce";
  readonly id: number;
  readonly text: string;
  readonly options: WaysOptions;
}

export interface WaysOptions {
  /** Ways to say it, likeliest first. */
  readonly num_return_sequences?: number;
  /** Words that the user says otherwise. */
  readonly lexicon?: ReadonlyMap<string, string>;
}

/** A model's files by name. */
export type ModelFiles = Readonly<Record<string, File>>;

export interface StreamOptions {
  readonly max_new_tokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
}

/** What a model is, once it is open. */
export interface OpenModel {
  readonly modelType: string;
  /** Whether it turns spelling into IPA; others continue a prompt. */
  readonly g2p: boolean;
  /** The kernels in use: `relaxed` or `simd`. */
  readonly build: string;
  readonly loadMs: number;
  readonly heldBytes: number;
  /** Bytes of the .wasm files as the server sent them. */
  readonly wasmBytes: number;
}

/** What the worker answers. */
export type Reply =
  | { readonly kind: "progress"; readonly percent: number }
  | { readonly kind: "open"; readonly model: OpenModel }
  | { readonly kind: "refused"; readonly message: string }
  | Answer;

/** What it answers once the model is open. */
export type Answer =
  | { readonly kind: "ways"; readonly id: number; readonly ways: readonly Pronunciation[] }
  | { readonly kind: "piece"; readonly id: number; readonly text: string; readonly count: number; readonly ms: number }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "failure"; readonly id: number; readonly message: string };
