// What the files of sentence-transformers and model2vec say of a model's embeddings.
import { bytesSource, ConfigError, parseJsonObject, type Source } from "@kiloformer/core";
import { readSmallFile } from "../pipeline/files.ts";
import type { Plan } from "../pipeline/load.ts";
import type { PipelineOptions } from "../pipeline/options.ts";
import { MODULES, type ModuleConfig, type ModuleEntry, ModuleFiles, parseModules } from "./module-files.ts";
import { type Pooling, type PoolingMode, poolingModes } from "./pooling.ts";
import { activations, dense, layerNorm, normalize, type Step } from "./steps.ts";
import { readModel2vec, readStatic, type TableModule } from "./table.ts";
import type { TextSettings } from "./texts.ts";
import { readTransformer, scores, states, transformerSettings } from "./transformer-settings.ts";

/** What becomes of a text before the model, and of its hidden states behind it. */
export interface SentenceModules {
  /** Prompts by their names. */
  readonly prompts: ReadonlyMap<string, string>;
  /** The prompt of a text that is given none. */
  readonly defaultPrompt?: string;
  /** How many numbers of a vector stay. */
  readonly truncateDim?: number;
  readonly texts: TextSettings;
  readonly pooling: Pooling;
  /** What stands behind the pooling, in order. */
  readonly steps: readonly Step[];
  /** How a table of vectors is read, where that is the whole model. */
  readonly table?: TableModule;
  readonly scoring: ScoringModules;
  /** Why these files' embeddings are not supported; the model may be good for something else. */
  readonly refusal?: ConfigError;
  /** Whether files say so, and not only what holds where there are none. */
  readonly given: boolean;
  /** Where there is no modules.json: whether there is a chat_template.jinja, in which the library would put texts. */
  readonly hasTemplate?: boolean;
}

/** What a cross-encoder's files say of its scores. */
export interface ScoringModules {
  /** The function behind the logits, as Python names it. */
  readonly activation?: string;
  /** What queries begin with. */
  readonly queryPrompt?: string;
  readonly texts: TextSettings;
  /** Why these files' scores are not supported. */
  readonly refusal?: ConfigError;
}

/** What holds where files say nothing: the mean of all tokens. */
export const plainModules: SentenceModules = {
  prompts: new Map([
    ["query", ""],
    ["document", ""],
  ]),
  texts: {},
  pooling: { modes: ["mean"], includesPrompt: true },
  steps: [],
  scoring: { texts: {} },
  given: false,
};

/**
 * The files of a model as architectures look for them: those of its first module, wherever they lie, under their own names;
 * and a config.json for a table of vectors, which has none.
 * @throws {ConfigError} as `parseJsonObject`, `not-a-list`, `bad-value`, `unsafe-path`
 */
export async function arrangeFiles(
  sources: ReadonlyMap<string, Source>,
  { signal }: PipelineOptions,
): Promise<ReadonlyMap<string, Source>> {
  const bytes = await readSmallFile(sources, MODULES, signal);
  if (!bytes) return sources;
  const [first] = parseModules(bytes);
  const arranged = new Map(sources);
  const put = (name: string, content: Uint8Array) => arranged.set(name, bytesSource(name, content));
  put(MODULES, bytes);
  if (!first) return arranged;
  for (const [name, source] of sources) {
    if (first.path !== "" && name.startsWith(first.path)) arranged.set(name.slice(first.path.length), source);
  }
  const isTable = first.kind === "StaticEmbedding";
  // Tokenizers read these, too, and a stream is read once.
  for (const name of isTable ? ["tokenizer.json"] : transformerSettings.slice(0, 1)) {
    const content = await readSmallFile(arranged, name, signal);
    if (content) put(name, content);
  }
  if (isTable) {
    const config = await readSmallFile(arranged, "config.json", signal);
    const isTyped = config && parseJsonObject(config, "config.json").model_type !== undefined;
    // The library reads no config of a table, and not all that is written beside one says what it is.
    put("config.json", isTyped ? config : new TextEncoder().encode('{"model_type":"static-embedding"}'));
  }
  return arranged;
}

/**
 * What a model's files say of its embeddings and scores.
 * @param sources as `arrangeFiles` leaves them
 * @throws {ConfigError} `missing-file`, `bad-value`, `unsafe-path`, `unknown-key` with `strict`, and as `parseJsonObject`;
 *   {WeightError} `missing`, `misshaped`, `unsupported-dtype`; SafetensorsError and SourceError
 */
