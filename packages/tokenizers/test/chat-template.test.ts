import { readFileSync } from "node:fs";
import * as jinja from "@huggingface/jinja";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type ChatBudgets, type ChatContext, chooseChatTemplate, renderChatTemplate } from "../src/chat-template.ts";
import { TokenizerError } from "../src/errors.ts";

interface Fixture {
  readonly versions: Readonly<Record<string, string>>;
  readonly tokens: Readonly<Record<string, string>>;
  readonly templates: Readonly<Record<string, string>>;
  readonly conversations: Readonly<Record<string, ChatContext>>;
  readonly cases: readonly { template: string; conversation: string; text?: string; error?: string }[];
  /** Short templates, their text or null, and what Python says where there is none. */
  readonly snippets: readonly (readonly [template: string, text: string | null, error?: string])[];
}
const fixture: Fixture = JSON.parse(
  readFileSync(new URL("../../../verify/fixtures/chat-templates.json", import.meta.url), "utf8"),
);
const messages = [{ role: "user", content: "Hi" }];

function render(template: string, context: Partial<ChatContext> = {}, budgets?: ChatBudgets): string {
  return renderChatTemplate(template, { messages, ...context }, jinja, budgets);
}

/** The error of a template, which may be no other than a TokenizerError. */
function errorOf(template: string, context?: Partial<ChatContext>, budgets?: ChatBudgets): TokenizerError {
  try {
    render(template, context, budgets);
  } catch (error) {
    if (error instanceof TokenizerError) return error;
    throw error;
  }
  throw new Error("the template was rendered");
}

test("white space is Python's", () => {
  for (const strip of ["|trim", ".strip()"]) {
    expect(render(`{{ content${strip} }}`, { content: " \x1c\x85\ufeffx\x1f\u3000" })).toBe("\ufeffx");
  }
  expect(render("{{ content.rstrip() }}|", { content: " x\x1f " })).toBe(" x|");
});

// As Jinja2 3.1.6 gives them.
test.each([
  ["messages[0] == {'content': 'Hi', 'role': 'user'}", "True"],
  ["messages[0] == messages[-1]", "True"],
  ["[1, [2]] == [1, [2]]", "True"],
  ["[1] == [2]", "False"],
  ["{'a': 1} != {'a': 2}", "True"],
  ["'' == false", "False"],
  ["'' != false", "True"],
  ["'1' == 1", "False"],
  ["true == 1", "True"],
  ["nothing == none", "False"],
  ["nothing == nothing_else", "True"],
  ["none == none", "True"],
  ["{'a': 1} in [{'a': 1}]", "True"],
  ["'1' in [1]", "False"],
  ["1 not in ['1']", "True"],
  ["'b' in 'abc'", "True"],
  ["'role' in messages[0]", "True"],
  ["'x' in nothing", "False"],
  ["-7 % 3", "2"],
  ["7 % -3", "-2"],
  ["messages", "[{'role': 'user', 'content': 'Hi'}]"],
  ["[true, none, 1.5, -2, 'a', []]", "[True, None, 1.5, -2, 'a', []]"],
  ["{'a': {'b': [1]}}", "{'a': {'b': [1]}}"],
  ["[quotes]", "['it\\'s \"so\"', \"it's\", '\"']"],
  ["[marks]", "['\\n\\t\\r\\\\\\x00\\xa0\\u200b\\u2028\\U000e0001 é한😀']"],
  ["'x' ~ ['y']", "x['y']"],
])("{{ %s }} is %s, as in Python", (expression, text) => {
  const quotes = ['it\'s "so"', "it's", '"'];
  const source =
    expression === "[quotes]" ? "{{ quotes }}" : expression === "[marks]" ? "{{ marks }}" : `{{ ${expression} }}`;
  const marks = ["\n\t\r\\\0\u00a0\u200b\u2028\u{e0001} é한😀"];
  expect(render(source, { quotes, marks })).toBe(text);
});

