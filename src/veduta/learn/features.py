"""Batches of vectors that are in the pool already: training a head costs no pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.learn.loader import Batch
from veduta.learn.order import Blocks
from veduta.pool import Pool


class FeatureLoader:
    """As `Loader`, with one (b, d) float32 tensor of vectors in the place of pixels. Memory: the vectors."""

    def __init__(
        self, pool: Pool, column: str, rows: NDArray[np.int64], batch: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.batch, self._rank, self._world, self._rows = batch, rank, world, rows
        if batch > len(rows):
            raise BadInput(
                f"the batch of {batch} is larger than the {len(rows)} training rows; give --batch {len(rows)} or less"
            )
        vectors, positions = pool.vectors(column)
        place = np.full(len(pool), -1, np.int64)
        place[positions] = np.arange(len(positions))
        self._vectors = torch.from_numpy(vectors[place[rows]])
        self._order = Blocks(len(rows), batch, seed)
        self.steps_per_epoch = len(rows) // batch

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Endless batches from global step `start`."""
        epoch, step = divmod(start, self.steps_per_epoch)
        while True:
            for own in self._order.epoch(epoch)[step:]:
                mine = own[self._rank :: self._world]
                yield Batch((self._vectors[torch.from_numpy(mine)],), self._rows[mine], {}, start)
                start += 1
            epoch, step = epoch + 1, 0
