"""ONNX graphs of each family, as exporters for ONNX Runtime write them.

One matrix product for each linear layer, attention as one operator (MultiHeadAttention, GroupQueryAttention with the cache as
input and output), erf as PyTorch's exporter spells it, and logits of the last position only. B texts, T new positions, S cached plus
new positions, D width, H query heads, K key/value heads, E head width.
"""

import numpy as np
from graph import Graph
from onnx import TensorProto

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


def bert(config, tensors):
    D, H, eps = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]
    g = Graph(tensors)
    ids = g.input("input_ids", INT64, ["batch_size", "T"])
    types = g.input("token_type_ids", INT64, ["batch_size", "T"])
    embeddings = "embeddings.{}_embeddings.weight"
    positions = g.op("Slice", g.weight(embeddings.format("position")), g.ints(0), g.size(ids, 1), g.ints(0))
    x = g.op("Gather", g.weight(embeddings.format("word")), ids)
    x = g.op("Add", x, g.op("Gather", g.weight(embeddings.format("token_type")), types))
    x = g.layer_norm(g.op("Add", x, positions), "embeddings.LayerNorm", eps)
    for layer in range(config["num_hidden_layers"]):
        block = f"encoder.layer.{layer}"
        q, k, v = (g.linear(x, f"{block}.attention.self.{name}") for name in ("query", "key", "value"))
        attended = g.contrib("MultiHeadAttention", q, k, v, num_heads=H)
        attended = g.linear(attended, f"{block}.attention.output.dense")
        x = g.layer_norm(g.op("Add", attended, x), f"{block}.attention.output.LayerNorm", eps)
        inner = erf_gelu(g, g.linear(x, f"{block}.intermediate.dense"))
        x = g.layer_norm(g.op("Add", g.linear(inner, f"{block}.output.dense"), x), f"{block}.output.LayerNorm", eps)
    g.output("last_hidden_state", x, FLOAT, ["batch_size", "T", D])
    return {"model": g}


def erf_gelu(g, x):
    """As PyTorch's exporter spells it; ONNX Runtime makes one operator of it."""
    half, one, root = (g.constant(np.array(value, np.float32)) for value in (0.5, 1, 2**0.5))
    y = g.op("Add", g.op("Erf", g.op("Div", x, root)), one)
    return g.op("Mul", g.op("Mul", x, y), half)


class Cache:
    """Ids, a mask over all positions, and keys and values of each layer, in and out, as transformers.js names them."""

    def __init__(self, g, heads, width):
        self.g, self.shape = g, ["batch_size", heads, "P", width]
        self.ids = g.input("input_ids", INT64, ["batch_size", "T"])
        mask = g.input("attention_mask", INT64, ["batch_size", "S"])
        count = g.op("ReduceSum", mask, g.ints(1), keepdims=0)
        self.lengths = g.op("Cast", g.op("Sub", count, g.ints(1)), to=INT32)
        self.total = g.op("Cast", g.op("Squeeze", g.size(mask, 1)), to=INT32)
        self.begin = g.op("Sub", g.size(mask, 1), g.size(self.ids, 1))
        self.end = g.size(mask, 1)
        self.presents = []

    def attention(self, q, k, v, layer, heads, rotary=(), **attributes):
        past = [self.g.input(f"past_key_values.{layer}.{name}", FLOAT, self.shape) for name in ("key", "value")]
        inputs = [q, k, v, *past, self.lengths, self.total, *rotary]
        kinds = {"num_heads": heads, "kv_num_heads": self.shape[1], "do_rotary": int(bool(rotary)), **attributes}
        y, key, value = self.g.contrib("GroupQueryAttention", *inputs, outputs=3, **kinds)
        self.presents += [(f"present.{layer}.key", key), (f"present.{layer}.value", value)]
        return y

    def finish(self, logits, vocabulary):
        self.g.output("logits", logits, FLOAT, ["batch_size", 1, vocabulary])
        batch, heads, _, width = self.shape
        for name, value in self.presents:
            self.g.output(name, value, FLOAT, [batch, heads, "S", width])


