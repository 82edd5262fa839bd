"""Which phones each letter stands for, found by expectation maximisation, so that a model writes one token a letter.

A letter stands for 0 to 3 phones. Groups of several that letters often stand for ("ks" of x) become tokens of their
own, and a letter without a phone writes `<silent>`, which prints nothing.

Arrays over pairs of equally many letters N and equally many phones M: letters [N, pairs], phones [M, pairs].
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice

import numpy as np

SILENT = "<silent>"
MOST = 3  # phones of a letter
PRIOR = np.array([0.15, 0.78, 0.06, 0.01])  # of 0 to 3 phones, before anything was counted
UNSEEN = 1e-9
RARE = np.log(1e-7)  # of groups that have no token
COUNTED = 20_000  # pairs that are enough to count

Pair = tuple[str, tuple[str, ...]]


def one_token_a_letter(pairs: list[Pair], groups: int) -> tuple[list[tuple[str, ...] | None], list[str]]:
    """Each pair's phones as one token a letter, None where that cannot be, and the tokens of several phones.

    @param groups how many such tokens at most, the most frequent first
    """
    aligner = Aligner(pairs)
    found = [chunk for chunks in aligner.align(pairs) if chunks for chunk in chunks if len(chunk) > 1]
    kept = [chunk for chunk, _ in islice(Counter(found).most_common(), groups)]
    aligner.forbid_all_but(kept)
    targets: list[tuple[str, ...] | None] = []
    for chunks in aligner.align(pairs):
        known = chunks is not None and all(len(chunk) < 2 or chunk in kept for chunk in chunks)
        targets.append(tuple("".join(chunk) or SILENT for chunk in chunks) if known else None)
    return targets, ["".join(chunk) for chunk in kept]


class Aligner:
    """log P(letter, group of phones), a table [letters, codes of groups]; the code of no phones is 0."""

    def __init__(self, pairs: list[Pair], rounds: int = 5):
        self.letters = {x: i for i, x in enumerate(sorted({x for letters, _ in pairs for x in letters}))}
        self.phones = {x: i + 1 for i, x in enumerate(sorted({x for _, phones in pairs for x in phones}))}
        self.base = len(self.phones) + 1
        length = np.sum([np.arange(self.base**MOST) >= self.base**n for n in range(MOST)], axis=0)
        # Groups of equal length start alike.
        self.log_p = np.log(np.tile(PRIOR[length] / self.base**length, (len(self.letters), 1)))
        shapes = self._shapes(pairs[:: max(1, len(pairs) // COUNTED)])
        for _ in range(rounds):
            counts = np.zeros_like(self.log_p)
            for _, letters, phones in shapes:
                self._expect(letters, phones, counts)
            self.log_p = np.log(counts / counts.sum() + UNSEEN)

    def align(self, pairs: list[Pair]) -> list[list[tuple[str, ...]] | None]:
        """The best groups of each pair, one a letter; None where phones are too many for the letters."""
        out: list[list[tuple[str, ...]] | None] = [None] * len(pairs)
        for rows, letters, phones in self._shapes(pairs):
            for at, ends in zip(rows, self._best(letters, phones)):
                out[at] = [pairs[at][1][begin:end] for begin, end in zip([0, *ends], ends)]
        return out

    def forbid_all_but(self, groups: list[tuple[str, ...]]) -> None:
        """Makes groups of several phones improbable, but for these."""
        rare = np.arange(self.log_p.shape[1]) >= self.base
        for group in groups:
            rare[self._code([self.phones[phone] for phone in group])] = False
        self.log_p[:, rare] += RARE

    def _code(self, phones: list):
        code = 0
        for phone in phones:
            code = code * self.base + phone
        return code

    def _shapes(self, pairs: list[Pair]) -> list[tuple[list[int], np.ndarray, np.ndarray]]:
        """Which pairs, their letters [N, pairs] and phones [M, pairs], for each N and M."""
        rows: dict[tuple[int, int], list[int]] = defaultdict(list)
        for at, (letters, phones) in enumerate(pairs):
            if 0 < len(phones) <= MOST * len(letters):
                rows[len(letters), len(phones)].append(at)
        return [
            (
                found,
                np.array([[self.letters[x] for x in pairs[at][0]] for at in found]).T,
                np.array([[self.phones[x] for x in pairs[at][1]] for at in found]).T,
            )
            for found in rows.values()
        ]

    def _steps(self, letters: np.ndarray, phones: np.ndarray, j: int):
        """All ways for letter j to take k phones from the i-th on: i, k, and each pair's cell of the table."""
        n, m = len(letters), len(phones)
        for i in range(max(0, m - MOST * (n - j)), min(m, MOST * j) + 1):
            for k in range(min(MOST, m - i) + 1):
                if m - i - k <= MOST * (n - j - 1):
                    yield i, k, (letters[j], self._code(list(phones[i : i + k])))

    def _expect(self, letters: np.ndarray, phones: np.ndarray, counts: np.ndarray) -> None:
        n, m = len(letters), len(phones)
        forward = np.full((n + 1, m + 1, letters.shape[1]), -np.inf)
        backward = forward.copy()
        forward[0, 0] = backward[n, m] = 0
        for j in range(n):
            for i, k, cell in self._steps(letters, phones, j):
                forward[j + 1, i + k] = np.logaddexp(forward[j + 1, i + k], forward[j, i] + self.log_p[cell])
        for j in reversed(range(n)):
            for i, k, cell in self._steps(letters, phones, j):
                backward[j, i] = np.logaddexp(backward[j, i], backward[j + 1, i + k] + self.log_p[cell])
                weight = np.exp(forward[j, i] + self.log_p[cell] + backward[j + 1, i + k] - forward[n, m])
                np.add.at(counts, cell, weight)

    def _best(self, letters: np.ndarray, phones: np.ndarray) -> np.ndarray:
        """Where each letter's phones end, [pairs, N]."""
        n, m, pairs = len(letters), len(phones), np.arange(letters.shape[1])
        score = np.full((n + 1, m + 1, len(pairs)), -np.inf)
        taken = np.zeros((n + 1, m + 1, len(pairs)), dtype=np.int64)
        score[0, 0] = 0
        for j in range(n):
            for i, k, cell in self._steps(letters, phones, j):
                new = score[j, i] + self.log_p[cell]
                taken[j + 1, i + k] = np.where(new > score[j + 1, i + k], k, taken[j + 1, i + k])
                score[j + 1, i + k] = np.maximum(new, score[j + 1, i + k])
        ends = np.full((len(pairs), n + 1), m)
        for j in range(n, 0, -1):
            ends[:, j - 1] = ends[:, j] - taken[j, ends[:, j], pairs]
        return ends[:, 1:]
