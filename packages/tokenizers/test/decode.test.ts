import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DecodeStream, Tokenizer } from "../src/index.ts";
import { basics, bytePieces, type ModelFile, modelFile, normal } from "./model-file.ts";
import { bpe, byteFallback, openJson, wordLevel } from "./tokenizer-files.ts";

const words = normal("▁Hello", "▁a", "▁▁", "▁", "a", "b", "▁", "é").slice(0, 6);
const llama: ModelFile = {
  pieces: [...basics, ...bytePieces, ...words, ["é", -9, 1], ["▁<x>", 0, 4]],
  byte_fallback: true,
  remove_extra_whitespaces: false,
};
const open = (changes: Partial<ModelFile> = {}) =>
  Tokenizer.from({ "tokenizer.model": modelFile({ ...llama, ...changes }) });
const tokenizer = open();
const id = (token: string) => tokenizer.tokenToId(token) as number;
const byteIds = (text: string) => [...new TextEncoder().encode(text)].map((byte) => byte + 3);

function streamed(stream: DecodeStream, ids: readonly number[]): string[] {
  return [...ids.map((token) => stream.push(token)), stream.end()];
}

describe("decode", () => {
  test("drops the dummy prefix of the first word only, and control pieces", () => {
    expect(tokenizer.decode([1, id("▁Hello"), id("▁a"), 2])).toBe("Hello a");
    expect(tokenizer.decode([id("▁"), id("▁a")])).toBe(" a");
    expect(tokenizer.decode([id("▁▁"), id("▁a")])).toBe("  a");
  });

  test("takes a token of a tokenizer.json for a byte only if nothing stands around it", () => {
    const bytes = openJson(wordLevel("u", "<0x41>b", "<0x41>", "b<0x41>"), { decoder: { type: "ByteFallback" } });
    expect(bytes.decode([1, 2, 3])).toBe("<0x41>bAb<0x41>");
  });

  test("drops every mark before the first word where extra spaces are removed", () => {
    const removes = open({ remove_extra_whitespaces: true });
    expect(removes.decode([id("▁"), id("▁"), id("▁a"), id("▁")])).toBe("a ");
  });

  test("drops no mark where the model adds none", () => {
    expect(open({ add_dummy_prefix: false }).decode([id("▁a")])).toBe(" a");
  });

  test("keeps the first space of ids that continue a text, if there is one", () => {
    for (const before of [id("b"), 1]) {
      const stream = tokenizer.decodeStream({ prefix_ids: [before] });
      const text = streamed(stream, [id("▁a"), id("▁a")]).join("");
      expect(text).toBe(before === 1 ? "a a" : " a a");
    }
  });

  test("prints control pieces when asked, and a space after them", () => {
    expect(tokenizer.decode([1, id("▁a"), 2], { skip_special_tokens: false })).toBe("<s> a</s>");
  });

  test("prints the surface of the unknown piece", () => {
    expect(tokenizer.decode([id("▁a"), 0])).toBe("a \u2047 ");
    expect(open({ unk_surface: "?" }).decode([id("▁a"), 0])).toBe("a?");
  });

  test("makes characters of bytes, and one U+FFFD of each byte that belongs to none", () => {
    expect(tokenizer.decode(byteIds("é한😀\0"))).toBe("é한😀\0");
    expect(tokenizer.decode([0xe2, 0x82, 0x41].map((byte) => byte + 3))).toBe("\ufffd\ufffdA");
    expect(tokenizer.decode([...byteIds("한").slice(0, 2), 1, ...byteIds("한").slice(2)])).toBe("\ufffd\ufffd\ufffd");
    const invalid = [
      [0xc0, 0x80], // NUL in two bytes
      [0xe0, 0x80, 0xaf], // an overlong slash
      [0xed, 0xa0, 0x80], // a surrogate
      [0xf4, 0x90, 0x80, 0x80], // beyond U+10FFFF
      [0xff, 0xfe],
    ];
    for (const run of invalid) expect(tokenizer.decode(run.map((byte) => byte + 3))).toBe("\ufffd".repeat(run.length));
  });

  test("takes no ids and typed arrays", () => {
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.decode(Int32Array.of(id("▁a"), id("b")))).toBe("ab");
    expect(tokenizer.decode(new Set([id("▁a")]))).toBe("a");
  });
});

test("a WordPiece decoder without a prefix joins all tokens", () => {
  const joined = openJson(wordLevel("?", "a", "b"), { decoder: { type: "WordPiece", prefix: "" } });
  expect(joined.decode([1, 2, 1])).toBe("aba");
});

