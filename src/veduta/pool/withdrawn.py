"""Rows that go no further: withdrawn ones, and those that their source no longer offers.

They stay in the table, so that everything can be seen, and no selection, training run or export takes them unasked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veduta.pool import roles
from veduta.pool.schema import OPERATION

if TYPE_CHECKING:
    from veduta.pool.selection import Selection
    from veduta.pool.view import View

COLUMN = "withdrawn"


def sound(view: View) -> str:
    """The SQL condition of rows that may be used: decodable, not withdrawn, and still in their source."""
    return " and ".join(["error is null", *(f"{name} is null" for name in reads(view))])


def present(view: View) -> str | None:
    """The SQL condition of rows that their source still offers; None in a pool from which none ever went."""
    name = roles.name(view.schema, roles.GONE)
    return f"{name} is null" if name else None


def usable(view: View) -> str | None:
    """As `sound`, but for what is said of files that cannot be decoded; None where every row may be used."""
    return " and ".join(f"{name} is null" for name in reads(view)) or None


def rows(view: View) -> np.ndarray:
    """Positions of the withdrawn rows of a view, int64, ascending."""
    return view.rows(f"{COLUMN} is not null") if _there(view) else np.empty(0, np.int64)


def gone(view: View) -> np.ndarray:
    """Positions of the rows of a view that their source no longer offers, int64, ascending."""
    name = roles.name(view.schema, roles.GONE)
    return view.rows(f"{name} is not null") if name else np.empty(0, np.int64)


def reads(view: View) -> list[str]:
    """The columns that every selection of this pool depends on besides its own, as far as they are there."""
    name = roles.name(view.schema, roles.GONE)
    return [*([COLUMN] if _there(view) else []), *([name] if name else [])]


def left_out(view: View, selection: Selection) -> Selection:
    """The selection without the withdrawn and the gone rows, whatever chose them."""
    reasons: dict[int, str] = {}
    for found, column, word in (
        (gone(view), roles.name(view.schema, roles.GONE), ""),
        (rows(view), COLUMN, "withdrawn: "),
    ):
        found = found[selection.keep[found]]
        if len(found) and column:
            why = view.take(found, [column]).column(0).to_pylist()
            reasons |= {row: f"{word}{words}" for row, words in zip(found.tolist(), why, strict=True)}
    if not reasons:
        return selection
    keep = selection.keep.copy()
    keep[list(reasons)] = False
    told = selection.reasons.to_pylist()
    for row, words in reasons.items():
        told[row] = words
    return replace(selection, keep=keep, reasons=pa.array(told, pa.string()))


def _there(view: View) -> bool:
    """Whether the operation made the column; one of that name that came with the source means something else."""
    names = view.schema.names
    return COLUMN in names and (view.schema.field(COLUMN).metadata or {}).get(OPERATION) == b"withdraw"
