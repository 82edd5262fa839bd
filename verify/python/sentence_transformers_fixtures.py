"""Makes verify/fixtures/sentence-transformers: tiny random models in sentence-transformers' folders, and what it gives for them.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt sentence-transformers==6.2.0 model2vec==0.10.0
    HF_HUB_OFFLINE=1 .venv/bin/python verify/python/sentence_transformers_fixtures.py

`<case>/` is a folder as SentenceTransformer.save writes it (`layout` "library"), or the same in the spelling of the releases
before 5.4, in which nearly all published models are (`layout` "older": short names of the modules, pooling_mode_* booleans,
max_seq_length and do_lower_case in sentence_bert_config.json), or as model2vec saves it
(`layout` "model2vec"), or without modules.json (`layout` "plain"). The embeddings are
those of the folder as it lies there, loaded anew. expected.json has:

layout              see above
reference           what opened the folder: sentence-transformers, or model2vec where there is no modules.json for the former
max_seq_length, dimension, similarity_fn_name   as the library says for the loaded model; max_seq_length null is no limit
float32_error       by which the library's own float32 differs from float64, relative to the largest absolute value, the first call
                    (static-model2vec-bare-f16: its own float16)
texts               what is embedded
calls               `options` (prompt_name, prompt, truncate_dim, normalize_embeddings), `embeddings` (computed in float64, 9 digits);
                    `input_ids` where the prompt is new (without padding, special tokens included), and `prompt_length`, the tokens
                    that pooling leaves out
similarity          model.similarity of the first call's embeddings with themselves, in some cases
errors              `options` that the library refuses, with its message
model2vec           the embeddings of the package model2vec for the same folder, in which unknown tokens are left out and
                    texts are truncated

RMS norms and rotary embeddings, which transformers computes in float32 whatever the model's type, are computed in float64 as
well. Everything follows from the seed, so that a second run changes nothing.
"""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import model2vec  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.numpy import load_file as load_numpy  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from sentence_transformers.sentence_transformer.modules import (  # noqa: E402
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
)
from tokenizers import (  # noqa: E402
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers.models.modernbert import modeling_modernbert  # noqa: E402
from transformers.models.qwen3 import modeling_qwen3  # noqa: E402
from transformers.models.t5 import modeling_t5  # noqa: E402
from versions import expect_versions  # noqa: E402

SEED = 20261121
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures/sentence-transformers"
VERSIONS = {
    "python": platform.python_version(),
    **{
        name: importlib.metadata.version(name)
        for name in ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy", "model2vec")
    },
}
#: What the older layouts say that wrote them.
OLDER_VERSIONS = {"sentence_transformers": "4.1.0", "transformers": "4.51.3", "pytorch": "2.6.0"}

TEXTS = [
    "hello world",
    "The Café is naïve, señor!",
    "안녕 세계",
    "",
    "line one\nline two\r\n\tline three",
    "the world is one, two, three; " * 5 + "hello! is the query of a passage the token of a line? the end",
    "  odd   spaces ,and  unknown 🙂 ✓ ",
    "Tokens of the tokenizer: 東京 世界 HELLO",
]
TRAIN = [text for text in TEXTS for _ in range(3)] + ["query: hello passage: world", "search the passages and the queries of the search"] * 4

HIDDEN = 20
LAYERS = 2
BERT = dict(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=2, intermediate_size=28, max_position_embeddings=32)


# Tokenizers


def words(first: list[str]) -> dict[str, int]:
    """A vocabulary of WordPiece: letters with and without ##, jamo and a syllable, accents, some words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = first + list(letters) + ["##" + letter for letter in letters]
    tokens += list(".,!?:;-'") + ["é", "##é", "ñ", "##ñ", "##ï", "H", "T", "C", "世", "界", "京"]
    # 안녕 세계 as BertNormalizer leaves it where it strips accents (jamo), and where it does not (syllables).
    tokens += ["\u110b", "##\u1161", "##\u11ab", "##\u1102", "##\u1167", "##\u11bc", "\u1109", "##\u1166", "##\u1100", "##\u1168"]
    tokens += ["안", "##녕", "세"]
    tokens += ["the", "hello", "world", "cafe", "line", "is", "one", "two", "three", "of", "query", "passage", "token", "##s", "##izer", "##or"]
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


def wordpiece(lower=True, style="bert") -> Tokenizer:
    first = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if style == "bert" else ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    vocabulary = words(first)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(first)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    if style == "bert":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    else:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def byte_level(style: str) -> Tokenizer:
    special = {
        "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        "modernbert": ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"],
        "qwen": [],
    }[style]
    tokenizer = Tokenizer(models.BPE())
    # The one token of Qwen that matters here lies behind the vocabulary, as it does there.
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + 256 + 24, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    if style == "qwen":
        tokenizer.normalizer = normalizers.NFC()
        pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    else:
        if style == "modernbert":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TRAIN, trainer)
    if style == "roberta":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    elif style == "modernbert":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    else:
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
        end = tokenizer.token_to_id("<|endoftext|>")
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
                processors.TemplateProcessing(
                    single="$A:0 <|endoftext|>:0", pair="$A:0 <|endoftext|>:0 $B:1 <|endoftext|>:1", special_tokens=[("<|endoftext|>", end)]
                ),
            ]
        )
    return tokenizer


def unigram(style: str) -> Tokenizer:
    special = ["<pad>", "</s>", "<unk>"] if style == "t5" else ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = ["▁"] + list("etaoinshrdlucmfwypvbgkqxjz") + list("THC.,!?:;éïñ안녕세계世界京")
    pieces += ["▁the", "▁hello", "▁world", "▁line", "▁is", "▁one", "▁two", "▁three", "▁of", "▁a", "▁token"]
    pieces += ["s", "▁query", "▁passage", "er", "an", "▁The", "▁안녕"]
    pieces = list(dict.fromkeys(pieces))
    # Long pieces are likelier than their letters; no two segmentations cost the same.
    scored = [(token, 0.0) for token in special]
    scored += [(piece, -2.0 - 0.013 * index - (0.0 if len(piece) > 1 else 3.0)) for index, piece in enumerate(pieces)]
    if style != "t5":
        scored.append(("<mask>", 0.0))
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=special.index("<unk>")))
    tokenizer.add_special_tokens([*special, *([] if style == "t5" else ["<mask>"])])
    if style == "t5":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
        )
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


BERT_TOKENS = dict(unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]")
ROBERTA_TOKENS = dict(bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")


def bert_tokenizer(lower=True, max_length=512, **more):
    config = dict(do_lower_case=lower, tokenize_chinese_chars=True, strip_accents=None, model_max_length=max_length, tokenizer_class="BertTokenizer")
    return wordpiece(lower), {**BERT_TOKENS, **config, **more}


# Models


def lively(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.uniform_(0.5, 1.5, generator=generator)
            elif "embed" in name.lower() or name.startswith("shared"):
                parameter.normal_(0, 0.6, generator=generator)
            else:
                parameter.normal_(0, 0.25, generator=generator)
    return model.eval()


def bert(tokenizer: Tokenizer, **changes):
    return transformers.BertModel(transformers.BertConfig(vocab_size=tokenizer.get_vocab_size(), **{**BERT, **changes}))


def roberta(kind: str, tokenizer: Tokenizer):
    config = getattr(transformers, kind + "Config")(
        vocab_size=tokenizer.get_vocab_size(), pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5, type_vocab_size=1,
        **{**BERT, "max_position_embeddings": 34},
    )
    return getattr(transformers, kind + "Model")(config)


def modernbert(tokenizer: Tokenizer):
    return transformers.ModernBertModel(
        transformers.ModernBertConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=24, intermediate_size=20, num_hidden_layers=3, num_attention_heads=2,
            max_position_embeddings=48, local_attention=8, global_attn_every_n_layers=2, pad_token_id=3, bos_token_id=1, eos_token_id=2,
            cls_token_id=1, sep_token_id=2,
        )
    )  # fmt: skip


# Folders


def read(path: pathlib.Path):
    return json.loads(path.read_text(encoding="utf8"))


def write(path: pathlib.Path, value, indent=2) -> None:
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False), encoding="utf8")


def transformer(model, tokenizer: Tokenizer, config: dict, **options) -> Transformer:
    """The library's module for a model and a tokenizer, by way of a folder as transformers writes it."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model.save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"))
        write(folder / "tokenizer_config.json", config)
        return Transformer(str(folder), **options)


POOLING_KEYS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def older(folder: pathlib.Path, tokenizer_config: dict | None, transformer_config: dict | None = None, config_name="sentence_bert_config.json", place="") -> None:
    """Spells a folder of this library as those before 5.4 did, which nearly all published models were saved with.

    `transformer_config`: sentence_bert_config.json; `config_name`: its name in the first releases; `place`: the first module's folder.
    """
    modules = read(folder / "modules.json")
    for module in modules:
        kind = module["type"].rsplit(".", 1)[1]
        module["type"] = f"sentence_transformers.models.{kind}"
        path = folder / module["path"] / "config.json"
        if kind == "Pooling":
            config = read(path)
            chosen = [config["pooling_mode"]] if isinstance(config["pooling_mode"], str) else config["pooling_mode"]
            flags = {key: mode in chosen for mode, key in POOLING_KEYS.items()}
            if chosen == ["mean"] and config["include_prompt"]:
                # The first releases knew four modes only.
                flags = dict(list(flags.items())[:4])
                write(path, {"word_embedding_dimension": config["embedding_dimension"], **flags})
            else:
                write(path, {"word_embedding_dimension": config["embedding_dimension"], **flags, "include_prompt": config["include_prompt"]})
        elif kind == "Dense":
            config = read(path)
            assert config["module_input_name"] == config["module_output_name"] == "sentence_embedding" and "use_residual" not in config
            write(path, {key: config[key] for key in ("in_features", "out_features", "bias", "activation_function")}, indent=None)
        elif kind == "Normalize":
            shutil.rmtree(path.parent)
    if place:
        modules[0]["path"] = place
        (folder / place).mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"):
            if (folder / name).exists():
                (folder / name).rename(folder / place / name)
    write(folder / "modules.json", modules)
    first = folder / place
    if tokenizer_config is not None:
        write(first / "tokenizer_config.json", tokenizer_config)
        (first / "sentence_bert_config.json").unlink()
        if transformer_config is not None:
            write(first / config_name, transformer_config)
        config = read(first / "config.json")
        config.pop("dtype", None) and config.update(torch_dtype="float32")
        config["transformers_version"] = OLDER_VERSIONS["transformers"]
        write(first / "config.json", config)
    path = folder / "config_sentence_transformers.json"
    config = read(path)
    keep = {"__version__": OLDER_VERSIONS, "prompts": {key: text for key, text in config["prompts"].items() if text}}
    keep["default_prompt_name"] = config["default_prompt_name"]
    # Where nothing was said it is null, and means cosine.
    keep["similarity_fn_name"] = None if config["similarity_fn_name"] == "cosine" else config["similarity_fn_name"]
    write(path, keep)


# What is expected


def rms_norm(self, states):
    return self.weight * (states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def rotary(self, x, position_ids, layer_type=None):
    prefix = f"{layer_type}_" if layer_type else ""
    angles = position_ids[:, :, None].to(x.dtype) * getattr(self, f"{prefix}inv_freq").to(x.dtype)
    angles = torch.cat((angles, angles), dim=-1)
    scaling = getattr(self, f"{prefix}attention_scaling")
    return angles.cos() * scaling, angles.sin() * scaling


def apply_rotary(q, k, cos, sin, unsqueeze_dim=1):
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    rotate = modeling_modernbert.rotate_half
    return q * cos + rotate(q) * sin, k * cos + rotate(k) * sin


@contextlib.contextmanager
def exact():
    """What transformers computes in float32 in any model, in the model's own type."""
    places = [
        (modeling_qwen3.Qwen3RMSNorm, "forward", rms_norm),
        (modeling_t5.T5LayerNorm, "forward", rms_norm),
        (modeling_qwen3.Qwen3RotaryEmbedding, "forward", rotary),
        (modeling_modernbert.ModernBertRotaryEmbedding, "forward", rotary),
        (modeling_modernbert, "apply_rotary_pos_emb", apply_rotary),
    ]
    before = [getattr(owner, name) for owner, name, _ in places]
    for owner, name, function in places:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for (owner, name, _), function in zip(places, before):
            setattr(owner, name, function)


def digits(rows) -> list:
    return [[float(f"{value:.9g}") + 0.0 for value in row] for row in np.asarray(rows, dtype=np.float64).tolist()]


def encode(model: SentenceTransformer, texts: list[str], options: dict) -> np.ndarray:
    rows = model.encode(texts, batch_size=64, convert_to_tensor=True, show_progress_bar=False, **options)
    assert rows.ndim == 2 and torch.isfinite(rows).all()
    return rows.double().numpy()


def ids_of(model: SentenceTransformer, texts: list[str], options: dict) -> tuple[list[list[int]], int | None]:
    prompt = model._resolve_prompt(options.get("prompt"), options.get("prompt_name"))
    features = model.preprocess(texts, prompt=prompt)
    if "offsets" in features:
        bounds = [*features["offsets"].tolist(), len(features["input_ids"])]
        return [features["input_ids"][begin:end].tolist() for begin, end in zip(bounds, bounds[1:])], None
    rows = [[int(id) for id, mask in zip(*row) if mask] for row in zip(features["input_ids"], features["attention_mask"])]
    return rows, features.get("prompt_length")


def check_ids(folder: pathlib.Path, model: SentenceTransformer, texts: list[str], rows: list[list[int]], prompt: str, lower: bool) -> None:
    """A tokenizer.json alone gives what transformers makes of the folder: no class changes it behind our back."""
    path = next(path for path in (folder, *sorted(folder.glob("0_*"))) if (path / "tokenizer.json").exists()) / "tokenizer.json"
    raw = Tokenizer.from_file(str(path))
    raw.no_padding()
    static = not hasattr(model[0], "auto_model")
    if not static:
        raw.no_truncation()
        raw.enable_truncation(model.max_seq_length)
    if lower:
        raw.normalizer = normalizers.Sequence([normalizers.Lowercase(), raw.normalizer])
    for text, row in zip(texts, rows):
        assert raw.encode(prompt + text, add_special_tokens=not static).ids == row, (folder.name, text, row)


CALLS = ({}, {"truncate_dim": 7, "normalize_embeddings": True})
PROMPT = {"prompt": "query: "}


def record(folder: pathlib.Path, layout: str, calls=CALLS, texts=TEXTS, similarity=False, errors=(), lower=False, also_model2vec=False) -> dict:
    model = SentenceTransformer(str(folder), device="cpu")
    length = model.max_seq_length
    expected = dict(
        layout=layout,
        reference="sentence-transformers",
        max_seq_length=None if length == float("inf") else length,
        dimension=model.get_embedding_dimension(),
        similarity_fn_name=model.similarity_fn_name,
    )
    single = encode(model.float(), texts, calls[0])
    model.double()
    with exact():
        seen, results = set(), []
        for options in calls:
            rows = encode(model, texts, options)
            alone = np.concatenate([encode(model, [text], options) for text in texts])
            assert np.abs(rows - alone).max() < 1e-12 * max(1, np.abs(rows).max()), (folder.name, np.abs(rows - alone).max())
            result = dict(options=options)
            prompt = model._resolve_prompt(options.get("prompt"), options.get("prompt_name")) or ""
            if prompt not in seen:
                seen.add(prompt)
                result["input_ids"], prompt_length = ids_of(model, texts, options)
                check_ids(folder, model, texts, result["input_ids"], prompt, lower)
                if prompt_length is not None and not all(module.include_prompt for module in model if isinstance(module, Pooling)):
                    result["prompt_length"] = prompt_length
            result["embeddings"] = digits(rows)
            results.append((result, rows))
    first = results[0][1]
    expected["float32_error"] = float(f"{np.abs(single - first).max() / np.abs(first).max():.3g}")
    assert expected["float32_error"] < 2e-5, (folder.name, expected["float32_error"])
    expected["texts"] = texts
    expected["calls"] = [result for result, _ in results]
    if similarity:
        values = torch.from_numpy(first)
        expected["similarity"] = digits(model.similarity(values, values))
    for options in errors:
        try:
            encode(model, texts, options)
        except ValueError as error:
            expected.setdefault("errors", []).append(dict(options=options, error=f"ValueError: {error}"))
        else:
            raise AssertionError(options)
    if also_model2vec:
        expected["model2vec"] = digits(by_model2vec(folder, texts)[0])
    return expected


def by_model2vec(folder: pathlib.Path, texts: list[str]):
    """The embeddings of the package model2vec, in float64; it normalizes in float32, so that is done here."""
    model = model2vec.StaticModel.from_pretrained(folder, force_download=False)
    single = model.encode(texts)
    half = model.embedding.dtype == np.float16
    model.embedding = model.embedding.astype(np.float64)
    model.weights = None if model.weights is None else model.weights.astype(np.float64)
    rows = model.encode(texts, normalize=False)
    if model.normalize:
        rows = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-32)
    assert np.abs(rows - single).max() < (2e-3 if half else 1e-6)
    return rows, model, float(np.abs(single - rows).max() / np.abs(rows).max())


def record_model2vec(folder: pathlib.Path, texts=TEXTS) -> dict:
    rows, model, error = by_model2vec(folder, texts)
    # sentence-transformers does not open these.
    try:
        SentenceTransformer(str(folder), device="cpu")
    except ValueError:
        pass
    else:
        raise AssertionError(folder.name)
    model._set_max_length_in_tokenizer(model.max_length)
    kept = texts if model.max_length is None else [text[: model.max_length * model.median_token_length] for text in texts]
    calls = [dict(options={}, input_ids=model.tokenize(kept), embeddings=digits(rows))]
    short = rows[:, :7]
    norms = np.linalg.norm(short, axis=1, keepdims=True)
    calls.append(dict(options=dict(CALLS[1]), embeddings=digits(short / np.maximum(norms, 1e-12))))
    return dict(
        layout="plain", reference="model2vec", max_seq_length=model.max_length, median_token_length=model.median_token_length,
        dimension=rows.shape[1], similarity_fn_name="cosine", float32_error=float(f"{error:.3g}"), texts=texts, calls=calls,
    )  # fmt: skip


def write_expected(folder: pathlib.Path, expected: dict) -> None:
    """One line for each row of numbers."""

    def line(value):
        return json.dumps(value, ensure_ascii=False)

    def rows(values):
        return "[\n" + ",\n".join(line(value) for value in values) + "\n]"

    parts = []
    for key, value in expected.items():
        if key == "calls":
            calls = []
            for call in value:
                inner = [f"{line(name)}: {rows(item) if name == 'embeddings' else line(item)}" for name, item in call.items()]
                calls.append("{" + ", ".join(inner) + "}")
            parts.append('"calls": [\n' + ",\n".join(calls) + "\n]")
        else:
            parts.append(f"{line(key)}: {rows(value) if key in ('similarity', 'model2vec', 'texts') else line(value)}")
    (folder / "expected.json").write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf8")


# Cases


def save(folder: pathlib.Path, modules: list, **options) -> None:
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder), create_model_card=False)


