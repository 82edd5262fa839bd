import { embedding, type Forward, gatherRows, OptionError } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderBatch, TD } from "./architecture.ts";
import { embedBatch } from "./embedding/embed.ts";
import { arrangeFiles, readModules } from "./embedding/modules.ts";
import { encoderStates } from "./pipeline/encoder-forwards.ts";

/** What model2vec's configs have, and other code reads or nobody needs. */
const elsewhere =
  `normalize max_length embedding_dtype vocabulary_quantization hidden_dim seq_length tokenizer_name apply_pca
  apply_zipf sif_coefficient token_remove_pattern pooling`.split(/\s+/);

/**
 * A table with a vector for each token, and no layer: sentence-transformers' StaticEmbedding, and model2vec.
 * @see sentence-transformers 6.2, sentence_transformer/modules/static_embedding.py; model2vec 0.10, model.py
 */
export const staticEmbedding: Architecture = {
  modelTypes: ["model2vec", "static-embedding"],
  load(config, weights) {
    const modelType = config.oneOf("model_type", { model2vec: "model2vec", "static-embedding": "static-embedding" });
    config.ignore(...elsewhere);
    const name = weights.has("embeddings") ? "embeddings" : "embedding";
    const [rows = 1, hiddenSize = 1] = weights.shapeOf(name) ?? weights.shapeOf(`${name}.weight`) ?? [];
    const table = weights.embedding(name, [rows, hiddenSize], { leastBits: 8 });
    // Of a table whose rows several tokens share: which row each token has, and what it is multiplied by.
    const vocabSize = weights.shapeOf("mapping")?.[0] ?? rows;
    weights.ignore((tensor) => tensor === "mapping" || tensor === "weights");
    return {
      kind: "encoder",
      modelType,
      vocabSize,
      hiddenSize,
      contextLength: 2 ** 31 - 1,
      layers: 0,
      // There is no work that texts could share: a batch is some hundred tokens, whose rows stay in the processor's cache.
      layerWork: 1e6,
      typeVocabSize: 0,
      heads: {},
      *forward({ runtime, ids, rows: wanted, observe }: EncoderBatch): Forward<TD> {
        const wrong = ids.find((row) => row >= rows);
        if (wrong !== undefined)
          throw new OptionError("bad-ids", `ids: expected rows from 0 to ${rows - 1}, got ${wrong}`);
        const x = embedding(runtime.upload(ids, [ids.length] as const), table);
        observe?.(0, x);
        yield;
        return wanted ? gatherRows(x, runtime.upload(wanted, [wanted.length] as const)) : x;
      },
    };
  },
  harmless: () => false,
  tokenizers: bertFormats,
  tasks: { arrangeFiles, readModules, embedBatch, hiddenStates: encoderStates },
};
