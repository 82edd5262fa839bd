/** The values an error message is built from: file, option, expected, actual. */
export type ErrorFields = Readonly<Record<string, unknown>>;

/**
 * What went wrong, for programs:
 * `file` a tokenizer file is damaged, `unsupported` it asks for something that is not built in, `vocabulary` its tokens
 * or ids are wrong, `text` and `ids` the argument of `encode` or `decode`, `options` an option, `unknown` a character
 * that has no token, `template` a chat template that fails.
 */
export type TokenizerErrorCode =
  | "file"
  | "unsupported"
  | "vocabulary"
  | "text"
  | "ids"
  | "options"
  | "unknown"
  | "template";

/**
 * Every failure of this package. `code` is made for programs, `message` reads `where: expected X, got Y`.
 *
 * This package imports nothing, yet its errors are `instanceof KiloformerError` of `@kiloformer/core` too: both carry
 * one registered symbol.
 */
export class TokenizerError extends Error {
  readonly code: TokenizerErrorCode;
  readonly fields: ErrorFields;

  constructor(code: TokenizerErrorCode, message: string, fields: ErrorFields = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "TokenizerError";
    this.code = code;
    this.fields = fields;
  }
}
Object.defineProperty(TokenizerError.prototype, Symbol.for("kiloformer.error"), { value: true });

/** The error `where: expected X, got Y`; `got` says in words what `actual` is, where its value does not. */
export function mismatch(
  code: TokenizerErrorCode,
  where: string,
  expected: string,
  actual: unknown,
  got: string = show(actual),
): TokenizerError {
  return new TokenizerError(code, `${where}: expected ${expected}, got ${got}`, { where, expected, actual });
}

/** A value as a message prints it: short, with its kind visible (`"7"`, `7n`, `[object Array]`). */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  return Object(value) === value ? tagOf(value) : String(value);
}

/** What a value is (`[object Map]`), by its tag: objects of another realm (an iframe, jsdom, node:vm) are as good, and `instanceof` knows nothing of them. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
