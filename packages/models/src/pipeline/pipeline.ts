import { DisposedError, OptionError } from "@kiloformer/core";
import { type TextTokenizer, TokenizerError } from "@kiloformer/tokenizers";
import type { EmbedOptions } from "../embedding/embed.ts";
import { disposeModel } from "../lifetime.ts";
import { expectObject } from "../options.ts";
import { CallSignals } from "./call-signals.ts";
import type { ForwardOptions, Ids } from "./forwards.ts";
import type { BatchOptions, CallOptions, GenerationResult, Prompt, StreamOptions } from "./generation.ts";
import type {
  Classification,
  ClassifyOptions,
  FillMaskOptions,
  MaskFill,
  RankedDocument,
  RerankOptions,
  TaggedToken,
  TagOptions,
  TextPair,
} from "./heads.ts";
import { warner } from "./load.ts";
import type { PipelineOptions } from "./options.ts";
import type { PhonemizeOptions } from "./phonemize.ts";
import type { PronounceOptions, Pronunciation } from "./pronounce.ts";
import type { Loaded, TaskContext, Tasks } from "./tasks.ts";

type Task<K extends keyof Tasks> = NonNullable<Tasks[K]>;
/** What a task is given behind its context. */
type Operands<K extends keyof Tasks> = Parameters<Task<K>> extends [TaskContext, ...infer Rest] ? Rest : never;

/** What makes a result one text. */
interface OneText {
  readonly return_dict_in_generate?: false;
  readonly num_return_sequences?: undefined;
}

/**
 * A model with its tokenizer, open and ready, however that came about. Every call is asynchronous, returns copies, and may run
 * beside others: forwards take turns. A call that fails leaves the pipeline usable.
 */
export class Pipeline {
  readonly modelType: string;
  readonly #context: Omit<TaskContext, "signal">;
  readonly #tasks: Tasks;
  readonly #signals = new CallSignals();

  /** Use `fromFiles`, `fromBytes` or `fromDirectory` of a class of `createPipeline`, or `openPacked`. */
  constructor(loaded: Loaded, options: PipelineOptions, tasks: Tasks) {
    this.#context = { ...loaded, warn: warner(options) };
    this.#tasks = { ...tasks, ...loaded.architecture.tasks };
    this.modelType = loaded.model.modelType;
  }

  /** Bytes of WebAssembly memory held now. */
  get heldBytes(): number {
    return this.#context.runtime.disposed ? 0 : this.#context.runtime.memory.heldBytes;
  }

  /** The kernels in use: `relaxed` or `simd`. */
  get build(): string {
    return this.#context.runtime.build;
  }

  /** Threads that compute, the calling one among them. */
  get threads(): number {
    return this.#context.runtime.disposed ? 0 : this.#context.runtime.threads;
  }

  /** The tokenizer, where the model's files have one. */
  get tokenizer(): TextTokenizer | undefined {
    const { tokenizer } = this.#context;
    return tokenizer instanceof TokenizerError ? undefined : tokenizer;
  }

  /**
   * Continues a prompt (or, with an encoder, answers it) and gives the new text only; with `return_dict_in_generate`, its ids
   * and why it ended too; with `num_return_sequences`, a list of them.
   * @throws {OptionError} `prompt-too-long`, `bad-option`, `unknown-option`, ...; {NonFiniteError}; the signal's reason
   */
  generate(
    prompt: Prompt,
    options: CallOptions & { return_dict_in_generate: true; num_return_sequences: number },
  ): Promise<GenerationResult[]>;
  generate(prompt: Prompt, options: CallOptions & { return_dict_in_generate: true }): Promise<GenerationResult>;
  generate(prompt: Prompt, options: CallOptions & { num_return_sequences: number }): Promise<string[]>;
  generate(prompt: Prompt, options?: CallOptions & OneText): Promise<string>;
  generate(prompt: Prompt, options: CallOptions): Promise<string | string[] | GenerationResult | GenerationResult[]>;
  async generate(prompt: Prompt, options: CallOptions = {}): Promise<unknown> {
    return this.#run("generate", prompt, options);
  }

