"""How many steps a run gets: as given, or what fits into a budget by the time of a few that are tried first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from veduta.learn.loader import Batch
from veduta.learn.processes import agreed
from veduta.learn.settings import Settings

PROBE_STEPS = 3
DEFAULT_BUDGET = "10m"


def given(settings: Settings, per_epoch: int) -> int | None:
    """The number that steps or epochs ask for, None where a budget of time decides. per_epoch: steps of one pass."""
    if settings.steps is not None:
        return settings.steps
    if settings.epochs is not None:
        return max(1, round(settings.epochs * per_epoch))
    return None


def budget(settings: Settings) -> str:
    """The time to train for, as "10m"."""
    return settings.budget or DEFAULT_BUDGET


def most(settings: Settings, per_epoch: int) -> int | None:
    """Steps that are enough, whatever time is left; None where more are always better."""
    enough = settings.enough()
    return None if enough is None else max(1, round(enough * per_epoch))


def typical(fabric: Any, batches: Iterable[Batch], step: Callable[[Batch], None], total: float) -> float:
    """The median of the seconds that `step` takes, without the first. total: the budget's seconds; 5 % are tried, at most 5 s."""
    taken: list[float] = []
    for batch in batches:
        start = time.monotonic()
        step(batch)
        taken.append(time.monotonic() - start)
        (timed,) = agreed(fabric, len(taken) > PROBE_STEPS and sum(taken) > min(total / 20, 5.0))
        if timed:
            break
    return sorted(taken[1:])[len(taken[1:]) // 2]


def told(settings: Settings, steps: int, step: float, per_epoch: int) -> Iterator[str]:
    """What the user hears of a plan of `steps` steps of `step` seconds."""
    if steps == most(settings, per_epoch):
        yield (
            f"{steps:,} steps of {step * 1000:.0f} ms, {settings.enough():g} passes over the rows, are enough; "
            "for more: --epochs"
        )
    else:
        yield f"{steps:,} steps of {step * 1000:.0f} ms fit into {budget(settings)}"
    if steps < per_epoch:
        yield (
            f"they see {steps / per_epoch:.0%} of the training rows; a longer --budget, a smaller --size or "
            "another --model would see them all, and a probe of stored vectors takes seconds: veduta learn probe"
        )