describe("continue_final_message", () => {
  const template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>\n{% endfor %}";
  const trims = template.replace("m.content", "m.content | trim");
  const conversation = [...messages, { role: "assistant", content: "The colour is " }];
  const goOn = (
    source: string,
    continue_final_message: boolean | string = true,
    given: readonly unknown[] = conversation,
  ) => render(source, { messages: given, continue_final_message });

  test("ends within the last message, with its spaces where the template keeps them", () => {
    expect(goOn(template)).toBe("<user>Hi</user>\n<assistant>The colour is ");
    expect(goOn(trims)).toBe("<user>Hi</user>\n<assistant>The colour is");
    expect(conversation[1].content).toBe("The colour is ");
  });

  test("takes the last text of a list, and the field that is named", () => {
    const parts = [{ type: "text", text: "a" }, { type: "text", text: "b" }, { type: "image" }];
    const source = "{% for p in messages[-1].content %}[{{ p.text }}]{% endfor %}";
    expect(goOn(source, true, [{ role: "assistant", content: parts }])).toBe("[a][b");
    const thought = [{ role: "assistant", content: "c", reasoning_content: "t" }];
    expect(goOn("<{{ messages[-1].reasoning_content }}>{{ messages[-1].content }}", "reasoning_content", thought)).toBe(
      "<t",
    );
  });

  test("is refused beside add_generation_prompt, and where there is nothing to go on with", () => {
    expect(errorOf(template, { continue_final_message: true, add_generation_prompt: true }).code).toBe("options");
    expect(() => goOn(template, "reasoning_content")).toThrow(/expected a last message with reasoning_content/);
    expect(() => goOn("{{ messages[0].content }}")).toThrow(/expected the last message in the text, to go on with/);
  });
});

describe(`chat templates give the text of transformers ${fixture.versions.transformers}`, () => {
  test.each(fixture.cases)("$template: $conversation", ({ template, conversation, text, error }) => {
    const context = { ...fixture.tokens, ...fixture.conversations[conversation] };
    const source = fixture.templates[template];
    if (text !== undefined) expect(render(source, context)).toBe(text);
    else {
      const { code, message } = errorOf(source, context);
      expect(code).toBe("template");
      if (source.includes(`'${error}'`)) expect(message).toBe(`chat template: ${error}`);
    }
  });
});

describe("filters, tests and loops do what Jinja's do with values of every kind", () => {
  const { user, turns } = fixture.conversations;
  const spoken = { messages: [user.messages[0], turns.messages[1]] };

  test.each(fixture.snippets.map(([template, text]) => ({ template, text })))("$template", ({ template, text }) => {
    if (text !== null) expect(render(template, spoken)).toBe(text);
    else expect(errorOf(template, spoken).code).toBe("template");
  });
});

describe("a chat template", () => {
  afterEach(() => vi.useRealTimers());

  test("knows the time in English", () => {
    vi.useFakeTimers({ now: new Date(2026, 6, 4, 5, 6, 7) });
    const format = "%d %b %Y, %a %A %B %m %H:%M:%S";
    expect(render(`{{ strftime_now('${format}') }}`)).toBe("04 Jul 2026, Sat Saturday July 07 05:06:07");
    expect(errorOf("{{ strftime_now('%Q') }}").message).toBe("chat template: strftime_now does not know %Q");
  });

  test("has tools, documents and add_generation_prompt where they are not given", () => {
    expect(
      render("{{ tools is none }} {{ documents is none }} {{ add_generation_prompt }} {{ other is defined }}"),
    ).toBe("True True False False");
  });

  test("does not see what is undefined, and leaves what it is given as it was", () => {
    const message = { role: "user", tool_calls: undefined };
    expect(render("{{ 'tool_calls' in messages[0] }}", { messages: [message] })).toBe("False");
    expect(message).toEqual({ role: "user", tool_calls: undefined });
  });

  test("takes names that JavaScript has a meaning for as any others", () => {
    const content = JSON.parse('{"__proto__": "a", "constructor": "b"}');
    const template =
      "{% set c = messages[0].content %}{{ c.__proto__ }}{{ c['constructor'] }}{{ c.toString is defined }}";
    expect(render(template, { messages: [{ content }] })).toBe("abFalse");
    expect(Object.prototype).not.toHaveProperty("a");
  });

  test.each([
    ["functions", { role: () => "user" }],
    ["symbols", { role: Symbol("user") }],
    ["big integers", { role: 1n }],
  ])("does not take %s", (_, message) => {
    expect(errorOf("", { messages: [message] }).code).toBe("options");
  });

  test("does not take a conversation that holds itself, holds nothing or is none", () => {
    const message: Record<string, unknown> = { role: "user" };
    message.content = message;
    expect(errorOf("", { messages: [message] }).code).toBe("template");
    expect(errorOf("", { messages: [] }).code).toBe("options");
    expect(errorOf("", { messages: "Hi" as never }).code).toBe("options");
    expect(errorOf("", { messages: undefined }).message).toBe("messages: expected a list of messages, got undefined");
    for (const module of [{}, { Environment: 2, Interpreter: 1 }, { ...jinja, parse: undefined }, null, 5]) {
      expect(() => renderChatTemplate("", { messages }, module as never)).toThrow(
        "jinja: expected the module @huggingface/jinja",
      );
    }
  });

  test.each([
    "{% if %}",
    "{% for x in %}{% endfor %}",
    "{{ 'open",
    "{{",
    "{% unknown %}",
    "{% if true %}",
    "{{ 1 | nothing }}",
    "{{ 1 is nothing }}",
    "{{ [1] | select('nothing') }}",
    "{{ missing.a.b() }}",
    "{{ 'a' + 1 }}",
    "{{ messages[0].content + none }}",
    "{% break %}",
    "{{ 1 / 0 }}",
    "{{ 0 / 0 }}",
    "{{ 1 // 0 }}",
    "{{ range(1.5) }}",
    "{{ range('3') }}",
    "{{ range(none) }}",
    "{{ range(1, 2, 0) }}",
    "{{ range() }}",
    "{# no end",
  ])("that is wrong gives an error of the package: %s", (template) => {
    expect(errorOf(template).code).toBe("template");
  });
});

