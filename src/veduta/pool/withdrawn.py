"""Rows that were withdrawn: they stay in the table, so that everything can be seen, and go no further from there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veduta.pool.schema import OPERATION

if TYPE_CHECKING:
    from veduta.pool.selection import Selection
    from veduta.pool.view import View

COLUMN = "withdrawn"


def sound(view: View) -> str:
    """The SQL condition of rows that may be used: decodable, and not withdrawn by the operation `withdraw`."""
    return f"error is null and {COLUMN} is null" if _there(view) else "error is null"


def rows(view: View) -> np.ndarray:
    """Positions of the withdrawn rows of a view, int64, ascending."""
    return view.rows(f"{COLUMN} is not null") if _there(view) else np.empty(0, np.int64)


def reads(view: View) -> list[str]:
    """The column that every selection of this pool depends on besides its own, if it is there."""
    return [COLUMN] if _there(view) else []


def left_out(view: View, selection: Selection) -> Selection:
    """The selection without the withdrawn rows, whatever chose them."""
    gone = rows(view)
    gone = gone[selection.keep[gone]]
    if not len(gone):
        return selection
    keep = selection.keep.copy()
    keep[gone] = False
    reasons = selection.reasons.to_pylist()
    for row, why in zip(gone.tolist(), view.take(gone, [COLUMN]).column(0).to_pylist(), strict=True):
        reasons[row] = f"withdrawn: {why}"
    return replace(selection, keep=keep, reasons=pa.array(reasons, pa.string()))


def _there(view: View) -> bool:
    """Whether the operation made the column; one of that name that came with the source means something else."""
    names = view.schema.names
    return COLUMN in names and (view.schema.field(COLUMN).metadata or {}).get(OPERATION) == b"withdraw"
