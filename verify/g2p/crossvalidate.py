"""Five-fold cross-validation: trains and scores each fold, one after the other, and sums what per.ts counts.

    python crossvalidate.py --into build/folds [options of train.py]
    python crossvalidate.py --into build/finished --start build/folds [options of train.py]

Run again, it goes on where it was: a fold with a score is not trained again, one in training resumes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from data import DATA, FOLDS
from decode import evaluate

TRAIN = Path(__file__).with_name("train.py")


def fold_scores(
    into: Path, fold: int, options: list[str], data: Path, languages: list[str], beams: int = 1, limit: int = 0
) -> dict[str, dict]:
    """A fold's scores by language, over all of its words or `limit` spread among them, which are kept in its folder."""
    path = into / f"scores-{beams}.json"
    if not path.exists():
        if not (into / "model").exists():
            common = ["--into", into, "--data", data, "--languages", ",".join(languages)]
            subprocess.run([sys.executable, TRAIN, "--fold", str(fold), *common, *options], check=True)
        scores = evaluate(into / "model", data, fold, languages=languages, beams=beams, limit=limit)
        path.write_text(json.dumps(scores, ensure_ascii=False, indent=1) + "\n", encoding="utf8")
    return json.loads(path.read_text(encoding="utf8"))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--into", type=Path, required=True, help="folder of the runs fold0 to fold4")
    p.add_argument("--data", type=Path, default=DATA)
    p.add_argument("--languages", default="en,ko")
    p.add_argument("--beams", type=int, default=1)
    p.add_argument("--start", type=Path, help="folder of five runs whose weights these begin with")
    args, options = p.parse_known_args()
    languages = args.languages.split(",")
    folds = []
    for fold in range(FOLDS):
        start = ["--start", args.start / f"fold{fold}" / "checkpoint.pt"] if args.start else []
        run = args.into / f"fold{fold}"
        folds.append(fold_scores(run, fold, [*start, *options], args.data, languages, args.beams))
        for language in languages:
            print(f"fold {fold}, {language}: PER {folds[-1][language]['per']:.3f} %", flush=True)
    for language in languages:
        edits, phones, wrong, words = (sum(f[language][x] for f in folds) for x in ("edits", "phones", "wrong", "words"))
        print(f"{language}: PER {100 * edits / phones:.3f} %, WER {100 * wrong / words:.2f} %, {words} words")


if __name__ == "__main__":
    main()
