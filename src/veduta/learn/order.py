"""In which order rows are visited, and which of them make up a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput, NothingToDo

BLOCK = 16
WINDOW = 1024


class Order(Protocol):
    """Batches of every epoch, each a function of its number alone."""

    def epoch(self, number: int) -> NDArray[np.int64]:
        """(steps, batch) int64 indices into the rows of the loader; as many steps in every epoch."""
        ...


def visits(
    order: Order, steps_per_epoch: int, start: int = 0, rank: int = 0, world: int = 1
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """From global step `start` on, without end: step, epoch, and the places of its batch that are process `rank`'s."""
    epoch, step = divmod(start, steps_per_epoch)
    while True:
        for members in order.epoch(epoch)[step:]:
            yield start, epoch, members[rank::world]
            start += 1
        epoch, step = epoch + 1, 0


def shareable(batch: int, world: int) -> None:
    """Raise BadInput unless a batch can be shared by `world` processes alike."""
    if batch % world:
        raise BadInput(f"the batch of {batch} cannot be shared by {world} processes; give a multiple of {world}")


class Blocks:
    """Shuffled blocks of neighbouring rows, mixed in windows: nearly as random as a full shuffle, and read in runs.

    `n` rows are cut into blocks of `block`; the blocks are shuffled, and the rows of about `window` blocks that then
    follow each other are shuffled together (16,384 rows by default). Pools of up to that many rows are shuffled in
    full. Many small blocks, because pools are often sorted by class, and a window holds no more classes than blocks:
    of 200,000 rows in 1,000 sorted classes, batches of 256 have 205 classes on average, after a full shuffle 226, and
    from blocks of 256 in windows of 32 only 60. The rows that do not fill a last batch are left out, others in every
    epoch.

    Memory: up to 32 bytes a row. Raises BadInput for a batch larger than `n`, NothingToDo for no rows.
    """

    def __init__(self, n: int, batch: int, seed: int = 0, *, block: int = BLOCK, window: int = WINDOW) -> None:
        if not n:
            raise NothingToDo("no rows are left to train on; widen the condition or the selection")
        if batch > n:
            raise BadInput(f"the batch of {batch} is larger than the {n} training rows; give --batch {n} or less")
        self.n, self.batch, self.seed, self.block, self.window = n, batch, seed, block, window

    def epoch(self, number: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self.seed, 0x0D3, number])
        # The cut moves with the epoch, so that neighbours do not always share a block.
        start = int(rng.integers(self.block)) if self.n > self.block else 0
        rows = np.roll(np.arange(self.n, dtype=np.int64), -start)
        blocks = [rows[at : at + self.block] for at in range(0, self.n, self.block)]
        # Windows of equal length: a short one at the end would make batches of neighbours.
        windows = np.array_split(rng.permutation(len(blocks)), -(-len(blocks) // self.window))
        order = np.concatenate([rng.permutation(np.concatenate([blocks[i] for i in window])) for window in windows])
        steps = self.n // self.batch
        return order[: steps * self.batch].reshape(steps, self.batch)
