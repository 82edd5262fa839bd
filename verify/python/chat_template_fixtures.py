r"""Makes verify/fixtures/chat-templates.json: chat templates, what they are given, and the text transformers makes of it.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt jinja2==3.1.6
    .venv/bin/python verify/python/chat_template_fixtures.py

The templates were written for this file, in the manner of those that models are published with. A case has `text`, or
`error` where the template refuses the conversation.
"""

import json
import pathlib

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template
from versions import expect_versions

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "chat-templates.json"

TEMPLATES = {
    "chatml": r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Functions\n\nAnswer with a call where one of these helps:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- elif messages[0].role != 'system' %}
    {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(last_query=messages|length - 1, searching=true) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and message.content is string and not (message.content.startswith('<result>') and message.content.endswith('</result>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or thought) %}
            {{- '<|im_start|>assistant\n<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}{{- '\n' }}{%- endif %}
            {%- if call.function %}{%- set call = call.function %}{%- endif %}
            {{- '<tool_call>\n{"name": "' }}
            {{- call.name }}
            {{- '", "arguments": ' }}
            {%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<result>\n' ~ content ~ '\n</result>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}
""",
    "header-ids": r"""{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}

{#- A system message is taken off the front. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\n\n" }}
{%- endif %}
{{- "Today: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- "Here are functions.\n\n" }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
    {{- first_user_message + "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}{{- raise_exception("One tool call at a time!") }}{%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- "<|python_tag|>" + tool_call.name + ".call(" }}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' ~ arg_val ~ '"' }}
            {%- if not loop.last %}{{- ", " }}{%- endif %}
        {%- endfor %}
        {{- ")" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
""",
    "turns": r"""{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {{ raise_exception('System role not supported') }}
{%- endif -%}
{% for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '
' }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
""",
    "inst": r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}{%- set content = message.content.content %}{%- else %}{%- set content = message.content %}{%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
""",
    "bars": r"""{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{% generation %}
{{ '<|assistant|>
'  + message['content'] + eos_token }}
{% endgeneration %}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
    "schema-macros": r"""{%- macro kind(spec, nesting=0) -%}
    {%- if spec.type == "array" -%}
        {{- kind(spec["items"], nesting) }}[]
    {%- elif spec.type is defined and spec.type is iterable and spec.type is not string -%}
        {{- spec.type | join(" | ") }}
    {%- elif spec.enum -%}
        {{- '"' + spec.enum | join('" | "') + '"' }}
    {%- elif spec.type == "object" and spec.properties -%}
        {{- "{\n" }}
        {%- for name, child in spec.properties.items() -%}
            {{- "  " + name + (":" if name in (spec.required or []) else "?:") + " " + kind(child, nesting + 1) }}
            {%- if child.default is defined -%}{{- ", // default: " + child.default|tojson }}{%- endif -%}
            {{- "\n" }}
        {%- endfor -%}
        {{- "}" }}
    {%- else -%}
        {{- spec.type | default("any") }}
    {%- endif -%}
{%- endmacro -%}
{%- macro section(title) -%}
## {{ title|title }}

{{ caller() }}
{%- endmacro -%}
{%- if tools -%}
{%- call section("functions") -%}
{%- for tool in tools %}
{%- set f = tool.function if tool.function is defined else tool %}
// {{ f.description | default("", true) | replace("\n", " ") }}
type {{ f.name }} = (_: {{ kind(f.parameters) | indent(2) }}) => any;
{% endfor %}
{%- endcall -%}
{%- endif %}
{% set documents_text -%}
{% for document in documents or [] %}
[{{ loop.index }}/{{ loop.length }}] {{ document.title | upper }}: {{ document['text'] | indent(width=4, first=true) }}
{% endfor %}
{%- endset -%}
{{ documents_text }}
{% for message in messages %}
{%- if message.role == "note" %}{% continue %}{% endif %}
{%- if message.role == "stop" %}{% break %}{% endif %}
{%- if loop.previtem is defined and loop.previtem.role == message.role %}{{ "(again) " }}{% endif -%}
{{ message.role | capitalize }}: {{ message.content }}{{ "." if loop.last }}
{% else %}
nobody spoke
{% endfor %}
{{- messages | map(attribute="role") | unique | join(",") }};{{ messages | rejectattr("role", "equalto", "user") | list | length }}
{{- "\t" ~ (messages | last).role ~ 1 ~ true ~ none ~ 1.5 }}
""",
    "whitespace": """  {# a note #}
{% set a = [1, 2, 3] -%}
  x {%- if a|length > 2 %}
   yes
  {% else %}
   no
  {% endif %}  tail\r
{{ a[1:] | join('-') }} {{ a[-1] }} {{- a | first }}
\t{% for n in range(3) %}{{ n }}{{ "," if not loop.last }}{% endfor %}
{{ range(5, 0, -2) | list | join }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 * 3 + 1 }} {{ 6 / 4 }} {{ 2 ** 3 }}
{{ none }} {{ true }} {{ False }} [{{ missing }}] {{ 1 == 1 }} {{ missing is defined }} {{ 'b' in 'abc' and 2 not in a }}
{{ "  pad \\n" | trim }}|{{ " -x- ".strip().strip("-") }}|{{ "xxabx".lstrip("x") }}|{{ "a,b,c".split(",", 1) | last }}|{{ " a  b ".split() | join("_") }}
{{ "Hello".upper() }} {{ "Hello".lower() }} {{ "hello world".title() }} {{ "a-b-a".replace("a", "c") }} {{ "a-b-a".replace("a", "c", 1) }} {{ "abc"[::-1] }}
{{ messages[0].content | length }} {{ [3, 1, 2] | sort | join(" ") }} {{ ["b", "A"] | sort | join }} {{ {"b": 1, "a": 2} | dictsort | first | first }}
{{ a | select("odd") | join }} {{ a | reject("odd") | list | length }} {{ a | select("number") | list | length }}
{{ {"é": ["<b>", "'", "\\"", "&", "\\u2028", 1.5, true, none, {}, []]} | tojson }} {{ "é" | tojson(ensure_ascii=true) }} {{ {"b": 1, "a": 2} | tojson(sort_keys=true) }}
{{ {"a": [1, {"b": 2}], "c": {}} | tojson(indent=2) }} {{ [1, 2] | tojson(separators=(',', ':')) }}
{% macro wrap(text, left="<", right=">") %}{{ left }}{{ text }}{{ right }}{% endmacro %}{{ wrap("m") }}{{ wrap("m", right="]") }}
{%- set first, second = "one", "two" %}
{{ first }}{{ second }} {{ "yes" if first == "one" else "no" }} {{ (missing or "or") }} {{ missing | default("d") }} {{ "" | default("e", true) }}
{% filter upper %}shout {{ first }}{% endfilter %}

end
""",
}

USER = {"role": "user", "content": "  Hi there!\n"}
REPLY = {"role": "assistant", "content": "Héllo 👋 \"you\""}
SYSTEM = {"role": "system", "content": "Be brief. "}
THOUGHT = {"role": "assistant", "content": "<think>\n two\nlines \n\n</think>\n\nThe answer\n"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather\nof a <place> & more.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "where é"},
                "unit": {"enum": ["celsius", "kelvin"], "default": "celsius"},
                "days": {"type": "array", "items": {"type": ["integer", "null"]}},
                "at": {"type": "object", "properties": {"x": {"type": "number", "default": 0.5}, "y": {}}, "required": ["x"]},
            },
            "required": ["place"],
        },
        "return": {"type": "string"},
    },
}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "abcdef123", "type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": 2}}}],
}
TEXT_CALL = {"role": "assistant", "content": "Let me see.", "tool_calls": [{"function": {"name": "weather", "arguments": '{"place": "Bern"}'}}] * 2}
RESULT = {"role": "tool", "tool_call_id": "abcdef123", "content": "19.5"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " what is it? "}]}
DOCUMENTS = [{"title": "First", "text": "one\ntwo"}, {"title": "second", "text": "three\n\nfour"}]

CONVERSATIONS = {
    "user": dict(messages=[USER]),
    "prompted": dict(messages=[USER], add_generation_prompt=True),
    "system": dict(messages=[SYSTEM, USER], add_generation_prompt=True),
    "turns": dict(messages=[USER, REPLY, USER]),
    "long": dict(messages=[SYSTEM, USER, REPLY, USER, THOUGHT, USER], add_generation_prompt=True),
    "thought": dict(messages=[USER, THOUGHT]),
    "quiet": dict(messages=[USER], add_generation_prompt=True, enable_thinking=False),
    "not alternating": dict(messages=[USER, USER]),
    "tools": dict(messages=[SYSTEM, USER], tools=[WEATHER], add_generation_prompt=True),
    "tool call": dict(messages=[USER, CALL, RESULT], tools=[WEATHER, WEATHER]),
    "tool calls as text": dict(messages=[USER, TEXT_CALL, RESULT, RESULT, REPLY], tools=[WEATHER]),
    "structured result": dict(messages=[USER, CALL, {"role": "tool", "tool_call_id": "abcdef123", "content": {"content": 3, "ok": True}}]),
    "built-in tools": dict(messages=[USER], builtin_tools=["search", "code_interpreter", "maths"]),
    "tools in the system message": dict(messages=[SYSTEM, USER], tools=[WEATHER], tools_in_user_message=False, date_string="1 Jan 2030"),
    "parts": dict(messages=[PARTS, REPLY]),
    "documents": dict(messages=[USER, {"role": "note", "content": "-"}, REPLY, REPLY, {"role": "stop"}, USER], documents=DOCUMENTS),
    "null content": dict(messages=[USER, {"role": "assistant", "content": None}]),
    "unknown role": dict(messages=[USER, REPLY, {"role": "narrator", "content": "Meanwhile"}]),
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

# Short templates: what filters, tests and loops do with values of every kind.
SNIPPETS = r"""
{{ [1, "a"]|upper }} {{ none|lower }} {{ 1.5|upper }} {{ true|lower }} {{ missing|upper }}|
{{ "hello wORLD foo-bar (baz) [q]"|title }} {{ "hello WORLD"|capitalize }} {{ ""|capitalize }}|
{{ "%s and %s"|format("a", 1) }} {{ "%s %% %r %d"|format([1, "x"], "q", 3) }} {{ "%s"|format(none) }}
{{ "%s" % "a" }} {{ "%s-%s" % ("a", 1) }} {{ "%d" % 3 }} {{ 7 % 4 }}
{{ "%s"|format }}
{{ "%s"|format(1, 2) }}
{{ "%d"|format("a") }}
{{ "abc"|list }} {{ {"a": 1, "b": 2}|list }} {{ missing|list }} {{ (1, 2)|list }}
{{ "abc"|first }}{{ "abc"|last }}{{ {"a": 1, "b": 2}|first }}{{ {"a": 1, "b": 2}|last }}[{{ []|first }}{{ ""|last }}]
{{ "a😀"|length }} {{ missing|length }} {{ {"a": 1}|count }} {{ [1, 2]|count }} {{ "abc"|count }}
{{ none|length }}
{{ none|list }}
{{ 1|first }}
{{ missing|d("y") }} {{ ""|d("y") }} {{ ""|d("y", true) }} {{ none|default("x") }} {{ none|default("x", boolean=true) }} {{ "x"|default }} {{ missing|default(default_value=2) }}
{{ [1, none, true, 1.5, "s", [1, "a"], {"a": 2}]|join("|") }} {{ "abc"|join("-") }} {{ missing|join(",") }} {{ {"a": 1, "b": 2}|join("+") }}
{{ [{"a": 1}, {"a": none}, {}]|join(",", attribute="a") }} {{ [1, 2]|join(d="-") }} {{ [1, 2]|join(0) }}
{{ none|join }}
{{ [{"t": "x"}, {"v": 1}]|selectattr("t")|list }} {{ [{"t": "x"}, {"t": ""}, {"v": 1}]|rejectattr("t")|list }}
{{ [{"t": "x"}, {"v": 1}]|selectattr("t", "undefined")|list }} {{ [{"t": "x"}, {"v": 1}]|rejectattr("t", "undefined")|list }} {{ [{"t": "x"}, {"v": 1}]|selectattr("t", "defined")|list }}
{{ [{"t": "x"}, {"t": "y"}]|selectattr("t", "==", "x")|list }} {{ [{"t": "x"}, {"t": "y"}]|selectattr("t", "ne", "x")|list }} {{ [{"t": "x"}, {"t": "y"}]|rejectattr("t", "!=", "x")|list }}
{{ [{"t": "x"}, {"t": "y"}]|selectattr("t", "in", ["x", "z"])|list }} {{ messages|rejectattr("role", "in", ["system", "tool"])|list|length }}
{{ [{"t": {"u": 1}}, {"t": {"u": 2}}, {"t": 3}]|selectattr("t.u", "eq", 2)|list }} {{ [{"t": [5, 6]}]|map(attribute="t.1")|list }} {{ [[1, 2], [3, 4]]|map(attribute=0)|list }}
{{ [{"t": [1]}, {"t": [2]}]|selectattr("t", "equalto", [2])|list }} {{ [{"t": 1}, {"t": 2}]|selectattr("t", "equalto", true)|list }}
{{ none|selectattr("t")|list }} {{ missing|rejectattr("t")|list }} {{ none|map("upper")|list }} {{ none|select|list }}
{{ [1, 0, "", none, "a"]|select|list }} {{ [1, 0, "", none, "a"]|reject|list }} {{ ["a", "b"]|select("in", ["a"])|list }} {{ [1, "a", 1.5, true]|select("number")|list }}
{{ [1]|select("nothing")|list }}
{{ [1]|select("eq")|list }}
{{ ["a", "b"]|map("upper")|list }} {{ [" a ", "b "]|map("trim")|join }} {{ ["x", {"a": 1}]|map("tojson")|join(",") }} {{ [[1, 2], [3]]|map("length")|list }} {{ ["xa", "b"]|map("replace", "x", "+")|list }}
{{ ["a"]|map("nothing")|list }}
{{ [{"a": 1}, {}]|map(attribute="a")|list }} {{ [{"a": 1}, {}]|map(attribute="a", default=0)|list }} {{ {"b": 1, "a": 2}|dictsort|map("last")|list }} {{ {"a": 1, "b": 2}.items()|map("first")|list }}
{{ messages|selectattr("type", "equalto", "text")|map(attribute="text")|map("trim")|join("\n") }}|
{{ 12|string|length }} {{ "xxaxx"|trim("x") }} {{ none|trim }} {{ 1.5|trim }}
{{ {"a": 1} is iterable }} {{ "a" is iterable }} {{ [1] is iterable }} {{ (1, 2) is iterable }} {{ missing is iterable }} {{ none is iterable }} {{ 1 is iterable }} {{ 1 is not iterable }}
{{ true is number }} {{ 1 is number }} {{ "1" is number }} {{ 1.5 is float }} {{ 1 is float }} {{ 1.5 is not float }}
{% for c in "a😀c" %}{{ c }}-{{ loop.last }} {% endfor %}
{% for x in missing %}x{% else %}none{% endfor %}
{% for x in none %}x{% endfor %}
{% for x in 5 %}x{% endfor %}
{% for k in {"a": 1, "b": 2} %}{{ k }}{% endfor %} {% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %} {% for c in "abc" if c != "b" %}{{ c }}{% endfor %}
{% for part in messages[0].content %}{% if part.type == "image" %}i{% endif %}{% endfor %}|
{% set first = true %}{% for x in [1, 2, 3] %}{% if not first %}, {% endif %}{{ x }}{% set first = false %}{% endfor %} {{ first }}
{% set n = 0 %}{% for x in [1, 2] %}{% set n = n + 1 %}{{ n }}{% for y in [1] %}{% set n = n + 10 %}{{ n }}{% endfor %}{{ n }} {% endfor %}{{ n }}
{% for x in [1, 2, 3] %}{% if x == 2 %}{% set y = 1 %}{% continue %}{% endif %}{{ y is defined }}{{ loop.index }} {% endfor %}
{% if true %}{% set x = 1 %}{% endif %}{{ x }} {% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}
{{ missing.x }}
{{ missing["x"] }}
{{ messages[0].nothing.x }}
{{ messages[0].nothing.x is defined }}
{{ [].x }}|{{ none.x }}|{{ messages[0].nothing is defined }}|{{ (missing or messages[0]).role }}
{{ missing|tojson }}
{{ [3]|first.x }}
{{ ["a", "", none]|map("default", "x", boolean=true)|list }} {{ "xxa"|trim(chars="x") }} {{ [{"a": 1}, {"a": 2}]|join(",", "a") }}
{{ [{}]|map(attribute="a.b")|list }}
{{ [{"a": 1}]|selectattr("b.c", "eq", 2)|list }}
{{ "a"|trim(["a"]) }}
{% filter upper %}a{{ none }}{% endfilter %} {% filter title %}ab cd{% endfilter %}
""".strip().split("\n")


def case(template, conversation):
    try:
        given = json.loads(json.dumps(CONVERSATIONS[conversation]))
        (text,), _ = render_jinja_template([given.pop("messages")], chat_template=TEMPLATES[template], **TOKENS, **given)
        return {"template": template, "conversation": conversation, "text": text}
    except (jinja2.TemplateError, TypeError) as error:
        return {"template": template, "conversation": conversation, "error": str(error)}


def snippet(template):
    try:
        (text,), _ = render_jinja_template([[USER, REPLY]], chat_template=template)
        return [template, text]
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        return [template, None, str(error)]


if __name__ == "__main__":
    expect_versions("transformers", "jinja2==3.1.6")
    fixture = {
        "command": "python verify/python/chat_template_fixtures.py",
        "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
        "tokens": TOKENS,
        "templates": TEMPLATES,
        "conversations": CONVERSATIONS,
        "cases": [case(template, conversation) for template in TEMPLATES for conversation in CONVERSATIONS],
        "snippets": [snippet(template) for template in SNIPPETS],
    }
    assert all(" at 0x" not in (text or "") for _, text, *_ in fixture["snippets"]), "no filter's own name is printed"
    OUTPUT.write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
