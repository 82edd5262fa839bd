"""Makes verify/fixtures/heads: tiny random models with heads, and what transformers' pipelines give for them.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt sentence-transformers==6.2.0
    HF_HUB_OFFLINE=1 .venv/bin/python verify/python/head_fixtures.py

`<case>/` is a model's folder. expected.json has `calls`: the method of a pipeline here (`fillMask`, `classifyBatch`, `rerank`,
`tagTokens`), its `arguments`, and its `result`: those of the fill-mask, text-classification and token-classification pipelines, and of
CrossEncoder.rank (`index` and `document` for `corpus_id` and `text`), with models in float64. `start` and `end` count UTF-16 units.
`errors` are calls that the library refuses, too.

Everything follows from the seed, so that a second run changes nothing.
"""

import importlib.metadata
import json
import os
import pathlib
import platform
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers import CrossEncoder  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402
from versions import expect_versions  # noqa: E402

SEED = 20261122
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures/heads"
PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy")
VERSIONS = {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}
SIZES = dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=56)
TEXTS = [
    "Anna Smith lives in New York.",
    "the café of Zoë, in Paris: 🙂 and 東京!",
    "",
    "microsoft pays google; hello world",
    "  odd   spaces\nand lines  ",
    "hello world of the world, the hello of one world, and Anna and Zoe live in Paris and in New York and in the world of hello worlds",
]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG-NAME", "MISC"]


def wordpiece() -> Tokenizer:
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + letter for letter in letters), *".,!?:;-'", "東"]
    tokens += "the hello world in new york anna smith zoe live ##s paris of one and micro ##soft goo ##gle cafe pays good bad".split()
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(tokens[:5])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def byte_level() -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=5 + 256 + 40, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def tokenizer_for(kind: str, max_length=48):
    if kind == "bert":
        names = dict(unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]")
        raw = wordpiece()
    else:
        names = dict(bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>", pad_token="<pad>")
        names["mask_token"] = transformers.AddedToken("<mask>", lstrip=True, special=True)
        raw = byte_level()
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if kind == "bert" else ["input_ids", "attention_mask"]
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=max_length, model_input_names=inputs, **names)


def save(folder: pathlib.Path, kind: str, head: str, seed: int, max_length=48, **config) -> None:
    tokenizer = tokenizer_for(kind, max_length)
    more = {} if kind == "bert" else dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1, layer_norm_eps=1e-5)
    name = {"bert": "Bert", "roberta": "Roberta"}[kind]
    settings = getattr(transformers, name + "Config")(vocab_size=len(tokenizer), **SIZES, **more, **config)
    model = getattr(transformers, f"{name}For{head}")(settings)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "LayerNorm.weight" in parameter_name or "layer_norm.weight" in parameter_name:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0, 0.5, generator=generator)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf8")), ensure_ascii=False), encoding="utf8")


