"""Rows that an annotator could not read: they wait until their source is back.

Beside the columns of such an annotator stands one of reasons, null where nothing is missing. It is written in the commit of
the values, so undo takes it along; it is declared when the first row has to wait and dropped when none does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from veduta.errors import NothingToDo, SourceAway
from veduta.pool import roles
from veduta.pool.schema import FINGERPRINT, OPERATION, PARAMETERS
from veduta.pool.view import View

MOVED = "the file is another image now"
AWAY = "the file cannot be read"
_ROLE = "unread:"


def declared(schema: pa.Schema, columns: Sequence[str]) -> pa.Field:
    """The field of reasons for an annotator's `columns`: the one that is there, or a new one under a free name."""
    role = f"{_ROLE}{columns[0]}"
    have = roles.name(schema, role)
    if have is not None:
        return schema.field(have)
    wanted = f"{columns[0]}_unread"
    while wanted in schema.names:
        wanted += "_"
    return pa.field(wanted, pa.string(), metadata={roles.ROLE: role.encode()})


def column(schema: pa.Schema, name: str) -> str | None:
    """The column of reasons that belongs to the column `name`; None if all of its rows were read."""
    own = roles.name(schema, f"{_ROLE}{name}")
    if own is not None or name not in schema.names:
        return own
    made = _made(schema.field(name))
    for field in schema:
        role = (field.metadata or {}).get(roles.ROLE, b"").decode()
        first = role.removeprefix(_ROLE)
        if made and role.startswith(_ROLE) and first in schema.names and _made(schema.field(first)) == made:
            return field.name
    return None


def _made(field: pa.Field) -> tuple[bytes | None, ...] | None:
    """What made a column, alike for all columns of one run of an annotator."""
    metadata = field.metadata or {}
    return tuple(metadata.get(key) for key in (OPERATION, PARAMETERS, FINGERPRINT)) if OPERATION in metadata else None


def rows(pool: View, names: Iterable[str]) -> np.ndarray:
    """Positions (int64) of the rows in which one of the columns `names` waits for its source."""
    marks = {mark for name in names if (mark := column(pool.schema, name))}
    found = [pool.rows(f"`{mark}` is not null") for mark in sorted(marks)]
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]))


def told(pool: View, names: Iterable[str] | None = None) -> list[str]:
    """A sentence for every annotator's columns (of `names`, or all) with rows that wait: how many, why, and what to do."""
    chosen = pool.schema.names if names is None else names
    sentences: list[str] = []
    for mark in dict.fromkeys(filter(None, (column(pool.schema, name) for name in chosen))):
        first = (pool.schema.field(mark).metadata or {})[roles.ROLE].decode().removeprefix(_ROLE)
        found = pool.table(["key", mark], where=f"`{mark}` is not null")
        if not len(found):
            continue
        why = Counter(_kind(reason) for reason in found.column(1).to_pylist())
        kinds = ", ".join(f"{count:,} because {kind}" for kind, count in why.most_common())
        example = found.column(1)[0].as_py()
        wait = "1 row waits" if len(found) == 1 else f"{len(found):,} rows wait"
        sentences.append(
            f"{wait} for the source in '{first}': {kinds} (for example: {example}); "
            "run the same command again when the files are back"
        )
    return sentences


def _kind(reason: str) -> str:
    return MOVED if "no longer the image" in reason else AWAY


@contextmanager
def explains(pool: View, names: Sequence[str]) -> Iterator[None]:
    """Where an operation finds nothing to work on because rows of the columns `names` wait, say that."""
    try:
        yield
    except NothingToDo as error:
        waiting = told(pool, names)
        if not waiting:
            raise
        raise SourceAway(f"{waiting[0]} ({error})") from error
