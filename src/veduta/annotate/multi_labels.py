"""Labels from label maps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import View
from veduta.pool.label_map import LabelMap, label_map

ROWS = 512


class MultiLabels(TableAnnotator):
    """Name all classes that some part of an image shows, for reading and for export.

    A part is a window of `window` times the sides of the label map; its probabilities are what `learn classify --targets` would give a
    crop of it: the softmax of the mean of its logits, with 0 for the classes that a place did not keep. Adds
    `multi_labels`: list of strings, the classes that reach `threshold` in any window, the likeliest first, empty where there are none
    and null where there is no map; and writes the same into `labels`, which writers export, in the rows where `labels` is
    empty or was written by an earlier call. Labels that came with the source stay. (h w) windows x k h w values an image.

    Single places are not windows by default: a classifier is trained on the mean over places, and its logits at one of them are several
    times as large and name what is not there.
    """

    maps: str = Field("relabel", description="column of label maps, made by label-maps")
    threshold: float = Field(0.5, gt=0, le=1, description="probability in a window from which a class is there")
    window: float = Field(
        0.5, gt=0, le=1, description="sides of a window, as a share of the image's; at least one place of the map"
    )

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(name, pa.list_(pa.string())) for name in ("multi_labels", "labels")])

    def amends(self) -> list[str]:
        return self.adds().names

    def reads(self) -> list[str]:
        return [self.maps]

    def check(self, pool: View) -> None:
        field = pool.require(self.maps, needed_by="multi-labels", mend="make it with: veduta annotate label-maps POOL")
        label_map(field, "multi-labels")

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        whole = View(pool.dataset)
        shape = label_map(whole.schema.field(self.maps), "multi-labels")
        # Logits of no more than a batch are held; the labels themselves are short.
        found = [
            labels
            for batch in whole.batches([self.maps], batch_size=ROWS)
            for labels in self._labels(shape, batch.column(0))
        ]
        have, ours = (_lists(whole, name, len(found)) for name in ("labels", "multi_labels"))
        labels = [
            new if new is not None and (not old or old == own) else old
            for new, old, own in zip(found, have, ours, strict=True)
        ]
        lists = {"multi_labels": found, "labels": labels}
        arrays = {name: pa.array(values, pa.list_(pa.string())) for name, values in lists.items()}
        return pa.table({"_row": pa.array(np.arange(len(found))), **arrays})

    def _labels(self, shape: LabelMap, column: pa.Array) -> list[list[str] | None]:
        logits, ids, known = shape.unpack(column)
        maps = zip(logits.astype(np.float64), ids, known, strict=True)
        return [self._named(shape, values, classes) if there else None for values, classes, there in maps]

    def _named(self, shape: LabelMap, values: np.ndarray, ids: np.ndarray) -> list[str]:
        """The classes of one map of logits and class numbers, (k, h, w) each."""
        own, number = np.unique(ids, return_inverse=True)
        dense = np.zeros((len(own), shape.height, shape.width))
        np.put_along_axis(dense, number.reshape(ids.shape), values, axis=0)
        high, wide = (max(1, round(self.window * side)) for side in (shape.height, shape.width))
        means = sliding_window_view(dense, (high, wide), axis=(1, 2)).mean((3, 4))  # pyright: ignore[reportCallIssue]
        top = np.maximum(means.max(axis=0), 0)
        exponentials = np.exp(means - top)
        total = exponentials.sum(axis=0) + (len(shape.classes) - len(own)) * np.exp(-top)
        best = (exponentials / total).max((1, 2))
        return [shape.classes[own[i]] for i in np.argsort(-best, kind="stable") if best[i] >= self.threshold]


def _lists(pool: View, name: str, rows: int) -> list[list[str] | None]:
    if name not in pool.schema.names:
        return [None] * rows
    return pool.table([name]).column(0).to_pylist()
