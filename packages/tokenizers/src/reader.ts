import { mismatch } from "./errors.ts";

interface Kinds {
  readonly string: string;
  readonly boolean: boolean;
  readonly number: number;
  readonly array: readonly unknown[];
  readonly object: object;
}

/** An object of a JSON file, whose values are checked as they are read; `null`, as Python writes None, is no value. */
export class Reader {
  readonly where: string;
  readonly value: Readonly<Record<string, unknown>>;

  /** @throws {TokenizerError} `code: "file"` when the value is no object */
  constructor(value: unknown, where: string) {
    if (Object(value) !== value || Array.isArray(value)) throw mismatch("file", where, "an object", value);
    this.value = value as Record<string, unknown>;
    this.where = where;
  }

  /** @throws {TokenizerError} `code: "file"` when the value is of another kind */
  get<Kind extends keyof Kinds>(name: string, kind: Kind): Kinds[Kind] | undefined {
    const value = this.any(name);
    const found = Array.isArray(value) ? "array" : typeof value;
    if (value === undefined || found === kind) return value as Kinds[Kind] | undefined;
    throw mismatch("file", this.at(name), kind, value);
  }

  /** @throws {TokenizerError} `code: "file"` when there is no value, or one of another kind */
  need<Kind extends keyof Kinds>(name: string, kind: Kind): Kinds[Kind] {
    const value = this.get(name, kind);
    if (value === undefined) throw mismatch("file", this.at(name), kind, value, "none");
    return value;
  }

  /** True or false, or what else there is. */
  flag(name: string): boolean | undefined;
  flag(name: string, otherwise: boolean): boolean;
  flag(name: string, otherwise?: boolean): boolean | undefined {
    return this.get(name, "boolean") ?? otherwise;
  }

  /** A text, or what else there is. */
  text(name: string): string | undefined;
  text(name: string, otherwise: string): string;
  text(name: string, otherwise?: string): string | undefined {
    return this.get(name, "string") ?? otherwise;
  }

  /** A whole number from 0. */
  count(name: string): number | undefined {
    const value = this.get(name, "number");
    if (value === undefined || isId(value)) return value;
    throw mismatch("file", this.at(name), "a whole number from 0", value);
  }

  /** One of the given texts, whatever their case; the first where there is none. */
  choice<Name extends string>(name: string, names: readonly Name[]): Name {
    const value = this.text(name, names[0]);
    const found = names.find((known) => known.toLowerCase() === value.toLowerCase());
    if (found === undefined) throw mismatch("unsupported", this.at(name), `one of ${names.join(", ")}`, value);
    return found;
  }

  child(name: string): Reader | undefined {
    const value = this.any(name);
    return value === undefined ? undefined : new Reader(value, this.at(name));
  }

  list(name: string): Reader[] {
    return (this.get(name, "array") ?? []).map((value, index) => new Reader(value, `${this.at(name)}[${index}]`));
  }

  any(name: string): unknown {
    return Object.hasOwn(this.value, name) ? (this.value[name] ?? undefined) : undefined;
  }

  at(name: string): string {
    return `${this.where}: ${name}`;
  }
}

/** Whether a value can be a token's id. */
export function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}
