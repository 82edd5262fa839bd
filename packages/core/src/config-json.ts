import { ConfigError } from "./errors.ts";
import { kindOfFile } from "./file-kind.ts";
import { JsonScanner } from "./json-scanner.ts";
import { quote } from "./json-strings.ts";

/** How deep arrays and objects may lie in each other. */
const MAX_DEPTH = 64;

/**
 * Reads a JSON file whose root is an object: `config.json`, `generation_config.json`, `tokenizer_config.json` and the like.
 *
 * Objects have no prototype, so `__proto__` and `constructor` are plain keys. Numbers become doubles, however long.
 * @throws {ConfigError} `empty-file`, `not-json`, `byte-order-mark`, `not-an-object`, `truncated-json`, `trailing-characters`,
 *   `not-finite` (NaN and Infinity, which Python writes), `number-too-large`, `duplicate-key`, `too-deep`, `invalid-utf8`,
 *   `lone-surrogate`, `invalid-json`
 */
export function parseJsonObject(text: string | Uint8Array, file: string): Record<string, unknown> {
  const bytes = typeof text === "string" ? encode(text, file) : text;
  if (bytes.length === 0) refuse("empty-file", file, "no bytes");
  const kind = kindOfFile(bytes);
  if (kind) refuse("not-json", file, kind);
  const builder = new JsonBuilder(bytes, file);
  return builder.root();
}

function encode(text: string, file: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) refuse("lone-surrogate", file, "a surrogate without its other half");
  return new TextEncoder().encode(text);
}

function refuse(code: string, file: string, got: string): never {
  throw new ConfigError(code, `${file}: expected a JSON object, got ${got}`, {
    file,
    expected: "a JSON object",
    actual: got,
  });
}

/** Builds plain values, and knows the path to the one it is at. */
class JsonBuilder {
  readonly #scanner: JsonScanner;
  readonly #path: (string | number)[] = [];

  constructor(bytes: Uint8Array, file: string) {
    this.#scanner = new JsonScanner(bytes, {
      file,
      maxDepth: MAX_DEPTH,
      error: (code, message, fields) => new ConfigError(code, message, fields),
      where: () =>
        this.#path.length > 0 ? { text: pathText(this.#path), fields: { path: [...this.#path] } } : undefined,
    });
  }

  root(): Record<string, unknown> {
    const record: Record<string, unknown> = Object.create(null);
    this.#scanner.document((key) => this.#member(record, key));
    return record;
  }

  #member(record: Record<string, unknown>, key: string): void {
    if (key in record) this.#scanner.fail("duplicate-key", "each key once", `${quote(key)} again`, { key });
    this.#path.push(key);
    record[key] = this.#value();
    this.#path.pop();
  }

  #value(): unknown {
    if (this.#scanner.startsObject()) {
      const record: Record<string, unknown> = Object.create(null);
      this.#scanner.object((key) => this.#member(record, key));
      return record;
    }
    if (!this.#scanner.startsArray()) return this.#scanner.scalar();
    const list: unknown[] = [];
    this.#scanner.array((index) => {
      this.#path.push(index);
      list.push(this.#value());
      this.#path.pop();
    });
    return list;
  }
}

function pathText(path: readonly (string | number)[]): string {
  const text = path.map((key, index) => {
    if (typeof key === "number") return `[${key}]`;
    if (!/^[\w-]{1,80}$/.test(key)) return `[${quote(key)}]`;
    return index === 0 ? key : `.${key}`;
  });
  return text.join("");
}
