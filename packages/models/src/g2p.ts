import {
  abortable,
  chooseBuild,
  isResponse,
  type KernelBuild,
  RuntimeError,
  reasonOf,
  type WasmFile,
} from "@kiloformer/core";
import { g2pVocabulary } from "@kiloformer/tokenizers";
import { g2pFile } from "#g2p-file";
import type { Architecture } from "./architecture.ts";
import { g2pTasks } from "./g2p-tasks.ts";
import { loadLlama } from "./llama.ts";
import { expectObject } from "./options.ts";
import { openPacked, type PackedOptions } from "./packed/open.ts";
import type { Pipeline } from "./pipeline/pipeline.ts";
import { isRotaryBuffer } from "./rotary-decoder.ts";

/** Options of `g2p`. */
export interface G2POptions extends PackedOptions {
  /** Where the packed model is, for bundles that left it behind; default: beside this module. */
  readonly file?: WasmFile;
}

const architecture: Architecture = {
  modelTypes: ["llama"],
  load: loadLlama,
  harmless: isRotaryBuffer,
  tokenizers: [g2pVocabulary],
  tasks: g2pTasks,
};

/**
 * Spelling to IPA. Called, it opens our own model, English and Korean, which comes with this package packed in one file.
 * As a family, in `createPipeline([g2p])`, it opens others: Llamas whose vocabulary maps letters and jamo to IPA.
 *
 * @example const pipeline = await g2p(); await pipeline.phonemize("Hello 안녕하세요");
 * @throws {RuntimeError} `model-not-found` where a bundle left the file behind; else as `openPacked`
 */
export const g2p: Architecture & ((options?: G2POptions) => Promise<Pipeline>) = /* @__PURE__ */ Object.assign(
  open,
  architecture,
);

async function open(given: G2POptions = {}): Promise<Pipeline> {
  expectObject("g2p", given);
  const { file, ...options } = given;
  const opened = file ?? (await abortable(ownFile(chooseBuild(options.deterministic ?? false)), options.signal));
  return openPacked({ architectures: [architecture] }, opened, options);
}

async function ownFile(build: KernelBuild): Promise<WasmFile> {
  const fail = (reason: string, cause?: unknown): never => {
    const name = `g2p-${build}.wasm`;
    const message = `${name}: expected this file beside the code, got: ${reason}; the option file says where it is`;
    throw new RuntimeError("model-not-found", message, { build }, { cause });
  };
  const file = await g2pFile(build).catch((cause) => fail(reasonOf(cause), cause));
  return isResponse(file) && !file.ok ? fail(`HTTP ${file.status}`) : file;
}
