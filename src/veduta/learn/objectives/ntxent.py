"""NT-Xent: two views of an image against all views of all others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from veduta.errors import BadInput
from veduta.learn.objectives.gather import gather


class NTXent(nn.Module):
    """SimCLR's loss (Chen et al. 2020, arXiv 2002.05709, equation 1) for two views or more.

    With unit vectors z of all n * k views: the mean over ordered pairs (i, j) of views of one image of
    -log( exp(z_i z_j / t) / (exp(z_i z_j / t) + sum over views m of other images of exp(z_i z_m / t)) ).
    Our own, because `lightly`, which has it for two views, brings a cloud client and a second training framework along.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """views: k >= 2 tensors (n, d) in any scale, row i of each from the same image."""
        if len(views) < 2:
            raise BadInput(f"NT-Xent needs two views of each image, got {len(views)}")
        own = [nn.functional.normalize(gather(view.float()), dim=1) for view in views]
        n, k = len(own[0]), len(own)
        z = torch.cat(own)
        logits = z @ z.T / self.temperature
        image = torch.arange(n, device=z.device).repeat(k)
        same = image[:, None] == image[None]
        negatives = torch.logsumexp(logits.masked_fill(same, float("-inf")), dim=1)
        positives = torch.nonzero(same & ~torch.eye(n * k, dtype=torch.bool, device=z.device))
        true = logits[positives[:, 0], positives[:, 1]]
        return (torch.logaddexp(true, negatives[positives[:, 0]]) - true).mean()
