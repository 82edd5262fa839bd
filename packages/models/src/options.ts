// What calls are given, checked.
import { OptionError } from "@kiloformer/core";
import { show } from "./config.ts";

/** Texts in one call. */
const MOST_TEXTS = 1_000_000;

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

/** @throws {OptionError} `bad-option` unless options are an object, and a `signal` is one */
export function expectObject(call: string, options: object): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new OptionError("bad-option", `${call}: expected options as an object, got ${show(options)}`);
  }
  const { signal } = options as { readonly signal?: unknown };
  if (signal === undefined || isSignal(signal)) return;
  throw new OptionError("bad-option", `${call}: expected signal to be an AbortSignal, got ${show(signal)}`, {
    option: "signal",
    value: signal,
  });
}

/** Also of another realm or a polyfill, of which `instanceof` knows nothing. */
export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return (
    typeof aborted === "boolean" && [addEventListener, removeEventListener].every((of) => typeof of === "function")
  );
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
  const index = ids.findIndex((id) => !(Number.isSafeInteger(id) && id >= 0 && id < vocabSize));
  if (index < 0) return;
  const message = `${what}: expected integers from 0 to ${vocabSize - 1}, got ${show(ids[index])} at ${index}`;
  throw new OptionError("bad-ids", message, { index, value: ids[index] });
}
