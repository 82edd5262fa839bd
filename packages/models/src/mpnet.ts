import { bertFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { encoderTasks } from "./encoder-tasks.ts";
import {
  type BlockNames,
  postNormEncoder,
  readEncoder,
  reserveBlocks,
  reserveEmbeddings,
  reserveTokens,
} from "./post-norm-encoder.ts";
import { bucketBias } from "./relative-positions.ts";
import { paddedPositions, reserveRobertaHeads, robertaMaskedLm } from "./roberta.ts";

const names: BlockNames = {
  qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
  output: "attention.attn.o",
  attentionNorm: "attention.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "output.LayerNorm",
};

/** Positions count from behind it, whatever pad_token_id is. */
const PAD = 1;

/**
 * BERT with RoBERTa's positions, a bias by distance that all layers share, and no token types.
 * @see transformers 5.18, models/mpnet/modeling_mpnet.py; Song et al., "MPNet", 2020
 */
export const mpnet: Architecture = {
  modelTypes: ["mpnet"],
  load(config, weights) {
    const checked = { ...readEncoder(config), typeVocabSize: 0 };
    const count = config.integer("relative_attention_num_buckets", { min: 32 }, 32);
    if (checked.maxPositions < PAD + 2) throw config.bad("max_position_embeddings", `above ${PAD + 1}`);
    const model = weights.base("mpnet.", "embeddings.word_embeddings.weight");
    const { table, head } = reserveTokens(config, weights, model, robertaMaskedLm, checked);
    const embed = reserveEmbeddings(checked, model, table, (batch) => paddedPositions(batch, PAD));
    const stack = model.scope("encoder.");
    const biases = stack.embedding("relative_attention_bias", [count, checked.layout.heads]);
    const blocks = reserveBlocks(checked, stack, names);
    const heads = reserveRobertaHeads(weights, model, head, checked);
    const contextLength = checked.maxPositions - PAD - 1;
    // The reference counts 32 buckets for MPNet's biases, whatever the table has.
    const biasOf = bucketBias({ count: 32, maxDistance: 128, bidirectional: true });
    return postNormEncoder({
      ...{ ...checked, modelType: "mpnet", contextLength, heads, embed, blocks },
      bias: ({ runtime }, longest) => biasOf(runtime, biases, longest),
    });
  },
  harmless: (name) => /(^|\.)position_ids$|^lm_head\.|^(mpnet\.)?pooler\.|^classifier\.|^qa_outputs\./.test(name),
  tokenizers: bertFormats,
  tasks: encoderTasks,
};
