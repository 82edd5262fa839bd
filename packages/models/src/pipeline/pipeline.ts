import { ConfigError, DisposedError, OptionError, PAGE, pageFloats, parseJsonObject } from "@kiloformer/core";
import {
  type DecodeStream,
  G2PTokenizer,
  type TextTokenizer,
  TokenizerError,
  type TokenizerFormat,
} from "@kiloformer/tokenizers";
import { readDirectory } from "#directory";
import type { Architecture } from "../architecture.ts";
import { type RawConfig, show } from "../config.ts";
import { type FinishReason, generateBatch, generateIds, type Sequence } from "../generation/generate.ts";
import { type GenerationOptions, type GenerationSettings, resolveGenerationOptions } from "../generation/options.ts";
import { type FileLike, type ModelFiles, nameTokenizerFiles, toSources } from "./files.ts";
import { architectureFor, type Loaded, loadModel, type Plan, planModel, warner } from "./load.ts";
import { checkPipelineOptions, type PipelineOptions } from "./options.ts";

/** Text, or ids that are already encoded. */
export type Prompt = string | readonly number[];

/** What `generate` gives with `return_dict_in_generate`. */
export interface GenerationResult {
  /** The new text only. */
  readonly text: string;
  /** The new ids only, without the end-of-text id. */
  readonly ids: readonly number[];
  /** The ids that were fed first. */
  readonly promptIds: readonly number[];
  /** `stop` at an end-of-text id, `length` at a limit. */
  readonly finishReason: FinishReason;
}

/** Texts in one call of `phonemizeBatch`. */
const MOST_TEXTS = 1_000_000;

/**
 * A model with its tokenizer, from its own files to results. Every call is asynchronous, returns copies, and may run
 * beside others: forwards take turns. A call that fails leaves the pipeline usable.
 */
export class Pipeline {
  /** The architectures that this class opens. */
  static readonly architectures: readonly Architecture[] = [];
  /** The tokenizers that this class opens. */
  static readonly tokenizers: readonly TokenizerFormat[] = [];
  readonly modelType: string;
  readonly #loaded: Loaded;
  readonly #options: PipelineOptions;
  readonly #ending = new AbortController();

  /** Use `fromFiles`, `fromBytes` or `fromDirectory`. */
  constructor(loaded: Loaded, options: PipelineOptions) {
    this.#loaded = loaded;
    this.#options = options;
    this.modelType = loaded.model.modelType;
  }

  /**
   * Opens a model from its files by name: `config.json`, `model.safetensors` (or shards and their index), tokenizer files.
   * @throws {KiloformerError} typed by what is wrong; nothing is kept then
   */
  static async fromFiles(files: ModelFiles, options: PipelineOptions = {}): Promise<Pipeline> {
    checkPipelineOptions(options);
    return new Pipeline(await loadModel(toSources(files), this.architectures, options, this.tokenizers), options);
  }

  /** Opens a model from its files' contents; `merges` only where the tokenizer is a `vocab.json`. */
  static fromBytes(
    model: FileLike,
    tokenizer: FileLike,
    config: FileLike,
    merges?: FileLike,
    options: PipelineOptions = {},
  ): Promise<Pipeline> {
    const files = {
      "config.json": config,
      "model.safetensors": model,
      ...(tokenizer === undefined || tokenizer === null ? {} : nameTokenizerFiles(tokenizer, merges)),
    };
    return this.fromFiles(files, options);
  }

  /** Opens a model's folder, where there is a file system (Node); weights are read in pieces, never whole. */
  static async fromDirectory(directory: string, options: PipelineOptions = {}): Promise<Pipeline> {
    const { files, close } = await readDirectory(directory);
    try {
      if (files.has("config.json")) return await this.fromFiles(files, options);
      throw new ConfigError(
        "missing-file",
        `${directory}: expected a model's folder with config.json, got one without`,
      );
    } finally {
      await close();
    }
  }

