import { OptionError } from "@kiloformer/core";
import { show } from "./config.ts";

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
