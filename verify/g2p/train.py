"""Trains one grapheme-to-phoneme Llama, holding out a fold or nothing.

    python train.py --fold 0 --into build/fold0 --minutes 45     goes on from build/fold0/checkpoint.pt if that is there
    python train.py --fold none --into build/shipped             nothing held out

Into the folder go checkpoint.pt, log.jsonl (training loss and rate; of held-out words the share that match no
reference) and, at the end, the model as a Hugging Face folder `model`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from align import one_token_a_letter
from data import DATA, FOLDS, Entry, read
from decode import say
from expected import dequantized
from model import EOS, LETTER_DISTANCE, build, llama_config, prompt, save, vocabulary
from quick import check, quick_logits
from muon import Muon


def options() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--into", type=Path, required=True, help="folder of the run")
    p.add_argument("--data", type=Path, default=DATA, help="folder of the dictionaries")
    p.add_argument("--languages", default="en,ko")
    p.add_argument("--fold", choices=[*map(str, range(FOLDS)), "none"], default="0", help="words held out")
    p.add_argument("--stress", action="store_true", help="write stress and length marks")
    p.add_argument("--groups", type=int, default=64, help="tokens of several phones, of each language")
    p.add_argument("--start", type=Path, help="weights to begin with: checkpoint.pt of another run, or a folder of 8 bits like the committed one")
    model = p.add_argument_group("model")
    model.add_argument("--hidden", type=int, default=128)
    model.add_argument("--layers", type=int, default=3)
    model.add_argument("--heads", type=int, default=4)
    model.add_argument("--kv-heads", type=int, default=1)
    model.add_argument("--head-dim", type=int, default=32)
    model.add_argument("--ff", type=int, default=128)
    model.add_argument("--rope-theta", type=float, default=100.0)
    training = p.add_argument_group("training")
    training.add_argument("--epochs", type=float, default=28, help="times that all English words are seen")
    training.add_argument("--minutes", type=float, default=math.inf, help="most training time, over all resumptions")
    training.add_argument("--korean", type=float, default=0.3, help="share of Korean words in an epoch, drawn anew")
    training.add_argument("--common", type=int, default=1, help="times that an epoch has the words of common.txt, as they usually are said")
    training.add_argument("--batch-tokens", type=int, default=4096, help="positions in a batch")
    training.add_argument("--rate", type=float, default=4e-3, help="highest learning rate of embeddings and norms")
    training.add_argument("--matrix-rate", type=float, default=0.03, help="and of matrices")
    training.add_argument("--warmup", type=int, default=100, help="steps until then; a cosine to 0 follows")
    training.add_argument("--weight-decay", type=float, default=0.02, help="of matrices")
    training.add_argument("--dropout", type=float, default=0.0, help="of embeddings and of what layers add")
    training.add_argument("--smoothing", type=float, default=0.0, help="label smoothing")
    training.add_argument("--seed", type=int, default=1)
    training.add_argument("--threads", type=int, default=1)
    training.add_argument("--save-minutes", type=float, default=2.0)
    training.add_argument("--look-minutes", type=float, default=5.0, help="between looks at held-out words")
    return p


COMMON = Path(__file__).with_name("common.txt")


def usual_pronunciations() -> dict[str, int]:
    """The words of common.txt, and which of a word's pronunciations is the usual one: the first, or the one that `word(2)` names."""
    words = re.findall(r"([^\s(]+)(?:\((\d)\))?", COMMON.read_text())
    return {word: int(number or 1) for word, number in words}


def sequences(entries: dict[str, list[Entry]], languages: list[str], groups: int, common: int = 1):
    """Vocabulary, and the sequence (model.py) of every pronunciation by language and count of letters.

    @param common times that the usual pronunciations of the commonest English words are there
    """
    often = usual_pronunciations() if common > 1 and "en" in languages else {}
    spoken, tokens = [], []
    for language in languages:
        pairs = [(e.letters, phones) for e in entries[language] for phones in e.pronunciations]
        counts = [
            common if language == "en" and often.get(e.letters) == number else 1
            for e in entries[language]
            for number in range(1, len(e.pronunciations) + 1)
        ]
        targets, several = one_token_a_letter(pairs, groups)
        spoken += [(language, pair[0], target, count) for pair, target, count in zip(pairs, targets, counts) if target]
        tokens += several
    phones = sorted({p for all in entries.values() for e in all for said in e.pronunciations for p in said})
    vocab = vocabulary(languages, phones, tokens)
    rows = defaultdict(list)
    for language, letters, target, count in spoken:
        ids = prompt(letters, vocab, LETTER_DISTANCE) + [vocab[x] for x in target] + [EOS]
        rows[language, len(letters)] += [ids] * count
    return vocab, {key: torch.tensor(ids) for key, ids in rows.items()}