  /** What a model would take, from its headers alone; no weights are read and no memory is taken. */
  static async plan(files: ModelFiles, options: PipelineOptions = {}): Promise<MemoryPlan> {
    checkPipelineOptions(options);
    return describe(await planModel(toSources(files), this.architectures, options));
  }

  /** The `model_type` of a config.json, as text, bytes or parsed. */
  static modelType(config: string | Uint8Array | RawConfig): string {
    const text = typeof config === "string" || config instanceof Uint8Array;
    const raw = text ? parseJsonObject(config, "config.json") : config;
    architectureFor(raw, this.architectures);
    return raw.model_type as string;
  }

  /** Bytes of WebAssembly memory held now. */
  get heldBytes(): number {
    return this.#loaded.runtime.disposed ? 0 : this.#loaded.runtime.memory.heldBytes;
  }

  /** The kernels in use: `relaxed` or `simd`. */
  get build(): string {
    return this.#loaded.runtime.build;
  }

  /** The tokenizer, where the model's files have one. */
  get tokenizer(): TextTokenizer | undefined {
    const { tokenizer } = this.#loaded;
    return tokenizer instanceof TokenizerError ? undefined : tokenizer;
  }

  /**
   * Continues a prompt and gives the new text only; with `return_dict_in_generate`, its ids and why it ended too.
   * @throws {OptionError} `prompt-too-long`, `bad-option`, `unknown-option`, ...; {NonFiniteError}; the signal's reason
   */
  generate(prompt: Prompt, options?: GenerationOptions & { return_dict_in_generate?: false }): Promise<string>;
  generate(prompt: Prompt, options: GenerationOptions & { return_dict_in_generate: true }): Promise<GenerationResult>;
  async generate(
    prompt: Prompt,
    {
      return_dict_in_generate: whole = false,
      ...options
    }: GenerationOptions & { return_dict_in_generate?: boolean } = {},
  ): Promise<string | GenerationResult> {
    if (typeof whole !== "boolean") {
      throw new OptionError(
        "bad-option",
        `generate: expected return_dict_in_generate to be true or false, got ${show(whole)}`,
      );
    }
    const settings = this.#settings(options);
    if (!whole) this.#textSide("generate", " beside the model, or return_dict_in_generate: true, got neither");
    const [sequence] = await generateBatch(this.#loaded.decoder, [this.#encode(prompt)], settings);
    return whole ? this.#result(sequence) : this.#result(sequence).text;
  }

  /** `generate`, piece by piece as text becomes certain: never half a character. Breaking out of the loop stops it. */
  async *stream(prompt: Prompt, options: GenerationOptions = {}): AsyncGenerator<string, void> {
    const settings = this.#settings(options);
    const ids = this.#encode(prompt);
    const text = this.#textStream(ids);
    for await (const id of generateIds(this.#loaded.decoder, ids, settings)) {
      const piece = text.push(id);
      if (piece !== "") yield piece;
    }
    const rest = text.end();
    if (rest !== "") yield rest;
  }

  /**
   * Spelling to IPA: letter runs and Hangul runs go through the model, everything else passes through unchanged.
   * @throws {OptionError} `not-g2p` when the model is no grapheme-to-phoneme model
   */
  async phonemize(text: string, options: { signal?: AbortSignal } = {}): Promise<string> {
    const [ipa] = await this.phonemizeBatch([text], options);
    return ipa;
  }

  /** `phonemize` of many texts at once, several times faster; the results are the same strings. */
  async phonemizeBatch(texts: readonly string[], options: { signal?: AbortSignal } = {}): Promise<string[]> {
    const tokenizer = this.#g2pTokenizer();
    checkTexts(texts);
    const settings = this.#settings({ ...options, do_sample: false, max_new_tokens: this.#loaded.model.contextLength });
    const segmented = texts.map((text) => tokenizer.segment(text));
    const words = new Map<string, string>();
    for (const { kind, text } of segmented.flat()) if (kind === "word") words.set(text, text);
    const prompts = [...words.keys()].map((word) => ({ word, ids: tokenizer.encode(word).ids }));
    const fitting = prompts.filter(({ word, ids }) => this.#fits(word, ids));
    const sequences = await generateBatch(
      this.#loaded.decoder,
      fitting.map(({ ids }) => ids),
      settings,
    );
    sequences.forEach((sequence, index) => {
      words.set(fitting[index].word, tokenizer.decode(knownIds(tokenizer, sequence.ids.slice(sequence.promptLength))));
    });
    return segmented.map((segments) =>
      segments.map(({ kind, text }) => (kind === "word" ? words.get(text) : text)).join(""),
    );
  }

  /**
   * Next-token logits after each id, from nothing cached: ids `[T]` -> `[T * V]`, row by row.
   * @throws {OptionError} `bad-ids`, `prompt-too-long`
   */
  async logits(ids: readonly number[] | Int32Array, options: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    const { decoder, model } = this.#live();
    const unknown = Object.keys(options).find((key) => key !== "signal");
    if (unknown)
      throw new OptionError("unknown-option", `logits: expected signal, got ${unknown}`, { option: unknown });
    const list = this.#idList(ids);
    if (list.length > model.contextLength) {
      const message = `logits: expected at most ${model.contextLength} ids, the model's context, got ${list.length}`;
      throw new OptionError("prompt-too-long", message, {
        contextLength: model.contextLength,
        promptLength: list.length,
      });
    }
    return decoder.logits(list, { signal: this.#signal(options.signal) });
  }

  /** Hidden states `[T * D]` by layer for one text of ids: the embedding first, the normalised output last. */
  async hiddenStates(ids: readonly number[] | Int32Array): Promise<Float32Array[]> {
    return this.#live().decoder.hiddenStates(this.#idList(ids));
  }

  /** Stops what runs, and gives all memory back. A second call does nothing; other calls then throw `DisposedError`. */
  async dispose(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(disposedError());
    const { runtime, ownsRuntime, decoder, release } = this.#loaded;
    await runtime.queue.run(() => {
      if (runtime.disposed) return;
      decoder.pool.dispose();
      release();
      if (ownsRuntime) runtime.dispose();
    });
  }

  #live(): Loaded {
    if (this.#ending.signal.aborted) throw disposedError();
    return this.#loaded;
  }

  #settings(options: GenerationOptions): GenerationSettings {
    const { defaults, model } = this.#live();
    const settings = resolveGenerationOptions(options, defaults, model.vocabSize);
    return { ...settings, signal: this.#signal(settings.signal) };
  }

  /** Aborts with the caller's signal, and when the pipeline is disposed. */
  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal;
  }

  #encode(prompt: Prompt): readonly number[] {
    if (typeof prompt !== "string") return this.#idList(prompt);
    const { ids } = this.#textSide("generate", " beside the model, or ids as the prompt, got text").encode(prompt);
    if (ids.length > 0) return ids;
    throw new OptionError(
      "empty-prompt",
      "generate: expected at least one token, got an empty prompt and no begin token",
    );
  }

  /** The tokenizer, for a call that cannot do without. */
  #textSide(call: string, got: string): TextTokenizer {
    const { tokenizer } = this.#live();
    if (tokenizer instanceof TokenizerError) throw tokenizer;
    if (tokenizer) return tokenizer;
    throw new OptionError("no-tokenizer", `${call}: expected a tokenizer file${got}`);
  }

  #idList(ids: readonly number[] | Int32Array): readonly number[] {
    if (Array.isArray(ids)) return ids;
    if (ids instanceof Int32Array || ids instanceof Uint32Array || ids instanceof Uint16Array) return Array.from(ids);
    throw new OptionError("bad-ids", `ids: expected an array of integers, got ${show(ids)}`);
  }

  /** Text of new ids; after a prompt, the space before its first word counts. */
  #textStream(promptIds: readonly number[]): DecodeStream {
    const tokenizer = this.#textSide("stream", " beside the model, got none");
    const stream = tokenizer.decodeStream({ prefix_ids: knownIds(tokenizer, promptIds) });
    // A model may have more rows than its tokenizer has tokens: such an id prints nothing.
    return { push: (id) => (tokenizer.idToToken(id) === undefined ? "" : stream.push(id)), end: () => stream.end() };
  }

