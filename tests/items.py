"""A reader over given bytes, and small annotators, for tests of the pool and the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Annotator, Batch, Field, Selector, TableAnnotator
from veduta.pool import Item, Pool, Selection, View


class Given:
    """Items from a dict of key -> bytes (or an exception to raise), with optional fields."""

    name = "given"

    def __init__(
        self, content: dict[str, Any], fields: dict[str, dict[str, Any]] | None = None, **types: pa.DataType
    ) -> None:
        self.content, self.fields, self.types = content, fields or {}, types

    def items(self) -> Iterator[Item]:
        for key in sorted(self.content):
            value = self.content[key]

            def read(value: Any = value) -> bytes:
                if isinstance(value, Exception):
                    raise value
                return value

            stamp = str(hash(value)) if isinstance(value, bytes) else "?"
            yield Item(key, f"given/{key}", stamp, read, dict(self.fields.get(key, {})))

    def columns(self) -> dict[str, pa.DataType]:
        return self.types


class Mean(Annotator):
    """Mean brightness of the image."""

    scale: float = Field(1.0, gt=0, description="factor")
    column: str = "mean"

    @property
    def side(self) -> int | None:
        return 32

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.float32())])

    def annotate(self, batch: Batch) -> dict[str, np.ndarray]:
        return {self.column: np.array([i.mean() * self.scale for i in batch.images], np.float32)}


class Doubled(Annotator):
    """Twice the mean; reads a column, needs no pixels."""

    def reads(self) -> list[str]:
        return ["mean"]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("doubled", pa.float32())])

    def annotate(self, batch: Batch) -> dict[str, np.ndarray]:
        return {"doubled": np.asarray(batch.column("mean")) * 2}


class Labelled(Annotator):
    """Letters of the label: computed row by row from a fact of the source."""

    def reads(self) -> list[str]:
        return ["label"]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("labelled", pa.int32())])

    def annotate(self, batch: Batch) -> dict[str, np.ndarray]:
        return {"labelled": np.array([len(word or "") for word in batch.column("label").to_pylist()], np.int32)}


class Rank(TableAnnotator):
    """Rank of the mean among all rows."""

    def reads(self) -> list[str]:
        return ["mean"]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("rank", pa.int32())])

    def compute(self, pool: View) -> pa.Table:
        values = pool.table(["mean"])["mean"].to_numpy()
        rank = np.argsort(np.argsort(values)).astype(np.int32)
        return pa.table({"_row": pool.rows(), "rank": rank})


class Bright(Selector):
    """Keep the brighter half."""

    def reads(self) -> list[str]:
        return ["mean"]

    def select(self, pool: Pool) -> Selection:
        values = pool.table(["mean"])["mean"].to_numpy(zero_copy_only=False)
        keep = values >= np.nanmedian(values)
        return Selection.of("bright", keep, "too dark", columns={"margin": pa.array(values - np.nanmedian(values))})
