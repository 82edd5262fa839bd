"""Makes small random models of every text family in verify/fixtures, and what PyTorch computes for them.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt
    .venv/bin/python verify/python/model_fixtures.py                 # everything: some minutes
    .venv/bin/python verify/python/model_fixtures.py gpt2-odd t5-odd # some folders; `--into FOLDER` writes elsewhere

A folder is a model as one is published: config.json, model.safetensors (or shards) and generation_config.json as
`save_pretrained` writes them, then edited where the case says so, and

expected.safetensors  inputs and outputs. The outputs are computed by opening the folder with transformers in float64 (half
                      precision is widened) and stored as float32, ids as I64. Transformers turns to float32 in some places
                      whatever a model's dtype is (norms, softmax, rotary angles); `Float64` below turns those to float64 too.
expected.json         `kind`, `seed`, versions, `pytorch_float32_error` (by how much PyTorch's own float32 differs, per tensor:
                      largest difference where the mask is 1, divided by the tensor's largest absolute value)

kind                                            inputs                                       outputs
encoder                                         input_ids, attention_mask, token_type_ids?   hidden_states.*, last_hidden_state,
                                                [3, T], rows 1 and 2 right padded            mean_pooled, cls, pooler_output?
masked-lm, sequence- and token-classification   the same                                     logits
decoder                                         input_ids [2, T]                             hidden_states.*, logits, greedy [2, 24], and of
                                                                                             row 0: greedy_repetition_1.3, greedy_no_repeat_2,
                                                                                             beam4, greedy_eos, beam3_eos
encoder-decoder                                 input_ids, attention_mask [2, T],            encoder_hidden_states.*, logits, greedy [2, 16],
                                                decoder_input_ids                            encoder_last_hidden_state, decoder_hidden_states.*,
                                                                                             beam4 of row 0

`llama-long-position` has one row, and `logits_last` (of the last 3 positions) in the place of hidden_states and logits.

Generated ids leave out the prompt and the decoder's start token. `generation` in expected.json, where there is one, holds more of
them by name: options as `GenerationConfig` names them (`eos_token_id: null` is off). The result is `generated.<name>`, one row for
each returned sequence, which ends after its end-of-text id and is padded with -1; the prompt (of an encoder-decoder: the encoder's
input) is `prompt.<name>` where there is such a tensor, else row 0 of input_ids. All generated ids are the same in float64, in
float32, and in float32 with noise of 3e-4 on every score: no step is near a tie. Where a seed gives ties, a model whose text
repeats itself, or a float32 error above 2e-5, the next seed is taken.

Weights are wild enough for every parameter to matter: reversing any of them changes the outputs (but for biases of keys, which a
softmax does not see, and biases that transformers reads from elsewhere), and so does turning off what the case is about (`turned`).

logits-warpers.json   `logits`, and for sets of options the probabilities that are left after the warpers of transformers in its
                      order: temperature, top_k, top_p, min_p, typical_p; null for what they remove
models-manifest.json  command, versions; of each folder the seed, the kind, and what is special

Left out, as transformers 5.18.0 cannot do it or does not mean it:
- attention soft-capping of Gemma 3 (`attn_logit_softcapping`): only its eager attention does it, and no published model sets it;
- an odd number of relative buckets: bidirectional buckets are halved;
- `tie_word_embeddings: false` of T5 and LongT5 alone: it means that the decoder's output is not scaled; the head is the file's own
  where the file has one, and the embedding where not.
- a cache for a T5 or mT5 with more decoder layers than encoder layers (IndexError): those generated without one;
- a cache where Phi-3's longrope changes its factors (the text is forgotten): `phi3-longrope-crossing` generated without one;
- another number of MPNet's relative buckets than 32: `relative_attention_num_buckets` only sets the size of the table.

Everything follows from the seeds, so that a second run on the same machine changes nothing.
"""

import argparse
import copy
import json
import logging
import pathlib
import platform
import re
import shutil
import tempfile
import warnings
import zlib
from dataclasses import dataclass, field

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.pytorch_utils import Conv1D
from versions import expect_versions

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
COMMAND = "python verify/python/model_fixtures.py"
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
LARGEST_ERROR = 2e-5
LARGEST_FOLDER = 125_000
REMOVED = object()


@dataclass
class Case:
    kind: str
    model: str  # the class that is saved
    config: dict
    special: str
    lengths: tuple = (11, 7, 3)  # of an encoder's rows; of a decoder (T,) or (T, T)
    decoder_length: int = 5
    dtype: str = "float32"
    edit: dict = field(default_factory=dict)  # changes of the saved config.json; REMOVED takes a key out
    turned: tuple = ()  # changes of config.json each of which must change the outputs
    opened_as: str = ""  # the class that opens the folder, where it is not the one that is saved
    own_head: str = ""  # a weight that is its own where transformers would tie it
    dead: str = "^$"  # parameters that transformers saves and does not read
    embedding: float = 0.6  # standard deviation of embeddings
    gain: float = 1.4  # of linear layers: standard deviation times the root of the inputs' number
    head: float = 2.5  # the same of an untied output layer
    last_norm: float = 1.0  # mean of the last norm's weights, but for their signs
    more_generation: bool = False
    cached: bool = True  # generate with a cache of keys
    bare: bool = False
    shard: str = ""
    last: int = 0  # keep the logits of that many last positions only


# --- the cases ----------------------------------------------------------------------------------------------------------

