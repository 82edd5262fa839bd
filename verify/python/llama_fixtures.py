"""Makes verify/fixtures/llama-*: small random Llamas with what PyTorch computes for them.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt
    .venv/bin/python verify/python/llama_fixtures.py

Each folder has config.json and model.safetensors as `save_pretrained` writes them, and expected.safetensors: `input_ids`
[2, T], `hidden_states.*` and `logits` of a forward in float64 (stored as float32), and `greedy`, 24 new ids for each row with
the end-of-text id switched off. `pytorch_float32_error` in expected.json says how far PyTorch's own float32 is from that,
relative to a tensor's largest absolute value. The families here are those that `../shared/references` does not have.
"""

import json
import pathlib
import platform

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
SMALL = dict(
    vocab_size=67,
    hidden_size=20,
    intermediate_size=37,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=48,
    rms_norm_eps=1e-5,
    bos_token_id=1,
    eos_token_id=2,
)

# name -> (tokens of each row, config, stored dtype)
FAMILIES = {
    "llama-rope-linear": (40, dict(rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=10000.0)), "float32"),
    "llama-rope-dynamic": (60, dict(rope_parameters=dict(rope_type="dynamic", factor=3.0, rope_theta=10000.0)), "float32"),
    "llama-biases": (13, dict(attention_bias=True, mlp_bias=True, head_dim=6, num_attention_heads=4, num_key_value_heads=2), "float32"),
    "llama-gelu-far": (20, dict(hidden_act="gelu_pytorch_tanh", rope_parameters=dict(rope_type="default", rope_theta=123.0)), "float32"),
    "llama-bare-tied": (9, dict(tie_word_embeddings=True, hidden_act="gelu", hidden_size=24, num_attention_heads=3, num_key_value_heads=3), "float16"),
}


def build(config: LlamaConfig, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                parameter.uniform_(-0.5, 0.5)
            else:
                parameter.normal_(0, 0.3 if "embed" not in name else 1.0)
    return model


def outputs(model: LlamaForCausalLM, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        result = model(ids, output_hidden_states=True, use_cache=False)
    states = {f"hidden_states.{i}": state for i, state in enumerate(result.hidden_states)}
    return {**states, "logits": result.logits}


def greedy(model: LlamaForCausalLM, ids: torch.Tensor) -> torch.Tensor:
    rows = []
    for row in ids:
        with torch.no_grad():
            new = model.generate(row[None], do_sample=False, max_new_tokens=24, eos_token_id=None, pad_token_id=0)
        rows.append(new[0, len(row):])
    return torch.stack(rows)


def make(name: str, tokens: int, changes: dict, dtype: str, seed: int) -> None:
    folder = FIXTURES / name
    model = build(LlamaConfig(**{**SMALL, **changes}), seed)
    model = model.to(getattr(torch, dtype))
    model.config.dtype = dtype
    if "bare" in name:
        bare = LlamaModel(model.config).to(getattr(torch, dtype))
        bare.load_state_dict(model.model.state_dict())
        bare.save_pretrained(folder)
        config = json.loads((folder / "config.json").read_text())
        config["architectures"] = ["LlamaModel"]
        (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        stored = load_file(folder / "model.safetensors")
        assert not any(key.startswith("model.") for key in stored), "the bare model has no prefix"
    else:
        model.save_pretrained(folder)
    ids = torch.randint(3, SMALL["vocab_size"], (2, tokens), generator=torch.Generator().manual_seed(seed))
    # Fresh models: dynamic scaling remembers how far a model went before.
    fresh = lambda kind: build_from(model, kind)
    exact = outputs(fresh(torch.float64), ids)
    single = outputs(fresh(torch.float32), ids)
    error = {key: float((single[key].double() - value).abs().max() / value.abs().max()) for key, value in exact.items()}
    new_ids = torch.cat([greedy(fresh(torch.float64), ids[i : i + 1]) for i in range(2)])
    tensors = {key: value.float().contiguous() for key, value in exact.items()}
    save_file({**tensors, "input_ids": ids, "greedy": new_ids}, folder / "expected.safetensors")
    facts = {
        "kind": "decoder",
        "seed": seed,
        "pytorch_float32_error": error,
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "dtype": dtype,
        "machine": platform.machine(),
    }
    (folder / "expected.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(f"{name}: worst float32 error {max(error.values()):.2e}")


def build_from(model: LlamaForCausalLM, dtype: torch.dtype) -> LlamaForCausalLM:
    copy = LlamaForCausalLM(model.config).to(dtype).eval()
    copy.load_state_dict(model.state_dict())
    return copy


if __name__ == "__main__":
    for seed, (name, (tokens, changes, dtype)) in enumerate(FAMILIES.items(), start=1):
        make(name, tokens, changes, dtype, seed)
