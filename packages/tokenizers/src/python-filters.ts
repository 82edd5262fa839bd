import { charLength } from "./aligned.ts";
import { fail, formatted, isEqual, isIn, isTrue, printed, pythonSpaces, strip, type Value } from "./python-values.ts";

// Jinja's filters and tests, where the engine of chat templates lacks one or does something else with some values.

/** What filters need of the engine. */
export interface FilterContext {
  make(data: unknown): Value;
  list(items: readonly Value[]): Value;
  spend(count: number): void;
  /** A filter by its name. */
  apply(name: unknown, operand: Value, given: readonly Value[], named: ReadonlyMap<string, Value>): Value;
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
export function itemsOf(
  value: Value,
  { make, spend }: Pick<FilterContext, "make" | "spend">,
  isLenient = false,
): readonly Value[] {
  const { type, value: inner } = value;
  if (type === "UndefinedValue" || (isLenient && type === "NullValue")) return [];
  if (Array.isArray(inner)) return inner;
  if (typeof inner !== "string" && type !== "ObjectValue") fail(`expected something to go through, got ${type}`);
  spend(inner.length ?? inner.size);
  return Array.from(type === "ObjectValue" ? inner.keys() : inner, make);
}

/** For each item the attribute, item or item's item that `"a.0.b"` names. */
function attributes(items: readonly Value[], path: Value, { make, spend }: FilterContext): Value[] {
  const names = `${path.value}`.split(".");
  spend(items.length * names.length);
  return items.map((item) => {
    let found = item;
    for (const [depth, name] of names.entries()) {
      if (depth > 0 && found.type === "UndefinedValue") fail(`expected a value before ${name}, got none`);
      const inner: unknown = found.value;
      found = (inner instanceof Map ? inner.get(name) : Array.isArray(inner) && inner[Number(name)]) || make(undefined);
    }
    return found;
  });
}

function selecting(isWanted: boolean, hasAttribute: boolean): Filter {
  return (value, given, _, context) => {
    const [attribute, name, expected] = hasAttribute ? given : [undefined, ...given];
    const holds = name ? context.test(name.value) : isTrue;
    const items = itemsOf(value, context, true);
    const subjects = attribute ? attributes(items, attribute, context) : items;
    return context.list(
      items.filter((_, index) => {
        const subject = subjects[index];
        context.spend(1 + (typeof subject.value === "string" ? subject.value.length / 256 : 0));
        return holds(subject, expected) === isWanted;
      }),
    );
  };
}

/** A filter that makes a text of the printed value, so many code units of it for a step. */
function textFilter(change: (text: string) => string, unitsPerStep = 256): Filter {
  return (value, _, __, { make, spend }) => {
    const text = printed(value);
    spend(text.length / unitsPerStep);
    return make(change(text));
  };
}

const titled = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase();

const trim: Filter = (value, [given], named, { make, spend }) => {
  const text = printed(value);
  const characters = (given ?? named.get("chars"))?.value;
  if (characters !== undefined && typeof characters !== "string") fail("expected a text of characters to trim");
  spend((text.length * (characters?.length ?? 1)) / 256);
  return make(strip(text, characters ?? pythonSpaces, "strip"));
};

const length: Filter = (value, _, __, context) => {
  const { value: text } = value;
  if (typeof text !== "string") return context.make(value.value?.size ?? itemsOf(value, context).length);
  context.spend(text.length / 256);
  let count = 0;
  for (let at = 0; at < text.length; at += charLength(text, at)) count++;
  return context.make(count);
};

/** The first item, or the last one; of a text no more is looked at. */
function itemAt(place: 0 | -1): Filter {
  return (value, _, __, context) => {
    const text = value.value;
    if (typeof text !== "string") return itemsOf(value, context).at(place) ?? context.make(undefined);
    return context.make(Array.from(place === 0 ? text.slice(0, 2) : text.slice(-2)).at(place));
  };
}

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
    if (!attribute) return context.list(items.map((item) => context.apply(name?.value, item, given, named)));
    const found = attributes(items, attribute, context);
    const other = named.get("default");
    return context.list(other ? found.map((item) => (item.type === "UndefinedValue" ? other : item)) : found);
  },
  join: (value, [given, second], named, context) => {
    const separator = printed(given ?? named.get("d") ?? context.make(""));
    const attribute = second ?? named.get("attribute");
    const items = itemsOf(value, context);
    const texts = (attribute ? attributes(items, attribute, context) : items).map((item) => {
      const text = printed(item);
      context.spend(1 + (text.length + separator.length) / 256);
      return text;
    });
    return context.make(texts.join(separator));
  },
  list: (value, _, __, context) => context.list(itemsOf(value, context)),
  first: itemAt(0),
  last: itemAt(-1),
  length,
  count: length,
  default: otherwise,
  d: otherwise,
  format: (value, given, _, { make, spend }) => make(formatted(printed(value), given, spend)),
  string: textFilter((text) => text),
  trim,
  upper: textFilter((text) => text.toUpperCase()),
  lower: textFilter((text) => text.toLowerCase()),
  capitalize: textFilter(titled),
  title: textFilter((text) => text.replace(/[^-\s({[<]+/g, titled), 16),
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
    iterable: ({ type, value }) => /(Array|Tuple|Object|String|Undefined)Value/.test(type) || Array.isArray(value),
    number: ({ value }) => /number|boolean/.test(typeof value),
    float: ({ type }) => type === "FloatValue",
  };
}
