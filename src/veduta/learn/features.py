"""Batches of vectors that are in the pool already: training a head costs no pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from veduta.learn.loader import Batch
from veduta.learn.order import Blocks, shareable, visits


class FeatureLoader:
    """As `Loader`, with one (b, d) float32 tensor of vectors in the place of pixels.

    vectors: (m, d) float32. rows: (m,) int64, their positions in the pool. Memory: the vectors.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        rows: NDArray[np.int64],
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        shareable(batch, world)
        self.batch, self._rank, self._world, self._rows = batch, rank, world, rows
        self._vectors = torch.from_numpy(vectors)
        self._order = Blocks(len(rows), batch, seed)
        self.steps_per_epoch = len(rows) // batch

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Endless batches from global step `start`."""
        for step, epoch, mine in visits(self._order, self.steps_per_epoch, start, self._rank, self._world):
            yield Batch((self._vectors[torch.from_numpy(mine)],), self._rows[mine], {}, step, epoch)
