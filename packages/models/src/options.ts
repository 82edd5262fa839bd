// What calls are given, checked.
import { kindOf, OptionError } from "@kiloformer/core";
import { show } from "./config.ts";

/** Texts in one call. */
const MOST_TEXTS = 1_000_000;

/** What an option may be, in words, and whether a value is that. */
export type Rule = readonly [expected: string, holds: (value: unknown) => boolean];

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export const flag: Rule = ["true or false", (value) => typeof value === "boolean"];
export const positive: Rule = ["a whole number from 1", (value) => isCount(value) && value > 0];
export const abortSignal: Rule = ["an AbortSignal", isSignal];
/** What is looked at elsewhere. */
export const anything: Rule = ["anything", () => true];
export const oneOf = (known: readonly unknown[]): Rule => [
  `one of ${known.join(", ")}`,
  (value) => known.includes(value),
];

/**
 * Throws unless options are an object whose keys are those of the rules, and their values hold.
 * @throws {OptionError} `bad-option`, `unknown-option`
 */
export function checkOptions(call: string, options: object, rules: Readonly<Record<string, Rule>>): void {
  expectOptions(call, options, Object.keys(rules));
  checkValues(call, options, rules);
}

function checkValues(call: string, options: object, rules: Readonly<Record<string, Rule>>): void {
  // Not `in`, which finds what a page adds to all objects, too.
  for (const option of Object.keys(rules)) {
    const value = (options as Readonly<Record<string, unknown>>)[option];
    if (value !== undefined && !rules[option][1](value)) throw badOption(call, option, rules[option][0], value);
  }
}

export function badOption(call: string, option: string, expected: string, value: unknown): OptionError {
  const message = `${call}: expected ${option} to be ${expected}, got ${show(value)}`;
  return new OptionError("bad-option", message, { option, value });
}

/**
 * Throws unless options are an object with known keys, and a `signal` is one.
 * @throws {OptionError} `bad-option`, `unknown-option`
 */
export function expectOptions(call: string, options: object, known: readonly string[]): void {
  expectObject(call, options);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || known.includes(key)) continue;
    const expected = known.length > 1 ? `one of ${known.join(", ")}` : known[0];
    throw new OptionError("unknown-option", `${call}: expected ${expected}, got ${key}`, { option: key });
  }
}

/** @throws {OptionError} `bad-option` unless options are an object, and no Map or Promise, and a `signal` is one */
export function expectObject(call: string, options: object): void {
  const isObject = typeof options === "object" && options !== null && !Array.isArray(options);
  const kind = kindOf(options);
  // Modules, and instances of some classes, have a name for themselves, and keys. Of bytes each has one.
  if (!isObject || ArrayBuffer.isView(options) || (kind !== "Object" && Object.keys(options).length === 0)) {
    const got = isObject ? `${/^[AE]/.test(kind) ? "an" : "a"} ${kind}` : show(options);
    throw new OptionError("bad-option", `${call}: expected options as an object, got ${got}`);
  }
  checkValues(call, options, { signal: abortSignal });
}

/** Also of another realm or a polyfill, of which `instanceof` knows nothing. */
function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, throwIfAborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  const methods = [throwIfAborted, addEventListener, removeEventListener];
  return typeof aborted === "boolean" && methods.every((method) => typeof method === "function");
}

/** @throws {OptionError} `bad-option` unless they are a list of architectures */
export function expectArchitectures(call: string, architectures: readonly { readonly load: unknown }[]): void {
  const isList = Array.isArray(architectures) && architectures.every((family) => typeof family?.load === "function");
  if (!isList) throw badOption(call, "architectures", "a list, such as [llama]", architectures);
}

/** @throws {OptionError} `bad-text`, `too-many-texts` */
export function checkTexts(call: string, texts: readonly unknown[]): void {
  if (!Array.isArray(texts)) {
    throw new OptionError("bad-text", `${call}: expected an array of texts, got ${show(texts)}`);
  }
  if (texts.length > MOST_TEXTS) {
    throw new OptionError("too-many-texts", `${call}: expected at most ${MOST_TEXTS} texts, got ${texts.length}`);
  }
  const index = texts.findIndex((text) => typeof text !== "string");
  if (index < 0) return;
  throw new OptionError("bad-text", `${call}: expected text, got ${show(texts[index])}`, { index });
}

/** @throws {OptionError} `bad-ids` */
export function checkIds(ids: readonly number[], vocabSize: number, what = "ids"): void {
  if (!Array.isArray(ids)) throw new OptionError("bad-ids", `${what}: expected an array of integers, got ${show(ids)}`);
  if (ids.length === 0) throw new OptionError("bad-ids", `${what}: expected at least one id, got none`);
  const index = ids.findIndex((id) => !(isCount(id) && id < vocabSize));
  if (index < 0) return;
  const message = `${what}: expected integers from 0 to ${vocabSize - 1}, got ${show(ids[index])} at ${index}`;
  throw new OptionError("bad-ids", message, { index, value: ids[index] });
}
