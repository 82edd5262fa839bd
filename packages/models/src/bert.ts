import { linearSteps, type Weights } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderHeads } from "./architecture.ts";
import type { ConfigReader } from "./config.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import { firstRows, headOptions } from "./layers.ts";
import {
  type EncoderConfig,
  hasClassifier,
  type MaskedLmNames,
  postNormEncoder,
  readEncoder,
  reserveBlocks,
  reserveEmbeddings,
  reserveMaskedLm,
  reservePooler,
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

function reserveHeads(config: ConfigReader, checked: EncoderConfig, weights: Weights, model: Weights): EncoderHeads {
  const { hiddenSize: D, labels } = checked;
  const pooler = reservePooler(model, D);
  if (!hasClassifier(weights, labels)) return { pooler };
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
    // ALBERT's and ELECTRA's, in files that were made from theirs.
    config.ignore("embedding_size");
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
