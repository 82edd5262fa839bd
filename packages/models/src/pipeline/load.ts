import {
  abortable,
  Checkpoint,
  ConfigError,
  fillWeights,
  headerLimits,
  listNames,
  parseJsonObject,
  type Reservation,
  Runtime,
  type Source,
  supportsThreads,
  type TensorReader,
  WeightError,
  Weights,
} from "@kiloformer/core";
import { openTokenizer, type TextTokenizer, TokenizerError, type TokenizerFormat } from "@kiloformer/tokenizers";
import type { Architecture, Model } from "../architecture.ts";
import { ConfigReader, type RawConfig, show } from "../config.ts";
import { isGenerationKey, readGenerationDefaults } from "../generation/options.ts";
import { readSmallFile } from "./files.ts";
import type { PipelineOptions, ProgressEvent } from "./options.ts";
import type { Loaded, Tasks } from "./tasks.ts";

/** The files beside the weights that a tokenizer may be published in. */
const tokenizerFiles = [
  "tokenizer.model",
  "spiece.model",
  "sentencepiece.bpe.model",
  "tokenizer.json",
  "vocab.json",
  "merges.txt",
  "vocab.txt",
];

/** What says more of it. */
const tokenizerSettings = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "sentence_bert_config.json",
  "chat_template.jinja",
  "chat_template.json",
];

/** What a model needs, from its headers alone. */
export interface Plan<C extends TensorReader = TensorReader> {
  /** The files by the names that architectures look for. */
  readonly sources: ReadonlyMap<string, Source>;
  readonly architecture: Architecture;
  readonly model: Model;
  readonly checkpoint: C;
  readonly reservation: Reservation;
  readonly config: RawConfig;
}

/** The architecture for a config's `model_type`. */
export function architectureFor(config: RawConfig, architectures: readonly Architecture[]): Architecture {
  const type = Object.hasOwn(config, "model_type") ? config.model_type : undefined;
  const found = architectures.find(({ modelTypes }) => modelTypes.includes(type as string));
  if (found) return found;
  const supported = architectures.flatMap(({ modelTypes }) => modelTypes).join(", ");
  throw new ConfigError(
    type === undefined ? "missing-key" : "unsupported-model",
    `config.json: expected model_type to be one of ${supported}, got ${type === undefined ? "no such key" : show(type)}`,
    { key: "model_type", value: type, supported },
  );
}

/**
 * Reads headers and reserves: after it, everything that does not fit is known, and not a byte of weights was read.
 * @throws {ConfigError}, {SafetensorsError}, {WeightError}
 */
export async function planModel(
  given: ReadonlyMap<string, Source>,
  architectures: readonly Architecture[],
  options: PipelineOptions,
): Promise<Plan<Checkpoint>> {
  const { signal } = options;
  const arrange = architectures.find(({ tasks }) => tasks.arrangeFiles)?.tasks.arrangeFiles;
  const sources = (await arrange?.(given, options)) ?? given;
  const config = await readConfig(sources, "config.json", signal);
  if (!config) throw new ConfigError("missing-file", "config.json: expected this file, got none");
  const architecture = architectureFor(config, architectures);
  // Files of modules that stand behind the model are not its weights.
  const own = new Map([...sources].filter(([name]) => !name.includes("/")));
  const limits = { signal, onWarning: warner(options), maxHeaderBytes: maxHeaderBytes() };
  return reserveModel({ sources, config, architecture, checkpoint: await Checkpoint.open(own, limits) }, options);
}

