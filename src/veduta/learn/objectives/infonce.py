"""Symmetric InfoNCE with a learned temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from veduta.learn.objectives.gather import gather, gather_plain

LARGEST = 100.0


class InfoNCE(nn.Module):
    """CLIP's loss (Radford et al. 2021, arXiv 2103.00020, figure 3).

    With unit vectors u, v and scale s = exp(t): logits = s U V', loss = half the cross-entropy of the rows and half that of
    the columns, the target being the diagonal. t starts at log(1 / temperature), and s is kept at 100 or less (`after_step`).
    Other true pairs (equal captions, the same thing shown twice) are taken out of the negatives. Negatives come from
    all processes.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    def scale(self) -> Tensor:
        """s, a scalar."""
        return self.log_scale.exp()

    def forward(self, u: Tensor, v: Tensor, *, group: Tensor | None = None) -> Tensor:
        """u, v (n, d) in any scale; group (n,) int64: rows of equal groups are true for each other."""
        logits = self.scale().float() * similarities(u, v)
        rows, columns = directions(logits, group)
        return (rows + columns) / 2

    @torch.no_grad()
    def after_step(self) -> None:
        """Keep the scale at 100 or less."""
        self.log_scale.clamp_(max=math.log(LARGEST))


def similarities(u: Tensor, v: Tensor) -> Tensor:
    """(n, n) float32 cosines of the rows of all processes."""
    u, v = (nn.functional.normalize(gather(x.float()), dim=1) for x in (u, v))
    return u @ v.T


def directions(logits: Tensor, group: Tensor | None) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the rows and of the columns of (n, n) logits with the diagonal as target, means over n.

    Entries of other rows of the same group are not negatives: they are left out of the sums.
    """
    n = len(logits)
    if group is not None:
        logits = logits.masked_fill(others(gather_plain(group)), float("-inf"))
    target = torch.arange(n, device=logits.device)
    return nn.functional.cross_entropy(logits, target), nn.functional.cross_entropy(logits.T, target)


def others(group: Tensor) -> Tensor:
    """(n, n) bool: rows of one group besides the diagonal."""
    same = group[:, None] == group[None]
    return same & ~torch.eye(len(group), dtype=torch.bool, device=group.device)
