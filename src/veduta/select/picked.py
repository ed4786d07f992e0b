"""Rows chosen by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection

MOST = 50_000
"""Keys; they are kept with every later version of the pool."""


class Picked(Selector):
    """Keep the images that somebody picked, by key.

    For choices that no condition describes: a lasso on the map, the nearest images to a picture. Keys that the pool does
    not have (any more) are counted in the summary and otherwise ignored, unless none is left. Memory: the keys.
    """

    keys: tuple[str, ...] = Field(min_length=1, max_length=MOST, description="keys of the images to keep")
    reason: str = Field("not picked", min_length=1, max_length=500, description="why all others are left out, in words")
    note: str = Field("", max_length=2000, description="what the choice is for")

    @field_validator("keys")
    @classmethod
    def _once(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(keys)))

    def reads(self) -> list[str]:
        return ["key"]

    def select(self, pool: Pool) -> Selection:
        keys = pool.table(["key"]).column(0).combine_chunks()
        keep = np.asarray(pc.is_in(keys, value_set=pa.array(self.keys, keys.type)))
        found = int(keep.sum())
        if not found:
            raise BadInput(f"picked: the pool has none of the {len(self.keys):,} keys, such as '{self.keys[0]}'")
        return Selection.of(self.operation(), keep, self.reason, summary={"not_found": len(self.keys) - found})