def plain(value):
    """Numbers of nine digits, plain types."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return float(f"{value:.9g}") if isinstance(value, float) else value


def units(text: str, index: int) -> int:
    return len(text[:index].encode("utf-16-le")) // 2


def open_pipeline(folder: pathlib.Path, task: str, auto):
    model = auto.from_pretrained(folder).double().eval()
    return transformers.pipeline(task, model=model, tokenizer=transformers.AutoTokenizer.from_pretrained(folder), device="cpu")


def fill_mask(folder: pathlib.Path, mask: str) -> dict:
    pipeline = open_pipeline(folder, "fill-mask", transformers.AutoModelForMaskedLM)
    many = [
        (f"hello {mask} of the world", {}),
        (f"Anna lives in {mask}.", {"top_k": 3}),
        (f"{mask} pays {mask}; 🙂", {"top_k": 2}),
        (f"hello {mask}", {"targets": "hello", "top_k": 9}),
        (f"hello {mask}!", {"targets": ["hello", "world", "hello", "zebra"]}),
    ]
    calls = [dict(method="fillMask", arguments=[text, options], result=plain(pipeline(text, **options))) for text, options in many]
    errors = [dict(method="fillMask", arguments=["no mask", {}], code="no-mask")]
    try:
        pipeline("no mask")
    except Exception as error:
        errors[0]["error"] = str(error)
    return dict(calls=calls, errors=errors)


def classify(folder: pathlib.Path) -> dict:
    pipeline = open_pipeline(folder, "text-classification", transformers.AutoModelForSequenceClassification)
    pairs = [*TEXTS, {"text": "hello", "text_pair": "world of one"}, {"text": TEXTS[1], "text_pair": ""}]
    calls = []
    for options in ({}, {"top_k": 2}, {"function_to_apply": "softmax"}, {"function_to_apply": "sigmoid"}, {"function_to_apply": "none"}):
        result = [pipeline(text, **{"top_k": None, **options}) for text in pairs]
        calls.append(dict(method="classifyBatch", arguments=[pairs, options], result=plain(result)))
    return dict(calls=calls)


def rank_saved(folder: pathlib.Path) -> dict:
    """The folder as the library saves it, with an activation of its own."""
    model = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Tanh())
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink()
    return rank(folder)


def rank(folder: pathlib.Path, query="hello world") -> dict:
    model = CrossEncoder(str(folder), device="cpu")
    model.double()
    documents = [*TEXTS, TEXTS[0], "the world " * 40]
    calls = []
    for options in ({}, {"top_k": 3, "return_documents": True}, {"activation": "sigmoid"}, {"activation": "identity"}):
        given = {key: value for key, value in options.items() if key != "activation"}
        if "activation" in options:
            given["activation_fn"] = {"sigmoid": torch.nn.Sigmoid, "identity": torch.nn.Identity}[options["activation"]]()
        rows = model.rank(query, documents, show_progress_bar=False, **given)
        names = {"corpus_id": "index", "score": "score", "text": "document"}
        result = [{names[key]: value for key, value in row.items()} for row in rows]
        calls.append(dict(method="rerank", arguments=[query, documents, options], result=plain(result)))
    return dict(calls=calls)


def tag(folder: pathlib.Path, stride: int, texts=TEXTS) -> dict:
    pipeline = open_pipeline(folder, "token-classification", transformers.AutoModelForTokenClassification)
    calls = []
    for text in texts:
        for strategy in ("none", "simple", "first", "average", "max"):
            for more in ({}, {"ignore_labels": []}, {"stride": stride, "ignore_labels": []}):
                if "stride" in more and (strategy == "none" or text != texts[-1]):
                    continue
                if not more and strategy not in ("none", "average"):
                    continue
                options = {"aggregation_strategy": strategy, **more}
                result = plain(pipeline(text, **options))
                for row in result:
                    row.update(start=units(text, row["start"]), end=units(text, row["end"]))
                calls.append(dict(method="tagTokens", arguments=[text, options], result=result))
    return dict(calls=calls)


LABELS = dict(id2label={0: "bad", 1: "fine", 2: "good"}, label2id={"bad": 0, "fine": 1, "good": 2})
NAMES = dict(id2label=dict(enumerate(TAGS)), label2id={tag: index for index, tag in enumerate(TAGS)})

#: name -> (kind, head, what the config says, what is recorded)
CASES = {
    "bert-masked-lm": ("bert", "MaskedLM", {}, lambda folder: fill_mask(folder, "[MASK]")),
    "roberta-masked-lm": ("roberta", "MaskedLM", {}, lambda folder: fill_mask(folder, "<mask>")),
    "bert-labels": ("bert", "SequenceClassification", LABELS, classify),
    "bert-regression": ("bert", "SequenceClassification", dict(num_labels=2, problem_type="regression"), classify),
    "bert-multi-label": ("bert", "SequenceClassification", dict(num_labels=4, problem_type="multi_label_classification"), classify),
    "bert-one-label": ("bert", "SequenceClassification", dict(num_labels=1), rank),
    "roberta-identity": ("roberta", "SequenceClassification", dict(num_labels=1, sentence_transformers=dict(activation_fn="torch.nn.modules.linear.Identity", version="5.0.0")), rank),
    "bert-older-activation": ("bert", "SequenceClassification", dict(num_labels=1, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity"), rank),
    "bert-saved-activation": ("bert", "SequenceClassification", dict(num_labels=1), rank_saved),
    "bert-tags": ("bert", "TokenClassification", NAMES, lambda folder: tag(folder, 4)),
    "roberta-tags": ("roberta", "TokenClassification", NAMES, lambda folder: tag(folder, 5, [TEXTS[1], TEXTS[5]])),
}  # fmt: skip


def main() -> None:
    expect_versions("torch", "transformers", "tokenizers", "safetensors", "numpy", "sentence-transformers==6.2.0")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    for index, (name, (kind, head, config, record)) in enumerate(CASES.items()):
        folder = FOLDER / name
        folder.mkdir(parents=True)
        torch.manual_seed(SEED + index)
        save(folder, kind, head, SEED + index, max_length=20 if head == "TokenClassification" else 48, **config)
        expected = record(folder)
        rows = {key: "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in value) + "\n]" for key, value in expected.items()}
        text = ",\n".join(f'"{key}": {value}' for key, value in rows.items())
        (folder / "expected.json").write_text("{\n" + text + "\n}\n", encoding="utf8")
        for path in folder.rglob("*"):
            path.chmod(0o644)
        print(name, len(expected["calls"]))
    manifest = dict(command="python verify/python/head_fixtures.py", seed=SEED, versions=VERSIONS, cases=list(CASES))
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    total = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert total < 400_000, total
    print(total, "bytes")


if __name__ == "__main__":
    main()
