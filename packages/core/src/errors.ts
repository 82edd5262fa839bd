/** The values an error message is built from: file, tensor, field, expected, actual. */
export type ErrorFields = Readonly<Record<string, unknown>>;

const brand = Symbol.for("kiloformer.error");

/**
 * The one public error class: every failure of Kiloformer is one, whatever package it comes from.
 *
 * `code` is stable and made for programs; `message` reads `where: expected X, got Y` and is made for people.
 * `instanceof KiloformerError` also holds for errors of `@kiloformer/tokenizers`, which imports nothing, and
 * across two copies of this package: they share a registered symbol.
 */
export class KiloformerError extends Error {
  /** Spelled out in each class, as minifiers rename classes. */
  override readonly name: string = "KiloformerError";
  readonly code: string;
  readonly fields: ErrorFields;

  constructor(code: string, message: string, fields: ErrorFields = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.fields = fields;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== KiloformerError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && brand in value;
  }
}
Object.defineProperty(KiloformerError.prototype, brand, { value: true });

/** A `.safetensors` file or its index breaks a rule of the format. */
export class SafetensorsError extends KiloformerError {
  override readonly name = "SafetensorsError";
}
/** A `Source` could not deliver the bytes that were asked for. */
export class SourceError extends KiloformerError {
  override readonly name = "SourceError";
}
/** A key of `config.json` is missing, out of range, or asks for something that is not supported. */
export class ConfigError extends KiloformerError {
  override readonly name = "ConfigError";
}
/** Tensors are missing, misshaped, unknown or of the wrong dtype for the model that config.json describes. */
export class WeightError extends KiloformerError {
  override readonly name = "WeightError";
}
/** More memory is needed than WebAssembly can address or the engine gave. */
export class MemoryError extends KiloformerError {
  override readonly name = "MemoryError";
}
/** The engine lacks something the kernels need, or refuses to run them. */
export class RuntimeError extends KiloformerError {
  override readonly name = "RuntimeError";
}
/** A packed module is of another version, damaged, or none. */
export class PackedError extends KiloformerError {
  override readonly name = "PackedError";
}
/** An argument or option of a public call is out of range or not supported. */
export class OptionError extends KiloformerError {
  override readonly name = "OptionError";
}
/** A public call came after `dispose()`. */
export class DisposedError extends KiloformerError {
  override readonly name = "DisposedError";
}
/** Numbers left the model that are not finite. */
export class NonFiniteError extends KiloformerError {
  override readonly name = "NonFiniteError";
}

/** What was thrown, in words: whoever throws may throw anything. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The first of many names, for a message, and how many more there are; the error's fields hold all. */
export function firstOf(
  names: readonly string[],
  separator = ", ",
  most = 5,
  show: (name: string) => string = String,
): string {
  const more = names.length > most ? `${separator}and ${names.length - most} more` : "";
  return names.slice(0, most).map(show).join(separator) + more;
}
