"""Draws random configurations of every model family, and computes what PyTorch makes of them: folders for `kiloformer verify`.

    python verify/python/model_differential.py --seed 7 --count 300 --into /tmp/models     # [--family llama]...
    npx kiloformer verify --json /tmp/models/*/

The folders are those of `model_fixtures.py`, which has the format, and whose weights and float64 these are. Model N of a seed is
always the same: its family is the next of FAMILIES, and every option of its config.json that changes a number is drawn from
values that transformers takes. About half of the configs are written as older versions did, keys that say what the class has
anyway are left out now and then, and what counts is what transformers makes of the file as it stands.

Generated ids are kept where float64, float32, and float32 with noise agree. Models that transformers cannot run, or of which its
float32 differs by more than 2e-4, are passed over; `drawn.jsonl` says of every folder what was drawn, and of the others why not.
"""

import argparse
import copy
import json
import logging
import pathlib
import random
import shutil
import sys
import warnings

import torch
import transformers
from model_fixtures import REMOVED, VERSIONS, Case, Float64, Generator, Unsuitable, change_config, differences, enliven, outputs_of
from safetensors.torch import save_file
from torch import nn
from versions import expect_versions

LARGEST_ERROR = 2e-4
NEW_TOKENS = 7
# Never left out: a config that lacks one of these is a broken file rather than a short one.
SIZES = """model_type architectures hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size max_position_embeddings
    dim n_layers n_heads hidden_dim n_embd n_layer n_head num_layers num_heads d_model d_kv d_ff""".split()
PLAIN = ["gelu", "gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh", "swish", "gelu_fast", "gelu_python"]
UNGATED = [*PLAIN, "tanh", "sigmoid"]
EPS = [1e-12, 1e-6, 1e-5, 1e-3, 0.05]
THETAS = [50.0, 1234.5, 10000, 10000.0, 500000.0, 1000000.0]


class Draw(random.Random):
    def flag(self, chance: float = 0.5) -> bool:
        return self.random() < chance

    def of(self, *values):
        return self.choice(values)

    def some(self, **options) -> dict:
        """Each option is there or is not; of a list one value."""
        return {key: self.choice(value) if isinstance(value, list) else value for key, value in options.items() if self.flag()}


# --- what families share -------------------------------------------------------------------------------------------------


def labels(draw: Draw) -> dict:
    count = draw.of(1, 2, 3, 7)
    return {"id2label": {i: f"L{i}" for i in range(count)}, "label2id": {f"L{i}": i for i in range(count)}}


def lengths(draw: Draw, longest: int) -> tuple:
    longest = draw.of(min(longest, 9), longest)
    return (longest, draw.randint(1, longest), draw.randint(1, longest))


TASKS = {"MaskedLM": "masked-lm", "SequenceClassification": "sequence-classification", "TokenClassification": "token-classification"}


def encoder_case(draw: Draw, prefix: str, config: dict, longest: int, edit: dict | None = None) -> Case:
    """A head or the bare model, or the bare model of a file that has a head."""
    task = draw.of(*TASKS, "Model", "Model", "opened bare")
    case = dict(lengths=lengths(draw, longest), edit=edit or {})
    if task in TASKS:
        more = {} if task == "MaskedLM" else labels(draw)
        return Case(TASKS[task], f"{prefix}For{task}", {**config, **more}, task, **case)
    if task == "opened bare":
        saved = f"{prefix}For{draw.of(*TASKS)}"
        return Case("encoder", saved, config, task, opened_as=f"{prefix}Model", **case)
    return Case("encoder", f"{prefix}Model", config, task, **case)


def bert_like(draw: Draw) -> dict:
    heads = draw.randint(1, 4)
    return {
        "hidden_size": heads * draw.of(3, 4, 5, 8, 11),
        "num_attention_heads": heads,
        "intermediate_size": draw.randint(5, 45),
        "num_hidden_layers": draw.randint(1, 3),
        "vocab_size": draw.randint(23, 131),
        "max_position_embeddings": draw.randint(24, 40),
        **draw.some(hidden_act=UNGATED, layer_norm_eps=EPS),
        "type_vocab_size": draw.of(1, 2, 2, 3),
        "tie_word_embeddings": draw.flag(0.8),
    }


