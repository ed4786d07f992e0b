"""What a crop shows, read from the image's label map.

Legend: b images, C classes of the task, an h x w map, k classes kept a place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veduta.encode.conse import posterior
from veduta.errors import BadInput
from veduta.learn.column_values import ColumnValues
from veduta.learn.targets.base import Replay, Seen
from veduta.learn.targets.named import Said, order_of
from veduta.pool import View
from veduta.pool.label_map import label_map

MODES = ("local_multi", "local_single", "global_multi")
KEPT_BYTES = 512 << 20


class LocalLabels:
    """Soft targets from a column of `annotate label-maps` (Yun et al. 2021, ReLabel, arXiv 2101.05022, section 3.2).

    Modes: local_multi, the softmax of the logits pooled over the part of the image that the view shows (ReLabel); local_single,
    their strongest class alone; global_multi, the softmax of the logits pooled over the whole map. Options: `empty`, what classes
    that a place did not keep have there: zero (the paper's) or min, the smallest logit that the place kept; `missing`, what
    becomes of training rows without a map: label (their plain label counts) or fail.

    Pooling is RoIAlign (He et al. 2017, arXiv 1703.06870) to one value, of the logits, before one softmax. The classes that the task
    does not have are left out first. Memory: the maps of the training rows, up to 512 MiB; above, they are read batch by batch.
    """

    side: int | None = None

    def __init__(self, said: Said, pool: View, rows: NDArray[np.int64], classes: Sequence[str], size: int) -> None:
        said.known("empty", "missing")
        self.mode = said.choice("mode", MODES)
        self.empty = said.choice("empty", ("zero", "min"))
        self.map = label_map(pool.schema.field(said.column), f"--targets {said.text}")
        self.order = order_of(self.map.classes, classes, said.text)
        self.classes = len(classes)
        must = said.choice("missing", ("label", "fail")) == "fail"
        self._column = said.column
        self._rows = rows
        without = pool.rows(f"{said.column} is null")
        self.missing = int(np.isin(rows, without).sum())
        if self.missing and must:
            raise BadInput(
                f"{self.missing:,} of {len(rows):,} training rows have no map in '{said.column}', the first is row "
                f"{int(rows[np.isin(rows, without)][0])}; run veduta annotate label-maps again, or leave missing=fail out"
            )
        if self.missing == len(rows):
            raise BadInput(
                f"none of the {len(rows):,} training rows has a map in '{said.column}'; run veduta annotate label-maps on them"
            )
        self._values = ColumnValues(pool, rows, [said.column], KEPT_BYTES)

    def replay(self, row: int, rng: np.random.Generator) -> Replay | None:
        """None: the run's own view draws, and the map says what it shows."""
        return None

    def targets(self, rows: NDArray[np.int64], seen: Sequence[Seen]) -> NDArray[np.float32]:
        """(b, C) probabilities; zeros for rows without a map and for views that show nothing of the image."""
        table = self._values.at(np.searchsorted(self._rows, rows))
        values, ids, known = self.map.unpack(table.column(self._column))
        boxes = np.array([how.box for how in seen], np.float64).reshape(-1, 4)
        if self.mode == "global_multi":
            boxes[:] = (0, 0, 1, 1)
        known &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        pooled = pool(values, self.order[ids], boxes, self.classes, self.empty)
        found = (
            posterior(pooled)
            if self.mode != "local_single"
            else np.eye(self.classes, dtype=np.float32)[pooled.argmax(1)]
        )
        return found * known[:, None]


def pool(
    values: NDArray[np.floating],
    ids: NDArray[np.integer],
    boxes: NDArray[np.float64],
    classes: int,
    empty: str = "zero",
) -> NDArray[np.float32]:
    """Maps (b, k, h, w) of logits and class numbers, pooled over `boxes` (b, 4), x0, y0, x1, y1 in [0, 1], to (b, classes) logits.

    What a place did not keep counts as 0 there, or as its smallest kept value for `empty` "min". Class numbers below 0 are left
    out. RoIAlign to one value samples a regular grid, linear between places, so it weighs each row and each column of the map; the
    dense map, of which RoIAlign is a function, is never made.
    """
    b, _, height, width = values.shape
    at = (
        align_weights(boxes[:, 1], boxes[:, 3], height)[:, :, None]
        * align_weights(boxes[:, 0], boxes[:, 2], width)[:, None]
    )
    values = np.asarray(values, np.float32)
    if empty == "min":
        lowest = values.min(axis=1)
        values = values - lowest[:, None]
    places = (np.arange(b)[:, None, None, None] * classes + ids)[ids >= 0]
    weighed = (values * at[:, None])[ids >= 0]
    found = np.bincount(places.ravel(), weighed.ravel(), b * classes).reshape(b, classes)
    if empty == "min":
        found += (lowest * at).sum((1, 2))[:, None]
    return found.astype(np.float32)


def align_weights(start: NDArray[np.float64], end: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """(b, cells): how much RoIAlign to one value, from `start` to `end` (b,) in [0, 1], weighs each cell of an axis.

    One sample at least and one a cell that the box is long, evenly spread in it, each shared by its two neighbours; cell i has its
    centre at (i + 1/2) / cells, and what lies outside the outermost centres is theirs. The default sampling ratio and
    aligned=True of torchvision.
    """
    low, length = start * cells - 0.5, (end - start) * cells
    count = np.maximum(np.ceil(length), 1).astype(np.int64)
    number = np.arange(max(1, int(count.max(initial=1))))
    spots = low[:, None] + (number + 0.5) * length[:, None] / count[:, None]
    share = np.where(number < count[:, None], 1 / count[:, None], 0.0)
    spots = np.clip(spots, 0, cells - 1)
    left = np.minimum(spots.astype(np.int64), max(0, cells - 2))
    right = np.minimum(left + 1, cells - 1)
    away = spots - left
    found = np.zeros((len(low), cells))
    rows = np.broadcast_to(np.arange(len(low))[:, None], spots.shape)
    np.add.at(found, (rows, left), share * (1 - away))
    np.add.at(found, (rows, right), share * away)
    return found
