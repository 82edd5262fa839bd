export type {
  Activation,
  AttentionOptions,
  Backend,
  DistanceBias,
  Epilogue,
  GatedActivation,
  GlobalKeys,
  HeadLayout,
  SequenceSpan,
} from "./backend.ts";
export { type BatchEntry, bindCaches, KvCache, PAGE, PagePool, pageFloats } from "./cache.ts";
export { parseJsonObject } from "./config-json.ts";
export * from "./errors.ts";
export { type FillOptions, type FillProgress, fillWeights } from "./fill.ts";
export { countWork, type Forward, type ForwardOptions, giveTurn, runForward } from "./forward.ts";
export { listNames } from "./json-strings.ts";
export {
  chooseBuild,
  compileKernels,
  isResponse,
  isUrl,
  type KernelBuild,
  type Kernels,
  kernelBytes,
  supportsBuild,
  type WasmFile,
  type WasmOption,
} from "./kernels.ts";
export { kindOf } from "./kind.ts";
export { ADDRESSABLE_BYTES, type Block, type Grow, MemoryMap } from "./memory.ts";
export {
  appendKeys,
  attendSteps,
  attendTo,
  attention,
  distanceBias,
  encoderAttentionSteps,
  normHeads,
  rotate,
} from "./ops/attention.ts";
export { activate, add, gated, meanRows, multiply, scale, softmax, sumBlocks } from "./ops/elementwise.ts";
export { embedding, gatherRows, isLong, linear, linearSteps } from "./ops/linear.ts";
export { layerNorm, rmsNorm } from "./ops/norms.ts";
export { type PackedDirectory, type PackedWeight, readDirectory as readPackedDirectory } from "./packed/directory.ts";
export { instantiatePacked, openPackedModule, type PackedModule, type PackedRuntimeOptions } from "./packed/open.ts";
export { type PackedContent, writePacked } from "./packed/write.ts";
export { type FilePiece, type QuantizedFile, quantizedFile } from "./quantize.ts";
export { Runtime } from "./runtime.ts";
export type { RuntimeOptions } from "./runtime-options.ts";
export * from "./safetensors.ts";
export * from "./source.ts";
export { type Shape, sizeOf, Tensor } from "./tensor.ts";
export { supportsThreads } from "./threads/pool.ts";
export { nextTurn } from "./turn.ts";
export { panelBytes } from "./weight-layout.ts";
export {
  type DtypeOption,
  dtypeOptions,
  type EmbeddingWeight,
  type LinearWeight,
  type Precision,
  type Reservation,
  type VectorWeight,
  type Weight,
  type WeightDtype,
  type WeightPart,
  type WeightPlace,
  Weights,
} from "./weights.ts";
