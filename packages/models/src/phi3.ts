import type { Weights } from "@kiloformer/core";
import { allFormats } from "@kiloformer/tokenizers";
import type { Architecture } from "./architecture.ts";
import { decoderTasks } from "./decoder-tasks.ts";
import {
  type BlockWeights,
  isRotaryBuffer,
  type RotaryConfig,
  readContext,
  readRotary,
  readUniformPlans,
  readWindow,
  refuseBiases,
  reserveRotary,
  rotaryDecoder,
} from "./rotary-decoder.ts";
/**
 * Phi-3, Phi-3.5 and Phi-4 without experts or pictures: Llama whose projections are fused in the file. Long contexts turn by
 * other factors than short ones, so that a text that grows beyond the original context is computed anew.
 * @see transformers 5.18, models/phi3/modeling_phi3.py; Abdin et al., "Phi-3 Technical Report", 2024
 */
export const phi3: Architecture = {
  modelTypes: ["phi3"],
  load(config, weights) {
    const read = readRotary(config, { eps: 1e-5 });
    const original = config.integer("original_max_position_embeddings", {}, 4096);
    const { rope, ...shape } = readContext(config, read, 4096, {
      partial: 1,
      original,
      kinds: ["default", "longrope"],
      // What the first configs call it.
      aliases: { su: "longrope", yarn: "longrope" },
    });
    refuseBiases(config, "attention_bias", "mlp_bias", "lm_head_bias");
    config.ignore("embd_pdrop", "resid_pdrop", "full_attn_mod", "interpolate_factor");
    const window = readWindow(config);
    const reserved = reserveRotary(shape, weights, (block) => reserveFusedBlock(shape, block));
    const plans = readUniformPlans(config, shape.layers, rope, window);
    return rotaryDecoder({ ...shape, recomputesBeyond: rope.changesBeyond }, plans, reserved);
  },
  harmless: isRotaryBuffer,
  tokenizers: allFormats,
  tasks: decoderTasks,
};

function reserveFusedBlock(config: RotaryConfig, block: Weights): BlockWeights {
  const { hiddenSize: D, intermediateSize: F, layout } = config;
  const { heads, kvHeads, headWidth } = layout;
  const self = block.scope("self_attn.");
  const mlp = block.scope("mlp.");
  return {
    attentionNorm: block.vector("input_layernorm.weight", D),
    qkv: self.linear({ qkv_proj: (heads + 2 * kvHeads) * headWidth }, D, { leastBits: 8 }),
    output: self.linear({ o_proj: D }, heads * headWidth, { leastBits: 8 }),
    mlpNorm: block.vector("post_attention_layernorm.weight", D),
    gateUp: mlp.linear({ gate_up_proj: 2 * F }, D),
    down: mlp.linear({ down_proj: D }, F),
  };
}