describe("a chat template reaches nothing of the host", () => {
  test.each([
    "{{ ''.constructor.constructor('return process')() }}",
    "{{ ''['constructor']['constructor']('return process')() }}",
    "{{ messages.constructor('x') }}",
    "{{ range.constructor('return 1')() }}",
    "{{ range.call(none) }}",
    "{{ raise_exception.__proto__.constructor('return 1')() }}",
    "{{ namespace.constructor('return 1')() }}",
    "{{ ''.strip.constructor('return 1')() }}",
    "{{ messages | map('constructor') | list }}",
    "{{ messages | select('constructor') | list }}",
    "{{ messages | selectattr('role', '__proto__') | list }}",
    "{{ messages is constructor }}",
    "{{ range }}",
    "{{ [range] | join }}",
    "{{ '%s' | format(range) }}",
    "{{ messages | toString }}",
  ])("%s", (template) => {
    expect(errorOf(template).code).toBe("template");
  });

  test.each(["{{ ''.constructor }}", "{{ messages.__proto__ }}", "{{ messages[0].hasOwnProperty }}", "{{ process }}"])(
    "%s is undefined",
    (template) => expect(render(template)).toBe(""),
  );

  test.each(["constructor", "__proto__", "role.constructor", "role.length", "size"])(
    "the attribute %s is undefined",
    (name) => expect(render(`{{ messages | map(attribute='${name}') | list }}`)).toBe("[Undefined]"),
  );
});

/** A text as often as that. */
const times = (count: number, text: string) => text.repeat(count);
const double = "{% set x = x + x %}";
const big = `{% set x = 'xxxxxxxxxx' %}${times(18, double)}`; // 2.6 million characters

