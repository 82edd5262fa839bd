"""Words to IPA by an exported folder, and its score by per.ts.

    python decode.py MODEL --fold 0                    words that fold 0 holds out: PER and WER of each language
    python decode.py MODEL --fold 0 --beams 4 --tsv out.tsv
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from data import DATA, FILES, FOLDS, read
from model import EOS, distance_of, load, logits, prompt

SCORER = Path(__file__).with_name("per.mjs")


@torch.inference_mode()
def say(model: LlamaForCausalLM, vocab: dict[str, int], spellings: list[str], beams: int = 1, batch: int = 512) -> list[str]:
    """IPA of each spelling: the likeliest of `beams` lines that go on at a time (1: greedy)."""
    tokens = {id: "" if token.startswith("<") else token for token, id in vocab.items()}
    same_length: dict[int, list[int]] = defaultdict(list)
    for at, spelling in enumerate(spellings):
        same_length[len(spelling)].append(at)
    out = [""] * len(spellings)
    for length, found in same_length.items():
        count = max(1, batch // beams)
        for begin in range(0, len(found), count):
            rows = found[begin : begin + count]
            prompts = torch.tensor([prompt(spellings[at], vocab, distance_of(model)) for at in rows]).to(model.device)
            for at, line in zip(rows, _search(model, prompts, length, beams).tolist()):
                end = line.index(EOS) if EOS in line else len(line)
                if distance_of(model) is not None:
                    end = min(end, length)  # one token a letter, and no more
                out[at] = "".join(tokens[id] for id in line[:end])
    return out


def _search(model: LlamaForCausalLM, prompts: torch.Tensor, letters: int, beams: int) -> torch.Tensor:
    """The best line of each prompt [B, N + 1], `<eos>` and what follows it included: [B, tokens]."""
    count = len(prompts)
    lines = prompts[:, None]  # [B, lines, T]
    scores = torch.zeros(count, 1, device=prompts.device)
    for _ in range(2 * letters + 4):  # room for models that do not write one token a letter
        ended = lines[..., -1] == EOS
        if ended[:, 0].all():
            break
        step = logits(model, lines.flatten(0, 1), letters, lines.shape[2] - 1)[:, 0].log_softmax(-1)
        step = step.view(count, lines.shape[1], -1)
        # A line that has ended goes on only as itself.
        step[ended] = -torch.inf
        step[..., EOS].masked_fill_(ended, 0)
        scores, flat = (scores[..., None] + step).flatten(1).topk(beams)
        source = (flat // step.shape[2])[..., None].expand(-1, -1, lines.shape[2])
        lines = torch.cat([lines.gather(1, source), (flat % step.shape[2])[..., None]], 2)
    return lines[:, 0, letters + 1 :]


def evaluate(folder: Path, data: Path, fold: int | None, *, languages=("en", "ko"), beams: int = 1, limit: int = 0,
             tsv: Path | None = None) -> dict[str, dict]:
    """What per.ts counts in each language over a fold's words (None: all), or over `limit` spread evenly among them."""
    model, vocab = load(folder, "cuda" if torch.cuda.is_available() else "cpu")
    scores = {}
    with tempfile.TemporaryDirectory() as temporary:
        path = tsv or Path(temporary) / "said.tsv"
        with path.open("w", encoding="utf8") as file:
            for language in languages:
                entries = [e for e in read(language, data) if fold in (None, e.fold)]
                entries = entries[:: max(1, len(entries) // limit)] if limit else entries
                for entry, ipa in zip(entries, say(model, vocab, [e.letters for e in entries], beams)):
                    file.write(f"{entry.word}\t{ipa}\n")
        command = ["node", SCORER, "--json", path, *(data / FILES[language] for language in languages)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    for score in map(json.loads, lines):
        scores[score.pop("language")] = score
    return scores


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="folder with config.json, model.safetensors, vocab.json")
    p.add_argument("--data", type=Path, default=DATA, help="folder of the dictionaries")
    p.add_argument("--languages", default="en,ko")
    p.add_argument("--fold", choices=[*map(str, range(FOLDS)), "all"], default="all", help="words to say")
    p.add_argument("--limit", type=int, default=0, help="words of each language (0: all)")
    p.add_argument("--beams", type=int, default=1)
    p.add_argument("--tsv", type=Path, help="keep word<TAB>ipa lines here")
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    fold = None if args.fold == "all" else int(args.fold)
    scores = evaluate(args.model, args.data, fold, languages=args.languages.split(","), beams=args.beams,
                      limit=args.limit, tsv=args.tsv)
    for language, score in scores.items():
        print(f"{language}: PER {score['per']:.3f} % ({score['edits']} of {score['phones']} phones), "
              f"WER {score['wer']:.2f} % ({score['wrong']} of {score['words']} words)")
        print("   wanted>written: " + ", ".join(f"{a or '-'}>{b or '-'} {n}" for a, b, n in score["confusions"]))


if __name__ == "__main__":
    main()
