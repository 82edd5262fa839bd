"""GGUF files of decoders, for llama.cpp."""

import gguf
import numpy as np


def write_gguf(config, tensors, path, kind):
    writer = gguf.GGUFWriter(path, config["model_type"])
    V = config["vocab_size"]
    # wllama takes text: token i is a space and a word of four letters, which this pre-tokenizer looks up whole.
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(letters[i // 26**n % 26] for n in range(4)) for i in range(V)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([f"\u0120{word}" for word in words])
    writer.add_token_types([gguf.TokenType.NORMAL] * V)
    writer.add_token_merges(["a a"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_file_type(int(getattr(gguf.LlamaFileType, f"MOSTLY_{kind}")))
    {"llama": gguf_llama, "gpt2": gguf_gpt2}[config["model_type"]](
        writer, config, tensors, getattr(gguf.GGMLQuantizationType, kind)
    )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_add(writer, name, array, kind):
    if array.ndim == 1 or name == "position_embd.weight":
        return writer.add_tensor(name, array)
    writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)


def gguf_llama(writer, config, tensors, kind):
    D, H, K = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(D)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(H)
    writer.add_head_count_kv(K)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(D // H)
    gguf_add(writer, "token_embd.weight", tensors["model.embed_tokens.weight"], kind)
    gguf_add(writer, "output_norm.weight", tensors["model.norm.weight"], kind)
    names = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attn_output"}
    names |= {f"self_attn.{part}_proj": f"attn_{part}" for part in "qkv"}
    names |= {f"mlp.{part}_proj": f"ffn_{part}" for part in ("gate", "up", "down")}
    for layer in range(config["num_hidden_layers"]):
        for name, short in names.items():
            array = tensors[f"model.layers.{layer}.{name}.weight"]
            # llama.cpp turns pairs that lie side by side; checkpoints have halves.
            if short in ("attn_q", "attn_k"):
                heads = H if short == "attn_q" else K
                array = array.reshape(heads, 2, -1, D).swapaxes(1, 2).reshape(array.shape)
            gguf_add(writer, f"blk.{layer}.{short}.weight", array, kind)


def gguf_gpt2(writer, config, tensors, kind):
    D = config["n_embd"]
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(D)
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(4 * D)
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    gguf_add(writer, "token_embd.weight", tensors["wte.weight"], kind)
    gguf_add(writer, "position_embd.weight", tensors["wpe.weight"], kind)
    names = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output"}
    names |= {"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for part in ("weight", "bias"):
        gguf_add(writer, f"output_norm.{part}", tensors[f"ln_f.{part}"], kind)
        for layer in range(config["n_layer"]):
            for name, short in names.items():
                array = tensors[f"h.{layer}.{name}.{part}"]
                gguf_add(writer, f"blk.{layer}.{short}.{part}", np.ascontiguousarray(array.T), kind)
