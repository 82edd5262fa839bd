import { fail, formatted, isEqual, isIn, isTrue, printed, pythonSpaces, strip, type Value } from "./python-values.ts";

// Jinja's filters and tests, where the engine of chat templates lacks one or does something else with some values.

/** What filters need of the engine. */
export interface FilterContext {
  make(data: unknown): Value;
  list(items: readonly Value[]): Value;
  spend(count: number): void;
  /** A filter by its name. */
  apply(name: unknown, operand: Value, given: readonly Value[]): Value;
  test(name: unknown): Test;
}

type Test = (value: Value, expected?: Value) => boolean;
type Filter = (
  value: Value,
  given: readonly Value[],
  named: ReadonlyMap<string, Value>,
  context: FilterContext,
) => Value;

/** What a loop over a value goes through; none, too, is nothing to `map`, `select` and their kin. */
export function itemsOf(value: Value, { make, spend }: FilterContext, isLenient = false): readonly Value[] {
  const { type, value: inner } = value;
  if (type === "UndefinedValue" || (isLenient && type === "NullValue")) return [];
  if (Array.isArray(inner)) return inner;
  if (typeof inner !== "string" && type !== "ObjectValue") fail(`expected something to go through, got ${type}`);
  spend(inner.length ?? inner.size);
  return Array.from(type === "ObjectValue" ? inner.keys() : inner, make);
}

/** The attribute, item or item's item that `"a.0.b"` names. */
function attributeOf(item: Value, path: Value, { make }: FilterContext): Value {
  let found: Value | undefined = item;
  for (const name of `${path.value}`.split(".")) {
    const inner: unknown = found?.value;
    found = inner instanceof Map ? inner.get(name) : Array.isArray(inner) ? inner[Number(name)] : undefined;
  }
  return found ?? make(undefined);
}

function selecting(isWanted: boolean, hasAttribute: boolean): Filter {
  return (value, given, _, context) => {
    const [attribute, name, expected] = hasAttribute ? given : [undefined, ...given];
    const holds = name ? context.test(name.value) : isTrue;
    const items = itemsOf(value, context, true);
    context.spend(items.length);
    const subject = (item: Value) => (attribute ? attributeOf(item, attribute, context) : item);
    return context.list(items.filter((item) => holds(subject(item), expected) === isWanted));
  };
}

/** A filter that makes a text of the printed value. */
function textFilter(change: (text: string, first?: Value) => string): Filter {
  return (value, [first], _, { make, spend }) => {
    const text = printed(value);
    spend(text.length / 256);
    return make(change(text, first));
  };
}

const titled = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase();

const length: Filter = (value, _, __, context) => {
  const { value: text } = value;
  if (typeof text !== "string") return context.make(value.value?.size ?? itemsOf(value, context).length);
  return context.make(text.length - (text.match(/[\ud800-\udbff](?=[\udc00-\udfff])/g)?.length ?? 0));
};

const otherwise: Filter = (value, [other, flag], named, { make }) => {
  const isMissing = value.type === "UndefinedValue" || (isTrue(flag ?? named.get("boolean")) && !isTrue(value));
  return isMissing ? (other ?? named.get("default_value") ?? make("")) : value;
};

export const filters: Readonly<Record<string, Filter>> = {
  select: selecting(true, false),
  reject: selecting(false, false),
  selectattr: selecting(true, true),
  rejectattr: selecting(false, true),
  map: (value, [name, ...given], named, context) => {
    const attribute = named.get("attribute");
    const items = itemsOf(value, context, true);
    context.spend(items.length);
    if (!attribute) return context.list(items.map((item) => context.apply(name?.value, item, given)));
    const found = items.map((item) => attributeOf(item, attribute, context));
    const other = named.get("default");
    return context.list(other ? found.map((item) => (item.type === "UndefinedValue" ? other : item)) : found);
  },
  join: (value, [given], named, context) => {
    const separator = printed(given ?? named.get("d") ?? context.make(""));
    const attribute = named.get("attribute");
    const texts = itemsOf(value, context).map((item) => {
      const text = printed(attribute ? attributeOf(item, attribute, context) : item);
      context.spend(1 + (text.length + separator.length) / 256);
      return text;
    });
    return context.make(texts.join(separator));
  },
  list: (value, _, __, context) => context.list(itemsOf(value, context)),
  first: (value, _, __, context) => itemsOf(value, context)[0] ?? context.make(undefined),
  last: (value, _, __, context) => itemsOf(value, context).at(-1) ?? context.make(undefined),
  length,
  count: length,
  default: otherwise,
  d: otherwise,
  format: (value, given, _, { make, spend }) => make(formatted(printed(value), given, spend)),
  string: textFilter((text) => text),
  trim: textFilter((text, characters) => strip(text, characters?.value ?? pythonSpaces, "strip")),
  upper: textFilter((text) => text.toUpperCase()),
  lower: textFilter((text) => text.toLowerCase()),
  capitalize: textFilter(titled),
  title: textFilter((text) => text.replace(/[^-\s({[<]+/g, titled)),
};

/** The tests that have a name; those with a second value are for `select` and its kin. */
export function tests(spend: (count: number) => void): Readonly<Record<string, Test>> {
  const other = (given?: Value) => given ?? fail("expected a value to compare with, got none");
  const equal: Test = (value, given) => isEqual(value, other(given), spend);
  const unequal: Test = (value, given) => !equal(value, given);
  return {
    "==": equal,
    eq: equal,
    equalto: equal,
    "!=": unequal,
    ne: unequal,
    in: (value, given) => isIn(value, other(given), spend),
    iterable: ({ type, value }) => /^(Array|Tuple|Object|String|Undefined)Value/.test(type) || Array.isArray(value),
    number: ({ value }) => /number|boolean/.test(typeof value),
    float: ({ type }) => type === "FloatValue",
  };
}