def bert_case(pooling, *more, lower=True, layout="library", prompts=None, default=None, dim=None, function=None, include_prompt=True,
              max_length=512, transformer_config=None, place="", left_over=False, **changes):  # fmt: skip
    """A BERT with a pooling and further modules, in one of the layouts."""

    def make(folder: pathlib.Path, seed: int) -> None:
        tokenizer, config = bert_tokenizer(lower, max_length)
        first = transformer(lively(bert(tokenizer, **changes), seed), tokenizer, config)
        extra = [module() for module in more]
        for index, module in enumerate(extra):
            lively(module, seed + 1000 * (index + 1))
        options = dict(prompts=prompts, default_prompt_name=default, truncate_dim=dim, similarity_fn_name=function)
        save(folder, [first, Pooling(HIDDEN, pooling, include_prompt=include_prompt), *extra], **options)
        if layout == "older":
            older(folder, config, transformer_config, place=place)
        if left_over:
            # As all-MiniLM-L6-v2 is published: its tokenizer.json still has what it was last used with.
            path = folder / place / "tokenizer.json"
            raw = Tokenizer.from_file(str(path))
            raw.enable_truncation(6)
            raw.enable_padding(length=6, pad_id=0, pad_token="[PAD]")
            raw.save(str(path))

    return make, layout