def batches(rows: dict, epoch: int, args) -> list[torch.Tensor]:
    """An epoch's batches, words of one length each, which depend on seed and epoch only."""
    random = np.random.default_rng([args.seed, epoch])
    out = []
    for length in sorted({length for _, length in rows}):
        found = []
        for language in args.languages.split(","):
            ids = rows.get((language, length), torch.empty(0, 2 * length + 2, dtype=torch.long))
            share = args.korean if language == "ko" and "en" in args.languages else 1.0
            found.append(ids[random.permutation(len(ids))[: math.ceil(share * len(ids))]])
        ids = torch.cat(found)
        out += ids[random.permutation(len(ids))].split(max(1, args.batch_tokens // (2 * length + 1)))
    return [out[at] for at in random.permutation(len(out))]


def loss_of(model, ids: torch.Tensor, args) -> torch.Tensor:
    """Cross entropy of the tokens and `<eos>` of sequences [B, 2 N + 2], summed."""
    letters = ids.shape[1] // 2 - 1
    written = quick_logits(model, ids[:, :-1], letters, args.dropout)
    return F.cross_entropy(written.flatten(0, 1), ids[:, letters + 1 :].flatten(), reduction="sum",
                           label_smoothing=args.smoothing)


def mismatched(model, vocab: dict[str, int], entries: list[Entry]) -> float:
    """Percent of words whose greedy IPA is none of their references."""
    model.eval()
    said = say(model, vocab, [e.letters for e in entries])
    model.train()
    wrong = sum(ipa not in map("".join, e.pronunciations) for e, ipa in zip(entries, said))
    return round(100 * wrong / len(entries), 2)


class Run:
    """A model in training, with what a checkpoint holds: weights, optimizers, epoch, batches done in it, seconds."""

    def __init__(self, args, vocab: dict[str, int]):
        torch.manual_seed(args.seed)
        self.args, self.vocab = args, vocab
        self.config = llama_config(vars(args), len(vocab))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = build(self.config).to(self.device).train()
        matrices = [w for name, w in self.model.named_parameters() if name.endswith("proj.weight")]
        others = [w for name, w in self.model.named_parameters() if not name.endswith("proj.weight")]
        self.optimizers = [
            Muon(matrices, lr=args.matrix_rate, weight_decay=args.weight_decay),
            torch.optim.AdamW(others, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        ]
        self.rates = [args.matrix_rate, args.rate]
        self.epoch = self.done = self.steps = 0
        self.seconds = 0.0
        self.checkpoint = args.into / "checkpoint.pt"
        if self.checkpoint.exists():
            self._restore()
        elif args.start:
            self._begin_with(self._started(args.start))

    def step(self, ids: torch.Tensor, rate: float) -> torch.Tensor:
        """Loss before the step, summed over its tokens. @param rate share of the highest rates"""
        for optimizer, highest in zip(self.optimizers, self.rates):
            optimizer.param_groups[0]["lr"] = highest * rate
        loss = loss_of(self.model, ids.to(self.device), self.args)
        # Divided by the same for every batch, so that a token counts alike in small ones.
        (loss / (self.args.batch_tokens / 2)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.steps += 1
        return loss.detach()

    def log(self, epoch: float, loss: float, unseen: dict[str, list[Entry]]) -> None:
        """One line of log.jsonl, with the mismatches among these words."""
        line = {"steps": self.steps, "epoch": round(epoch, 3), "minutes": round(self.seconds / 60, 2), "loss": round(loss, 4)}
        for language, entries in unseen.items():
            if entries:
                line[f"{language}_mismatched"] = mismatched(self.model, self.vocab, entries)
        print(json.dumps(line), flush=True)
        with (self.args.into / "log.jsonl").open("a") as file:
            print(json.dumps(line), file=file)

    def store(self) -> None:
        held = {
            "weights": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "counts": [self.epoch, self.done, self.steps],
            "seconds": self.seconds,
            "config": self.config,
            "vocab": self.vocab,
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(held, part)
        os.replace(part, self.checkpoint)

    def _started(self, path: Path) -> dict:
        """Weights and vocabulary of a run, or of a folder in 8 bits."""
        if path.is_file():
            return torch.load(path, map_location=self.device, weights_only=True)
        model, vocab = dequantized(path)
        return {"weights": model.state_dict(), "vocab": vocab}

    def _begin_with(self, held: dict) -> None:
        """Takes the weights of a run on other words; tokens that it did not have begin as new ones do."""
        own = self.model.state_dict()["model.embed_tokens.weight"].clone()
        theirs = held["weights"]["model.embed_tokens.weight"]
        for token, id in self.vocab.items():
            if token in held["vocab"]:
                own[id] = theirs[held["vocab"][token]]
        embeddings = {"model.embed_tokens.weight": own, "lm_head.weight": own}
        self.model.load_state_dict(held["weights"] | embeddings)

    def _restore(self) -> None:
        held = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if (held["config"], held["vocab"]) != (self.config, self.vocab):
            raise ValueError(f"{self.checkpoint}: expected the settings of this run, got {held['config']}")
        self.model.load_state_dict(held["weights"])
        for optimizer, state in zip(self.optimizers, held["optimizers"]):
            optimizer.load_state_dict(state)
        self.epoch, self.done, self.steps = held["counts"]
        self.seconds = held["seconds"]


def split(args) -> tuple[dict[str, list[Entry]], dict[str, list[Entry]]]:
    """Entries to train on, and about 1,000 held-out ones, by language."""
    seen, unseen = {}, {}
    for language in args.languages.split(","):
        entries = read(language, args.data, stress=args.stress)
        seen[language] = [e for e in entries if str(e.fold) != args.fold]
        held_out = [e for e in entries if str(e.fold) == args.fold]
        unseen[language] = held_out[:: max(1, len(held_out) // 1000)]
    return seen, unseen


def train(args) -> None:
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high")
    args.into.mkdir(parents=True, exist_ok=True)
    seen, unseen = split(args)
    vocab, rows = sequences(seen, args.languages.split(","), args.groups, args.common)
    run = Run(args, vocab)
    count = sum(w.numel() for w in run.model.parameters())
    print(f"{count} parameters, {sum(map(len, rows.values()))} sequences, from step {run.steps}", flush=True)
    (_, letters), ids = next(iter(rows.items()))
    check(run.model, ids[:8, :-1].to(run.device), letters)
    begin = time.monotonic() - run.seconds
    saved = looked = run.seconds
    loss, tokens, share = 0.0, 0, 0.0
    while share < 1:
        plan = batches(rows, run.epoch, args)
        for ids in plan[run.done :]:
            share = max((run.epoch + run.done / len(plan)) / args.epochs, run.seconds / 60 / args.minutes)
            if share >= 1:
                break
            loss = loss + run.step(ids, min(1, (run.steps + 1) / args.warmup) * (1 + math.cos(math.pi * share)) / 2)
            tokens += len(ids) * ids.shape[1] // 2
            run.done += 1
            run.seconds = time.monotonic() - begin
            if run.steps % 200 == 0:
                looks = run.seconds > looked + 60 * args.look_minutes
                looked = run.seconds if looks else looked
                run.log(run.epoch + run.done / len(plan), float(loss) / tokens, unseen if looks else {})
                loss, tokens = 0.0, 0
            if run.seconds > saved + 60 * args.save_minutes:
                saved = run.seconds
                run.store()
        else:
            run.epoch, run.done = run.epoch + 1, 0
    run.store()
    save(args.into / "model", run.config, run.model.state_dict(), vocab)


if __name__ == "__main__":
    train(options().parse_args())