def rope(draw: Draw, rotated: int, context: int, theta: float | None = None, partial: float | None = None) -> dict:
    """`rope_parameters` for `rotated` channels and `max_position_embeddings` of `context`."""
    kind = draw.of("default", "default", "linear", "dynamic", "llama3", "yarn", "longrope")
    if kind in ("yarn", "longrope") and rotated % 2:
        # Transformers 5.18 has half a channel too few here: an error, or nothing turns.
        kind = "default"
    factor = draw.of(1.0, 1.5, 2, 4.0, 8.0)
    original = draw.of(8, 16, max(4, context // 2), context)
    kinds = {
        "default": {},
        "linear": {"factor": factor},
        "dynamic": {"factor": factor},
        "llama3": {
            "factor": factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": draw.of(2.0, 4.0),
            "original_max_position_embeddings": original,
        },
        "yarn": {
            "factor": factor,
            "original_max_position_embeddings": original,
            **draw.some(beta_fast=[4.0, 32], beta_slow=[0.5, 1], truncate=[True, False]),
            **draw.of({}, {}, {"attention_factor": 1.3}, {"mscale": 0.7, "mscale_all_dim": 1.1}, {"mscale": 1.0}, {"mscale": 1.0, "mscale_all_dim": 1.0}),
        },
        "longrope": {
            "factor": factor,
            "short_factor": [round(draw.uniform(1, 3), 3) for _ in range((rotated + 1) // 2)],
            "long_factor": [round(draw.uniform(1, 20), 3) for _ in range((rotated + 1) // 2)],
            "original_max_position_embeddings": original,
            **draw.some(attention_factor=[1.2]),
        },
    }
    if kind == "dynamic" and rotated <= 2:
        kind = "default"
    return {
        "rope_type": kind,
        "rope_theta": theta or draw.choice(THETAS),
        **kinds[kind],
        **({} if partial is None else {"partial_rotary_factor": partial}),
    }


def older_rope(draw: Draw, parameters: dict, key: str = "") -> dict:
    """Changes that write rotary parameters as older versions did."""
    rest = {key: value for key, value in parameters.items() if key not in ("rope_theta", "partial_rotary_factor", "rope_type")}
    kind = parameters["rope_type"]
    scaling = {key or draw.of("type", "rope_type"): kind, **rest}
    if kind == "default":
        scaling = None if draw.flag() else REMOVED
    partial = parameters.get("partial_rotary_factor")
    return {
        "rope_parameters": REMOVED,
        "rope_theta": parameters["rope_theta"],
        "rope_scaling": scaling,
        **({} if partial is None else {"partial_rotary_factor": partial}),
    }


def older(draw: Draw, dtype: str) -> dict:
    return {"dtype": REMOVED, "torch_dtype": dtype, "transformers_version": draw.of("4.30.0", "4.48.2", "4.57.1")}


def context_of(config: dict) -> int:
    """How far the runtime lets a text go: linear and dynamic scaling stretch what max_position_embeddings names."""
    context, parameters = config.get("max_position_embeddings", config.get("n_positions")), config.get("rope_parameters", {})
    if parameters.get("rope_type") in ("linear", "dynamic"):
        context *= max(1, parameters["factor"])
    return int(context)


def decoder_case(draw: Draw, model: str, config: dict, edit: dict | None = None, bare_model: str = "", **options) -> Case:
    """A causal model, or the bare one."""
    longest = min(draw.of(7, 13, 23, 41), context_of(config) - NEW_TOKENS)
    case = dict(lengths=(longest, longest), edit=edit or {}, **options)
    bare_model = bare_model or model.replace("ForCausalLM", "Model").replace("LMHeadModel", "Model")
    if draw.flag(0.15):
        opened_as = model if config.get("tie_word_embeddings") else bare_model
        return Case("decoder", model, config, "bare", bare=True, opened_as=opened_as, **case)
    return Case("decoder", model, config, "whole", **case)


def rotary(draw: Draw, free_head: bool = True) -> dict:
    kv = draw.randint(1, 3)
    heads = kv * draw.randint(1, 3)
    config = {
        "hidden_size": heads * draw.of(2, 4, 6, 8),
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "head_dim": draw.of(2, 4, 6, 8, 10, 16),
        "intermediate_size": draw.randint(5, 41),
        "num_hidden_layers": draw.randint(1, 4),
        "vocab_size": draw.randint(23, 131),
        "max_position_embeddings": draw.of(16, 24, 64, 128),
        "tie_word_embeddings": draw.flag(),
        "bos_token_id": 1,
        "eos_token_id": draw.of(2, [2, 5]),
        "pad_token_id": draw.of(0, 4, None),
        **draw.some(rms_norm_eps=[1e-6, 1e-5, 1e-2], hidden_act=PLAIN),
    }
    if not free_head or draw.flag(0.3):
        del config["head_dim"]
        config["num_key_value_heads"] = draw.of(config["num_key_value_heads"], heads)
    return config


def head_width(config: dict) -> int:
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def with_rope(draw: Draw, config: dict) -> dict:
    """Draws the config's rope; the changes of config.json."""
    config["rope_parameters"] = rope(draw, head_width(config), config["max_position_embeddings"])
    return older_rope(draw, config["rope_parameters"]) if draw.flag() else {}


def kinds(draw: Draw, layers: int) -> list:
    return [draw.of("full_attention", "sliding_attention") for _ in range(layers)]


# --- families ------------------------------------------------------------------------------------------------------------


def bert(draw: Draw) -> Case:
    config = bert_like(draw)
    return encoder_case(draw, "Bert", {**config, "pad_token_id": draw.of(0, 0, 5)}, config["max_position_embeddings"])


def roberta(draw: Draw, prefix: str = "Roberta") -> Case:
    config, pad = bert_like(draw), draw.of(0, 1, 1, 4)
    longest = config["max_position_embeddings"] - pad - 1
    return encoder_case(draw, prefix, {**config, "pad_token_id": pad, "bos_token_id": 0, "eos_token_id": 2}, longest)


def distilbert(draw: Draw) -> Case:
    heads = draw.randint(1, 4)
    config = {
        "dim": heads * draw.of(2, 3, 5, 8),
        "n_heads": heads,
        "hidden_dim": draw.randint(5, 41),
        "n_layers": draw.randint(1, 3),
        "vocab_size": draw.randint(23, 131),
        "max_position_embeddings": draw.randint(20, 40),
        "tie_word_embeddings": draw.flag(0.8),
        **draw.some(activation=UNGATED),
    }
    if config["dim"] % 2 == 0:
        config["sinusoidal_pos_embds"] = draw.flag(0.3)
    return encoder_case(draw, "DistilBert", config, config["max_position_embeddings"])


def electra(draw: Draw) -> Case:
    config = bert_like(draw)
    config["embedding_size"] = draw.of(config["hidden_size"], 7, 12, 33)
    return encoder_case(draw, "Electra", config, config["max_position_embeddings"])


def mpnet(draw: Draw) -> Case:
    config, pad = bert_like(draw), draw.of(1, 1, 0, 4)
    del config["type_vocab_size"]
    config["max_position_embeddings"] = draw.of(40, 170)
    buckets = draw.some(relative_attention_num_buckets=[32, 40])
    return encoder_case(draw, "MPNet", {**config, "pad_token_id": 1, **buckets}, config["max_position_embeddings"] - pad - 2)


def modernbert(draw: Draw) -> Case:
    heads, layers = draw.randint(1, 4), draw.randint(1, 5)
    width = draw.of(2, 4, 6, 8, 10)
    context = draw.of(24, 48, 96)
    ropes = {kind: rope(draw, width, context) for kind in ("full_attention", "sliding_attention")}
    is_older = draw.flag(0.4)
    every = draw.randint(1, 4)
    if is_older:
        ropes = {kind: {"rope_type": "default", "rope_theta": draw.choice(THETAS)} for kind in ropes}
    types = ["sliding_attention" if i % every else "full_attention" for i in range(layers)] if is_older else kinds(draw, layers)
    config = {
        "hidden_size": heads * width,
        "num_attention_heads": heads,
        "intermediate_size": draw.randint(5, 41),
        "num_hidden_layers": layers,
        "vocab_size": draw.randint(23, 131),
        "max_position_embeddings": context,
        "local_attention": draw.of(1, 2, 3, 4, 7, 10, 16, 128),
        "layer_types": types,
        "rope_parameters": ropes,
        **dict(pad_token_id=draw.of(0, 4), bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2),
        "tie_word_embeddings": draw.flag(0.8),
        **draw.some(
            hidden_activation=PLAIN,
            classifier_activation=UNGATED,
            norm_eps=EPS[1:],
            norm_bias=[True, False],
            attention_bias=[True, False],
            mlp_bias=[True, False],
            decoder_bias=[True, False],
            classifier_bias=[True, False],
            classifier_pooling=["cls", "mean"],
        ),
    }
    edit = {}
    if is_older:
        edit = {
            **{"layer_types": REMOVED, "rope_parameters": REMOVED, "global_attn_every_n_layers": every},
            "global_rope_theta": ropes["full_attention"]["rope_theta"],
            "local_rope_theta": ropes["sliding_attention"]["rope_theta"],
        }
    case = encoder_case(draw, "ModernBert", config, context, edit)
    if any(parameters["rope_type"] in ("dynamic", "longrope") for parameters in ropes.values()):
        # Transformers turns every row of a batch by the length of the longest.
        case.lengths = (max(case.lengths),) * 2
    return case


def gpt2(draw: Draw) -> Case:
    heads = draw.randint(1, 4)
    config = {
        "n_embd": heads * draw.of(3, 4, 7, 8),
        "n_head": heads,
        "n_inner": draw.of(None, 11, 43),
        "n_layer": draw.randint(1, 3),
        "n_positions": 64,
        "vocab_size": draw.randint(23, 131),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": draw.flag(0.8),
        **draw.some(
            activation_function=UNGATED,
            layer_norm_epsilon=EPS[1:],
            scale_attn_weights=[True, False],
            scale_attn_by_inverse_layer_idx=[True, False],
        ),
    }
    return decoder_case(draw, "GPT2LMHeadModel", config)


def gpt_neo(draw: Draw) -> Case:
    heads, pairs = draw.randint(1, 4), [[["global"], 1], [["local"], 1], [["global", "local"], 1], [["local", "global", "local"], 1], [["global"], 2]]
    types = [draw.choice(pairs) for _ in range(draw.randint(1, 2))]
    layers = sum(len(names) * times for names, times in types)
    config = {
        "hidden_size": heads * draw.of(3, 4, 7, 8),
        "num_heads": heads,
        "intermediate_size": draw.of(None, 11, 43),
        "num_layers": layers,
        "attention_types": types,
        "window_size": draw.of(1, 2, 5, 16, 256),
        "vocab_size": draw.randint(23, 131),
        "max_position_embeddings": draw.of(64, 300),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": draw.flag(0.8),
        **draw.some(activation_function=UNGATED, layer_norm_epsilon=EPS[1:]),
    }
    return decoder_case(draw, "GPTNeoForCausalLM", config, {"attention_layers": REMOVED} if draw.flag(0.3) else {})


def gpt_neox(draw: Draw) -> Case:
    heads, width = draw.randint(1, 4), draw.of(4, 6, 8, 12, 16)
    partial = draw.of(0.25, 0.5, 1.0, 0.75)
    context = draw.of(16, 24, 64, 128)
    config = {
        "hidden_size": heads * width,
        "num_attention_heads": heads,
        "intermediate_size": draw.randint(5, 41),
        "num_hidden_layers": draw.randint(1, 3),
        "vocab_size": draw.randint(23, 131),
        "max_position_embeddings": context,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": draw.flag(),
        "rope_parameters": rope(draw, int(width * partial), context, partial=partial),
        **draw.some(hidden_act=UNGATED, layer_norm_eps=EPS[1:], use_parallel_residual=[True, False], attention_bias=[True, False]),
    }
    edit = {}
    if draw.flag():
        edit = older_rope(draw, config["rope_parameters"])
        edit["rotary_emb_base"], edit["rotary_pct"] = edit.pop("rope_theta"), edit.pop("partial_rotary_factor")
    return decoder_case(draw, "GPTNeoXForCausalLM", config, edit)


def llama(draw: Draw) -> Case:
    config = {**rotary(draw), **draw.some(attention_bias=[True, False], mlp_bias=[True, False])}
    return decoder_case(draw, "LlamaForCausalLM", config, with_rope(draw, config))


def mistral(draw: Draw) -> Case:
    config = {**rotary(draw), "sliding_window": draw.of(None, 1, 2, 5, 4096)}
    return decoder_case(draw, "MistralForCausalLM", config, with_rope(draw, config))


def qwen(draw: Draw, model: str) -> Case:
    config = rotary(draw, free_head=model == "Qwen3ForCausalLM")
    if model == "Qwen3ForCausalLM":
        config.setdefault("head_dim", 6)  # 128 where there is none
    edit = {}
    if draw.flag(0.6):
        config.update(use_sliding_window=True, sliding_window=draw.of(1, 2, 5, 40), max_window_layers=draw.randint(0, 4))
        if draw.flag():
            config["layer_types"] = kinds(draw, config["num_hidden_layers"])
        else:
            edit["layer_types"] = REMOVED
    if model == "Qwen3ForCausalLM":
        config.update(draw.some(attention_bias=[True, False]))
    return decoder_case(draw, model, config, {**with_rope(draw, config), **edit})


def gemma3(draw: Draw) -> Case:
    config = rotary(draw)
    config["head_dim"] = draw.of(2, 6, 8, 10)
    config.pop("hidden_act", None)
    config.update(
        sliding_window=draw.of(1, 2, 5, 40),
        query_pre_attn_scalar=draw.of(4, 9, config["head_dim"]),
        pad_token_id=0,
        **draw.some(hidden_activation=PLAIN, attention_bias=[True, False], final_logit_softcapping=[None, 5.0, 30.0]),
    )
    layers, pattern = config["num_hidden_layers"] + 1, draw.of(1, 2, 3, 6)
    context = config["max_position_embeddings"]
    config["num_hidden_layers"] = layers
    ropes = {kind: rope(draw, config["head_dim"], context) for kind in ("full_attention", "sliding_attention")}
    edit = {}
    if is_older := draw.flag():
        ropes["sliding_attention"] = {"rope_type": "default", "rope_theta": draw.choice(THETAS)}
        edit = {
            **older_rope(draw, ropes["full_attention"], "rope_type"),  # `type` is not read: transformers 5.18 does not scale
            **{key: REMOVED for key in ("layer_types", "_sliding_window_pattern", "use_bidirectional_attention")},
            "rope_local_base_freq": ropes["sliding_attention"]["rope_theta"],
            "sliding_window_pattern": pattern,
        }
    config["rope_parameters"] = ropes
    config["layer_types"] = (
        ["full_attention" if (i + 1) % pattern == 0 else "sliding_attention" for i in range(layers)] if is_older else kinds(draw, layers)
    )
    return decoder_case(draw, "Gemma3ForCausalLM", config, edit, bare_model="Gemma3TextModel", embedding=0.7, last_norm=2.0)


def phi3(draw: Draw) -> Case:
    config = rotary(draw, free_head=False)
    config["pad_token_id"] = 0
    config["sliding_window"] = draw.of(None, None, 1, 5, 40)
    width = config["hidden_size"] // config["num_attention_heads"]
    partial = draw.of(None, 0.5, 0.75, 1.0)
    rotated = int(width * (partial or 1))
    context = config["max_position_embeddings"]
    config["original_max_position_embeddings"] = draw.of(8, 16, context)
    parameters = rope(draw, rotated, context, partial=partial)
    while parameters["rope_type"] not in ("default", "longrope"):
        parameters = rope(draw, rotated, context, partial=partial)
    for key in ("factor", "attention_factor", "original_max_position_embeddings"):
        parameters.pop(key, None)
    config["rope_parameters"] = parameters
    return decoder_case(draw, "Phi3ForCausalLM", config, older_rope(draw, parameters) if draw.flag() else {}, cached=False)


def smollm3(draw: Draw) -> Case:
    config = {**rotary(draw, free_head=False), **draw.some(attention_bias=[True, False], mlp_bias=[True, False])}
    layers = config["num_hidden_layers"]
    config["pad_token_id"] = 0
    edit = {}
    if draw.flag():
        config["no_rope_layers"] = [draw.of(0, 1) for _ in range(layers)]
    else:
        config["no_rope_layer_interval"] = draw.randint(1, 4)
        edit["no_rope_layers"] = REMOVED
    if draw.flag():
        config.update(use_sliding_window=True, sliding_window=draw.of(1, 2, 5, 40))
        if draw.flag():
            config["layer_types"] = kinds(draw, layers)
        else:
            edit["layer_types"] = REMOVED
    return decoder_case(draw, "SmolLM3ForCausalLM", config, {**with_rope(draw, config), **edit})


def t5_config(draw: Draw) -> tuple[dict, dict]:
    layers = draw.randint(1, 3)
    buckets = draw.of(4, 6, 8, 10, 32)
    config = {
        "d_model": draw.of(6, 12, 18, 21),
        "d_kv": draw.of(1, 3, 5, 8),
        "num_heads": draw.randint(1, 4),
        "d_ff": draw.randint(5, 41),
        "num_layers": layers,
        "num_decoder_layers": draw.randint(1, layers),
        "vocab_size": draw.randint(23, 131),
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": draw.of(buckets // 2 + 1, buckets, 128),
        "feed_forward_proj": draw.of(*("gated-" * draw.flag() + name for name in ("relu", "gelu", "silu", "gelu_new", "gelu"))),
        "decoder_start_token_id": draw.of(0, 0, 3),
        "pad_token_id": 0,
        "eos_token_id": 1,
        **draw.some(layer_norm_epsilon=EPS[1:]),
    }
    edit = draw.of({}, {"tie_word_embeddings": False}, {"tie_word_embeddings": True}, {"scale_decoder_outputs": REMOVED, "tie_word_embeddings": False})
    return config, edit


def t5(draw: Draw, prefix: str = "T5") -> Case:
    config, edit = t5_config(draw)
    options = dict(embedding=1.0, gain=2.0, last_norm=2.5, lengths=lengths(draw, 33)[:2], edit=edit)
    if prefix != "LongT5":
        config.update(draw.some(scale_decoder_outputs=[True, False]))
    if draw.flag(0.15):
        return Case("encoder", f"{prefix}EncoderModel", config, "encoder", **options)
    return Case("encoder-decoder", f"{prefix}ForConditionalGeneration", config, prefix, own_head="lm_head" if draw.flag() else "", **options)


def longt5(draw: Draw) -> Case:
    # Transformers tells blocks by sums of 1 / global_block_size, which are exact for powers of two only.
    case = t5(draw, "LongT5")
    case.config.update(
        encoder_attention_type=draw.of("local", "transient-global"), local_radius=draw.of(1, 2, 3, 7, 127), global_block_size=draw.of(1, 2, 4, 16)
    )
    case.lengths = lengths(draw, draw.of(20, 61))[:2]
    return case


FAMILIES = {
    "bert": bert,
    "roberta": roberta,
    "xlm-roberta": lambda draw: roberta(draw, "XLMRoberta"),
    "camembert": lambda draw: roberta(draw, "Camembert"),
    "distilbert": distilbert,
    "electra": electra,
    "mpnet": mpnet,
    "modernbert": modernbert,
    "gpt2": gpt2,
    "gpt_neo": gpt_neo,
    "gpt_neox": gpt_neox,
    "llama": llama,
    "mistral": mistral,
    "qwen2": lambda draw: qwen(draw, "Qwen2ForCausalLM"),
    "qwen3": lambda draw: qwen(draw, "Qwen3ForCausalLM"),
    "gemma3_text": gemma3,
    "phi3": phi3,
    "smollm3": smollm3,
    "t5": t5,
    "mt5": lambda draw: t5(draw, "MT5"),
    "longt5": longt5,
}


# --- a folder ------------------------------------------------------------------------------------------------------------


def save(draw: Draw, case: Case, seed: int, folder: pathlib.Path) -> None:
    model_class = getattr(transformers, case.model)
    torch.manual_seed(seed)
    model = model_class(model_class.config_class(**copy.deepcopy(case.config))).eval()
    if case.own_head:
        layer = model.get_submodule(case.own_head)
        layer.weight = nn.Parameter(torch.empty_like(layer.weight))
    enliven(model, case, seed)
    saved = (model.base_model if case.bare else model).to(getattr(torch, case.dtype))
    saved.config.dtype = case.dtype
    saved.save_pretrained(folder, **({"max_shard_size": case.shard} if case.shard else {}))
    change_config(folder, case.edit)
    # What the class has anyway may be left out.
    usual = model_class.config_class().to_dict()
    config = json.loads((folder / "config.json").read_text())
    absent = object()
    same = [key for key, value in config.items() if usual.get(key, absent) == value and key not in SIZES]
    change_config(folder, {key: REMOVED for key in same if draw.flag(0.3)})


def opened(folder: pathlib.Path, case: Case, dtype: torch.dtype) -> nn.Module:
    model_class = getattr(transformers, case.opened_as or case.model)
    more = {"add_pooling_layer": False} if not has_pooler(folder) and pools(case, model_class) else {}
    model, info = model_class.from_pretrained(folder, dtype=dtype, attn_implementation="eager", output_loading_info=True, **more)
    if info["missing_keys"] or info["mismatched_keys"]:
        raise Unsuitable(f"transformers misses {info['missing_keys']} {info['mismatched_keys']}")
    return model.eval()


def pools(case: Case, model_class: type) -> bool:
    return case.kind == "encoder" and "add_pooling_layer" in model_class.__init__.__code__.co_varnames


def has_pooler(folder: pathlib.Path) -> bool:
    from safetensors import safe_open

    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            if any("pooler" in name for name in file.keys()):  # noqa: SIM118
                return True
    return False


def inputs_of(draw: Draw, case: Case, config, seed: int) -> dict[str, torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed + 1)
    rows, width = len(case.lengths), max(case.lengths)
    ids = torch.randint(0 if draw.flag() else 3, config.vocab_size, (rows, width), generator=numbers)
    if case.kind == "decoder":
        return {"input_ids": ids}
    mask = (torch.arange(width) < torch.tensor(case.lengths)[:, None]).long()
    pad = config.pad_token_id or 0
    inputs = {"input_ids": torch.where(mask == 1, ids, pad), "attention_mask": mask}
    if case.kind == "encoder-decoder":
        decoder_ids = torch.randint(0, config.vocab_size, (rows, draw.of(1, 6, 17)), generator=numbers)
        return {**inputs, "decoder_input_ids": decoder_ids}
    if getattr(config, "type_vocab_size", 1) > 1 and draw.flag(0.7):
        inputs["token_type_ids"] = torch.randint(0, config.type_vocab_size, (rows, width), generator=numbers) * mask
    return inputs


class Quick(Generator):
    """Compares with one noise only."""

    def __call__(self, ids: torch.Tensor, **options) -> torch.Tensor | None:
        with Float64():
            rows = self.once(self.exact, ids, options, None)
        other = self.once(self.single, ids, options, 1)
        return rows if rows.shape == other.shape and torch.equal(rows, other) else None


def generations(draw: Draw, generate: Quick, first: torch.Tensor, vocabulary: int) -> tuple[dict, dict]:
    plain = dict(max_new_tokens=NEW_TOKENS, eos_token_id=None)
    stop = dict(max_new_tokens=NEW_TOKENS, eos_token_id=draw.randrange(3, vocabulary))
    returned = dict(num_beams=4, num_return_sequences=draw.randint(1, 4), length_penalty=draw.of(0.6, 1.0, 2.0), early_stopping=draw.of(True, False, "never"))
    cases = {
        "greedy": plain,
        "repetition": dict(repetition_penalty=1.3, **plain),
        "no_repeat": dict(no_repeat_ngram_size=2, **plain),
        "everything": dict(repetition_penalty=1.15, no_repeat_ngram_size=draw.of(2, 3), min_new_tokens=4, **stop),
        "beams3": dict(num_beams=3, **plain),
        "beams4": {**returned, **stop},
        "beams3_repetition": dict(num_beams=3, repetition_penalty=1.2, no_repeat_ngram_size=2, **plain),
    }
    cases = {name: options for name, options in cases.items() if draw.flag(0.35)}
    results = {name: generate(first, **options) for name, options in cases.items()}
    kept = {name: options for name, options in cases.items() if results[name] is not None}
    return kept, {f"generated.{name}": results[name] for name in kept}


def make(name: str, case: Case, seed: int, folder: pathlib.Path, draw: Draw) -> None:
    save(draw, case, seed, folder)
    with Float64():
        exact_model = opened(folder, case, torch.float64)
    single_model = opened(folder, case, torch.float32)
    config = exact_model.config
    inputs = inputs_of(draw, case, config, seed)
    # Copies: dynamic rotary scaling remembers how far a model went before.
    compute = (lambda model: bare_outputs(copy.deepcopy(model), inputs)) if headless(case, exact_model) else lambda model: outputs_of(copy.deepcopy(model), case, inputs)
    with Float64():
        exact = compute(exact_model)
    single = compute(single_model)
    if not all(value.isfinite().all() and value.abs().max() > 0 for value in exact.values()):
        raise Unsuitable("outputs that are not finite, or all zero")
    error = differences(single, exact, inputs)
    if max(error.values()) > LARGEST_ERROR:
        raise Unsuitable(f"float32 error {max(error.values()):.1e}")
    facts = {"kind": case.kind, "seed": seed}
    tensors = {**inputs, **{key: value.float().contiguous() for key, value in exact.items()}}
    # The sliding cache of transformers 5.18 keeps `[-sliding_window + 1 :]`, which is everything where the window is 1.
    generates = "decoder" in case.kind and not headless(case, exact_model) and getattr(config, "sliding_window", None) != 1
    if generates:
        first = inputs["input_ids"][:1]
        if case.kind == "encoder-decoder":
            first = first[:, : case.lengths[0]]
        facts["generation"], ids = generations(draw, Quick(exact_model, single_model, case.cached), first, config.vocab_size)
        tensors.update(ids)
    facts["pytorch_float32_error"] = {key: float(f"{value:.3g}") for key, value in error.items()}
    facts.update(VERSIONS, dtype=case.dtype)
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(facts, indent=1) + "\n")


def headless(case: Case, model: nn.Module) -> bool:
    return case.kind == "decoder" and model.get_output_embeddings() is None


@torch.no_grad()
def bare_outputs(model: nn.Module, inputs: dict) -> dict[str, torch.Tensor]:
    states = model(**inputs, output_hidden_states=True, use_cache=False).hidden_states
    return {f"hidden_states.{i}": state for i, state in enumerate(states)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes folders of random models of random configurations.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=len(FAMILIES) * 3)
    parser.add_argument("--into", type=pathlib.Path, required=True)
    parser.add_argument("--family", action="append", choices=list(FAMILIES))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    expect_versions("torch", "transformers", "safetensors", "numpy")
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    families = arguments.family or list(FAMILIES)
    made = 0
    arguments.into.mkdir(parents=True, exist_ok=True)
    with (arguments.into / "drawn.jsonl").open("a") as log:
        for number in range(arguments.count):
            family = families[number % len(families)]
            seed = arguments.seed * 100_000 + number
            name = f"{family}-{seed}"
            draw, folder, case = Draw(f"{family} {seed}"), arguments.into / name, None
            reason = ""
            try:
                case = FAMILIES[family](draw)
                case.dtype = draw.of("float32", "float32", "float16", "bfloat16")
                case.shard = draw.of("", "", "", "9KB")
                if draw.flag(0.4):
                    case.edit.update(older(draw, case.dtype))
                make(name, case, seed, folder, draw)
                made += 1
            except Unsuitable as why:
                reason = f"unsuitable: {why}"
            except Exception as why:  # noqa: BLE001
                reason = f"transformers: {type(why).__name__}: {why}"
            if reason:
                shutil.rmtree(folder, ignore_errors=True)
                print(f"{name}: {reason[:300]}", file=sys.stderr, flush=True)
            drawn = {"kind": case.kind, "model": case.model, "opened_as": case.opened_as, "config": case.config} if case else {}
            log.write(json.dumps({"name": name, "passed_over": reason, **drawn}) + "\n")
            log.flush()
    print(f"{made} of {arguments.count} folders")


if __name__ == "__main__":
    main()
