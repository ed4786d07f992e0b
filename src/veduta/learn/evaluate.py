"""Images of given rows as a network will see them when it is used: prepared like an encoder does, not augmented."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from veduta.encode.base import Preprocess
from veduta.engine.pipeline import batched, ordered_map
from veduta.learn.decoded import pixels_of
from veduta.pool import View

BATCH = 64
HELD = 256 << 20
"""Bytes of prepared images that are kept between passes."""


class Prepared:
    """The images of `rows` (m,), prepared: `batches()` gives (b, 3, s, s) float32, normalised, in the order of the rows.

    Cost: the first pass decodes; up to 256 MiB of pixels are kept for the next ones.
    """

    def __init__(self, pool: View, rows: NDArray[np.int64], preprocess: Preprocess) -> None:
        self.pool, self.rows, self.preprocess = pool, rows, preprocess
        self._held: NDArray[np.uint8] | None = None
        scale, shift = preprocess.scale_shift()
        self._scale, self._shift = (torch.from_numpy(v).view(1, 3, 1, 1) for v in (scale, shift))

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self) -> Iterator[Tensor]:
        """Normalised batches of up to 64 images."""
        for pixels in self._pixels():
            # A view of (n, s, s, 3) is channels last already.
            yield torch.from_numpy(pixels).permute(0, 3, 1, 2).float() * self._scale + self._shift

    def map(self, function: Callable[[Tensor], Tensor], device: torch.device | str = "cpu") -> Tensor:
        """`function` of every batch, together, on the CPU."""
        found = [function(batch.to(device)).float().cpu() for batch in self.batches()]
        return torch.cat(found) if found else torch.zeros(0)

    def _pixels(self) -> Iterator[NDArray[np.uint8]]:
        if self._held is not None:
            for start in range(0, len(self._held), BATCH):
                yield self._held[start : start + BATCH]
            return
        keep = len(self.rows) * self.preprocess.side**2 * 3 <= HELD
        kept = []
        for pixels in ordered_map(self._read, batched(self.rows.tolist(), BATCH)):
            if keep:
                kept.append(pixels)
            yield pixels
        if keep and kept:
            self._held = np.concatenate(kept)

    def _read(self, rows: list[int]) -> NDArray[np.uint8]:
        images = zip(rows, self.pool.read_images(np.asarray(rows)), strict=True)
        side = self.preprocess.resize
        return np.stack([self.preprocess.prepare(pixels_of(self.pool, row, data, side)) for row, data in images])
