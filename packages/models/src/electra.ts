import { linear } from "@kiloformer/core";
import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import {
  type MaskedLmNames,
  postNormEncoder,
  readEncoder,
  reserveBlocks,
  reserveClassifiers,
  reserveEmbeddings,
  reserveMaskedLm,
  reserveTokens,
} from "./post-norm-encoder.ts";

/** The generator's. */
const maskedLm: MaskedLmNames = {
  table: "embeddings.word_embeddings",
  dense: "generator_predictions.dense",
  norm: "generator_predictions.LayerNorm",
  decoder: "generator_lm_head",
  bias: ["generator_lm_head.bias"],
};

/**
 * BERT with embeddings of another width, and no pooler.
 * @see transformers 5.18, models/electra/modeling_electra.py; Clark et al., "ELECTRA", 2020
 */
export const electra: Architecture = {
  modelTypes: ["electra"],
  load(config, weights) {
    const checked = { ...readEncoder(config), typeVocabSize: config.integer("type_vocab_size", {}, 2) };
    const { hiddenSize: D, labels } = checked;
    const width = config.integer("embedding_size", {}, 128);
    config.ignore("summary_activation", "summary_last_dropout", "summary_type", "summary_use_proj", "generator_size");
    const model = weights.base("electra.", "embeddings.word_embeddings.weight");
    const { table, head } = reserveTokens(config, weights, model, maskedLm, { ...checked, hiddenSize: width });
    const embed = reserveEmbeddings(checked, model, table);
    const project = width === D ? undefined : model.linear({ embeddings_project: D }, width, { bias: true });
    const blocks = reserveBlocks(checked, model.scope("encoder."));
    const heads = {
      // Dense and norm have the width of the embeddings.
      maskedLm: head && reserveMaskedLm(weights, maskedLm, head, D, { eps: checked.eps, activation: "gelu" }),
      ...reserveClassifiers(weights, D, labels, "gelu"),
    };
    return postNormEncoder({
      ...checked,
      modelType: "electra",
      contextLength: checked.maxPositions,
      heads,
      blocks,
      embed(ids, batch) {
        const x = embed(ids, batch);
        return project ? linear(x, project) : x;
      },
    });
  },
  harmless: (name) =>
    /(^|\.)position_ids$|^(discriminator|generator)_|^classifier\.|^qa_outputs\.|^sequence_summary\./.test(name),
  tokenizers: bertFormats,
  tasks: encoderTasks,
};
