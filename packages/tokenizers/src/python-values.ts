import { TokenizerError } from "./errors.ts";

// What Python does with values otherwise than the engine of chat templates.

/** A value while a template runs; what `value` is follows from `type`. */
export interface Value {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the engine checks it
  readonly value: any;
  __bool__(): { readonly value: boolean };
}

/** Whether Python takes a value for true. */
export function isTrue(value?: Value): boolean {
  return value?.__bool__().value ?? false;
}

export function fail(message: string, cause?: unknown): never {
  throw new TokenizerError("template", `chat template: ${message}`, {}, { cause });
}

type Operator = (left: Value, right: Value, spend: (count: number) => void) => unknown;

/** What Python does otherwise than the engine, which compares what is in variables and not what is in lists. */
export const operators: Readonly<Record<string, Operator>> = {
  "==": isEqual,
  "!=": (left, right, spend) => !isEqual(left, right, spend),
  in: isIn,
  "not in": (left, right, spend) => !isIn(left, right, spend),
  "%": (left, right, spend) => {
    if (typeof left.value === "string") {
      return formatted(left.value, right.type === "TupleValue" ? right.value : [right], spend);
    }
    const [a, b] = [left, right].map(({ value }) => (typeof value === "boolean" ? Number(value) : value));
    if (typeof a !== "number" || typeof b !== "number" || b === 0) fail("expected % of two numbers");
    return ((a % b) + b) % b;
  },
};

export function isEqual(
  { type, value: a }: Value,
  { type: otherType, value: b }: Value,
  spend: (count: number) => void,
): boolean {
  spend(1 + (typeof a === "string" ? a.length / 256 : 0));
  const isNumber = (value: unknown) => typeof value === "number" || typeof value === "boolean";
  if (isNumber(a) && isNumber(b)) return Number(a) === Number(b);
  if (type !== otherType) return false;
  if (Array.isArray(a)) return a.length === b.length && a.every((item, index) => isEqual(item, b[index], spend));
  if (type !== "ObjectValue") return a === b;
  return a.size === b.size && [...a].every(([key, item]) => b.has(key) && isEqual(item, b.get(key), spend));
}

export function isIn(item: Value, { type, value }: Value, spend: (count: number) => void): boolean {
  if (type === "UndefinedValue") return false;
  if (Array.isArray(value)) return value.some((other) => isEqual(item, other, spend));
  if (type === "ObjectValue") return value.has(item.value);
  if (typeof value !== "string" || typeof item.value !== "string")
    fail("expected in with a list, a mapping or two texts");
  spend(value.length / 256);
  return value.includes(item.value);
}

/** A value as Python prints it. */
export function printed(result: Value): string {
  const { type, value } = result;
  if (type === "NullValue") return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(represented).join(", ")}]`;
  if (type === "ObjectValue") {
    const pairs = [...value] as [unknown, Value][];
    return `{${pairs.map(([key, item]) => `${typeof key === "string" ? quoted(key) : key}: ${represented(item)}`).join(", ")}}`;
  }
  if (/object|function/.test(typeof value))
    fail("expected text, numbers, lists or mappings where something is printed");
  return type === "UndefinedValue" ? "" : String(result);
}

/** A value as Python prints it within a list. */
function represented(result: Value): string {
  if (typeof result.value === "string") return quoted(result.value);
  return result.type === "UndefinedValue" ? "Undefined" : printed(result);
}

/** Python's `text % values`, for texts and whole numbers. */
export function formatted(text: string, values: readonly Value[], spend: (count: number) => void): string {
  let next = 0;
  const result = text.replace(/%(.?)/g, (directive, kind: string) => {
    spend(1);
    if (kind === "%") return kind;
    const value = values[next++];
    if (!value || !/[srd]/.test(kind) || (kind === "d" && !Number.isInteger(value.value))) {
      fail(`expected a value for ${directive}, which is %s, %r or %d`);
    }
    const put = kind === "r" ? represented(value) : printed(value);
    spend(put.length / 256);
    return put;
  });
  if (next < values.length) fail(`expected ${next} values for a format, got ${values.length}`);
  return result;
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text in quotes as Python chooses them; what cannot be printed is escaped. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\'"\p{C}\p{Z}]/gu, (character) => {
    if (character === " " || /['"]/.test(character)) return character === quote ? `\\${quote}` : character;
    const code = character.codePointAt(0) as number;
    const hex = (letter: string, width: number) => `\\${letter}${code.toString(16).padStart(width, "0")}`;
    return escapes[character] ?? (code < 256 ? hex("x", 2) : code < 65_536 ? hex("u", 4) : hex("U", 8));
  });
  return quote + body + quote;
}

// What `strip` without an argument takes: not quite JavaScript's white space.
export const pythonSpaces =
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

/** Python's `strip`, `lstrip` and `rstrip`. */
export function strip(text: string, characters: string, name: string): string {
  let start = 0;
  let end = text.length;
  if (name !== "rstrip") while (start < end && characters.includes(text[start])) start++;
  if (name !== "lstrip") while (start < end && characters.includes(text[end - 1])) end--;
  return text.slice(start, end);
}
