import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJsonObject } from "../src/config-json.ts";
import { ConfigError } from "../src/errors.ts";
import { expectRefusal } from "./support/refusal.ts";

function refuses(text: string | Uint8Array, code: string, message: string): void {
  expectRefusal(() => parseJsonObject(text, "config.json"), ConfigError, code, `config.json: ${message}`);
}

describe("C1", () => {
  test("rejects an empty file", () => {
    refuses("", "empty-file", "expected a JSON object, got no bytes");
    refuses(new Uint8Array(0), "empty-file", "expected a JSON object, got no bytes");
    refuses(" \n", "truncated-json", "expected an object, got the end of the JSON text");
  });

  test("rejects a file that is cut short", () => {
    const text = '{"model_type": "bert", "hidden_size": 768, "ids": [1, 2]}';
    for (let length = 1; length < text.length; length++) {
      expect(() => parseJsonObject(text.slice(0, length), "config.json")).toThrow(ConfigError);
    }
    refuses(
      '{"hidden_size": 768',
      "truncated-json",
      "expected a comma or the end of the object, got the end of the JSON text",
    );
    refuses('{"ids": [1, ', "truncated-json", "ids[1]: expected a value, got the end of the JSON text");
    refuses('{"a": {"b": "c', "truncated-json", "a.b: expected a closing quote, got the end of the JSON text");
  });

  test("rejects a page, a pointer and an archive, saying which", () => {
    const page = "expected a JSON object, got an HTML page (often a server's error or login page)";
    refuses("<!doctype html><p>404", "not-json", page);
    refuses("\ufeff<html>", "not-json", page);
    const pointer = "expected a JSON object, got a Git LFS pointer (run `git lfs pull`, or download the file itself)";
    refuses("version https://git-lfs.github.com/spec/v1", "not-json", pointer);
    refuses(new Uint8Array([0x1f, 0x8b, 8]), "not-json", "expected a JSON object, got a gzip archive");
  });

  test("rejects a byte order mark", () => {
    refuses("\ufeff{}", "byte-order-mark", "expected JSON without a byte order mark, got EF BB BF");
  });

  test("rejects a root that is not an object, saying what it is", () => {
    refuses("[]", "not-an-object", "expected an object, got an array");
    refuses("null", "not-an-object", "expected an object, got null");
    refuses('"{}"', "not-an-object", "expected an object, got a string");
    refuses("7", "not-an-object", "expected an object, got 7");
  });

  test("rejects the numbers that Python writes and JSON does not have, naming the key", () => {
    for (const text of ["NaN", "Infinity", "-Infinity"]) {
      const message = `rope.factors[1]: expected a number that JSON has, got ${text}`;
      refuses(`{"rope": {"factors": [1.0, ${text}]}}`, "not-finite", message);
    }
    refuses('{"a b": NaN}', "not-finite", '["a b"]: expected a number that JSON has, got NaN');
    refuses('{"a": NaNs}', "invalid-json", "a: expected a value, got NaNs at byte 6");
  });

  test("rejects numbers that a double cannot hold, and takes long ones that it can", () => {
    refuses('{"a": 1e400}', "number-too-large", "a: expected a number that a double can hold, got 1e400");
    const long = `{"model_max_length": 1000000000000000019884624838656, "eps": 1e-12, "small": 1e-400, "n": -7}`;
    expect(parseJsonObject(long, "tokenizer_config.json")).toMatchObject({
      model_max_length: 1e30,
      eps: 1e-12,
      small: 0,
      n: -7,
    });
  });

  test("rejects other things that are not JSON", () => {
    refuses("{} // comment", "trailing-characters", "expected nothing after the object, got //");
    refuses("{'a': 1}", "invalid-json", "expected a quoted name, got 'a' at byte 1");
    refuses('{"a": True}', "invalid-json", "a: expected a value, got True at byte 6");
    refuses('{"a": 1,}', "invalid-json", "expected a quoted name, got } at byte 8");
    refuses('{"a": +1}', "invalid-json", "a: expected a value, got +1 at byte 6");
    refuses('{"a": "\\ud800"}', "lone-surrogate", "a: expected surrogates in pairs, got \\ud800 alone at byte 7");
    refuses('{"a": "\ud800"}', "lone-surrogate", "expected a JSON object, got a surrogate without its other half");
    refuses(
      new Uint8Array([0x7b, 0x22, 0xff, 0x22]),
      "invalid-utf8",
      "expected UTF-8, got other bytes in the string at byte 2",
    );
  });
});

test("rejects duplicate keys, of which Python would take the last", () => {
  refuses('{"a": {"b": 1, "\\u0062": 2}}', "duplicate-key", 'a: expected each key once, got "b" again');
  refuses('{"__proto__": 1, "__proto__": 2}', "duplicate-key", 'expected each key once, got "__proto__" again');
});

test("C12 takes __proto__ and constructor as plain keys, which change nothing", () => {
  const text =
    '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "a": {"__proto__": 1}}';
  const config = parseJsonObject(text, "config.json");
  expect(Object.getPrototypeOf(config)).toBeNull();
  expect(Object.keys(config)).toEqual(["__proto__", "constructor", "a"]);
  expect(Object.keys(config.a as object)).toEqual(["__proto__"]);
  expect(config.polluted).toBeUndefined();
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  expect(config.toString).toBeUndefined();
});

test("C13 takes 64 arrays and objects in each other and rejects more", () => {
  const nested = (depth: number) => `{"a": ${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  expect(Object.keys(parseJsonObject(nested(64), "config.json"))).toEqual(["a"]);
  const path = `a${"[0]".repeat(63)}`;
  const message = `${path}: expected at most 64 arrays and objects in each other, got more`;
  refuses(nested(65), "too-deep", message);
  refuses(nested(100_001), "too-deep", message);
});

test("gives what JSON.parse gives, for any JSON", () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { noNullPrototype: true });
  const run = (record: Record<string, unknown>, indent: number) => {
    const text = JSON.stringify(record, null, indent);
    if (/\\ud[89a-f]/i.test(text)) return;
    expect(JSON.stringify(parseJsonObject(text, "config.json"))).toBe(JSON.stringify(JSON.parse(text)));
    expect(JSON.stringify(parseJsonObject(new TextEncoder().encode(text), "config.json"))).toBe(
      JSON.stringify(JSON.parse(text)),
    );
  };
  fc.assert(fc.property(json, fc.nat(2), run), { seed: 3, numRuns: 3000 });
});

test("rejects whatever JSON.parse rejects, and only duplicates and its own limits beside that", () => {
  const pieces = fc.constantFrom(
    ...'{}[],:"\\ \n0123456789-+.eE',
    "true",
    "null",
    "\\u00e9",
    "a",
    "é",
    '"a":1',
    '"b":[]',
    "\t",
    "\0",
  );
  const text = fc.array(pieces, { maxLength: 12 }).map((parts) => `{"k":${parts.join("")}}`);
  fc.assert(
    fc.property(text, (json) => {
      let expected: unknown;
      try {
        expected = JSON.parse(json);
      } catch {
        expect(() => parseJsonObject(json, "config.json")).toThrow(ConfigError);
        return;
      }
      try {
        expect(JSON.stringify(parseJsonObject(json, "config.json"))).toBe(JSON.stringify(expected));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(["duplicate-key", "number-too-large"]).toContain(error.code);
      }
    }),
    { seed: 5, numRuns: 20_000 },
  );
});
