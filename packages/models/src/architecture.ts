import type { BatchEntry, Forward, HeadLayout, Runtime, Tensor, Weights } from "@kiloformer/core";
import type { TokenizerFormat } from "@kiloformer/tokenizers";
import type { ConfigReader } from "./config.ts";

/** New positions of several sequences, one sequence after another. */
export interface Batch {
  readonly runtime: Runtime;
  /** `[T]` ids, checked against the vocabulary. */
  readonly ids: Int32Array;
  readonly entries: readonly DecoderEntry[];
  /** Rows whose logits are wanted. */
  readonly rows: Int32Array;
  /** Called with each layer's input and, last, the normalised output, for verification. */
  readonly observe?: (layer: number, hidden: Tensor) => void;
}

/** A sequence of a batch. */
export interface DecoderEntry extends BatchEntry {
  /**
   * Length that the sequence reaches with this call, later chunks of it included: dynamic rope scaling depends on it, and
   * chunked must equal whole.
   */
  readonly reaches: number;
}

/** A model that gives next-token logits. */
export interface DecoderModel {
  readonly modelType: string;
  readonly vocabSize: number;
  /** The most positions of one sequence. */
  readonly contextLength: number;
  readonly layers: number;
  readonly layout: HeadLayout;
  /** Multiply-adds of one layer for one position: sets how long a prefill runs without a chance to stop. */
  readonly layerWork: number;
  /** `[T]` ids of a batch -> logits `[R, rows of the output layer >= V]`; advances the caches. */
  forward(batch: Batch): Forward<Tensor<readonly [R: number, V: number]>>;
}

/** How a `model_type` is opened: one for each architecture, listed in `registry.ts`. */
export interface Architecture {
  readonly modelTypes: readonly string[];
  /** Reads the config and reserves the weights; nothing is loaded. */
  load(config: ConfigReader, weights: Weights): DecoderModel;
  /** Tensors that checkpoints of this family carry and inference does not use. */
  harmless(name: string): boolean;
  /** The tokenizers that such models are published with, for a pipeline that is not given any. */
  readonly tokenizers: readonly TokenizerFormat[];
}
