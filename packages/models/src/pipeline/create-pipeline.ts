import { ConfigError, kindOf, PAGE, pageFloats, parseJsonObject, type Source } from "@kiloformer/core";
import type { TokenizerFormat } from "@kiloformer/tokenizers";
import { readDirectory } from "#directory";
import type { Architecture, DecoderModel, EncoderModel } from "../architecture.ts";
import type { RawConfig } from "../config.ts";
import { badOption, expectArchitectures, expectObject } from "../options.ts";
import { type FileLike, type ModelFiles, nameTokenizer, withSources } from "./files.ts";
import { architectureFor, loadModel, type Plan, planModel } from "./load.ts";
import { checkPipelineOptions, type PipelineOptions } from "./options.ts";
import { Pipeline } from "./pipeline.ts";
import type { Tasks } from "./tasks.ts";

/** A pipeline, from a model's own files to results: apart from `Pipeline`, so that pages without such files do without this. */
export class OpeningPipeline extends Pipeline {
  /** The architectures that this class opens. */
  static readonly architectures: readonly Architecture[] = [];
  /** The tokenizers that this class opens. */
  static readonly tokenizers: readonly TokenizerFormat[] = [];
  /** What this class does with models whose architecture does not name it. */
  static readonly tasks: Tasks = {};

  /**
   * Opens a model from its files by name: `config.json`, `model.safetensors` (or shards and their index), tokenizer files.
   * @throws {KiloformerError} typed by what is wrong; nothing is kept then
   */
  static async fromFiles(files: ModelFiles, options: PipelineOptions = {}): Promise<Pipeline> {
    checkPipelineOptions(options);
    return withSources(files, (sources) => openSources(this, sources, options));
  }

  /** Opens a model from its files' contents; `merges` only where the tokenizer is a `vocab.json`. */
  static async fromBytes(
    model: FileLike,
    tokenizer: FileLike,
    config: FileLike,
    merges?: FileLike,
    options: PipelineOptions = {},
  ): Promise<Pipeline> {
    checkPipelineOptions(options);
    const named: ModelFiles = merges === undefined ? { tokenizer } : { "vocab.json": tokenizer, "merges.txt": merges };
    const files = { "config.json": config, "model.safetensors": model, ...named };
    return withSources(files, async (sources) => {
      await nameTokenizer(sources, options.signal);
      return openSources(this, sources, options);
    });
  }

  /** Opens a model's folder (a path, or a `file:` URL), where there is a file system (Node); weights are read in pieces, never whole. */
  static async fromDirectory(directory: string | URL, options: PipelineOptions = {}): Promise<Pipeline> {
    const { files, close } = await readDirectory(directory);
    try {
      if (files.has("config.json") || files.has("modules.json")) return await this.fromFiles(files, options);
      throw new ConfigError(
        "missing-file",
        `${directory}: expected a model's folder with config.json, got one without`,
      );
    } finally {
      await close();
    }
  }

  /** What a model would take, from its headers alone; no weights are read and no memory is taken. A `Response` or a stream is used up. */
  static async plan(files: ModelFiles, options: PipelineOptions = {}): Promise<MemoryPlan> {
    checkPipelineOptions(options);
    return describe(await withSources(files, (sources) => planModel(sources, this.architectures, options)));
  }

  /**
   * The `model_type` of a config.json, as text, bytes or parsed.
   * @throws {ConfigError} `unsupported-model`, `missing-key` where this class opens no such model
   */
  static modelType(config: string | Uint8Array | RawConfig): string {
    const isText = typeof config === "string" || kindOf(config) === "Uint8Array";
    if (!isText) expectObject("config.json", config);
    const raw = isText ? parseJsonObject(config as string | Uint8Array, "config.json") : (config as RawConfig);
    architectureFor(raw, this.architectures);
    return raw.model_type as string;
  }
}

async function openSources(
  { architectures, tokenizers, tasks }: typeof OpeningPipeline,
  sources: ReadonlyMap<string, Source>,
  options: PipelineOptions,
): Promise<Pipeline> {
  return new Pipeline(await loadModel(sources, architectures, options, tokenizers, tasks), options, tasks);
}

/** What a model takes in memory. */
export interface MemoryPlan {
  readonly modelType: string;
  /** Of the decoder, where there are two stacks; 0 of a table. */
  readonly layers: number;
  readonly vocabSize: number;
  /** The most positions; a large number for models whose positions have no end (T5, tables). */
  readonly contextLength: number;
  /** Bytes of weights in memory. */
  readonly weightBytes: number;
  /** Bytes of one page of the key/value cache: 64 positions of one sequence; 0 for encoders. */
  readonly cachePageBytes: number;
  /** Bytes of the key/value cache of one sequence that fills the context. */
  readonly cacheBytes: number;
}

function describe({ model, reservation }: Plan): MemoryPlan {
  const part: DecoderModel | EncoderModel = model.kind === "encoder-decoder" ? model.decoder : model;
  const { layers, vocabSize, contextLength } = part;
  const cachePageBytes = part.kind === "decoder" ? pageFloats(part.layout) * 4 * layers : 0;
  const cacheBytes = Math.ceil(contextLength / PAGE) * cachePageBytes;
  const { modelType } = model;
  return { modelType, layers, vocabSize, contextLength, weightBytes: reservation.bytes, cachePageBytes, cacheBytes };
}

/**
 * A pipeline class that opens only these architectures: pages that need one family ship only that one.
 * @param formats the tokenizers that it opens; default those that the architectures name
 * @param tasks what it does with models whose architecture does not name it; default nothing
 */
export function createPipeline(
  architectures: readonly Architecture[],
  formats?: readonly TokenizerFormat[],
  tasks: Tasks = {},
): typeof OpeningPipeline {
  expectArchitectures("createPipeline", architectures);
  if (formats !== undefined && !Array.isArray(formats)) {
    throw badOption("createPipeline", "formats", "a list, such as [sentencePiece({})]", formats);
  }
  return class extends OpeningPipeline {
    static override readonly architectures = architectures;
    static override readonly tokenizers = formats ?? architectures.flatMap(({ tokenizers }) => tokenizers);
    static override readonly tasks = tasks;
  };
}
