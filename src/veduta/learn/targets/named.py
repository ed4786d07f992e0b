"""Sources of soft targets by name, and the classes they speak about."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.schema import OPERATION

if TYPE_CHECKING:
    from veduta.learn.targets.base import TargetSource

Opener = Callable[["Said", View, NDArray[np.int64], Sequence[str], int], "TargetSource"]
"""(what was said, pool, training rows ascending, names of the classes in their order, side of what the network sees)."""

_OWN = {
    "label-maps": "veduta.learn.targets.local:LocalLabels",
    "reinforce": "veduta.learn.targets.reinforced:Reinforced",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A source as the user named it: COLUMN:MODE?name=value&... A mode that was not given is ""."""

    text: str
    column: str
    mode: str
    options: Mapping[str, str]

    def choice(self, name: str, allowed: Sequence[str], default: str = "") -> str:
        """The mode (name "mode") or an option, which must be one of `allowed`; by default `default` or the first."""
        value = (self.mode if name == "mode" else self.options.get(name, "")) or default or allowed[0]
        if value not in allowed:
            what = name if name == "mode" else f"option {name}"
            raise BadInput(f"the {what} of --targets {self.text} must be one of {', '.join(allowed)}, got '{value}'")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """An option that is a number from `low` to `high`."""
        given = self.options.get(name)
        try:
            value = default if given is None else float(given)
        except ValueError:
            value = np.nan
        if not low <= value <= high:
            raise BadInput(
                f"the option {name} of --targets {self.text} must be a number in [{low}, {high}], got '{given}'"
            )
        return value

    def known(self, *names: str) -> None:
        """Raise BadInput for options of other names."""
        for name in sorted(set(self.options) - set(names)):
            raise BadInput(
                f"--targets {self.text} has no option '{name}'; it has: {', '.join(sorted(names)) or 'none'}"
            )


def parse(text: str) -> Said:
    """A source's name in its parts."""
    head, _, query = text.partition("?")
    column, _, mode = head.partition(":")
    if not column:
        raise BadInput(f"targets must be COLUMN, COLUMN:MODE or COLUMN:MODE?name=value, got '{text}'")
    return Said(text, column, mode, dict(parse_qsl(query, keep_blank_values=True)))


def require(text: str, pool: View, needed_by: str) -> Opener:
    """The opener for the source that `text` names. Raises BadInput for a column that is missing or no source of targets."""
    said, known = parse(text), _known()
    makers = " or ".join(f"veduta annotate {name}" for name in sorted(known))
    field = pool.require(said.column, needed_by=f"{needed_by} --targets {text}", mend=f"make it with: {makers}")
    maker = (field.metadata or {}).get(OPERATION, b"").decode()
    if maker not in known:
        raise BadInput(
            f"{needed_by} --targets: the column '{said.column}' "
            f"{f'was made by {maker}' if maker else 'came with the source'} and holds no soft targets; name one made by {makers}"
        )
    return known[maker]()


def open_source(
    text: str, pool: View, rows: NDArray[np.int64], classes: Sequence[str], size: int, needed_by: str
) -> TargetSource:
    """The source for training `rows` (m,), ascending, on `classes` (C names, in their order) at `size` pixels."""
    return require(text, pool, needed_by)(parse(text), pool, rows, classes, size)


def order_of(own: Sequence[str], task: Sequence[str], text: str) -> NDArray[np.int64]:
    """(len(own),) for each class that a source speaks about its place among the task's, -1 for those the task has not.

    Raises BadInput if the source does not know all of the task's classes.
    """
    place = {name: number for number, name in enumerate(task)}
    missing = sorted(set(task) - set(own))
    if missing:
        some = ", ".join(f"'{name}'" for name in missing[:3]) + (", ..." if len(missing) > 3 else "")
        theirs = ", ".join(f"'{name}'" for name in own[:3]) + (", ..." if len(own) > 3 else "")
        raise BadInput(
            f"--targets {text} does not know {len(missing)} of the {len(task)} classes that are trained ({some}); it speaks "
            f"about {len(own)} ({theirs}); make it with a teacher of these classes, or train on the labels alone"
        )
    return np.array([place.get(name, -1) for name in own], np.int64)


def _known() -> dict[str, Callable[[], Opener]]:
    """How to open columns, by the operation that makes them."""
    found: dict[str, Callable[[], Opener]] = {point.name: point.load for point in entry_points(group="veduta.targets")}
    for name, where in _OWN.items():
        found[name] = lambda where=where: _imported(where)
    return found


def _imported(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
