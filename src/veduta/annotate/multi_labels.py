"""Labels from label maps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.label_map import LabelMap, label_map

ROWS = 512


class MultiLabels(TableAnnotator):
    """Name all classes that a label map shows at any place of an image, for reading and for export.

    Adds `multi_labels`: list of strings, the classes whose probability is at least `threshold` at `places` places or more, the likeliest
    first, empty where there are none and null where there is no map; and writes the same into `labels`, which writers
    export, in the rows where `labels` is empty or was written by an earlier call. Labels that came with the source stay. The
    probability of a class at a place is the softmax of the logits there, with 0 for the classes that were not kept.
    """

    maps: str = Field("relabel", description="column of label maps, made by label-maps")
    threshold: float = Field(0.5, gt=0, le=1, description="probability at a place from which a class is there")
    places: int = Field(1, ge=1, description="at how many places at least")

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(name, pa.list_(pa.string())) for name in ("multi_labels", "labels")])

    def amends(self) -> list[str]:
        return self.adds().names

    def reads(self) -> list[str]:
        return [self.maps]

    def check(self, pool: View) -> None:
        field = pool.require(self.maps, needed_by="multi-labels", mend="make it with: veduta annotate label-maps POOL")
        shape = label_map(field, "multi-labels")
        if self.places > shape.height * shape.width:
            raise BadInput(
                f"places of multi-labels must be at most the {shape.height * shape.width} of a map in '{self.maps}', got {self.places}"
            )

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
        values = logits.astype(np.float32)
        top = np.maximum(values.max(axis=1, keepdims=True), 0)
        exponentials = np.exp(values - top)
        others = (len(shape.classes) - shape.kept) * np.exp(-top)
        probability = exponentials / (exponentials.sum(axis=1, keepdims=True) + others)
        return [
            self._named(shape, p, i) if there else None for p, i, there in zip(probability, ids, known, strict=True)
        ]

    def _named(self, shape: LabelMap, probability: np.ndarray, ids: np.ndarray) -> list[str]:
        """The classes of one map, (k, h, w) each."""
        there = probability >= self.threshold
        classes, places = np.unique(ids[there], return_counts=True)
        best = np.zeros(len(shape.classes), np.float32)
        np.maximum.at(best, ids[there], probability[there])
        classes = classes[places >= self.places]
        return [shape.classes[c] for c in classes[np.argsort(-best[classes], kind="stable")]]


def _lists(pool: View, name: str, rows: int) -> list[list[str] | None]:
    if name not in pool.schema.names:
        return [None] * rows
    return pool.table([name]).column(0).to_pylist()
