"""Writes a run's weights as a Hugging Face folder: config.json, model.safetensors, vocab.json.

    python export.py build/shipped MODEL --dtype f16
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from model import save

DTYPES = {"f32": torch.float32, "f16": torch.float16}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, help="folder with checkpoint.pt")
    p.add_argument("into", type=Path)
    p.add_argument("--dtype", choices=DTYPES, default="f32")
    args = p.parse_args()
    held = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    save(args.into, held["config"], held["weights"], held["vocab"], DTYPES[args.dtype])
    for path in sorted(args.into.iterdir()):
        print(f"{path.stat().st_size:9,} bytes  {path}")


if __name__ == "__main__":
    main()
