"""The map's plane: its columns, and the rows inside a line drawn around some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa

from veduta.errors import BadInput
from veduta.pool import Pool, View


def axes(pool: View) -> tuple[str, str] | None:
    """The columns that `project-2d` wrote."""
    here = [name for name in ("x", "y") if name in pool.schema.names]
    drawn = len(here) == 2 and all(pa.types.is_floating(pool.schema.field(name).type) for name in here)
    return ("x", "y") if drawn else None


def required(pool: Pool) -> tuple[str, str]:
    """`axes`. Raises BadInput where the pool has no map."""
    columns = axes(pool)
    if columns is None:
        raise BadInput(f"{pool.path} has no map; make one: veduta annotate project-2d {pool.path}")
    return columns


def inside(pool: Pool, polygons: Sequence[Sequence[float]]) -> str:
    """The rows inside any of some polygons [x, y, x, y, ...] on the map, as SQL; a polygon's last corner joins its first.

    By the even-odd rule: a row is inside when a ray to its right crosses the line an odd number of times, and a crossing
    is between the lower end of an edge, which counts, and the upper one, which does not. Rows without a place are outside.
    Raises BadInput where the pool has no map.
    """
    x, y = required(pool)
    return " or ".join(_odd(x, y, polygon) for polygon in polygons)


def _odd(x: str, y: str, polygon: Sequence[float]) -> str:
    corners = list(zip(polygon[::2], polygon[1::2], strict=True))
    crossings = []
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        slope = (x2 - x1) / (y2 - y1) if y1 != y2 else math.inf
        if math.isinf(slope):  # level, or too flat for a number to tell
            continue
        low, high = sorted((y1, y2))
        between = f"{y} >= {low!r} and {y} < {high!r}"
        crossings.append(f"({between} and {x} < {x1!r} + ({slope!r}) * ({y} - ({y1!r})))")
    return _differ(crossings) if crossings else "false"


def _differ(terms: list[str]) -> str:
    """Whether an odd number of the terms holds, as a balanced tree: a long row of them would be as deep as it is long."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_differ(terms[:half])} <> {_differ(terms[half:])})"
