"""What is done around every run: its folder, the pinned pool, one command at a time. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.engine import progress
from veduta.engine.disk import full_disk_is_an_answer
from veduta.engine.run import signature
from veduta.errors import BadInput
from veduta.learn.folder import ASKED, LOCK, RunFolder, place
from veduta.learn.operation import Learn
from veduta.learn.run import Run
from veduta.pool import Pool
from veduta.pool.lock import exclusive


def run(
    operation: Learn, pool: Pool, where: str | None, selection: str | None, name: str, on: progress.Progress
) -> Run:
    """Make the run `runs/<name>` of the pool, or go on with it; see `Learn.learn`."""
    rows = {"where": where, "selection": selection}
    asked = {"operation": operation.operation(), "parameters": operation.parameters(), "rows": rows}
    on = on if first_process() else progress.Silent()
    path = place(pool, name)
    with full_disk_is_an_answer(pool.path), _alone(path):
        folder = _opened(path, pool, asked)
        if folder.done:
            _same_data(operation, folder, pool, where, selection)
            on.say(f"{path} is done already; choose another name with --as to train again")
        else:
            operation.fill(folder, pool.at(folder.version), where, selection, on)
    return Run(path)


def first_process() -> bool:
    """Whether this is the only process, or the one that speaks and writes for those that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


def _same_data(operation: Learn, folder: RunFolder, pool: Pool, where: str | None, selection: str | None) -> None:
    """Raise BadInput if a finished run would see other data in the pool as it is now.

    With a condition only its rows count, by what they hold: a pool may grow around them.
    """
    then = pool.at(folder.version)
    reads = [*operation.reads(), *([f"select_{selection}"] if selection else [])]
    apart = where is not None and selection is None
    same = signature(then, reads, rows=not apart) == signature(pool, reads, rows=not apart)
    if same and where is not None:
        same = _held(then, where, reads) == _held(pool, where, reads)
    if not same:
        raise BadInput(
            f"the run {folder.path} was trained on version {folder.version} of the pool, and the pool has other rows or "
            f"other values by now (version {pool.version}); choose another name with --as to train again"
        )


def _held(pool: Pool, where: str, reads: list[str]) -> pa.Table:
    """What a run sees of the rows of a condition; vectors follow from the image and from what made their column."""
    flat = [
        name
        for name in reads
        if name in pool.schema.names and not pa.types.is_fixed_size_list(pool.schema.field(name).type)
    ]
    table = pool.table(list(dict.fromkeys(["key", "digest", *flat])), where=where)
    return table.replace_schema_metadata(None).cast(pa.schema([pa.field(f.name, f.type) for f in table.schema]))


def _opened(path: Path, pool: Pool, asked: dict[str, Any]) -> RunFolder:
    """The folder; of several processes the first makes it."""
    if not first_process():
        for _ in range(600):
            if (path / ASKED).exists():
                break
            time.sleep(0.1)
    return RunFolder.open(path, pool, asked)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one command works on a run at a time."""
    if not first_process():
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    with exclusive(path / LOCK):
        yield
