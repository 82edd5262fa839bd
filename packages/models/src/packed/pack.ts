import { abortable, type KernelBuild, kernelBytes, Runtime, writePacked } from "@kiloformer/core";
import { badOption, expectOptions } from "../options.ts";
import { type ModelFiles, withSources } from "../pipeline/files.ts";
import { planModel, readBeside, takeWeights } from "../pipeline/load.ts";
import { checkPipelineOptions, type PipelineOptions } from "../pipeline/options.ts";
import { expectFamilies, type Families } from "./families.ts";
import { KeptFiles } from "./kept-files.ts";

/** Options of `packModel`. */
export interface PackOptions
  extends Pick<
    PipelineOptions,
    "dtype" | "wasm" | "signal" | "onProgress" | "onWarning" | "strict" | "limitBytes" | "checkFinite"
  > {
  /**
   * The kernels that go into the file, and the only ones that run it: `simd` runs wherever WebAssembly SIMD does, with the same
   * bits everywhere; `relaxed` is faster. Packing runs them, too. Default `simd`.
   */
  readonly build?: KernelBuild;
}

const known = "build dtype wasm signal onProgress onWarning strict limitBytes checkFinite".split(" ");

/**
 * One WebAssembly file of a whole model: kernels, weights as they lie in memory, config and tokenizer (docs/one-file.md).
 * `openPacked` opens it.
 * @param families `Pipeline`, or what it is made of: the model is read with it here, to see that it can be
 * @returns the file's bytes
 * @throws {KiloformerError} typed by what is wrong with files or options; {PackedError} `too-large`
 */
export async function packModel(
  families: Families,
  files: ModelFiles,
  options: PackOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { architectures, tokenizers, tasks } = expectFamilies("packModel", families);
  expectOptions("packModel", options, known);
  const { build = "simd", ...loading } = options;
  if (build !== "simd" && build !== "relaxed") {
    throw badOption("packModel", "build", "simd or relaxed", build);
  }
  checkPipelineOptions(loading);
  const kept = new KeptFiles();
  return withSources(files, async (sources) => {
    const plan = await planModel(kept.watch(sources), architectures, loading);
    const watched = kept.watchPlan(plan);
    await readBeside(watched, loading, tokenizers, tasks);
    const kernels = await abortable(kernelBytes(build, loading.wasm), options.signal);
    const runtime = await Runtime.create({ build, wasm: kernels, limitBytes: loading.limitBytes });
    try {
      const { address } = await takeWeights(runtime, plan, loading);
      const { reservation, checkpoint } = plan;
      const tensors = checkpoint.tensors.values();
      const { dtype = "auto" } = loading;
      return writePacked(runtime, { kernels, build, dtype, reservation, address, tensors, files: kept.of(watched) });
    } finally {
      runtime.dispose();
    }
  });
}
