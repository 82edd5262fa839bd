"""The published grid in shape: PER against parameters and bytes over hidden widths, layers and feed-forward widths.

    python grid.py --into build/grid --minutes 5                     all 48 models, one after the other; resumes
    python grid.py --into build/grid --minutes 2 --limit 2000        scored by 2,000 words of each language
    python grid.py --into build/grid --minutes 5 --only 64,2,128     one of them: hidden, layers, feed-forward

Writes grid.json and grid.svg (dots: models, shade: layers; the scale below is bytes in 8 bits with f32 scales a row).
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import torch

from crossvalidate import fold_scores
from data import DATA

HIDDEN, LAYERS, FF = (32, 64, 128, 256), (1, 2, 4), (32, 64, 128, 256)
NAMES = {"en": "English", "ko": "Korean"}
WIDTH, HEIGHT, LEFT, TOP = 640, 260, 60, 30  # of one panel, pixels
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)  # percent


def sizes(run: Path) -> tuple[int, int]:
    """Parameters, and bytes of them in 8 bits with a 4-byte scale for each row."""
    weights = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["weights"]
    weights.pop("lm_head.weight", None)
    scales = sum(4 * len(w) if w.dim() == 2 else 3 * len(w) for w in weights.values())
    parameters = sum(w.numel() for w in weights.values())
    return parameters, parameters + scales


def draw(points: list[dict]) -> str:
    """An SVG with a panel for each language: PER upwards, parameters to the right, both logarithmic."""
    parts = []
    languages = [language for language in NAMES if language in points[0]["per"]]
    xs = [p["parameters"] for p in points]
    for row, language in enumerate(languages):
        ys = [max(p["per"][language], TICKS[0]) for p in points]
        low = max(tick for tick in TICKS if tick <= min(ys))
        high = min(tick for tick in TICKS if tick > max(ys))
        top = TOP + row * (HEIGHT + 90)

        def x(parameters: float) -> float:
            return LEFT + 20 + (WIDTH - 40) * _share(parameters, min(xs), max(xs))

        def y(per: float) -> float:
            return top + HEIGHT * (1 - _share(per, low, high))

        parts.append(f'<text x="{LEFT}" y="{top - 12}">{NAMES[language]}, PER in %</text>')
        parts.append(f'<path d="M{LEFT} {top}v{HEIGHT}h{WIDTH}" fill="none" stroke="black"/>')
        for per in TICKS:
            if low <= per <= high:
                parts.append(f'<text x="{LEFT - 8}" y="{y(per) + 4:.0f}" text-anchor="end">{per}</text>')
                parts.append(f'<path d="M{LEFT} {y(per):.0f}h{WIDTH}" stroke="#ddd"/>')
        for point in sorted(points, key=lambda p: p["parameters"])[:: max(1, len(points) // 6)]:
            at = f'x="{x(point["parameters"]):.0f}" text-anchor="middle"'
            parts.append(f'<text {at} y="{top + HEIGHT + 18}">{point["parameters"] / 1e3:.0f} k</text>')
            parts.append(f'<text {at} y="{top + HEIGHT + 36}">{point["bytes"] / 1e3:.0f} kB</text>')
        for point, per in zip(points, ys):
            shade = 0.25 + 0.75 * LAYERS.index(point["layers"]) / (len(LAYERS) - 1)
            label = "hidden {hidden}, layers {layers}, ff {ff}".format(**point)
            parts.append(f'<circle cx="{x(point["parameters"]):.1f}" cy="{y(per):.1f}" r="5" fill="#2563eb" '
                         f'fill-opacity="{shade:.2f}"><title>{label}: {per:.2f} %</title></circle>')
    size = f'width="{WIDTH + LEFT + 40}" height="{len(languages) * (HEIGHT + 90) + TOP}"'
    style = 'font-family="sans-serif" font-size="13"'
    paper = '<title>PER against parameters and bytes</title>\n<rect width="100%" height="100%" fill="white"/>\n'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{paper}' + "\n".join(parts) + "\n</svg>\n"


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others, logarithmically: 0 to 1."""
    logs = torch.tensor([value, low, high], dtype=torch.float64).log()
    return float((logs[0] - logs[1]) / (logs[2] - logs[1]).clamp_min(1e-9))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--into", type=Path, required=True)
    p.add_argument("--data", type=Path, default=DATA)
    p.add_argument("--languages", default="en,ko")
    p.add_argument("--limit", type=int, default=0, help="words of each language that are scored (0: all of fold 0)")
    p.add_argument("--only", action="append", help="HIDDEN,LAYERS,FF; may come again")
    args, options = p.parse_known_args()
    shapes = [tuple(map(int, only.split(","))) for only in args.only or []] or list(product(HIDDEN, LAYERS, FF))
    for hidden, layers, ff in shapes:
        run = args.into / f"{hidden}-{layers}-{ff}"
        heads = max(1, hidden // 32)
        shape = {"hidden": hidden, "layers": layers, "ff": ff, "heads": heads, "kv-heads": heads, "head-dim": 32}
        settings = [f"--{name}={value}" for name, value in shape.items()]
        scores = fold_scores(run, 0, settings + options, args.data, args.languages.split(","), limit=args.limit)
        parameters, size = sizes(run)
        point = {"hidden": hidden, "layers": layers, "ff": ff, "parameters": parameters, "bytes": size,
                 "per": {language: score["per"] for language, score in scores.items()}}
        (run / "point.json").write_text(json.dumps(point) + "\n")
        print(json.dumps(point), flush=True)
    points = [json.loads(path.read_text()) for path in sorted(args.into.glob("*/point.json"))]
    (args.into / "grid.json").write_text(json.dumps(points, indent=1) + "\n")
    (args.into / "grid.svg").write_text(draw(points))


if __name__ == "__main__":
    main()
