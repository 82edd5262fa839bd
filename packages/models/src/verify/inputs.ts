// What a folder feeds its model: tensors of expected.safetensors that are not compared.
import { ConfigError, type SafetensorsFile } from "@kiloformer/core";
import type { Model } from "../architecture.ts";
import type { TokenRow } from "../encoding/encoder.ts";

export interface Inputs {
  /** Each row without its padding: only these positions are compared. */
  readonly rows: readonly TokenRow[];
  /** Positions of `input_ids`, padding included. */
  readonly columns: number;
  /** What the decoder of a model with an encoder is fed, row by row; empty for others. */
  readonly answers: readonly (readonly number[])[];
  /** By the name of a generation: its prompt, where that is no row. */
  readonly prompts: ReadonlyMap<string, readonly number[]>;
}

const always = ["input_ids", "attention_mask"];
/** What else is read, by the kind of model. */
const others = { encoder: ["token_type_ids"], decoder: [], "encoder-decoder": ["decoder_input_ids"] } as const;

/** Whether a tensor is fed, and so not compared. */
export function isInput(name: string): boolean {
  return name.startsWith("prompt.") || [...always, ...Object.values(others).flat()].includes(name);
}

/**
 * Reads what is fed. Whatever a model of this kind does not read is refused: a folder that has it means something else.
 * @param generations their names; each may have a prompt
 * @throws {ConfigError} `missing-tensor`, `bad-shape`, `bad-mask`, `unused`
 */
export function readInputs(expected: SafetensorsFile, kind: Model["kind"], generations: readonly string[]): Inputs {
  const has = (name: string) => expected.tensors.has(name);
  const prompted = generations.filter((name) => has(`prompt.${name}`));
  const read: readonly string[] = [...always, ...others[kind], ...prompted.map((name) => `prompt.${name}`)];
  const unread = [...expected.tensors.keys()].find((name) => isInput(name) && !read.includes(name));
  if (unread !== undefined) {
    const message = `expected.safetensors: expected inputs that a model of kind ${kind} and its generations read, got ${unread}`;
    throw new ConfigError("unused", message, { name: unread });
  }
  const ids = readIds(expected, "input_ids");
  const columns = ids[0]?.length ?? 0;
  const beside = (name: string) => (has(name) ? readIds(expected, name, ids.length, columns) : undefined);
  const [masks, types] = [beside("attention_mask"), beside("token_type_ids")];
  const rows = ids.map((row, index) => {
    const length = masks ? lengthOf(masks[index]) : row.length;
    return { ids: row.slice(0, length), typeIds: types?.[index].slice(0, length) };
  });
  const answers = kind === "encoder-decoder" ? readIds(expected, "decoder_input_ids", ids.length) : [];
  const prompts = new Map(prompted.map((name) => [name, readIds(expected, `prompt.${name}`, 1)[0]]));
  return { rows, columns, answers, prompts };
}

function readIds(expected: SafetensorsFile, name: string, rows?: number, columns?: number): number[][] {
  const info = expected.tensors.get(name);
  if (info?.shape.length !== 2 || (info.dtype !== "I64" && info.dtype !== "I32")) {
    const got = info ? `${info.dtype} [${info.shape.join(", ")}]` : "none";
    throw new ConfigError("missing-tensor", `expected.safetensors: expected ${name} as I64 of two axes, got ${got}`);
  }
  const [height, width] = info.shape;
  if (height !== (rows ?? height) || width !== (columns ?? width) || height === 0) {
    const wanted = `[${rows ?? "rows"}, ${columns ?? "positions"}]`;
    const message = `expected.safetensors: expected ${name} of shape ${wanted}, got [${info.shape.join(", ")}]`;
    throw new ConfigError("bad-shape", message, { name });
  }
  const values = Array.from(expected.array(name) as ArrayLike<number | bigint>, Number);
  return Array.from({ length: height }, (_, row) => values.slice(row * width, (row + 1) * width));
}

/** Positions before the padding, which comes behind: a mask of another kind would be something else to compute. */
function lengthOf(mask: readonly number[]): number {
  const length = mask.lastIndexOf(1) + 1;
  if (length > 0 && mask.every((value, index) => value === (index < length ? 1 : 0))) return length;
  const message =
    "expected.safetensors: expected attention_mask with ones, then zeros, for each row of input_ids, got another";
  throw new ConfigError("bad-mask", message);
}