export async function readModules(
  sources: ReadonlyMap<string, Source>,
  options: PipelineOptions,
  { config, checkpoint }: Pick<Plan, "config" | "checkpoint">,
): Promise<SentenceModules> {
  const { signal } = options;
  const bytes = await readSmallFile(sources, MODULES, signal);
  if (!bytes) {
    if (config.model_type !== "model2vec") return { ...plainModules, hasTemplate: sources.has("chat_template.jinja") };
    const { table, normalizes } = await readModel2vec(config, checkpoint, signal);
    return { ...plainModules, given: true, table, steps: normalizes ? [normalize] : [] };
  }
  const files = new ModuleFiles(sources, options);
  const { kind, activation, ...settings } = await files.config("config_sentence_transformers.json", readSettings);
  const [first, ...others] = parseModules(bytes);
  // Of a cross-encoder or sparse encoder the library takes the mean of all tokens, too.
  if (kind !== "SentenceTransformer") {
    if (kind !== "CrossEncoder") return plainModules;
    const queryPrompt = settings.defaultPrompt;
    return { ...plainModules, scoring: { activation, queryPrompt, ...(await readScoring(files, first, others)) } };
  }
  try {
    const isTable = first?.kind === "StaticEmbedding";
    const own = isTable
      ? { table: await readStatic(await readSmallFile(sources, "tokenizer.json", signal), checkpoint, signal) }
      : await readPooledTransformer(files, first, others.shift());
    const steps: Step[] = [];
    for (const entry of others) steps.push(...(await readStep(files, entry)));
    return { ...plainModules, ...settings, ...own, steps, given: true };
  } catch (error) {
    return { ...plainModules, refusal: refusalOf(error) };
  }
}

/** What asks for more than there is; other errors go on. */
function refusalOf(error: unknown): ConfigError {
  if (error instanceof ConfigError && error.code.startsWith("unsupported")) return error;
  throw error;
}

/** A cross-encoder is a transformer whose logits are the scores. */
async function readScoring(
  files: ModuleFiles,
  first: ModuleEntry | undefined,
  [second]: readonly ModuleEntry[],
): Promise<ScoringModules> {
  try {
    if (first?.kind !== "Transformer") throw unsupported("a cross-encoder's first module to be Transformer", first);
    if (second) throw unsupported("no module behind a cross-encoder's Transformer", second);
    return { texts: await readTransformer(files, scores) };
  } catch (error) {
    return { texts: {}, refusal: refusalOf(error) };
  }
}

function readSettings(config: ModuleConfig) {
  config.ignore("__version__", "requirements", "keep_in_fp32_modules", "similarity_fn_name");
  const kind = config.text("model_type") ?? "SentenceTransformer";
  const prompts = new Map(kind === "SentenceTransformer" ? plainModules.prompts : []);
  config.ignore("prompts");
  const { prompts: given = {} } = config.raw;
  const isText = (text: unknown) => typeof text === "string" || text === null;
  const isNamed = typeof given === "object" && given !== null && !Array.isArray(given);
  if (!isNamed || !Object.values(given).every(isText)) throw config.bad("prompts", "texts by their names");
  for (const [name, text] of Object.entries(given)) prompts.set(name, text ?? "");
  const name = config.text("default_prompt_name");
  if (name !== undefined && !prompts.has(name)) throw config.bad("default_prompt_name", "a name of prompts");
  return {
    kind,
    prompts,
    defaultPrompt: name === undefined ? undefined : prompts.get(name),
    truncateDim: config.count("truncate_dim"),
    activation: config.text("activation_fn"),
  };
}

/** The first two modules: a transformer, whose tokens are pooled. */
async function readPooledTransformer(
  files: ModuleFiles,
  first: ModuleEntry | undefined,
  second: ModuleEntry | undefined,
) {
  if (first?.kind !== "Transformer") throw unsupported("the first module to be Transformer or StaticEmbedding", first);
  if (second?.kind !== "Pooling") throw unsupported("the second module to be Pooling", second);
  const texts = await readTransformer(files, states);
  const file = `${second.path}config.json`;
  if (!files.sources.has(file)) {
    throw new ConfigError("missing-file", `${file}: expected this file, got none`, { file });
  }
  return { texts, pooling: await files.config(file, readPooling) };
}

