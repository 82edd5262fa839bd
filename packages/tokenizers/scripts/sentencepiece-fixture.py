"""Writes test/fixtures/sentencepiece.json: small random models, and what sentencepiece does with them.

Run with sentencepiece 0.2.2 and protobuf: python scripts/sentencepiece-fixture.py
MODELS and OUT say how many and where to, for a longer comparison.
"""
import base64
import io
import json
import os
import pathlib
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

random.seed(2024)
ALPHABET = list("aabbc▁▁ d<>") + ["é", "한", "😀", "\u3000", "ﬁ", "\x01", "\ufffd", "\u00ad"]
FLAGS = ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces")
UNIGRAM, BPE, WORD, CHAR = 1, 2, 3, 4
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def charsmap():
    """A small precompiled charsmap: what is deleted, becomes a space, two characters, or is matched longest first."""
    rules = ["1\t", "AD\t", "3000\t20", "FB01\t66 69", "61 64\t62", "62 62 62\t63", "1F600\t3A 44", "C\t20 20"]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as tsv:
        tsv.write("\n".join(rules) + "\n")
        tsv.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d"] * 20), model_writer=model, model_type="char", vocab_size=8,
            normalization_rule_tsv=tsv.name, minloglevel=2,
        )
    return proto.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap


def text(longest):
    return "".join(random.choice(ALPHABET) for _ in range(random.randint(1, longest)))


def random_model(index, chars):
    model = proto.ModelProto()
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = (BPE, BPE, UNIGRAM, BPE, UNIGRAM, WORD, CHAR)[index % 7]
    trainer.byte_fallback = random.random() < 0.4
    trainer.treat_whitespace_as_suffix = random.random() < 0.2
    for flag in FLAGS:
        setattr(normalizer, flag, random.random() < 0.6)
    if random.random() < 0.3:
        normalizer.precompiled_charsmap = chars
    if random.random() < 0.2:
        model.denormalizer_spec.precompiled_charsmap = chars
        for flag in FLAGS:
            setattr(model.denormalizer_spec, flag, random.random() < 0.5)
    if random.random() < 0.2:
        trainer.unk_surface = random.choice(["", " ? ", "x"])
    seen = set()

    def add(piece, score, kind):
        if piece not in seen:
            seen.add(piece)
            model.pieces.add(piece=piece, score=score, type=kind)

    for piece, kind in (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)):
        add(piece, 0, kind)
    for byte in range(256 if trainer.byte_fallback else 0):
        add(f"<0x{byte:02X}>", 0, BYTE)
    for character in random.sample(sorted(set(ALPHABET)), random.randint(3, 10)):
        add(character, -random.choice([1, 2, 3]), random.choice([NORMAL] * 9 + [UNUSED, USER_DEFINED]))
    for _ in range(random.randint(3, 30)):
        kind = random.choice([NORMAL] * 12 + [USER_DEFINED, UNUSED, UNUSED])
        add(text(random.choice([2, 2, 3, 4, 6])), random.choice([-1, -2, -3, 1, -2.75, -1.1]), kind)
    return model


def offsets(processor, source):
    """Where each token begins and ends, in code points instead of bytes."""
    points = {len(source[:point].encode()): point for point in range(len(source) + 1)}
    tokens = processor.encode(source, return_type="proto").pieces
    return [points[place] for token in tokens for place in (token.begin, token.end)]


