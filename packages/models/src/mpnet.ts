import { add, embedding, linear } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture, TD } from "./architecture.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import { headOptions, normalize, reserveNorm } from "./layers.ts";
import {
  postNormEncoder,
  readEncoder,
  reserveDenseClassifier,
  reserveMaskedLm,
  reserveTokenClassifier,
  reserveTokens,
} from "./post-norm-encoder.ts";
import { bucketBias } from "./relative-positions.ts";
import { paddedPositions, robertaMaskedLm } from "./roberta.ts";

/** Positions count from behind it, whatever pad_token_id is. */
const PAD = 1;

/**
 * BERT with RoBERTa's positions, a bias by distance that all layers share, and no token types.
 * @see transformers 5.18, models/mpnet/modeling_mpnet.py; Song et al., "MPNet", 2020
 */
export const mpnet: Architecture = {
  modelTypes: ["mpnet"],
  load(config, weights) {
    const checked = readEncoder(config);
    const { hiddenSize: D, intermediateSize: F, eps, layout, layers, labels } = checked;
    const count = config.integer("relative_attention_num_buckets", { min: 32 }, 32);
    if (checked.maxPositions < PAD + 2) throw config.bad("max_position_embeddings", `above ${PAD + 1}`);
    const model = weights.base("mpnet.", "embeddings.word_embeddings.weight");
    const { table: tokens, head } = reserveTokens(config, weights, model, robertaMaskedLm, checked);
    const table = model.scope("embeddings.");
    const positions = table.embedding("position_embeddings", [checked.maxPositions, D]);
    const norm = reserveNorm(table, "LayerNorm", D, eps);
    const stack = model.scope("encoder.");
    const biases = stack.embedding("relative_attention_bias", [count, layout.heads]);
    const blocks = Array.from({ length: stack.layersOf("layer.", layers) }, (_, layer) => {
      const block = stack.scope(`layer.${layer}.`);
      return {
        qkv: block.scope("attention.attn.").linear({ q: D, k: D, v: D }, D, { bias: true, leastBits: 8 }),
        output: block.linear({ "attention.attn.o": D }, D, { bias: true, leastBits: 8 }),
        attentionNorm: reserveNorm(block, "attention.LayerNorm", D, eps),
        up: block.linear({ "intermediate.dense": F }, D, { bias: true }),
        down: block.linear({ "output.dense": D }, F, { bias: true }),
        outputNorm: reserveNorm(block, "output.LayerNorm", D, eps),
      };
    });
    const pool = model.has("pooler.dense.weight") ? model.linear({ "pooler.dense": D }, D, headOptions) : undefined;
    const heads = {
      pooler: pool && ((first: TD) => linear(first, pool, { activation: "tanh" })),
      maskedLm: head && reserveMaskedLm(weights, robertaMaskedLm, head, D, { eps, activation: "gelu" }),
      sequenceClassification: weights.has("classifier.out_proj.weight")
        ? reserveDenseClassifier(weights, D, labels, "tanh")
        : undefined,
      tokenClassification: weights.has("classifier.weight") ? reserveTokenClassifier(weights, D, labels) : undefined,
    };
    const contextLength = checked.maxPositions - PAD - 1;
    // The reference counts 32 buckets for MPNet's biases, whatever the table has.
    const buckets = { count: 32, maxDistance: 128, bidirectional: true };
    return postNormEncoder({
      ...{ ...checked, modelType: "mpnet", contextLength, typeVocabSize: 0, heads, blocks },
      embed(ids, batch) {
        const places = paddedPositions(batch, PAD);
        return normalize(add(embedding(ids, tokens), embedding(places, positions)), norm);
      },
      bias: ({ runtime }, longest) => bucketBias(runtime, biases, buckets, longest),
    });
  },
  harmless: (name) => /(^|\.)position_ids$|^lm_head\.|^(mpnet\.)?pooler\.|^classifier\.|^qa_outputs\./.test(name),
  tokenizers: bertFormats,
  tasks: encoderTasks,
};