  #result(sequence: Sequence): GenerationResult {
    const ids = sequence.ids.slice(sequence.promptLength);
    const promptIds = sequence.ids.slice(0, sequence.promptLength);
    let text = "";
    if (this.tokenizer) {
      const stream = this.#textStream(promptIds);
      for (const id of ids) text += stream.push(id);
      text += stream.end();
    }
    return { text, ids, promptIds, finishReason: sequence.finishReason ?? "length" };
  }

  #g2pTokenizer(): G2PTokenizer {
    this.#live();
    const { tokenizer } = this;
    if (tokenizer instanceof G2PTokenizer) return tokenizer;
    const got = tokenizer ? `one with a ${tokenizer.kind} tokenizer` : "one without a tokenizer";
    throw new OptionError("not-g2p", `phonemize: expected a model whose vocabulary maps letters to IPA, got ${got}`);
  }

  /** Runs that are longer than the model's context are no words: they pass through, and are spoken of. */
  #fits(word: string, ids: readonly number[]): boolean {
    const { contextLength } = this.#loaded.model;
    if (ids.length < contextLength) return true;
    const start = word.slice(0, 20);
    warner(this.#options)(
      `phonemize: expected words below ${contextLength} letters, got ${word.length} ("${start}..."), passed through`,
    );
    return false;
  }
}

