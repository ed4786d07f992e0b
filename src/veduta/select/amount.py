"""How many rows to keep: a fraction or a count."""

from __future__ import annotations

from veduta.errors import BadInput


def rows_to_keep(operation: str, available: int, fraction: float | None, count: int | None) -> int:
    """The number of rows for a `keep` fraction in (0, 1] or a `count`, of which exactly one is given."""
    if (fraction is None) == (count is None):
        given = "both" if fraction is not None else "neither"
        raise BadInput(f"{operation} needs either keep (a fraction) or count (a number of rows), got {given}; give one")
    if fraction is not None:
        return max(1, round(fraction * available)) if available else 0
    if count is None or count > available:
        raise BadInput(
            f"count of {operation} must be at most the {available} rows there are to choose from, got {count}"
        )
    return count