test("a decoder of no steps joins tokens without a space, and none with one", () => {
  const none = { type: "Sequence", decoders: [] };
  const decoded = (decoder: object | null) => openJson(wordLevel("?", "a", "b"), { decoder }).decode([1, 2]);
  expect(decoded(none)).toBe("ab");
  expect(decoded({ type: "Sequence", decoders: [none] })).toBe("ab");
  expect(decoded(null)).toBe("a b");
});

describe("decodeStream", () => {
  test("says a word's space with the word, and nothing of an unfinished character", () => {
    expect(streamed(tokenizer.decodeStream(), [1, id("▁Hello"), id("▁a")])).toEqual(["", "Hello", " a", ""]);
    expect(streamed(tokenizer.decodeStream(), byteIds("é😀"))).toEqual(["", "é", "", "", "", "😀", ""]);
    expect(streamed(tokenizer.decodeStream({ prefix_ids: [id("b")] }), [id("▁a")])).toEqual([" a", ""]);
  });

  test("gives up an unfinished character when something else follows, or at the end", () => {
    expect(streamed(tokenizer.decodeStream(), [...byteIds("😀").slice(0, 3), id("b")])).toEqual([
      "",
      "",
      "",
      "\ufffd\ufffd\ufffdb",
      "",
    ]);
    expect(streamed(tokenizer.decodeStream(), byteIds("é").slice(0, 1))).toEqual(["", "\ufffd"]);
    expect(streamed(tokenizer.decodeStream(), byteIds("\ufffd"))).toEqual(["", "", "\ufffd", ""]);
  });

  test("prints nothing of a prefix again, whatever it ends with, but a character that began in it", () => {
    const bytes = openJson(bpe("hi ÃķĊĻįĢ¬", [], { ignore_merges: true }), {
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
      decoder: { type: "ByteLevel" },
    });
    const [h, i] = ["h", "i"].map((token) => bytes.tokenToId(token) as number);
    const unit = (token: string) => bytes.tokenToId(token) as number;
    const continued = (prefix_ids: number[], ids: number[]) =>
      streamed(bytes.decodeStream({ prefix_ids }), ids).join("");
    // U+FFFD itself is EF BF BD; C3 begins a character of two bytes.
    const half = unit("Ã");
    // Ids that print nothing stand between the prefix's words and what follows.
    const spaced = openJson(wordLevel("?", "▁a", "▁b"), {
      added_tokens: [{ id: 3, content: "<s>", special: true }],
      decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
    });
    const prefix_ids = [1, ...new Array(40).fill(3)];
    expect(streamed(spaced.decodeStream({ prefix_ids }), [2]).join("")).toBe(" b");
    expect(continued([h, half], [i])).toBe("i");
    expect(continued([h, half], [unit("ķ"), i])).toBe("\u00d5i");
    expect(continued([h, half, half], [i, i])).toBe("ii");
    expect(continued([], [half, i])).toBe("\ufffdi");
  });

  // Bytes are likely, so that runs of them are long and often broken.
  const anyId = fc.oneof(
    { weight: 2, arbitrary: fc.nat(tokenizer.maxId) },
    { weight: 2, arbitrary: fc.integer({ min: 3 + 0x80, max: 3 + 0xff }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, id("▁"), id("▁▁"), id("▁a")) },
  );
  const options = fc.record({ skip_special_tokens: fc.boolean() });

  test("says in parts what decode says at once, for any ids", () => {
    const models = [tokenizer, open({ remove_extra_whitespaces: true }), open({ add_dummy_prefix: false })];
    fc.assert(
      fc.property(fc.array(anyId), options, fc.constantFrom(...models), (ids, flags, model) => {
        const parts = streamed(model.decodeStream(flags), ids);
        expect(parts.join("")).toBe(model.decode(ids, flags));
        for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
      }),
      { seed: 11, numRuns: 3000 },
    );
  });

  test("goes on behind any prefix as behind the same ids that were pushed", () => {
    const models = [tokenizer, open({ remove_extra_whitespaces: true }), open({ add_dummy_prefix: false })];
    fc.assert(
      fc.property(fc.array(anyId), fc.nat(20), options, fc.constantFrom(...models), (ids, cut, flags, model) => {
        const begin = Math.min(cut, ids.length);
        const stream = model.decodeStream({ ...flags, prefix_ids: ids.slice(0, begin) });
        const pushed = streamed(model.decodeStream(flags), ids).slice(begin).join("");
        // But that bytes of the prefix which nothing completes are not said again.
        const rest = (text: string) => text.replace(/^\ufffd+/, "");
        expect(rest(streamed(stream, ids.slice(begin)).join(""))).toBe(rest(pushed));
      }),
      { seed: 12, numRuns: 3000 },
    );
  });

  test("goes on within a run of bytes, wherever it is cut", () => {
    const fallback = byteFallback("h", "i", "▁");
    const words = fc.array(fc.constantFrom("주식회사", "h", " ", "i", "😀", "é", "ทดสอบภาษา", "한"), { maxLength: 12 });
    fc.assert(
      fc.property(words, fc.double({ min: 0, max: 1, noNaN: true }), (parts, share) => {
        const { ids } = fallback.encode(parts.join(""));
        const cut = Math.round(share * ids.length);
        const stream = fallback.decodeStream({ prefix_ids: ids.slice(0, cut) });
        const before = fallback.decode(ids.slice(0, cut)).replace(/\ufffd+$/, "");
        // A run that is cut within a character is all U+FFFD by itself.
        const known = parts.join("").slice(0, parts.join("").length - streamed(stream, ids.slice(cut)).join("").length);
        expect(known.startsWith(before)).toBe(true);
        expect(fallback.encode(known).ids.length).toBeLessThanOrEqual(cut);
        expect(cut - fallback.encode(known).ids.length).toBeLessThan(4);
      }),
      { seed: 14, numRuns: 2000 },
    );
    const streamedBehind = (prefix_ids: number[], ids: number[]) =>
      streamed(fallback.decodeStream({ prefix_ids }), ids);
    const [jusikhoe, sa] = ["주식회", "사"].map((text) => fallback.encode(text).ids);
    expect(streamedBehind(jusikhoe, [...sa, 256])).toEqual(["", "", "사", "h", ""]);
    expect(streamedBehind(jusikhoe.slice(0, 2), [jusikhoe[2], ...sa])).toEqual(["주", "", "", "사", ""]);
  });

  test("says no U+FFFD of a prefix again", () => {
    const bytes = openJson(bpe("\u0122\u00e4\u00b8\u0143hi", [], {}), { decoder: { type: "ByteLevel" } });
    const ids = (text: string) => [...text].map((unit) => bytes.tokenToId(unit) as number);
    // 80, and E4 B8 AD, which are 中.
    const stream = bytes.decodeStream({ prefix_ids: ids("\u0122\u00e4\u00b8") });
    expect(bytes.decode(ids("\u0122\u00e4\u00b8\u0143"))).toBe("\ufffd中");
    expect(streamed(stream, ids("\u0143h"))).toEqual(["中", "h", ""]);
  });

  test("keeps a word's space behind what prints nothing, and behind tokens that are no pieces", () => {
    const hello = id("▁Hello");
    const said = (prefix_ids: number[], flags = {}) =>
      streamed(tokenizer.decodeStream({ prefix_ids, ...flags }), [hello]).join("");
    expect([said([1]), said([1], { skip_special_tokens: false })]).toEqual(["Hello", " Hello"]);
    expect(streamed(tokenizer.decodeStream({ prefix_ids: byteIds("é").slice(0, 1) }), [hello])).toEqual([" Hello", ""]);
    expect(streamed(tokenizer.decodeStream({ prefix_ids: byteIds("é").slice(0, 1) }), [])).toEqual([""]);
    // U+FFFD itself, in three bytes.
    const [first, second, third] = byteIds("\ufffd");
    expect(streamed(tokenizer.decodeStream({ prefix_ids: [first, second] }), [third])).toEqual(["\ufffd", ""]);
    expect([said([id("▁")]), said([1, id("▁")]), said([])]).toEqual([" Hello", " Hello", "Hello"]);
    const t5 = Tokenizer.from({
      "spiece.model": modelFile(llama),
      "tokenizer_config.json": JSON.stringify({ tokenizer_class: "T5Tokenizer" }),
    });
    const sentinel = t5.tokenToId("<extra_id_0>") as number;
    const all = { skip_special_tokens: false };
    // As transformers 5.18 has it.
    expect(t5.decode([sentinel, hello], all)).toBe("<extra_id_0> Hello");
    expect(t5.decode([byteIds("é")[0], sentinel, hello], all)).toBe("\ufffd<extra_id_0> Hello");
  });

  test("says in parts the text that was encoded, family emoji, flags and bidi controls included", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("👨‍👩‍👧‍👦", "🇰🇷🇫🇷", "\u202eabc\u202c", `e${"\u0301".repeat(1000)}`, "  two  spaces "),
    );
    fc.assert(
      fc.property(text, (source) => {
        const { ids } = tokenizer.encode(source);
        expect(tokenizer.decode(ids)).toBe(source.replaceAll("▁", " ").replace(/\p{Surrogate}/gu, "\ufffd"));
        expect(streamed(tokenizer.decodeStream(), ids).join("")).toBe(tokenizer.decode(ids));
      }),
      { seed: 13, numRuns: 1000 },
    );
  });
});
