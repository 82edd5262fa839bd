"""The model: a Llama that reads letters and writes one token a letter, and the folder it is stored in.

Sequence: letters from last to first, <sos>, tokens, <eos>. Positions of letters go down by one; those of <sos> and the
tokens go up, so that what writes a token is LETTER_DISTANCE after the token's letter in words of any length: rotary
attention finds one from the other at once (README.md, "Order and positions").

Dimensions: B words, N letters of each, T positions, V vocabulary.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from align import SILENT
from data import LETTERS

SPECIALS = ["<pad>", "<unk>", "<sos>", "<eos>"]
PAD, UNK, SOS, EOS = range(4)
LETTER_DISTANCE = 40
POSITIONS = 128


def vocabulary(languages: list[str], phones: list[str], groups: list[str]) -> dict[str, int]:
    """Token to id, as vocab.json has it; a letter and a phone that are written alike are one token."""
    letters = sorted({letter for language in languages for letter in LETTERS[language]})
    tokens = dict.fromkeys([*SPECIALS, *letters, SILENT, *phones, *groups])
    return {token: id for id, token in enumerate(tokens)}


def llama_config(settings: dict, vocab_size: int) -> dict:
    """config.json of the model that settings (of train.py) describe."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": settings["hidden"],
        "intermediate_size": settings["ff"],
        "num_hidden_layers": settings["layers"],
        "num_attention_heads": settings["heads"],
        "num_key_value_heads": settings["kv_heads"],
        "head_dim": settings["head_dim"],
        "vocab_size": vocab_size,
        "max_position_embeddings": POSITIONS,
        "letter_distance": LETTER_DISTANCE,
        "rms_norm_eps": 1e-5,
        "rope_theta": settings["rope_theta"],
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": SOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "torch_dtype": "float32",
    }


def build(config: dict, initial_std: float = 0.06) -> LlamaForCausalLM:
    """A new model; what writes into the residual begins smaller the more layers there are."""
    rope = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    model = LlamaForCausalLM(LlamaConfig(**config, rope_parameters=rope, initializer_range=initial_std))
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.data /= math.sqrt(2 * config["num_hidden_layers"])
    return model


def prompt(spelling: str, vocab: dict[str, int], distance: int | None) -> list[int]:
    """Ids of a word's letters, last to first, and <sos>; a model without a letter distance reads first to last."""
    letters = spelling if distance is None else spelling[::-1]
    return [vocab.get(letter, UNK) for letter in letters] + [SOS]


def positions(count: int, letters: int, distance: int | None, device=None) -> Tensor:
    """Positions [count] of a sequence that begins with so many letters."""
    index = torch.arange(count, device=device)
    if distance is None:
        return index
    return torch.where(index < letters, distance - 1 - index, 2 * (distance - letters) + index)


def distance_of(model: LlamaForCausalLM) -> int | None:
    """The letter distance of a model's config."""
    return getattr(model.config, "letter_distance", None)


def logits(model: LlamaForCausalLM, ids: Tensor, letters: int, first: int) -> Tensor:
    """Logits [B, T - first, V] from position `first` on, of ids [B, T] that begin with so many letters."""
    at = positions(ids.shape[1], letters, distance_of(model), ids.device)
    # The mask says that positions which do not go up by one are still one sequence.
    hidden = model.model(
        input_ids=ids, position_ids=at.expand_as(ids), attention_mask=torch.ones_like(ids), use_cache=False
    ).last_hidden_state
    return model.lm_head(hidden[:, first:])


def save(folder: Path, config: dict, weights: dict[str, Tensor], vocab: dict[str, int], dtype=torch.float32) -> None:
    """Writes config.json, model.safetensors and vocab.json."""
    folder.mkdir(parents=True, exist_ok=True)
    config = config | {"torch_dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, indent=0) + "\n", encoding="utf8")
    tensors = {name: w.to("cpu", dtype).contiguous() for name, w in weights.items() if name != "lm_head.weight"}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def load(folder: Path, device="cpu") -> tuple[LlamaForCausalLM, dict[str, int]]:
    """A folder's model, in float32, and vocabulary; one whose config has no letter_distance is a plain Llama."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    return model, json.loads((folder / "vocab.json").read_text(encoding="utf8"))
