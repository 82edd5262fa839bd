// `replay`: whatever a folder says is either compared or refused.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors, writeSafetensors } from "@kiloformer/core";
import { describe, expect, test } from "vitest";
import { architectures, openBareModel } from "../src/index.ts";
import { type ExpectedFacts, type Replay, replay, toSafetensors } from "../src/verify/index.ts";
import { fixtureFiles, fixtures, type Tensors } from "./open.ts";
import { failing, readJson } from "./shared.ts";

/** Replays a fixture with other expected tensors and facts. */
async function replayChanged(
  name: string,
  change: (tensors: Tensors) => void,
  changeFacts: (facts: Record<string, unknown>) => object = (facts) => facts,
): Promise<Replay> {
  const folder = join(fixtures, name);
  const file = parseSafetensors(readFileSync(join(folder, "expected.safetensors")));
  const tensors: Tensors = new Map(
    [...file.tensors].map(([key, { dtype, shape }]) => [key, { dtype, shape, data: file.view(key) }]),
  );
  change(tensors);
  const facts = changeFacts(readJson(join(folder, "expected.json"))) as ExpectedFacts;
  const bare = await openBareModel(fixtureFiles(name), architectures, { onWarning() {} });
  try {
    return await replay(bare, writeSafetensors(tensors), facts);
  } finally {
    await bare.dispose();
  }
}

const replayFacts = (name: string, changes: object) =>
  replayChanged(
    name,
    () => {},
    (facts) => ({ ...facts, ...changes }),
  );

