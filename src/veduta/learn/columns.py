"""Columns that training starts from."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.schema import FINGERPRINT, OPERATION, PARAMETERS


def base_of(pool: View, column: str, needed_by: str) -> dict[str, str]:
    """The encoder that made an embedding column: its `uri` and `fingerprint`. Raises BadInput for any other column."""
    field = pool.require(column, needed_by=needed_by, mend="make it with: veduta annotate embed POOL")
    metadata = field.metadata or {}
    if metadata.get(OPERATION) != b"embed":
        raise BadInput(
            f"{needed_by}: the column '{column}' was not made by embed, so new images could not be brought into its "
            "space; name an embedding column, or image to train on pixels"
        )
    uri = json.loads(metadata[PARAMETERS])["encoder"]
    return {"uri": uri, "fingerprint": metadata.get(FINGERPRINT, b"").decode()}


def vectors_at(pool: View, column: str, *rows: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """The vectors (m, d) of several sets of rows, all of which have one. The column is read once."""
    vectors, positions = pool.vectors(column)
    place = np.full(len(pool), -1, np.int64)
    place[positions] = np.arange(len(positions))
    return [vectors[place[own]] for own in rows]
