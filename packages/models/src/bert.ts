import { add, type EmbeddingWeight, embedding, linear, linearSteps, type Tensor, type Weights } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderBatch, EncoderHeads, TD } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import { firstRows, headOptions, normalize, positionsOf, reserveNorm } from "./layers.ts";
import {
  type EncoderConfig,
  type MaskedLmNames,
  postNormEncoder,
  readEncoder,
  reserveBlocks,
  reserveMaskedLm,
  reserveTokenClassifier,
  reserveTokens,
} from "./post-norm-encoder.ts";

const maskedLm: MaskedLmNames = {
  table: "embeddings.word_embeddings",
  dense: "cls.predictions.transform.dense",
  norm: "cls.predictions.transform.LayerNorm",
  decoder: "cls.predictions.decoder",
  bias: ["cls.predictions.decoder.bias", "cls.predictions.bias"],
};

/** Tokens, positions and which of two texts, summed and normalised: names and sums that BERT's relatives share. */
export function reserveEmbeddings(
  { maxPositions, typeVocabSize, eps }: EncoderConfig & { typeVocabSize: number },
  model: Weights,
  tokens: EmbeddingWeight,
  positions: (batch: EncoderBatch) => Tensor<readonly [T: number]> = positionsOf,
) {
  const width = tokens.shape[1];
  const weights = model.scope("embeddings.");
  const positionTable = weights.embedding("position_embeddings", [maxPositions, width]);
  const types = weights.embedding("token_type_embeddings", [typeVocabSize, width]);
  const norm = reserveNorm(weights, "LayerNorm", width, eps);
  return (ids: Tensor<readonly [T: number]>, batch: EncoderBatch): TD => {
    const kinds = batch.runtime.upload(batch.typeIds ?? new Int32Array(ids.shape[0]), ids.shape);
    const sum = add(embedding(ids, tokens), embedding(kinds, types));
    return normalize(add(sum, embedding(positions(batch), positionTable)), norm);
  };
}

function reserveHeads(config: ConfigReader, checked: EncoderConfig, weights: Weights, model: Weights): EncoderHeads {
  const { hiddenSize: D, labels } = checked;
  const dense = model.has("pooler.dense.weight") ? model.linear({ "pooler.dense": D }, D, headOptions) : undefined;
  const pooler = dense && ((first: TD) => linear(first, dense, { activation: "tanh" }));
  if (!weights.has("classifier.weight")) return { pooler };
  if (config.task === "TokenClassification") {
    return { pooler, tokenClassification: reserveTokenClassifier(weights, D, labels) };
  }
  const output = weights.linear({ classifier: labels }, D, headOptions);
  return { pooler, sequenceClassification: pooler && ((x, batch) => linearSteps(pooler(firstRows(x, batch)), output)) };
}

/**
 * @see transformers 5.18, models/bert/modeling_bert.py; Devlin et al., "BERT", 2019
 */
export const bert: Architecture = {
  modelTypes: ["bert"],
  load(config, weights) {
    const checked = { ...readEncoder(config), typeVocabSize: config.integer("type_vocab_size", {}, 2) };
    const model = weights.base("bert.", "embeddings.word_embeddings.weight");
    const { table, head } = reserveTokens(config, weights, model, maskedLm, checked);
    const embed = reserveEmbeddings(checked, model, table);
    const blocks = reserveBlocks(checked, model.scope("encoder."));
    const heads = reserveHeads(config, checked, weights, model);
    const lm = head && reserveMaskedLm(weights, maskedLm, head, checked.hiddenSize, checked);
    const facts = { modelType: "bert", contextLength: checked.maxPositions, heads: { ...heads, maskedLm: lm } };
    return postNormEncoder({ ...checked, ...facts, embed, blocks });
  },
  harmless: (name) => /(^|\.)position_ids$|^cls\.|^(bert\.)?pooler\.|^classifier\.|^qa_outputs\./.test(name),
  tokenizers: bertFormats,
  tasks: encoderTasks,
};
