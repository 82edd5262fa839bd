/** What the page asks its worker; answers to a request carry its id. */
export type Request =
  | { readonly kind: "open"; readonly files: ModelAt }
  | { readonly kind: "phonemize"; readonly id: number; readonly text: string }
  | { readonly kind: "stream"; readonly id: number; readonly prompt: string; readonly options: StreamOptions }
  | { readonly kind: "stop" };

/** A model's files by name, or the address of its folder. */
export type ModelAt = Readonly<Record<string, File>> | string;

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
  /** Bytes of the kernels as the server sent them. */
  readonly kernelBytes: number;
}

/** What the worker answers. */
export type Reply =
  | { readonly kind: "progress"; readonly percent: number }
  | { readonly kind: "open"; readonly model: OpenModel }
  | { readonly kind: "refused"; readonly message: string }
  | Answer;

/** What it answers once the model is open. */
export type Answer =
  | { readonly kind: "ipa"; readonly id: number; readonly ipa: string; readonly ms: number }
  | { readonly kind: "piece"; readonly id: number; readonly text: string; readonly count: number; readonly ms: number }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "failure"; readonly id: number; readonly message: string };
