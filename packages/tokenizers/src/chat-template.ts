import { mismatch, TokenizerError } from "./errors.ts";
import { readJson } from "./json.ts";
import { type FilterContext, filters, itemsOf, tests } from "./python-filters.ts";
import { fail, operators, printed, pythonSpaces, strip, type Value } from "./python-values.ts";

/** What a template may name: the messages, the special tokens (`bos_token`), and whatever else it asks for. */
export interface ChatContext {
  readonly messages: readonly unknown[];
  /** JSON schemas of functions. */
  readonly tools?: readonly unknown[] | null;
  readonly documents?: readonly unknown[] | null;
  /** Whether the text ends with what opens the model's answer; false unless given. */
  readonly add_generation_prompt?: boolean;
  /** Whether the text ends within the last message, at the end of its `content`, or of the field that is named. */
  readonly continue_final_message?: boolean | string;
  readonly [name: string]: unknown;
}

/** What a rendering may cost before it is refused. */
export interface ChatBudgets {
  /** Nodes that are evaluated, items that are visited, 256 characters that are read or made: one each; 1e6. */
  readonly steps?: number;
  /** Characters of the text, and of any value on the way to it; 4e6. */
  readonly characters?: number;
  /** Brackets, blocks and calls inside one another; 100. */
  readonly depth?: number;
}

/** The module `@huggingface/jinja`, 0.5.11 or a later 0.5, as `import * as jinja from "@huggingface/jinja"` has it. */
export interface JinjaModule {
  readonly Environment: new (...values: never[]) => object;
  readonly Interpreter: new (...values: never[]) => object;
  tokenize(source: string, options: { trim_blocks: boolean; lstrip_blocks: boolean }): object[];
  parse(tokens: never[]): object;
}

// What marks the end of a message that goes on. A template may take the space away with others.
const continues = "KILOFORMER_GOES_ON_HERE ";

/** A token, or a node of the parsed template: the fields that its type has. */
interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly body?: readonly Node[];
  readonly computed?: boolean;
  readonly property?: Node;
  readonly operand?: Node;
  readonly filter?: Node;
  readonly callee?: Node;
  readonly args?: readonly Node[];
  readonly left?: Node;
  readonly right?: Node;
  readonly operator?: Node;
  /** What a loop goes through, also with an `if` behind it. */
  readonly iterable?: Node & { readonly lhs?: Node };
  readonly test?: Node;
  readonly negate?: boolean;
  /** Of a node that is a value already. */
  readonly known?: Value;
  /** The name of an argument that is given by it. */
  readonly key?: Node;
}

interface Scope {
  readonly tests: ReadonlyMap<unknown, (value: Value, expected?: Value) => boolean>;
  set(name: string, value: unknown): Value;
}

interface Interpreter {
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateArguments(args: readonly Node[], scope: Scope): [given: Value[], named: Map<string, Value>];
  evaluateBlock(body: readonly Node[] | undefined, scope: Scope): Value;
  applyFilter(value: Value, filter: Node, scope: Scope): Value;
  run(program: object): Value;
}

/** The module once more, with what is used of it. */
interface Engine {
  readonly Environment: new (parent?: Scope) => Scope;
  readonly Interpreter: new (scope: Scope) => Interpreter;
  tokenize(source: string, options?: object): Node[];
  parse(tokens: readonly Node[]): object;
}

/**
 * The text of a conversation, as `apply_chat_template` of transformers 5 makes it.
 * @param template Jinja, of at most 2e5 characters; it is a stranger's program, and reaches nothing but `context`
 * @param context JSON-like data
 * @param jinja the module `@huggingface/jinja`, which this package does not bring
 * @throws {TokenizerError} `code: "template"` when the template fails, raises an exception or exceeds the budgets,
 *   `code: "options"` when the context is not data
 */