def no_modules(folder: pathlib.Path, seed: int) -> None:
    """A model of transformers: BERT with the head it was trained with, whose tensors have the prefix `bert.`."""
    tokenizer, config = bert_tokenizer(max_length=24)
    model = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=tokenizer.get_vocab_size(), **BERT))
    lively(model, seed).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    write(folder / "tokenizer_config.json", config)


def mpnet(folder: pathlib.Path, seed: int) -> None:
    tokenizer = wordpiece(style="mpnet")
    config = dict(
        bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="[UNK]", pad_token="<pad>", mask_token="<mask>",
        do_lower_case=True, strip_accents=None, tokenize_chinese_chars=True, model_max_length=512, tokenizer_class="MPNetTokenizer",
    )  # fmt: skip
    model = transformers.MPNetModel(
        transformers.MPNetConfig(
            vocab_size=tokenizer.get_vocab_size(), layer_norm_eps=1e-5, **{**BERT, "max_position_embeddings": 34}
        )
    )
    first = transformer(lively(model, seed), tokenizer, config)
    save(folder, [first, Pooling(HIDDEN, "mean"), Normalize()])
    older(folder, config, dict(max_seq_length=30, do_lower_case=False))


def roberta_mean(folder: pathlib.Path, seed: int) -> None:
    tokenizer = byte_level("roberta")
    config = {**ROBERTA_TOKENS, "add_prefix_space": False, "trim_offsets": True, "model_max_length": 32, "tokenizer_class": "RobertaTokenizer"}
    save(folder, [transformer(lively(roberta("Roberta", tokenizer), seed), tokenizer, config), Pooling(HIDDEN, "mean")])


