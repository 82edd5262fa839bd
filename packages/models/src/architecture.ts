import type { Forward, HeadLayout, KvCache, Runtime, Tensor, Weights } from "@kiloformer/core";
import type { TokenizerFormat } from "@kiloformer/tokenizers";
import type { ConfigReader } from "./config.ts";
import type { Tasks } from "./pipeline/tasks.ts";

/** Activations: one row for each position. */
export type TD = Tensor<readonly [T: number, D: number]>;

/** What every forward pass is given: the positions of several sequences, one sequence after another, without padding. */
interface Batch {
  readonly runtime: Runtime;
  /** `[T]` ids, checked against the vocabulary. */
  readonly ids: Int32Array;
  /** Called with each layer's input and, last, the result, for verification. */
  readonly observe?: (layer: number, hidden: Tensor) => void;
}

/** Whole sequences, each of which sees itself in both directions. */
export interface EncoderBatch extends Batch {
  /** Positions of each sequence; T is their sum. */
  readonly lengths: readonly number[];
  /** `[T]` which of two texts a position belongs to, for models that tell them apart. Default: the first. */
  readonly typeIds?: Int32Array;
  /** The rows that are wanted, in ascending order; default all. */
  readonly rows?: Int32Array;
}

/** New positions of sequences whose earlier ones are cached. */
export interface DecoderBatch extends Batch {
  readonly entries: readonly DecoderEntry[];
  /** The rows that are wanted, in ascending order; default all. */
  readonly rows?: Int32Array;
}

/** A sequence of a decoder's batch. */
export interface DecoderEntry {
  readonly cache: KvCache;
  /** New positions, at least one; `cache.prepare(count)` made room for them. */
  readonly count: number;
  /**
   * Length that the sequence reaches with this call, later chunks of it included: some rope scalings depend on it, and
   * chunked must equal whole.
   */
  readonly reaches: number;
  /** Keys and values of an encoder's states, where the model has an encoder. */
  readonly memory?: KvCache;
}

/** What any model says of itself. */
export interface ModelFacts {
  readonly modelType: string;
  /** V */
  readonly vocabSize: number;
  /** D */
  readonly hiddenSize: number;
  /** The most positions of one sequence. */
  readonly contextLength: number;
  readonly layers: number;
  /** Multiply-adds of one layer for one position: sets how long a forward runs without a chance to stop. */
  readonly layerWork: number;
}

/** A model that reads whole texts. */
export interface EncoderModel extends ModelFacts {
  readonly kind: "encoder";
  /** Texts that it tells apart by `token_type_ids`; 0 or 1: none. */
  readonly typeVocabSize: number;
  /** Hidden states of the wanted rows, `[R, D]`. */
  forward(batch: EncoderBatch): Forward<TD>;
  /** Whether `sequenceClassification` reads the first row of each text only. */
  readonly classifiesFirst?: boolean;
  /** What the checkpoint has on top. */
  readonly heads: EncoderHeads;
}

/** Heads take hidden states `[T, D]` (or the rows that they need of them) and give what their names say. */
export interface EncoderHeads {
  /** First rows `[B, D] -> [B, D]`: `pooler_output`. */
  readonly pooler?: (first: TD) => TD;
  /** Rows `[R, D] -> [R, V]` logits. */
  readonly maskedLm?: (rows: TD) => Forward<TD>;
  /** `[T, D] -> [B, labels]` logits. */
  readonly sequenceClassification?: (hidden: TD, batch: EncoderBatch) => Forward<TD>;
  /** `[T, D] -> [T, labels]` logits. */
  readonly tokenClassification?: (hidden: TD) => Forward<TD>;
}

/** A model that continues a text. */
export interface DecoderModel extends ModelFacts {
  readonly kind: "decoder";
  readonly layout: HeadLayout;
  /** Normalised hidden states of the wanted rows, `[R, D]`; advances the caches. */
  forward(batch: DecoderBatch): Forward<TD>;
  /** `[R, D] -> [R, rows of the output layer >= V]`; none where the checkpoint has no output layer. */
  readonly logits?: ((hidden: TD) => Forward<TD>) | undefined;
  /** Caches made before a sequence grows beyond this length are of no use after. */
  readonly recomputesBeyond?: number | undefined;
}

/** A model that reads a text and writes another. */
export interface EncoderDecoderModel {
  readonly kind: "encoder-decoder";
  readonly modelType: string;
  readonly vocabSize: number;
  readonly encoder: EncoderModel;
  /** Its entries have a `memory`. */
  readonly decoder: DecoderModel;
  /** The id that every answer begins with. */
  readonly decoderStartTokenId: number;
  /** Writes the keys and values of encoded rows `[T, D]` to each sequence's memory, for all layers of the decoder. */
  remember(runtime: Runtime, encoded: TD, memories: readonly MemoryEntry[]): Forward<void>;
}

/** An encoded sequence, and the empty cache that remembers it. */
export interface MemoryEntry {
  readonly cache: KvCache;
  readonly count: number;
}

/** What an architecture makes of a config and weights. */
export type Model = EncoderModel | DecoderModel | EncoderDecoderModel;

/** How a `model_type` is opened: one for each architecture, listed in `registry.ts`. */
export interface Architecture {
  readonly modelTypes: readonly string[];
  /** Reads the config and reserves the weights; nothing is loaded. */
  load(config: ConfigReader, weights: Weights): Model;
  /** Tensors that checkpoints of this family carry and inference does not use. */
  harmless(name: string): boolean;
  /** The tokenizers that such models are published with, for a pipeline that is not given any. */
  readonly tokenizers: readonly TokenizerFormat[];
  /** What a pipeline that is not given any tasks does with such models. */
  readonly tasks: Tasks;
}
