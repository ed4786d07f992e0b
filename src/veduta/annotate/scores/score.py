"""One number a row from its embedding."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from veduta.annotate.scores.head import Head, load_head
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput, SpaceMismatch
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT


class Score(Annotator):
    """Score every image by a trained head on its embedding: unsafe, aesthetic, or whatever the head was made for.

    Adds `column`: float32, in the head's units (LAION's: probability of unsafe in [0, 1]; aesthetic rating 0 to 10).
    Train a head with `veduta.annotate.scores.train_head`, or name LAION's published weights (as safetensors) with
    their layout. A head that was trained on another encoder's vectors is refused; for foreign weights only the number
    of dimensions can be checked, so embed with the very encoder that `layout` names.
    """

    head: str = Field(description="the head's .safetensors file", min_length=1)
    layout: str | None = Field(
        None, description="for published weights: laion-nsfw-h14, laion-aesthetic-l14, laion-aesthetic-b32"
    )
    embedding: str = Field("embedding", description="column of vectors that the head takes")
    column: str = Field("score", pattern=r"^[A-Za-z_]\w*$", description="name of the new column")

    def reads(self) -> list[str]:
        return [self.embedding]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.float32())])

    def setup(self) -> None:
        self._head()

    def fingerprint(self) -> str:
        return self._head().digest()

    def check(self, pool: View) -> None:
        head = self._head()
        super().check(pool)
        field = pool.schema.field(self.embedding)
        if not pa.types.is_fixed_size_list(field.type):
            raise BadInput(f"score needs a column of vectors, and '{self.embedding}' holds {field.type}")
        if field.type.list_size != head.dim:
            raise SpaceMismatch(
                f"the head {Path(self.head).name} takes vectors of {head.dim} dimensions, and '{self.embedding}' has "
                f"{field.type.list_size}; embed with the encoder that the head was trained on"
            )
        have = (field.metadata or {}).get(FINGERPRINT, b"").decode()
        if head.fingerprint and have != head.fingerprint:
            raise SpaceMismatch(
                f"the head {Path(self.head).name} was trained on vectors of another encoder than those in "
                f"'{self.embedding}' (fingerprint {head.fingerprint[:12]}, the column has {have[:12] or 'none'}); train it again"
            )

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        values = batch.column(self.embedding)
        valid = np.asarray(values.is_valid())
        head = self._head()
        scores = np.zeros(len(batch), np.float32)
        if valid.any():
            scores[valid] = head(np.asarray(values.drop_null().flatten(), np.float32).reshape(-1, head.dim))
        return {self.column: pa.array(scores, mask=~valid)}

    def _head(self) -> Head:
        path = Path(self.head)
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        return _load(self.head, self.layout, stamp)


@lru_cache(maxsize=8)
def _load(path: str, layout: str | None, stamp: int) -> Head:
    return load_head(path, layout)
