import type { Architecture, Model } from "./architecture.ts";
import type { RawConfig } from "./config.ts";
import { type Encoder, encoderOf } from "./encoding/encoder.ts";
import { type Decoder, decoderOf } from "./generation/decoder.ts";
import { disposeModel } from "./lifetime.ts";
import { expectArchitectures } from "./options.ts";
import { type ModelFiles, withSources } from "./pipeline/files.ts";
import { loadModel, warner } from "./pipeline/load.ts";
import { checkPipelineOptions, type PipelineOptions } from "./pipeline/options.ts";
import type { TaskContext } from "./pipeline/tasks.ts";

/**
 * A model that takes and gives ids, without a tokenizer or a pipeline around it: what is built on it decides what to feed,
 * what to keep in caches, and what to make of logits and hidden states.
 */
export interface BareModel {
  readonly model: Model;
  readonly config: RawConfig;
  /** Runs whole texts; throws {OptionError} `no-encoder` for decoders. */
  readonly encoder: Encoder;
  /** Continues sequences over caches that the caller holds; throws {OptionError} `no-decoder` for encoders. */
  readonly decoder: Decoder;
  /** What tasks of this package are given, to run them on this model. */
  readonly context: TaskContext;
  /** Gives all memory back; the encoder and the decoder then throw {DisposedError}, also those that a caller holds. */
  dispose(): Promise<void>;
}

/**
 * Opens a model's files without a pipeline; tokenizer files are left alone.
 * @throws {KiloformerError} typed by what is wrong
 */
export async function openBareModel(
  files: ModelFiles,
  architectures: readonly Architecture[],
  options: PipelineOptions = {},
): Promise<BareModel> {
  expectArchitectures("openBareModel", architectures);
  checkPipelineOptions(options);
  const loaded = await withSources(files, (sources) => loadModel(sources, architectures, options, []));
  const { model, config } = loaded;
  const none = new AbortController().signal;
  const context = { ...loaded, signal: (signal?: AbortSignal) => signal ?? none, warn: warner(options) };
  return {
    model,
    config,
    context,
    get encoder() {
      return encoderOf(loaded);
    },
    get decoder() {
      return decoderOf(loaded);
    },
    dispose: () => disposeModel(loaded),
  };
}
