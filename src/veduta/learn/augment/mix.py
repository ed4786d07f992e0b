"""Images of a batch mixed with each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veduta.learn.augment import checks


@dataclass(frozen=True)
class Mixup:
    """x = t x_i + (1 - t) x_j, and so the targets; t from Beta(alpha, alpha) (Zhang et al. 2018, arXiv 1710.09412)."""

    alpha: float = 0.2

    def __post_init__(self) -> None:
        checks.positive(self, "alpha")

    def sample(self, rng: np.random.Generator, n: int, height: int, width: int) -> dict[str, Any]:
        """Parameters for a batch of n images: one t, and the partner of each."""
        return {"share": float(rng.beta(self.alpha, self.alpha)), "partner": rng.permutation(n).tolist()}

    def apply(self, images: Tensor, targets: Tensor, params: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """images (n, 3, h, w) float, targets (n, c) float; new tensors of the same shapes."""
        share, partner = params["share"], params["partner"]
        return torch.lerp(images[partner], images, share), torch.lerp(targets[partner], targets, share)


@dataclass(frozen=True)
class CutMix:
    """A rectangle from another image; targets are mixed by the area that is really covered (Yun et al. 2019, arXiv 1905.04899)."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        checks.positive(self, "alpha")

    def sample(self, rng: np.random.Generator, n: int, height: int, width: int) -> dict[str, Any]:
        """Parameters for a batch of n images of this size: one rectangle, and the partner of each."""
        side = math.sqrt(1 - rng.beta(self.alpha, self.alpha))
        y, x = rng.random(2) * [height, width]
        top, bottom = (int(np.clip(y + s * side * height / 2, 0, height)) for s in (-1, 1))
        left, right = (int(np.clip(x + s * side * width / 2, 0, width)) for s in (-1, 1))
        share = 1 - (bottom - top) * (right - left) / (height * width)
        return {"window": [top, left, bottom, right], "share": share, "partner": rng.permutation(n).tolist()}

    def apply(self, images: Tensor, targets: Tensor, params: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """images (n, 3, h, w) float, targets (n, c) float; new tensors of the same shapes."""
        top, left, bottom, right = params["window"]
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = images[params["partner"], :, top:bottom, left:right]
        return mixed, torch.lerp(targets[params["partner"]], targets, params["share"])