/** Ids that the tokenizer has tokens for. */
function knownIds(tokenizer: TextTokenizer, ids: readonly number[]): number[] {
  return ids.filter((id) => tokenizer.idToToken(id) !== undefined);
}

function checkTexts(texts: readonly string[]): void {
  if (!Array.isArray(texts))
    throw new OptionError("bad-text", `phonemize: expected an array of texts, got ${show(texts)}`);
  if (texts.length > MOST_TEXTS) {
    throw new OptionError("too-many-texts", `phonemize: expected at most ${MOST_TEXTS} texts, got ${texts.length}`);
  }
  const index = texts.findIndex((text) => typeof text !== "string");
  if (index < 0) return;
  throw new OptionError("bad-text", `phonemize: expected text, got ${show(texts[index])}`, { index });
}

function disposedError(): DisposedError {
  return new DisposedError("disposed", "pipeline: expected a live pipeline, got one that was disposed");
}

/** What a model takes in memory. */
export interface MemoryPlan {
  readonly modelType: string;
  readonly layers: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  /** Bytes of weights in memory. */
  readonly weightBytes: number;
  /** Bytes of one page of the key/value cache: 64 positions of one sequence. */
  readonly cachePageBytes: number;
  /** Bytes of the key/value cache of one sequence that fills the context. */
  readonly cacheBytes: number;
}

function describe({ model, reservation }: Plan): MemoryPlan {
  const { modelType, layers, vocabSize, contextLength, layout } = model;
  const cachePageBytes = pageFloats(layout) * 4 * layers;
  const cacheBytes = Math.ceil(contextLength / PAGE) * cachePageBytes;
  return { modelType, layers, vocabSize, contextLength, weightBytes: reservation.bytes, cachePageBytes, cacheBytes };
}

/**
 * A pipeline class that opens only these architectures: pages that need one family ship only that one.
 * @param formats the tokenizers that it opens; default those that the architectures name
 */
export function createPipeline(
  architectures: readonly Architecture[],
  formats: readonly TokenizerFormat[] = architectures.flatMap(({ tokenizers }) => tokenizers),
): typeof Pipeline {
  return class extends Pipeline {
    static override readonly architectures = architectures;
    static override readonly tokenizers = formats;
  };
}
