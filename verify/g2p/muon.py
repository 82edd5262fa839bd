"""Muon: momentum whose matrices are made orthogonal before they are subtracted.

torch.optim.Muon does the same in bfloat16, which not every CPU has.
See Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """For matrices; those of one shape are stepped together."""

    def __init__(self, matrices: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            shapes = defaultdict(list)
            for weight in group["params"]:
                shapes[weight.shape].append(weight)
            for (rows, columns), weights in shapes.items():
                gradients = [weight.grad for weight in weights]
                means = [self.state[w].setdefault("mean", torch.zeros_like(w)) for w in weights]
                torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
                torch._foreach_lerp_(gradients, means, group["momentum"])
                updates = orthogonal(torch.stack(gradients)) * max(1, rows / columns) ** 0.5
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, list(updates), alpha=-group["lr"])


def orthogonal(x: Tensor, rounds: int = 5) -> Tensor:
    """Matrices [n, rows, columns] with singular values near 1, by Newton-Schulz rounds."""
    if x.shape[1] > x.shape[2]:
        return orthogonal(x.mT, rounds).mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x