export function renderChatTemplate(
  template: string,
  context: ChatContext,
  jinja: JinjaModule,
  { steps = 1e6, characters = 4e6, depth = 100 }: ChatBudgets = {},
): string {
  const { messages: conversation, continue_final_message: field, ...variables } = context ?? {};
  const given: unknown = conversation;
  if (!Array.isArray(given) || !given.length) throw mismatch("options", "messages", "a list of messages", given);
  if (field && variables.add_generation_prompt)
    throw mismatch("options", "continue_final_message", "no add_generation_prompt beside it", field);
  const messages = field ? markEnd(given, typeof field === "string" ? field : "content", template) : given;
  const { Environment, Interpreter, parse, tokenize } = Object(jinja) as Engine;
  if ([Environment, Interpreter, parse, tokenize].some((part) => typeof part !== "function"))
    throw mismatch("options", "jinja", "the module @huggingface/jinja", jinja);
  const make = (data: unknown) => new Environment().set("", data);
  const globals = new Environment();
  const interpreter = new Interpreter(globals);
  const evaluate = interpreter.evaluate.bind(interpreter);
  const evaluateBlock = interpreter.evaluateBlock.bind(interpreter);
  const applyFilter = interpreter.applyFilter.bind(interpreter);
  const measures = new WeakMap<object, { size: number; levels: number }>();
  let spent = 0;
  // The node that is being evaluated, how deep it is, and the first value in it.
  let frame: { node: Node; level: number; first?: Value } = { node: { type: "" }, level: 0 };
  let last: Value;

  /** Refuses what is over a limit; NaN is. */
  function limit(what: string, actual: number, most: number): void {
    if (!(actual <= most)) fail(`expected at most ${most} ${what}`);
  }

  function spend(count: number): void {
    spent += count;
    limit("steps", spent, steps);
  }

  /** About how many characters a value prints, counting what it holds several times as often, and how deep it is. */
  function measure({ type, value }: Value): { size: number; levels: number } {
    let sum = value && measures.get(value);
    if (!sum) {
      sum = { size: typeof value === "string" ? value.length : 1, levels: 0 };
      if (value && typeof value === "object") {
        for (const [key, item] of value.entries() as Iterable<[string | number, Value]>) {
          // A namespace may change later, and then the sums above it do not hold.
          if (item.type === "NamespaceValue") fail("expected no namespace inside of a value");
          const { size, levels } = measure(item);
          spend(1);
          sum.size += 2 + `${key}`.length + size;
          sum.levels = Math.max(sum.levels, levels + 1);
        }
        if (type !== "NamespaceValue") measures.set(value, sum);
      }
    }
    limit("characters", sum.size, characters);
    limit("levels", sum.levels, depth);
    return sum;
  }

  // Every node, and every value that it has, passes here.
  interpreter.evaluate = (node, scope) => {
    if (!node) return make(undefined);
    const outer = frame;
    const inner: typeof frame = { node, level: outer.level + 1 };
    frame = inner;
    let result: Value;
    try {
      limit("levels", inner.level, depth);
      result = own(node, scope) ?? evaluate(node, scope) ?? make(undefined);
    } finally {
      frame = outer;
    }
    if (node.property && inner.first) {
      if (inner.first.type === "UndefinedValue")
        fail(`expected a value before ${node.property.value ?? "[]"}, got none`);
      result = member(inner.first.value, node.computed ? last.value : node.property.value, result);
    }
    const { type, operator, filter } = outer.node;
    const { value } = result;
    if (node.operator && /^\//.test(node.operator.value as string) && !Number.isFinite(value))
      fail("expected a division by another number than 0");
    const { size } = measure(result);
    const length = value?.length ?? value?.size ?? 0;
    spend(1 + (type === "For" && typeof value === "object" ? 4 * length : length / 256));
    const { first } = outer;
    if (first && /^(join|indent|replace|tojson)$/.test(filter?.callee?.value as string)) {
      spend((measure(first).size * (typeof value === "number" ? Math.abs(value) : size)) / 256);
    }
    if (first && operator?.value === "+" && (typeof first.value === "string") !== (typeof value === "string")) {
      fail("expected + of two strings, or of none");
    }
    if (outer.node.iterable && [outer.node.iterable, outer.node.iterable.lhs].includes(node))
      result = loopItems(result);
    outer.first ??= result;
    last = result;
    return result;
  };

  /** What the engine lacks, or does otherwise than Python. */
  function own(node: Node, scope: Scope): Value | undefined {
    const { left, right, operator, operand, test, known } = node;
    const value = (node?: Node) => interpreter.evaluate(node, scope);
    if (operator?.value === "~") return make(printed(value(left)) + printed(value(right)));
    if (left && right && Object.hasOwn(operators, operator?.value as string)) {
      return make(operators[operator?.value as string](value(left), value(right), spend));
    }
    if (test && operand) return make(testOf(scope, test.value)(value(operand)) !== node.negate);
    return known;
  }

  // What a turn of a loop sets is gone in the next one.
  interpreter.evaluateBlock = (body, scope) => {
    const isTurn = frame.node.type === "For" && frame.node.body === body;
    return evaluateBlock(body, isTurn ? new Environment(scope) : scope);
  };

  const ownTests = tests(spend);
  const list = (items: readonly Value[]): Value => Object.assign(make([]), { value: items });
  const testOf = (scope: Scope, name: unknown) =>
    (Object.hasOwn(ownTests, name as string) && ownTests[name as string]) ||
    scope.tests.get(name) ||
    fail(`expected a test, got ${name}`);

  interpreter.applyFilter = (operand, filter, scope) => {
    const { args = [] } = filter;
    const name = (filter.callee ?? filter).value as string;
    // What the filter's arguments are measured by, also where it is a block that is filtered.
    frame.first = operand;
    if (args.some(({ type }) => /Spread/.test(type))) fail("expected no * in a filter");
    if (name === "tojson" && operand.type === "UndefinedValue") fail("expected a value for tojson, got none");
    if (!Object.hasOwn(filters, name)) return applyFilter(operand, filter, scope);
    const apply: FilterContext["apply"] = (name, operand, given, named) => {
      const callee = { type: "Identifier", value: name };
      const args: Node[] = given.map((known) => ({ type: "", known }));
      for (const [value, known] of named) {
        args.push({ type: "KeywordArgumentExpression", key: { type: "", value }, value: { type: "", known } });
      }
      const filter = args.length ? { type: "CallExpression", callee, args } : callee;
      return interpreter.evaluate({ type: "FilterExpression", operand: { type: "", known: operand }, filter }, scope);
    };
    const context = { make, list, spend, apply, test: (name: unknown) => testOf(scope, name) };
    return filters[name](operand, ...interpreter.evaluateArguments(args, scope), context);
  };

  /** What a loop goes through as the engine knows it: lists, whose items are lists where they are tuples. */
  function loopItems(value: Value): Value {
    if (!/(String|Undefined|Array|Tuple)Value/.test(value.type)) return value;
    const items = itemsOf(value, { make, spend });
    return list(items.map((item) => (item.type === "TupleValue" ? list(item.value) : item)));
  }

  /** `text.name`, where the methods of strings are metered, and strip what they are told to. */
  function member(text: unknown, name: unknown, result: Value): Value {
    if (typeof text !== "string" || !/^([lr]?strip|replace)$/.test(name as string)) return result;
    const call = (values: readonly Value[], scope: unknown) => {
      const [old, replacement] = values.map(({ value }) => value);
      spend((text.length * (replacement ?? old ?? "").length) / 256);
      if (name === "replace") return result.value(values, scope);
      return make(strip(text, old ?? pythonSpaces, name as string));
    };
    return Object.create(result, { value: { value: call } });
  }

  function range(start: number, stop?: number, step = 1): number[] {
    if (stop === undefined) [start, stop] = [0, start];
    const isWhole = (value: unknown) => Number.isInteger(value) || typeof value === "boolean";
    if (![start, stop, step].every(isWhole) || Number(step) === 0)
      fail("expected range of whole numbers, and a step other than 0");
    const length = Math.max(0, Math.ceil((stop - start) / step));
    spend(length);
    return Array.from({ length }, (_, index) => start + index * step);
  }

  try {
    const data = JSON.stringify({ ...variables, messages }, (name, item) => {
      spend(1);
      if (/function|symbol|bigint/.test(typeof item)) throw mismatch("options", name, "plain data", item);
      return item;
    });
    const names = {
      true: true,
      True: true,
      false: false,
      False: false,
      none: null,
      None: null,
      range,
      raise_exception: (message: string) => fail(message),
      strftime_now: strftimeNow,
      tools: null,
      documents: null,
      add_generation_prompt: false,
      ...JSON.parse(data),
    };
    for (const [name, value] of Object.entries(names)) globals.set(name, value);

    // A pattern of the engine takes a time that is quadratic in the spaces of a row.
    limit("characters", template.length, 2e5);
    if (/\s{500}/.test(template)) fail("expected at most 499 spaces in a row");
    // `{{ x }}` becomes `{{ (x)|string }}`, as the engine prints None and True otherwise than Python.
    const print = tokenize("{{(x)|string}}");
    const options = { trim_blocks: true, lstrip_blocks: true };
    const tokens = tokenize(template.replace(/\r\n?/g, "\n"), options).flatMap((token) => {
      if (token.type === print[0].type) return print.slice(0, 2);
      return token.type === print[6].type ? print.slice(3) : token;
    });
    let level = 0;
    for (const { type } of tokens) {
      level += Number(/^Open/.test(type)) - Number(/^Close/.test(type));
      limit("levels", level, depth);
    }
    const text: string = interpreter.run(parse(tokens)).value;
    return field ? untilMark(text) : text;
  } catch (cause) {
    throw cause instanceof TokenizerError ? cause : fail((cause as Error).message, cause);
  }
}

/** A conversation whose last message ends with a mark. */
function markEnd(messages: readonly unknown[], field: string, template: string): unknown[] {
  const last = messages[messages.length - 1] as Readonly<Record<string, unknown>> | null;
  const value = last?.[field];
  const parts = Array.isArray(value) ? value : [];
  const at = parts.findLastIndex((part) => typeof part?.text === "string");
  const isText = typeof value === "string";
  if (!(isText || at >= 0) || !template.includes(field)) {
    const expected = `a last message with ${field}, and a template that prints it`;
    throw mismatch("options", "continue_final_message", expected, value);
  }
  const whole = parts.map((part, index) => (index === at ? { ...part, text: part.text + continues } : part));
  return [...messages.slice(0, -1), { ...last, [field]: isText ? value + continues : whole }];
}

/** What comes before the mark; where the template took the space after it, the text's own spaces were taken too. */
function untilMark(text: string): string {
  const at = text.lastIndexOf(continues.trim());
  if (at < 0) fail("expected the last message in the text, to go on with");
  const before = text.slice(0, at);
  return text.startsWith(continues, at) ? before : strip(before, pythonSpaces, "rstrip");
}

/** The local time in English, with those directives of Python's `strftime` that templates use. */
function strftimeNow(format: string): string {
  const now = new Date();
  const [a, b, d, Y, time] = String(now).split(" ");
  const [H, M, S] = time.split(":");
  const named = (options: Intl.DateTimeFormatOptions) => now.toLocaleString("en", options);
  const [A, B, m] = [named({ weekday: "long" }), named({ month: "long" }), named({ month: "2-digit" })];
  const fields = { a, A, b, B, d, H, m, M, S, Y };
  return format.replace(/%(.)/g, (directive, field: keyof typeof fields) => {
    return fields[field] ?? fail(`strftime_now does not know ${directive}`);
  });
}

/**
 * The template of a model: of chat_template.jinja and `additional_chat_templates/*.jinja` beside tokenizer_config.json,
 * else of chat_template.json, else of tokenizer_config.json.
 * @param options `chat_template`, a template's name, or a template itself; `tools`, for which "tool_use" is preferred
 * @throws {TokenizerError} `code: "options"` when there is none, or none of that name
 */
export function chooseChatTemplate(
  config: { readonly chat_template?: unknown },
  files: ReadonlyMap<string, Uint8Array | string>,
  options: { readonly chat_template?: string; readonly tools?: unknown } = {},
): string {
  const templates = new Map<unknown, unknown>();
  for (const [name, file] of files) {
    const found = /^(chat_template|additional_chat_templates\/(.+))\.jinja$/.exec(name);
    if (found) templates.set(found[2] ?? "default", typeof file === "string" ? file : new TextDecoder().decode(file));
  }
  if (!templates.size) {
    const file = files.get("chat_template.json");
    const source = file === undefined ? config : (readJson(file, "chat_template.json") as typeof config);
    const listed = source?.chat_template;
    for (const entry of Array.isArray(listed) ? listed : [{ name: "default", template: listed }]) {
      if (entry?.template !== undefined) templates.set(entry.name, entry.template);
    }
  }
  const { chat_template: given, tools } = options;
  if (given != null && typeof given !== "string") throw mismatch("options", "chat_template", "a text", given);
  const name = given ?? (tools != null && templates.has("tool_use") ? "tool_use" : "default");
  const template = templates.get(name) ?? (given?.includes("{") && given);
  if (typeof template === "string") return template;
  if (!templates.size) throw mismatch("options", "chat_template", "one, as the model's files have none", given);
  throw mismatch("options", "chat_template", `one of ${[...templates.keys()]}`, name);
}