def gpt2(config, tensors):
    D, H, eps = config["n_embd"], config["n_head"], config["layer_norm_epsilon"]
    g = Graph(tensors)
    cache = Cache(g, H, D // H)
    positions = g.op("Slice", g.weight("wpe.weight"), cache.begin, cache.end, g.ints(0))
    x = g.op("Add", g.op("Gather", g.weight("wte.weight"), cache.ids), positions)
    for layer in range(config["n_layer"]):
        block = f"h.{layer}"
        qkv = g.linear(g.layer_norm(x, f"{block}.ln_1", eps), f"{block}.attn.c_attn", transposed=False)
        q, k, v = g.op("Split", qkv, g.ints(D, D, D), outputs=3, axis=2)
        x = g.op("Add", g.linear(cache.attention(q, k, v, layer, H), f"{block}.attn.c_proj", transposed=False), x)
        inner = g.linear(g.layer_norm(x, f"{block}.ln_2", eps), f"{block}.mlp.c_fc", transposed=False)
        x = g.op("Add", g.linear(g.contrib("FastGelu", inner), f"{block}.mlp.c_proj", transposed=False), x)
    x = g.layer_norm(g.last(x), "ln_f", eps)
    cache.finish(g.op("MatMul", x, g.weight("wte.weight", True)), config["vocab_size"])
    return {"model": g}


def llama(config, tensors):
    D, eps, P = config["hidden_size"], config["rms_norm_eps"], config["max_position_embeddings"]
    H, K = config["num_attention_heads"], config["num_key_value_heads"]
    g = Graph(tensors)
    cache = Cache(g, K, D // H)
    frequencies = config["rope_theta"] ** (-np.arange(0, D // H, 2) / (D // H))
    angles = np.outer(np.arange(P), frequencies)
    rotary = [g.constant(f(angles).astype(np.float32)) for f in (np.cos, np.sin)]
    x = g.op("Gather", g.weight("model.embed_tokens.weight"), cache.ids)
    for layer in range(config["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        inner = g.rms_norm(x, f"{block}.input_layernorm", eps)
        q, k, v = (g.linear(inner, f"{block}.self_attn.{name}_proj") for name in "qkv")
        attended = cache.attention(q, k, v, layer, H, rotary, rotary_interleaved=0)
        x = g.op("Add", x, g.linear(attended, f"{block}.self_attn.o_proj"))
        inner = g.rms_norm(x, f"{block}.post_attention_layernorm", eps)
        gate = g.linear(inner, f"{block}.mlp.gate_proj")
        gate = g.op("Mul", gate, g.op("Sigmoid", gate))
        x = g.op(
            "Add", x, g.linear(g.op("Mul", gate, g.linear(inner, f"{block}.mlp.up_proj")), f"{block}.mlp.down_proj")
        )
    x = g.rms_norm(g.last(x), "model.norm", eps)
    cache.finish(g.op("MatMul", x, g.weight("model.embed_tokens.weight", True)), config["vocab_size"])
    return {"model": g}


def t5(config, tensors):
    """An encoder that also makes the keys and values the decoder looks at, and a decoder with its cache."""
    D, H, eps, L = config["d_model"], config["num_heads"], config["layer_norm_epsilon"], config["num_layers"]
    E, most = config["d_kv"], 256

    def attend(g, q, keys, values, bias=None):
        scores = g.op("MatMul", q, g.op("Transpose", keys, perm=[0, 1, 3, 2]))
        weights = g.op("Softmax", g.op("Add", scores, bias) if bias else scores, axis=-1)
        return g.op(
            "Reshape", g.op("Transpose", g.op("MatMul", weights, values), perm=[0, 2, 1, 3]), g.ints(0, 0, H * E)
        )

    def feed_forward(g, x, block):
        inner = g.op("Relu", g.linear(g.rms_norm(x, f"{block}.layer_norm", eps), f"{block}.DenseReluDense.wi"))
        return g.op("Add", x, g.linear(inner, f"{block}.DenseReluDense.wo"))

    def bias_table(g, side):
        table = tensors[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        distances = np.arange(most)[None, :] - np.arange(most)[:, None]
        return g.constant(
            table[t5_buckets(distances, config, side == "encoder")].transpose(2, 0, 1)[None].astype(np.float32)
        )

    g = Graph(tensors)
    ids = g.input("input_ids", INT64, ["batch_size", "T"])
    x = g.op("Gather", g.weight("shared.weight"), ids)
    length = g.size(ids, 1)
    end = g.op("Concat", length, length, axis=0)
    bias = g.op("Slice", bias_table(g, "encoder"), g.ints(0, 0), end, g.ints(2, 3))
    for layer in range(L):
        block = f"encoder.block.{layer}.layer"
        inner = g.rms_norm(x, f"{block}.0.layer_norm", eps)
        q, k, v = (g.heads(g.linear(inner, f"{block}.0.SelfAttention.{name}"), H) for name in "qkv")
        x = g.op("Add", x, g.linear(attend(g, q, k, v, bias), f"{block}.0.SelfAttention.o"))
        x = feed_forward(g, x, f"{block}.1")
    x = g.rms_norm(x, "encoder.final_layer_norm", eps)
    g.output("last_hidden_state", x, FLOAT, ["batch_size", "T", D])
    for layer in range(L):
        for name, part in (("key", "k"), ("value", "v")):
            made = g.heads(g.linear(x, f"decoder.block.{layer}.layer.1.EncDecAttention.{part}"), H)
            g.output(f"present.{layer}.encoder.{name}", made, FLOAT, ["batch_size", H, "T", E])
    encoder = g

    g = Graph(tensors)
    ids = g.input("input_ids", INT64, ["batch_size", "T"])
    x = g.op("Gather", g.weight("shared.weight"), ids)
    presents = []
    for layer in range(L):
        block = f"decoder.block.{layer}.layer"
        past = {
            (side, name): g.input(f"past_key_values.{layer}.{side}.{name}", FLOAT, ["batch_size", H, axis, E])
            for side, axis in (("decoder", "P"), ("encoder", "S"))
            for name in ("key", "value")
        }
        if layer == 0:
            begin = g.size(past["decoder", "key"], 2)
            total = g.op("Add", begin, g.size(ids, 1))
            ends = g.op("Concat", total, total, axis=0)
            begins = g.op("Concat", begin, g.ints(0), axis=0)
            bias = g.op("Slice", bias_table(g, "decoder"), begins, ends, g.ints(2, 3))
        inner = g.rms_norm(x, f"{block}.0.layer_norm", eps)
        q, k, v = (g.heads(g.linear(inner, f"{block}.0.SelfAttention.{name}"), H) for name in "qkv")
        k = g.op("Concat", past["decoder", "key"], k, axis=2)
        v = g.op("Concat", past["decoder", "value"], v, axis=2)
        presents += [(f"present.{layer}.decoder.key", k), (f"present.{layer}.decoder.value", v)]
        x = g.op("Add", x, g.linear(attend(g, q, k, v, bias), f"{block}.0.SelfAttention.o"))
        inner = g.rms_norm(x, f"{block}.1.layer_norm", eps)
        q = g.heads(g.linear(inner, f"{block}.1.EncDecAttention.q"), H)
        attended = attend(g, q, past["encoder", "key"], past["encoder", "value"])
        x = g.op("Add", x, g.linear(attended, f"{block}.1.EncDecAttention.o"))
        x = feed_forward(g, x, f"{block}.2")
    x = g.rms_norm(g.last(x), "decoder.final_layer_norm", eps)
    scaled = g.op("Mul", x, g.constant(np.array(D**-0.5, np.float32)))
    g.output(
        "logits",
        g.op("MatMul", scaled, g.weight("shared.weight", True)),
        FLOAT,
        ["batch_size", 1, config["vocab_size"]],
    )
    for name, value in presents:
        g.output(name, value, FLOAT, ["batch_size", H, "U", E])
    return {"encoder_model": encoder, "decoder_with_past_model": g}


def t5_buckets(distances, config, both):
    """As transformers 5.18, T5Attention._relative_position_bucket."""
    count, longest = config["relative_attention_num_buckets"], config["relative_attention_max_distance"]
    result = np.zeros_like(distances)
    if both:
        count //= 2
        result += (distances > 0) * count
        distances = np.abs(distances)
    else:
        distances = -np.minimum(distances, 0)
    exact = count // 2
    with np.errstate(divide="ignore"):
        large = np.log(distances / exact, dtype=np.float32) / np.float32(np.log(longest / exact)) * (count - exact)
    large = np.minimum(exact + np.where(distances < exact, 0, large).astype(np.int64), count - 1)
    return result + np.where(distances < exact, distances, large)
