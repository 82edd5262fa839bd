"""Makes verify/fixtures/tokenizers: small tokenizers of our own, and what the reference libraries do with them.

    python -m venv .venv && .venv/bin/pip install -r verify/python/requirements.txt
    .venv/bin/python verify/python/tokenizer_fixtures.py

`<group>/<name>/` holds a file as models are published with (tokenizer.json, tokenizer.model, vocab.txt, ...; gzipped where
it ends in .gz) and vectors.json.gz, what Hugging Face tokenizers, sentencepiece or tiktoken give for it:

cases     text [pair] [special: false] [truncation] [padding], or batch; then ids, offsets (begin and end by turns, in Unicode
          code points as the library gives them), words (word_ids), and where they differ from the obvious: tokens (not the
          vocabulary's), type_ids (not all 0), stm (special_tokens_mask, not all 0), mask (attention_mask, not all 1),
          overflowing; dec (decode of the ids), dec_s (with special tokens, where it differs), chunks (what a DecodeStream
          gives for each id, null for nothing yet; null where it fails). `error` where the library refuses.
decodes   random ids with dec, dec_s and chunks

SentencePiece: ids, pieces (surface for unknown runs), offsets (code points), norm, dec. tiktoken: ids.
Everything follows from the seed, so that a second run changes nothing.
"""

import base64
import gzip
import itertools
import json
import pathlib
import random
import shutil
import sys

import sentencepiece
import tiktoken
import tokenizers
from tokenizer_parts import *  # noqa: F403
from versions import expect_versions

SEED = 20260923
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures/tokenizers"
VERSIONS = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__, "tiktoken": tiktoken.__version__}

trained = Trained()
UNK_BERT = [added_token(id, content) for id, content in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])]
WHITESPACE = {"type": "Whitespace"}
BERT_PRE = {"type": "BertPreTokenizer"}


