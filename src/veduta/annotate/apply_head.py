"""A fitted classifier's labels as columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veduta.encode import shared
from veduta.encode.head import Head
from veduta.engine.operation import Annotator, Batch, Field
from veduta.pool.schema import FINGERPRINT

if TYPE_CHECKING:
    from veduta.pool import View


@cache
def _head(path: str) -> Head:
    return Head.load(path)


class ApplyHead(Annotator):
    """Label every image with a classifier that `judge baseline` has fitted.

    Adds the column `column` (string; list of strings for a head whose labels are not exclusive) and `<column>_score`
    (float32, the highest score: the margin of a linear SVM, the probability of logistic regression). A head fitted on
    several views sees the same views here, which costs as many forward passes a row; any other head reads the
    embedding column. Refuses vectors of another encoder than the head's (SpaceMismatch).
    """

    head: str = Field(description="the file of the head, as the report of judge baseline names it")
    embedding: str = Field("embedding", description="the vector column that the head reads")
    column: str = Field("pred", pattern=r"^[A-Za-z_]\w*$", description="name of the new label column")

    def setup(self) -> None:
        if self._views > 1:
            shared(_head(self.head).facts.encoder)

    @property
    def _views(self) -> int:
        return _head(self.head).facts.views

    @property
    def side(self) -> int | None:
        return shared(_head(self.head).facts.encoder).resize * 3 // 2 if self._views > 1 else None

    def reads(self) -> list[str]:
        return [] if self._views > 1 else [self.embedding]

    def fingerprint(self) -> str:
        return _head(self.head).digest()

    def adds(self) -> pa.Schema:
        kind = pa.string() if _head(self.head).facts.exclusive else pa.list_(pa.string())
        return pa.schema([pa.field(self.column, kind), pa.field(f"{self.column}_score", pa.float32())])

    def check(self, pool: View) -> None:
        super().check(pool)
        head = _head(self.head)
        if head.facts.views > 1:
            model = shared(head.facts.encoder)
            head.requires(model.fingerprint, f"the installed encoder '{model.uri}'")
            return
        made = (pool.schema.field(self.embedding).metadata or {}).get(FINGERPRINT, b"").decode()
        head.requires(made, f"the column '{self.embedding}'")

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        head = _head(self.head)
        if head.facts.views > 1:
            from veduta.encode.views import embed

            model = shared(head.facts.encoder)
            present = np.ones(len(batch), bool)
            vectors = np.stack([embed(image, head.facts.views, model) for image in batch.images])
        else:
            column = batch.column(self.embedding)
            present = ~np.asarray(column.is_null())
            flat = np.asarray(column.drop_null().flatten(), np.float32)
            vectors = flat.reshape(int(present.sum()), -1)
        labels: list[str | list[str] | None] = [None] * len(batch)
        tops = np.full(len(batch), np.nan, np.float32)
        if present.any():
            scores = head.scores(vectors)
            for row, own in zip(np.flatnonzero(present), scores, strict=True):
                labels[row] = _named(head, own)
                tops[row] = own.max()
        kind = self.adds().field(0).type
        return {
            self.column: pa.array(labels, kind),
            f"{self.column}_score": pa.array(tops, pa.float32(), mask=~present),
        }


def _named(head: Head, scores: np.ndarray) -> str | list[str]:
    if head.facts.exclusive:
        return head.facts.classes[int(scores.argmax())]
    return [head.facts.classes[i] for i in np.flatnonzero(scores > head.threshold)]
