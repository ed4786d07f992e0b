"""InfoNCE with a fixed temperature and weighted directions."""

from __future__ import annotations

from torch import Tensor, nn

from veduta.learn.objectives.infonce import directions, similarities


class WeightedInfoNCE(nn.Module):
    """ConVIRT's loss (Zhang et al. 2022, arXiv 2010.00747, equations 2 to 4).

    weight * loss(image -> text) + (1 - weight) * loss(text -> image), each the cross-entropy of cosines / temperature.
    image -> text is the softmax over texts: along the rows, if u are images.
    """

    def __init__(self, temperature: float = 0.1, weight: float = 0.75) -> None:
        super().__init__()
        self.temperature, self.weight = temperature, weight

    def forward(self, u: Tensor, v: Tensor, *, group: Tensor | None = None) -> Tensor:
        """u images, v texts, (n, d) in any scale; group (n,) int64: rows of equal groups are not negatives of each other."""
        rows, columns = directions(similarities(u, v) / self.temperature, group)
        return self.weight * rows + (1 - self.weight) * columns
