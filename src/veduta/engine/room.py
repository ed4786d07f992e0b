"""Room for the columns of a recipe: a source's columns of the same names step aside, and keep their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from veduta.engine.progress import Progress
from veduta.pool import Pool, roles
from veduta.pool.schema import CORE

SHOWN = 3


def make_room(pool: Pool, names: Iterable[str], by: str, on: Progress) -> None:
    """Give columns that came with a source, and bear a name that `by` is about to write, the prefix `source_`, and say so.

    A later ingest finds them under that name (see `source_columns.renamed`). The caller holds the lock.
    """
    moved = {}
    for name in names:
        if name not in pool.schema.names or name in CORE.names or pool.provenance(name):
            continue
        if roles.ROLE in (pool.schema.field(name).metadata or {}):
            continue
        new = f"source_{name}"
        while new in pool.schema.names:
            new = f"source_{new}"
        pool.rename(name, new)
        moved[name] = new
    if moved:
        on.say(told(moved, by))


def told(moved: Mapping[str, str], by: str) -> str:
    """One sentence for the columns of a source that have other names here."""
    pairs = [f"'{name}' is '{new}'" for name, new in moved.items()]
    more = f", and {len(pairs) - SHOWN} more likewise" if len(pairs) > SHOWN else ""
    return f"columns of the source renamed, since {by} writes their names: {', '.join(pairs[:SHOWN])}{more}"
