"""What a person has decided, by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.review import column_of
from veduta.app.columns import Codes
from veduta.app.session import Session
from veduta.pool import Pool


def decided(here: Session, pool: Pool, kind: str) -> NDArray[np.bool_]:
    """(n,) whether something is decided about a row."""
    codes = decisions(here, pool, kind)
    return np.zeros(pool.dataset.count_rows(), bool) if codes is None else codes.codes >= 0


def decisions(here: Session, pool: Pool, kind: str) -> Codes | None:
    """The decisions on a kind, None before the first."""
    name = column_of(kind)
    if name not in pool.schema.names:
        return None
    held = here.held.column(pool, name)
    return held if isinstance(held, Codes) else None