def distilbert(folder: pathlib.Path, seed: int) -> None:
    tokenizer, config = bert_tokenizer(tokenizer_class="DistilBertTokenizer")
    model = transformers.DistilBertModel(
        transformers.DistilBertConfig(vocab_size=tokenizer.get_vocab_size(), dim=HIDDEN, n_layers=LAYERS, n_heads=2, hidden_dim=28, max_position_embeddings=32)
    )
    save(folder, [transformer(lively(model, seed), tokenizer, config), Pooling(HIDDEN, "mean")])
    older(folder, config, dict(max_seq_length=28, do_lower_case=False), config_name="sentence_distilbert_config.json")


def xlm_roberta(folder: pathlib.Path, seed: int) -> None:
    tokenizer = unigram("xlm-roberta")
    config = {**ROBERTA_TOKENS, "model_max_length": 32, "tokenizer_class": "XLMRobertaTokenizer"}
    save(folder, [transformer(lively(roberta("XLMRoberta", tokenizer), seed), tokenizer, config), Pooling(HIDDEN, "cls"), Normalize()])
    older(folder, config, dict(max_seq_length=32, do_lower_case=False))


def modern(pooling: str, layout: str):
    def make(folder: pathlib.Path, seed: int) -> None:
        tokenizer = byte_level("modernbert")
        config = {**BERT_TOKENS, "clean_up_tokenization_spaces": True, "model_max_length": 48, "model_input_names": ["input_ids", "attention_mask"],
                  "tokenizer_class": "PreTrainedTokenizerFast"}  # fmt: skip
        model = lively(modernbert(tokenizer), seed)
        save(folder, [transformer(model, tokenizer, config), Pooling(24, pooling)])
        if layout == "older":
            older(folder, config, dict(max_seq_length=40, do_lower_case=False))
            path = folder / "config.json"
            settings = read(path)
            for key in ("layer_types", "rope_parameters"):
                settings.pop(key)
            # The keys of answerdotai/ModernBERT-base.
            settings.update(global_attn_every_n_layers=2, global_rope_theta=160000.0, local_rope_theta=10000.0, position_embedding_type="absolute")
            write(path, settings)

    return make, layout


