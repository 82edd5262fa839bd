import type { LinearWeight, Weights } from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture, EncoderBatch, EncoderHeads } from "./architecture.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import {
  type EncoderConfig,
  type MaskedLmNames,
  postNormEncoder,
  readEncoder,
  reserveBlocks,
  reserveClassifiers,
  reserveEmbeddings,
  reserveMaskedLm,
  reservePooler,
  reserveTokens,
} from "./post-norm-encoder.ts";

/** RoBERTa's masked-language head; MPNet has the same. */
export const robertaMaskedLm: MaskedLmNames = {
  table: "embeddings.word_embeddings",
  dense: "lm_head.dense",
  norm: "lm_head.layer_norm",
  decoder: "lm_head.decoder",
  bias: ["lm_head.decoder.bias", "lm_head.bias"],
};

/** RoBERTa's heads; MPNet has the same. */
export function reserveRobertaHeads(
  weights: Weights,
  model: Weights,
  head: LinearWeight | undefined,
  { hiddenSize: D, eps, labels }: EncoderConfig,
): EncoderHeads {
  return {
    pooler: reservePooler(model, D),
    maskedLm: head && reserveMaskedLm(weights, robertaMaskedLm, head, D, { eps, activation: "gelu" }),
    ...reserveClassifiers(weights, D, labels, "tanh"),
  };
}

/** Positions count from `pad_token_id + 1` (-1 is none); a padding token within a text stands at `pad_token_id` and is not counted. */
export function paddedPositions({ runtime, ids, lengths }: EncoderBatch, padTokenId: number) {
  const positions = new Int32Array(ids.length);
  let row = 0;
  for (const length of lengths) {
    let position = padTokenId;
    for (const end = row + length; row < end; row++) positions[row] = ids[row] === padTokenId ? padTokenId : ++position;
  }
  return runtime.upload(positions, [ids.length] as const);
}

/**
 * RoBERTa, XLM-RoBERTa and CamemBERT: BERT with positions that begin behind the padding id, and other heads.
 * @see transformers 5.18, models/roberta/modeling_roberta.py; Liu et al., "RoBERTa", 2019
 */
export const roberta: Architecture = {
  modelTypes: ["roberta", "xlm-roberta", "camembert"],
  load(config, weights) {
    const checked = {
      ...readEncoder(config),
      typeVocabSize: config.integer("type_vocab_size", {}, 2),
    };
    const padTokenId = config.integer("pad_token_id", { min: -1, max: checked.vocabSize - 1 }, 1);
    if (checked.maxPositions < padTokenId + 2) {
      throw config.bad("max_position_embeddings", `above pad_token_id + 1, ${padTokenId + 1}`);
    }
    const model = weights.base("roberta.", "embeddings.word_embeddings.weight");
    const { table, head } = reserveTokens(config, weights, model, robertaMaskedLm, checked);
    const embed = reserveEmbeddings(checked, model, table, (batch) => paddedPositions(batch, padTokenId));
    const blocks = reserveBlocks(checked, model.scope("encoder."));
    const heads = reserveRobertaHeads(weights, model, head, checked);
    const contextLength = checked.maxPositions - padTokenId - 1;
    return postNormEncoder({ ...checked, modelType: config.modelType, contextLength, heads, embed, blocks });
  },
  harmless: (name) => /(^|\.)position_ids$|^lm_head\.|^(roberta\.)?pooler\.|^classifier\.|^qa_outputs\./.test(name),
  tokenizers: allFormats,
  tasks: encoderTasks,
};
