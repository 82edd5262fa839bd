"""The forward pass of training: what `model.logits` gives, with fewer and larger matrix products.

`transformers`' modules compute the same a fifth to a quarter slower on a CPU; train.py compares the two before it begins.
Dimensions: B words, N letters of each, T positions, H heads, E width of a head, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaForCausalLM

from model import distance_of, logits, positions

FORBIDDEN = -1e30


def quick_logits(model: LlamaForCausalLM, ids: Tensor, letters: int, dropout: float = 0.0) -> Tensor:
    """Logits [B, T - N, V] from `<sos>` on, of ids [B, T] that begin with N letters.

    @param dropout share of what embeddings, attention and feed-forward layers give that is set to 0 in training
    """
    config, layers = model.config, model.model.layers
    count, width = ids.shape[1], config.head_dim
    at = positions(count, letters, distance_of(model), ids.device)
    frequencies = config.rope_parameters["rope_theta"] ** (-torch.arange(0, width, 2, device=ids.device) / width)
    angles = at[:, None] * frequencies
    # A multiple of 16 rows multiplies faster.
    table = F.pad(model.model.embed_tokens.weight, (0, 0, 0, -config.vocab_size % 16))
    x = _drop(model, F.embedding(ids, table), dropout)
    for layer in layers:
        # Of the last layer only what follows the letters is wanted.
        first = letters if layer is layers[-1] else 0
        x = x[:, first:] + _drop(model, _attend(config, layer, x, angles, first), dropout)
        x = x + _drop(model, _feed(config, layer, x), dropout)
    x = F.rms_norm(x, (config.hidden_size,), model.model.norm.weight, config.rms_norm_eps)
    return (x @ table.t())[..., : config.vocab_size]


def check(model: LlamaForCausalLM, ids: Tensor, letters: int) -> None:
    """Raises AssertionError unless the two passes agree on these ids."""
    with torch.inference_mode():
        torch.testing.assert_close(quick_logits(model, ids, letters), logits(model, ids, letters, letters), rtol=1e-4, atol=1e-4)


def _drop(model: LlamaForCausalLM, x: Tensor, share: float) -> Tensor:
    return F.dropout(x, share, model.training) if share else x


def _attend(config, layer, x: Tensor, angles: Tensor, first: int) -> Tensor:
    """What attention gives [B, T - first, D], of x [B, T, D]."""
    batch, count = x.shape[:2]
    heads, groups, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    own, each = layer.self_attn, heads // groups
    h = F.rms_norm(x, (config.hidden_size,), layer.input_layernorm.weight, config.rms_norm_eps)
    if first:
        q = h[:, first:] @ own.q_proj.weight.t()
        k, v = (h @ torch.cat([own.k_proj.weight, own.v_proj.weight]).t()).chunk(2, -1)
    else:
        together = torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight])
        q, k, v = (h @ together.t()).split([heads * width, groups * width, groups * width], -1)
    # Heads that share keys are rows of one product.
    q = _rotate(q.view(batch, count - first, groups, each, width), angles[first:, None, None])
    q = q.permute(0, 2, 1, 3, 4).reshape(batch * groups, (count - first) * each, width)
    k, v = (t.view(batch, count, groups, width).transpose(1, 2).reshape(-1, count, width) for t in (k, v))
    k = _rotate(k, angles)
    mask = torch.full((count, count), FORBIDDEN, device=x.device).triu(1)[first:].repeat_interleave(each, 0)
    scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=width**-0.5).softmax(-1)
    out = (scores @ v).view(batch, groups, count - first, each, width).transpose(1, 2)
    return out.reshape(batch, count - first, heads * width) @ own.o_proj.weight.t()


def _rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions: halves of the last axis turned by the angles [..., E / 2]."""
    cos, sin = angles.cos(), angles.sin()
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _feed(config, layer, x: Tensor) -> Tensor:
    h = F.rms_norm(x, (config.hidden_size,), layer.post_attention_layernorm.weight, config.rms_norm_eps)
    gate, up = (h @ torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]).t()).chunk(2, -1)
    return (F.silu(gate) * up) @ layer.mlp.down_proj.weight.t()