def qwen3(folder: pathlib.Path, seed: int) -> None:
    tokenizer = byte_level("qwen")
    end, turn = tokenizer.token_to_id("<|endoftext|>"), tokenizer.token_to_id("<|im_end|>")
    config = dict(
        add_bos_token=False, add_prefix_space=False, bos_token=None, clean_up_tokenization_spaces=False, eos_token="<|im_end|>", errors="replace",
        model_max_length=131072, pad_token="<|endoftext|>", padding_side="left", split_special_tokens=False, tokenizer_class="Qwen2Tokenizer", unk_token=None,
    )  # fmt: skip
    model = transformers.Qwen3Model(
        transformers.Qwen3Config(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=24, intermediate_size=28, num_hidden_layers=LAYERS, num_attention_heads=2,
            num_key_value_heads=1, head_dim=12, max_position_embeddings=64, bos_token_id=end, eos_token_id=turn, tie_word_embeddings=True,
            rope_parameters=dict(rope_type="default", rope_theta=1000000.0),
        )
    )  # fmt: skip
    model = lively(model, seed).to(torch.bfloat16)
    model.config.dtype = "bfloat16"
    instruct = "Instruct: search the passages\nQuery:"
    save(folder, [transformer(model, tokenizer, config), Pooling(24, "lasttoken"), Normalize()], prompts={"query": instruct, "document": ""})
    # As Qwen3-Embedding is published: without sentence_bert_config.json, with the architecture of the language model.
    older(folder, config)
    settings = read(folder / "config.json")
    settings.update(architectures=["Qwen3ForCausalLM"], torch_dtype="bfloat16", use_cache=True)
    settings.update(rope_theta=1000000.0, rope_scaling=None, use_sliding_window=False, sliding_window=None, max_window_layers=LAYERS)
    for key in ("rope_parameters", "layer_types"):
        settings.pop(key, None)
    write(folder / "config.json", settings)
    prompts = read(folder / "config_sentence_transformers.json")
    prompts.update(prompts={"query": instruct, "document": ""}, similarity_fn_name="cosine")
    write(folder / "config_sentence_transformers.json", prompts)