const bytesOf = (data: BigInt64Array | Float32Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
const ids = (rows: readonly (readonly number[])[]) => {
  const data = BigInt64Array.from(rows.flat(), BigInt);
  return { dtype: "I64", shape: [rows.length, rows[0].length], data: bytesOf(data) } as const;
};
const numbers = (...shape: number[]) => {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return { dtype: "F32", shape, data: bytesOf(new Float32Array(size)) } as const;
};
const row = (length: number) => Array.from({ length }, (_, index) => 3 + index);
const failedOf = ({ comparisons }: Replay) => comparisons.filter(({ holds }) => !holds).map(({ name }) => name);

test("a fixture holds as it is", async () => {
  for (const name of ["bert-base-model", "gpt2-odd", "t5-odd"])
    expect(failedOf(await replayChanged(name, () => {}))).toEqual([]);
});

describe("the logits of last positions", () => {
  /** Rows of 9, 2 and 5 ids, and nothing expected but logits. */
  const three = (tensors: Tensors) => {
    tensors.clear();
    tensors.set("input_ids", ids([row(9), row(9), row(9)]));
    tensors.set("attention_mask", ids([9, 2, 5].map((length) => row(9).map((_, index) => (index < length ? 1 : 0)))));
  };
  const facts = () => ({ kind: "decoder" });

  test("are compared in each row up to its last position", async () => {
    const { computed } = await replayChanged(
      "gpt2-odd",
      (tensors) => {
        three(tensors);
        tensors.set("logits", numbers(3, 9, 97));
        tensors.set("logits_last", numbers(3, 2, 97));
      },
      facts,
    );
    const file = parseSafetensors(toSafetensors(computed));
    const all = file.array("logits") as Float32Array;
    const last = file.array("logits_last") as Float32Array;
    for (const [index, length] of [9, 2, 5].entries()) {
      const begin = (index * 9 + length - 2) * 97;
      expect(last.slice(index * 2 * 97, (index + 1) * 2 * 97)).toEqual(all.slice(begin, begin + 2 * 97));
      for (const position of [0, 1]) {
        const changed = Float32Array.from(last);
        changed.fill(99_999, (index * 2 + position) * 97, (index * 2 + position + 1) * 97);
        const { comparisons } = await replayChanged(
          "gpt2-odd",
          (tensors) => {
            three(tensors);
            tensors.set("logits_last", { ...numbers(3, 2, 97), data: bytesOf(changed) });
          },
          facts,
        );
        expect(comparisons).toEqual([expect.objectContaining({ name: "logits_last", holds: false })]);
      }
    }
  });

  test("fail where more are expected than the shortest row has", async () => {
    for (const [expected, least] of [
      [3, 2],
      [22, 2],
    ]) {
      const { comparisons } = await replayChanged(
        "gpt2-odd",
        (tensors) => {
          three(tensors);
          tensors.set("logits_last", numbers(3, expected, 97));
        },
        facts,
      );
      const worst = `expected shape [3, ${expected}, 97], got [3, ${least}, 97]`;
      expect(comparisons).toEqual([expect.objectContaining({ name: "logits_last", holds: false, worst })]);
    }
  });
});

describe("expected.json with", () => {
  const tooLarge = "expected.json: expected pytorch_float32_error of logits to be a number from 0 and below 0.001, got";
  test.each<[string, object, string, string]>([
    [
      "a generation that no tensor shows",
      { generation: { x: { max_new_tokens: "many" } } },
      "missing-tensor",
      "expected.safetensors: expected generated.x for generation.x of expected.json, got none",
    ],
    [
      "the error of a tensor that is not there",
      { pytorch_float32_error: { logitz: 1e-6 } },
      "unused",
      "expected.json: pytorch_float32_error: expected logitz to be an F32 output, got none",
    ],
    [
      "the error of ids",
      { pytorch_float32_error: { greedy: 1e-6 } },
      "unused",
      "expected.json: pytorch_float32_error: expected greedy to be an F32 output, got I64",
    ],
    [
      "the error of an input",
      { pytorch_float32_error: { input_ids: 1e-6 } },
      "unused",
      "expected.json: pytorch_float32_error: expected input_ids to be an F32 output, got an input",
    ],
    [
      "errors that are a text",
      { pytorch_float32_error: "none" },
      "bad-value",
      'expected.json: expected pytorch_float32_error to be an object, got "none"',
    ],
    ["an error that is a text", { pytorch_float32_error: { logits: "1e-6" } }, "bad-value", `${tooLarge} "1e-6"`],
    ["an error below 0", { pytorch_float32_error: { logits: -1 } }, "bad-value", `${tooLarge} -1`],
    ["an error that hides others", { pytorch_float32_error: { logits: 1e9 } }, "bad-value", `${tooLarge} 1000000000`],
    ["an error at the limit", { pytorch_float32_error: { logits: 0.001 } }, "bad-value", `${tooLarge} 0.001`],
    [
      "an end that is no id",
      { eos_token_id_of_greedy_eos_and_beam3_eos: "2" },
      "bad-value",
      'expected.json: expected eos_token_id_of_greedy_eos_and_beam3_eos to be a token id, got "2"',
    ],
    [
      "generations that are a list",
      { generation: [] },
      "bad-value",
      "expected.json: expected generation to be an object, got []",
    ],
    [
      "a kind that is a list",
      { kind: ["decoder"] },
      "unknown-kind",
      "expected.json: expected kind to be one of encoder, masked-lm, token-classification, sequence-classification, " +
        'decoder, encoder-decoder, got ["decoder"]',
    ],
  ])("%s is refused", async (_, changes, code, message) => {
    await expect(replayFacts("gpt2-unscaled", changes)).rejects.toEqual(failing(code, message));
  });

  test("an end in an encoder's folder is refused", async () => {
    for (const [key, value] of Object.entries({ eos_token_id_of_greedy_eos_and_beam3_eos: 1 })) {
      await expect(replayFacts("bert-base-model", { [key]: value })).rejects.toEqual(
        failing("unused", `expected.json: expected facts of an encoder, got ${key}`),
      );
    }
  });

  test("what tells how it was made is replayed", async () => {
    const told = {
      note: "ours",
      torch: "2",
      machine: "x",
      python: "3",
      eos_token_id_of_greedy_eos_and_beam3_eos: null,
    };
    expect(failedOf(await replayFacts("gpt2-unscaled", { ...told }))).not.toContain("logits");
    const sentence = { ...told, generation: "none" };
    expect(failedOf(await replayFacts("bert-base-model", sentence))).toEqual([]);
  });

  test("a misspelt key fails by what it leaves uncomputed", async () => {
    const rename = ({ generation, ...facts }: Record<string, unknown>) => ({ ...facts, generations: generation });
    const withoutPrompts = (tensors: Tensors) => {
      for (const name of tensors.keys()) if (name.startsWith("prompt.")) tensors.delete(name);
    };
    const { comparisons } = await replayChanged("gpt2-odd", withoutPrompts, rename);
    expect(comparisons.find(({ name }) => name === "generated.prompt_9_greedy")).toMatchObject({ holds: false });
  });

  test("a row that is none, or that a prompt stands for, is refused", async () => {
    const name = "prompt_9_greedy";
    const replayRow = (row: unknown, change: (tensors: Tensors) => void) =>
      replayChanged("gpt2-odd", change, ({ generation, ...facts }) => {
        const options = { ...(generation as Record<string, object>)[name], row };
        return { ...facts, generation: { ...(generation as object), [name]: options } };
      });
    const takePrompt = (tensors: Tensors) => {
      tensors.delete(`prompt.${name}`);
    };
    for (const [row, shown] of [
      ["0", '"0"'],
      [2, "2"],
      [-1, "-1"],
      [0.5, "0.5"],
      [null, "null"],
    ]) {
      await expect(replayRow(row, takePrompt)).rejects.toEqual(
        failing(
          "bad-value",
          `expected.json: expected generation.${name}.row to be a whole number from 0 to 1, got ${shown}`,
        ),
      );
    }
    await expect(replayRow(0, () => {})).rejects.toEqual(
      failing("unused", `expected.json: generation.${name}: expected a row or the tensor prompt.${name}, got both`),
    );
    expect(failedOf(await replayRow(1, takePrompt))).toEqual([`generated.${name}`]);
  });
});

describe("expected.safetensors with", () => {
  const unread = (kind: string, name: string) =>
    `expected.safetensors: expected inputs that a model of kind ${kind} and its generations read, got ${name}`;
  const shaped = (name: string, wanted: string, got: string) =>
    `expected.safetensors: expected ${name} of shape ${wanted}, got ${got}`;
  const base = "bert-base-model";
  test.each<[string, string, string, readonly number[][], string, string]>([
    [
      "a prompt that no generation names",
      "gpt2-odd",
      "prompt.bogus",
      [[3, 4]],
      "unused",
      unread("decoder", "prompt.bogus"),
    ],
    [
      "ids of a decoder for an encoder",
      base,
      "decoder_input_ids",
      [[3]],
      "unused",
      unread("encoder", "decoder_input_ids"),
    ],
    [
      "types of tokens for a decoder",
      "gpt2-odd",
      "token_type_ids",
      [[0]],
      "unused",
      unread("decoder", "token_type_ids"),
    ],
    [
      "types of tokens for an encoder and decoder",
      "t5-odd",
      "token_type_ids",
      [[0]],
      "unused",
      unread("encoder-decoder", "token_type_ids"),
    ],
    [
      "a prompt of two rows",
      "gpt2-odd",
      "prompt.prompt_1_greedy",
      [[3], [4]],
      "bad-shape",
      shaped("prompt.prompt_1_greedy", "[1, positions]", "[2, 1]"),
    ],
    [
      "types for fewer rows",
      base,
      "token_type_ids",
      [row(11).map(() => 0)],
      "bad-shape",
      shaped("token_type_ids", "[3, 11]", "[1, 11]"),
    ],
    [
      "types for fewer positions",
      base,
      "token_type_ids",
      [[0], [0], [0]],
      "bad-shape",
      shaped("token_type_ids", "[3, 11]", "[3, 1]"),
    ],
    [
      "a mask for fewer rows",
      base,
      "attention_mask",
      [row(11).map(() => 1)],
      "bad-shape",
      shaped("attention_mask", "[3, 11]", "[1, 11]"),
    ],
    [
      "fewer answers than rows",
      "t5-odd",
      "decoder_input_ids",
      [[3]],
      "bad-shape",
      shaped("decoder_input_ids", "[2, positions]", "[1, 1]"),
    ],
  ])("%s is refused", async (_, name, tensor, rows, code, message) => {
    await expect(replayChanged(name, (tensors) => tensors.set(tensor, ids(rows)))).rejects.toEqual(
      failing(code, message),
    );
  });

  test("no rows at all is refused", async () => {
    const none = { ...ids([[1]]), shape: [0, 1], data: new Uint8Array(0) };
    await expect(replayChanged(base, (tensors) => tensors.set("input_ids", none))).rejects.toEqual(
      failing("bad-shape", shaped("input_ids", "[rows, positions]", "[0, 1]")),
    );
  });
});

test("a NaN is seen at every position that is no padding", async () => {
  const lengths = [11, 7, 4];
  const spoiled = (place: number) => (tensors: Tensors) => {
    tensors.set("attention_mask", ids(lengths.map((length) => row(11).map((_, index) => (index < length ? 1 : 0)))));
    const values = new Float32Array(Uint8Array.from(tensors.get("last_hidden_state")!.data).buffer);
    const [, , width] = tensors.get("last_hidden_state")!.shape;
    values[place * width + 1] = Number.NaN;
    tensors.set("last_hidden_state", { dtype: "F32", shape: [3, 11, width], data: bytesOf(values) });
  };
  for (const [at, length] of lengths.entries()) {
    for (const [position, counts] of [
      [0, true],
      [length - 1, true],
      [length, false],
    ] as const) {
      if (position === 11) continue;
      const { comparisons } = await replayChanged("bert-base-model", spoiled(at * 11 + position));
      const { worst } = comparisons.find(({ name }) => name === "last_hidden_state")!;
      expect(worst.includes("expected NaN"), `row ${at}, position ${position}`).toBe(counts);
    }
  }
});
