import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { show } from "../src/errors.ts";
import { openTokenizer, sentencePiece, sentencePieceParts, Tokenizer, TokenizerError } from "../src/index.ts";
import {
  basics,
  bytePieces,
  bytes,
  concatenate,
  float,
  type ModelFile,
  modelFile,
  normal,
  number,
} from "./model-file.ts";

/** Runs what must fail, and returns its error's code and message. */
function failure(run: () => unknown): [code: string, message: string] {
  try {
    run();
  } catch (error) {
    if (error instanceof TokenizerError) return [error.code, error.message];
    throw error;
  }
  throw new Error("expected an error, got none");
}

const pieces = [...basics, ...normal("▁a", "a")];
const openBytes = (file: Uint8Array, parts = sentencePieceParts) =>
  failure(() => openTokenizer({ "x.model": file }, [sentencePiece(parts)]));
const open = (model: Partial<ModelFile>, parts = sentencePieceParts) =>
  openBytes(modelFile({ pieces, ...model }), parts);
const piece = (...fields: Uint8Array[]) => concatenate([modelFile({ pieces }), bytes(1, concatenate(fields))]);

test("an error has a name, a code, the values of its message, and the brand of Kiloformer's errors", () => {
  const error = (() => {
    try {
      return Tokenizer.from({ "tokenizer.model": new Uint8Array() });
    } catch (caught) {
      return caught as TokenizerError;
    }
  })();
  expect(error).toBeInstanceOf(TokenizerError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "TokenizerError", code: "file" });
  expect((error as TokenizerError).fields).toEqual({
    where: "tokenizer.model",
    expected: "a SentencePiece model",
    actual: "",
  });
  expect(Symbol.for("kiloformer.error") in error).toBe(true);
});

test("a message shows a value briefly and with its kind", () => {
  expect([show("7"), show(7n), show(null), show([1]), show(NaN), show(Symbol("s")), show(Object.create(null))]).toEqual(
    ['"7"', "7n", "null", "[object Array]", "NaN", "Symbol(s)", "[object Object]"],
  );
  expect(show("x".repeat(100))).toBe(`"${"x".repeat(40)}…"`);
});

