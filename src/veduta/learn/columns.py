"""Columns that training starts from."""

from __future__ import annotations

import json

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
