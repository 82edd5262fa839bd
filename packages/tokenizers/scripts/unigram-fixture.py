"""Writes test/fixtures/unigram.json: small random Unigram models and a charsmap, and what Hugging Face does with them.

Run with tokenizers 0.23 after sentencepiece-fixture.py: python scripts/unigram-fixture.py
MODELS, TEXTS and OUT say how many and where to, for a longer comparison.
"""
import base64
import json
import os
import pathlib
import random

import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

random.seed(2024)
FIXTURES = pathlib.Path(__file__).parent.parent / "test/fixtures"
ALPHABET = ["a", "b", "▁", "-", "é", "한", "😀", "<unk>", "<0xC3>"]
CLUSTERS = list("abc  é ") + """
    1 2 ad d a b AD r n rn t 3000 fb01 fdfa 2122 1f600 43 62.62.62 61.64.61.62 ff8a ff9e ff9f 304c 304b 3099 65.301 301 327
    d55c 1112 1161 11ab e01 e33 e34 915 94d 937 93f 928 1f1f0 1f1f7 1f468 200d 1f469 1f3fd 2764 fe0f 200b 200c feff
    627 644 64b 600 d0e d4e 1d518 20000 a.a d.a d 2028 eb3 61.300.301.302 1.1 ad.301 fb01.301 43.43 20 20
""".split()


def text(parts, longest):
    return "".join(random.choice(parts) for _ in range(random.randint(1, longest)))


def cluster(code):
    """Code points in hexadecimal, or the text itself."""
    return "".join(chr(int(point, 16)) for point in code.split(".")) if code[0] in "0123456789abcdef" and len(code) > 1 else code


def random_model():
    pieces = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256) if random.random() < 0.97] * (random.random() < 0.5)
    pieces += sorted({text(ALPHABET, random.choice([1, 2, 2, 3, 4])) for _ in range(random.randint(3, 30))})
    random.shuffle(pieces)
    score = random.choice([lambda: -random.choice([1, 2, 3, 1.1, 2.2, 3.3]), lambda: -random.random() * 12, lambda: 1 + random.random()])
    vocab = [(piece, score()) for piece in pieces]
    unk = None if random.random() < 0.1 else pieces.index("<unk>")
    byte_fallback = random.random() < 0.5
    json_text = json.dumps({"version": "1.0", "added_tokens": [], "model": {
        "type": "Unigram", "unk_id": unk, "vocab": vocab, "byte_fallback": byte_fallback}}, ensure_ascii=random.random() < 0.5)
    tokenizer = Tokenizer.from_str(json_text)
    cases = []
    for _ in range(8):
        source = text(ALPHABET + ["x", "ü"], 12)
        try:
            encoding = tokenizer.encode(source)
            cases.append([source, encoding.ids, [place for offset in encoding.offsets for place in offset]])
        except Exception:
            cases.append([source, None, None])
    return {"json": json_text, "unk_id": unk, "byte_fallback": byte_fallback, "cases": cases}


def charsmap_cases(charsmap):
    normalizer = normalizers.Precompiled(charsmap)
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    clusters = [cluster(code) for code in CLUSTERS]
    for _ in range(int(os.environ.get("TEXTS", 250))):
        source = text(clusters, 10)
        offsets = [place for offset in tokenizer.encode(source).offsets for place in offset]
        yield [source, normalizer.normalize_str(source), offsets]


def main():
    charsmap = base64.b64decode(json.loads((FIXTURES / "sentencepiece.json").read_text())["charsmap"])
    fixture = {
        "library": f"tokenizers {tokenizers.__version__} (python)",
        "models": [random_model() for _ in range(int(os.environ.get("MODELS", 40)))],
        "charsmap": list(charsmap_cases(charsmap)),
    }
    path = pathlib.Path(os.environ.get("OUT", FIXTURES / "unigram.json"))
    lines = json.dumps(fixture, separators=(",", ":")).replace('],["', '],\n["').replace('{"json"', '\n{"json"')
    path.write_text(lines + "\n")


main()
