"""Nearly equal images with different labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.nearest import nearest
from veduta.annotate.points import COLUMN, IMAGE, SIZE, check_column, labels_of, read_points
from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import NothingToDo
from veduta.pool import View

NEIGHBOURS = 20
DOUBT = 0.5
"""Quality of a label on the list that has none: of two images that are the same, one label is wrong."""


class SharpPairs(TableAnnotator):
    """Put the most alike images with different labels on the list of labels to review.

    These pairs attain the label sharpness of `judge difficulty` (Konz and Mazurowski, ICLR 2024, arXiv 2401.08865): among them
    are wrong labels, classes that overlap, and copies of one image under two labels.
    Adds `sharp_distance`: float32, Euclidean distance to the nearest image with another label, 0 = equal, null without a label or
    where the 20 nearest have the same label; `sharp_pair`: string, key of that image if the pair is among the `pairs` nearest.
    Both images of such a pair go to the list that `annotate label-issues` makes and the app's review shows, and nothing on it
    is lost: `label_issue`: bool, becomes true; `label_suggested`: string, the other's label unless one is suggested;
    `label_quality`: float32 in [0, 1], 0.5 unless there is one. `label-issues` makes its list anew, so run this after it.
    Pairs on the list stay when this runs again. Memory: 4 bytes x rows x numbers a row, at most 2 GiB, above 60,000 rows twice.
    """

    label: str = Field("label", description="column with the given labels, one a row")
    column: str = COLUMN
    size: int = SIZE
    pairs: int = Field(50, ge=1, description="how many pairs go to the list")

    def reads(self) -> list[str]:
        return [self.label, *([] if self.column == IMAGE else [self.column])]

    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("sharp_distance", pa.float32()),
                pa.field("sharp_pair", pa.string()),
                pa.field("label_issue", pa.bool_()),
                pa.field("label_quality", pa.float32()),
                pa.field("label_suggested", pa.string()),
            ]
        )

    def amends(self) -> list[str]:
        return ["label_issue", "label_quality", "label_suggested"]

    def check(self, pool: View) -> None:
        check_column(pool, self.column, self.operation())
        labels_of(pool, self.label, np.empty(0, np.int64), self.operation())

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        rows = pool.rows(f"{self.label} is not null")
        points = read_points(pool, self.column, self.size, rows, self.operation())
        labels = np.array([*labels_of(pool, self.label, points.rows, self.operation()), None], object)[:-1]
        if len(set(labels)) < 2:
            raise NothingToDo(
                f"sharp-pairs needs images of two labels in '{self.label}', got {len(set(labels))}; name another column"
            )
        distance, other = nearest_other(points.values, np.unique(labels.astype(str), return_inverse=True)[1])
        there = np.flatnonzero(other >= 0)
        chosen = closest(distance[there], np.stack([there, other[there]], axis=1), self.pairs)
        whole = View(pool.dataset)
        return self._listed(whole, points.rows, labels, distance, chosen)

    def _listed(
        self, pool: View, rows: NDArray[np.int64], labels: NDArray[np.object_], distance: NDArray[np.float32],
        pairs: NDArray[np.int64],
    ) -> pa.Table:  # fmt: skip
        """What the list holds, and the new pairs on it. pairs: (p, 2) positions among `rows`, the nearest first."""
        have = {name: _held(pool, name) for name in self.amends()}
        issue, quality, suggested = (have[name] for name in self.amends())
        names = pool.take(rows, ["key"]).column(0).to_pylist()
        partner = np.full(len(pool), None, object)
        apart = np.full(len(pool), np.nan, np.float32)
        apart[rows] = np.where(np.isfinite(distance), distance, np.nan)
        for a, b in pairs:
            for mine, theirs in ((a, b), (b, a)):
                row = rows[mine]
                if partner[row] is None:
                    partner[row] = names[theirs]
                suggested[row] = suggested[row] or labels[theirs]
                quality[row] = DOUBT if quality[row] is None else quality[row]
                issue[row] = True
        return pa.table(
            {
                "_row": pa.array(np.arange(len(pool))),
                "sharp_distance": pa.array(apart, mask=np.isnan(apart)),
                "sharp_pair": pa.array(list(partner), pa.string()),
                "label_issue": pa.array(list(issue), pa.bool_()),
                "label_quality": pa.array(list(quality), pa.float32()),
                "label_suggested": pa.array(list(suggested), pa.string()),
            }
        )


def nearest_other(
    values: NDArray[np.float32], labels: NDArray[np.int64], neighbours: int = NEIGHBOURS
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(n,) the distance of each point to the nearest with another label among its nearest, and which that is.

    inf and -1 where none of the `neighbours` nearest has another label.
    """
    distance, other = np.full(len(values), np.inf, np.float32), np.full(len(values), -1, np.int64)
    for part, distances, ids in nearest(values, neighbours):
        differs = (labels[np.maximum(ids, 0)] != labels[part, None]) & (ids >= 0)
        first = differs.argmax(axis=1)[:, None]
        found = differs.any(axis=1)
        distance[part] = np.where(found, np.take_along_axis(distances, first, 1)[:, 0], np.inf)
        other[part] = np.where(found, np.take_along_axis(ids, first, 1)[:, 0], -1)
    return distance, other


def closest(distance: NDArray[np.float32], pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The `count` pairs (count, 2) of least distance, each once; ties by position."""
    ordered = np.sort(pairs, axis=1)
    order = np.lexsort((ordered[:, 1], ordered[:, 0], distance))
    _, once = np.unique(ordered[order], axis=0, return_index=True)
    return ordered[order[np.sort(once)[:count]]]


def _held(pool: View, name: str) -> NDArray[np.object_]:
    """What a column holds, None throughout where the pool has none."""
    if name not in pool.schema.names:
        return np.full(len(pool), None, object)
    return np.array([*pool.table([name]).column(0).to_pylist(), None], object)[:-1]
