"""A label column as targets, and rows as training and test rows.

Legend: n rows that have a label, k classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.errors import BadInput, NothingToDo


@dataclass(frozen=True, slots=True)
class Targets:
    """matrix: (n, k) bool; rows: (n,) which of the given values they come from; exclusive: one class a row."""

    matrix: NDArray[np.bool_]
    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    exclusive: bool

    @classmethod
    def of(cls, values: pa.Array | pa.ChunkedArray, name: str) -> Targets:
        """From strings, integers or booleans (exclusive) or lists of strings (not); null rows are left out.

        An empty list is a row without any label, and is kept. Raises BadInput for other types or fewer than 2 classes.
        """
        kind = values.type
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        single = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
        if not (listed or single or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind)):
            raise BadInput(
                f"target must be a column of strings, integers or lists of strings, but '{name}' holds {kind}"
            )
        given = values.to_pylist()
        rows = np.array([i for i, value in enumerate(given) if value is not None], np.int64)
        if not len(rows):
            raise NothingToDo(f"no row has a value in the target '{name}'; name another column")
        sets: list[list[str]] = [
            [str(v) for v in given[i] if v is not None] if listed else [str(given[i])] for i in rows
        ]
        classes = tuple(sorted({label for labels in sets for label in labels}))
        if len(classes) < 2:
            only = f"only '{classes[0]}'" if classes else "no class"
            raise BadInput(
                f"the target '{name}' has {only}, and a classifier needs at least 2 classes; name another column"
            )
        place = {label: i for i, label in enumerate(classes)}
        matrix = np.zeros((len(rows), len(classes)), bool)
        for row, labels in enumerate(sets):
            matrix[row, [place[label] for label in labels]] = True
        return cls(matrix, classes, rows, not listed)


def require_rows(targets: Targets, train: NDArray[np.int64], name: str, least: int = 2) -> None:
    """Raise BadInput, naming the classes, if one has fewer than `least` training rows."""
    counts = targets.matrix[train].sum(0)
    rare = [f"'{targets.classes[i]}' ({counts[i]})" for i in np.flatnonzero(counts < least)]
    if rare:
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        raise BadInput(
            f"each class of the target '{name}' needs at least {least} training rows, but these have fewer: "
            f"{', '.join(rare[:5])}{more}; leave them out with a condition, or label more rows"
        )


def random_split(
    targets: Targets, share: float, rng: np.random.Generator, groups: Sequence[object] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training rows, test rows), stratified by (rarest) label; rows of one group stay on one side.

    groups: n values, None for a row of its own. A class keeps at least two of its rows (or groups) in training.
    """
    n = len(targets.matrix)
    frequency = np.where(targets.matrix, targets.matrix.sum(0), np.iinfo(np.int64).max)
    stratum = np.where(targets.matrix.any(1), frequency.argmin(1), -1)
    owner = np.arange(n)
    if groups is not None:
        first: dict[object, int] = {}
        owner = np.array([i if group is None else first.setdefault(group, i) for i, group in enumerate(groups)])
    leaders = np.unique(owner)
    test = np.zeros(n, bool)
    for label in np.unique(stratum[leaders]):
        own = rng.permutation(leaders[stratum[leaders] == label])
        test[own[: max(0, min(round(share * len(own)), len(own) - 2))]] = True
    test = test[owner]
    return np.flatnonzero(~test), np.flatnonzero(test)
