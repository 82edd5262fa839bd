import { linear, linearSteps } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderHeads } from "./architecture.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import { activations, firstRows, headOptions, readHeads } from "./layers.ts";
import {
  type BlockNames,
  type MaskedLmNames,
  postNormEncoder,
  reserveBlocks,
  reserveEmbeddings,
  reserveMaskedLm,
  reserveTokenClassifier,
  reserveTokens,
} from "./post-norm-encoder.ts";
import { checkQuantization } from "./quantization-config.ts";

const EPS = 1e-12;
const names: BlockNames = {
  qkv: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
  output: "attention.out_lin",
  attentionNorm: "sa_layer_norm",
  up: "ffn.lin1",
  down: "ffn.lin2",
  outputNorm: "output_layer_norm",
};
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
    const { table, head } = reserveTokens(config, weights, model, maskedLm, { vocabSize, hiddenSize: D, tied });
    const embed = reserveEmbeddings({ maxPositions: contextLength, typeVocabSize: 0, eps: EPS }, model, table);
    const shape = { hiddenSize: D, intermediateSize: F, layers, eps: EPS };
    const blocks = reserveBlocks(shape, model.scope("transformer."), names);
    let sequenceClassification: EncoderHeads["sequenceClassification"];
    let tokenClassification: EncoderHeads["tokenClassification"];
    // Of checkpoints without a classifier nobody reads what the config says of labels.
    const has = (name: string) => weights.has(`${name}.weight`) && config.labels > 0;
    if (has("pre_classifier")) {
      const dense = weights.linear({ pre_classifier: D }, D, headOptions);
      const output = weights.linear({ classifier: config.labels }, D, headOptions);
      sequenceClassification = (x, batch) =>
        linearSteps(linear(firstRows(x, batch), dense, { activation: "relu" }), output);
    } else if (has("classifier")) {
      tokenClassification = reserveTokenClassifier(weights, D, config.labels);
    }
    const lm = head && reserveMaskedLm(weights, maskedLm, head, D, { eps: EPS, activation });
    return postNormEncoder({
      ...{ modelType: "distilbert", vocabSize, hiddenSize: D, contextLength, typeVocabSize: 0 },
      ...{ layout, activation, embed, blocks },
      heads: { maskedLm: lm, sequenceClassification, tokenClassification },
    });
  },
  harmless: (name) => /(^|\.)position_ids$|^vocab_|^(pre_)?classifier\.|^qa_outputs\./.test(name),
  tokenizers: bertFormats,
  tasks: encoderTasks,
};
