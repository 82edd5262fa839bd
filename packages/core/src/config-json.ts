import { ConfigError } from "./errors.ts";
import { kindOfFile } from "./file-kind.ts";
import { JsonScanner } from "./json-scanner.ts";
import { quote } from "./json-strings.ts";

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
  const path: (string | number)[] = [];
  const where = () => (path.length > 0 ? { text: pathText(path), fields: { path: [...path] } } : undefined);
  const scanner = new JsonScanner(bytes, { file, error: ConfigError, where });
  const into = (target: object) => (key: string | number) => {
    if (key in target) scanner.fail("duplicate-key", "each key once", `${quote(String(key))} again`, { key });
    path.push(key);
    (target as Record<string | number, unknown>)[key] = value();
    path.pop();
  };
  const value = (): unknown => {
    if (scanner.startsObject()) {
      const record: Record<string, unknown> = Object.create(null);
      scanner.object(into(record));
      return record;
    }
    if (!scanner.startsArray()) return scanner.scalar();
    const list: unknown[] = [];
    scanner.array(into(list));
    return list;
  };
  const root: Record<string, unknown> = Object.create(null);
  scanner.document(into(root));
  return root;
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

function pathText(path: readonly (string | number)[]): string {
  const text = path.map((key, index) => {
    if (typeof key === "number") return `[${key}]`;
    if (!/^[\w-]{1,80}$/.test(key)) return `[${quote(key)}]`;
    return index === 0 ? key : `.${key}`;
  });
  return text.join("");
}
