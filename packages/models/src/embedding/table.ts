// Models that are a table of vectors: sentence-transformers' StaticEmbedding, and model2vec.
import {
  ConfigError,
  reasonOf,
  type TensorInfo,
  type TensorReader,
  toTensorArray,
  WeightError,
} from "@kiloformer/core";
import type { RawConfig } from "../config.ts";
import { ModuleConfig, toFloats } from "./module-files.ts";

/** How a table of vectors is read, where that is the whole model. */
export interface TableModule {
  /** The row of each id. Default: the id itself. */
  readonly rows?: Int32Array;
  /** What each id's row is multiplied by. */
  readonly weights?: Float64Array;
  /** The most tokens of a text. */
  readonly maxLength?: number;
  /** Whether the library is model2vec: it leaves unknown tokens out, and cuts a text's characters before its tokens. */
  readonly model2vec: boolean;
}

/** model2vec's limit of tokens, where a config says nothing. */
const DEFAULT_LENGTH = 512;

/** The table of a folder that is model2vec's only: `normalize` and `max_length` are in its config. */
export async function readModel2vec(raw: RawConfig, checkpoint: TensorReader, signal?: AbortSignal) {
  const config = new ModuleConfig(raw, "config.json");
  const maxLength = Object.hasOwn(raw, "max_length") ? config.count("max_length") : DEFAULT_LENGTH;
  const table: TableModule = { ...(await readRows(checkpoint, signal)), maxLength, model2vec: true };
  return { table, normalizes: config.boolean("normalize", false) };
}

/**
 * The table of a StaticEmbedding: its tokenizer.json says where texts end.
 * @throws {ConfigError} `invalid-json`, `bad-value`, `unsupported-value`
 */
export async function readStatic(
  tokenizer: Uint8Array | undefined,
  checkpoint: TensorReader,
  signal?: AbortSignal,
): Promise<TableModule> {
  const truncation = new ModuleConfig(truncationOf(tokenizer), "tokenizer.json: truncation");
  truncation.refuse("strategy", "texts are no pairs", ["LongestFirst", "OnlyFirst"]);
  const maxLength = truncation.count("max_length");
  return { ...(await readRows(checkpoint, signal)), maxLength, model2vec: false };
}

function truncationOf(tokenizer: Uint8Array | undefined): RawConfig {
  try {
    return Object(JSON.parse(tokenizer ? new TextDecoder().decode(tokenizer) : "{}")?.truncation);
  } catch (cause) {
    throw new ConfigError("invalid-json", `tokenizer.json: expected JSON, got: ${reasonOf(cause)}`, {}, { cause });
  }
}

async function readRows(checkpoint: TensorReader, signal: AbortSignal | undefined) {
  const { tensors } = checkpoint;
  const table = tensors.get("embeddings");
  const mapping = table && tensors.get("mapping");
  const scales = table && tensors.get("weights");
  const rows = mapping && toRows(mapping, await checkpoint.read("mapping", signal), table.shape[0]);
  const weights = scales && toFloats(scales, await checkpoint.read("weights", signal));
  const tokens = rows?.length ?? table?.shape[0];
  if (scales && scales.shape[0] !== tokens) {
    const message = `${scales.file}: expected weights of shape [${tokens}], got [${scales.shape.join(", ")}]`;
    throw new WeightError("misshaped", message, { name: "weights" });
  }
  return { rows, weights };
}

/** The row of each id, which must be one of the table's. */
function toRows({ file, dtype }: TensorInfo, bytes: Uint8Array, count: number): Int32Array {
  const values = Array.from<number | bigint, number>(toTensorArray(dtype, bytes) ?? [], Number);
  const wrong = values.find((row) => !(Number.isInteger(row) && row >= 0 && row < count));
  if (wrong === undefined) return Int32Array.from(values);
  const message = `${file}: expected mapping to have rows from 0 to ${count - 1}, got ${wrong}`;
  throw new WeightError("bad-mapping", message, { name: "mapping", value: wrong });
}
