"""What a source of soft targets is.

Legend: b images of a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from veduta.learn.augment.base import Image, Params
    from veduta.learn.augment.view import View


@dataclass(frozen=True, slots=True)
class Replay:
    """An augmentation that was drawn before: to be applied again. record: what the source knows it by.

    check: is given the pixels of the view; it raises BadInput where they are not those that the targets are about.
    """

    view: View
    params: list[Params]
    record: Any = None
    check: Callable[[Image], None] | None = None

    def apply(self, image: Image) -> Image:
        """(h, w, 3) uint8 as it was seen before."""
        shown = self.view.apply(image, self.params)
        if self.check is not None:
            self.check(shown)
        return shown


@dataclass(frozen=True, slots=True)
class Seen:
    """How an image of this height and width (as it was decoded) was seen. record: of the replay, None if it was none."""

    view: View
    params: list[Params]
    height: int
    width: int
    record: Any = None

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The part of the upright image that was seen, x0, y0, x1, y1 in [0, 1]; see `View.seen`."""
        return self.view.seen(self.params, self.height, self.width)


class TargetSource(Protocol):
    """Soft targets for what each image of a batch shows.

    The loader calls it from its threads, so it must be thread-safe; anything random comes from the generator that it is
    given, which depends on (seed, epoch, row) alone.

    Attributes: `side`, the short side that a decoder must deliver for replays to give the same pixels, None where any will do;
    `classes`, C; `missing`, how many of the training rows have no record, for which the plain label counts. Optional:
    `exact`, true where the targets are for exactly the pixels of a replay, so that mixing images is refused; `notes`, sentences
    that are told before training.
    """

    side: int | None
    classes: int
    missing: int

    def replay(self, row: int, rng: np.random.Generator) -> Replay | None:
        """The augmentation that this visit of a row of the pool must repeat; None: the run's own view draws, from `rng` too."""
        ...

    def targets(self, rows: NDArray[np.int64], seen: Sequence[Seen]) -> NDArray[np.float32]:
        """(b, C) probabilities for rows (b,) of the pool as they were seen. A row of zeros: unknown, the plain label counts."""
        ...
