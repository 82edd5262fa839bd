"""Writes random tokenizer.json configurations with what Hugging Face tokenizers makes of random texts, for our package.

    python verify/python/tokenizer_differential.py /tmp/differential.jsonl --count 2000 --seed 1
    node verify/tokenizers.mjs --differential /tmp/differential.jsonl --show 1

Every line is one configuration: normalizer, pre-tokenizer, model, post-processor, decoder and added tokens are drawn from
all that the library has, sequences of them included. Configurations that the library refuses are left out.

With --sweep it is every assigned character instead, through every step that knows classes of characters; of a text then only
a hash of ids, offsets and words is written.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import sys
import unicodedata

from tokenizer_fixtures import bert_normalizer, sequence_piece, special_entry, special_piece
from tokenizer_parts import *  # noqa: F403
from versions import expect_versions

trained = Trained()
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
PATTERNS = (
    r"\s+",
    r"\w+|[^\w\s]+",
    r"\d{1,3}",
    r"[aeiou]",
    r"\p{L}+",
    r"[^\p{L}\p{N}]",
    r"(?i:the|ab)",
    r"\s?\p{Lu}\p{Ll}*",
    r"[\r\n]+|\.{2,}",
    r"(?=[A-Z])",
    r"(?<=\d)(?=\p{L})",
    r"a*",
    r"^\s+|\s+$",
    r"\p{Han}|\p{Hangul}+|\p{Hiragana}+",
    r"'(?:[sdmt]|ll|ve|re)",
    GPT2_PATTERN,
    CL100K_PATTERN,
    QWEN_PATTERN,
    O200K_PATTERN,
)
STRINGS = (" ", "a", "ab", "▁", ".", "한", "--", "\n", "e\u0301", "é", "😀")


def some(rng, choices, most=3):
    return [rng.choice(choices)() for _ in range(rng.randint(1, most))]


def charsmap(rng):
    return {"type": "Precompiled", "precompiled_charsmap": rng.choice((trained.charsmap, trained.charsmap_custom, trained.charsmap_case))}


def normalizer(rng, depth=0):
    if rng.random() < 0.25:
        return None
    flag = lambda: rng.random() < 0.5  # noqa: E731
    choices = [
        lambda: bert_normalizer(flag(), flag(), rng.choice((None, True, False)), flag()),
        *(lambda name=name: {"type": name} for name in ("Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "StripAccents")),
        lambda: charsmap(rng),
        lambda: {"type": "Prepend", "prepend": rng.choice(("▁", "a", "x ", "한"))},
        lambda: replace(rng.choice(STRINGS), rng.choice((*STRINGS, ""))),
        lambda: replace(rng.choice(PATTERNS), rng.choice((*STRINGS, "")), regex=True),
        lambda: {"type": "Strip", "strip_left": flag(), "strip_right": flag()},
        lambda: {"type": "ByteLevel"},
    ]
    steps = [step for step in some(rng, choices) if step]
    if depth == 0 and rng.random() < 0.15:
        steps.append(normalizer(rng, 1) or {"type": "NFC"})
    return steps[0] if len(steps) == 1 else sequence("n", *steps)


def pre_tokenizer(rng):
    if rng.random() < 0.15:
        return None
    flag = lambda: rng.random() < 0.5  # noqa: E731
    choices = [
        lambda: {"type": "BertPreTokenizer"},
        lambda: byte_level(flag(), flag(), flag()),
        lambda: {"type": "CharDelimiterSplit", "delimiter": rng.choice(" a한.e")},
        lambda: {"type": "FixedLength", "length": rng.randint(1, 7)},
        lambda: {"type": "Digits", "individual_digits": flag()},
        lambda: metaspace(rng.choice(("always", "first", "never")), flag(), rng.choice("▁▁▁_")),
        lambda: {"type": "Punctuation", "behavior": rng.choice(BEHAVIORS)},
        lambda: split(rng.choice(STRINGS), rng.choice(BEHAVIORS), flag(), regex=False),
        lambda: split(rng.choice(PATTERNS), rng.choice(BEHAVIORS), flag()),
        lambda: split(rng.choice(PATTERNS), "Isolated"),
        lambda: {"type": "UnicodeScripts"},
        lambda: {"type": "Whitespace"},
        lambda: {"type": "WhitespaceSplit"},
    ]
    steps = some(rng, choices)
    return steps[0] if len(steps) == 1 else sequence("p", *steps)


def model(rng):
    name = rng.choice(MODELS)
    out = bytes_model() if name == "bytes" else getattr(trained, name)
    if out["type"] == "BPE":
        if rng.random() < 0.3:
            out["fuse_unk"] = not out["fuse_unk"]
        if rng.random() < 0.3:
            out["ignore_merges"] = not out["ignore_merges"]
        if rng.random() < 0.15:
            out["unk_token"] = None if out["unk_token"] else next(iter(out["vocab"]))
        if rng.random() < 0.2:
            out["merges"] = [" ".join(merge) for merge in out["merges"]]
    if out["type"] == "WordPiece" and rng.random() < 0.4:
        out["max_input_chars_per_word"] = rng.randint(1, 12)
    return out


MODELS = (
    *("bytes", "byte_level", "byte_level", "byte_level_ids", "bpe_characters", "bpe_suffix", "bpe_prefix", "bpe_both", "bpe_metaspace"),
    *("wordpiece", "wordpiece_cased", "wordlevel", "unigram", "unigram", "unigram_bytes", "unigram_no_unk"),
)


def post_processor(rng, specials):
    kind = rng.random()
    if kind < 0.3 or len(specials) < 2:
        return byte_level(rng.random() < 0.5, rng.random() < 0.5) if kind < 0.1 else None
    (first, first_id), (second, second_id) = rng.sample(specials, 2)
    if kind < 0.4:
        return {"type": "BertProcessing", "sep": [first, first_id], "cls": [second, second_id]}
    if kind < 0.55:
        return {"type": "RobertaProcessing", "sep": [first, first_id], "cls": [second, second_id], "trim_offsets": rng.random() < 0.5, "add_prefix_space": rng.random() < 0.5}

    def pieces(names):
        out = [sequence_piece(name, rng.randint(0, 2)) for name in names]
        for _ in range(rng.randint(0, 3)):
            out.insert(rng.randint(0, len(out)), special_piece(rng.choice((first, second)), rng.randint(0, 2)))
        return out

    template = {
        "type": "TemplateProcessing",
        "single": pieces("A"),
        "pair": pieces("AB"),
        "special_tokens": {**special_entry(first, [first_id]), **special_entry(second, [second_id])},
    }
    return sequence("q", byte_level(rng.random() < 0.5), template) if rng.random() < 0.3 else template


def decoder(rng):
    flag = lambda: rng.random() < 0.5  # noqa: E731
    choices = [
        lambda: byte_level(),
        lambda: {"type": "WordPiece", "prefix": rng.choice(("##", "@")), "cleanup": flag()},
        lambda: metaspace(rng.choice(("always", "first", "never"))),
        lambda: {"type": "BPEDecoder", "suffix": rng.choice(("</w>", "/w"))},
        lambda: {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": flag()},
        lambda: {"type": "ByteFallback"},
        lambda: {"type": "Fuse"},
        lambda: {"type": "Strip", "content": rng.choice(" ▁a"), "start": rng.randint(0, 2), "stop": 0},
        lambda: replace(rng.choice(STRINGS), rng.choice((*STRINGS, ""))),
    ]
    kind = rng.random()
    if kind < 0.1:
        return None
    return rng.choice(choices)() if kind < 0.6 else sequence("d", *some(rng, choices))


def added_tokens(rng, vocab):
    next_id = max(vocab.values(), default=-1) + 1
    out = []
    contents = rng.sample(("hello", "a", "ab", "abab", "the", "[MASK]", "<mask>", "</s>", "<s>", "<|endoftext|>", "New York", "é", "한", "日本", "  ", "\n", " a", "x", "İ", "HELLO", "!", "12", "Å", "I'm"), rng.randint(0, 8))
    normalized = rng.choice((0, 0, 0.35))
    for content in ("[CLS]", "[SEP]", *contents):
        flag = lambda chance: rng.random() < chance  # noqa: E731
        id = vocab.get(content)
        if id is None:
            id, next_id = next_id, next_id + 1
        out.append(added_token(id, content, flag(0.5), flag(0.25), flag(0.25), flag(0.25), flag(normalized)))
    return sorted(out, key=lambda token: token["id"])


def types_of(value):
    """The names of all steps, for the report."""
    if isinstance(value, list):
        return [name for item in value for name in types_of(item)]
    if not isinstance(value, dict):
        return []
    name = [value["type"]] if isinstance(value.get("type"), str) and value["type"] != "Sequence" else []
    return name + [found for key, item in value.items() if key != "vocab" for found in types_of(item)]


def tags_of(config):
    parts = ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model")
    flags = ("single_word", "lstrip", "rstrip", "normalized")
    added = {f"added:{flag}" for token in config["added_tokens"] for flag in flags if token[flag]}
    return sorted({f"{part}:{name}" for part in parts for name in types_of(config[part])} | added)


def configuration(rng):
    chosen = model(rng)
    vocab = chosen["vocab"] if isinstance(chosen["vocab"], dict) else {piece: id for id, (piece, _) in enumerate(chosen["vocab"])}
    added = added_tokens(rng, vocab)
    specials = [(token["content"], token["id"]) for token in added]
    return tokenizer_json(chosen, normalizer(rng), pre_tokenizer(rng), post_processor(rng, specials), decoder(rng), added)


def cases_of(tokenizer, rng):
    texts = [*rng.sample(TEXTS, 4), *(random_text(rng) for _ in range(4))]
    cases = [record(tokenizer, text, special=rng.random() < 0.6) for text in texts]
    cases.append(record(tokenizer, rng.choice(TEXTS), random_text(rng)))
    limit = dict(
        max_length=rng.randint(1, 14),
        strategy=rng.choice(("longest_first", "only_first", "only_second")),
        stride=rng.choice((0, 0, 0, 1, 2)),
        direction=rng.choice(("right", "left")),
    )
    pair = random_text(rng) if rng.random() < 0.6 else None
    cases.append(record(tokenizer, random_text(rng), pair, rng.random() < 0.8, limit, decodes=False))
    return cases


def sweep(path):
    assigned = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")]
    steps = {f"normalizer {name}": {"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents")}
    steps["normalizer bert uncased"] = bert_normalizer()
    steps["normalizer bert cased"] = bert_normalizer(lower=False)
    steps["normalizer bert accents"] = bert_normalizer(False, False, True, False)
    steps["normalizer strip accents after NFD"] = sequence("n", {"type": "NFD"}, {"type": "StripAccents"})
    for name in ("BertPreTokenizer", "UnicodeScripts", "Whitespace", "WhitespaceSplit"):
        steps[f"pre_tokenizer {name}"] = {"type": name}
    steps["pre_tokenizer Digits"] = {"type": "Digits", "individual_digits": True}
    steps["pre_tokenizer Punctuation"] = {"type": "Punctuation", "behavior": "Isolated"}
    for pattern in (r"\w", r"\s", r"\d", r"\p{L}", r"\p{N}", r"\p{P}", r"\p{S}", r"\p{M}", r"\p{Lu}", r"\p{Ll}", r"\p{Han}", r"(?i:[a-z])", r"(?i:k|s)"):
        steps[f"pre_tokenizer {pattern}"] = split(pattern)
    with open(path, "w", encoding="utf-8") as file:
        for name, step in steps.items():
            parts = {name.split(" ")[0]: step}
            config = tokenizer_json(bytes_model(), **parts)
            tokenizer, error = load(config)
            assert tokenizer, error
            cases = []
            for begin in range(0, len(assigned), 16):
                text = "".join(f"x{character}y " for character in assigned[begin : begin + 16])
                encoding = tokenizer.encode(text)
                words = ["" if word is None else word for word in encoding.word_ids]
                lists = (encoding.ids, [at for pair in encoding.offsets for at in pair], words)
                digest = hashlib.sha256("|".join(",".join(map(str, values)) for values in lists).encode()).hexdigest()[:16]
                cases.append(dict(text=text, hash=digest))
            file.write(json.dumps(dict(name=f"sweep {name}", tags=[name], config=config, cases=cases, decodes=[]), ensure_ascii=False) + "\n")
    print(f"{len(assigned)} characters, {len(steps)} steps")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sweep", action="store_true")
    arguments = parser.parse_args()
    expect_versions("tokenizers", "sentencepiece", "protobuf")
    if arguments.sweep:
        sweep(arguments.file)
        return
    for name in set(MODELS) - {"bytes"} | {"charsmap", "charsmap_custom", "charsmap_case"}:
        getattr(trained, name)  # Trained once, before the processes part.
    written = died = 0
    with open(arguments.file, "w", encoding="utf-8") as file:
        for index in range(arguments.count):
            file.flush()
            child = os.fork()
            if child == 0:
                # A few configurations make the library run out of memory or time: it then takes only this process along.
                resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
                resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
                sys.stderr.close()
                os.close(2)
                line = line_of(arguments.seed, index)
                if line:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    file.flush()
                os._exit(0 if line else 3)
            _, status = os.waitpid(child, 0)
            written += status == 0
            died += os.WIFSIGNALED(status)
    print(f"{written} configurations; the library refused {arguments.count - written - died}, and died of {died}")


def line_of(seed, index):
    rng = random.Random(f"{seed} {index}")
    config = configuration(rng)
    tokenizer, _ = load(config)
    if tokenizer is None:
        return None
    cases = cases_of(tokenizer, rng)
    return dict(name=f"{seed}-{index}", tags=tags_of(config), config=config, cases=cases, decodes=random_decodes(tokenizer, rng, 3))


if __name__ == "__main__":
    main()