/** Reserves what an architecture asks for over the tensors that there are. */
export function reserveModel<C extends TensorReader>(
  given: Pick<Plan<C>, "sources" | "config" | "architecture" | "checkpoint">,
  options: PipelineOptions,
  headIsOptional = given.sources.has("modules.json"),
): Plan<C> {
  const { config, architecture, checkpoint } = given;
  const reader = new ConfigReader(config, "config.json", headIsOptional);
  const weights = Weights.over(checkpoint.tensors, { dtype: options.dtype });
  const model = architecture.load(reader, weights);
  const unknownKeys = reader.finish(isGenerationKey);
  if (unknownKeys.length > 0) {
    const message = `config.json: expected only keys that this runtime knows, got ${listNames(unknownKeys)}`;
    complain(options, new ConfigError("unknown-key", message, { keys: unknownKeys }));
  }
  const reservation = weights.finish();
  const unknown = reservation.unused.filter((name) => !architecture.harmless(name));
  if (unknown.length > 0) {
    const message = `weights: expected only tensors that ${model.modelType} has, got ${listNames(unknown, 5)}`;
    complain(options, new WeightError("unknown", message, { names: unknown }));
  }
  return { ...given, model, reservation };
}

/** Opens a model: config, headers, tokenizer, memory, weights, in this order; what fails early costs nothing. */
export async function loadModel(
  given: ReadonlyMap<string, Source>,
  architectures: readonly Architecture[],
  options: PipelineOptions,
  formats: readonly TokenizerFormat[],
  tasks: Tasks = {},
): Promise<Loaded> {
  options.signal?.throwIfAborted();
  const plan = await planModel(given, architectures, options);
  const beside = await readBeside(plan, options, formats, tasks);
  const ownsRuntime = options.runtime === undefined;
  const runtime = options.runtime ?? (await createRuntime(options));
  let release = () => {};
  try {
    ({ release } = await runtime.queue.run(() => takeWeights(runtime, plan, options)));
    emit(options, { status: "ready", file: "", progress: 100, loaded: 0, total: 0 });
    return { ...beside, runtime, ownsRuntime, drivers: {}, release };
  } catch (error) {
    release();
    if (ownsRuntime) runtime.dispose();
    throw error;
  }
}

/** A runtime with as many threads as are asked for, or one where there can be no more. */
export function createRuntime(options: PipelineOptions): Promise<Runtime> {
  const { wasm, deterministic, limitBytes, threads = 1, threadsFile, strict } = options;
  const alone = threads > 1 && !strict && !supportsThreads();
  if (alone) {
    warner(options)(`threads: expected a place that shares memory between ${threads} threads, got none: one computes`);
  }
  const creating = Runtime.create({ wasm, deterministic, limitBytes, threads: alone ? 1 : threads, threadsFile });
  return abortable(creating, options.signal, (late) => late.dispose());
}

/** Reads all that a model's files say beside its weights. */
export async function readBeside(
  plan: Plan,
  options: PipelineOptions,
  formats: readonly TokenizerFormat[],
  tasks: Tasks,
): Promise<Omit<Loaded, "runtime" | "ownsRuntime" | "drivers" | "release">> {
  const { sources, architecture, model, config } = plan;
  const generationConfig = await readConfig(sources, "generation_config.json", options.signal);
  const defaults = readGenerationDefaults(config, generationConfig, model.vocabSize);
  const texts = await readTokenizer(sources, plan, formats, options);
  const modules = await { ...tasks, ...architecture.tasks }.readModules?.(sources, options, plan);
  return { architecture, model, config, ...texts, defaults, modules };
}

/** Takes memory for the weights once, then fills it. */
export async function takeWeights(
  runtime: Runtime,
  plan: Plan<Checkpoint>,
  options: PipelineOptions,
): Promise<{ readonly address: number; release(): void }> {
  const { reservation, checkpoint } = plan;
  const block = runtime.memory.reserve(reservation.bytes, "weights");
  const release = () => {
    if (!runtime.disposed) runtime.memory.free(block);
  };
  const { signal, checkFinite } = options;
  const started = new Set<string>();
  try {
    reservation.settle(block.address);
    await fillWeights(runtime, reservation, checkpoint, {
      signal,
      checkFinite,
      onProgress: ({ file, loaded, total }) => {
        if (!started.has(file)) emit(options, { status: "initiate", file, progress: 0, loaded: 0, total });
        started.add(file);
        emit(options, { status: "progress", file, progress: (100 * loaded) / total, loaded, total });
        if (loaded === total) emit(options, { status: "done", file, progress: 100, loaded, total });
      },
    });
    return { address: block.address, release };
  } catch (error) {
    release();
    throw error;
  }
}