  /** `generate` for several prompts at once: rows end independently, and each gets what it gets alone. */
  generateBatch(
    prompts: readonly Prompt[],
    options: BatchOptions & { return_dict_in_generate: true; num_return_sequences: number },
  ): Promise<GenerationResult[][]>;
  generateBatch(
    prompts: readonly Prompt[],
    options: BatchOptions & { num_return_sequences: number },
  ): Promise<string[][]>;
  generateBatch(
    prompts: readonly Prompt[],
    options: BatchOptions & { return_dict_in_generate: true },
  ): Promise<GenerationResult[]>;
  generateBatch(prompts: readonly Prompt[], options?: BatchOptions & OneText): Promise<string[]>;
  generateBatch(
    prompts: readonly Prompt[],
    options: BatchOptions,
  ): Promise<string[] | string[][] | GenerationResult[] | GenerationResult[][]>;
  async generateBatch(prompts: readonly Prompt[], options: BatchOptions = {}): Promise<unknown> {
    return this.#run("generateBatch", prompts, options);
  }

  /**
   * `generate`, piece by piece as text becomes certain: never half a character. It begins, and throws, with the first piece that is
   * asked for; breaking out of the loop stops it.
   */
  async *stream(prompt: Prompt, options: StreamOptions = {}): AsyncGenerator<string, void> {
    const task = this.#task("stream", options);
    const held: AbortSignal[] = [];
    try {
      yield* task(this.#contextOf(held), prompt, options);
    } finally {
      this.#signals.release(held);
    }
  }

  /**
   * Spelling to IPA: words of Latin letters and of Hangul, and numbers, go through the model; everything else passes
   * through unchanged.
   * @throws {OptionError} `not-g2p` when the model is no grapheme-to-phoneme model; `bad-option`, ...
   */
  async phonemize(text: string, options: PhonemizeOptions = {}): Promise<string> {
    const [ipa] = await this.phonemizeBatch([text], options);
    return ipa;
  }

  /** `phonemize` of many texts at once, several times faster; the results are the same strings. */
  async phonemizeBatch(texts: readonly string[], options: PhonemizeOptions = {}): Promise<string[]> {
    return this.#run("phonemizeBatch", texts, options);
  }

  /**
   * The likeliest ways to say a word or a text, best first: IPA, its phones, their log probability, and for each phone the
   * characters that it is written with.
   * @throws {OptionError} as of `phonemize`
   */
  async pronounce(text: string, options: PronounceOptions = {}): Promise<Pronunciation[]> {
    const [pronunciations] = await this.pronounceBatch([text], options);
    return pronunciations;
  }

  /** `pronounce` of many texts at once; the results are the same, bit for bit. */
  async pronounceBatch(texts: readonly string[], options: PronounceOptions = {}): Promise<Pronunciation[][]> {
    return this.#run("pronounceBatch", texts, options);
  }

  /**
   * One vector for a text: what sentence-transformers gives where the model's files have `modules.json`, else the mean of the
   * last hidden states, not normalised.
   */
  async embed(text: string, options: EmbedOptions = {}): Promise<Float32Array> {
    const [vector] = await this.embedBatch([text], options);
    return vector;
  }

  /** `embed` of many texts at once; the results are the same vectors, bit for bit. */
  async embedBatch(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    return this.#run("embedBatch", texts, options);
  }

  /** The likeliest tokens in place of the mask token of a text; a list for each mask where there are several. */
  async fillMask(text: string, options: FillMaskOptions = {}): Promise<MaskFill[] | MaskFill[][]> {
    return this.#run("fillMask", text, options);
  }

  /**
   * Labels of a text, or of a pair of texts, with their probabilities, likeliest first; the logits themselves of a regression, or
   * where `function_to_apply` is `"none"`.
   */
  async classify(text: string | TextPair, options: ClassifyOptions = {}): Promise<Classification[]> {
    const [labels] = await this.classifyBatch([text], options);
    return labels;
  }

  /** `classify` of many texts at once. */
  async classifyBatch(
    texts: readonly (string | TextPair)[],
    options: ClassifyOptions = {},
  ): Promise<Classification[][]> {
    return this.#run("classify", texts, options);
  }

  /** Documents by how well they answer a query, best first, by a cross-encoder's scores. */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<RankedDocument[]> {
    return this.#run("rerank", query, documents, options);
  }

  /** Labels of the tokens of a text, or of the words and names that they make, with where they stand. */
  async tagTokens(text: string, options: TagOptions = {}): Promise<TaggedToken[]> {
    return this.#run("tagTokens", text, options);
  }

  /**
   * The last hidden states `[T * D]` of a text, with the special tokens that the tokenizer puts around it, or of ids as they are;
   * with an encoder-decoder, those of the encoder.
   * @throws {OptionError} `bad-ids`, `prompt-too-long`
   */
  async encode(text: string | Ids, options: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    return this.#run("encode", text, options);
  }

  /**
   * Logits after each id, from nothing cached: ids `[T]` -> `[T * V]`, row by row. Of an encoder those of its masked-language
   * head; of an encoder-decoder those of `decoder_input_ids`, by default the id that its decoder begins with.
   * @throws {OptionError} `bad-ids`, `prompt-too-long`, `no-head`
   */
  async logits(ids: Ids, options: ForwardOptions = {}): Promise<Float32Array> {
    return this.#run("logits", ids, options);
  }

  /** Hidden states `[T * D]` by layer for one text of ids: the embedding first, the (normalised) result last. */
  async hiddenStates(ids: Ids, options: ForwardOptions = {}): Promise<Float32Array[]> {
    return this.#run("hiddenStates", ids, options);
  }

  /** Stops what runs, and gives all memory back. A second call does nothing; what the model could do then throws `DisposedError`. */
  async dispose(): Promise<void> {
    this.#signals.end(disposedError());
    await disposeModel(this.#context);
  }

  /** Runs a task: its options are the last operand. */
  async #run<K extends keyof Tasks>(name: K, ...operands: Operands<K>): Promise<Awaited<ReturnType<Task<K>>>> {
    const task = this.#task(name, operands[operands.length - 1] as CallOptions) as (...given: unknown[]) => never;
    const held: AbortSignal[] = [];
    try {
      return await task(this.#contextOf(held), ...operands);
    } finally {
      this.#signals.release(held);
    }
  }

  /** @param held the signals that the call runs with */
  #contextOf(held: AbortSignal[]): TaskContext {
    if (this.#signals.hasEnded) throw disposedError();
    return { ...this.#context, signal: (signal) => this.#signals.join(signal, held) };
  }

  #task<K extends keyof Tasks>(name: K, options: { readonly signal?: AbortSignal }): Task<K> {
    const call = singles[name] ?? name;
    expectObject(call, options);
    const task = this.#tasks[name];
    if (task) {
      if (options.signal?.aborted) throw options.signal.reason;
      return task;
    }
    const inner = ["readModules", "arrangeFiles"];
    const known = Object.keys(this.#tasks)
      .filter((task) => !inner.includes(task))
      .join(", ");
    const message = `${this.modelType}: expected one of ${known}, got ${call}, which is not for such models or not on this page`;
    throw new OptionError("no-task", message, { task: name });
  }
}

/** Calls that are made as batches of one, by which their messages name them. */
const singles: Readonly<Record<string, string>> = {
  embedBatch: "embed",
  phonemizeBatch: "phonemize",
  pronounceBatch: "pronounce",
};

function disposedError(): DisposedError {
  return new DisposedError("disposed", "pipeline: expected a live pipeline, got one that was disposed");
}