def bert_normalizer(clean=True, chinese=True, strip=None, lower=True):
    return {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": strip, "lowercase": lower}


def normalizer_configs():
    steps = {}
    for clean, chinese, strip, lower in itertools.product((True, False), (True, False), (None, True, False), (True, False)):
        name = f"bert-{'clean' if clean else 'raw'}-{'cjk' if chinese else 'plain'}-{strip}-{'lower' if lower else 'cased'}".lower()
        # Half of the 24 combinations: every pair of flags is among them.
        if (clean + chinese + (strip is True) + lower) % 2 == 0 or (clean and chinese):
            steps[name] = bert_normalizer(clean, chinese, strip, lower)
    for name in ("Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "StripAccents", "ByteLevel"):
        steps[name.lower()] = {"type": name}
    steps["precompiled-nmt"] = {"type": "Precompiled", "precompiled_charsmap": trained.charsmap}
    steps["precompiled-custom"] = {"type": "Precompiled", "precompiled_charsmap": trained.charsmap_custom}
    steps["precompiled-case"] = {"type": "Precompiled", "precompiled_charsmap": trained.charsmap_case}
    steps["prepend"] = {"type": "Prepend", "prepend": "▁▁"}
    steps["prepend-llama"] = sequence("n", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))
    steps["replace-string"] = replace("ab", "한🇰🇷")
    steps["replace-empty"] = replace("l", "")
    steps["replace-spaces"] = replace(r" {2,}", " ", regex=True)
    steps["replace-regex"] = replace(r"\s+|[aeiou]+", "_", regex=True)
    steps["replace-unicode"] = replace(r"[\p{M}\p{P}]", "", regex=True)
    steps["replace-digits"] = replace(r"\d", "0️⃣", regex=True)
    steps["replace-quotes"] = sequence("n", replace("``", '"'), replace("''", '"'), replace("“|”", '"', regex=True))
    for left, right in ((True, True), (True, False), (False, True), (False, False)):
        steps[f"strip-{left}-{right}".lower()] = {"type": "Strip", "strip_left": left, "strip_right": right}
    steps["albert"] = sequence(
        "n", replace("``", '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, replace(" {2,}", " ", regex=True)
    )
    steps["nested"] = sequence("n", sequence("n", {"type": "NFD"}, sequence("n", {"type": "StripAccents"})), {"type": "Lowercase"}, sequence("n"))
    steps["nfc-after-nfd"] = sequence("n", {"type": "NFD"}, {"type": "NFC"}, {"type": "NFKC"}, {"type": "NFD"})
    steps["clip"] = sequence("n", {"type": "NFC"}, replace(r"\s+", " ", regex=True), {"type": "Lowercase"})
    steps["t5"] = sequence("n", {"type": "Precompiled", "precompiled_charsmap": trained.charsmap}, {"type": "Strip", "strip_left": False, "strip_right": True}, replace(" {2,}", "▁", regex=True))
    steps["prepend-strip"] = sequence("n", {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "x "}, {"type": "Lowercase"})
    steps["bytelevel-nfc"] = sequence("n", {"type": "NFC"}, {"type": "ByteLevel"})
    for name, step in steps.items():
        config = tokenizer_json(bytes_model(), step, decoder=BYTES_DECODER)
        # Tokens that show where words begin: after normalization, split at spaces.
        if name.startswith("precompiled") or "replace" in name:
            config["pre_tokenizer"] = {"type": "WhitespaceSplit"}
        yield name, config, 7


def pre_tokenizer_configs():
    steps = {
        "bert": BERT_PRE,
        "whitespace": WHITESPACE,
        "whitespace-split": {"type": "WhitespaceSplit"},
        "unicode-scripts": {"type": "UnicodeScripts"},
        "delimiter": {"type": "CharDelimiterSplit", "delimiter": "a"},
        "delimiter-wide": {"type": "CharDelimiterSplit", "delimiter": "日"},
        "fixed-length-1": {"type": "FixedLength", "length": 1},
        "fixed-length-5": {"type": "FixedLength", "length": 5},
        "digits": {"type": "Digits", "individual_digits": False},
        "digits-individual": {"type": "Digits", "individual_digits": True},
    }
    behaviors = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    for behavior in behaviors:
        steps[f"punctuation-{behavior.lower()}"] = {"type": "Punctuation", "behavior": behavior}
        for invert in (False, True):
            inverted = "-invert" if invert else ""
            steps[f"split-string-{behavior.lower()}{inverted}"] = split("a", behavior, invert, regex=False)
            steps[f"split-regex-{behavior.lower()}{inverted}"] = split(r"\s+|[.,!?]", behavior, invert)
    steps["split-space"] = split(" ", "MergedWithPrevious", regex=False)
    steps["split-words"] = split(r"\w+|[^\w\s]+", "Removed", True)
    steps["split-gpt2"] = split(GPT2_PATTERN)
    steps["split-cl100k"] = split(CL100K_PATTERN)
    steps["split-qwen"] = split(QWEN_PATTERN, "Removed", True)
    steps["split-o200k"] = split(O200K_PATTERN)
    steps["split-clip"] = split(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "Removed", True)
    steps["split-digit-groups"] = split(r"\d{1,3}(?=(?:\d{3})*\b)")
    steps["split-scripts"] = split(r"[一-龥぀-ゟ゠-ヿ]+")
    steps["split-lookbehind"] = split(r"(?<=[a-z])(?=[A-Z])|_", "Isolated")
    for scheme, does_split in itertools.product(("always", "first", "never"), (True, False)):
        steps[f"metaspace-{scheme}-{'split' if does_split else 'whole'}"] = metaspace(scheme, does_split)
    steps["metaspace-other"] = metaspace("always", True, "_")
    for prefix, regex in itertools.product((False, True), (False, True)):
        steps[f"byte-level{'-prefix' if prefix else ''}{'' if regex else '-whole'}"] = byte_level(prefix, True, regex)
    steps["sequence-t5"] = sequence("p", {"type": "WhitespaceSplit"}, metaspace())
    steps["sequence-llama3"] = sequence("p", split(CL100K_PATTERN), byte_level(regex=False))
    steps["sequence-digits"] = sequence("p", WHITESPACE, {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "MergedWithPrevious"})
    steps["sequence-falcon"] = sequence(
        "p", {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(), {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]")
    )
    steps["sequence-deepseek"] = sequence("p", split(r"[\r\n]"), split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+"), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"), split(r"[一-龥ࠀ-一가-퟿]+"), {"type": "Digits", "individual_digits": True}, byte_level(regex=False))
    steps["sequence-nested"] = sequence("p", sequence("p", {"type": "UnicodeScripts"}, sequence("p", {"type": "WhitespaceSplit"})), {"type": "Digits", "individual_digits": False}, metaspace("first"))
    for name, step in steps.items():
        config = tokenizer_json(bytes_model(), None, step, decoder=BYTES_DECODER)
        if "byte-level" in name or name in ("sequence-llama3", "sequence-falcon", "sequence-deepseek"):
            config = tokenizer_json(trained.byte_level, None, step, byte_level(), byte_level())
        elif "metaspace" in name or name == "sequence-t5":
            config["added_tokens"] = [added_token(257, "<s>")]
            config["decoder"] = sequence("d", {"type": "ByteFallback"}, metaspace(step.get("prepend_scheme", "always")))
        yield name, config, 7


def model_configs():
    gpt2 = dict(pre_tokenizer=byte_level(), post_processor=byte_level(), decoder=byte_level())
    bert = dict(normalizer=bert_normalizer(), pre_tokenizer=BERT_PRE, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}, added=UNK_BERT)
    yield "wordpiece", tokenizer_json(trained.wordpiece, **bert), 28
    for name, changes in {
        "wordpiece-short-words": {"max_input_chars_per_word": 5},
        "wordpiece-no-prefix": {"continuing_subword_prefix": ""},
        "wordpiece-other-unk": {"unk_token": "[MASK]"},
    }.items():
        yield name, tokenizer_json({**trained.wordpiece, **changes}, **bert), 14
    cased = dict(pre_tokenizer=BERT_PRE, decoder={"type": "WordPiece", "prefix": "@", "cleanup": False}, added=UNK_BERT)
    yield "wordpiece-cased", tokenizer_json(trained.wordpiece_cased, **cased), 20

    yield "bpe-byte-level", tokenizer_json(trained.byte_level, **gpt2), 32
    pairs = trained.byte_level
    pairs["merges"] = [" ".join(merge) for merge in pairs["merges"]]
    yield "bpe-merges-as-strings", tokenizer_json(pairs, **gpt2), 12
    yield "bpe-ignore-merges", tokenizer_json(trained.byte_level_ids, **gpt2), 20
    whole = dict(pre_tokenizer=byte_level(regex=False), decoder=byte_level())
    yield "bpe-no-split", tokenizer_json(trained.byte_level, **whole), 16
    yield "bpe-normalizer-byte-level", tokenizer_json(trained.byte_level, {"type": "ByteLevel"}, decoder=byte_level()), 16

    characters = trained.bpe_characters
    for fuse, unk in itertools.product((False, True), ("<unk>", None)):
        name = f"bpe-{'fuse-' if fuse else ''}{'unk' if unk else 'no-unk'}"
        yield name, tokenizer_json({**characters, "fuse_unk": fuse, "unk_token": unk}, None, {"type": "WhitespaceSplit"}, decoder={"type": "Fuse"}), 16
    suffix = dict(normalizer={"type": "Lowercase"}, pre_tokenizer=BERT_PRE, decoder={"type": "BPEDecoder", "suffix": "</w>"})
    yield "bpe-suffix", tokenizer_json(trained.bpe_suffix, **suffix), 24
    yield "bpe-suffix-fuse", tokenizer_json({**trained.bpe_suffix, "fuse_unk": True}, **suffix), 12
    prefix = dict(pre_tokenizer=WHITESPACE, decoder={"type": "WordPiece", "prefix": "##", "cleanup": False})
    yield "bpe-prefix", tokenizer_json(trained.bpe_prefix, **prefix), 24
    yield "bpe-prefix-and-suffix", tokenizer_json(trained.bpe_both, None, WHITESPACE), 20
    llama = sequence("n", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))
    llama_decoder = sequence("d", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    specials = [added_token(id, content) for id, content in enumerate(["<unk>", "<s>", "</s>"])]
    template = {
        "type": "TemplateProcessing",
        "single": [special_piece("<s>"), sequence_piece("A")],
        "pair": [special_piece("<s>"), sequence_piece("A"), special_piece("<s>", 1), sequence_piece("B", 1)],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }
    yield "bpe-llama-legacy", tokenizer_json(trained.bpe_metaspace, llama, None, template, llama_decoder, specials), 26
    yield "bpe-llama", tokenizer_json(trained.bpe_metaspace, None, metaspace("first", False), template, llama_decoder, specials), 24
    part = trained.bpe_metaspace
    part["vocab"] = {token: id for token, id in part["vocab"].items() if token not in ("<0x80>", "<0x98>", "<0xED>", "<0x20>", "<0x0A>")}
    yield "bpe-some-bytes", tokenizer_json(part, llama, None, None, llama_decoder, specials), 16
    yield "bpe-some-bytes-no-fuse", tokenizer_json({**part, "fuse_unk": False}, llama, None, None, llama_decoder, specials), 10
    yield "bpe-bytes-and-ignore", tokenizer_json({**trained.bpe_metaspace, "ignore_merges": True}, None, metaspace(), None, llama_decoder, specials), 12

    sentence = dict(
        normalizer=sequence("n", {"type": "Precompiled", "precompiled_charsmap": trained.charsmap}, replace(" {2,}", " ", regex=True)),
        pre_tokenizer=metaspace(),
        decoder=metaspace(),
    )
    yield "unigram", tokenizer_json(trained.unigram, **sentence), 28
    yield "unigram-whitespace-split", tokenizer_json(trained.unigram, None, sequence("p", {"type": "WhitespaceSplit"}, metaspace()), decoder=metaspace()), 16
    bytes_decoder = sequence("d", {"type": "ByteFallback"}, metaspace())
    yield "unigram-byte-fallback", tokenizer_json(trained.unigram_bytes, None, metaspace(), decoder=bytes_decoder), 24
    yield "unigram-whole", tokenizer_json(trained.unigram_bytes, None, metaspace("first", False), decoder=bytes_decoder), 14
    moved = trained.unigram
    moved["vocab"] = moved["vocab"][1:8] + moved["vocab"][:1] + moved["vocab"][8:]
    moved["unk_id"] = 7
    yield "unigram-unk-elsewhere", tokenizer_json(moved, None, metaspace("never"), decoder=metaspace("never")), 14
    yield "unigram-no-unk", tokenizer_json(trained.unigram_no_unk, None, metaspace(), decoder=metaspace()), 14
    ties = unigram_json([["<unk>", 0.0], ["▁", -2.0], ["a", -1.5], ["aa", -3.0], ["aaa", -4.5], ["b", -1.1], ["ab", -2.6], ["ba", -2.6], ["▁a", -3.5], ["-", -1.1], ["--", -2.2], ["---", -3.3000000000000003], ["----", -4.4]])
    yield "unigram-ties", tokenizer_json(ties, None, metaspace(), decoder=metaspace()), 20

    yield "wordlevel", tokenizer_json(trained.wordlevel, None, WHITESPACE, decoder=None, added=[added_token(0, "[UNK]"), added_token(1, "[PAD]")]), 24
    yield "wordlevel-spaces", tokenizer_json(trained.wordlevel, {"type": "Lowercase"}, {"type": "WhitespaceSplit"}, decoder={"type": "Fuse"}), 12
    old = tokenizer_json(trained.unigram, **sentence)
    del old["model"]["type"], old["model"]["byte_fallback"]
    old["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "▁"}
    old["decoder"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    yield "old-unigram", old, 10
    old = tokenizer_json(trained.byte_level, **gpt2)
    for name in ("type", "ignore_merges", "byte_fallback", "dropout", "unk_token"):
        del old["model"][name]
    old["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    old["decoder"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    yield "old-bpe", old, 10


def special_piece(content, type_id=0):
    return {"SpecialToken": {"id": content, "type_id": type_id}}


def sequence_piece(name, type_id=0):
    return {"Sequence": {"id": name, "type_id": type_id}}


def special_entry(content, ids, tokens=None):
    return {content: {"id": content, "ids": ids, "tokens": tokens or [content]}}


def bert_template():
    return {
        "type": "TemplateProcessing",
        "single": [special_piece("[CLS]"), sequence_piece("A"), special_piece("[SEP]")],
        "pair": [special_piece("[CLS]"), sequence_piece("A"), special_piece("[SEP]"), sequence_piece("B", 1), special_piece("[SEP]", 1)],
        "special_tokens": {**special_entry("[CLS]", [2]), **special_entry("[SEP]", [3])},
    }


def processor_configs():
    bert = dict(normalizer=bert_normalizer(), pre_tokenizer=BERT_PRE, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}, added=UNK_BERT)
    size = len(trained.byte_level["vocab"])
    byte = dict(
        pre_tokenizer=byte_level(True),
        decoder=byte_level(),
        added=[added_token(size, "<s>"), added_token(size + 1, "</s>"), added_token(size + 2, "<mask>", lstrip=True)],
    )
    cls, sep = ["<s>", size], ["</s>", size + 1]
    steps = {
        "bert": (trained.wordpiece, bert, {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
        "template-bert": (trained.wordpiece, bert, bert_template()),
        "template-odd": (
            trained.wordpiece,
            bert,
            {
                "type": "TemplateProcessing",
                "single": [special_piece("[CLS]", 5), special_piece("[TWO]", 1), sequence_piece("A", 3), special_piece("[SEP]"), special_piece("[SEP]", 2)],
                "pair": [sequence_piece("B", 1), special_piece("[TWO]", 4), sequence_piece("A", 2), special_piece("[SEP]", 7)],
                "special_tokens": {**special_entry("[CLS]", [2]), **special_entry("[SEP]", [3]), **special_entry("[TWO]", [4, 0, 4], ["[MASK]", "[PAD]", "[X]"])},
            },
        ),
        "template-plain": (
            trained.wordpiece,
            bert,
            {"type": "TemplateProcessing", "single": [sequence_piece("A")], "pair": [sequence_piece("A"), sequence_piece("B", 1)], "special_tokens": {}},
        ),
        "template-pair-twice": (
            trained.wordpiece,
            bert,
            {
                "type": "TemplateProcessing",
                "single": [sequence_piece("A", 1), special_piece("[SEP]", 1)],
                "pair": [sequence_piece("A"), special_piece("[SEP]"), special_piece("[SEP]"), sequence_piece("B")],
                "special_tokens": special_entry("[SEP]", [3]),
            },
        ),
        "none": (trained.wordpiece, bert, None),
    }
    for trim, prefix in itertools.product((True, False), (True, False)):
        name = f"{'trim' if trim else 'keep'}-{'prefix' if prefix else 'plain'}"
        here = {**byte, "pre_tokenizer": byte_level(prefix)}
        steps[f"roberta-{name}"] = (trained.byte_level, here, {"type": "RobertaProcessing", "sep": sep, "cls": cls, "trim_offsets": trim, "add_prefix_space": prefix})
        steps[f"byte-level-{name}"] = (trained.byte_level, here, byte_level(prefix, trim))
    template = {
        "type": "TemplateProcessing",
        "single": [special_piece("<s>"), sequence_piece("A")],
        "pair": [special_piece("<s>"), sequence_piece("A"), special_piece("<s>", 1), sequence_piece("B", 1)],
        "special_tokens": special_entry("<s>", [size]),
    }
    steps["sequence-llama3"] = (trained.byte_level, byte, sequence("q", byte_level(False, True), template))
    steps["sequence-two-templates"] = (trained.byte_level, byte, sequence("q", template, template))
    steps["byte-level-mismatch"] = (trained.byte_level, {**byte, "pre_tokenizer": byte_level(False)}, byte_level(True, True))
    for name, (model, rest, step) in steps.items():
        yield name, tokenizer_json(model, post_processor=step, **rest), 8


def decoder_configs():
    bytes_vocab = bytes_model()
    for index, token in enumerate(["▁", "▁a", "a▁b", "b▁", "hello", " ", "  x ", "##s", "## ", "lo", "</w>", "a</w>", "a</w>b", "|", "<pad>", "c", "n't", ".", " .", "'s", "do", "not", "Ġ", "ĠĠ", "Ċ", "é", "한", "ï¿½", "😀", "xx", "axa", " ' ", "do not"]):
        bytes_vocab["vocab"][token] = 257 + index
    steps = {
        "none": None,
        "byte-level": byte_level(),
        "wordpiece": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "wordpiece-raw": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "wordpiece-other": {"type": "WordPiece", "prefix": "a", "cleanup": True},
        "metaspace-always": metaspace("always"),
        "metaspace-first": metaspace("first"),
        "metaspace-never": metaspace("never"),
        "bpe": {"type": "BPEDecoder", "suffix": "</w>"},
        "bpe-other": {"type": "BPEDecoder", "suffix": "o"},
        "ctc": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
        "ctc-raw": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": False},
        "byte-fallback": {"type": "ByteFallback"},
        "byte-fallback-fuse": BYTES_DECODER,
        "fuse": {"type": "Fuse"},
        "strip": {"type": "Strip", "content": " ", "start": 1, "stop": 1},
        "strip-many": {"type": "Strip", "content": "x", "start": 3, "stop": 2},
        "replace-string": replace("▁", " "),
        "replace-regex": replace("[a-c]|▁+", "*", regex=True),
        "llama": sequence("d", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}),
        "sequence-metaspace": sequence("d", {"type": "ByteFallback"}, metaspace()),
        "sequence-nested": sequence("d", sequence("d", {"type": "Fuse"}, replace("hello", "a b")), {"type": "WordPiece", "prefix": "##", "cleanup": True}),
    }
    for name, step in steps.items():
        added = [added_token(0, "<unk>"), added_token(271, "<pad>"), added_token(290, "añb"), added_token(291, "ĠÐ", special=False), added_token(292, "Ã©", special=False)]
        yield name, tokenizer_json(bytes_vocab, None, metaspace(), None, step, added), 5


def added_configs():
    bert = dict(normalizer=bert_normalizer(), pre_tokenizer=BERT_PRE, post_processor=bert_template(), decoder={"type": "WordPiece", "prefix": "##", "cleanup": True})
    size = len(trained.wordpiece["vocab"])
    gpt2 = dict(pre_tokenizer=byte_level(True), post_processor=byte_level(True), decoder=byte_level())
    bytes_size = len(trained.byte_level["vocab"])

    def more(first, *tokens):
        return [added_token(first + index, **token) for index, token in enumerate(tokens)]

    flags = [dict(zip(("single_word", "lstrip", "rstrip", "normalized"), values)) for values in itertools.product((False, True), repeat=4)]
    words = ["hello", "New York", "ab", "the", "a", "token", "日本", "학교", "é", "İ", "I'm", "---", "</s>", "<mask>", "12", "Å"]
    for special in (True, False):
        tokens = [dict(content=word, special=special, **flag) for word, flag in zip(words, flags)]
        yield f"flags-{'special' if special else 'plain'}-wordpiece", tokenizer_json(trained.wordpiece, added=UNK_BERT + more(size, *tokens), **bert), 22
        yield f"flags-{'special' if special else 'plain'}-byte-level", tokenizer_json(trained.byte_level, added=more(bytes_size, *tokens), **gpt2), 22
    turned = [dict(content=word, special=False, **flag) for word, flag in zip(words, reversed(flags))]
    yield "flags-turned", tokenizer_json(trained.unigram, None, metaspace("first"), None, metaspace("first"), more(330, *turned)), 22
    nested = [dict(content=word, normalized=normalized) for word, normalized in (("a", False), ("ab", False), ("abab", False), ("ababab", True), ("bab", True), ("b", True), ("hello world", False), ("hello", False), ("lo", True))]
    yield "overlapping", tokenizer_json(trained.byte_level, added=more(bytes_size, *nested), **gpt2), 22
    single = [dict(content=word, single_word=True, normalized=normalized, special=False) for word, normalized in (("ab", False), ("abab", False), ("hello", True), ("hello world", True), ("é", False), ("日", False), ("_a", False), ("!", False))]
    yield "single-word", tokenizer_json(trained.byte_level, added=more(bytes_size, *single), **gpt2), 22
    changed = [dict(content=word, normalized=True, special=False) for word in ("HELLO", "Café", "ＡＢＣ", "½", "İ", "x  y", " the", "ﾊﾞ", "Ω", "한국")]
    yield "normalized-away", tokenizer_json(trained.wordpiece, added=UNK_BERT + more(size, *changed), **{**bert, "normalizer": sequence("n", {"type": "NFKC"}, bert_normalizer())}), 22
    yield "normalized-prepend", tokenizer_json(trained.bpe_metaspace, sequence("n", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), None, None, sequence("d", replace("▁", " "), {"type": "Fuse"}), more(0, dict(content="<unk>"), dict(content="<s>", normalized=True), dict(content="</s>", normalized=False)) + more(len(trained.bpe_metaspace["vocab"]), dict(content="new york", normalized=True), dict(content="<mask>", lstrip=True))), 22
    yield "metaspace-sections", tokenizer_json(trained.unigram, None, metaspace("first"), None, metaspace("first"), more(0, dict(content="<unk>"), dict(content="<s>"), dict(content="</s>")) + more(330, dict(content="<mask>", lstrip=True), dict(content="\n", special=False))), 22
    inside = [added_token(id, content, special=id % 2 == 0) for content, id in list(trained.byte_level["vocab"].items())[300:330:3]]
    yield "inside-the-vocabulary", tokenizer_json(trained.byte_level, added=inside + more(bytes_size, dict(content="Ġthe"), dict(content=" the", special=False)), **gpt2), 18
    many = [dict(content=f"<extra_{index}>", special=index % 3 == 0) for index in range(120)] + [dict(content=f"tok{index}", normalized=True, special=False) for index in range(30)]
    config = tokenizer_json(trained.wordpiece, added=UNK_BERT + more(size, *many), **bert)
    yield "many", config, 10
    spaces = [dict(content=word, special=False, normalized=False) for word in ("  ", "    ", "\t", "\n\n", " a", "a ", "\u00a0", "\r\n")]
    yield "spaces", tokenizer_json(trained.byte_level, added=more(bytes_size, *spaces), **gpt2), 22
    # Ids with holes: the library numbers them as the model and the order say.
    holes = [added_token(9000, "<far>"), added_token(5, "<collides>"), added_token(bytes_size + 7, "")]
    yield "ids-that-do-not-fit", tokenizer_json(trained.byte_level, added=holes, **gpt2), 6


LIMITS = [
    dict(max_length=length, strategy=strategy, stride=stride, direction=direction)
    for length in (0, 2, 4, 5, 8, 13)
    for strategy in ("longest_first", "only_first", "only_second")
    for stride in (0, 1, 3)
    for direction in ("right", "left")
]


def paddings(pad_id, pad_token):
    return [
        dict(direction=direction, length=length, pad_to_multiple_of=multiple, pad_id=pad_id, pad_type_id=0, pad_token=pad_token)
        for direction in ("right", "left")
        for length in (None, 12)
        for multiple in (None, 8)
    ]


def length_configs():
    bert = dict(normalizer=bert_normalizer(), pre_tokenizer=BERT_PRE, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}, added=UNK_BERT)
    yield "bert", tokenizer_json(trained.wordpiece, post_processor=bert_template(), **bert), 0, "[PAD]"
    baked = tokenizer_json(
        trained.wordpiece,
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        truncation={"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
        padding={"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        **bert,
    )
    yield "bert-baked", baked, 0, "[PAD]"
    size = len(trained.byte_level["vocab"])
    added = [added_token(size + index, content) for index, content in enumerate(("<s>", "</s>", "<pad>"))]
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", size + 1], "cls": ["<s>", size], "trim_offsets": True, "add_prefix_space": True}
    yield "roberta", tokenizer_json(trained.byte_level, None, byte_level(True), roberta, byte_level(), added), size + 2, "<pad>"
    yield "no-template", tokenizer_json(trained.byte_level, None, byte_level(), None, byte_level(), added), size + 2, "<pad>"
    specials = [added_token(330, "<pad>"), added_token(331, "</s>")]
    template = {
        "type": "TemplateProcessing",
        "single": [sequence_piece("A"), special_piece("</s>")],
        "pair": [special_piece("</s>"), sequence_piece("A", 1), special_piece("</s>"), sequence_piece("B", 2), special_piece("</s>", 3)],
        "special_tokens": special_entry("</s>", [331]),
    }
    yield "t5", tokenizer_json(trained.unigram, None, metaspace(), template, metaspace(), specials), 330, "<pad>"


# ---------------------------------------------------------------------------------------------------------------- writing


class Writer:
    def __init__(self, folder):
        self.folder = folder
        self.manifest = []
        shutil.rmtree(folder, ignore_errors=True)

    def write(self, name, files, vectors):
        folder = self.folder / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            self._write(folder, file, data)
        self._write(folder, "vectors.json", compact(vectors).encode(), zipped=True)
        self.manifest.append(dict(name=name, files=sorted(files), cases=len(vectors["cases"]), decodes=len(vectors.get("decodes", []))))

    def _write(self, folder, name, data, zipped=False):
        if zipped or len(data) > 2000:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
        else:
            (folder / name).write_bytes(data)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def rng_for(name):
    return random.Random(f"{SEED} {name}")


def write_group(writer, group, configs):
    for name, config, count in configs:
        name = f"{group}/{name}"
        rng = rng_for(name)
        tokenizer, error = load(config)
        if tokenizer is None:
            print(f"{name}: the library refuses it: {error}")
            continue
        has_template = config["post_processor"] is not None
        # Where only the way to the model differs, the way back is the same for all.
        decodes = group not in ("normalizers", "pre-tokenizers") or any(word in name for word in ("metaspace", "byte-level", "sequence"))
        cases = []
        for index, text in enumerate(pick_texts(rng, count, 3)):
            cases.append(record(tokenizer, text, special=not has_template or index % 3 != 2, decodes=decodes))
        if group in ("post-processors", "added-tokens", "models") and has_template:
            for _ in range(6 if group == "post-processors" else 3):
                cases.append(record(tokenizer, rng.choice(TEXTS), rng.choice(TEXTS), special=rng.random() < 0.8))
        decodes = random_decodes(tokenizer, rng, 20 if group == "decoders" else 5) if decodes else []
        writer.write(name, {"tokenizer.json": compact(config)}, dict(library=f"tokenizers {VERSIONS['tokenizers']}", cases=cases, decodes=decodes))


def write_lengths(writer):
    for name, config, pad_id, pad_token in length_configs():
        name = f"lengths/{name}"
        rng = rng_for(name)
        tokenizer, error = load(config)
        assert tokenizer, (name, error)
        texts = [text for text in TEXTS if len(text) < 90]
        pads = paddings(pad_id, pad_token)
        cases = []
        for index in range(90):
            truncation = rng.choice(LIMITS) if index % 5 else None
            padding = rng.choice(pads) if rng.random() < 0.4 else None
            pair = rng.choice(texts) if rng.random() < 0.6 else None
            cases.append(record(tokenizer, rng.choice(texts), pair, rng.random() < 0.8, truncation, padding, decodes=False))
        for _ in range(8):
            truncation = rng.choice(LIMITS) if rng.random() < 0.5 else None
            cases.append(record_batch(tokenizer, rng.sample(texts, 3), rng.random() < 0.8, truncation, rng.choice(pads)))
        vectors = dict(library=f"tokenizers {VERSIONS['tokenizers']}", pad_id=pad_id, cases=cases)
        if config["truncation"]:
            # What the file's own settings give, where a program asks for them.
            own = load(config)[0]
            vectors["baked"] = [dict(text=text, **encoding_json(own.encode(text), own)) for text in texts[5:20]]
        files = {"tokenizer.json": compact(config), "tokenizer_config.json": compact({"pad_token": pad_token})}
        writer.write(name, files, vectors)


def sentencepiece_configs():
    yield "unigram", dict(model_type="unigram", vocab_size=360, rules=RULES)
    yield "unigram-full-charsmap", dict(model_type="unigram", vocab_size=300, normalization_rule_name="nmt_nfkc_cf")
    yield "unigram-identity", dict(model_type="unigram", vocab_size=360, normalization_rule_name="identity")
    yield "unigram-byte-fallback", dict(model_type="unigram", vocab_size=600, normalization_rule_name="identity", byte_fallback=True)
    yield "unigram-custom-rules", dict(model_type="unigram", vocab_size=330, rules=CUSTOM_RULES)
    yield "unigram-case-rules", dict(model_type="unigram", vocab_size=330, rules=CASE_RULES)
    yield "unigram-no-dummy-prefix", dict(model_type="unigram", vocab_size=330, rules=RULES, add_dummy_prefix=False)
    yield "unigram-keep-spaces", dict(model_type="unigram", vocab_size=330, rules=RULES, remove_extra_whitespaces=False)
    yield "unigram-suffix", dict(model_type="unigram", vocab_size=330, rules=RULES, treat_whitespace_as_suffix=True)
    yield "unigram-suffix-keep-spaces", dict(model_type="unigram", vocab_size=330, normalization_rule_name="identity", treat_whitespace_as_suffix=True, remove_extra_whitespaces=False)
    yield "unigram-no-split", dict(model_type="unigram", vocab_size=330, rules=RULES, split_by_whitespace=False, max_sentencepiece_length=12)
    yield "unigram-whitespace-only", dict(model_type="unigram", vocab_size=330, normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)
    yield "unigram-symbols", dict(model_type="unigram", vocab_size=330, rules=RULES, user_defined_symbols=["<sep>", "hello", "ab", "abab", "▁the", "한", "é", "<|im_start|>", "ＡＢ"], control_symbols=["<ctl>", "[CLS]", "the"])
    yield "unigram-no-bos", dict(model_type="unigram", vocab_size=330, rules=RULES, bos_id=-1, eos_id=1, pad_id=3, unk_id=2, unk_piece="<UNK>", unk_surface="??")
    yield "unigram-denormalizer", dict(model_type="unigram", vocab_size=330, normalization_rule_name="identity", denormalization={"a": "A", "the": "<THE>", "é": "e", "?": " ?!", "lo": ""})
    yield "bpe", dict(model_type="bpe", vocab_size=360, rules=RULES)
    yield "bpe-byte-fallback", dict(model_type="bpe", vocab_size=600, normalization_rule_name="identity", byte_fallback=True, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, split_digits=True)
    yield "bpe-symbols", dict(model_type="bpe", vocab_size=420, normalization_rule_name="identity", user_defined_symbols=["hello", "ab", "lo", "\u2581\u2581", "日本", "th"], control_symbols=["<ctl>"])
    yield "bpe-suffix", dict(model_type="bpe", vocab_size=360, rules=RULES, treat_whitespace_as_suffix=True)
    yield "bpe-no-dummy-prefix", dict(model_type="bpe", vocab_size=600, normalization_rule_name="identity", byte_fallback=True, add_dummy_prefix=False, remove_extra_whitespaces=False)
    yield "bpe-symbols-bytes", dict(model_type="bpe", vocab_size=640, rules=CUSTOM_RULES, byte_fallback=True, user_defined_symbols=["<mask>", "new york", "\n", "e\u0301"])
    yield "word", dict(model_type="word", vocab_size=120, rules=RULES, use_all_vocab=False)
    yield "word-suffix", dict(model_type="word", vocab_size=120, normalization_rule_name="identity", treat_whitespace_as_suffix=True)
    yield "char", dict(model_type="char", vocab_size=260, rules=RULES)
    yield "char-symbols", dict(model_type="char", vocab_size=260, normalization_rule_name="identity", user_defined_symbols=["hello", "ab"], byte_fallback=False)


def write_sentencepiece(writer):
    for name, options in sentencepiece_configs():
        name = f"sentencepiece/{name}"
        rng = rng_for(name)
        proto = train_sentencepiece(**options)
        # What the trainer was asked is not what a model is; some of it names files.
        proto.trainer_spec.ClearField("model_prefix")
        proto.normalizer_spec.ClearField("normalization_rule_tsv")
        proto.denormalizer_spec.ClearField("normalization_rule_tsv")
        variants = {name: proto}
        if name.endswith("/unigram-identity"):
            # Flags that the trainer does not set, and pieces that are not used.
            variants[f"{name}-no-escape"] = model_proto.ModelProto.FromString(proto.SerializeToString())
            variants[f"{name}-no-escape"].normalizer_spec.escape_whitespaces = False
        if name in ("sentencepiece/unigram", "sentencepiece/bpe"):
            unused = model_proto.ModelProto.FromString(proto.SerializeToString())
            for piece in list(unused.pieces)[20:200:9]:
                piece.type = model_proto.ModelProto.SentencePiece.UNUSED
            variants[f"{name}-unused"] = unused
        for variant, model in variants.items():
            data = model.SerializeToString(deterministic=True)
            writer.write(variant, {"tokenizer.model": data}, dict(library=f"sentencepiece {VERSIONS['sentencepiece']}", **sentencepiece_vectors(data, pick_texts(rng, 16, 4), rng)))


def write_tiktoken(writer):
    """Ranks in the order of merging, as the files of tiktoken are; bytes first."""
    vocab = trained.byte_level["vocab"]
    table = {character: byte for byte, character in bytes_to_characters().items()}
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [bytes(table[character] for character in token) for token in vocab if token != "<|endoftext|>" and len(token) > 1]
    tokens += [b"\n\n", b"hello world", b" 12", b"34", b"67", b"90", b"01", b"12", b"11", b"111", b"23", b"123", b"00"]
    ranks = {token: rank for rank, token in enumerate(dict.fromkeys(tokens))}
    file = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    cl100k = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    patterns = {"gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s", "cl100k": cl100k, "o200k": O200K_PATTERN, "qwen": QWEN_PATTERN}
    for name, pattern in patterns.items():
        specials = {"<|endoftext|>": len(ranks), "<|im_start|>": len(ranks) + 1, "<|im_end|>": len(ranks) + 2}
        encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials)
        rng = rng_for(f"tiktoken/{name}")
        cases = []
        for text in pick_texts(rng, 40, 10):
            ids = encoding.encode(text, disallowed_special=())
            case = dict(text=text, ids=ids, dec=encoding.decode(ids))
            with_special = encoding.encode(text, allowed_special="all")
            if with_special != ids:
                case["ids_s"] = with_special
                case["dec_s"] = encoding.decode(with_special)
            cases.append(case)
        decodes = []
        for _ in range(12):
            ids = [rng.randrange(len(ranks)) for _ in range(rng.randint(1, 10))]
            decodes.append(dict(ids=ids, dec=encoding.decode(ids)))
        writer.write(f"tiktoken/{name}", {"ranks.tiktoken": file}, dict(library=f"tiktoken {VERSIONS['tiktoken']}", pattern=pattern, special_tokens=specials, cases=cases, decodes=decodes))


def bytes_to_characters():
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {**{byte: chr(byte) for byte in kept}, **{byte: chr(256 + index) for index, byte in enumerate(others)}}


def write_files(writer):
    """Vocabularies in files of their own: the expected ids come from a tokenizer.json of the same content.

    The library's own reader of vocab.txt trims all white space from tokens, so that U+2028 is lost; the published ids
    (Python's `line.rstrip("\\n")`, a JSON made of it) keep it, and so is it here. Later duplicates win.
    """
    tokens = list(trained.wordpiece["vocab"])
    tokens[30:30] = ["\u2028", "##\u2028", "", "\u00a0"]
    tokens.insert(60, tokens[100])
    vocab = {token: id for id, token in enumerate(tokens)}
    forms = {
        "lf": ("\n".join(tokens) + "\n").encode(),
        "crlf": ("\r\n".join(tokens) + "\r\n").encode(),
        "no-final-newline": "\n".join(tokens).encode(),
    }
    for form, data in forms.items():
        for cased in (False, True):
            if cased and form != "lf":
                continue
            special = {content: vocab[content] for content in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
            template = bert_template()
            for content in ("[CLS]", "[SEP]"):
                template["special_tokens"][content]["ids"] = [special[content]]
            config = tokenizer_json(
                {**trained.wordpiece, "vocab": vocab, "max_input_chars_per_word": 100},
                bert_normalizer(lower=not cased),
                BERT_PRE,
                template,
                {"type": "WordPiece", "prefix": "##", "cleanup": True},
                [added_token(id, content) for content, id in special.items()],
            )
            files = {"vocab.txt": data}
            if cased:
                files["tokenizer_config.json"] = compact({"do_lower_case": False, "tokenizer_class": "BertTokenizer"})
            name = f"files/vocab-txt-{'cased' if cased else form}"
            rng = rng_for(name)
            tokenizer, error = load(config)
            assert tokenizer, error
            cases = [record(tokenizer, text) for text in ["a\u2028b \u2028", *pick_texts(rng, 24, 5)]]
            cases += [record(tokenizer, rng.choice(TEXTS), rng.choice(TEXTS)) for _ in range(5)]
            writer.write(name, files, dict(library=f"tokenizers {VERSIONS['tokenizers']}", cases=cases, decodes=random_decodes(tokenizer, rng)))

    model = trained.byte_level
    model["vocab"]["\u00a0\u00a0"] = len(model["vocab"])
    merges = [" ".join(merge) for merge in model["merges"]]
    # Real files have merges that begin with the comment sign.
    for left, right in (("#", "#"), ("##", "##")):
        merges.append(f"{left} {right}")
        model["vocab"].setdefault(left + right, len(model["vocab"]))
    vocab_json = json.dumps(model["vocab"])
    forms = {
        "lf": "#version: 0.2\n" + "\n".join(merges) + "\n",
        "crlf": "#version: 0.2\r\n" + "\r\n".join(merges) + "\r\n",
        "bare": "\n".join(merges),
    }
    for form, text in forms.items():
        name = f"files/merges-txt-{form}"
        rng = rng_for(name)
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "vocab.json").write_text(vocab_json, encoding="utf-8")
        (folder / "merges.txt").write_bytes(text.encode())
        tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens(["<|endoftext|>"])
        cases = [record(tokenizer, text) for text in ["## ### ####### a#b", *pick_texts(rng, 24, 5)]]
        writer.write(name, {"vocab.json": vocab_json, "merges.txt": text.encode()}, dict(library=f"tokenizers {VERSIONS['tokenizers']}", note="offsets keep the leading space: no post-processor", cases=cases, decodes=random_decodes(tokenizer, rng)))


def main():
    expect_versions("tokenizers", "sentencepiece", "tiktoken", "protobuf")
    writer = Writer(FOLDER)
    write_group(writer, "normalizers", normalizer_configs())
    write_group(writer, "pre-tokenizers", pre_tokenizer_configs())
    write_group(writer, "models", model_configs())
    write_group(writer, "post-processors", processor_configs())
    write_group(writer, "decoders", decoder_configs())
    write_group(writer, "added-tokens", added_configs())
    write_lengths(writer)
    write_sentencepiece(writer)
    write_tiktoken(writer)
    write_files(writer)
    manifest = dict(
        command="python verify/python/tokenizer_fixtures.py",
        seed=SEED,
        versions={"python": sys.version.split()[0], **VERSIONS},
        offset_unit="Unicode code points",
        tokenizers=writer.manifest,
    )
    lines = ",\n".join(compact(entry) for entry in manifest.pop("tokenizers"))
    (FOLDER / "manifest.json").write_text(f'{compact(manifest)[:-1]},"tokenizers":[\n{lines}\n]}}\n', encoding="utf-8")
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{len(writer.manifest)} tokenizers, {sum(entry['cases'] for entry in writer.manifest)} cases, {size} bytes")


if __name__ == "__main__":
    main()
