import type { RawConfig } from "kiloformer";

/** The sizes that say what a model is, under the names that the families use. */
const sizeKeys = `hidden_size n_embd d_model dim intermediate_size n_inner d_ff num_hidden_layers n_layer num_layers
  num_decoder_layers num_attention_heads n_head num_heads num_key_value_heads head_dim d_kv vocab_size
  max_position_embeddings n_positions sliding_window num_local_experts num_labels`.split(/\s+/);

/** `hidden_size 64, num_hidden_layers 2, ...` */
export function mainSizes(config: RawConfig): string {
  const known = sizeKeys.filter((key) => typeof config[key] === "number").map((key) => `${key} ${config[key]}`);
  return known.length > 0 ? known.join(", ") : "no sizes that are known here";
}
