"""The two-way margin ranking loss."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.learn.objectives.gather import gather, gather_plain
from veduta.learn.objectives.infonce import others, similarities


class Ranking(nn.Module):
    """A true pair must beat false ones by `margin` (Karpathy et al. 2014; Baqapuri 2016, arXiv 1601.03478).

    With scores S (images along the rows, texts along the columns) of true pairs on the diagonal:
    sentences * sum_ij max(0, margin - S_ii + S_ij) over false texts j of image i, and
    images * sum_ij max(0, margin - S_jj + S_ij) over false images i of text j, each divided by the number of terms that
    are not zero: dividing by all of them makes the gradient vanish as training goes on.
    score: cosine, or dot for raw products. negatives: in_batch; random:K; hard:K, those of highest score; semi-hard, those
    below the true pair and within the margin.
    """

    def __init__(
        self,
        margin: float = 0.2,
        sentences: float = 1.0,
        images: float = 1.0,
        *,
        score: Literal["cosine", "dot"] = "cosine",
        negatives: str = "in_batch",
    ) -> None:
        super().__init__()
        kind, _, count = negatives.partition(":")
        if kind not in ("in_batch", "semi-hard", "random", "hard") or (kind in ("random", "hard")) != count.isdigit():
            raise BadInput(f"negatives must be in_batch, semi-hard, random:K or hard:K, got '{negatives}'")
        if sentences < 0 or images < 0 or sentences + images == 0:
            raise BadInput(f"weights of the ranking loss must be positive, got {sentences} and {images}")
        self.margin, self.sentences, self.images, self.score = margin, sentences, images, score
        self._kind, self._count = kind, int(count or 0)

    def forward(self, u: Tensor, v: Tensor, *, group: Tensor | None = None) -> Tensor:
        """u images, v texts (n, d); group (n,) int64: rows of equal groups are not negatives of each other."""
        if self.score == "cosine":
            scores = similarities(u, v)
        else:
            scores = gather(u.float()) @ gather(v.float()).T
        n = len(scores)
        false = ~torch.eye(n, dtype=torch.bool, device=scores.device)
        if group is not None:
            false &= ~others(gather_plain(group))
        loss = scores.new_zeros(())
        if self.sentences:
            loss = loss + self.sentences * self._half(scores, false)
        if self.images:
            loss = loss + self.images * self._half(scores.T, false.T)
        return loss

    def _half(self, scores: Tensor, false: Tensor) -> Tensor:
        """The mean of the active terms along the rows."""
        true = scores.diagonal()[:, None]
        terms = torch.relu(self.margin - true + scores) * self._chosen(scores.detach(), false)
        return terms.sum() / (terms.detach() > 0).sum().clamp(min=1)

    def _chosen(self, scores: Tensor, false: Tensor) -> Tensor:
        if self._kind == "in_batch":
            return false
        if self._kind == "semi-hard":
            return false & (scores < scores.diagonal()[:, None])
        weight = scores if self._kind == "hard" else torch.rand_like(scores)
        best = weight.masked_fill(~false, float("-inf")).topk(min(self._count, len(scores) - 1), 1).indices
        return torch.zeros_like(false).scatter_(1, best, value=True) & false