def t5(folder: pathlib.Path, seed: int) -> None:
    tokenizer = unigram("t5")
    config = dict(eos_token="</s>", unk_token="<unk>", pad_token="<pad>", extra_ids=0, model_max_length=512, tokenizer_class="T5Tokenizer")
    model = transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=tokenizer.get_vocab_size(), d_model=HIDDEN, d_kv=12, d_ff=28, num_layers=LAYERS, num_heads=2, relative_attention_num_buckets=8,
            relative_attention_max_distance=20, feed_forward_proj="relu", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        )
    )  # fmt: skip
    dense = Dense(HIDDEN, 16, bias=False, activation_function=torch.nn.Identity())
    lively(dense, seed + 1000)
    save(folder, [transformer(lively(model, seed), tokenizer, config), Pooling(HIDDEN, "mean"), dense, Normalize()])
    older(folder, config, dict(max_seq_length=36, do_lower_case=False))


def table(tokenizer: Tokenizer, seed: int, rows: int | None = None, dim=24) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(rows or tokenizer.get_vocab_size(), dim).normal_(0, 0.5, generator=generator).numpy()


def static(folder: pathlib.Path, seed: int) -> None:
    tokenizer = wordpiece()
    save(folder, [StaticEmbedding(tokenizer, embedding_weights=table(tokenizer, seed))])