describe("a .model file is refused when", () => {
  test.each<[string, () => [string, string], [string, string]]>([
    ["it is empty", () => openBytes(new Uint8Array()), ["file", 'x.model: expected a SentencePiece model, got ""']],
    [
      "it is text",
      () => openBytes(new TextEncoder().encode("a text that is no model\n")),
      ["file", 'x.model: expected a SentencePiece model, got "a text that is no model\\n"'],
    ],
    [
      "it ends early",
      () => openBytes(modelFile({ pieces }).subarray(0, 10)),
      ["file", "x.model: expected 14 bytes at offset 2, got 8"],
    ],
    [
      "it ends between two pieces",
      () => openBytes(modelFile({ pieces }).subarray(0, 16)),
      ["file", "x.model: expected a trainer_spec and a normalizer_spec, got the file's end"],
    ],
    [
      "a varint does not end",
      () => openBytes(Uint8Array.from([10, ...Array(11).fill(255)])),
      ["file", 'x.model: expected a varint of at most 10 bytes at offset 1, got "more"'],
    ],
    [
      "a field has number 0",
      () => openBytes(Uint8Array.of(2, 0)),
      ["file", "x.model: expected a protobuf field at offset 0, got 2"],
    ],
    [
      "a wire type is a group's",
      () => openBytes(Uint8Array.of(11, 0)),
      ["file", "x.model: expected a protobuf field at offset 0, got 11"],
    ],
    [
      "pieces are numbers",
      () => openBytes(number(1, 5)),
      ["file", 'x.model: piece 0: expected a text, a score and a type from 1 to 6, got "", 0, 1'],
    ],
    [
      "a piece's text is a number",
      () => openBytes(piece(number(1, 5))),
      ["file", 'x.model: piece 5: expected a text, a score and a type from 1 to 6, got "", 0, 1'],
    ],
    [
      "a piece's type is bytes",
      () => openBytes(piece(bytes(3, "x"))),
      ["file", 'x.model: piece 5: expected a text, a score and a type from 1 to 6, got "", 0, 0'],
    ],
    [
      "a piece is not UTF-8",
      () => openBytes(piece(bytes(1, Uint8Array.of(0xff)))),
      ["file", "x.model: piece 5: expected UTF-8, got 255"],
    ],
    [
      "a piece is empty",
      () => openBytes(piece(float(2, 1))),
      ["file", 'x.model: piece 5: expected a text, a score and a type from 1 to 6, got "", 1, 1'],
    ],
    [
      "a score is NaN",
      () => open({ pieces: [...pieces, ["b", NaN, 1]] }),
      ["file", 'x.model: piece 5: expected a text, a score and a type from 1 to 6, got "b", NaN, 1'],
    ],
    [
      "a type is unknown",
      () => open({ pieces: [...pieces, ["b", 0, 7]] }),
      ["file", 'x.model: piece 5: expected a text, a score and a type from 1 to 6, got "b", 0, 7'],
    ],
    [
      "a piece comes twice",
      () => open({ pieces: [...pieces, ["a", 0, 1]] }),
      ["vocabulary", 'x.model: piece 5: expected a piece that is new, got "a"'],
    ],
    [
      "there is no unknown piece",
      () => open({ pieces: normal("a") }),
      ["vocabulary", "x.model: expected an unknown piece, got none"],
    ],
    [
      "there are two unknown pieces",
      () => open({ pieces: [...pieces, ["u", 0, 2]] }),
      ["vocabulary", 'x.model: piece 5: expected one unknown piece, got "u"'],
    ],
    ...["<0x-1>", "<0xZZ>", "<0xff>", "<0x100>", "byte"].map(
      (text): [string, () => [string, string], [string, string]] => [
        `a byte piece is ${text}`,
        () => open({ pieces: [...pieces, [text, 0, 6]], byte_fallback: true }),
        ["vocabulary", `x.model: piece 5: expected a byte from <0x00> to <0xFF>, got "${text}"`],
      ],
    ),
    [
      "a byte piece is missing",
      () => open({ pieces: [...pieces, ...bytePieces.slice(1)], byte_fallback: true }),
      ["vocabulary", "x.model: expected 256 byte pieces, got 255"],
    ],
    [
      "byte pieces are not asked for",
      () => open({ pieces: [...pieces, ...bytePieces] }),
      ["vocabulary", "x.model: expected 0 byte pieces, got 256"],
    ],
    [
      "its type is unknown",
      () => open({ model_type: 9 }),
      ["unsupported", "x.model: expected a model of type bpe, word, char or unigram, got 9"],
    ],
    [
      "it is Unigram and that is left out",
      () => open({ model_type: 1 }, {}),
      ["unsupported", 'x.model: expected a model of type bpe, word, char, got "unigram"'],
    ],
    [
      "it has a charsmap and that is left out",
      () => open({ charsmap: new Uint8Array(9) }, {}),
      ["unsupported", "x.model: expected no precompiled_charsmap, got one"],
    ],
    [
      "its charsmap is longer than its bytes",
      () => open({ charsmap: Uint8Array.of(8, 0, 0, 0, 1) }),
      ["file", "x.model: precompiled_charsmap: expected 4-byte units within 5 bytes, got 8"],
    ],
    [
      "it rewrites decoded text and charsmaps are left out",
      () => open({ denormalizer: { charsmap: new Uint8Array(9) } }, {}),
      ["unsupported", "x.model: expected no precompiled_charsmap, got one"],
    ],
  ])("%s", (_, run, expected) => {
    expect(run()).toEqual(expected);
  });

  const file = modelFile({ pieces, model_type: 1 });
  const load = (changed: Uint8Array) => {
    try {
      Tokenizer.from({ "x.model": changed }).encode("a b\0é");
    } catch (error) {
      expect(error).toBeInstanceOf(TokenizerError);
    }
  };

  test("it is cut anywhere", () => {
    for (let length = 0; length < file.length; length++) expect(openBytes(file.subarray(0, length))[0]).toBe("file");
  });

  const { charsmap } = JSON.parse(readFileSync(new URL("fixtures/sentencepiece.json", import.meta.url), "utf8"));
  test.each([
    ["it", file],
    ["its charsmap", modelFile({ pieces, model_type: 1, charsmap: Buffer.from(charsmap, "base64") })],
  ])("%s is changed anywhere, or it loads", (_, original) => {
    const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
        const changed = Uint8Array.from(original);
        for (const [at, byte] of changes) changed[at] = byte;
        load(changed);
      }),
      { seed: 3, numRuns: 1500 },
    );
  });
});

