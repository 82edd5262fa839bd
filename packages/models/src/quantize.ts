import { type FilePiece, OptionError, quantizedFile, type Runtime, type Source } from "@kiloformer/core";
import type { Architecture } from "./architecture.ts";
import { badOption, expectArchitectures, expectOptions } from "./options.ts";
import { closeSources, type ModelFiles, toSources } from "./pipeline/files.ts";
import { createRuntime, planModel } from "./pipeline/load.ts";
import { checkPipelineOptions, type PipelineOptions } from "./pipeline/options.ts";
import { quantizationConfig } from "./quantization-config.ts";

/** Options of `quantizeModel`. */
export interface QuantizeOptions
  extends Pick<PipelineOptions, "wasm" | "signal" | "onWarning" | "strict" | "deterministic" | "limitBytes"> {
  /** 8-bit weights, or 4-bit ones where they do (docs/quantization.md). */
  readonly dtype: "q8" | "q4";
}

const known = "dtype wasm signal onWarning strict deterministic limitBytes".split(" ");

/** A model's files with quantized weights. */
export interface QuantizedModel {
  /** Where `config.json` and the weights lie among the files: "", or a module's folder with its slash, as in "0_Transformer/". */
  readonly folder: string;
  /** `config.json`, with `quantization_config`. */
  readonly config: string;
  /** Bytes of the new `model.safetensors`. */
  readonly fileSize: number;
  /** Every byte of it once, with its place in the file; quantizes as it is read. Streams among the files are used up. */
  pieces(): AsyncGenerator<FilePiece, void, undefined>;
}

/**
 * Quantizes a model's weights into one file that loads as it is; its other files serve on. One tensor at a time is in memory.
 * @throws {KiloformerError} typed by what is wrong with files or options; {OptionError} `already-quantized`
 */
export async function quantizeModel(
  files: ModelFiles,
  architectures: readonly Architecture[],
  options: QuantizeOptions,
): Promise<QuantizedModel> {
  expectOptions("quantizeModel", options, known);
  expectArchitectures("quantizeModel", architectures);
  checkPipelineOptions(options);
  if (options.dtype !== "q8" && options.dtype !== "q4") {
    throw badOption("quantizeModel", "dtype", "q8 or q4", options.dtype);
  }
  const made: Source[] = [];
  try {
    return await quantized(toSources(files, made), made, architectures, options);
  } catch (error) {
    closeSources(made);
    throw error;
  }
}

/** @param made which of the sources are closed in the end */
async function quantized(
  sources: ReadonlyMap<string, Source>,
  made: readonly Source[],
  architectures: readonly Architecture[],
  options: QuantizeOptions,
): Promise<QuantizedModel> {
  const { dtype, signal } = options;
  const { config, checkpoint, reservation } = await planModel(sources, architectures, options);
  if (config.quantization_config) {
    const message = "quantizeModel: expected a model that is not quantized yet, got one with a quantization_config";
    throw new OptionError("already-quantized", message, { value: config.quantization_config });
  }
  const described = { ...config, quantization_config: quantizationConfig(dtype === "q8" ? 8 : 4) };
  const file = quantizedFile(reservation, checkpoint);
  const weights = checkpoint.source(checkpoint.files[0]);
  const [path = ""] = [...sources].find(([, source]) => source === weights) ?? [];
  return {
    folder: path.slice(0, path.lastIndexOf("/") + 1),
    config: `${JSON.stringify(described, null, 2)}\n`,
    fileSize: file.fileSize,
    async *pieces() {
      let runtime: Runtime | undefined;
      try {
        runtime = await createRuntime(options);
        yield* file.pieces(runtime, { signal });
      } finally {
        runtime?.dispose();
        closeSources(made);
      }
    },
  };
}