def static_subfolder(folder: pathlib.Path, seed: int) -> None:
    """As the first static models are published: in a folder of its own, and with a tokenizer that truncates and pads."""
    tokenizer = wordpiece(lower=False)
    save(folder, [StaticEmbedding(tokenizer, embedding_weights=table(tokenizer, seed)), Normalize()])
    older(folder, None, place="0_StaticEmbedding")
    path = folder / "0_StaticEmbedding/tokenizer.json"
    raw = Tokenizer.from_file(str(path))
    raw.enable_truncation(14)
    raw.enable_padding(pad_id=0, pad_token="[PAD]")
    raw.save(str(path))


def model2vec_case(normalize: bool, modules: bool, dtype="float32", quantized=False, max_length: int | None = 512, older_config=False):
    def make(folder: pathlib.Path, seed: int) -> None:
        tokenizer = wordpiece()
        size = tokenizer.get_vocab_size()
        more = {}
        if quantized:
            generator = np.random.default_rng(seed)
            more = dict(token_mapping=generator.integers(0, 30, size), weights=generator.uniform(0.1, 2.0, size).astype(np.float32))
        vectors = table(tokenizer, seed, 30 if quantized else None).astype(dtype)
        config = dict(model_type="model2vec", architectures=["StaticModel"], tokenizer_name="none", apply_pca=24, sif_coefficient=0.0001, hidden_dim=24, seq_length=1000000)
        static = model2vec.StaticModel(vectors, tokenizer, config=config, normalize=normalize, max_length=max_length, **more)
        static.save_pretrained(folder)
        (folder / "README.md").unlink()
        path = folder / "tokenizer.json"
        if older_config:
            # Before 0.6: nothing of a length, and a tokenizer that does not truncate.
            settings = read(folder / "config.json")
            for key in ("max_length", "embedding_dtype"):
                settings.pop(key)
            write(folder / "config.json", settings)
            raw = Tokenizer.from_file(str(path))
            raw.no_truncation()
            raw.save(str(path))
        if not modules:
            (folder / "modules.json").unlink()
        assert "embeddings" in load_numpy(folder / "model.safetensors")

    return make, "model2vec" if modules else "plain"


def dense(in_features: int, out_features: int, activation, **options):
    return lambda: Dense(in_features, out_features, activation_function=activation, **options)


def library(make):
    return make, "library"


def in_older(make):
    return make, "older"


NORMAL = {"normalize_embeddings": True}
PROMPTS = {"query": "query: ", "document": "passage: ", "glued": "hel"}
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")



def limit(max_seq_length, do_lower_case=False) -> dict:
    """sentence_bert_config.json as it was."""
    return dict(max_seq_length=max_seq_length, do_lower_case=do_lower_case)


TANH, NOTHING, GELU, RELU = torch.nn.Tanh(), torch.nn.Identity(), torch.nn.GELU(), torch.nn.ReLU()
LONG_PROMPT = "the query of the passage is one line of the world: "
#: What is asked of the prompts: the default, by name, one that grows into the first word, none, and one too long for the model.
PROMPT_CALLS = (
    {},
    *({"prompt_name": name} for name in PROMPTS),
    {"prompt": ""},
    {"prompt": "the world is "},
    {"prompt": LONG_PROMPT},
    {"prompt": "hello: ", "prompt_name": "document", **CALLS[1]},
)

