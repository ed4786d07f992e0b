"""Images whose owner, or a person on them, wants them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import field_validator

from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.withdrawn import COLUMN

MOST = 100_000
"""Keys; they are kept with every later version of the pool."""


class Withdraw(TableAnnotator):
    """Withdraw images for good: no later selection keeps them and no export writes them.

    Adds `withdrawn`: string, the reason; null for all others. `keys` holds keys, or SHA-256 digests, which withdraw every copy
    of the same file; a text file of them, one a line, is named as `@FILE`, and what it holds is kept with the pool. What was
    withdrawn before stays so.

    What this is not: erasure. The bytes stay in the pool and its earlier versions, and an undo takes the mark back. Export what
    is left to a new pool and delete this one where the bytes themselves must go. Keep the list and run it again after every
    ingest: a changed file under another name is a new image. PASS went through two such removals (versions 2 and 3 of Asano et
    al. 2021, arXiv 2109.13228). Memory: the keys.
    """

    given: ClassVar[bool] = True

    keys: tuple[str, ...] = Field(
        min_length=1, max_length=MOST, description="keys or SHA-256 digests of the images; or @FILE with one a line"
    )
    reason: str = Field("on request", min_length=1, max_length=500, description="why, in words")
    elsewhere: bool = Field(
        False, description="the list serves several pools: ignore what this one does not have, instead of refusing it"
    )

    @field_validator("keys", mode="before")
    @classmethod
    def _listed(cls, keys: Any) -> Any:
        """A named file becomes what it holds: the list is kept with the pool, a file could change under its name."""
        given = [keys] if isinstance(keys, str) else keys
        if not isinstance(given, (list, tuple)) or not all(isinstance(key, str) for key in given):
            return keys
        found: list[str] = []
        for key in given:
            found += _lines(key[1:]) if key.startswith("@") else [key]
        return tuple(dict.fromkeys(found))

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(COLUMN, pa.string())])

    def amends(self) -> list[str]:
        return self.adds().names

    def reads(self) -> list[str]:
        return ["key", "digest"]

    def check(self, pool: View) -> None:
        if COLUMN in pool.schema.names and pa.types.is_string(pool.schema.field(COLUMN).type) is False:
            raise BadInput(f"withdraw: the source's own column '{COLUMN}' is in the way; ingest it under another name")

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        whole = View(pool.dataset)
        table = whole.table(["key", "digest", *([COLUMN] if COLUMN in whole.schema.names else [])])
        before = table[COLUMN].to_pylist() if COLUMN in table.column_names else [None] * len(table)
        wanted = set(self.keys)
        hit = [
            key in wanted or digest in wanted
            for key, digest in zip(table["key"].to_pylist(), table["digest"].to_pylist(), strict=True)
        ]
        unknown = wanted - {*table["key"].to_pylist(), *table["digest"].to_pylist()}
        if unknown and not self.elsewhere:
            raise BadInput(
                f"withdraw: the pool has no image '{min(unknown)}' ({len(unknown)} of {len(wanted)} are unknown); give keys or SHA-256 "
                "digests of its images, or set elsewhere where the list serves several pools"
            )
        values = [old if old is not None or not new else self.reason for old, new in zip(before, hit, strict=True)]
        return pa.table({"_row": pa.array(np.arange(len(values))), COLUMN: pa.array(values, pa.string())})


def _lines(file: str) -> list[str]:
    try:
        lines = Path(file).expanduser().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__})"
        raise ValueError(f"the list {file} {why}; name a text file with one key or digest a line") from None
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise ValueError(f"the list {file} is empty, so nothing would be withdrawn")
    return found
