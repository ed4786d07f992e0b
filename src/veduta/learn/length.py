"""How long a run is: steps, epochs, or a budget of time that is turned into steps before the first one counts."""

from __future__ import annotations

import re

from veduta.errors import BadInput

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(budget: str) -> float:
    """ "90s", "10m", "1h30m" in seconds. Raises BadInput."""
    text = budget.replace(" ", "").lower()
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        raise BadInput(f"budget must be a time like 90s, 10m or 1h30m, got {budget!r}")
    total = sum(float(number) * _UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([smhd])", text))
    if total <= 0:
        raise BadInput(f"budget must be more than nothing, got {budget!r}")
    return total


def steps_within(budget: float, spent: float, step: float, reserve: float) -> int:
    """Steps of `step` seconds that fit in `budget` seconds when `spent` are gone and the end takes `reserve`."""
    return max(1, int((budget - spent - reserve) / max(step, 1e-9)))