ENCODER = dict(hidden_size=21, num_attention_heads=3, intermediate_size=31, num_hidden_layers=2, vocab_size=101, max_position_embeddings=19)
SMALL_ENCODER = {**ENCODER, "hidden_size": 18, "num_attention_heads": 2, "intermediate_size": 29}
ROBERTA = {
    **SMALL_ENCODER,
    "max_position_embeddings": 15,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
DISTILBERT = dict(dim=21, n_heads=3, hidden_dim=29, n_layers=2, vocab_size=103, max_position_embeddings=17)
ELECTRA = {**SMALL_ENCODER, "embedding_size": 14}
MPNET = {**SMALL_ENCODER, "max_position_embeddings": 33, "layer_norm_eps": 1e-5}
MODERNBERT = dict(
    hidden_size=18,
    num_attention_heads=3,
    intermediate_size=23,
    num_hidden_layers=4,
    vocab_size=97,
    max_position_embeddings=64,
    local_attention=4,
    layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    cls_token_id=1,
    sep_token_id=2,
    rope_parameters={
        "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 70.0},
    },
)
MODERNBERT_TURNED = (
    {"local_attention": 64},
    {"rope_parameters": {**MODERNBERT["rope_parameters"], "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}}},
    {"rope_parameters": {**MODERNBERT["rope_parameters"], "full_attention": {"rope_type": "default", "rope_theta": 70.0}}},
)


def labels(*names: str) -> dict:
    return dict(id2label=dict(enumerate(names)), label2id={name: id for id, name in enumerate(names)})


ENTITIES = labels("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")

ENCODERS = {
    "bert-base-model": Case(
        "encoder",
        "BertModel",
        {**ENCODER, "hidden_size": 27, "intermediate_size": 35, "layer_norm_eps": 1e-12},
        "pooler; a row of length 1",
        lengths=(11, 7, 1),
    ),
    "bert-masked-lm-tied": Case(
        "masked-lm",
        "BertForMaskedLM",
        {**ENCODER, "hidden_act": "gelu_new"},
        "decoder tied to the embedding; gelu_new, which the head has too",
        turned=({"hidden_act": "gelu"},),
    ),
    "bert-token-classification-odd": Case(
        "token-classification",
        "BertForTokenClassification",
        {**ENCODER, "hidden_size": 15, "num_hidden_layers": 3, "type_vocab_size": 3, "layer_norm_eps": 1e-3, **ENTITIES},
        "heads of 5, 3 token types, 7 labels, layer_norm_eps 1e-3",
        turned=({"layer_norm_eps": 1e-12},),
    ),
    "bert-sequence-classification-odd": Case(
        "sequence-classification",
        "BertForSequenceClassification",
        {**ENCODER, "hidden_act": "relu", **labels("a", "b", "c", "d", "e")},
        "relu, 5 labels; a row of length 1",
        lengths=(11, 5, 1),
        turned=({"hidden_act": "gelu"},),
    ),
    "roberta-token-classification": Case(
        "token-classification",
        "RobertaForTokenClassification",
        {**ROBERTA, **ENTITIES},
        "positions from the pad id 1; a row of length 1",
        lengths=(11, 6, 1),
    ),
    "roberta-masked-lm-own-decoder": Case(
        "masked-lm",
        "RobertaForMaskedLM",
        {**ROBERTA, "tie_word_embeddings": False},
        "lm_head.decoder.weight is not the embedding; lm_head.bias is not read, lm_head.decoder.bias is",
        dead=r"lm_head\.bias",
    ),
    "xlm-roberta-sequence-classification": Case(
        "sequence-classification", "XLMRobertaForSequenceClassification", {**ROBERTA, "num_labels": 1}, "a reranker: one label"
    ),
    "camembert-masked-lm": Case("masked-lm", "CamembertForMaskedLM", ROBERTA, "tied; names begin with roberta."),
    "distilbert-masked-lm": Case("masked-lm", "DistilBertForMaskedLM", DISTILBERT, "vocab_projector.weight tied"),
    "distilbert-token-classification": Case(
        "token-classification",
        "DistilBertForTokenClassification",
        {**DISTILBERT, "activation": "relu", **ENTITIES},
        "relu",
        turned=({"activation": "gelu"},),
    ),
    "distilbert-sinusoidal": Case(
        "encoder", "DistilBertModel", {**DISTILBERT, "sinusoidal_pos_embds": True}, "sinusoidal positions, which the file has as weights"
    ),
    "electra-same-width": Case("encoder", "ElectraModel", {**ELECTRA, "embedding_size": 18}, "embedding_size is hidden_size: no embeddings_project"),
    "electra-token-classification": Case(
        "token-classification", "ElectraForTokenClassification", {**ELECTRA, **ENTITIES}, "embedding_size 14, hidden_size 18"
    ),
    "electra-masked-lm": Case(
        "masked-lm",
        "ElectraForMaskedLM",
        {**ELECTRA, "hidden_act": "relu"},
        "a generator: its head has gelu whatever hidden_act is; decoder tied to the narrow embedding",
    ),
    "mpnet-masked-lm": Case("masked-lm", "MPNetForMaskedLM", MPNET, "tied"),
    "mpnet-sequence-classification": Case(
        "sequence-classification",
        "MPNetForSequenceClassification",
        {**MPNET, **labels("no", "maybe", "yes")},
        "a row of length 1",
        lengths=(11, 4, 1),
    ),
    "mpnet-token-classification": Case(
        "token-classification",
        "MPNetForTokenClassification",
        {**MPNET, "num_hidden_layers": 3, **ENTITIES},
        "relative distances up to 28, 16 among them, where a bucket begins; rows of 29, 17, 5",
        lengths=(29, 17, 5),
    ),
    "modernbert-masked-lm": Case(
        "masked-lm",
        "ModernBertForMaskedLM",
        {
            **MODERNBERT,
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "num_hidden_layers": 3,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        },
        "every bias; tied",
        turned=MODERNBERT_TURNED,
    ),
    "modernbert-sequence-classification-mean": Case(
        "sequence-classification",
        "ModernBertForSequenceClassification",
        {**MODERNBERT, "classifier_pooling": "mean", **labels("a", "b", "c")},
        "mean pooling; a row of length 1",
        lengths=(11, 5, 1),
        turned=({"classifier_pooling": "cls"}, *MODERNBERT_TURNED),
    ),
    "modernbert-sequence-classification-cls": Case(
        "sequence-classification",
        "ModernBertForSequenceClassification",
        {
            **MODERNBERT,
            "classifier_pooling": "cls",
            "classifier_bias": True,
            "classifier_activation": "silu",
            "norm_bias": True,
            **labels("a", "b", "c", "d"),
        },
        "cls pooling, classifier_bias, classifier_activation silu, norm_bias",
        turned=({"classifier_pooling": "mean"}, {"classifier_activation": "gelu"}, *MODERNBERT_TURNED),
    ),
    "modernbert-token-classification": Case(
        "token-classification",
        "ModernBertForTokenClassification",
        {**MODERNBERT, "hidden_activation": "gelu_pytorch_tanh", **ENTITIES},
        "hidden_activation gelu_pytorch_tanh",
        turned=({"hidden_activation": "relu"}, *MODERNBERT_TURNED),
    ),
    "modernbert-long": Case(
        "encoder",
        "ModernBertModel",
        {**MODERNBERT, "local_attention": 11, "num_hidden_layers": 3, "layer_types": ["full_attention", "sliding_attention", "sliding_attention"]},
        "local_attention 11: 5 to each side; rows of 29, 17, 1",
        lengths=(29, 17, 1),
        turned=({"local_attention": 12}, {"local_attention": 9}),
    ),
    "modernbert-older-config": Case(
        "masked-lm",
        "ModernBertForMaskedLM",
        {**MODERNBERT, "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"], "decoder_bias": False},
        "config as published: global_rope_theta, local_rope_theta, global_attn_every_n_layers; decoder_bias false",
        edit={
            "layer_types": REMOVED,
            "rope_parameters": REMOVED,
            "dtype": REMOVED,
            "torch_dtype": "float32",
            "global_rope_theta": 5000.0,
            "local_rope_theta": 70.0,
            "global_attn_every_n_layers": 3,
            "layer_norm_eps": 1e-5,
            "position_embedding_type": "absolute",
            "gradient_checkpointing": False,
            "reference_compile": None,
            "transformers_version": "4.48.0",
        },
        turned=({"local_attention": 64}, {"global_rope_theta": 70.0}, {"local_rope_theta": 5000.0}, {"global_attn_every_n_layers": 2}),
    ),
}

IDS = dict(bos_token_id=1, eos_token_id=2)
GPT2 = dict(n_embd=18, n_head=2, n_inner=43, n_layer=2, n_positions=48, vocab_size=97, **IDS)
GPT_NEOX = dict(hidden_size=16, num_attention_heads=2, intermediate_size=31, num_hidden_layers=2, vocab_size=97, max_position_embeddings=64, **IDS)
LLAMA = dict(
    hidden_size=16,
    num_attention_heads=2,
    num_key_value_heads=1,
    intermediate_size=37,
    num_hidden_layers=2,
    vocab_size=67,
    max_position_embeddings=48,
    rms_norm_eps=1e-5,
    **IDS,
)
DECODER = dict(
    hidden_size=16,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=6,
    intermediate_size=29,
    num_hidden_layers=2,
    vocab_size=97,
    max_position_embeddings=64,
    **IDS,
)
QWEN2 = dict(
    hidden_size=16,
    num_attention_heads=2,
    num_key_value_heads=1,
    intermediate_size=29,
    num_hidden_layers=3,
    vocab_size=97,
    max_position_embeddings=64,
    **IDS,
)
GEMMA3 = dict(
    hidden_size=12,
    num_attention_heads=4,
    num_key_value_heads=1,
    head_dim=6,
    intermediate_size=17,
    num_hidden_layers=7,
    vocab_size=97,
    max_position_embeddings=256,
    sliding_window=5,
    query_pre_attn_scalar=9,
    pad_token_id=0,
    **IDS,
    rope_parameters={
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
    },
)
PHI3 = dict(
    hidden_size=16,
    num_attention_heads=2,
    num_key_value_heads=1,
    intermediate_size=29,
    num_hidden_layers=2,
    vocab_size=97,
    max_position_embeddings=96,
    original_max_position_embeddings=48,
    pad_token_id=0,
    **IDS,
)
SHORT_FACTOR = [1.0, 1.31, 1.27, 2.05]
LONG_FACTOR = [1.05, 1.9, 6.1, 13.3]
LONGROPE = {"rope_type": "longrope", "rope_theta": 100.0, "short_factor": SHORT_FACTOR, "long_factor": LONG_FACTOR}
PUBLISHED_LONGROPE = {
    "rope_parameters": REMOVED,
    "dtype": REMOVED,
    "torch_dtype": "float32",
    "rope_theta": 100.0,
    "rope_scaling": {"type": "longrope", "short_factor": SHORT_FACTOR, "long_factor": LONG_FACTOR},
}


def shorter(factor: str) -> dict:
    return {"rope_parameters": {**LONGROPE, factor: [1.0] * 4}}


def shorter_as_published(factor: str) -> dict:
    return {"rope_scaling": {**PUBLISHED_LONGROPE["rope_scaling"], factor: [1.0] * 4}}


DECODERS = {
    "gpt2-odd": Case("decoder", "GPT2LMHeadModel", GPT2, "n_inner 43; many ways to generate", more_generation=True, lengths=(12, 12)),
    "gpt2-inverse-layer": Case(
        "decoder",
        "GPT2LMHeadModel",
        {**GPT2, "n_layer": 3, "n_embd": 14, "n_inner": None, "scale_attn_by_inverse_layer_idx": True},
        "scale_attn_by_inverse_layer_idx",
        gain=1.8,
        turned=({"scale_attn_by_inverse_layer_idx": False},),
    ),
    "gpt2-unscaled": Case(
        "decoder",
        "GPT2LMHeadModel",
        {**GPT2, "scale_attn_weights": False, "activation_function": "relu"},
        "scale_attn_weights false, relu",
        turned=({"scale_attn_weights": True}, {"activation_function": "gelu_new"}),
    ),
    "gpt_neo-odd": Case(
        "decoder",
        "GPTNeoForCausalLM",
        dict(
            hidden_size=15,
            num_heads=3,
            intermediate_size=None,
            num_layers=3,
            attention_types=[[["global", "local"], 1], [["local"], 1]],
            window_size=4,
            vocab_size=101,
            max_position_embeddings=48,
            **IDS,
        ),
        "window 4 in layers 1 and 2 by two entries of attention_types; heads of 5; no intermediate_size; config without attention_layers",
        gain=1.8,
        edit={"attention_layers": REMOVED},
        turned=({"window_size": 48}, {"window_size": 5}, {"attention_types": [[["global", "local", "global"], 1]]}),
    ),
    "gpt_neox-serial": Case(
        "decoder",
        "GPTNeoXForCausalLM",
        {**GPT_NEOX, "use_parallel_residual": False, "rope_parameters": {"rope_type": "default", "rope_theta": 300.0, "partial_rotary_factor": 0.25}},
        "use_parallel_residual false; 2 of 8 rotated",
        turned=({"use_parallel_residual": True},),
    ),
    "gpt_neox-no-bias": Case(
        "decoder",
        "GPTNeoXForCausalLM",
        {
            **GPT_NEOX,
            "attention_bias": False,
            "hidden_act": "gelu_new",
            "rope_parameters": {"rope_type": "default", "rope_theta": 77.0, "partial_rotary_factor": 0.5},
        },
        "attention_bias false, gelu_new; config as published: rotary_pct 0.5, rotary_emb_base 77",
        edit={"rope_parameters": REMOVED, "dtype": REMOVED, "torch_dtype": "float32", "rotary_pct": 0.5, "rotary_emb_base": 77},
        turned=({"rotary_pct": 0.25}, {"rotary_emb_base": 10000}, {"hidden_act": "relu"}),
    ),
    "llama-rope-linear": Case(
        "decoder",
        "LlamaForCausalLM",
        {**LLAMA, "rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}},
        "linear scaling of rotary positions",
        lengths=(29, 29),
        turned=({"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},),
    ),
    "llama-rope-dynamic": Case(
        "decoder",
        "LlamaForCausalLM",
        {**LLAMA, "max_position_embeddings": 24, "rope_parameters": {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 10000.0}},
        "dynamic scaling beyond max_position_embeddings: keys in the cache stay as they were rotated",
        lengths=(33, 33),
        turned=({"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},),
    ),
    "llama-biases": Case(
        "decoder",
        "LlamaForCausalLM",
        {**LLAMA, "attention_bias": True, "mlp_bias": True, "head_dim": 6, "num_attention_heads": 4, "num_key_value_heads": 2},
        "attention_bias, mlp_bias, head_dim that is not hidden_size / heads",
        lengths=(13, 13),
    ),
    "llama-gelu-far": Case(
        "decoder",
        "LlamaForCausalLM",
        {**LLAMA, "hidden_act": "gelu_pytorch_tanh", "rope_parameters": {"rope_type": "default", "rope_theta": 123.0}},
        "gelu_pytorch_tanh, rope_theta 123",
        lengths=(20, 20),
        turned=({"hidden_act": "silu"}, {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
    ),
    "llama-bare-tied": Case(
        "decoder",
        "LlamaForCausalLM",
        {**LLAMA, "tie_word_embeddings": True, "hidden_act": "gelu", "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 3},
        "LlamaModel: names without model., no head; float16",
        lengths=(9, 9),
        dtype="float16",
        bare=True,
        opened_as="LlamaForCausalLM",
        turned=({"hidden_act": "relu"},),
    ),
    "llama-sharded": Case("decoder", "LlamaForCausalLM", LLAMA, "two shards with model.safetensors.index.json", shard="22KB"),
    "llama-odd-generation": Case(
        "decoder", "LlamaForCausalLM", {**DECODER, "rms_norm_eps": 1e-5}, "many ways to generate", more_generation=True, lengths=(11, 11)
    ),
    "llama-yarn": Case(
        "decoder",
        "LlamaForCausalLM",
        {
            **DECODER,
            "head_dim": 10,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 256,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 200.0,
                "factor": 4.0,
                "original_max_position_embeddings": 64,
                "beta_fast": 4.0,
                "beta_slow": 1.0,
                "attention_factor": 1.3,
                "truncate": False,
            },
        },
        "yarn with beta_fast, attention_factor, truncate false",
        lengths=(21, 21),
        turned=tuple(
            {
                "rope_parameters": {
                    "rope_type": "yarn",
                    "rope_theta": 200.0,
                    "factor": 4.0,
                    "original_max_position_embeddings": 64,
                    "beta_fast": 4.0,
                    "beta_slow": 1.0,
                    "attention_factor": 1.3,
                    "truncate": False,
                    **change,
                }
            }
            for change in ({"truncate": True}, {"attention_factor": 1.0}, {"beta_fast": 32.0}, {"beta_slow": 2.0}, {"factor": 3.0})
        ),
    ),
    "llama-long-position": Case(
        "decoder",
        "LlamaForCausalLM",
        {**LLAMA, "hidden_size": 24, "num_attention_heads": 3, "vocab_size": 61, "max_position_embeddings": 512},
        "300 positions",
        lengths=(300,),
        last=3,
    ),
    "mistral-window": Case(
        "decoder",
        "MistralForCausalLM",
        {**DECODER, "sliding_window": 5},
        "sliding_window 5; head_dim that is not hidden_size / heads",
        turned=({"sliding_window": None}, {"sliding_window": 6}),
    ),
    "mistral-no-window": Case(
        "decoder",
        "MistralForCausalLM",
        {**DECODER, "sliding_window": None, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
        "sliding_window null",
        turned=({"sliding_window": 5}, {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
    ),
    "qwen2-sliding": Case(
        "decoder",
        "Qwen2ForCausalLM",
        {**QWEN2, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
        "layers 1 and 2 have a window of 4; config without layer_types, as published",
        edit={"layer_types": REMOVED},
        turned=({"use_sliding_window": False}, {"max_window_layers": 0}, {"sliding_window": 5}),
    ),
    "qwen2-tied-f16": Case(
        "decoder",
        "Qwen2ForCausalLM",
        {**QWEN2, "tie_word_embeddings": True, "use_sliding_window": False, "sliding_window": 4, "rms_norm_eps": 1e-6},
        "tied, float16; use_sliding_window false with sliding_window 4 in the file",
        dtype="float16",
        edit={"layer_types": REMOVED, "sliding_window": 4, "max_window_layers": 1},
        turned=({"use_sliding_window": True},),
    ),
    "qwen2-yarn": Case(
        "decoder",
        "Qwen2ForCausalLM",
        {
            **QWEN2,
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "yarn", "rope_theta": 300.0, "factor": 4.0, "original_max_position_embeddings": 256},
        },
        "yarn; config as published: rope_theta, rope_scaling with type",
        lengths=(19, 19),
        edit={
            "rope_parameters": REMOVED,
            "layer_types": REMOVED,
            "dtype": REMOVED,
            "torch_dtype": "float32",
            "rope_theta": 300.0,
            "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256},
        },
        turned=(
            {"rope_scaling": None},
            {"rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 256}},
            {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}},
        ),
    ),
    "qwen3-odd": Case(
        "decoder",
        "Qwen3ForCausalLM",
        {**DECODER, "rms_norm_eps": 1e-6, "attention_bias": True},
        "attention_bias; head_dim that is not hidden_size / heads",
    ),
    "qwen3-bf16": Case(
        "decoder",
        "Qwen3ForCausalLM",
        {**DECODER, "tie_word_embeddings": True, "num_key_value_heads": 4, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
        "bfloat16, tied; config without layer_types",
        dtype="bfloat16",
        edit={"layer_types": REMOVED},
    ),
    "gemma3-odd": Case(
        "decoder",
        "Gemma3ForCausalLM",
        GEMMA3,
        "layer 5 of 7 is global, with linear scaling 8; window 5; query_pre_attn_scalar 9, head_dim 6",
        embedding=0.7,
        last_norm=2.0,
        turned=(
            {"sliding_window": 64},
            {"sliding_window": 6},
            {"query_pre_attn_scalar": 6},
            *(
                {"rope_parameters": {**GEMMA3["rope_parameters"], kind: change}}
                for kind, change in (
                    ("full_attention", {"rope_type": "default", "rope_theta": 1000.0}),
                    ("full_attention", {"rope_type": "linear", "factor": 8.0, "rope_theta": 50.0}),
                    ("sliding_attention", {"rope_type": "default", "rope_theta": 1000.0}),
                )
            ),
        ),
    ),
    "gemma3-older-config": Case(
        "decoder",
        "Gemma3ForCausalLM",
        {**GEMMA3, "num_hidden_layers": 4, "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]},
        "config as published: rope_theta, rope_local_base_freq, rope_scaling, sliding_window_pattern 3",
        embedding=0.7,
        last_norm=2.0,
        edit={
            "layer_types": REMOVED,
            "_sliding_window_pattern": REMOVED,
            "rope_parameters": REMOVED,
            "use_bidirectional_attention": REMOVED,
            "dtype": REMOVED,
            "torch_dtype": "float32",
            "rope_theta": 1000.0,
            "rope_local_base_freq": 50.0,
            "cache_implementation": "hybrid",
            "sliding_window_pattern": 3,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "transformers_version": "4.50.0",
        },
        turned=(
            {"rope_theta": 50.0},
            {"rope_local_base_freq": 1000.0},
            {"sliding_window_pattern": 2},
            {"rope_scaling": None},
            {"sliding_window": 64},
        ),
    ),
    "gemma3-softcap": Case(
        "decoder",
        "Gemma3ForCausalLM",
        {**GEMMA3, "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"], "final_logit_softcapping": 7.5},
        "final_logit_softcapping 7.5",
        embedding=0.7,
        last_norm=2.5,
        turned=({"final_logit_softcapping": None}, {"final_logit_softcapping": 8.0}),
    ),
    "gemma3-bidirectional": Case(
        "encoder",
        "Gemma3TextModel",
        {**GEMMA3, "num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "sliding_window": 7, "use_bidirectional_attention": True},
        "use_bidirectional_attention, as in EmbeddingGemma: an encoder; rows see 3 positions to each side",
        embedding=0.7,
        turned=({"sliding_window": 64}, {"sliding_window": 9}, {"use_bidirectional_attention": False}),
    ),
    "phi3-longrope": Case(
        "decoder",
        "Phi3ForCausalLM",
        {**PHI3, "rope_parameters": LONGROPE},
        "longrope, all of it within original_max_position_embeddings: short_factor; config as published: rope_theta, rope_scaling with type",
        edit=PUBLISHED_LONGROPE,
        turned=(shorter_as_published("short_factor"), {"max_position_embeddings": 48}),
    ),
    "phi3-longrope-long": Case(
        "decoder",
        "Phi3ForCausalLM",
        {**PHI3, "original_max_position_embeddings": 13, "rope_parameters": LONGROPE},
        "longrope, all of it beyond original_max_position_embeddings: long_factor",
        lengths=(21, 21),
        turned=(shorter("long_factor"), {"max_position_embeddings": 48}),
    ),
    "phi3-longrope-crossing": Case(
        "decoder",
        "Phi3ForCausalLM",
        {**PHI3, "original_max_position_embeddings": 17, "rope_parameters": LONGROPE},
        "longrope: hidden states and logits with short_factor; generation crosses original_max_position_embeddings, 17, "
        "where all keys are computed anew with long_factor",
        turned=(shorter("short_factor"),),
        # With a cache, transformers 5.18.0 drops it at the crossing and feeds the last token only.
        cached=False,
    ),
    "phi3-partial": Case(
        "decoder",
        "Phi3ForCausalLM",
        {**PHI3, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5}},
        "partial_rotary_factor 0.5: 4 of 8 rotated; config as published",
        edit={
            "rope_parameters": REMOVED,
            "rope_theta": 100.0,
            "rope_scaling": None,
            "partial_rotary_factor": 0.5,
            "dtype": REMOVED,
            "torch_dtype": "float32",
        },
        turned=({"partial_rotary_factor": 1.0}, {"rope_theta": 10000.0}),
    ),
    "phi3-window": Case(
        "decoder",
        "Phi3ForCausalLM",
        {**PHI3, "sliding_window": 5, "tie_word_embeddings": True},
        "sliding_window 5; tied",
        turned=({"sliding_window": None}, {"sliding_window": 6}),
    ),
    "smollm3-odd": Case(
        "decoder",
        "SmolLM3ForCausalLM",
        {
            **{key: value for key, value in DECODER.items() if key != "head_dim"},
            "intermediate_size": 23,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "num_hidden_layers": 4,
            "no_rope_layer_interval": 3,
            "pad_token_id": 0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
        },
        "layer 2 of 4 has no rotary positions, by no_rope_layer_interval 3: config without no_rope_layers and layer_types",
        edit={"no_rope_layers": REMOVED, "layer_types": REMOVED},
        turned=({"no_rope_layer_interval": 4}, {"no_rope_layer_interval": 2}),
    ),
}

T5 = dict(
    d_model=18,
    d_kv=5,
    num_heads=3,
    d_ff=23,
    num_layers=2,
    num_decoder_layers=2,
    vocab_size=97,
    relative_attention_num_buckets=10,
    relative_attention_max_distance=9,
    decoder_start_token_id=0,
    pad_token_id=0,
    eos_token_id=1,
)
LONGT5 = {**T5, "num_decoder_layers": 1, "local_radius": 3, "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}

ENCODER_DECODERS = {
    "t5-odd": Case(
        "encoder-decoder",
        "T5ForConditionalGeneration",
        {**T5, "num_layers": 3, "num_decoder_layers": 1},
        "3 encoder layers, 1 decoder layer; 10 relative buckets up to distance 9; many ways to generate",
        lengths=(13, 9),
        embedding=1.0,
        gain=2.0,
        last_norm=2.5,
        more_generation=True,
        turned=({"relative_attention_max_distance": 128}, {"scale_decoder_outputs": False}),
    ),
    "t5-gated-silu": Case(
        "encoder-decoder",
        "T5ForConditionalGeneration",
        {**T5, "num_decoder_layers": 1, "feed_forward_proj": "gated-silu"},
        "feed_forward_proj gated-silu; heads times d_kv is not d_model",
        lengths=(13, 6),
        embedding=1.0,
        gain=2.0,
        last_norm=2.5,
        turned=({"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new"},),
    ),
    "t5-untied-unscaled": Case(
        "encoder-decoder",
        "T5ForConditionalGeneration",
        {**T5, "num_layers": 1, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        "T5 1.1: an output layer of its own, no scaling; 1 encoder layer, 2 decoder layers; config as published: tie_word_embeddings false",
        lengths=(13, 9),
        embedding=1.0,
        gain=1.8,
        own_head="lm_head",
        cached=False,
        edit={"scale_decoder_outputs": REMOVED, "tie_word_embeddings": False},
        turned=({"tie_word_embeddings": True},),
    ),
    "mt5-odd": Case(
        "encoder-decoder",
        "MT5ForConditionalGeneration",
        {**T5, "num_layers": 1, "num_decoder_layers": 2, "feed_forward_proj": "gated-gelu"},
        "1 encoder layer, 2 decoder layers; an output layer of its own; config as published: tie_word_embeddings false",
        lengths=(12, 7),
        embedding=1.0,
        gain=1.8,
        own_head="lm_head",
        cached=False,
        edit={"tie_word_embeddings": False},
    ),
    "longt5-local-long": Case(
        "encoder-decoder",
        "LongT5ForConditionalGeneration",
        {**LONGT5, "encoder_attention_type": "local"},
        "local attention, radius 3, over 37 positions",
        lengths=(37, 22),
        embedding=1.0,
        gain=2.0,
        last_norm=2.5,
        turned=({"local_radius": 4},),
    ),
    "longt5-tglobal-long": Case(
        "encoder-decoder",
        "LongT5ForConditionalGeneration",
        {**LONGT5, "encoder_attention_type": "transient-global", "global_block_size": 4},
        "local attention, radius 3, and global tokens of blocks of 4, over 41 positions; row 1 has 27",
        lengths=(41, 27),
        embedding=1.0,
        gain=2.0,
        last_norm=2.5,
        turned=({"local_radius": 4}, {"global_block_size": 5}),
    ),
}

CASES = {**ENCODERS, **DECODERS, **ENCODER_DECODERS}


# --- models ------------------------------------------------------------------------------------------------------------


class Float64(TorchFunctionMode):
    """Turns every float32 that code asks for by name to float64."""

    def __enter__(self):
        torch.set_default_dtype(torch.float64)
        return super().__enter__()

    def __exit__(self, *error):
        torch.set_default_dtype(torch.float32)
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        widened = lambda value: torch.float64 if value is torch.float32 else value
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        return func(*map(widened, args), **{key: widened(value) for key, value in (kwargs or {}).items()})


LAST_NORM = r"(model\.norm|ln_f|(decoder|gpt_neox)\.final_layer_norm)\.weight"


def enliven(model: nn.Module, case: Case, seed: int) -> None:
    """Random weights that are large enough for each to be seen in the outputs."""
    random = torch.Generator().manual_seed(seed)
    config = model.config
    filled = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(module_name, recurse=False):
            if parameter in filled:  # tied
                continue
            filled.add(parameter)
            normal = torch.randn(parameter.shape, generator=random)
            if name.endswith("position_embeddings.weight") and getattr(config, "sinusoidal_pos_embds", False):
                continue
            if parameter.ndim == 1:
                values = 0.3 * normal
                if re.search(r"norm|ln_", name, re.I) and name.endswith("weight"):
                    values = 1 + 0.25 * normal
                    if "decoder" in case.kind and re.search(LAST_NORM, name):
                        # Both signs, so that a tied output layer does not find the token it was given.
                        values = (values - 1 + case.last_norm) * torch.randn(parameter.shape, generator=random).sign()
                    if config.model_type.startswith("gemma"):
                        values -= 1
            elif "relative_attention_bias" in name:
                values = normal
            elif isinstance(module, nn.Embedding):
                # Tokens of one length, so that no few of them are always the likeliest.
                same_length = "decoder" in case.kind and len(parameter) == config.vocab_size
                values = case.embedding * (normal / normal.norm(dim=1, keepdim=True) * parameter.shape[1] ** 0.5 if same_length else normal)
            else:
                inputs = parameter.shape[0 if isinstance(module, Conv1D) else 1]
                head = re.search(r"lm_head\.weight|embed_out|decoder\.weight", name)
                values = (case.head if head else case.gain) / inputs**0.5 * normal
                if re.search(r"Attention\.q\.", name) and "t5" in config.model_type:
                    values /= config.d_kv**0.5
            with torch.no_grad():
                parameter.copy_(values)


def save(case: Case, seed: int, folder: pathlib.Path) -> nn.Module:
    """Saves a model as it is published; what it is in memory, in float32."""
    model_class = getattr(transformers, case.model)
    torch.manual_seed(seed)
    model = model_class(model_class.config_class(**copy.deepcopy(case.config))).eval()
    if case.own_head:
        layer = model.get_submodule(case.own_head)
        layer.weight = nn.Parameter(torch.empty_like(layer.weight))
    enliven(model, case, seed)
    widened = copy.deepcopy(model)
    model = model.to(getattr(torch, case.dtype))
    widened.load_state_dict(model.state_dict())
    saved = model.model if case.bare else model
    saved.config.dtype = case.dtype
    saved.save_pretrained(folder, **({"max_shard_size": case.shard} if case.shard else {}))
    change_config(folder, case.edit)
    assert not case.shard or len(list(folder.glob("model-0000?-of-00002.safetensors"))) == 2, "two shards"
    return widened


def change_config(folder: pathlib.Path, changes: dict) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    config = {key: value for key, value in config.items() if value is not REMOVED}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def opened(folder: pathlib.Path, case: Case, dtype: torch.dtype) -> nn.Module:
    model_class = getattr(transformers, case.opened_as or case.model)
    model, info = model_class.from_pretrained(folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


def in_float64(folder: pathlib.Path, case: Case) -> nn.Module:
    with Float64():
        return opened(folder, case, torch.float64)


# --- inputs and outputs ------------------------------------------------------------------------------------------------


def inputs_of(case: Case, config, seed: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed + 1)
    rows, width = len(case.lengths), max(case.lengths)
    ids = torch.randint(3, config.vocab_size, (rows, width), generator=random)
    if case.kind == "decoder":
        return {"input_ids": ids}
    mask = (torch.arange(width) < torch.tensor(case.lengths)[:, None]).long()
    inputs = {"input_ids": torch.where(mask == 1, ids, config.pad_token_id), "attention_mask": mask}
    if case.kind == "encoder-decoder":
        decoder_ids = torch.randint(3, config.vocab_size, (rows, case.decoder_length), generator=random)
        return {**inputs, "decoder_input_ids": torch.cat([torch.zeros(rows, 1, dtype=torch.long), decoder_ids], 1)}
    if getattr(config, "type_vocab_size", 1) > 1:
        types = torch.arange(width) * config.type_vocab_size // width
        inputs["token_type_ids"] = types * mask
    return inputs


@torch.no_grad()
def outputs_of(model: nn.Module, case: Case, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    result = model(**inputs, output_hidden_states=True, return_dict=True, **({"use_cache": False} if "decoder" in case.kind else {}))
    numbered = lambda name: {f"{name}.{i}": state for i, state in enumerate(result[name])}
    if case.kind == "decoder":
        return {"logits_last": result.logits[:, -case.last :]} if case.last else {**numbered("hidden_states"), "logits": result.logits}
    if case.kind == "encoder-decoder":
        states = {**numbered("encoder_hidden_states"), **numbered("decoder_hidden_states")}
        return {**states, "encoder_last_hidden_state": result.encoder_last_hidden_state, "logits": result.logits}
    if case.kind != "encoder":
        return {"logits": result.logits}
    last, mask = result.last_hidden_state, inputs["attention_mask"][..., None]
    outputs = {**numbered("hidden_states"), "last_hidden_state": last, "mean_pooled": (last * mask).sum(1) / mask.sum(1), "cls": last[:, 0]}
    return outputs if result.get("pooler_output") is None else {**outputs, "pooler_output": result.pooler_output}


def differences(outputs: dict, exact: dict, inputs: dict) -> dict[str, float]:
    """By how much outputs differ where the mask is 1, relative to a tensor's largest absolute value."""
    result = {}
    for name, value in exact.items():
        difference = (outputs[name].double() - value).abs()
        mask = inputs.get("attention_mask")
        if mask is not None and value.shape[:2] == mask.shape and value.ndim == 3 and not name.startswith("decoder"):
            difference = difference * mask[..., None]
        result[name] = float(difference.max() / value.abs().max())
    return result


# --- generation --------------------------------------------------------------------------------------------------------


class Noise(LogitsProcessor):
    def __init__(self, seed: int):
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids, scores):
        return scores + 3e-4 * torch.randn(scores.shape, generator=self.random)


class Unsuitable(Exception):
    """This seed makes a bad fixture."""


class Generator:
    """Generates the same in float64, float32 and float32 with noise."""

    def __init__(self, exact: nn.Module, single: nn.Module, cached: bool):
        self.exact, self.single = copy.deepcopy(exact), copy.deepcopy(single)
        self.cached = cached
        self.is_encoder_decoder = exact.config.is_encoder_decoder

    @torch.no_grad()
    def once(self, model: nn.Module, ids: torch.Tensor, options: dict, seed: int | None) -> torch.Tensor:
        """Rows of new ids, padded with -1."""
        noise = LogitsProcessorList([] if seed is None else [Noise(seed)])
        fixed = dict(do_sample=False, use_cache=self.cached, pad_token_id=0, logits_processor=noise, attention_mask=torch.ones_like(ids))
        # A copy: dynamic rotary scaling remembers how far a model went before.
        rows = copy.deepcopy(model).generate(ids, **{**fixed, **options})[:, 1 if self.is_encoder_decoder else ids.shape[1] :]
        ends = options["eos_token_id"] or []
        ends = torch.tensor(ends if isinstance(ends, list) else [ends], dtype=torch.long)
        is_end = torch.isin(rows, ends)
        return torch.where(is_end.cumsum(1) - is_end.long() > 0, -1, rows)

    def __call__(self, ids: torch.Tensor, **options) -> torch.Tensor:
        with Float64():
            rows = self.once(self.exact, ids, options, None)
        for seed in (None, 1, 2):
            others = self.once(self.single, ids, options, seed)
            if rows.shape != others.shape or not torch.equal(rows, others):
                raise Unsuitable(f"near a tie: {options}")
        return rows


def check_variety(rows: torch.Tensor) -> None:
    for row in rows:
        if len(set(row.tolist())) < 6:
            raise Unsuitable("generated text repeats itself")


def decoder_ids(generate: Generator, ids: torch.Tensor) -> tuple[dict[str, torch.Tensor], int]:
    first, plain = ids[:1], dict(max_new_tokens=24, eos_token_id=None)
    check_variety(generate.once(generate.single, first, plain, None))
    greedy = torch.cat([generate(row[None], **plain) for row in ids])
    check_variety(greedy)
    results = {
        "greedy": greedy,
        "greedy_repetition_1.3": generate(first, repetition_penalty=1.3, **plain),
        "greedy_no_repeat_2": generate(first, no_repeat_ngram_size=2, **plain),
        "beam4": generate(first, num_beams=4, **plain),
    }
    # An end of text that greedy search meets after 4 to 12 ids, and beams early enough.
    row = greedy[0].tolist()
    for eos in dict.fromkeys(row[3:12]):
        if row.index(eos) < 3:
            continue
        stopping = dict(max_new_tokens=24, eos_token_id=eos)
        beams = dict(num_beams=3, num_return_sequences=3, length_penalty=0.6, early_stopping=True, **stopping)
        if (generate.once(generate.single, first, beams, None)[:, -1] == -1).any():
            results["greedy_eos"] = generate(first, **stopping)
            results["beam3_eos"] = generate(first, **beams).clamp(min=0)
            return results, eos
    raise Unsuitable("no end of text that stops beams early")


def encoder_decoder_ids(generate: Generator, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    plain = dict(max_new_tokens=16, eos_token_id=None)
    # Without its padding a row gives the same as with it and a mask: the seed is bad where it does not.
    rows = [row[mask == 1][None] for row, mask in zip(inputs["input_ids"], inputs["attention_mask"])]
    check_variety(generate.once(generate.single, rows[0], plain, None))
    greedy = torch.cat([generate(row, **plain) for row in rows])
    with Float64():
        padded = generate.once(generate.exact, inputs["input_ids"], {**plain, "attention_mask": inputs["attention_mask"]}, None)
    if not torch.equal(padded, greedy):
        raise Unsuitable(f"padding changes generated ids: {padded.tolist()} {greedy.tolist()}")
    check_variety(greedy)
    return {"greedy": greedy, "beam4": generate(rows[0], num_beams=4, **plain)}


def more_generation(generate: Generator, first: torch.Tensor, seed: int) -> tuple[dict, dict[str, torch.Tensor]]:
    """Options by name, and the tensors of their results."""
    length = 20
    plain, returned = dict(max_new_tokens=length, eos_token_id=None), dict(num_beams=4, num_return_sequences=4)
    greedy = generate(first, **plain)[0].tolist()
    beam = generate(first, num_beams=3, **plain)[0].tolist()
    eos = lively_eos(generate, first, length, returned)
    stopping = dict(max_new_tokens=length, eos_token_id=eos)
    ends = dict(max_new_tokens=length, eos_token_id=[greedy[5], greedy[8]])
    early = greedy[2]  # an end of text that greedy search meets soon
    vocabulary = generate.exact.config.vocab_size
    random = torch.Generator().manual_seed(seed + 2)
    prompts = {n: torch.randint(3, vocabulary, (1, n), generator=random) for n in (1, 9)}
    words = [[greedy[0]], greedy[3:5], greedy[6:9]]
    cases = {
        "bad_words_single": dict(bad_words_ids=[[greedy[0]], [greedy[4]]], **plain),
        "bad_words_multiple": dict(bad_words_ids=[greedy[1:3], greedy[5:8]], **plain),
        "bad_words_both": dict(bad_words_ids=words, **plain),
        "min_new_tokens": dict(min_new_tokens=9, max_new_tokens=length, eos_token_id=early),
        "min_new_tokens_two_eos": dict(min_new_tokens=9, **ends),
        "two_eos": ends,
        "repetition_no_repeat_3": dict(repetition_penalty=1.2, no_repeat_ngram_size=3, **plain),
        "everything_greedy": dict(
            repetition_penalty=1.15, no_repeat_ngram_size=2, bad_words_ids=words, min_new_tokens=6, max_new_tokens=length, eos_token_id=early
        ),
        "beams_repetition_1.4": dict(num_beams=3, repetition_penalty=1.4, **plain),
        "beams_no_repeat_2": dict(num_beams=4, no_repeat_ngram_size=2, **plain),
        "beams_no_repeat_3_returned": dict(no_repeat_ngram_size=3, **returned, **plain),
        "beams_length_penalty_2": dict(length_penalty=2.0, **returned, **stopping),
        "beams_length_penalty_-1": dict(length_penalty=-1.0, **returned, **stopping),
        "beams_length_penalty_0": dict(length_penalty=0.0, **returned, **stopping),
        "beams_early_stopping_true": dict(early_stopping=True, **returned, **stopping),
        "beams_early_stopping_false": dict(early_stopping=False, **returned, **stopping),
        "beams_early_stopping_never": dict(early_stopping="never", **returned, **stopping),
        "beams_early_stopping_never_length_penalty_2": dict(early_stopping="never", length_penalty=2.0, **returned, **stopping),
        "beams_early_stopping_true_one_returned": dict(num_beams=4, early_stopping=True, **stopping),
        "beams_two_eos": dict(**returned, **ends),
        "beams_bad_words": dict(num_beams=3, bad_words_ids=[[beam[0]], beam[3:5], beam[6:9]], **plain),
        "beams_min_new_tokens": dict(min_new_tokens=7, **returned, **stopping),
        "beams_everything": dict(
            repetition_penalty=1.15,
            no_repeat_ngram_size=2,
            bad_words_ids=[[beam[0]], beam[3:5]],
            min_new_tokens=5,
            length_penalty=1.5,
            **returned,
            **stopping,
        ),
        "beams_one_new_token": dict(max_new_tokens=1, eos_token_id=None, **returned),
        **{
            f"prompt_{n}_{name}": options
            for n in prompts
            for name, options in {
                "greedy": plain,
                "repetition_1.3": dict(repetition_penalty=1.3, **plain),
                "no_repeat_2": dict(no_repeat_ngram_size=2, **plain),
                "beams": dict(**returned, **stopping),
            }.items()
        },
    }
    tensors = {}
    for name, options in cases.items():
        prompt = first
        if at := re.match(r"prompt_(\d+)_", name):
            prompt = tensors[f"prompt.{name}"] = prompts[int(at[1])].clone()
        tensors[f"generated.{name}"] = generate(prompt, **options)
    same_as_greedy = [name for name in cases if not name.startswith(("prompt", "beams")) and tensors[f"generated.{name}"].tolist() == [greedy]]
    if same_as_greedy:
        raise Unsuitable(f"what greedy search gives: {same_as_greedy}")
    return cases, tensors


def lively_eos(generate: Generator, first: torch.Tensor, length: int, beams: dict) -> int:
    """An end of text with which length penalties and early stopping matter."""
    roughly = lambda **options: generate.once(generate.single, first, {**beams, "max_new_tokens": length, **options}, None).tolist()
    for eos in dict.fromkeys(id for ids in zip(*roughly(eos_token_id=None)) for id in ids):
        distinct = lambda name, *values: len({str(roughly(eos_token_id=eos, **{name: value})) for value in values})  # noqa: B023
        if distinct("length_penalty", 2.0, -1.0, 0.0) >= 2 and distinct("early_stopping", True, False, "never") >= 2:
            return eos
    raise Unsuitable("no end of text with which length penalties and early stopping matter")


# --- checks ------------------------------------------------------------------------------------------------------------

UNSEEN = r"(self\.key|k_lin|attn\.k)\.bias$"  # the same for all keys, so that a softmax does not see it


def check_parameters(model: nn.Module, case: Case, inputs: dict, outputs: dict) -> None:
    """Every parameter matters."""
    for name, parameter in model.named_parameters():
        before = parameter.data.clone()
        parameter.data = before.flip(0) * 0.9 + 0.05
        changed = max(differences(outputs_of(model, case, inputs), outputs, inputs).values())
        parameter.data = before
        if re.search(f"{UNSEEN}|{case.dead}", name):
            assert changed < LARGEST_ERROR, f"{name} is said to be unseen and changes outputs by {changed}"
        elif changed < 3e-3:
            raise Unsuitable(f"{name} changes outputs by {changed} only")


def check_turned(folder: pathlib.Path, case: Case, inputs: dict, exact: dict) -> None:
    """What the case is about matters."""
    for changes in case.turned:
        with tempfile.TemporaryDirectory() as other:
            shutil.copytree(folder, other, dirs_exist_ok=True)
            change_config(pathlib.Path(other), changes)
            model = in_float64(pathlib.Path(other), case)
            with Float64():
                outputs = outputs_of(model, case, inputs)
        changed = max(differences(outputs, exact, inputs).values())
        assert changed > 0, f"{changes} does not change outputs"
        if changed < 2e-4:
            raise Unsuitable(f"{changes} changes outputs by {changed} only")


# --- a folder ----------------------------------------------------------------------------------------------------------


def make(name: str, case: Case, seed: int, folder: pathlib.Path) -> dict:
    saved = save(case, seed, folder)
    exact_model, single_model = in_float64(folder, case), opened(folder, case, torch.float32)
    generate = Generator(exact_model, single_model, case.cached) if "decoder" in case.kind else None
    inputs = inputs_of(case, exact_model.config, seed)
    with Float64():
        exact = outputs_of(exact_model, case, inputs)
    single = outputs_of(single_model, case, inputs)
    assert all(value.dtype == torch.float64 and value.isfinite().all() for value in exact.values())
    error = differences(single, exact, inputs)
    # The edited folder means what was saved.
    in_memory = differences(outputs_of(saved, case, inputs), exact, inputs)
    assert max(in_memory.values()) < 1e-4, f"{name}: opened, it is another model: {in_memory}"
    if max(error.values()) > LARGEST_ERROR:
        raise Unsuitable(f"float32 error {max(error.values())}")
    facts, tensors = {"kind": case.kind, "seed": seed}, {**inputs, **{key: value.float().contiguous() for key, value in exact.items()}}
    if case.kind == "encoder":
        facts["padding"] = "rows 1 and 2 are right padded: compare positions where attention_mask is 1"
    if case.kind == "decoder":
        ids, eos = decoder_ids(generate, inputs["input_ids"])
        tensors.update(ids)
        facts["eos_token_id_of_greedy_eos_and_beam3_eos"] = eos
        facts["beam3_eos"] = "num_beams 3, num_return_sequences 3, length_penalty 0.6, early_stopping true; rows padded with 0"
    if case.kind == "encoder-decoder":
        tensors.update(encoder_decoder_ids(generate, inputs))
        facts["greedy_and_beam4"] = "greedy and beam4 leave out the decoder start token; eos never stops them"
    if case.more_generation:
        facts["generation"], more = more_generation(generate, inputs["input_ids"][:1], seed)
        tensors.update(more)
    check_parameters(single_model, case, inputs, single)
    check_turned(folder, case, inputs, exact)
    facts["pytorch_float32_error"] = {key: float(f"{value:.3g}") for key, value in error.items()}
    facts.update(VERSIONS, dtype=case.dtype, machine=platform.machine())
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(facts, indent=1) + "\n")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size <= LARGEST_FOLDER, f"{name}: {size} bytes"
    print(f"{name:42}{case.kind:25}seed {seed:<7}{size:>7} bytes  float32 error {max(error.values()):.1e}", flush=True)
    names = " ".join(sorted(tensors))
    return {"kind": case.kind, "model": case.model, "dtype": case.dtype, "seed": seed, "special": case.special, "tensors": names}


def make_first_suitable(name: str, case: Case, into: pathlib.Path, verbose: bool) -> dict:
    first = zlib.crc32(name.encode()) % 100_000
    for seed in range(first, first + 200):
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary) / name
            try:
                entry = make(name, case, seed, folder)
            except Unsuitable as reason:
                if verbose:
                    print(f"  {name}, seed {seed}: {str(reason)[:160]}", flush=True)
                continue
            shutil.rmtree(into / name, ignore_errors=True)
            shutil.copytree(folder, into / name)
            return entry
    raise SystemExit(f"{name}: no suitable seed; --verbose says why")


# --- warpers of logits -------------------------------------------------------------------------------------------------

WARPERS = [
    {}, {"temperature": 0.3}, {"temperature": 1.7}, {"top_k": 1}, {"top_k": 5}, {"top_k": 36}, {"top_k": 37}, {"top_k": 100},
    {"top_p": 0.1}, {"top_p": 0.5}, {"top_p": 0.9}, {"top_p": 0.999}, {"top_p": 1.0}, {"min_p": 0.02}, {"min_p": 0.3}, {"min_p": 1.0},
    {"typical_p": 0.2}, {"typical_p": 0.5}, {"typical_p": 0.95},
    {"temperature": 0.6, "top_p": 0.9}, {"temperature": 1.5, "top_k": 7}, {"top_k": 9, "top_p": 0.7}, {"top_k": 12, "typical_p": 0.6},
    {"temperature": 2.5, "min_p": 0.2}, {"top_p": 0.8, "min_p": 0.15}, {"top_p": 0.85, "typical_p": 0.5}, {"min_p": 0.05, "typical_p": 0.4},
    {"temperature": 1.3, "top_k": 20, "top_p": 0.9, "min_p": 0.02}, {"temperature": 0.8, "top_k": 15, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.8},
]  # fmt: skip


def make_warpers(into: pathlib.Path) -> None:
    """Probabilities after the warpers, in the order of transformers' own list."""
    random = torch.Generator().manual_seed(37)
    # Multiples of 1/1024: exact in float32, short in JSON.
    logits = torch.stack([(torch.randn(37, generator=random) * scale * 1024).round() / 1024 for scale in (1.5, 3.0, 0.4)])
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=2, n_head=1, n_layer=1, vocab_size=37))

    def warped(options: dict, scores: torch.Tensor) -> torch.Tensor:
        config = GenerationConfig(do_sample=True, **{"top_k": 0, **options})
        model._prepare_special_tokens(config, False, device="cpu")
        return model._get_logits_processor(config, 1, device="cpu")(torch.zeros(len(scores), 1, dtype=torch.long), scores)

    cases = []
    for options in WARPERS:
        with Float64():
            scores = warped(options, logits.double())
        for other in (logits, logits + 1e-5 * torch.randn(logits.shape, generator=random)):
            assert torch.equal(warped(options, other.clone()).isinf(), scores.isinf()), f"near a tie: {options}"
        probabilities = [[float(f"{p:.9g}") if p > 0 else None for p in row] for row in torch.softmax(scores, 1).tolist()]
        assert [[p is None for p in row] for row in probabilities] == scores.isinf().tolist()
        cases.append({"options": options, "probabilities": probabilities})
    facts = {"command": COMMAND, **VERSIONS, "seed": 37, "logits": logits.tolist(), "cases": cases}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items() if key != "cases"]
    lines.append(' "cases": [\n' + ",\n".join(f"  {json.dumps(case)}" for case in cases) + "\n ]")
    (into / "logits-warpers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes verify/fixtures/<model>.")
    parser.add_argument("names", nargs="*", help="the folders to make; all of them where none is named")
    parser.add_argument("--into", type=pathlib.Path, default=FIXTURES)
    parser.add_argument("--verbose", action="store_true", help="say why seeds are passed over")
    arguments = parser.parse_args()
    expect_versions("torch", "transformers", "safetensors", "numpy")
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    arguments.into.mkdir(parents=True, exist_ok=True)
    manifest_path = arguments.into / "models-manifest.json"
    folders = json.loads(manifest_path.read_text())["folders"] if arguments.names and manifest_path.exists() else {}
    for name in arguments.names or CASES:
        folders[name] = make_first_suitable(name, CASES[name], arguments.into, arguments.verbose)
    folders = {name: folders[name] for name in CASES if name in folders}
    made = {"command": COMMAND, "python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}", **VERSIONS}
    manifest_path.write_text(json.dumps({**made, "folders": folders}, indent=1) + "\n")
    make_warpers(arguments.into)
    size = sum(path.stat().st_size for name in folders for path in (arguments.into / name).iterdir())
    print(f"{len(folders)} folders, {size} bytes")


if __name__ == "__main__":
    main()
