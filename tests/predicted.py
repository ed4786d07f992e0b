"""Predictions with given logits, for tests of what judges them."""

from __future__ import annotations

import json

import pyarrow as pa

from veduta.annotate.classes import CLASSES
from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import View


class Predicted(TableAnnotator):
    """The columns of `annotate predict`, from logits in row order; None for a row without a prediction."""

    classes: list[str]
    logits: list[list[float] | None]
    column: str = Field("predicted")

    def adds(self) -> pa.Schema:
        metadata = {CLASSES: json.dumps(self.classes).encode()}
        kind = pa.list_(pa.float32(), len(self.classes))
        return pa.schema(
            [pa.field(self.column, pa.string()), pa.field(f"{self.column}_logits", kind, metadata=metadata)]
        )

    def compute(self, pool: View) -> pa.Table:
        told = [None if row is None else self.classes[row.index(max(row))] for row in self.logits]
        logits = pa.array(self.logits, self.adds().field(1).type)
        return pa.table({"_row": pool.rows(), self.column: told, f"{self.column}_logits": logits})
