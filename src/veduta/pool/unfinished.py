"""What a run is about to do, noted before its first commit, so that one that is killed is not lost to the log.

The same run, begun again, takes the version before the killed one as its own, so that its record covers both and an undo takes
both away. Where another run comes instead, what was killed becomes a run of its own in the log.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from veduta.pool import durable, lineage
from veduta.pool.lineage import Record

if TYPE_CHECKING:
    from veduta.pool.pool import Pool

FILE = "unfinished.json"


def begin(pool: Pool, planned: Sequence[Record]) -> int:
    """Note the runs that share the commits from now on; returns the version before them. The caller holds the lock.

    A killed run of others stays noted until these commit something: they may find that there is nothing to do.
    """
    left = _committed(pool)
    for old, after in pairwise(left):
        _settle(pool, old, after[0].before)
    last = left[-1] if left else []
    if last and all(any(_same(old, new) for new in planned) for old in last):
        _note(pool.path, last)
        return last[0].before
    _note(pool.path, [*last, *(replace(record, before=pool.version) for record in planned)])
    return pool.version


def forget(pool: Pool) -> None:
    """The runs that were begun last have ended without a change."""
    _note(pool.path, [old for group in _committed(pool) for old in group])


def is_left(pool: Pool, planned: Record) -> bool:
    """Whether this run was begun, has committed something, and is not in the log."""
    return any(_same(old, planned) for group in _committed(pool)[-1:] for old in group)


def settle(pool: Pool) -> None:
    """Put runs that were killed into the log."""
    left = _committed(pool)
    for old, after in zip(left, [*left[1:], None]):
        _settle(pool, old, after[0].before if after else pool.version)
    _note(pool.path, [])


def recorded(pool: Pool, record: Record) -> None:
    """Write the record of a run that has ended, after those of a killed run before it, and forget that it was begun."""
    left = _left(pool)
    mine = next((old for old in left if _same(old, record) and old.before == record.before), None)
    killed = [old for old in left if old.before < record.before < record.version]
    _settle(pool, killed, record.before)
    lineage.append(pool.path / "lineage", record)
    # One that was begun at the same version and shares no commits with this one has failed before it wrote anything.
    rest = [old for old in left if mine is not None or old.before < record.before]
    if left:
        _note(pool.path, [old for old in rest if old is not mine and old not in killed])


def _settle(pool: Pool, killed: Sequence[Record], version: int) -> None:
    for old in killed:
        lineage.append(pool.path / "lineage", replace(old, version=version, details={"interrupted": True}))


def _committed(pool: Pool) -> list[list[Record]]:
    """The runs that have committed something and are not in the log; those that shared commits together, oldest first."""
    left = [old for old in _left(pool) if old.before < pool.version]
    return [[old for old in left if old.before == before] for before in sorted({old.before for old in left})]


def _left(pool: Pool) -> list[Record]:
    """What was begun and is not in the log: a kill between the record and the end of the note leaves both."""
    try:
        noted = [Record(**each) for each in json.loads((pool.path / FILE).read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):  # a file that a power cut left empty
        return []
    if not noted:
        return []
    ended = [
        record for record in lineage.history(pool.path / "lineage", pool.version) if record.version > noted[0].before
    ]
    return [old for old in noted if not any(_same(old, record) for record in ended)]


def _same(a: Record, b: Record) -> bool:
    def plain(record: Record) -> str:
        return json.dumps([record.operation, record.parameters], sort_keys=True, default=str)

    return plain(a) == plain(b)


def _note(path: Path, records: Sequence[Record]) -> None:
    if records:
        text = json.dumps([asdict(record) for record in records], ensure_ascii=False, default=str)
        durable.write_atomically(path / FILE, text + "\n")
    else:
        (path / FILE).unlink(missing_ok=True)
