"""How many of the common words a model says as they usually are said, and how many in no way that the dictionary has.

    python usual.py ../../packages/models/g2p     a folder in 8 bits, as `kiloformer quantize` writes it
"""

from __future__ import annotations

import argparse
from pathlib import Path

from data import read
from expected import dequantized, say
from train import usual_pronunciations


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path)
    args = p.parse_args()
    model, vocab = dequantized(args.model)
    usual = usual_pronunciations()
    entries = [e for e in read("en") if e.word in usual]
    said = [ipa for ipa, _ in say(model, vocab, [e.letters for e in entries])]
    known = [["".join(phones) for phones in e.pronunciations] for e in entries]
    otherwise = [e.word for e, ipa, all in zip(entries, said, known) if ipa != all[usual[e.word] - 1]]
    wrong = [e.word for e, ipa, all in zip(entries, said, known) if ipa not in all]
    print(f"{len(entries)} words, {len(otherwise)} said otherwise than usual: {' '.join(otherwise)}")
    print(f"{len(wrong)} in no way that the dictionary has: {' '.join(wrong)}")


if __name__ == "__main__":
    main()
