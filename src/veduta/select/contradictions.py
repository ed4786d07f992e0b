"""Groups of copies that contradict themselves: other labels, or both sides of a split."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.pool import View

TEST = re.compile(r"(.*[^a-z])?(test|testing|holdout)([^a-z].*)?", re.IGNORECASE)
VALIDATION = re.compile(r"(.*[^a-z])?(val|valid|validation|dev|development|eval|evaluation)([^a-z].*)?", re.IGNORECASE)


def texts(pool: View, column: str) -> list[str | None]:
    """A column as text, one entry a row; lists by their sorted elements; all None where the pool has no such column."""
    if column not in pool.schema.names:
        return [None] * len(pool)
    values = pool.table([column]).column(0).to_pylist()
    return [_text(value) for value in values]


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return ", ".join(sorted({str(each) for each in value})) or None
    return str(value)


def weight(split: str | None) -> int:
    """0 for a test split (test, test2017, holdout), 1 for a validation split (val, valid, dev), 2 for any other or none.

    What a model is measured on is given and cannot be chosen anew, so of two copies the one of the lower number stays.
    """
    name = split or ""
    return 0 if TEST.fullmatch(name) else 1 if VALIDATION.fullmatch(name) else 2


def weights(splits: Sequence[str | None]) -> NDArray[np.float64]:
    """`weight` of each row."""
    known = {split: weight(split) for split in set(splits)}
    return np.array([known[split] for split in splits], np.float64)


def differences(
    rows: NDArray[np.int64],
    kept: NDArray[np.int64],
    labels: Sequence[str | None],
    splits: Sequence[str | None],
) -> list[str]:
    """For each of `rows` (m,) what it says otherwise than its representative `kept` (m,): "" or words such as
    "label 'cat'; this one is labelled 'dog'; of the split 'test', this one of 'train'".
    """
    said = []
    for row, head in zip(rows.tolist(), kept.tolist(), strict=True):
        parts = []
        if _differ(labels[head], labels[row]):
            parts.append(f"label '{labels[head]}'; this one is labelled '{labels[row]}'")
        if _differ(splits[head], splits[row]):
            parts.append(f"of the split '{splits[head]}'; this one is of '{splits[row]}'")
        said.append("; ".join(parts))
    return said


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def mixed(representative: NDArray[np.int64], values: Sequence[str | None]) -> pa.Array:
    """(n,) string: on every row of a group with two or more values, these, sorted ("cat / dog"); else null."""
    found: dict[int, set[str]] = {}
    for head, value in zip(representative.tolist(), values, strict=True):
        if value is not None:
            found.setdefault(head, set()).add(value)
    words = {head: " / ".join(sorted(group)) for head, group in found.items() if len(group) > 1}
    return pa.array([words.get(head) for head in representative.tolist()], pa.string())