export async function readConfig(
  sources: ReadonlyMap<string, Source>,
  name: string,
  signal: AbortSignal | undefined,
): Promise<RawConfig | undefined> {
  const bytes = await readSmallFile(sources, name, signal);
  return bytes && parseJsonObject(bytes, name);
}

/** A tokenizer that is not built in leaves a model that takes and gives ids. */
async function readTokenizer(
  sources: ReadonlyMap<string, Source>,
  { model, config }: Plan,
  formats: readonly TokenizerFormat[],
  options: PipelineOptions,
): Promise<Pick<Loaded, "tokenizer" | "tokenizerConfig">> {
  const none = { tokenizer: undefined, tokenizerConfig: {} };
  if (formats.length === 0) return none;
  // A stream is read once: the config, which was, goes on as it was parsed.
  const files = new Map<string, Uint8Array | string>([["config.json", JSON.stringify(config)]]);
  const templates = [...sources.keys()].filter((name) => /^additional_chat_templates\/.+\.jinja$/.test(name));
  for (const name of [...tokenizerFiles, ...tokenizerSettings, ...templates]) {
    const bytes = await readSmallFile(sources, name, options.signal);
    if (bytes) files.set(name, bytes);
  }
  if (!tokenizerFiles.some((name) => files.has(name))) return none;
  try {
    const tokenizer = openTokenizer(files, formats);
    const settings = files.get("tokenizer_config.json") as Uint8Array | undefined;
    // The tokenizer has read it: it is JSON.
    const tokenizerConfig = settings ? JSON.parse(new TextDecoder().decode(settings)) : {};
    expectRows(tokenizer, model.vocabSize);
    return { tokenizer, tokenizerConfig };
  } catch (error) {
    // Of a kind that this page does not carry.
    const isOther = error instanceof TokenizerError && error.fields.where === "tokenizer";
    if (!isOther || options.strict) throw error;
    warner(options)(`${error.message}; the model takes and gives ids only`);
    return { ...none, tokenizer: error };
  }
}

/** Ids behind the embedding that special tokens may have. */
const MOST_ROWLESS = 2 ** 16;

/**
 * Throws unless the model has a row for each token. Special tokens may lack one: Gemma 3's for images do, in the text models; a text
 * that has one is refused when it comes.
 */
function expectRows(tokenizer: TextTokenizer, vocabSize: number): void {
  const { maxId } = tokenizer;
  const rowless = Array.from(
    { length: Math.min(MOST_ROWLESS, Math.max(0, maxId + 1 - vocabSize)) },
    (_, index) => maxId - index,
  );
  const fits = (id: number) => tokenizer.idToToken(id) === undefined || tokenizer.isSpecial?.(id);
  if (rowless.length < MOST_ROWLESS && rowless.every(fits)) return;
  const message = `tokenizer: expected ids below the model's vocab_size of ${vocabSize}, got ${maxId}`;
  throw new ConfigError("vocabulary-too-large", message, { vocabSize, maxId });
}

export function emit({ onProgress }: PipelineOptions, event: ProgressEvent): void {
  onProgress?.(event);
}

/** What a load can do without: a warning, and with `strict` an error. */
export function complain(options: PipelineOptions, error: Error): void {
  if (options.strict) throw error;
  warner(options)(error.message);
}

/** Where warnings go: the option, or the console. */
export function warner({ onWarning }: PipelineOptions): (message: string) => void {
  return onWarning ?? ((message) => console.warn(`kiloformer: ${message}`));
}

/** The cap on the header of a safetensors file: what this place can hold in memory. */
function maxHeaderBytes(): number {
  const agent = globalThis.navigator?.userAgent ?? "";
  if (agent === "Cloudflare-Workers") return headerLimits.worker;
  // Node 20 has no navigator.
  return agent === "" || agent.startsWith("Node.js") ? headerLimits.node : headerLimits.browser;
}
