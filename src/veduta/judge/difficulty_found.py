"""What is known of a labelled set before training, and what two sets must share to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.judge.dimension import Dimension
from veduta.judge.sharpness import Sharpness

EPS = 2 / 255
"""The change of a value that FGSM makes in arXiv 2401.08865."""


@dataclass(frozen=True)
class Setup:
    """What must be the same before two values are compared. space: what the numbers of a point are, range and size in words;
    n: points of the dimension, k: its neighbours; m: points of the sharpness, q: its quantile; model and layer: of the
    representation, "" without one.
    """

    space: str
    n: int
    k: int
    m: int
    q: float
    model: str = ""
    layer: str = ""


@dataclass(frozen=True)
class Found:
    """name: the pool. rows: labelled rows that it has; drawn: how many were looked at; of these `unreadable` have no image or
    vector and `duplicates` equal another. conflicts: a tuple of row positions for each group of equal images with different
    labels. pairs: (p, 2) rows of the pool that attain the sharpness, the sharpest first. length: Euclidean length of a change of
    2/255 of all values of a point, 0 for vectors.
    """

    name: str
    setup: Setup
    dimension: Dimension
    sharpness: Sharpness
    represented: Dimension | None
    rows: int
    drawn: int
    unreadable: int
    duplicates: int
    classes: int
    conflicts: tuple[tuple[int, ...], ...]
    pairs: NDArray[np.int64]
    length: float

    @property
    def highest(self) -> float:
        """Label sharpness K_F; infinite where equal images have different labels."""
        return float("inf") if self.conflicts else self.sharpness.highest

    @property
    def images_to_halve(self) -> float:
        """N 2^d: with how many images the bound N^(-1/d) on the loss is half of what it is with the N rows there are."""
        return float(self.rows * 2.0 ** min(self.dimension.value, 1000))

    def loss_after(self, factor: float) -> float:
        """The bound with `factor` times as many images, as a share of what it is now."""
        return float(factor ** (-1 / self.dimension.value))

    @property
    def log_loss(self) -> float:
        """log K_F - log(n) / d, up to a constant the bound on the log loss of n images (arXiv 2401.08865, section 5).

        K_F is the quantile here, since the maximum is set by one pair.
        """
        return float(np.log(self.sharpness.quantile) - np.log(self.setup.n) / self.dimension.value)

    @property
    def reach(self) -> float:
        """The length of a change of 2/255 of every value over half the distance of the sharp pairs (the quantile's)."""
        return 2 * self.length * self.sharpness.quantile


def compared(found: Sequence[Found]) -> list[Found]:
    """The sets by the predicted order of their log loss, the hardest first. Raises BadInput where their set-ups differ."""
    for other in found[1:]:
        for field in fields(Setup):
            mine, theirs = getattr(found[0].setup, field.name), getattr(other.setup, field.name)
            if mine != theirs:
                raise BadInput(
                    f"the difficulty of {found[0].name} and {other.name} cannot be compared: {field.name} is {mine or 'none'} "
                    f"there and {theirs or 'none'} here; measure both in one set-up"
                )
    return sorted(found, key=lambda one: (-one.log_loss, one.name))
