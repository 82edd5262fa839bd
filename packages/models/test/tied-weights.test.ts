// The table of tokens and the output layer as files have them: both, one that is both by either name, or one too few.
import { join } from "node:path";
import { WeightError } from "@kiloformer/core";
import { describe, expect, test } from "vitest";
import type { ForwardOptions } from "../src/index.ts";
import { fixtures, openChanged as open, type Stored, type Tensors } from "./open.ts";
import { readJson } from "./shared.ts";

const ids = [3, 7, 5, 9, 20];

async function logitsOf(
  folder: string,
  {
    config = {},
    tensors = () => {},
    input = ids,
    ...options
  }: ForwardOptions & { config?: object; tensors?: (tensors: Tensors) => void; input?: number[] } = {},
): Promise<Float32Array> {
  const pipeline = await open(folder, config, tensors);
  const logits = await pipeline.logits(input, options);
  await pipeline.dispose();
  return logits;
}

const vocabSizeOf = (folder: string): number => readJson(join(fixtures, folder, "config.json")).vocab_size;

/** The same tensor, last row first. */
function reversed({ dtype, shape, data }: Stored): Stored {
  const bytes = data.length / shape[0];
  const rows = Array.from({ length: shape[0] }, (_, row) => data.subarray(row * bytes, (row + 1) * bytes));
  return { dtype, shape, data: Buffer.concat(rows.reverse()) };
}

/** The logits of each position, last token first. */
function reversedLogits(logits: Float32Array, vocabSize: number): Float32Array {
  return logits.map((_, index) => logits[index - (index % vocabSize) + vocabSize - 1 - (index % vocabSize)]);
}

const rename = (from: string, to: string) => (tensors: Tensors) => {
  tensors.set(to, tensors.get(from)!);
  tensors.delete(from);
};

const maskedLm: [folder: string, table: string, decoder: string, bias: string][] = [
  ["bert-masked-lm-tied", "bert.embeddings.word_embeddings", "cls.predictions.decoder", "cls.predictions.bias"],
  ["camembert-masked-lm", "roberta.embeddings.word_embeddings", "lm_head.decoder", "lm_head.bias"],
  ["distilbert-masked-lm", "distilbert.embeddings.word_embeddings", "vocab_projector", "vocab_projector.bias"],
  ["electra-masked-lm", "electra.embeddings.word_embeddings", "generator_lm_head", "generator_lm_head.bias"],
  ["mpnet-masked-lm", "mpnet.embeddings.word_embeddings", "lm_head.decoder", "lm_head.bias"],
  ["modernbert-masked-lm", "model.embeddings.tok_embeddings", "decoder", "decoder.bias"],
];

describe.each(maskedLm)("%s", (folder, table, decoder, bias) => {
  test.each([{ tie_word_embeddings: true }, { tie_word_embeddings: undefined }, { tie_word_embeddings: false }])(
    "takes the file's own output layer, and the bias beside it, with %j",
    async (config) => {
      const tensors = (all: Tensors) => {
        all.set(`${decoder}.weight`, reversed(all.get(`${table}.weight`)!));
        // Where the file has two biases, it is the output layer's.
        all.set(`${decoder}.bias`, reversed(all.get(bias)!));
      };
      const expected = reversedLogits(await logitsOf(folder), vocabSizeOf(folder));
      expect(await logitsOf(folder, { config, tensors })).toEqual(expected);
    },
  );

  test("of a tied table takes the output layer's bias before the head's", async () => {
    const name = folder.startsWith("distil") || folder.startsWith("electra") ? bias : `${decoder}.bias`;
    const zeros = (all: Tensors) => all.set(name, { ...all.get(bias)!, data: new Uint8Array(4 * vocabSizeOf(folder)) });
    const plain = await logitsOf(folder);
    expect(await logitsOf(folder, { tensors: (all) => all.set(name, all.get(bias)!) })).toEqual(plain);
    expect(await logitsOf(folder, { tensors: zeros })).not.toEqual(plain);
  });

  test("opens a file that has the table by the output layer's name only", async () => {
    const tensors = rename(`${table}.weight`, `${decoder}.weight`);
    expect(await logitsOf(folder, { tensors })).toEqual(await logitsOf(folder));
    const opening = open(folder, { tie_word_embeddings: false }, tensors);
    await expect(opening).rejects.toMatchObject({ code: "missing", fields: { missing: [`${table}.weight`] } });
  });

  test("refuses an untied file without an output layer", async () => {
    const error = await open(folder, { tie_word_embeddings: false }, () => {}).catch((reason) => reason);
    expect(error).toBeInstanceOf(WeightError);
    expect(error).toMatchObject({ code: "missing", fields: { missing: [`${decoder}.weight`] } });
  });

  test.each(["SomeModel", "SomeForSequenceClassification"])(
    "but not of a %s: only the head is left out",
    async (name) => {
      const pipeline = await open(folder, { tie_word_embeddings: false, architectures: [name] }, () => {});
      await expect(pipeline.logits(ids)).rejects.toMatchObject({ code: "no-head" });
      expect((await pipeline.encode(ids)).length).toBeGreaterThan(0);
      await pipeline.dispose();
    },
  );
});

describe.each([
  ["gpt2-odd", "transformer.wte"],
  ["qwen2-tied-f16", "model.embed_tokens"],
  ["gemma3-odd", "model.embed_tokens"],
  ["t5-odd", "shared"],
])("%s", (folder, table) => {
  test("opens a file that has the table by the output layer's name only", async () => {
    const tensors = rename(`${table}.weight`, "lm_head.weight");
    expect(await logitsOf(folder, { tensors })).toEqual(await logitsOf(folder));
  });
});

describe("t5-odd", () => {
  const V = vocabSizeOf("t5-odd");
  const mirrored = (list: readonly number[]) => list.map((id) => V - 1 - id);
  const decoder_input_ids = [0, 5, 6];

  test("takes a decoder's own table", async () => {
    const own = (all: Tensors) => all.set("decoder.embed_tokens.weight", reversed(all.get("shared.weight")!));
    const expected = await logitsOf("t5-odd", { decoder_input_ids: mirrored(decoder_input_ids) });
    expect(await logitsOf("t5-odd", { tensors: own, decoder_input_ids })).toEqual(expected);
  });

  test("takes an encoder's own table", async () => {
    const own = (all: Tensors) => all.set("encoder.embed_tokens.weight", reversed(all.get("shared.weight")!));
    const expected = await logitsOf("t5-odd", { input: mirrored(ids), decoder_input_ids });
    expect(await logitsOf("t5-odd", { tensors: own, decoder_input_ids })).toEqual(expected);
  });

  test.each(["encoder", "decoder"])("takes the %s's table for all where it is the only one", async (name) => {
    const tensors = rename("shared.weight", `${name}.embed_tokens.weight`);
    expect(await logitsOf("t5-odd", { tensors, decoder_input_ids })).toEqual(
      await logitsOf("t5-odd", { decoder_input_ids }),
    );
  });

  test("takes three tables and an output layer as they are", async () => {
    const four = (all: Tensors) => {
      const shared = all.get("shared.weight")!;
      all.set("encoder.embed_tokens.weight", shared);
      all.set("decoder.embed_tokens.weight", shared);
      all.set("lm_head.weight", reversed(shared));
      all.set("shared.weight", reversed(shared));
    };
    const expected = reversedLogits(await logitsOf("t5-odd", { decoder_input_ids }), V);
    expect(await logitsOf("t5-odd", { tensors: four, decoder_input_ids })).toEqual(expected);
  });
});
