import { add, embedding, linear, linearSteps } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderHeads } from "./architecture.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import { activations, firstRows, headOptions, normalize, positionsOf, readHeads, reserveNorm } from "./layers.ts";
import {
  type MaskedLmNames,
  postNormEncoder,
  reserveMaskedLm,
  reserveTokenClassifier,
  reserveTokens,
} from "./post-norm-encoder.ts";
import { checkQuantization } from "./quantization-config.ts";

const EPS = 1e-12;
const maskedLm: MaskedLmNames = {
  table: "embeddings.word_embeddings",
  dense: "vocab_transform",
  norm: "vocab_layer_norm",
  decoder: "vocab_projector",
  bias: ["vocab_projector.bias"],
};

/**
 * BERT with half the layers, no token types and no pooler.
 * @see transformers 5.18, models/distilbert/modeling_distilbert.py; Sanh et al., "DistilBERT", 2019
 */
export const distilbert: Architecture = {
  modelTypes: ["distilbert"],
  load(config, weights) {
    checkQuantization(config);
    config.ignore("dropout", "qa_dropout", "seq_classif_dropout");
    // The table is in the checkpoint, whichever way it was made.
    config.ignore("sinusoidal_pos_embds", "tie_weights_");
    const { hiddenSize: D, layout } = readHeads(config, "dim", "n_heads");
    const F = config.integer("hidden_dim");
    const layers = config.integer(config.nameOf("n_layers", "num_hidden_layers"));
    const vocabSize = config.integer("vocab_size");
    const contextLength = config.integer("max_position_embeddings");
    const activation = config.oneOf("activation", activations, "gelu");
    const model = weights.base("distilbert.", "embeddings.word_embeddings.weight");
    const tied = config.boolean("tie_word_embeddings", true);
    const vocabulary = reserveTokens(config, weights, model, maskedLm, { vocabSize, hiddenSize: D, tied });
    const { table: tokens, head } = vocabulary;
    const table = model.scope("embeddings.");
    const positions = table.embedding("position_embeddings", [contextLength, D]);
    const norm = reserveNorm(table, "LayerNorm", D, EPS);
    const stack = model.scope("transformer.");
    const blocks = Array.from({ length: stack.layersOf("layer.", layers) }, (_, layer) => {
      const block = stack.scope(`layer.${layer}.`);
      return {
        qkv: block.scope("attention.").linear({ q_lin: D, k_lin: D, v_lin: D }, D, { bias: true, leastBits: 8 }),
        output: block.linear({ "attention.out_lin": D }, D, { bias: true, leastBits: 8 }),
        attentionNorm: reserveNorm(block, "sa_layer_norm", D, EPS),
        up: block.linear({ "ffn.lin1": F }, D, { bias: true }),
        down: block.linear({ "ffn.lin2": D }, F, { bias: true }),
        outputNorm: reserveNorm(block, "output_layer_norm", D, EPS),
      };
    });
    let sequenceClassification: EncoderHeads["sequenceClassification"];
    let tokenClassification: EncoderHeads["tokenClassification"];
    if (weights.has("pre_classifier.weight")) {
      const dense = weights.linear({ pre_classifier: D }, D, headOptions);
      const output = weights.linear({ classifier: config.labels }, D, headOptions);
      sequenceClassification = (x, batch) =>
        linearSteps(linear(firstRows(x, batch), dense, { activation: "relu" }), output);
    } else if (weights.has("classifier.weight")) {
      tokenClassification = reserveTokenClassifier(weights, D, config.labels);
    }
    const lm = head && reserveMaskedLm(weights, maskedLm, head, D, { eps: EPS, activation });
    return postNormEncoder({
      ...{
        modelType: "distilbert",
        vocabSize,
        hiddenSize: D,
        contextLength,
        typeVocabSize: 0,
        layout,
        activation,
        blocks,
      },
      heads: { maskedLm: lm, sequenceClassification, tokenClassification },
      embed: (ids, batch) => normalize(add(embedding(ids, tokens), embedding(positionsOf(batch), positions)), norm),
    });
  },
  harmless: (name) => /(^|\.)position_ids$|^vocab_|^(pre_)?classifier\.|^qa_outputs\./.test(name),
  tokenizers: bertFormats,
  tasks: encoderTasks,
};
