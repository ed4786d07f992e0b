"""How long a run is: steps, epochs, or a budget of time that is turned into steps."""

from __future__ import annotations

import re
from collections import deque

from veduta.errors import BadInput

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

WINDOW, LEAST_WINDOW = 0.05, 2.0
"""The share of a budget, and the least seconds, over which the time of a step is taken."""
REVISED_UNTIL = 0.25
"""The share of a budget within which a run may begin again with another number of steps."""
TOO_FAR = 1.4
"""A run that would take this many times its budget, or end after one such part of it, begins again."""
ENDING = 0.03
"""The share of a budget that is kept for what comes after the last step."""


def seconds(budget: str) -> float:
    """ "90s", "10m", "1h30m" in seconds. Raises BadInput."""
    text = budget.replace(" ", "").lower()
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        raise BadInput(f"budget must be a time like 90s, 10m or 1h30m, got {budget!r}")
    total = sum(float(number) * _UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([smhd])", text))
    if total <= 0:
        raise BadInput(f"budget must be more than nothing, got {budget!r}")
    return total


class Budget:
    """A budget of time: how many steps fit, and whether they still do once the run is under way.

    total: seconds. validations: seconds that all of them take together; at most 0.3 of the budget are kept for them.
    most: steps that are enough, even where more would fit.
    """

    def __init__(self, total: float, validations: float, most: int | None = None) -> None:
        self.total, self.most = total, most
        self.reserve = min(validations, 0.3 * total) + ENDING * total
        self.recent: deque[float] = deque()
        self.doubted = False
        self.window = max(WINDOW * total, LEAST_WINDOW)

    def steps(self, spent: float, step: float) -> int:
        """Steps of `step` seconds that fit when `spent` seconds are gone."""
        fit = max(1, int((self.total - spent - self.reserve) / max(step, 1e-9)))
        return fit if self.most is None else min(fit, self.most)

    def may_revise(self, spent: float) -> bool:
        """Whether so little is gone that beginning again costs less than a wrong number of steps."""
        return spent <= REVISED_UNTIL * self.total

    def took(self, step: float) -> None:
        """Note the seconds of a step, with the wait for its batch."""
        self.recent.append(step)
        while len(self.recent) > 1 and sum(self.recent) - self.recent[0] >= self.window:
            self.recent.popleft()

    def revised(self, spent: float, left: int, steps: int) -> int | None:
        """A better number than `steps` to begin again with, where the `left` ones would end far from the budget.

        A machine that was busy when the first steps were timed, or is now, makes the number wrong by a multiple. The
        first window that says so may hold the change itself, so that the next one, begun after it, decides; but at the
        last step there is no next one.
        """
        if (left and sum(self.recent) < self.window) or not self.may_revise(spent):
            return None
        step = sum(self.recent) / len(self.recent)
        end = spent + left * step + self.reserve
        if self.total / TOO_FAR <= end <= self.total * TOO_FAR or self.steps(spent, step) == steps:
            self.doubted = False
            return None
        self.recent.clear()
        self.doubted = left > 0 and not self.doubted
        return None if self.doubted else self.steps(spent, step)
