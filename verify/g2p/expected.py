"""What PyTorch says with the committed weights: their integers times their scales, computed in float32.

    python expected.py ../../packages/models/g2p expected.tsv --words 2000

For each word its IPA and the least difference between the two largest logits on the way, below which a rounding may decide.
`npm run verify` compares the runtime with it.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from data import DATA, read
from model import EOS, distance_of, logits, prompt


def dequantized(folder: Path) -> tuple[LlamaForCausalLM, dict[str, int]]:
    """The model of a folder that `kiloformer quantize --dtype q8` wrote, in float32."""
    config = json.loads((folder / "config.json").read_text())
    config.pop("quantization_config")
    stored = load_file(folder / "model.safetensors")
    weights = {}
    for name, tensor in stored.items():
        if not name.endswith(".scale"):
            scale = stored.get(f"{name}.scale")
            weights[name] = tensor.float() if scale is None else tensor.float() * scale.float()[:, None]
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    rope = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    model = LlamaForCausalLM(LlamaConfig(**config, rope_parameters=rope)).eval()
    model.load_state_dict(weights)
    return model, json.loads((folder / "vocab.json").read_text(encoding="utf8"))


@torch.inference_mode()
def say(model: LlamaForCausalLM, vocab: dict[str, int], spellings: list[str]) -> list[tuple[str, float]]:
    """IPA of each spelling, taking the largest logit each time, and the least distance to the second largest."""
    tokens = {id: "" if token.startswith("<") else token for token, id in vocab.items()}
    same_length = defaultdict(list)
    for at, spelling in enumerate(spellings):
        same_length[len(spelling)].append(at)
    out: list = [None] * len(spellings)
    for length, found in same_length.items():
        ids = torch.tensor([prompt(spellings[at], vocab, distance_of(model)) for at in found])
        margins = torch.full((len(found),), torch.inf)
        ended = torch.zeros(len(found), dtype=torch.bool)
        for _ in range(length):
            best = logits(model, ids, length, ids.shape[1] - 1)[:, 0].topk(2)
            margin = best.values[:, 0] - best.values[:, 1]
            margins = torch.where(ended, margins, torch.minimum(margins, margin))
            ids = torch.cat([ids, torch.where(ended, EOS, best.indices[:, 0])[:, None]], 1)
            ended |= ids[:, -1] == EOS
        for at, line, margin in zip(found, ids[:, length + 1 :].tolist(), margins.tolist()):
            out[at] = ("".join(tokens[id] for id in line), margin)
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path)
    p.add_argument("into", type=Path)
    p.add_argument("--data", type=Path, default=DATA)
    p.add_argument("--words", type=int, default=2000, help="half of them English, half Korean, spread over the dictionaries")
    args = p.parse_args()
    model, vocab = dequantized(args.model)
    lines = []
    for language in ("en", "ko"):
        entries = [e for e in read(language, args.data) if (e.word[0] + e.word[-1]).isalpha() and e.word.replace("'", "").isalpha()]
        chosen = entries[:: len(entries) // (args.words // 2)][: args.words // 2]
        said = say(model, vocab, [e.letters for e in chosen])
        lines += [f"{e.word}\t{ipa}\t{margin:.5f}" for e, (ipa, margin) in zip(chosen, said)]
    head = f"# word, IPA, margin; torch {torch.__version__}, transformers {transformers.__version__}"
    args.into.write_text("\n".join([head, *lines]) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
