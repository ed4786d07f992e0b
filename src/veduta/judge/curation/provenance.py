"""What the making of a column cost, by the pool's own records."""

from __future__ import annotations

from collections.abc import Sequence

from veduta.pool import Pool


def seconds_of(pool: Pool, columns: Sequence[str]) -> float:
    """Wall time of the runs that made these columns and everything that they read, each run counted once.

    Annotators that shared one pass over the images each recorded the whole pass; it counts once.
    """
    made = {}
    for record in pool.lineage():
        for column in record.adds:
            made[column] = record
    passes: dict[tuple[int, int, str], float] = {}
    todo, seen = list(columns), set()
    while todo:
        column = todo.pop()
        if column in seen or column not in made:
            continue
        seen.add(column)
        record = made[column]
        if record.operation == "ingest":
            continue
        key = (record.before, record.version, record.started)
        passes[key] = max(passes.get(key, 0.0), record.seconds)
        todo += [*record.reads, *record.adds]
    return sum(passes.values())
