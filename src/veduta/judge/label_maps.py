"""How far label maps can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.engine.operation import Field
from veduta.errors import NothingToDo
from veduta.judge.scope import both
from veduta.judge.trained import OfModels
from veduta.pool import withdrawn
from veduta.pool.label_map import LabelMap, label_map

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

ROWS = 512


@dataclass(frozen=True, slots=True)
class Maps:
    """What was found of the m rows with a map, in row order.

    whole: (m,) class number of the whole map pooled. top: (m, h w) class number of the strongest class of each place, rows from the
    top. label: (m,) class number of the row's label, -1 where it has none that the classifier knows. without: rows without a map.
    notes: which rows were left out.
    """

    shape: LabelMap
    rows: NDArray[np.int64]
    whole: NDArray[np.int64]
    top: NDArray[np.int16]
    label: NDArray[np.int64]
    without: int
    notes: list[str]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(m,) whether the label is one of the classifier's classes."""
        return self.label >= 0

    @property
    def anywhere(self) -> NDArray[np.bool_]:
        """(m,) whether the label is the strongest class of any place."""
        return (self.top == self.label[:, None]).any(1)


class LabelMaps(OfModels):
    """Measure how often label maps name the label, and show them over their images.

    The share of rows whose label is what the whole map says, and whose label is the strongest class of at least one place. A map errs where
    the classifier errs, and so does what is trained on it. Rows that the classifier was trained on are left out. Memory: 2 bytes a place and row. One pass over the maps.
    """

    maps: str = Field("relabel", description="column of label maps, made by annotate label-maps")
    label: str = Field("label", description="column with the label of each row")

    def reads(self) -> list[str]:
        return [self.maps]

    def check(self, pool: View) -> None:
        field = pool.require(
            self.maps, needed_by="judge label-maps", mend="make it with: veduta annotate label-maps POOL"
        )
        label_map(field, "judge label-maps")

    def judge(self, pool: View) -> Report:
        """Measure and lay out."""
        from veduta.judge.label_maps_report import report

        return report(self, self.measure(pool), pool)

    def measure(self, pool: View) -> Maps:
        """Read all maps. Raises NothingToDo if there is none."""
        self.check(pool)
        shape = label_map(pool.schema.field(self.maps), "judge label-maps")
        there = both(f"{self.maps} is not null", withdrawn.present(pool))
        rows = pool.rows(there)
        if not len(rows):
            raise NothingToDo(f"no row has a map in '{self.maps}'; make them with: veduta annotate label-maps POOL")
        trained = self.trained(pool, self.maps)
        unseen = trained.unseen(rows)
        if not unseen.any():
            raise NothingToDo(
                trained.refusal("all rows with a map").replace("name other rows with --where or --split, ", "")
            )
        whole, top = [], []
        for batch in pool.batches([self.maps], where=there, batch_size=ROWS):
            logits, ids, _ = shape.unpack(batch.column(0))
            n = len(ids)
            places = np.arange(n)[:, None] * len(shape.classes) + ids.reshape(n, -1)
            sums = np.bincount(places.ravel(), logits.astype(np.float32).ravel(), n * len(shape.classes))
            whole.append(sums.reshape(n, -1).argmax(1))
            top.append(ids[:, 0].reshape(n, -1))
        number = {name: i for i, name in enumerate(shape.classes)}
        labels = (
            pool.take(rows, [self.label]).column(0).to_pylist()
            if self.label in pool.schema.names
            else [None] * len(rows)
        )
        known = np.array([number.get(str(value), -1) for value in labels], np.int64)
        notes = trained.told(int(np.isin(rows, trained.rows).sum()))
        pooled, strongest = np.concatenate(whole)[unseen], np.concatenate(top)[unseen]
        return Maps(shape, rows[unseen], pooled, strongest, known[unseen], len(pool) - len(rows), notes)