const tokenizers = {
  sentencepiece: Tokenizer.from({ "x.model": modelFile({ pieces }) }),
  g2p: Tokenizer.from({ "vocab.json": '{"<sos>": 0, "<eos>": 1, "a": 4}' }),
};

describe.each(Object.entries(tokenizers))("%s refuses", (_, tokenizer) => {
  test.each([1, null, undefined, Buffer.from("a"), ["a"], [["a"]], {}])("the text %s", (text) => {
    expect(failure(() => tokenizer.encode(text as string))).toEqual([
      "text",
      `encode: expected a string, got ${show(text)}`,
    ]);
  });

  test.each(["12", null, undefined, 3, {}, { length: 1 }])("the list of ids %s", (ids) => {
    expect(failure(() => tokenizer.decode(ids as number[]))).toEqual([
      "ids",
      `decode: expected a list of ids, got ${show(ids)}`,
    ]);
  });

  test.each([-1, 1.5, NaN, 1e9, 2 ** 32, Infinity, 1n, "1", null, [1], undefined])("the id %s", (id) => {
    const expected = ["ids", `decode: expected an id of the vocabulary, got ${show(id)}`];
    expect(failure(() => tokenizer.decode([id as number]))).toEqual(expected);
    expect(failure(() => tokenizer.decodeStream().push(id as number))).toEqual(expected);
  });

  test("ids in a BigInt64Array", () => {
    expect(failure(() => tokenizer.decode(BigInt64Array.of(1n) as unknown as number[]))[0]).toBe("ids");
  });

  test("an option it does not know, and one of another type", () => {
    const options = { addBos: true } as object;
    expect(failure(() => tokenizer.encode("a", options))).toEqual([
      "options",
      expect.stringMatching(/, got "addBos"$/),
    ]);
    const wrong = { skip_special_tokens: 1 } as object;
    expect(failure(() => tokenizer.decode([1], wrong))).toEqual([
      "options",
      "decode: skip_special_tokens: expected true or false, got 1",
    ]);
    expect(failure(() => tokenizer.encode("a", { add_special_tokens: "no" } as object))[0]).toBe("options");
    expect(failure(() => tokenizer.decodeStream({ clean_up: true } as object))[0]).toBe("options");
  });
});

test("a message says in words what an option can be", () => {
  const given: [object, string][] = [
    [{ text_pair: 5 }, "text_pair: expected a text, got 5"],
    [{ max_length: 1e9 }, "max_length: expected a whole number from 0 to 999999999, got 1000000000"],
    [{ padding_side: "up" }, 'padding_side: expected left or right, got "up"'],
    [{ padding: "most" }, 'padding: expected true, false, longest or max_length, got "most"'],
    [{ truncation: 1 }, "truncation: expected true, false, longest_first, only_first or only_second, got 1"],
    [{ offsets: "bytes" }, 'offsets: expected utf16 or code_points, got "bytes"'],
  ];
  for (const [options, message] of given) {
    expect(failure(() => tokenizers.sentencepiece.encode("a", options))).toEqual(["options", `encode: ${message}`]);
  }
  const prefix = { prefix_ids: 5 } as object;
  expect(failure(() => tokenizers.sentencepiece.decodeStream(prefix))[1]).toBe(
    "decodeStream: prefix_ids: expected a list of ids, got 5",
  );
  expect(failure(() => Tokenizer.from({}, { rule: "mine" } as object))[1]).toBe(
    'tokenizer: rule: expected sentencepiece or huggingface, got "mine"',
  );
});

test("an option that is undefined is one that is not there", () => {
  expect(tokenizers.sentencepiece.encode("a", { stride: undefined, add_special_tokens: undefined }).ids).toEqual([3]);
});

test("a begin or end id that the model lacks is refused where the files ask for it", () => {
  const file = modelFile({ pieces: [["<unk>", 0, 2], ...normal("a")] });
  const with_ = (config: object) =>
    failure(() => Tokenizer.from({ "x.model": file, "tokenizer_config.json": JSON.stringify(config) }));
  for (const role of ["bos", "eos"]) {
    expect(with_({ [`add_${role}_token`]: true })).toEqual([
      "file",
      `tokenizer_config.json: add_${role}_token: expected a model with such a control piece, got true`,
    ]);
  }
  const config = { "tokenizer_config.json": '{"tokenizer_class": "LlamaTokenizer"}' };
  expect(Tokenizer.from({ "x.model": file, ...config }).encode("a").ids).toEqual([0, 1]);
});
