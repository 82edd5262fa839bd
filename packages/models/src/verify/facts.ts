import { ConfigError, type SafetensorsFile } from "@kiloformer/core";
import type { Model } from "../architecture.ts";
import { show } from "../config.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { expectObject } from "../options.ts";
import { isInput } from "./inputs.ts";

/** What `expected.json` says; all but `kind` may be absent. */
export interface ExpectedFacts {
  readonly kind: string;
  /** How far PyTorch's own float32 is from float64, by tensor, relative to its largest value: below 0.001. */
  readonly pytorch_float32_error?: Readonly<Record<string, number>>;
  readonly eos_token_id_of_greedy_eos_and_beam3_eos?: number;
  /** More generated ids, `generated.NAME` each, and the options that give them; a sentence about them is passed over. */
  readonly generation?: Generations | string;
}

type Generations = Readonly<Record<string, GenerationOptions & { readonly row?: number }>>;

/** The kind of model that has what a folder expects, by the folder's kind. */
const kinds: Readonly<Record<string, Model["kind"]>> = {
  ...{ encoder: "encoder", "masked-lm": "encoder", "token-classification": "encoder" },
  ...{ "sequence-classification": "encoder", decoder: "decoder", "encoder-decoder": "encoder-decoder" },
};
const EOS = "eos_token_id_of_greedy_eos_and_beam3_eos";
/** PyTorch's own error is below this: a larger one would let wrong numbers pass. */
const ERROR_LIMIT = 1e-3;

/** The generations that have a name of their own; a sentence names none. */
export function generationsOf({ generation = {} }: ExpectedFacts): Generations {
  return typeof generation === "string" ? {} : generation;
}

/**
 * Checks the facts that are read, and that they speak of what is there. Others tell how a folder was made.
 * @throws {ConfigError} `unknown-kind`, `bad-value`, `unused`; {OptionError} `bad-option` where it is no object
 */
export function checkFacts(facts: ExpectedFacts, expected: SafetensorsFile, model: Model["kind"]): void {
  expectObject("expected.json", facts);
  checkKind(facts.kind, model);
  checkErrors(facts, expected);
  const generations = generationsOf(facts);
  expectRecord("generation", generations);
  for (const [name, options] of Object.entries(generations)) checkGeneration(name, options, expected);
  const eos = facts[EOS];
  if (eos != null && !(Number.isSafeInteger(eos) && eos >= 0)) throw bad(EOS, "a token id", eos);
  if (model !== "encoder") return;
  const key = eos != null ? EOS : Object.keys(generations).length > 0 ? "generation" : undefined;
  if (key) throw new ConfigError("unused", `expected.json: expected facts of an encoder, got ${key}`, { key });
}

function checkKind(kind: string, model: Model["kind"]): void {
  if (typeof kind !== "string" || !Object.hasOwn(kinds, kind)) {
    const known = Object.keys(kinds).join(", ");
    throw new ConfigError("unknown-kind", `expected.json: expected kind to be one of ${known}, got ${show(kind)}`);
  }
  if (kinds[kind] === model) return;
  const message = `expected.json: expected a kind that fits the model, which is of kind ${model}, got ${kind}`;
  throw new ConfigError("unknown-kind", message, { kind });
}

function checkErrors({ pytorch_float32_error: errors = {} }: ExpectedFacts, expected: SafetensorsFile): void {
  expectRecord("pytorch_float32_error", errors);
  for (const [name, error] of Object.entries(errors)) {
    const info = expected.tensors.get(name);
    if (isInput(name) || info?.dtype !== "F32") {
      const got = isInput(name) ? "an input" : (info?.dtype ?? "none");
      const message = `expected.json: pytorch_float32_error: expected ${name} to be an F32 output, got ${got}`;
      throw new ConfigError("unused", message, { name });
    }
    if (typeof error !== "number" || !(error >= 0 && error < ERROR_LIMIT))
      throw bad(`pytorch_float32_error of ${name}`, `a number from 0 and below ${ERROR_LIMIT}`, error);
  }
}

function checkGeneration(name: string, options: Generations[string], { tensors }: SafetensorsFile): void {
  const key = `generation.${name}`;
  expectRecord(key, options);
  if (!tensors.has(`generated.${name}`)) {
    const message = `expected.safetensors: expected generated.${name} for ${key} of expected.json, got none`;
    throw new ConfigError("missing-tensor", message, { name: `generated.${name}` });
  }
  const { row } = options;
  if (row === undefined) return;
  const [rows] = tensors.get("input_ids")?.shape ?? [0];
  if (!Number.isSafeInteger(row) || row < 0 || row >= rows)
    throw bad(`${key}.row`, `a whole number from 0 to ${rows - 1}`, row);
  if (!tensors.has(`prompt.${name}`)) return;
  const message = `expected.json: ${key}: expected a row or the tensor prompt.${name}, got both`;
  throw new ConfigError("unused", message, { key });
}

function expectRecord(key: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(key, "an object", value);
}

function bad(key: string, wanted: string, value: unknown): ConfigError {
  return new ConfigError("bad-value", `expected.json: expected ${key} to be ${wanted}, got ${show(value)}`, { key });
}
