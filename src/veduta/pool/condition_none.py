"""What there is, where a condition finds nothing."""

from __future__ import annotations

import pyarrow.compute as pc

from veduta.pool.condition import parsed
from veduta.pool.condition_kinds import group
from veduta.pool.condition_words import written
from veduta.pool.view import View

VALUES = 8
COLUMNS = 3


def none_found(pool: View, condition: str) -> str:
    """A sentence that no row satisfies the condition, with the values of the columns that it asks of."""
    asked: dict[str, str] = {}
    by_name = {name.lower(): name for name in pool.schema.names}
    for node in parsed(condition, pool.askable).walk():
        if type(node).__name__ == "Column" and (name := by_name.get(node.parts[0].name.lower())):
            asked.setdefault(name, "")
    told = [f"{written(name)} holds {words}" for name in list(asked)[:COLUMNS] if (words := _values(pool, name))]
    return f"no row satisfies {condition:.200}; " + ("; ".join(told) or "widen the condition")


def _values(pool: View, name: str) -> str:
    """The commonest values of a column with their numbers of rows, or the range of its numbers. Reads the column."""
    kind = pool.schema.field(name).type
    if group(kind) not in ("number", "text", "bool", "time"):
        return ""
    values = pool.table([name]).column(0).drop_null()
    if not len(values):
        return "nothing"
    if group(kind) in ("number", "time"):
        ends = pc.min_max(values).as_py()
        return f"values from {ends['min']} to {ends['max']}"
    counts = sorted(pc.value_counts(values.combine_chunks()).to_pylist(), key=lambda one: -one["counts"])
    shown = [f"{_shown(one['values'])} ({one['counts']:,})" for one in counts[:VALUES]]
    return ", ".join(shown) + (f" and {len(counts) - VALUES:,} others" if len(counts) > VALUES else "")


def _shown(value: object) -> str:
    return f"'{value:.60}'" if isinstance(value, str) else str(value).lower()
