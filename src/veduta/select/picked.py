"""Rows chosen by hand."""

from __future__ import annotations

import numpy as np

from veduta.engine.operation import Field, Selector
from veduta.errors import BadInput
from veduta.pool import Pool, Selection


class Picked(Selector):
    """Keep the images that a person chose, by key.

    Unlike `where` it holds for the images of now: what is added later counts as left out.
    """

    keys: list[str] = Field(min_length=1, description="keys of the images to keep")
    note: str = Field("", max_length=500, description="why, in words; becomes the others' reason")

    def select(self, pool: Pool) -> Selection:
        wanted = set(self.keys)
        have = pool.table(["key"]).column(0).to_pylist()
        unknown = wanted.difference(have)
        if unknown:
            raise BadInput(f"the pool has no image '{min(unknown)}', so that it cannot be kept")
        keep = np.fromiter((key in wanted for key in have), bool, len(have))
        reason = f"not chosen by hand: {self.note}" if self.note else "not chosen by hand"
        return Selection.of("picked", keep, reason, summary={"note": self.note})