describe("a chat template is refused before it costs much", () => {
  test.each([
    ["nested ranges", "{% for a in range(3000) %}{% for b in range(3000) %}{% endfor %}{% endfor %}"],
    ["a range in a variable", "{% set r = range(3000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}"],
    ["a range that is long", "{{ range(1000000000) | length }}"],
    ["a range without an end", "{{ range(0, 1, 0) }}"],
    ["a range of what is no number", "{{ range('a') | length }}"],
    ["a text that doubles", `{% set x = 'x' %}${times(60, double)}{{ x }}`],
    [
      "a text that doubles in a loop",
      "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    ],
    ["a list that doubles", `{% set x = [1] %}${times(60, double)}`],
    [
      "a list in itself twice, again and again",
      `{% set x = [1] %}${times(40, "{% set x = [x, x] %}")}{{ x | tojson }}`,
    ],
    ["a mapping in itself twice", `{% set x = {} %}${times(40, "{% set x = {'a': x, 'b': x} %}")}{{ x | tojson }}`],
    ["a namespace in itself", "{% set n = namespace() %}{% set n.n = n %}{{ n | tojson }}"],
    ["a namespace in a list", "{% set n = namespace() %}{% set x = [n] %}{{ x | tojson }}"],
    ["a list that is deep", "{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}"],
    ["a long text many times", `${big}${times(200, "{{ x }}")}`],
    ["a long text in a loop", `${big}{% for i in range(9999) %}{{ x }}{% endfor %}`],
    ["long texts kept", `${big}${times(300, "{% set y = x | upper %}")}`],
    ["join of long texts", `${big}{{ range(9999) | list | join(x) }}`],
    ["join by name", `${big}{{ range(9999) | list | join(separator=x) }}`],
    ["join of an unpacked list", `${big}{{ range(9999) | list | join(*[x]) }}`],
    ["indent", `{{ 'a\\nb' | indent(1000000000) }}`],
    ["indent by name", `{{ 'a\\nb' | indent(width=1000000000) }}`],
    ["indent of many lines", `${big.replace("xxxxxxxxxx", "\\n\\nx")}{{ x | indent(9999, true, true) }}`],
    [
      "indent by unpacked arguments",
      "{{ 'a\\nb' | indent(*[500000000]) }}{{ 'a\\nb' | indent(**{'width': 500000000}) }}",
    ],
    ["indent of a block", "{% filter indent(1000000000) %}a\nb{% endfilter %}"],
    ["replace", `${big}{{ x.replace('x', x) }}`],
    ["replace of nothing", `${big}{{ x.replace('', x) }}`],
    ["replace by its name", `${big}{{ x['replace']('x', x) }}`],
    ["replace in a variable", `${big}{% set f = x.replace %}{{ f('x', x) }}`],
    ["replace as a filter", `${big}{{ x | replace('x', x) }}`],
    ["join of a long text", `${big}{{ x | join(x) }}`],
    ["a list of a long text", `${big}{% for c in x %}{% endfor %}`],
    ["format", `${big}{{ ${"'%s%s%s%s'".replaceAll("%s", times(100, "%s"))} | format(${times(399, "x, ")}x) }}`],
    ["format by an operator", `${big}{{ '${times(400, "%s")}' % (${times(399, "x, ")}x) }}`],
    ["trim of many characters", `${big}{% for i in range(9) %}{{ x | trim('y' ~ x) | length }}{% endfor %}`],
    [
      "a long path of attributes",
      `${big.replace("xxxxxxxxxx", "..........")}{{ range(99999) | map(attribute=x) | list }}`,
    ],
    ["a long path to select by", `${big.replace("xxxxxxxxxx", "..........")}{{ range(99999) | selectattr(x) | list }}`],
    ["tests of long texts", `${big}{% for i in range(9999) %}{{ [x] | select('upper') | list | length }}{% endfor %}`],
    ["long texts that are equal", `${big}{% for i in range(99999) %}{% set y = [x] == [x] %}{% endfor %}`],
    ["a block that is replaced", `${big}{% filter replace('x', x) %}a{{ x }}{% endfilter %}`],
    ["a block that is indented", `{% filter indent(1000000000) %}a{{ '\\n' }}b{% endfilter %}`],
    [
      "percent signs",
      `${big.replace("xxxxxxxxxx", "%%%%%%%%%%")}{% for i in range(9) %}{% set y = x | format %}{% endfor %}`,
    ],
    [
      "long titles",
      `${big.replace("xxxxxxxxxx", "x x x x x ")}{% for i in range(99) %}{% set y = x | title %}{% endfor %}`,
    ],
    [
      "lengths of emoji",
      `${big.replace("xxxxxxxxxx", "😀😀😀😀😀")}{% for i in range(999) %}{{ x | length }}{% endfor %}`,
    ],
    ["indent by map", "{{ ['a\\nb'] | map('indent', 1000000000) | list }}"],
    ["replace by map", `${big}{{ [x, x] | map('replace', 'x', x) | list }}`],
    ["upper of long texts by map", `${big}{{ range(999) | map(attribute='a', default=x) | map('upper') | list }}`],
    ["a long text for many", `${big}{{ range(9999) | map(attribute='a', default=x) | list }}`],
    ["many searches by select", `${big}{{ range(9999) | map(attribute='a', default='y') | select('in', x) | list }}`],
    ["strip of many characters", `${big}{{ x.strip('y' ~ x) }}`],
    ["tojson with an indentation", "{{ messages | tojson(indent=1000000000) }}"],
    ["tojson with long separators", `${big}{{ messages | tojson(separators=(x, x)) }}`],
    ["a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"],
    [
      "a macro that calls itself twice",
      "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(30) }}",
    ],
    ["many parentheses", `{{ ${times(1e5, "(")}1${times(1e5, ")")} }}`],
    ["many brackets", `{{ ${times(1e5, "[")} }}`],
    ["101 parentheses", `{{ ${times(101, "(")}1${times(101, ")")} }}`],
    ["many negations", `{{ ${times(3e4, "not ")}1 }}`],
    ["many signs", `{{ ${times(1e5, "- ")}1 }}`],
    ["many operators", `{{ 1${times(5e4, "+ 1")} }}`],
    ["many conditions", `{{ ${times(1e4, "1 if 0 else ")}1 }}`],
    ["many blocks", times(15_000, "{% if 1 %}")],
    ["many branches", `{% if 0 %}${times(1e4, "{% elif 0 %}")}{% endif %}`],
    ["many calls", `{{ range${times(9e4, "()")} }}`],
    ["many spaces", times(2e5, " ")],
    ["a long template", times(3e5, "x")],
    ["a long search", `${big}${times(3000, "{% set y = 'y' in x %}")}`],
  ])("%s", (_, template) => {
    const before = process.memoryUsage().rss;
    const start = process.cpuUsage();
    const { code, message } = errorOf(template);
    expect(code).toBe("template");
    expect(message).toMatch(/^chat template: /);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(4_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(400e6);
  });

  test("counts steps, characters and levels", () => {
    const loop = "{% for i in range(100) %}{{ i }}{% endfor %}";
    expect(render(loop, {}, { steps: 1000 })).toHaveLength(190);
    expect(errorOf(loop, {}, { steps: 300 }).message).toBe("chat template: expected at most 300 steps");
    expect(errorOf(loop, {}, { characters: 100 }).message).toBe("chat template: expected at most 100 characters");
    expect(errorOf(loop, {}, { depth: 2 }).message).toBe("chat template: expected at most 2 levels");
  });

  test("yet takes a long conversation and a long text", () => {
    const long = Array.from({ length: 2000 }, (_, index) => ({
      role: index % 2 ? "assistant" : "user",
      content: `${index} ${"word ".repeat(100)}`,
    }));
    const { chatml } = fixture.templates;
    expect(render(chatml, { messages: long }).length).toBeGreaterThan(1e6);
    const text = "word ".repeat(600_000);
    expect(render(chatml, { messages: [{ role: "user", content: text }] })).toContain(text);
  });
});

describe("chooseChatTemplate", () => {
  const list = { chat_template: ["default", "tool_use", "rag"].map((name) => ({ name, template: `{{ ${name} }}` })) };
  const none = new Map<string, string>();

  test("takes the template of tokenizer_config.json", () => {
    expect(chooseChatTemplate({ chat_template: "text" }, none)).toBe("text");
    expect(chooseChatTemplate(list, none)).toBe("{{ default }}");
  });

  test("takes the one for tools where there are tools, and the one that is named", () => {
    expect(chooseChatTemplate(list, none, { tools: [] })).toBe("{{ tool_use }}");
    expect(chooseChatTemplate(list, none, { tools: null })).toBe("{{ default }}");
    expect(chooseChatTemplate(list, none, { chat_template: "rag", tools: [] })).toBe("{{ rag }}");
    expect(chooseChatTemplate({ chat_template: "text" }, none, { tools: [] })).toBe("text");
  });

  test("takes a template that is given", () => {
    expect(chooseChatTemplate(list, none, { chat_template: "{{ mine }}" })).toBe("{{ mine }}");
    expect(chooseChatTemplate({}, none, { chat_template: "{{ mine }}" })).toBe("{{ mine }}");
  });

  test("prefers files: chat_template.jinja with those beside it, then chat_template.json", () => {
    const json = JSON.stringify({ chat_template: "of the JSON file" });
    expect(chooseChatTemplate(list, new Map([["chat_template.json", json]]))).toBe("of the JSON file");
    const files = new Map<string, string | Uint8Array>([
      ["chat_template.json", json],
      ["chat_template.jinja", new TextEncoder().encode("of the file é")],
      ["additional_chat_templates/tool_use.jinja", "of the other file"],
    ]);
    expect(chooseChatTemplate(list, files)).toBe("of the file é");
    expect(chooseChatTemplate(list, files, { tools: [] })).toBe("of the other file");
    expect(() => chooseChatTemplate(list, files, { chat_template: "rag" })).toThrow(
      'chat_template: expected one of default,tool_use, got "rag"',
    );
  });

  test.each([{}, { chat_template: null }, { chat_template: 7 }, { chat_template: [null] }, { chat_template: [] }])(
    "says that there is none: %j",
    (config) => {
      expect(() => chooseChatTemplate(config, none)).toThrow(expect.objectContaining({ code: "options" }));
    },
  );

  test("says what is wrong with a file", () => {
    const files = new Map([["chat_template.json", "{"]]);
    expect(() => chooseChatTemplate({}, files)).toThrow(expect.objectContaining({ code: "file" }));
  });
});
