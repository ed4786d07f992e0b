"""What a reader offers: items, one a file or a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import pyarrow as pa


@dataclass(slots=True)
class Item:
    """One image offered by a reader; nothing of it has been read yet.

    key: unique in the source and stable between runs, "/"-separated.
    uri: where the bytes live; "" if they exist only inside the source's records.
    stamp: changes whenever the content may have changed (size and mtime of a file, digest of a record).
    read: gives the original bytes; raises OSError or SourceError.
    fields: core columns (`label`, `captions`, `split`, `objects`, ...) and the source's own columns.
    unsure: a part of what the source says of it could not be read, so that what `fields` lacks may only be unseen.
    loose: fields that stand in for what could not be read or is not there; a row that is known keeps its own.
    cut: fields whose value may be only the beginning of what was written, since the file ends there.
    size: bytes that `read` will give, 0 where that is not known; a run holds only so many at the same time.
    """

    key: str
    uri: str
    stamp: str
    read: Callable[[], bytes]
    fields: dict[str, object] = field(default_factory=dict)
    unsure: bool = False
    loose: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()
    size: int = 0


@runtime_checkable
class Reader(Protocol):
    """A source of items. Iteration is deterministic, sorted, bounded in memory and never decodes pixels."""

    name: str

    def items(self) -> Iterator[Item]: ...

    def columns(self) -> dict[str, pa.DataType]:
        """Types of the columns in `Item.fields` that are not core columns."""
        ...