/** The spelling of releases before 5.4, in the order in which vectors stand one behind the other. */
const olderModes: readonly (readonly [key: string, mode: PoolingMode])[] = [
  ["cls_token", "cls"],
  ["max_tokens", "max"],
  ["mean_tokens", "mean"],
  ["mean_sqrt_len_tokens", "mean_sqrt_len_tokens"],
  ["weightedmean_tokens", "weightedmean"],
  ["lasttoken", "lasttoken"],
];

function readPooling(config: ModuleConfig): Pooling {
  // Nothing is computed with the width, but the library does not open the folder without it.
  config.integer(config.has("word_embedding_dimension") ? "word_embedding_dimension" : "embedding_dimension");
  config.ignore("embedding_dimension", "pooling_mode");
  const chosen = olderModes.filter(([key]) => config.boolean(`pooling_mode_${key}`, false)).map(([, mode]) => mode);
  const older = chosen.length > 0 ? chosen : "mean";
  const modes = [Object.hasOwn(config.raw, "pooling_mode") ? config.raw.pooling_mode : older].flat() as PoolingMode[];
  const isKnown = modes.length > 0 && modes.every((mode) => poolingModes.includes(mode));
  if (!isKnown) throw config.bad("pooling_mode", `some of ${poolingModes.join(", ")}`, "unsupported-value");
  return { modes, includesPrompt: config.boolean("include_prompt", true) };
}

/** What a module behind the pooling computes: one step, or none. */
async function readStep(files: ModuleFiles, entry: ModuleEntry): Promise<Step[]> {
  const read = Object.hasOwn(stepReaders, entry.kind) ? stepReaders[entry.kind] : undefined;
  if (!read) throw unsupported(`modules of ${Object.keys(stepReaders).join(", ")} behind the pooling`, entry);
  return read(files, entry.path);
}

const stepReaders: Readonly<Record<string, (files: ModuleFiles, path: string) => Promise<Step[]>>> = {
  Normalize: (files, path) =>
    files.config(`${path}config.json`, (config) => {
      expectSentences(config);
      return [normalize];
    }),
  Dropout: (files, path) =>
    files.config(`${path}config.json`, (config) => {
      config.ignore("dropout");
      return [];
    }),
  LayerNorm: async (files, path) => {
    const width = await files.config(`${path}config.json`, (config) => config.integer("dimension"));
    const weights = await files.weights(path);
    return [layerNorm(weights.get("norm.weight", [width]), weights.get("norm.bias", [width]))];
  },
  Dense: async (files, path) => {
    const { inputs, outputs, ...config } = await files.config(`${path}config.json`, readDense);
    const weights = await files.weights(path);
    const bias = config.bias ? weights.get("linear.bias", [outputs]) : undefined;
    const projects = config.residual && inputs !== outputs;
    const residual = projects ? weights.get("residual.weight", [outputs, inputs]) : config.residual && "itself";
    const weight = weights.get("linear.weight", [outputs, inputs]);
    return [dense({ weight, bias, activation: config.activation, residual: residual || undefined })];
  },
};

function readDense(config: ModuleConfig) {
  expectSentences(config);
  return {
    inputs: config.integer("in_features"),
    outputs: config.integer("out_features"),
    bias: config.boolean("bias", true),
    residual: config.boolean("use_residual", false),
    activation: activationOf(config.text("activation_function") ?? "torch.nn.modules.activation.Tanh", config.file),
  };
}

/** Modules may work on the vectors of tokens, too: those are not kept. */
function expectSentences(config: ModuleConfig): void {
  for (const key of ["module_input_name", "module_output_name"]) {
    config.refuse(key, "only vectors of texts are worked on", ["sentence_embedding"]);
  }
}

/**
 * A function by the name that Python has for its class.
 * @throws {ConfigError} `unsupported-activation`
 */
export function activationOf(name: string, file: string): (x: number) => number {
  const short = /^torch\.(?:\w+\.)*(\w+)$/.exec(name)?.[1] ?? "";
  if (Object.hasOwn(activations, short)) return activations[short];
  const known = Object.keys(activations).join(", ");
  const message = `${file}: expected an activation of torch.nn that is one of ${known}, got ${name}`;
  throw new ConfigError("unsupported-activation", message, { file, value: name });
}

function unsupported(expected: string, entry: ModuleEntry | undefined): ConfigError {
  const message = `${MODULES}: expected ${expected}, got ${entry?.type ?? "none"}`;
  return new ConfigError("unsupported-module", message, { file: MODULES, value: entry?.type });
}