#: name -> ((function that makes the folder, layout), what to record)
CASES = {
    "bert-mean": (
        bert_case("mean", layout="older", transformer_config=limit(20), left_over=True),
        dict(calls=(*CALLS, NORMAL, {"truncate_dim": 7}, {"truncate_dim": 99}, PROMPT)),
    ),
    "bert-cls": (bert_case("cls", function="dot", hidden_act="gelu_new"), dict(similarity=True)),
    "bert-max": (bert_case("max", layout="older", function="euclidean", lower=False), dict(similarity=True)),
    "bert-mean-sqrt-len": (bert_case("mean_sqrt_len_tokens", max_length=24), {}),
    "bert-weighted-mean": (bert_case("weightedmean", layout="older", transformer_config=limit(None)), {}),
    "bert-last-token": (bert_case("lasttoken", function="manhattan", hidden_act="relu"), dict(similarity=True)),
    "bert-mean-cls-concat": (bert_case(["mean", "cls"]), dict(calls=({}, {"truncate_dim": 25}))),
    "bert-cls-mean-concat-older": (bert_case(["cls", "mean"], layout="older", transformer_config=limit(16)), {}),
    "bert-mean-normalize": (
        bert_case("mean", Normalize, layout="older", transformer_config=limit(16)),
        dict(calls=(*CALLS, {"truncate_dim": 7}), similarity=True),
    ),
    "bert-dense": (bert_case("mean", dense(HIDDEN, 12, TANH), Normalize), {}),
    "bert-dense-identity": (
        bert_case(
            "mean", dense(HIDDEN, 30, NOTHING, bias=False), dense(30, HIDDEN, NOTHING, bias=False), Normalize,
            layout="older", transformer_config=limit(16),
        ),
        {},
    ),
    "bert-dense-residual": (bert_case("cls", dense(HIDDEN, 12, GELU, use_residual=True), dense(12, 12, RELU, use_residual=True)), {}),
    "bert-layernorm": (bert_case("mean", lambda: LayerNorm(HIDDEN)), {}),
    "bert-prompts": (
        bert_case("mean", prompts=PROMPTS, default="query", include_prompt=False, max_length=12),
        dict(calls=PROMPT_CALLS, errors=({"prompt_name": "nothing"},)),
    ),
    "bert-prompts-include": (bert_case("mean", prompts=PROMPTS, max_length=24), dict(calls=PROMPT_CALLS[:4])),
    "bert-prompts-modes": (
        bert_case(MODES, layout="older", prompts={"query": "query: "}, include_prompt=False, transformer_config=limit(14)),
        dict(calls=({}, {"prompt_name": "query"}), texts=[TEXTS[0], TEXTS[1], TEXTS[3], TEXTS[5]]),
    ),
    "bert-max-seq": (bert_case("mean", lower=False, layout="older", transformer_config=limit(9, True)), dict(lower=True)),
    "bert-truncate-dim": (
        bert_case("mean", Normalize, dim=8),
        dict(calls=({}, NORMAL, {"truncate_dim": 5}, {"truncate_dim": 16, **NORMAL})),
    ),
    "bert-subfolder": (bert_case("mean", layout="older", transformer_config=limit(18), place="0_Transformer"), {}),
    "bert-no-modules": ((no_modules, "plain"), {}),
    "mpnet-mean": (in_older(mpnet), {}),
    "roberta-mean": (library(roberta_mean), {}),
    "distilbert-mean": (in_older(distilbert), {}),
    "xlm-roberta-cls": (in_older(xlm_roberta), {}),
    "modernbert-mean": (modern("mean", "library"), {}),
    "modernbert-cls": (modern("cls", "older"), {}),
    "qwen3-last-token": (in_older(qwen3), dict(calls=({}, {"prompt_name": "query"}, {"prompt_name": "document", **CALLS[1]}))),
    "t5-encoder-mean": (in_older(t5), {}),
    "static-embedding": (library(static), dict(calls=(*CALLS, PROMPT))),
    "static-embedding-subfolder": (in_older(static_subfolder), dict(calls=(*CALLS, PROMPT))),
    "static-model2vec": (model2vec_case(True, True), dict(also_model2vec=True)),
    "static-model2vec-quantized": (model2vec_case(True, True, quantized=True, max_length=9), dict(also_model2vec=True)),
    "static-model2vec-bare": (model2vec_case(True, False, older_config=True), {}),
    "static-model2vec-bare-f16": (model2vec_case(False, False, dtype="float16", max_length=None), {}),
    "static-model2vec-bare-quantized": (model2vec_case(True, False, quantized=True, max_length=9), {}),
}  # fmt: skip


def main() -> None:
    expect_versions("torch", "transformers", "tokenizers", "safetensors", "numpy", "sentence-transformers==6.2.0", "model2vec==0.10.0")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    listed = {}
    for index, (name, ((make, layout), options)) in enumerate(CASES.items()):
        folder = FOLDER / name
        folder.mkdir(parents=True)
        seed = SEED + index
        torch.manual_seed(seed)
        make(folder, seed)
        expected = record_model2vec(folder) if layout == "plain" and name.startswith("static") else record(folder, layout, **options)
        write_expected(folder, expected)
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != "expected.json")
        modules = [module["type"].rsplit(".", 1)[1] for module in read(folder / "modules.json")] if (folder / "modules.json").exists() else None
        listed[name] = dict(seed=seed, layout=layout, modules=modules, files=files, calls=len(expected["calls"]), float32_error=expected["float32_error"])
        print(f"{name:32} {layout:9} {expected['dimension']:4} {expected['max_seq_length']!s:>6} {expected['float32_error']:.1e}")
    manifest = dict(command="python verify/python/sentence_transformers_fixtures.py", seed=SEED, versions=VERSIONS)
    text = json.dumps(manifest, indent=2)[:-2] + ',\n  "cases": {\n'
    text += ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in listed.items()) + "\n  }\n}\n"
    (FOLDER / "manifest.json").write_text(text)
    total = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert total < 2_500_000, total
    print(len(listed), "cases,", total, "bytes")


if __name__ == "__main__":
    main()