def describe(model, processor):
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    words = [piece.piece for piece in model.pieces if piece.type in (NORMAL, USER_DEFINED, UNUSED)]
    encoded = []
    for index in range(9):
        source = random.choice(["", " ", "  a "]) + text(20) if random.random() < 0.9 else random.choice(["", " ", "▁", "\x01"])
        if index > 6:
            source = "".join(random.choice(words).replace("▁", " ") for _ in range(4))
        ids = processor.encode(source)
        encoded.append([source, ids, offsets(processor, source), processor.decode(ids)])
    decoded = []
    for _ in range(8):
        ids = [random.randrange(len(model.pieces)) for _ in range(random.randint(0, 8))]
        if trainer.byte_fallback:
            run = [3 + byte for byte in random.choice(["é한", "😀a", "\ufffd"]).encode()]
            cut = random.randrange(len(run) + 1)
            ids = [random.choice([0, 1, len(model.pieces) - 1])] + run[:cut] + ids[: random.randint(0, 3)] + run[cut:]
        decoded.append([ids, processor.decode(ids)])
    flags = {flag: getattr(normalizer, flag) for flag in FLAGS}
    if model.HasField("denormalizer_spec"):
        flags["denormalizer"] = {flag: getattr(model.denormalizer_spec, flag) for flag in FLAGS}
    return {
        "model_type": trainer.model_type,
        "byte_fallback": trainer.byte_fallback,
        "treat_whitespace_as_suffix": trainer.treat_whitespace_as_suffix,
        **({"unk_surface": trainer.unk_surface} if trainer.HasField("unk_surface") else {}),
        **flags,
        "charsmap": bool(normalizer.precompiled_charsmap),
        "pieces": [[piece.piece, piece.score, piece.type] for piece in model.pieces if piece.type != BYTE],
        "encoded": encoded,
        "decoded": decoded,
    }


def long_case(alphabet, score, words):
    """A Unigram model of all one- to three-letter pieces, nearly tied, and what a text of 60,000 characters becomes."""
    model = proto.ModelProto()
    model.trainer_spec.model_type = UNIGRAM
    for flag in FLAGS:
        setattr(model.normalizer_spec, flag, False)
    for piece, kind in (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)):
        model.pieces.add(piece=piece, score=0, type=kind)
    pieces = [letter for letter in alphabet]
    pieces += [a + b for a in alphabet for b in alphabet]
    pieces += [a + b + c for a in alphabet for b in alphabet for c in alphabet if random.random() < 0.6]
    for piece in pieces + (["▁" + piece for piece in pieces] + ["▁"] if words else []):
        model.pieces.add(piece=piece, score=len(piece) * score + random.choice([0, 0, 0.001, -0.002]), type=NORMAL)
    # Numbers that the test makes too: the text is too long to be written down.
    state, source = 1, ""
    while len(source) < 60000:
        state = (state * 1103515245 + 12345) % 2**31
        drawn = (state >> 16) % (len(alphabet) + (1 if words else 0))
        source += alphabet[drawn] if drawn < len(alphabet) else "▁"
    ids = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString()).encode(source)
    checksum = 0
    for id in ids:
        checksum = (checksum * 31 + id) % 1000003
    listed = [[piece.piece, piece.score, piece.type] for piece in model.pieces]
    return {"alphabet": alphabet, "words": words, "pieces": listed, "tokens": len(ids), "checksum": checksum}


def main():
    assert sentencepiece.__version__ == "0.2.2", sentencepiece.__version__
    chars = charsmap()
    models = []
    for index in range(int(os.environ.get("MODELS", 63))):
        model = random_model(index, chars)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        models.append(describe(model, processor))
    fixture = {
        "library": "sentencepiece 0.2.2 (python)",
        "byte_pieces": "<0x00> to <0xFF> follow the first three pieces where byte_fallback is true",
        "charsmap": base64.b64encode(chars).decode(),
    }
    path = pathlib.Path(os.environ.get("OUT", pathlib.Path(__file__).parent.parent / "test/fixtures/sentencepiece.json"))
    lines = ",\n".join(json.dumps(model, ensure_ascii=True) for model in models)
    cases = [long_case("abc", -10.7, False), long_case("abcd", -7.3, True)]
    long = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    path.write_text(json.dumps(fixture, indent=1)[:-2] + ',\n "models": [\n' + lines + '\n],\n "long": [\n' + long + "\n]}\n")


main()
